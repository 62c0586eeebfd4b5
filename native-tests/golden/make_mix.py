"""Weights of a mix of scores, learned by PyTorch in float64: python make_mix.py .

Writes mix.safetensors, all F32. Examples: "values" [rows, features], "candidates" [examples], the target first.
A case has the weights it began with and ended with, "CASE.initial" and "CASE.learned", and the mean loss of its
last epoch, "CASE.loss".
"""
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

FEATURES, EXAMPLES = 5, 130
random = np.random.default_rng(11)
torch.set_default_dtype(torch.float64)

truth = np.array([1.5, -0.7, 0.0, 0.9, 0.3])
sizes = random.integers(2, 24, EXAMPLES)
rows = []
for size in sizes:
    values = (random.standard_normal((size, FEATURES)) * [1, 2, 0.5, 1, 3]).astype(np.float32)
    best = np.argmax(values @ truth + random.gumbel(size=size))  # the target, by the truth and chance
    rows.append(np.concatenate([values[best:best + 1], np.delete(values, best, 0)]))
examples = [torch.tensor(row, dtype=torch.float64) for row in rows]


def fit(initial, epochs, batch, rate, pull, held):
    held = torch.tensor(held)
    start = torch.tensor(initial)
    free = start.clone().requires_grad_()
    adam = torch.optim.Adam([free], lr=rate, betas=(0.9, 0.999), eps=1e-8)
    for epoch in range(epochs):
        total = 0.0
        for group in adam.param_groups:
            group["lr"] = rate * (1 - epoch / epochs + 1 / 30)
        for first in range(0, len(examples), batch):
            taken = examples[first:first + batch]
            weights = torch.where(held, start, free)
            target = torch.zeros(1, dtype=torch.long)
            loss = sum(F.cross_entropy((x @ weights)[None], target) for x in taken)
            total += loss.item()
            adam.zero_grad()
            (loss / len(taken) + pull * ((weights - start) ** 2).sum()).backward()
            adam.step()
    return torch.where(held, start, free).detach().numpy(), total / len(examples)


nothing = [False] * FEATURES
cases = {
    "default": ([1.0, 1.3, 3.0, 4.0, 0.0], 12, 100, 0.15, 0.0, nothing),
    "pulled": ([1.0, 1.3, 3.0, 4.0, 0.0], 12, 100, 0.15, 0.05, nothing),
    "held": ([1.0, 1.3, 3.0, 4.0, 0.0], 6, 32, 0.1, 1e-4, [False, True, False, False, True]),
    "one": ([0.0] * FEATURES, 3, 1, 0.02, 0.0, nothing),
}
out = {"values": np.concatenate(rows), "candidates": sizes.astype(np.float32)}
for name, case in cases.items():
    learned, loss = fit(*case)
    print(name, learned.round(3), round(loss, 4))
    out[f"{name}.initial"] = np.array(case[0], np.float32)
    out[f"{name}.learned"] = learned.astype(np.float32)
    out[f"{name}.loss"] = np.array([loss], np.float32)
save_file(out, os.path.join(sys.argv[1], "mix.safetensors"))
