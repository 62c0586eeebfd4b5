"""Gradients and loss curves of the net, from PyTorch in float64: python make_training.py .

Writes training.safetensors, all F32. Two small domains, one set of parameters ("w.NAME"); a case has its
loss, "CASE.loss", and gradients, "CASE.g.NAME"; a curve the losses of ten steps, "CASE.curve".
"""
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

D, C, RANK, BEHAVIORS, BUCKETS = 20, 12, 3, 3, 5
ITEMS = {"a": 30, "b": 17}
LENGTHS = (2, 7, 3, 5, 2, 6)
HOURS = 3600
STEPS = 10

random = np.random.default_rng(7)
torch.set_default_dtype(torch.float64)


def near(*shape, scale=0.4, mean=0.0):
    return (mean + scale * random.standard_normal(shape)).astype(np.float32)


parameters = {
    "input_norm.weight": near(D, mean=1), "input_norm.bias": near(D), "output_norm.weight": near(D, mean=1),
    "output_norm.bias": near(D), "scale": near(1, mean=0.3)[0].reshape(()), "content.weight": near(D, C),
    "content.bias": near(D), "behavior.weight": near(BEHAVIORS, D), "time.weight": near(BUCKETS, D),
    "ema.decay": near(D, scale=1), "ema.linear.weight": near(D, D), "ema.linear.bias": near(D),
}
for name, n in ITEMS.items():
    parameters[f"id.{name}.weight"] = near(n, D)
    parameters[f"adapter.{name}.item.down"] = near(RANK, C)
    parameters[f"adapter.{name}.item.up"] = near(D, RANK)
    parameters[f"adapter.{name}.user.down"] = near(RANK, D)
    parameters[f"adapter.{name}.user.up"] = near(D, RANK)
source = {name: np.asarray(value + near(*value.shape, scale=0.1), np.float32) for name, value in parameters.items()}
content = {name: near(n, C, scale=1) for name, n in ITEMS.items()}

