"""One text of 16 to 256 tokens, and 512 texts to 512 vectors, on one thread: Ferry beside onnxruntime and OpenVINO."""

import os
import statistics
import sys

from measure import (BENCH, BUILT, LENGTHS, MODEL_DIR, MODELS, SETTLE, Contestant, Report, Unavailable, arguments,
                     contest, cosines, counter, fastest, id_lines)
from texts import of_length, sentences

PEERS = [  # name, precision, engine, models of which the fastest takes part (see models.py)
    ("onnxruntime", "f32", "onnxruntime", ("f32.onnx", "fused.onnx")),
    ("onnxruntime", "int8", "onnxruntime", ("int8.onnx", "fused-int8.onnx")),
    ("OpenVINO", "f32", "openvino", ("f32.onnx",)),
    ("OpenVINO static", "int8", "openvino", ("openvino-int8.xml",)),
    ("llama.cpp", "f32", "llama.cpp", ("minilm-f32.gguf",)),
    ("llama.cpp q8_0", "int8", "llama.cpp", ("minilm-q8_0.gguf",)),
]
CHECKED = 64  # texts whose vectors are compared


def main():
    options = arguments()
    rounds, many_rounds, many = (5, 2, 128) if options.quick else (25, 7, 512)
    report = Report("native", options.quick)
    count_tokens = counter()
    texts = [*(of_length(n, count_tokens) for n in LENGTHS), *sentences()[:many]]
    first, count = len(LENGTHS), len(texts) - len(LENGTHS)
    tokens = sum(map(count_tokens, texts[first:]))
    report.note(f"{count} texts: {tokens} tokens, {tokens / count:.1f} on the average")

    ferries = [f for f in (ferry(report, "f32"), ferry(report, "f32", "fast"), ferry(report, "int8")) if f]
    peers = [peer(report, texts, *what) for what in PEERS]
    script = os.path.join(BENCH, "javascript.mjs")
    onnx = Contestant("onnxruntime-node int8", ["node", script, "node", "onnxruntime-node", "int8.onnx"], "int8")
    transformers = Contestant("transformers.js q8", ["node", script, "node", "transformers", "web-int8"], "int8")
    everyone = ferries + peers
    for contestant in [*everyone, transformers]:
        contestant.texts(texts)
    onnx.lines("rows", id_lines(texts))
    for contestant in [*everyone, onnx, transformers]:
        contestant.settle(SETTLE / 4)
    agree(report, everyone, first)

    def measure(what, verb, first, count, rounds, unit, peers, warm=True):
        times = contest({c.name: lambda c=c: c.turn(verb, first, count) for c in ferries + peers}, rounds, warm)
        for own, peer in pairs(ferries, peers):
            report.row(what, own.name, times[own.name], peer.name, times[peer.name], unit, count)

    for at, length in enumerate(LENGTHS):
        measure(f"one text of {length} tokens", "run", at, 1, rounds, "ms", [*peers, onnx])
    fast = [p for p in peers if not p.name.startswith("llama.cpp")]  # which would take minutes
    measure(f"{count} texts to vectors", "encode", first, count, many_rounds, "texts/s", [*fast, transformers],
            not report.quick)
    versions = {"Ferry": f"{ferries[0].info['version']} ({ferries[0].info['kernels']})"}
    report.write(versions | {p.name.rsplit(" ", 1)[0]: p.info["version"] for p in [*peers, onnx, transformers]})


def ferry(report, precision, numerics=""):
    try:
        command = [f"{BUILT}/encode", MODEL_DIR, "auto", precision, "1", numerics]
        return Contestant(f"Ferry {precision} {numerics}".strip(), command, precision, report.turn)
    except Unavailable as error:
        report.note(str(error))
        return None


def peer(report, texts, name, precision, engine, models):
    script = os.path.join(BENCH, "peers.py")
    directory = [] if engine == "llama.cpp" else [MODEL_DIR]  # a .gguf has the tokenizer in it
    tried = {model: Contestant(f"{name} {precision}", [sys.executable, script, engine, f"{MODELS}/{model}", *directory],
                               precision, report.turn) for model in models}
    for contestant in tried.values():
        contestant.texts(texts)
    return fastest(report, tried)


def pairs(ferries, peers):
    """Each peer with every Ferry of its precision."""
    return [(own, peer) for peer in peers for own in ferries if own.precision == peer.precision]


def agree(report, everyone, first):
    """All read the same ids and give the same vectors, as far as their precision goes."""
    ids = [everyone[0].ids(first + i) for i in range(CHECKED)]
    reference = everyone[0].vectors(first, CHECKED)
    for contestant in everyone[1:]:
        if [contestant.ids(first + i) for i in range(CHECKED)] != ids:
            sys.exit(f"bench: {contestant.name} reads other token ids than {everyone[0].name}")
        found = cosines(contestant.vectors(first, CHECKED), reference)
        report.note(f"cosine to {everyone[0].name}: {contestant.name:<24} mean {statistics.mean(found):.5f}, "
                    f"least {min(found):.5f}")
        if contestant.precision == "f32" and min(found) < 0.99999:
            sys.exit(f"bench: {contestant.name} computes something else")


if __name__ == "__main__":
    main()
