"""The corpus of fuzz_recommender.c: python3 make_recommender.py corpus/recommender"""
import json
import os
import struct
import sys

N, K, D, F, R, RANK = 3, 2, 2, 1, 1, 1
ITEMS = {"a": ["1", "2", "9"], "b": ["2", "1"]}  # 9 is no more in the catalogue, a's 3 is new


def tensors(parts):
    header, data = {}, b""
    for name, (shape, values) in sorted(parts.items()):
        count = 1
        for size in shape:
            count *= size
        whole = all(isinstance(value, int) for value in values)
        values = [values[i % len(values)] for i in range(count)]
        packed = struct.pack(f"<{count}{'i' if whole else 'f'}", *values)
        header[name] = {"dtype": "I32" if whole else "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def whole(net="ema", across=True):
    behaviors = ["buy", "see"]
    mix = {"known": {"net": 1.0, "neighbors": 1.5, "title": 0.5}, "new_domain": {"text": 1, "author": 1},
           "newcomer": {"factors": 1, "profile": 1, "across": 1, "linked": 0.25}, "stranger": {"popularity": 1}}
    about = {"format": "ferry-model", "version": 1, "text_dimension": N, "text_model": "m", "whitened": K, "content_scale": 0.5,
             "behaviors": behaviors, "domains": []}
    parts = {"text.mean": ([N], [0.1]), "text.projection": ([N, K], [0.5, -0.25, 0.75])}
    for name, items in ITEMS.items():
        n, m = len(items), sum(len(other) for key, other in ITEMS.items() if key != name)
        domain = {"name": name, "items": n, "mix": mix}
        parts[f"{name}.popularity"] = ([n], [2.0, 1.0, 0.0])
        parts[f"{name}.text_mean"] = ([N], [0.2])
        parts[f"{name}.text_projection"] = ([N, K], [0.25, 0.5, -0.5])
        parts[f"{name}.neighbors_start"] = ([n + 1], list(range(n + 1)))
        parts[f"{name}.neighbors_item"] = ([n], [1, 0])
        parts[f"{name}.neighbors_weight"] = ([n], [0.5])
        if across:
            domain["across"] = {"factors": F, "factor_deviation": 0.5, "alpha": 19, "lambda": 0.05, "profile_rank": RANK}
            parts[f"{name}.across_start"] = ([m + 1], [min(row, 2) for row in range(m + 1)])
            parts[f"{name}.across_item"] = ([2], [0, 1])
            parts[f"{name}.across_weight"] = ([2], [0.5])
            parts[f"{name}.linked"] = ([n], [1.0, 0.0])
            parts[f"{name}.source_factors"] = ([m, F], [0.5, -0.5])
            parts[f"{name}.target_factors"] = ([n, F], [0.25])
            parts[f"{name}.factor_map"] = ([F + 1, F], [1.0, 0.5])
            parts[f"{name}.profile"] = ([2 * K * RANK + K + 2], [0.5])
        about["domains"].append(domain)
    if net is not None:
        about["net"] = {"encoder": net, "dim": D, "layers": 1, "heads": 1, "feed_forward": 4, "max_length": 5, "content_dim": K,
                        "behaviors": 2, "time_buckets": 3, "adapter_rank": R, "ids": True}
        shapes = {"input_norm.weight": [D], "input_norm.bias": [D], "output_norm.weight": [D], "output_norm.bias": [D],
                  "scale": [1], "content.weight": [D, K], "content.bias": [D], "behavior.weight": [2, D], "time.weight": [3, D]}
        if net == "ema":
            shapes |= {"ema.decay": [D], "ema.linear.weight": [D, D], "ema.linear.bias": [D]}
        for name, items in ITEMS.items():
            shapes |= {f"id.{name}.weight": [len(items), D], f"adapter.{name}.item.down": [R, K], f"adapter.{name}.item.up": [D, R],
                       f"adapter.{name}.user.down": [R, D], f"adapter.{name}.user.up": [D, R]}
        parts |= {f"net.{name}": (shape, [0.5, -0.25, 1.0]) for name, shape in shapes.items()}
    lines = "".join(json.dumps({"id": item, "domain": name}) + "\n" for name, items in ITEMS.items() for item in items)
    return json.dumps(about, separators=(",", ":")).encode(), lines.encode(), tensors(parts)


def save(name, files):
    sizes = struct.pack("<HH", len(files[0]), len(files[1]))
    with open(os.path.join(sys.argv[1], name), "wb") as out:
        out.write(sizes + b"".join(files))


os.makedirs(sys.argv[1], exist_ok=True)
save("whole", whole())
save("no-across", whole(across=False))
save("no-net", whole(net=None))
save("mean", whole(net="mean"))
about, lines, data = whole()
save("cut", (about, lines, data[:-3]))
save("other-domain", (about.replace(b'"name":"b"', b'"name":"z"'), lines, data))
save("wide", (about.replace(b'"dim":2', b'"dim":4096'), lines, data))
