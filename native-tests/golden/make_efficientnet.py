"""A tiny random EfficientNet-Lite as timm builds and saves it, and what timm's forward gives for noise; and what it gives for
the same noise with the weights models/ fetches.

    python make_efficientnet.py MODEL_DIR .

Writes tiny-efficientnet/{config.json, model.safetensors, expected.safetensors} and efficientnet.safetensors: "image.N" U8
[height, width, 3], "features" [images, features] and "logits" [images, classes] F32. Pictures are put on a white square,
resized by Pillow (bicubic), and run in float32. Needs torch, timm, pillow.
"""
import functools
import json
import os
import sys

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.models._efficientnet_builder import decode_arch_def, round_channels
from timm.models.efficientnet import EfficientNet

ARCHITECTURE = [['ds_r1_k3_s1_e1_c8'], ['ir_r1_k3_s2_e3_c12'], ['ir_r2_k5_s2_e2_c12'], ['ir_r1_k3_s2_e2_c16'],
                ['ir_r1_k5_s1_e2_c16'], ['ir_r1_k5_s2_e2_c20'], ['ir_r1_k3_s1_e2_c24']]
MEAN, STD, SIDE = 0.45, 0.55, 45  # an odd side: padding is not the same at both ends


def tiny():
    torch.manual_seed(1)
    model = EfficientNet(
        block_args=decode_arch_def(ARCHITECTURE), num_features=36, stem_size=12, fix_stem=True, num_classes=7, pad_type='same',
        round_chs_fn=functools.partial(round_channels, divisor=4), act_layer=torch.nn.ReLU6,
        norm_layer=functools.partial(torch.nn.BatchNorm2d, eps=1e-3))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.7, 1.5)
            torch.nn.init.normal_(module.bias)
            torch.nn.init.normal_(module.running_mean, std=0.3)
            torch.nn.init.uniform_(module.running_var, 0.3, 2.0)
    return model.eval()


def prepare(image, side, mean, std):
    edge = max(image.size)
    square = Image.new('RGB', (edge, edge), (255, 255, 255))
    square.paste(image, ((edge - image.width) // 2, (edge - image.height) // 2))
    pixels = np.asarray(square.resize((side, side), Image.Resampling.BICUBIC), np.float64)
    return torch.from_numpy(((pixels / 255 - mean) / std).astype(np.float32).transpose(2, 0, 1))[None]


def pictures():
    random = np.random.default_rng(3)
    for height, width in ((20, 31), (31, 20), (16, 16)):
        coarse = Image.fromarray(random.integers(0, 256, (5, 5, 3), np.uint8))  # shapes rather than noise alone
        fine = random.integers(-30, 31, (height, width, 3))
        yield np.clip(np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int) + fine, 0, 255).astype(np.uint8)


@torch.inference_mode()
def expected(model, side, mean, std):
    out = {f'image.{i}': torch.from_numpy(image.copy()) for i, image in enumerate(pictures())}
    inputs = [prepare(Image.fromarray(image), side, mean, std) for image in pictures()]
    out['features'] = torch.cat([model.forward_head(model.forward_features(x), pre_logits=True) for x in inputs])
    out['logits'] = torch.cat([model(x) for x in inputs])
    return out


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: make_efficientnet.py MODEL_DIR OUT_FOLDER')
    source, out = sys.argv[1:]
    folder = os.path.join(out, 'tiny-efficientnet')
    os.makedirs(folder, exist_ok=True)
    model = tiny()
    tensors = {name: value.clone() for name, value in model.state_dict().items()}
    config = {'architecture': 'tf_efficientnet_lite0', 'num_classes': 7, 'pretrained_cfg': {
        'input_size': [3, SIDE, SIDE], 'interpolation': 'bicubic', 'crop_pct': 0.9, 'mean': [MEAN] * 3, 'std': [STD] * 3}}
    with open(os.path.join(folder, 'config.json'), 'w', encoding='utf-8') as file:
        json.dump(config, file, indent=1)
    save_file(tensors, os.path.join(folder, 'model.safetensors'))
    save_file(expected(model, SIDE, MEAN, STD), os.path.join(folder, 'expected.safetensors'))
    real = timm.create_model('tf_efficientnet_lite0', pretrained=False).eval()
    real.load_state_dict(load_file(os.path.join(source, 'model.safetensors')), strict=False)
    missing = set(real.state_dict()) - set(load_file(os.path.join(source, 'model.safetensors')))
    if any(not name.endswith('num_batches_tracked') for name in missing):
        sys.exit(f'timm has {sorted(missing)}, and {source} has not')
    save_file(expected(real, 224, 127 / 255, 128 / 255), os.path.join(out, 'efficientnet.safetensors'))


if __name__ == '__main__':
    main()
