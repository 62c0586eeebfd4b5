#!/usr/bin/env python3
"""scorers.safetensors: small examples of the scorers that are learned without a gradient, and one
step of the profile map, by numpy, scipy, implicit and torch: python3 make_scorers.py OUT_FOLDER

Whole numbers (CSR arrays) are stored as F32 too.
"""
import collections
import math
import re
import sys

import numpy as np
import scipy.sparse as sp
import torch
from implicit.cpu.als import AlternatingLeastSquares
from safetensors.numpy import save_file

out = {}
rng = np.random.default_rng(5)


def put(name, value):
    out[name] = np.ascontiguousarray(np.asarray(value, dtype=np.float32))


def put_rows(name, rows):
    put(name + ".start", np.r_[0, np.cumsum([len(r) for r in rows])])
    put(name + ".item", np.concatenate([np.asarray(r) for r in rows]))


# ---- whitening, as numpy does it -------------------------------------------------------------
x = (rng.normal(size=(60, 12)) @ rng.normal(size=(12, 12)) + rng.normal(size=12)).astype(np.float32)
K = 5
mean = x.mean(0, dtype=np.float64)
w, v = np.linalg.eigh(np.cov((x - mean).T))
order = np.argsort(-w)[:K]
p = v[:, order] * np.maximum(w[order], 1e-4 * w.max()) ** -0.25
p *= np.sign(p[np.abs(p).argmax(0), np.arange(K)])
p /= np.sqrt((((x - mean) @ p) ** 2).mean())
z = (x - mean) @ p
put("whiten.x", x)
put("whiten.mean", mean)
put("whiten.projection", p)
put("whiten.z", z)
put("whiten.normalized", z / np.linalg.norm(z, axis=1, keepdims=True))

# ---- sequences, with repetitions, an item nobody has and a user without events -----------------
n, m, users = 25, 18, 30
popular = rng.zipf(1.6, size=4000) - 1
popular = popular[popular < n - 1]
target = [list(rng.choice(popular, size=rng.integers(5, 13))) for _ in range(users)]
target[7] = []
source = [list(rng.integers(0, m, size=rng.integers(0, 9))) for _ in range(users)]
put_rows("target", target)
put_rows("source", source)

# in sequence: counts 1/distance forward, half of it backward, over the roots of the counts
r, c, weight, count = [], [], [], np.zeros(n)
for s in target:
    for i in s:
        count[i] += 1
    for i in range(len(s)):
        for j in range(max(0, i - 5), i):
            r += [s[j], s[i]]
            c += [s[i], s[j]]
            weight += [1 / (i - j), 0.5 / (i - j)]
M = sp.csr_matrix((weight, (r, c)), shape=(n, n))
W = sp.diags(1 / np.sqrt(np.maximum(count, 1))) @ M @ sp.diags(1 / np.sqrt(count + 1))
put("sequence.W", W.toarray())
Q = np.zeros((users, n))
for i, s in enumerate(target):
    for k, item in enumerate(reversed(s[-10:])):
        Q[i, item] += 0.8**k
put("sequence.scores", Q @ W)

# across: source item -> target item over the same users
S = np.zeros((users, m))
T = np.zeros((users, n))
for u in range(users):
    for i in source[u]:
        S[u, i] += 1
    T[u, target[u]] = 1
C = (S / np.sqrt(S.sum(0) + 3)).T @ (T / np.sqrt(T.sum(0) + 3))
put("across.C", C)

# ---- ALS: implicit's exact solver (in numpy), from given factors --------------------------------
F = 8


def als(confidences, u0, i0, iterations):
    model = AlternatingLeastSquares(factors=F, regularization=0.05, alpha=1.0, dtype=np.float64,
                                    iterations=iterations, use_native=False, use_cg=False)
    model.user_factors, model.item_factors = u0.copy(), i0.copy()
    model.fit(confidences, show_progress=False)
    return model.user_factors, model.item_factors


u0, i0 = rng.random((users, F)) * 0.01, rng.random((n, F)) * 0.01
u0, i0 = u0.astype(np.float32).astype(float), i0.astype(np.float32).astype(float)
put("als.users0", u0)
put("als.items0", i0)
binary = sp.csr_matrix(T * 20.0)  # alpha 20 there, 1 + 19 r here
values = rng.choice([1.0, 0.25, -0.5, 2.0], size=T.shape) * T
signed = sp.csr_matrix(np.sign(values) * (1 + 19 * np.abs(values)))
distinct = [sorted(set(s)) for s in target]
put_rows("als.events", distinct)
put("als.values", np.concatenate([values[u, s] for u, s in enumerate(distinct) if s]))
for name, matrix in (("binary", binary), ("signed", signed)):
    for iterations in (1, 15):
        uf, vf = als(matrix, u0, i0, iterations)
        put(f"als.{name}{iterations}.users", uf)
        put(f"als.{name}{iterations}.items", vf)

# ---- EMCDR's map -------------------------------------------------------------------------------
A = rng.normal(size=(40, 6)).astype(np.float32).astype(float)
B = (A @ rng.normal(size=(6, 4)) + 0.3 + 0.1 * rng.normal(size=(40, 4))).astype(np.float32)
A1 = np.c_[A, np.ones(40)]
put("ridge.x", A)
put("ridge.y", B)
put("ridge.map", np.linalg.solve(A1.T @ A1 + 2.5 * np.eye(7), A1.T @ B))

