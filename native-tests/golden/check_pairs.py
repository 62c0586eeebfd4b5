"""Whether `ferry encode` gives what transformers gave for the models `make_pairs.py DIR --real` wrote.

    python check_pairs.py FERRY DIR

Exit 1 where a cosine is below .99999 or a number is off by more than 1e-4. By hand: the models have 1.4 GB.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image
from safetensors.numpy import load_file


def lines_of(words, texts=''):
    run = subprocess.run(words, check=True, input=texts, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def check(what, found, expected):
    expected = expected.astype(np.float64)
    cosine = ((found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)).min()
    largest = np.abs(found - expected).max()
    print(f'{what}: {len(found)} rows, lowest cosine 1 - {1 - cosine:.1e}, largest difference {largest:.1e} of {np.abs(expected).max():.3g}')
    return cosine >= 0.99999 and largest <= 1e-4


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: check_pairs.py FERRY DIR')
    good = True
    for name in ('clip', 'siglip'):
        folder = os.path.join(sys.argv[2], name)
        tensors = load_file(os.path.join(folder, 'expected.safetensors'))
        with open(os.path.join(folder, 'text.jsonl'), encoding='ascii') as file:
            texts = [json.loads(line)['text'] for line in file]
        ferry = [sys.argv[1], 'encode', '-q', '--model', folder]
        lines = lines_of(ferry, '\n'.join(json.dumps({'text': text}) for text in texts))
        good &= check(f'{name} texts', np.array([line['embedding'] for line in lines]), tensors['embeddings'])
        with tempfile.TemporaryDirectory() as place:
            words = []
            for i in range(len(tensors['features'])):
                path = os.path.join(place, f'{i}.png')
                Image.fromarray(tensors[f'image.{i}']).save(path)
                words += ['--image', path]
            lines = lines_of([*ferry, *words])
            good &= check(f'{name} pictures', np.array([line['embedding'] for line in lines]), tensors['features'])
            few = [word for text in texts[:1] + texts[2:4] for word in ('--label', text)]
            lines = lines_of([*ferry, *words, '--template', '{}', *few])
        logits = tensors['logits'][:, [0, 2, 3]].astype(np.float64)
        expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True) if name == 'clip' else 1 / (1 + np.exp(-logits))
        found = np.array([[line['labels'][text] for text in texts[:1] + texts[2:4]] for line in lines])
        print(f'{name} labels: largest difference {np.abs(found - expected).max():.1e}')
        good &= np.abs(found - expected).max() <= 1e-4
    sys.exit(not good)


if __name__ == '__main__':
    main()
