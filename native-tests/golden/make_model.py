"""A small trained model and what it recommends: make_model.py FERRY OUT (see README.md).

Made by Ferry's own command line: a regression test, the same lists natively, in Node and in the page.
"""
import json
import math
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

DIMENSION = 8
DOMAINS = {"books": 40, "films": 30, "songs": 20}  # songs: nobody's events, only texts
THEMES = ["sea", "desert", "music", "space", "garden"]
WORDS = ["old", "blue", "last", "silent", "golden", "little", "lost", "night", "winter", "long"]


def make_items(rng):
    items = []
    for domain, count in DOMAINS.items():
        for i in range(count):
            theme = rng.randrange(len(THEMES))
            vector = [rng.gauss(0, 0.4) for _ in range(DIMENSION)]
            vector[theme] += 1.0
            length = math.sqrt(sum(x * x for x in vector))
            title = f"The {rng.choice(WORDS)} {rng.choice(WORDS)} {THEMES[theme]}"
            item = {"id": f"{domain[0]}{i}", "domain": domain, "title": title, "tags": [THEMES[theme]]}
            if i % 3 == 0:
                item["author"] = f"Author {theme}"
            items.append((item, theme, [x / length for x in vector]))
    return items


def make_events(rng, items):
    """People of one or two themes, who go on to the next item of a theme more often than not."""
    events = []
    for user in range(80):
        themes = rng.sample(range(len(THEMES)), 2)
        time = 1_600_000_000 + rng.randrange(10_000_000)
        for domain in ("books", "films"):
            if rng.random() < 0.25:
                continue
            fitting = [item["id"] for item, theme, _ in items if item["domain"] == domain and theme in themes]
            at = rng.randrange(len(fitting))
            for _ in range(rng.randrange(3, 9)):
                at = (at + (1 if rng.random() < 0.7 else rng.randrange(len(fitting)))) % len(fitting)
                time += rng.randrange(60, 500_000)
                behavior = rng.choice(["purchase", "purchase", "view", "cart"])
                event = {"user": f"u{user}", "item": fitting[at], "domain": domain, "behavior": behavior, "timestamp": time}
                events.append(event)
    return events


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_catalog(path, items):
    path.mkdir(parents=True)
    domains = [{"name": name, "count": count} for name, count in sorted(DOMAINS.items())]
    facts = {"format": "ferry-catalog", "version": 1, "count": len(items), "dimension": DIMENSION,
             "text_model": "made up", "domains": domains}
    (path / "catalog.json").write_text(json.dumps(facts) + "\n")
    write_lines(path / "items.jsonl", [item for item, _, _ in items])
    values = b"".join(struct.pack(f"<{DIMENSION}f", *vector) for _, _, vector in items)
    tensor = {"dtype": "F32", "shape": [len(items), DIMENSION], "data_offsets": [0, len(values)]}
    header = json.dumps({"text": tensor}).encode()
    header += b" " * (-len(header) % 8)
    (path / "vectors.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + values)


def bought(*ids, **more):
    names = {"b": "books", "f": "films", "s": "songs"}
    return [{"item": id, "domain": names[id[0]], "timestamp": 1_700_000_000 + 3600 * i, **more} for i, id in enumerate(ids)]


# What a visitor did, and what is asked.
CASES = [
    ([], {"k": 10}),
    ([], {"k": 5, "domains": ["books"]}),
    (bought("b1", "b5", "b9"), {"k": 10, "domains": ["books"]}),
    (bought("b1", "b5", "b9"), {"k": 10, "domains": ["films"]}),
    (bought("b1", "b5", "b9"), {"k": 10, "domains": ["songs"]}),
    (bought("f3", "f4", "b2", "f8", "s1"), {"k": 12}),
    (bought("f3", "f4", "b2", "f8", "s1"), {"k": 6, "domains": ["books", "songs"], "keepSeen": True}),
    (bought("s1", "s2"), {"k": 10, "domains": ["songs"]}),
    (bought("s1", "s2"), {"k": 10, "domains": ["books"]}),
    (bought("b7", "b8", behavior="cart") + bought("f7", behavior="view"), {"k": 10}),
    (bought("b7", behavior="rating", value=5) + bought("b8", behavior="rating", value=1), {"k": 200}),
    (bought(*[f"b{i}" for i in range(40)]), {"k": 10}),
    (bought("b1", "f5"), {"k": 12, "keepDuplicates": True}),
    (bought("b1", "f5"), {"k": 12, "duplicateCosine": 0.8}),
    (bought("b1", "f5"), {"k": 12, "diversity": 0.3}),
    (bought("b1", "f5"), {"k": 12, "diversity": 0.7, "atMost": {"author": 2}}),
    (bought("b1", "f5"), {"k": 8, "diversity": 1}),
    (bought("b1", "f5"), {"k": 12, "quotas": {"books": 2, "films": 3}, "atMost": {"tags": 4}}),
    (bought("b1", "f5"), {"k": 12, "where": ["tags has space", "title~OLD"]}),
    (bought("b1", "f5"), {"k": 12, "where": ['author!="Author 1"', "id<b3"], "domains": ["books"]}),
    (bought("b1", "f5"), {"k": 12, "candidates": [{"domain": "films", "id": f"f{i}"} for i in range(9)] + [{"id": "s4"}]}),
    (bought("b7", behavior="rating", value=1) + bought("f8"), {"k": 9}),
    (bought("b7", behavior="rating", value=1) + bought("f8"), {"k": 9, "keepSeen": True, "dislikedCosine": 0.6}),
    (bought("b7", behavior="rating", value=1) + bought("f8"), {"k": 9, "keepSeen": True, "keepDisliked": True}),
]

# Options' flags; those of the first row take no word.
FLAGS = {"keepSeen": "--keep-seen", "keepDisliked": "--keep-disliked", "keepDuplicates": "--keep-duplicates",
         "k": "-k", "diversity": "--diversity", "dislikedCosine": "--disliked-cosine",
         "duplicateCosine": "--duplicate-cosine", "domains": "--domain", "where": "--where",
         "quotas": "--quota", "atMost": "--at-most"}


def flags_of(options, scratch):
    flags = []
    for name, value in options.items():
        if name == "candidates":
            write_lines(scratch / "candidates.jsonl", value)
            flags += ["--candidates", scratch / "candidates.jsonl"]
            continue
        if isinstance(value, dict):
            value = [f"{of}={most}" for of, most in value.items()]
        for word in value if isinstance(value, list) else [value]:
            flags += [FLAGS[name]] if word is True else [FLAGS[name], word]
    return flags


def main():
    ferry, out = sys.argv[1], Path(sys.argv[2])
    rng = random.Random(7)
    items = make_items(rng)
    catalog, model = out / "shop", out / "shop/model"
    write_catalog(catalog, items)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        run = lambda *args: subprocess.run([ferry, *map(str, args)], check=True, stdout=subprocess.PIPE, text=True).stdout
        write_lines(scratch / "events.jsonl", make_events(rng, items))
        run("prepare", "--items", catalog / "items.jsonl", "--events", scratch / "events.jsonl", "--out", scratch / "data")
        run("train", "--data", scratch / "data", "--catalog", catalog, "--domain", "books,films", "--dim", 8, "--rank", 2,
            "--epochs", 6, "--batch", 64, "--samples", 0, "--out", model)
        rows = []
        for number, (events, options) in enumerate(CASES):
            history = scratch / f"{number}.jsonl"
            write_lines(history, [{"user": "me", **event} for event in events])
            flags = flags_of(options, scratch)
            for used in (["--model", model], []):
                if not used and not events:
                    continue  # an error: without a model nothing is known of a stranger
                lists = run("recommend", "--catalog", catalog, *used, "--history", history, "--json", *flags)
                rows.append({"events": events, "options": options, "model": bool(used), "gives": json.loads(lists)})
    write_lines(out / "lists.jsonl", rows)


if __name__ == "__main__":
    main()
