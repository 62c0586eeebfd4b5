#!/usr/bin/env python3
"""The float simulation behind the table of docs/int8.md: which int8 scheme keeps the embeddings.

    python3 int8_schemes.py MODEL_DIR TITLES.item.xz...      # needs torch and transformers

MODEL_DIR is all-MiniLM-L6-v2, the titles are RecBole .item files compressed with xz (Amazon Beauty,
Sports, Toys). 400 titles drawn with a fixed seed are encoded with the inputs and weights of every
linear layer rounded as a scheme would; word embeddings are int8 by row in all of them.
"""
import lzma
import random
import sys

import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer

TITLES = 400

# name, weights (largest magnitude, group along K, by least square error?), activations (lowest,
# highest, group, asymmetric?) or None; group 0 is the whole row
SCHEMES = [
    ("±127 a channel, f32", (127, 0, False), None),
    ("±63 a channel, f32", (63, 0, False), None),
    ("±63 groups of 128, f32", (63, 128, False), None),
    ("±127 a channel, 8 bits", (127, 0, False), (-127, 127, 0, False)),
    ("±127 a channel, 8 bits asymmetric", (127, 0, False), (0, 255, 0, True)),
    ("±63 a channel, 8 bits", (63, 0, False), (-127, 127, 0, False)),
    ("±63 a channel by square error, 8 bits asymmetric", (63, 0, True), (-128, 127, 0, True)),
    ("±127 a channel, 7 bits asymmetric", (127, 0, False), (0, 127, 0, True)),
    ("±127 groups of 128, 7 bits groups of 128 asymmetric", (127, 128, False), (0, 127, 128, True)),
    ("±63 groups of 128, 8 bits groups of 128", (63, 128, False), (-127, 127, 128, False)),
    ("±63 groups of 128, 8 bits groups of 128 asymmetric", (63, 128, False), (-128, 127, 128, True)),
    ("±63 groups of 64, 8 bits groups of 64", (63, 64, False), (-127, 127, 64, False)),
    ("the same, by square error", (63, 64, True), (-127, 127, 64, False)),
]


def read_titles(paths):
    titles = []
    for path in paths:
        header, *rows = lzma.open(path, "rt").read().split("\n")
        column = [name.startswith("title") for name in header.split("\t")].index(True)
        titles += [row.split("\t")[column] for row in rows if row]
    random.seed(1)
    random.shuffle(titles)
    return titles[:TITLES]


def round_weights(weight, largest, group=0, by_error=False):
    x = weight.view(weight.shape[0], -1, group or weight.shape[1])
    best = best_error = None
    for factor in (1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7) if by_error else (1,):
        scale = x.abs().amax(-1, keepdim=True) * factor / largest
        y = (x / scale).round().clamp(-largest, largest) * scale
        error = ((x - y) ** 2).sum(-1, keepdim=True)
        if best is None:
            best, best_error = y, error
        else:
            best = torch.where(error < best_error, y, best)
            best_error = torch.minimum(error, best_error)
    return best.view_as(weight)


def round_activations(x, low, high, group, asymmetric):
    y = x.reshape(-1, x.shape[-1] // (group or x.shape[-1]), group or x.shape[-1])
    if asymmetric:
        least = y.amin(-1, keepdim=True).clamp(max=0)
        most = y.amax(-1, keepdim=True).clamp(min=0)
        scale = ((most - least) / (high - low)).clamp(min=1e-12)
        zero = (low - least / scale).round()
        y = (((y / scale).round() + zero).clamp(low, high) - zero) * scale
    else:
        scale = (y.abs().amax(-1, keepdim=True) / high).clamp(min=1e-12)
        y = (y / scale).round().clamp(-high, high) * scale
    return y.reshape(x.shape)


class Encoder:
    def __init__(self, path):
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.model = AutoModel.from_pretrained(path, attn_implementation="eager").eval()
        self.layers = [layer for name, layer in self.model.named_modules()
                       if isinstance(layer, torch.nn.Linear) and "encoder" in name]
        self.weights = [layer.weight.data.clone() for layer in self.layers]

    def encode(self, texts):
        out = [None] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(texts), 32):
            part = order[start:start + 32]
            batch = self.tokenizer([texts[i] for i in part], padding=True, truncation=True,
                                   max_length=256, return_tensors="pt")
            with torch.inference_mode():
                states = self.model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None]
            vectors = F.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
            for row, i in enumerate(part):
                out[i] = vectors[row]
        return torch.stack(out)

    def encode_rounded(self, texts, weights, activations):
        for layer, weight in zip(self.layers, self.weights):
            layer.weight.data = round_weights(weight, *weights)
        hooks = []
        if activations is not None:
            hooks = [layer.register_forward_pre_hook(
                lambda _, inputs: (round_activations(inputs[0], *activations),))
                for layer in self.layers]
        vectors = self.encode(texts)
        for hook in hooks:
            hook.remove()
        return vectors


def nearest(vectors):
    scores = vectors @ vectors.T
    scores.fill_diagonal_(-2)
    return scores.topk(10).indices.tolist()


if __name__ == "__main__":
    torch.set_num_threads(1)
    encoder, titles = Encoder(sys.argv[1]), read_titles(sys.argv[2:])
    reference = encoder.encode(titles)
    expected = nearest(reference)
    words = encoder.model.embeddings.word_embeddings.weight
    words.data = round_weights(words.data, 127)
    for name, weights, activations in SCHEMES:
        vectors = encoder.encode_rounded(titles, weights, activations)
        cosine = (vectors * reference).sum(1)
        recall = sum(len(set(a) & set(b)) for a, b in zip(expected, nearest(vectors))) / 10 / TITLES
        print(f"{name:52s} mean {cosine.mean():.5f} worst {cosine.min():.5f} Recall@10 {recall:.4f}",
              flush=True)
