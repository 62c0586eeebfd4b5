"""WebAssembly in Node and in headless Chromium, on one thread: every build of ferry-rec beside onnxruntime-web and
transformers.js; the first vector in a fresh page; and on two threads in Chromium, alone and beside a busy neighbour."""

import glob
import os
import statistics
import subprocess
import sys

from measure import (BENCH, LENGTHS, ROOT, SETTLE, Contestant, Report, Unavailable, arguments, contest, cosines,
                     counter, fastest, id_lines, node)
from texts import of_length, sentences

CHECKED = 16
TOGETHER = "Chromium, 2 threads"


def main():
    options = arguments()
    report = Report("web", options.quick)
    rounds, cold_rounds, many = (3, 2, 64) if options.quick else (15, 7, 512)
    report.turn = 20e6 if options.quick else 60e6
    texts = [*(of_length(n, counter()) for n in LENGTHS), *sentences()[:many]]
    versions = {}
    for engine, runner in engines(options.engine):
        if engine == TOGETHER:
            together(report, runner, texts, rounds)
            continue
        compare(report, engine, runner, texts, rounds, versions)
        if engine == "Chromium":
            cold(report, texts[0], cold_rounds)
    report.write(versions)


def engines(wanted):
    """(name, command that a contestant's words are added to)"""
    script = os.path.join(BENCH, "javascript.mjs")
    page = ["node", script, "page"]
    all_of_them = [(n["name"], [n["path"], script, "node"]) for n in node()] + [("Chromium", page), (TOGETHER, page)]
    for name, command in all_of_them:
        if wanted.lower() in name.lower():
            yield name, command


def builds():
    """(build, precision) of what takes part: every wasm file of the package in int8, one in f32 for comparison."""
    found = {os.path.basename(p)[len("ferry-") : -len(".wasm")] for p in glob.glob(f"{ROOT}/web/dist/ferry-*.wasm")}
    return [("simd", "f32"), *((build, "int8") for build in sorted(found, reverse=True) if "-threads" not in build)]


def start(report, name, command, texts):
    try:
        contestant = Contestant(name, command, turn=report.turn)
    except Unavailable:
        report.note(f"{name} does not run here")
        return None
    if contestant.info.get("wants") == "ids":
        contestant.lines("rows", id_lines(texts))
    else:
        contestant.texts(texts)
    return contestant


def compare(report, engine, runner, texts, rounds, versions):
    ferries = [start(report, f"{build} {precision}", [*runner, "ferry", build, precision], texts)
               for build, precision in builds()]
    ferries = [f for f in ferries if f]
    ort = fastest(report, {model: start(report, "onnxruntime-web int8", [*runner, "onnxruntime-web", model], texts)
                           for model in ("int8.onnx", "fused-int8.onnx")})
    everyone = [*ferries, ort]
    # In Node transformers.js is native code and takes part in `native`.
    if engine == "Chromium":
        tried = {model: start(report, "transformers.js q8", [*runner, "transformers", model], texts)
                 for model in ("web-int8", "web-fused-int8")}
        wllama = start(report, "wllama q8_0", [*runner, "wllama", "minilm-q8_0.gguf"], texts)
        everyone += [fastest(report, tried), *([wllama] if wllama else [])]
    versions[engine] = ort.info["engine"]
    for contestant in everyone:
        name = contestant.name.split()[0]
        versions["Ferry" if contestant in ferries else name] = contestant.info["version"]
    for contestant in everyone:
        contestant.settle(SETTLE)
    reference = ferries[0].vectors(len(LENGTHS), CHECKED)
    for other in [c for c in everyone[1:] if c is not ort]:
        found = cosines(other.vectors(len(LENGTHS), CHECKED), reference)
        report.note(f"{engine}: cosine to {ferries[0].name}: {other.name:<20} mean {statistics.mean(found):.5f}, "
                    f"least {min(found):.5f}")

    for at, length in enumerate(LENGTHS):
        # The fallback for engines without SIMD is ten times slower: once, with the shortest text, is enough.
        some = [c for c in everyone if at == 0 or not c.name.startswith("scalar")]
        times = contest({c.name: lambda c=c: c.turn("run", at, 1) for c in some}, rounds)
        for own in [f for f in ferries if f in some]:
            for peer in everyone[len(ferries):]:
                report.row(f"{engine}, {length} tokens", f"Ferry {own.name}", times[own.name], peer.name,
                           times[peer.name])
    # Many texts: with their own tokenizer where there is one; onnxruntime-web has none and gets ids.
    first, count = len(LENGTHS), len(texts) - len(LENGTHS)
    peers = [p for p in everyone[len(ferries):] if not p.name.startswith("wllama")]  # which would take minutes
    fast = [f for f in ferries if not f.name.startswith("scalar")] + peers
    times = contest({c.name: lambda c=c: c.turn("run" if c is ort else "encode", first, count) for c in fast},
                    2 if report.quick else 5, warm=not report.quick)
    for own in fast:
        for peer in peers:
            if own in ferries:
                report.row(f"{engine}, {count} texts to vectors", f"Ferry {own.name}", times[own.name],
                           peer.name + (", ids given" if peer is ort else ""), times[peer.name], "texts/s", count)
    for contestant in everyone:
        contestant.close()