users = []  # (domain, item, behaviour, value, timestamp); domain "b" is read in a's cases, not predicted
for length in LENGTHS:
    time, rows = 10**6, []
    for _ in range(length):
        time += int(random.choice([0, 1, 2, 5, 9, 40]) * HOURS)
        domain = "b" if random.random() < 0.25 else "a"
        item = int(random.integers(ITEMS[domain] // 3 if domain == "a" else ITEMS[domain]))  # some again
        rows.append((domain, item, int(random.integers(BEHAVIORS)), float(np.float32(random.normal())), time))
    users.append(rows)
only_a = [[row for row in rows if row[0] == "a"] for rows in users]
candidates = random.permutation(ITEMS["a"])[:14].tolist()


def bucket(before, now):
    hours, b = max(now - before, 0) // HOURS, 1
    while hours > 0 and b + 1 < BUCKETS:
        hours, b = hours // 2, b + 1
    return b


def batch_loss(w, people, case):
    """The mean loss of one batch of all the people."""
    adapters = case.get("adapters", False)

    def vectors(domain):
        c = torch.from_numpy(content[domain]).double()
        e = c @ w["content.weight"].T + w["content.bias"] + w[f"id.{domain}.weight"]
        if adapters:
            e = e + c @ w[f"adapter.{domain}.item.down"].T @ w[f"adapter.{domain}.item.up"].T
        return e

    e = {name: vectors(name) for name in ITEMS}
    hidden, targets, values, seen = [], [], [], []
    for rows in people:
        x, now, before = [], torch.zeros(D), 0
        a = torch.sigmoid(w["ema.decay"])
        for (domain, item, behavior, _, time), (next_domain, target, next_behavior, value, _) in zip(rows, rows[1:]):
            v = e[domain][item] + w["behavior.weight"][behavior]
            v = v + w["time.weight"][bucket(before, time) if before else 0]
            x.append(F.layer_norm(v, (D,), w["input_norm.weight"], w["input_norm.bias"]))
            before = time
            if case["encoder"] == "mean":
                y = torch.stack(x).mean(0)
            else:
                now = a * now + (1 - a) * x[-1]
                y = x[-1] + F.linear(now, w["ema.linear.weight"], w["ema.linear.bias"])
            wanted = case.get("behaviors", range(BEHAVIORS))
            if next_domain != "a" or next_behavior not in wanted:
                continue
            o = F.layer_norm(y, (D,), w["output_norm.weight"], w["output_norm.bias"])
            if adapters:
                o = o + o @ w["adapter.a.user.down"].T @ w["adapter.a.user.up"].T
            hidden.append(o * w["scale"].exp())
            targets.append(target)
            values.append(value)
            seen.append([r[1] for r in rows[:len(x)] if r[0] == "a" and r[1] != target])
    h, t = torch.stack(hidden), torch.tensor(targets)
    own = (h * e["a"][t]).sum(1)
    if case["objective"] == "mse":
        loss = (own - torch.tensor(values)).pow(2).mean()
    elif case["objective"] == "bpr":
        negatives = torch.tensor([case["negatives"][target] for target in targets])
        loss = -F.logsigmoid(own - (h * e["a"][negatives]).sum(1)).mean()
    else:
        logits = h @ e["a"].T
        if case["samples"]:
            chosen = {r[1] for rows in people for r in rows[:-1] if r[0] == "a"} | set(targets) | set(candidates)
            events = [r[1] for rows in people for r in rows if r[0] == "a"]
            share = np.bincount(events, minlength=ITEMS["a"]) / len(events)
            missed = np.exp(len(targets) * np.log1p(-share)) * (1 - 1 / ITEMS["a"]) ** case["samples"]
            correction = torch.from_numpy(np.log(1 - missed + 1e-12))
            correction[[i for i in range(ITEMS["a"]) if i not in chosen]] = math.inf
            corrected = logits - correction
            logits = corrected.scatter(1, t[:, None], logits.gather(1, t[:, None]))
        if case.get("mask"):
            for row, items in enumerate(seen):
                for item in items:
                    logits[row, item] = -math.inf
        loss = F.cross_entropy(logits, t)
    if case.get("l2sp"):
        loss = loss + case["l2sp"] * sum((w[k] - torch.from_numpy(source[k])).pow(2).sum() for k in case["trained"])
    return loss


def start():
    return {name: torch.from_numpy(np.array(value)).double().requires_grad_() for name, value in parameters.items()}


def curve(people, case, rate):
    """Ten steps of AdamW with the schedule of recipe/seq.py: one batch an epoch."""
    w, losses = start(), []
    trained = [w[name] for name in case["trained"]]
    optimizer = torch.optim.AdamW(trained, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    for step in range(STEPS):
        f = step / STEPS
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (f + 1e-3) / 0.05) * (0.5 * (1 + math.cos(math.pi * f)) * 0.98 + 0.02)
        loss = batch_loss(w, people, case)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses, np.float32), {name: w[name].detach().numpy().astype(np.float32) for name in case["trained"]}


shared = [name for name in parameters if not name.startswith("adapter")]
adapters = [name for name in parameters if name.startswith("adapter")]
negatives = random.permutation(ITEMS["a"]).tolist()  # of each target
CASES = {
    "sampled": (only_a, dict(encoder="ema", objective="softmax", samples=6, trained=shared)),
    "full": (only_a, dict(encoder="ema", objective="softmax", samples=0, mask=True, behaviors=(0, 2), trained=shared)),
    "mean": (only_a, dict(encoder="mean", objective="softmax", samples=6, trained=shared)),
    "bpr": (only_a, dict(encoder="ema", objective="bpr", negatives=negatives, trained=shared)),
    "mse": (only_a, dict(encoder="ema", objective="mse", trained=shared)),
    "adapters": (users, dict(encoder="ema", objective="softmax", samples=6, mask=True, adapters=True, l2sp=0.03,
                             trained=shared + adapters)),
}

tensors = {f"w.{name}": np.array(value) for name, value in parameters.items()}
tensors |= {f"source.{name}": np.array(value) for name, value in source.items()}
tensors |= {f"content.{name}": value for name, value in content.items()}
tensors["candidates"] = np.array(candidates, np.float32)
tensors["negatives"] = np.array(negatives, np.float32)
tensors["lengths"] = np.array(LENGTHS, np.float32)
tensors["events"] = np.array([[d == "b", i, b, v, t - 10**6] for rows in users for d, i, b, v, t in rows], np.float32)
for name, (people, case) in CASES.items():
    w = start()
    loss = batch_loss(w, people, case)
    loss.backward()
    tensors[f"{name}.loss"] = np.array(loss.item(), np.float32)
    for key in case["trained"]:
        if w[key].grad is not None:
            tensors[f"{name}.g.{key}"] = w[key].grad.numpy().astype(np.float32)
for name, rate in (("sampled", 0.02), ("full", 0.02)):
    tensors[f"{name}.curve"], ends = curve(*CASES[name], rate)
    tensors[f"{name}.end"] = ends["ema.linear.weight"]
save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, os.path.join(sys.argv[1], "training.safetensors"))
