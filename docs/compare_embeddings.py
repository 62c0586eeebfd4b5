#!/usr/bin/env python3
"""How near two sets of embeddings are: compare_embeddings.py A.safetensors B.safetensors [--logits]

Both hold a tensor "embeddings" [items, dimension] of the same texts or pictures, as `ferry encode --out`
writes. Prints the mean and the worst cosine between an item's two embeddings, and Recall@10: how many of
its ten nearest others in A are among the ten nearest in B; with --logits, for files of `ferry encode
--logits`, in how many the same class has the largest.
"""
import sys

import numpy as np
from safetensors.numpy import load_file


def unit_rows(path):
    x = load_file(path)["embeddings"]
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def nearest(x, k=10, block=500):
    found = []
    for start in range(0, len(x), block):
        scores = x[start:start + block] @ x.T
        scores[np.arange(len(scores)), start + np.arange(len(scores))] = -2  # not itself
        found.append(np.argpartition(-scores, k, axis=1)[:, :k])
    return np.concatenate(found)


a, b = (unit_rows(path) for path in sys.argv[1:3])
if sys.argv[3:] == ["--logits"]:
    same = (a.argmax(1) == b.argmax(1)).sum()
    print(f"{same} of {len(a)} have the same first class, {same / len(a):.4f}")
    sys.exit()
cosine = (a * b).sum(1)
recall = np.mean([len(set(p) & set(q)) / 10 for p, q in zip(nearest(a), nearest(b))])
print(f"{len(a)}: cosine mean {cosine.mean():.5f}, worst {cosine.min():.5f}; Recall@10 {recall:.4f}")
