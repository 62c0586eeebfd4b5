"""Tiny random CLIP and SigLIP with both towers as transformers saves them, and what it gives for some texts and pictures.

    python make_pairs.py tiny-pairs

Writes tiny-pairs/{clip,clip-legacy,siglip}/{config.json, model.safetensors, preprocessor_config.json, tokenizer.json,
expected.safetensors, text.jsonl}: "image.N" U8 [height, width, 3], "features" F32 [images, dimension] and "embeddings" [texts,
dimension] as get_image_features and get_text_features give them, "logits" [images, texts] and "probabilities" of those; {"text",
"ids"} a line. clip-legacy has the end token 2 in its config.json, as files from before transformers 4.31, and gelu. Tokenizers are
make_bpe.py's. SigLIP's texts are padded to the full length, as it was trained. Needs make_vit.py's packages and sentencepiece.

    python make_pairs.py DIR --real [BPE]     CLIP ViT-B/32 and SigLIP-B/16: 1.4 GB, for check_pairs.py

BPE is the bpe_simple_vocab_16e6.txt.gz that the package open-clip-torch ships: CLIP then has its own vocabulary.
"""
import gzip
import json
import os
import sys

import make_bpe
import torch
from make_efficientnet import pictures
from make_languages import e5, small_rules
from make_vit import BASE, CLIP_NORM, HALF, prepare, randomize
from PIL import Image
from safetensors.torch import save_file
from texts import all_texts
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

TOWER = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, patch_size=7, image_size=14)
TEXT = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, max_position_embeddings=24)
TEXTS = ['a photo of a cat', '', 'Stainless STEEL bottle!', 'CAFÉ  cafe\u0301, naïve', '中文 🎸 x' * 3, 'It\'s <|endoftext|> over',
         'a', 'the quick brown fox jumps over the lazy dog ' * 6]


def real_clip_tokenizer(path):
    """As CLIP reads the file: its first line and what is beyond 48,894 merges are left out; bytes in its own order."""
    with gzip.open(path, 'rt', encoding='utf-8') as file:
        merges = [tuple(line.split()) for line in file.read().split('\n')[1:49152 - 256 - 2 + 1]]
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(c) for c in seen] + [chr(256 + i) for i in range(256 - len(seen))]
    assert set(letters) == set(ByteLevel.alphabet())
    tokens = [*letters, *(c + '</w>' for c in letters), *(a + b for a, b in merges), make_bpe.START, make_bpe.END]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    assert len(vocabulary) == len(tokens) == 49408
    return make_bpe.clip(merges, vocabulary)


def clip_tokenizer(real, bpe):
    if bpe:
        return real_clip_tokenizer(bpe)
    return make_bpe.clip(make_bpe.trained(*make_bpe.clip_parts(), '</w>', 2000 if real else 150))


def siglip_tokenizer():
    return make_bpe.siglip(make_bpe.siglip_pieces(), make_bpe.base64.b64decode(e5.charsmap(small_rules())))


def models(real, bpe):
    """(name, model, tokenizer, preprocessor_config.json)"""
    tower = dict(BASE, image_size=224, patch_size=32) if real else TOWER
    tokenizer = clip_tokenizer(real, bpe)
    size = tokenizer.get_vocab_size()
    side = tower['image_size']
    crop = dict(size=dict(shortest_edge=side), crop_size=dict(height=side, width=side), do_center_crop=True, resample=3, **CLIP_NORM)
    text = dict(vocab_size=size, bos_token_id=size - 2, eos_token_id=size - 1)
    if not real:
        text.update(TEXT)
    yield ('clip', CLIPModel(CLIPConfig(text_config=text, vision_config=tower, projection_dim=512 if real else 12)), tokenizer, crop)
    if not real:
        legacy = dict(text, eos_token_id=2, hidden_act='gelu')
        yield ('clip-legacy', CLIPModel(CLIPConfig(text_config=legacy, vision_config=tower, projection_dim=12)), tokenizer, crop)
    tokenizer = siglip_tokenizer()
    text = {} if real else dict(TEXT, vocab_size=tokenizer.get_vocab_size() + 2, projection_size=16)
    tower = dict(BASE, image_size=224, patch_size=16) if real else tower
    yield ('siglip', SiglipModel(SiglipConfig(text_config=text, vision_config=tower)), tokenizer,
           dict(size=dict(height=side, width=side), resample=3, **HALF))


def rows_of(found):
    return getattr(found, 'pooler_output', found)


def encode_texts(name, model, tokenizer, texts):
    length = model.config.text_config.max_position_embeddings
    tokenizer.enable_truncation(length)
    ids = [tokenizer.encode(text).ids for text in texts]
    fed = [i + [1] * (length - len(i)) for i in ids] if name == 'siglip' else ids
    return ids, torch.cat([rows_of(model.get_text_features(torch.tensor([i]))) for i in fed])


def unit(rows):
    return rows / rows.norm(dim=-1, keepdim=True)


@torch.inference_mode()
def main():
    if len(sys.argv) not in (2, 3, 4) or sys.argv[2:3] not in ([], ['--real']):
        sys.exit('usage: make_pairs.py OUT_FOLDER [--real [BPE]]')
    real, bpe = len(sys.argv) > 2, sys.argv[3] if len(sys.argv) > 3 else None
    torch.manual_seed(2)
    for name, model, tokenizer, preprocessor in models(real, bpe):
        folder = os.path.join(sys.argv[1], name)
        model.eval()
        if not real:
            randomize(model)
            model.logit_scale.data.fill_(1.5)
            if name == 'siglip':
                model.logit_bias.data.fill_(-0.7)
        model.save_pretrained(folder)
        tokenizer.no_truncation()
        tokenizer.save(os.path.join(folder, 'tokenizer.json'), pretty=False)
        with open(os.path.join(folder, 'preprocessor_config.json'), 'w', encoding='utf-8') as file:
            json.dump(dict(preprocessor, do_resize=True, do_rescale=True, do_normalize=True, rescale_factor=1 / 255), file, indent=1)
        texts = TEXTS + (all_texts()[::8] if real else [])
        out = {f'image.{i}': torch.from_numpy(image.copy()) for i, image in enumerate(pictures())}
        side = model.config.vision_config.image_size
        found = [rows_of(model.get_image_features(prepare(Image.fromarray(image), side, preprocessor))) for image in pictures()]
        out['features'] = torch.cat(found)
        ids, out['embeddings'] = encode_texts(name, model, tokenizer, texts)
        logits = unit(out['features']) @ unit(out['embeddings']).T * model.logit_scale.exp()
        if name == 'siglip':
            logits = logits + model.logit_bias
        out['logits'] = logits
        out['probabilities'] = logits.sigmoid() if name == 'siglip' else logits.softmax(dim=1)
        save_file({key: value.contiguous() for key, value in out.items()}, os.path.join(folder, 'expected.safetensors'))
        make_bpe.write_lines(os.path.join(folder, 'text.jsonl'), [{'text': t, 'ids': i} for t, i in zip(texts, ids)])
        print(name, out['features'].std(dim=1), out['embeddings'].std(dim=1)[:4], out['probabilities'])


if __name__ == '__main__':
    main()
