"""Ridge regression by numpy; InfoNCE's and the fusions' outputs and gradients by torch.

    python make_align.py align.safetensors

Drawn in f32, computed in f64, so that what a comparison shows is the error of the other side alone.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

OUT = {}
FOLDS = 4


def keep(name, value):
    value = value.detach().numpy() if isinstance(value, torch.Tensor) else value
    OUT[name] = np.ascontiguousarray(value, dtype=np.float32)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def ridge_weight(z, y, lam):
    return np.linalg.solve(z.T @ z / z.shape[1] + lam * np.eye(z.shape[1]), z.T @ y / z.shape[1]).T


def ridge(case, n, features, dimension, lam, seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, features)).astype(np.float32)
    z -= z.mean(0)  # as an alignment has them
    y = unit(rng.standard_normal((n, dimension))).astype(np.float32)
    z64, y64 = z.astype(float), y.astype(float)
    keep(f"{case}.z", z), keep(f"{case}.y", y), keep(f"{case}.lambda", np.array([lam]))
    keep(f"{case}.weight", ridge_weight(z64, y64, np.float32(lam)))
    predicted = np.zeros_like(y64)
    for f in range(FOLDS):  # fitted anew without each fold, with a free offset
        fold = np.arange(n * f // FOLDS, n * (f + 1) // FOLDS)
        rest = np.setdiff1d(np.arange(n), fold)
        mean_z, mean_y = z64[rest].mean(0), y64[rest].mean(0)
        w = ridge_weight(z64[rest] - mean_z, y64[rest] - mean_y, np.float32(lam))
        predicted[fold] = (z64[fold] - mean_z) @ w.T
    keep(f"{case}.left_out", unit(predicted))


def infonce(features, dimension, hidden, batch, seed, log_scale=2.3):
    g = torch.Generator().manual_seed(seed)

    def draw(*shape, size=1.0):
        return (torch.randn(*shape, generator=g) * size).double().requires_grad_()

    w = {"in": draw(hidden, features, size=.4), "in_bias": draw(hidden, size=.4), "out": draw(dimension, hidden, size=.4),
         "out_bias": draw(dimension, size=.4), "skip": draw(dimension, features, size=.4), "skip_bias": draw(dimension, size=.4),
         "log_scale": torch.tensor([log_scale]).double().requires_grad_()}
    z = draw(batch, features).detach()
    y = F.normalize(draw(batch, dimension).detach(), dim=1).float().double()
    o = F.gelu(z @ w["in"].T + w["in_bias"]) @ w["out"].T + w["out_bias"] + z @ w["skip"].T + w["skip_bias"]
    logits = w["log_scale"].exp() * F.normalize(o, dim=1) @ y.T
    target = torch.arange(batch)
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    loss.backward()
    keep("infonce.z", z), keep("infonce.y", y), keep("infonce.loss", loss.reshape(1))
    keep("infonce.shape", np.array([features, dimension, hidden]))
    keep("infonce.parameters", torch.cat([p.reshape(-1) for p in w.values()]))
    keep("infonce.gradients", torch.cat([p.grad.reshape(-1) for p in w.values()]))


def fusion(kind, sizes, out, rows, seed):
    g = torch.Generator().manual_seed(seed)

    def draw(*shape, size=1.0):
        return (torch.randn(*shape, generator=g) * size).double().requires_grad_()

    has = np.array([7, 1, 2, 4, 3, 5, 6, 0][:rows])
    x = [draw(rows, k).detach() * torch.tensor((has >> m & 1)[:, None]) for m, k in enumerate(sizes)]
    blocks, parts = [], []
    for m, k in enumerate(sizes):  # in the order of ferry_fusion_lay_out
        part = {}
        if not (kind == "project" and m == 0):
            part["weight"], part["bias"] = draw(out, k, size=.5), draw(out, size=.5)
        if kind == "concat":
            part["absent"] = draw(out, size=.5)
        if kind == "gated":
            part["gate"] = draw(k + 1, size=.5)
        if kind == "project":
            part["strength"] = draw(1)
        parts.append(part)
        blocks += part.values()
    y = []
    for t in range(rows):
        total = torch.zeros(out, dtype=torch.float64)
        there = [m for m in range(3) if has[t] >> m & 1]
        p = {m: x[m][t] @ parts[m]["weight"].T + parts[m]["bias"] if "weight" in parts[m] else x[m][t] for m in there}
        if kind == "gated" and there:
            share = torch.stack([x[m][t] @ parts[m]["gate"][:-1] + parts[m]["gate"][-1] for m in there]).softmax(0)
        for i, m in enumerate(there):
            if kind == "concat":
                total = total + p[m]
            elif kind == "gated":
                total = total + share[i] * p[m]
            else:
                total = total + parts[m]["strength"] * F.normalize(p[m], dim=0)
        if kind == "concat":
            for m in set(range(3)) - set(there):
                total = total + parts[m]["absent"]
            total = F.relu(total)
        y.append(F.normalize(total, dim=0) if there else torch.zeros(out, dtype=torch.float64))
    y = torch.stack(y)
    dy = draw(rows, out).detach()
    (y * dy).sum().backward()
    for m in range(3):
        keep(f"{kind}.x{m}", x[m])
    keep(f"{kind}.has", has), keep(f"{kind}.y", y), keep(f"{kind}.dy", dy)
    keep(f"{kind}.parameters", torch.cat([b.reshape(-1) for b in blocks]))
    keep(f"{kind}.gradients", torch.cat([b.grad.reshape(-1) for b in blocks]))


ridge("pairs", 14, 20, 6, .3, 1)  # fewer pairs than features
ridge("features", 60, 12, 6, 1, 2)  # more
infonce(10, 6, 8, 7, 3)
fusion("concat", (5, 4, 3), 7, 8, 4)
fusion("gated", (5, 4, 3), 7, 8, 5)
fusion("project", (5, 4, 3), 5, 8, 6)
save_file(OUT, sys.argv[1])
