"""Whether `ferry encode` gives what transformers gave for the towers `make_vit.py DIR --real` wrote.

    python check_vit.py FERRY DIR

Exit 1 where a cosine is below .99999. By hand: the towers have 1.3 GB.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image
from safetensors.numpy import load_file


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: check_vit.py FERRY DIR')
    failed = False
    for name in ('vit', 'clip', 'siglip', 'dinov2'):
        folder = os.path.join(sys.argv[2], name)
        tensors = load_file(os.path.join(folder, 'expected.safetensors'))
        with tempfile.TemporaryDirectory() as place:
            words = []
            for i in range(len(tensors['features'])):
                path = os.path.join(place, f'{i}.png')
                Image.fromarray(tensors[f'image.{i}']).save(path)
                words += ['--image', path]
            run = [sys.argv[1], 'encode', '-q', '--model', folder, *words]
            lines = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        found = np.array([json.loads(line)['embedding'] for line in lines])
        expected = tensors['features'].astype(np.float64)
        cosine = ((found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)).min()
        print(f'{name}: lowest cosine 1 - {1 - cosine:.1e}, largest difference {np.abs(found - expected).max():.1e}')
        failed = failed or not cosine >= 0.99999
    sys.exit(failed)


if __name__ == '__main__':
    main()
