"""A training step beside PyTorch: same model, same batch, one thread.

    python train.py [--quick]
    python train.py peer FILE ema|mean fused|foreach     PyTorch as a contestant, on the batch that train.c wrote

PyTorch is given the batch with everything looked up; Ferry's step also draws its candidates and packs its rows.
"""

import json
import os
import sys
import time

import numpy as np

from measure import BENCH, BUILT, Contestant, Report, arguments, contest

POSITIONS = 146 * 7
WORKS = (("ema", 1024), ("ema", 0), ("mean", 1024))


def read(path):
    data = open(path, "rb").read()
    at = 0

    def take(kind, *shape):
        nonlocal at
        count = int(np.prod(shape, dtype=np.int64))
        values = np.frombuffer(data, kind, count, at).reshape(shape)
        at += values.nbytes
        return values

    sequences, rows, targets, candidates, items, dim, tensors, corrected = (int(n) for n in take(np.uint32, 8))
    batch = {"starts": take(np.uint32, sequences + 1), "input": take(np.uint32, rows),
             "target": take(np.uint32, targets), "item": take(np.uint32, candidates)}
    batch["correction"] = take(np.float32, candidates) if corrected else None
    batch["content"] = take(np.float32, items, dim)
    parameters = {}
    for _ in range(tensors):
        name = take(np.uint8, 64).tobytes().rstrip(b"\0").decode()
        r, c = (int(n) for n in take(np.uint32, 2))
        parameters[name] = take(np.float32, *((r, c) if c else (r,) if r else ()))
    return batch, parameters


def peer(path, encoder, form):
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(1)
    batch, parameters = read(path)
    w = {name: torch.nn.Parameter(torch.from_numpy(np.array(value))) for name, value in parameters.items()}
    ids, dim = w["id.items.weight"], w["input_norm.weight"].shape[0]
    content = torch.from_numpy(np.array(batch["content"]))
    item = torch.from_numpy(batch["item"].astype(np.int64))
    length = int(batch["starts"][1])
    at = torch.from_numpy(batch["input"].astype(np.int64)).view(-1, length)  # all are as long
    target = torch.from_numpy(batch["target"].astype(np.int64))
    correction = None if batch["correction"] is None else torch.from_numpy(np.array(batch["correction"]))
    counts = torch.arange(1, length + 1, dtype=torch.float32)[None, :, None]
    optimizer = torch.optim.AdamW(w.values(), lr=6e-3, betas=(0.9, 0.98), weight_decay=0, **{form: True})

    def loss(dropout):
        e = F.linear(content[item], w["content.weight"], w["content.bias"]) + F.embedding(item, ids)
        x = F.layer_norm(e[at], (dim,), w["input_norm.weight"], w["input_norm.bias"])
        x = F.dropout(x, dropout)
        if encoder == "mean":
            y = x.cumsum(1) / counts
        else:
            a, h, all_h = torch.sigmoid(w["ema.decay"]), torch.zeros(len(at), dim), []
            for t in range(length):
                h = a * h + (1 - a) * x[:, t]
                all_h.append(h)
            y = x + F.linear(torch.stack(all_h, 1), w["ema.linear.weight"], w["ema.linear.bias"])
        o = F.layer_norm(y, (dim,), w["output_norm.weight"], w["output_norm.bias"]).view(-1, dim)
        logits = (o * w["scale"].exp()) @ e.T
        if correction is not None:
            own = logits.gather(1, target[:, None])
            logits = (logits - correction).scatter(1, target[:, None], own)
        return F.cross_entropy(logits, target)

    def step():
        value = loss(0.3)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(w.values(), 1.0)
        optimizer.step()

    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "loss":
            print(loss(0.0).item(), flush=True)
            continue
        _, count, warm, repeat = map(int, words)
        times = []
        for i in range(warm + repeat):
            begin = time.perf_counter_ns()
            for _ in range(count):
                step()
            times.append(time.perf_counter_ns() - begin)
        print(*times[warm:], flush=True)


def main():
    if sys.argv[1:2] == ["peer"]:
        return peer(*sys.argv[2:])
    options = arguments()
    report = Report("train", options.quick)
    versions = {}
    for encoder, samples in WORKS:
        path = os.path.join(BUILT, f"train-{encoder}-{samples}.bin")
        ours = Contestant("Ferry", [f"{BUILT}/train", encoder, str(samples)])
        expected, candidates = ours.ask("loss", path).split()
        script = os.path.join(BENCH, "train.py")
        forms = [Contestant(f"PyTorch, {form} AdamW", [sys.executable, script, "peer", path, encoder, form])
                 for form in ("fused", "foreach")]
        for torch in forms:
            found = float(torch.ask("loss"))
            if abs(found - float(expected)) > 1e-5 * float(expected):
                sys.exit(f"bench: {torch.name}'s loss is {found}, Ferry's {expected}")
        everyone = [ours, *forms]
        times = contest({c.name: lambda c=c: c.turn("run", 0, 1) for c in everyone}, 9 if report.quick else 25)
        for torch in forms:
            report.row(f"{encoder}, {candidates} candidates", ours.name, times[ours.name], torch.name,
                       times[torch.name], "pos/s", POSITIONS)
        versions |= {"Ferry": f"{ours.info['version']} ({ours.info['kernels']})", "PyTorch": forms[0].info["version"]}
        for contestant in everyone:
            contestant.close()
        os.remove(path)
    report.note("same loss, without dropout, from the same parameters and batch")
    report.write(versions)


if __name__ == "__main__":
    main()
