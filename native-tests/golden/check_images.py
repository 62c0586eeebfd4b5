"""Whether `ferry encode` and timm name the same class for the pictures that scikit-learn and scikit-image ship.

    python check_images.py FERRY MODEL_DIR

Both see a picture as timm's data config says (shorter side to 256, the middle cut out). Prints a line a picture and what they
agree on; exit 1 if a class differs or a cosine of the features is below .9999. By hand: needs torch, timm, pillow,
scikit-learn and scikit-image.
"""
import glob
import json
import os
import subprocess
import sys

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

SIDE, SHORTEST = 224, 256


def package_folder(name):
    return next(os.path.join(p, name) for p in sys.path if os.path.isdir(os.path.join(p, name)))


def pictures():
    folders = [os.path.join(package_folder('sklearn'), 'datasets/images'), os.path.join(package_folder('skimage'), 'data')]
    files = [f for folder in folders for f in sorted(glob.glob(folder + '/*')) if f.endswith(('.jpg', '.jpeg', '.png'))]
    return [f for f in files if not Image.open(f).mode.startswith('I')]


def prepare(path):
    image = Image.open(path).convert('RGBA')
    white = Image.new('RGBA', image.size, (255, 255, 255, 255))
    white.alpha_composite(image)
    image = white.convert('RGB')
    shorter = min(image.size)
    size = SHORTEST * image.width // shorter, SHORTEST * image.height // shorter
    left, top = (round((n - SIDE) / 2) for n in size)
    pixels = np.asarray(image.resize(size, Image.Resampling.BICUBIC).crop((left, top, left + SIDE, top + SIDE)), np.float64)
    return torch.from_numpy(((pixels - 127) / 128).astype(np.float32).transpose(2, 0, 1))[None]


def ferry(command, model, files, *more):
    images = [word for file in files for word in ('--image', file)]
    run = [command, 'encode', '-q', '--model', model, '--image-fit', 'model', *more, *images]
    lines = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return np.array([json.loads(line)['embedding'] for line in lines])


@torch.inference_mode()
def main():
    if len(sys.argv) != 3:
        sys.exit('usage: check_images.py FERRY MODEL_DIR')
    command, folder = sys.argv[1:]
    model = timm.create_model('tf_efficientnet_lite0', pretrained=False).eval()
    model.load_state_dict(load_file(os.path.join(folder, 'model.safetensors')), strict=False)
    files = pictures()
    features, logits = ferry(command, folder, files), ferry(command, folder, files, '--logits')
    same, lowest = 0, 1.0
    for file, ours, classes in zip(files, features, logits):
        x = prepare(file)
        theirs = model.forward_head(model.forward_features(x), pre_logits=True)[0].double().numpy()
        best = int(model(x)[0].argmax())
        cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
        same, lowest = same + (best == classes.argmax()), min(lowest, cosine)
        print(f'{os.path.basename(file)}: class {classes.argmax()}, timm {best}, cosine {cosine:.10f}')
    print(f'{same} of {len(files)} classes the same, lowest cosine {lowest:.10f}')
    sys.exit(same < len(files) or lowest < 0.9999)


if __name__ == '__main__':
    main()