# ---- the profile map: loss, gradient and two steps of torch's Adam, in double ---------------------
N, R, batch = 20, 3, [4, 11, 7, 2, 29, 0]  # user 7 has no target
P = rng.normal(size=(users, N)).astype(np.float32)
Z = rng.normal(size=(n, N)).astype(np.float32)
prior = np.log(count + 1).astype(np.float32)
block = np.concatenate([rng.normal(size=2 * N * R) * 0.1, rng.normal(size=N) * 0.1, [1.3, 0.7]])
block = block.astype(np.float32)
put("map.profiles", P)
put("map.items", Z)
put("map.prior", prior)
put("map.start", block)
put("map.users", batch)
t64 = lambda a: torch.tensor(np.asarray(a, dtype=np.float64))
pieces = [t64(x).requires_grad_() for x in
          (block[:N * R].reshape(N, R), block[N * R:2 * N * R].reshape(R, N),
           block[2 * N * R:-2], block[-2], block[-1])]
A_, B_, e_, s_, c_ = pieces
adam = torch.optim.Adam(pieces, lr=3e-3)
who = torch.tensor([k for k, u in enumerate(batch) for _ in target[u]])
what = torch.tensor([int(i) for u in batch for i in target[u]])
for step in (1, 2):
    p_ = t64(P[batch])[who]
    q = p_ + p_ @ A_ @ B_ + e_
    loss = torch.nn.functional.cross_entropy(s_ * (q @ t64(Z).T) + c_ * t64(prior), what)
    loss = loss + 1e-3 * (A_.pow(2).sum() + B_.pow(2).sum())
    adam.zero_grad()
    loss.backward()
    put(f"map.loss{step}", [loss.item()])
    put(f"map.gradient{step}", torch.cat([x.grad.reshape(-1) for x in pieces]).numpy())
    adam.step()
    put(f"map.after{step}", torch.cat([x.detach().reshape(-1) for x in pieces]).numpy())

# ---- TF-IDF of title, tags and author, and the ranker's match features ------------------------------
words = ["Red", "nail", "Polish,", "nail-file", "OPI's", "2-pack", "500ml", "caf\u00e9", "Set", "of",
         "the", "THE", "blue", "(new)", "oil", "x", "ROAD", "bike", "ball", "puzzle"]
tag_words = ["Beauty", "Nails", "Sports & Outdoors", "Cycling", "Toys", "Games", "Hair"]
brands = ["OPI", "opi", "Unknown", "", "Le Creuset", "M.A.C", "Acme"]
rows = [[" ".join(rng.choice(words, size=rng.integers(1, 9))), str(rng.choice(brands)),
         list(dict.fromkeys(rng.choice(tag_words, size=rng.integers(0, 4))))] for _ in range(n)]
rows[3][0] = "unseen words altogether"
with open(sys.argv[1] + "/scorers-items.tsv", "w", encoding="utf8") as file:
    file.writelines(f"{t}\t{b}\t{'|'.join(tags)}\n" for t, b, tags in rows)
split = lambda text: re.findall("[a-z0-9]+", text.lower())


def tfidf(items):
    df = collections.Counter(t for x in items for t in set(x))
    V = {t: i for i, t in enumerate(t for t, c in df.items() if c > 1)}
    X = np.zeros((len(items), len(V)))
    for i, x in enumerate(items):
        for t, k in collections.Counter(x).items():
            if t in V:
                X[i, V[t]] = (1 + math.log(k)) * math.log(len(items) / df[t])
    return X / np.sqrt((X * X).sum(1, keepdims=True) + 1e-9)


def recent(depth, decay):
    Q = np.zeros((users, n))
    for i, s in enumerate(target):
        for k, item in enumerate(reversed(s[-depth:])):
            Q[i, item] += decay**k
    return Q


whole = tfidf([split(" ".join([t, *tags])) + (["b_" + b.lower()] * 2 if b else [])
               for t, b, tags in rows])
title, tags = tfidf([split(t) for t, _, _ in rows]), tfidf([split(" ".join(g)) for _, _, g in rows])
brand = [b.lower() if b and b != "Unknown" else t.lower().split()[0] for t, b, _ in rows]
same = np.array([[float(x == y) for y in brand] for x in brand])
unit = lambda v: v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12)
Zw, Zr = unit(rng.normal(size=(n, 9))), unit(rng.normal(size=(n, 21)))
h, h1 = recent(3, 0.6), recent(1, 1)
hs = h / np.maximum(h.sum(1, keepdims=True), 1e-12)
tf = hs @ title @ title.T
put("match.whole", hs @ whole @ whole.T)
put("match.whitened", Zw)
put("match.centred", Zr)
put("match.features", np.stack([
    unit(h @ Zw) @ Zw.T, unit(h1 @ Zw) @ Zw.T, unit(h @ Zr) @ Zr.T, tf, h1 @ title @ title.T,
    tf * tf, hs @ same, h1 @ same, hs @ tags @ tags.T], 1).reshape(users, -1))

save_file(out, sys.argv[1] + "/scorers.safetensors")
print(sum(v.nbytes for v in out.values()), "bytes")
