"""Tiny random image towers as transformers saves them, and the vectors it gives for three pictures.

    python make_vit.py tiny-vit

Writes tiny-vit/NAME/{config.json, model.safetensors, preprocessor_config.json, expected.safetensors} for ViT, CLIP, SigLIP
and DINOv2: "image.N" U8 [height, width, 3], "features" F32 [images, dimension]; CLIP's and SigLIP's what get_image_features
gives, the others' the class token. Pictures are put on a white square and resized by Pillow. Needs torch, transformers, pillow.

    python make_vit.py DIR --real      at the sizes of ViT-B/16, CLIP ViT-B/32, SigLIP-B/16 and DINOv2-S/14: some 1.5 GB
"""
import json
import os
import sys

import numpy as np
import torch
from make_efficientnet import pictures
from PIL import Image
from safetensors.torch import save_file
from transformers import (CLIPConfig, CLIPModel, Dinov2Config, Dinov2Model, SiglipConfig, SiglipModel, ViTConfig, ViTModel)

TOWER = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, patch_size=7)
TEXT = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=10,
            max_position_embeddings=4, bos_token_id=0, eos_token_id=1, pad_token_id=1)
BASE = dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072)
CLIP_NORM = dict(image_mean=[0.48145466, 0.4578275, 0.40821073], image_std=[0.26862954, 0.26130258, 0.27577711])
HALF = dict(image_mean=[0.5] * 3, image_std=[0.5] * 3)
IMAGENET = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])


def models(real):
    """(name, model, what it gives, preprocessor_config.json)"""
    small = dict(TOWER, image_size=35)
    tower = dict(BASE, image_size=224, patch_size=16) if real else small
    side = 224 if real else 35
    yield ('vit', ViTModel(ViTConfig(**tower), add_pooling_layer=False), lambda m, x: m(x).last_hidden_state[:, 0],
           dict(size=dict(height=side, width=side), resample=2, **HALF))
    clip = dict(BASE, image_size=224, patch_size=32) if real else small
    yield ('clip', CLIPModel(CLIPConfig(text_config=TEXT, vision_config=clip, projection_dim=512 if real else 20)),
           lambda m, x: m.get_image_features(pixel_values=x),
           dict(size=dict(shortest_edge=side), crop_size=dict(height=side, width=side), do_center_crop=True, resample=3, **CLIP_NORM))
    siglip = tower if real else dict(small, hidden_act='gelu_pytorch_tanh')
    yield ('siglip', SiglipModel(SiglipConfig(text_config=TEXT, vision_config=siglip)),
           lambda m, x: m.get_image_features(pixel_values=x),
           dict(size=dict(height=side, width=side), resample=3, **HALF))
    # Trained at 518 pixels, used at 224: its positions are resized.
    dino = dict(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, mlp_ratio=4, image_size=518, patch_size=14) if real \
        else dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, mlp_ratio=2, image_size=56, patch_size=7)
    yield ('dinov2', Dinov2Model(Dinov2Config(**dino)), lambda m, x: m(x).last_hidden_state[:, 0],
           dict(size=dict(shortest_edge=256 if real else 40), crop_size=dict(height=side, width=side), do_center_crop=True,
                resample=3, **IMAGENET))


def randomize(model):
    """Initialisations are near zero and one; what is multiplied by those would not be tested."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            parameter.data += 0.3 * torch.randn_like(parameter)
        else:
            parameter.data *= 3


def prepare(image, side, config):
    edge = max(image.size)
    square = Image.new('RGB', (edge, edge), (255, 255, 255))
    square.paste(image, ((edge - image.width) // 2, (edge - image.height) // 2))
    pixels = np.asarray(square.resize((side, side), Image.Resampling(config['resample'])), np.float64) / 255
    pixels = (pixels - np.array(config['image_mean'])) / np.array(config['image_std'])
    return torch.from_numpy(pixels.astype(np.float32).transpose(2, 0, 1))[None]


@torch.inference_mode()
def main():
    if len(sys.argv) not in (2, 3):
        sys.exit('usage: make_vit.py OUT_FOLDER [--real]')
    real = sys.argv[2:] == ['--real']
    torch.manual_seed(1)
    for name, model, features, preprocessor in models(real):
        folder = os.path.join(sys.argv[1], name)
        model.eval()
        if not real:
            randomize(model)
        model.save_pretrained(folder)
        with open(os.path.join(folder, 'preprocessor_config.json'), 'w', encoding='utf-8') as file:
            json.dump(dict(preprocessor, do_resize=True, do_rescale=True, do_normalize=True, rescale_factor=1 / 255), file, indent=1)
        out = {f'image.{i}': torch.from_numpy(image.copy()) for i, image in enumerate(pictures())}
        found = [features(model, prepare(Image.fromarray(image), 224 if real else 35, preprocessor)) for image in pictures()]
        out['features'] = torch.cat([getattr(f, 'pooler_output', f) for f in found])
        save_file(out, os.path.join(folder, 'expected.safetensors'))
        print(name, out['features'].shape, out['features'].std(dim=1))


if __name__ == '__main__':
    main()
