"""The ten nearest of 100,000 vectors natively, beside faiss, usearch and numpy; a visitor's event to a new top 10: of
100,000 items natively, of 12,000 in Node and Chromium.

    python rank.py [--quick]
    python rank.py --catalogs       writes the catalogues: random unit vectors of 384 numbers
"""

import json
import os
import sys

import numpy as np

from measure import BENCH, BUILT, DEPS, Contestant, Report, arguments, contest

DIMENSION, DOMAINS = 384, 7
SMALL, LARGE = 12_000, 100_000
CHECKED, CANDIDATES = 32, 200


def folder(count):
    return os.path.join(DEPS, "rank-catalog" if count == SMALL else f"rank-catalog-{count}")


def write_catalog(count):
    vectors = np.random.default_rng(5).standard_normal((count, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    os.makedirs(folder(count), exist_ok=True)
    header = {"text": {"dtype": "F32", "shape": [count, DIMENSION], "data_offsets": [0, vectors.nbytes]}}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(f"{folder(count)}/vectors.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + vectors.tobytes())
    with open(f"{folder(count)}/items.jsonl", "w", encoding="ascii") as file:
        for i in range(count):
            item = {"id": f"item-{i}", "domain": f"department-{i % DOMAINS}", "title": f"Item {i}"}
            file.write(json.dumps(item) + "\n")
    domains = [{"name": f"department-{d}", "count": len(range(d, count, DOMAINS))} for d in range(DOMAINS)]
    with open(f"{folder(count)}/catalog.json", "w", encoding="ascii") as file:
        json.dump({"format": "ferry-catalog", "version": 1, "count": count, "dimension": DIMENSION,
                   "text_model": "random", "domains": domains}, file)


def recall(exact, found):
    """Of the ten nearest, how many are found."""
    return sum(len(set(a) & set(b)) for a, b in zip(exact, found)) / sum(map(len, exact))


def native(report, versions):
    rounds = 9 if report.quick else 25
    script = os.path.join(BENCH, "peers.py")
    vectors = f"{folder(LARGE)}/vectors.safetensors"
    visitors = Contestant("Ferry f32, visitor", [f"{BUILT}/rank", folder(LARGE)])
    index = Contestant("Ferry int8", [f"{BUILT}/rank", folder(LARGE), "index"])
    signs = Contestant(f"Ferry {CANDIDATES} by signs", [f"{BUILT}/rank", folder(LARGE), "signs", str(CANDIDATES)])
    memory = Contestant("reading the bytes", [f"{BUILT}/rank", folder(LARGE), "read"])
    exact = [Contestant(name, [sys.executable, script, kind, vectors])
             for name, kind in (("numpy f32", "numpy"), ("faiss Flat f32", "faiss-flat"), ("usearch exact f32", "usearch-f32"))]
    rough = [Contestant(name, [sys.executable, script, kind, vectors])
             for name, kind in (("faiss SQ8_direct_signed", "faiss-sq8"), ("usearch exact i8", "usearch-i8"))]
    tops = {c.name: [c.ask("top", query).split() for query in range(CHECKED)]
            for c in (visitors, index, signs, *exact, *rough)}
    for peer in exact[:2]:
        if tops[peer.name] != tops[visitors.name]:
            sys.exit(f"bench: {peer.name} and Ferry f32 differ in the top 10 of a query")
    report.note(f"top 10 of {CHECKED} queries: the same from Ferry f32, " + ", ".join(p.name for p in exact[:2]))
    report.note("of them found: " + ", ".join(f"{name} {recall(tops[visitors.name], top):.3f}" for name, top in tops.items()
                                              if name not in (visitors.name, exact[0].name, exact[1].name)))
    for count in (1, 64):
        how = "one query" if count == 1 else f"each of {count} queries"
        # As many in a round as there are, so that no round is short.
        everyone = [index, signs, *([memory] if count == 1 else []), *exact, *rough]
        times = contest({c.name: lambda c=c: c.turn("run", 3, count) for c in everyone}, rounds)
        for peer in everyone[1:]:
            report.row(f"top 10 of {LARGE:,} vectors, {how}", index.name, [t / count for t in times[index.name]],
                       peer.name, [t / count for t in times[peer.name]])
    times = contest({c.name: lambda c=c: c.turn("run", 3, 1) for c in (visitors, *exact[:2])}, rounds)
    for peer in exact[:2]:
        report.row(f"event to top 10 of {LARGE:,}", visitors.name, times[visitors.name], peer.name, times[peer.name])
    versions |= {"Ferry": f"{index.info['version']} ({index.info['kernels']})"}
    versions |= {p.name.split()[0]: p.info["version"] for p in exact + rough}


def web(report, versions, engine):
    from web import engines

    for engine, runner in engines(engine):
        ours = Contestant("Ferry", [*runner, "rank"])
        plain = Contestant("plain JavaScript", [*runner, "rank-plain"])
        turns = {c.name: lambda c=c: c.turn("run", 0, 1) for c in (ours, plain)}
        times = contest(turns, 9 if report.quick else 25)
        report.row(f"{engine}: event to top 10 of {SMALL:,}", f"Ferry {ours.info['kernels']}", times["Ferry"],
                   plain.name, times[plain.name])
        versions[engine] = ours.info["engine"]
        ours.close()
        plain.close()


def main():
    if "--catalogs" in sys.argv:
        for count in (SMALL, LARGE):
            write_catalog(count)
        return
    options = arguments()
    report, versions = Report("rank", options.quick), {}
    native(report, versions)
    web(report, versions, options.engine)
    report.write(versions)


if __name__ == "__main__":
    main()