def together(report, runner, texts, rounds):
    """Two threads beside two threads; and the same beside a process that keeps one core busy."""
    found = {os.path.basename(p) for p in glob.glob(f"{ROOT}/web/dist/ferry-*-threads.wasm")}
    ferries = [start(report, f"{build} int8, {n} threads", [*runner, "ferry", build, "int8", str(n)], texts)
               for build in ("relaxed", "simd") if f"ferry-{build}-threads.wasm" in found for n in (1, 2)]
    ferries = [f for f in ferries if f]
    tried = {model: start(report, "onnxruntime-web int8, 2 threads", [*runner, "onnxruntime-web", model, "2"], texts)
             for model in ("int8.onnx", "fused-int8.onnx")}
    ort = fastest(report, tried)
    everyone = [*ferries, ort]
    for contestant in everyone:
        contestant.settle(SETTLE)
    first, count = len(LENGTHS), len(texts) - len(LENGTHS)
    for where, neighbour in (("", None), (", a busy neighbour", [sys.executable, "-c", "while True: pass"])):
        busy = subprocess.Popen(neighbour) if neighbour else None
        try:
            work = [(f"{length} tokens", at, 1, rounds) for at, length in enumerate(LENGTHS)]
            for what, at, many, turns in [*work, (f"{count} texts", first, count, 2 if report.quick else 5)]:
                times = contest({c.name: lambda c=c: c.turn("run" if c is ort or many == 1 else "encode", at, many)
                                 for c in everyone}, turns)
                for own in ferries:
                    report.row(f"Chromium, {what}{where}", f"Ferry {own.name}", times[own.name], ort.name, times[ort.name])
        finally:
            if busy:
                busy.kill()
                busy.wait()
    for contestant in everyone:
        contestant.close()


def cold(report, text, rounds):
    runner = ["node", os.path.join(BENCH, "javascript.mjs"), "cold"]
    ferries = {f"auto {p}": [*runner, "ferry", "auto", p] for p in ("f32", "int8")}
    peers = {"transformers.js q8": [*runner, "transformers", "web-int8"],
             "onnxruntime-web int8, ids given": [*runner, "onnxruntime-web", "int8.onnx"]}
    everyone = [Contestant(name, command) for name, command in (ferries | peers).items()]
    for contestant in everyone:
        contestant.texts(id_lines([text]) if "ids given" in contestant.name else [text])
    turns = {c.name: lambda c=c: statistics.median(c.times("run", 0, 1, 0, 1)) for c in everyone}
    times = contest(turns, rounds, warm=not report.quick)
    for own in ferries:
        for peer in peers:
            report.row("Chromium, fresh page to 1st vector", f"Ferry {own}", times[own], peer, times[peer])
    for contestant in everyone:
        contestant.close()


if __name__ == "__main__":
    main()
