"""WordPiece alone, on one thread: Ferry beside tokenizers, nanotoken and transformers.js. Ids must be identical."""

import csv
import glob
import io
import lzma
import os
import sys

from measure import BENCH, BUILT, MODEL_DIR, ROOT, Contestant, Report, arguments, contest, counter
from texts import titles


def main():
    options = arguments()
    report = Report("tokenizer", options.quick)
    rounds = 5 if options.quick else 15
    script = os.path.join(BENCH, "peers.py")
    ferry = Contestant("Ferry", [f"{BUILT}/encode", MODEL_DIR])
    tokenizers = Contestant("tokenizers", [sys.executable, script, "tokenizers", MODEL_DIR])
    nano = Contestant("nanotoken", [sys.executable, script, "nanotoken", MODEL_DIR])
    script = os.path.join(BENCH, "javascript.mjs")
    javascript = Contestant("transformers.js", ["node", script, "node", "transformers", "web-int8"])
    everyone = [ferry, tokenizers, nano, javascript]
    for what, texts in corpora(report):
        megabytes = sum(len(text.encode()) for text in texts) / 1e6
        for contestant in everyone:
            contestant.texts(texts)
        same(report, what, ferry, [tokenizers, nano], len(texts))
        turns = {c.name: lambda c=c: c.turn("tokenize", 0, len(texts)) for c in everyone}
        turns["nanotoken cold"] = lambda: nano.turn("tokenize-cold", 0, len(texts))
        times = contest(turns, rounds)
        for name in ("tokenizers", "nanotoken cold", "nanotoken", "transformers.js"):
            shown = name + (", words remembered" if name == "nanotoken" else "")
            report.row(f"{len(texts):,} {what}", "Ferry", times["Ferry"], shown, times[name], "MB/s", megabytes)
    report.write({c.name: c.info["version"] for c in everyone})


def corpora(report):
    yield "generated titles", titles(20_000, seed=11)
    folder = os.environ.get("FERRY_DATA", os.path.join(ROOT, "..", "shared", "data"))
    files = sorted(glob.glob(os.path.join(folder, "*.item.xz")))
    found = [title for file in files for title in real_titles(file)]
    if found:
        count = counter()
        short = [title for title in found if count(title) <= 256]
        report.note(f"{len(found) - len(short)} titles of more than 256 tokens left out: not every peer cuts there")
        yield "product titles", short
    else:
        report.note("no .item.xz with titles beside the checkout (FERRY_DATA): only generated ones")


def real_titles(path):
    with lzma.open(path, "rt", encoding="utf-8") as file:
        text = file.read()
    rows = csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    columns = [name.split(":")[0] for name in next(rows)]
    if "title" not in columns:
        return []
    at = columns.index("title")
    return [row[at] for row in rows if len(row) > at and row[at]]


def same(report, what, ferry, others, count):
    """Ids of every text."""
    for i in range(count):
        expected = ferry.ids(i)
        for other in others:
            if other.ids(i) != expected:
                sys.exit(f"bench: {other.name} and Ferry read text {i} of the {what} as different ids")
    report.note(f"{count:,} {what}: the same ids from Ferry, " + ", ".join(other.name for other in others))


if __name__ == "__main__":
    main()
