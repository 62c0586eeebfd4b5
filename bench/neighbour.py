"""Two threads on two cores, of which a neighbour keeps one busy: how much slower Ferry and onnxruntime become.

A fair share of two cores and one neighbour is 1.5 of 2: a pool that yields slows down by a third, to 1.33. One whose
threads wait for each other by turning on the spot slows down to 2 or far beyond.
"""

import os
import subprocess
import sys

from measure import (BENCH, BUILT, MODEL_DIR, MODELS, Contestant, Report, arguments, counter, spread)
from texts import of_length, sentences

WORK = [("one text of 128 tokens", "run", 0, 1, "ms"), ("64 texts to vectors", "encode", 1, 64, "texts/s")]


class Neighbour:
    """A process that keeps the first of our cores busy, while in a `with`."""

    def __enter__(self):
        core = min(os.sched_getaffinity(0))
        self.process = subprocess.Popen([sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{core}])\nwhile True: pass"])

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def main():
    options = arguments()
    rounds = 5 if options.quick else 15
    report = Report("neighbour", options.quick)
    texts = [of_length(128, counter()), *sentences()[:64]]
    peer = [sys.executable, os.path.join(BENCH, "peers.py"), "onnxruntime"]
    ferry = Contestant("Ferry int8, 2 threads", [f"{BUILT}/encode", MODEL_DIR, "auto", "int8", "2"], "int8", report.turn)
    onnx = Contestant("onnxruntime int8, 2 threads", [*peer, f"{MODELS}/fused-int8.onnx", MODEL_DIR, "2"], "int8", report.turn)
    both = [ferry, onnx]
    for contestant in both:
        contestant.texts(texts)
    for contestant in both:
        for what in WORK:
            contestant.turn(*what[1:4])
    for what, verb, first, count, unit in WORK:
        alone, beside = {c.name: [] for c in both}, {c.name: [] for c in both}
        for round in range(rounds):
            for contestant in both if round % 2 else both[::-1]:
                alone[contestant.name].append(contestant.turn(verb, first, count))
                with Neighbour():
                    beside[contestant.name].append(contestant.turn(verb, first, count))
        report.row(f"{what}, alone", ferry.name, alone[ferry.name], onnx.name, alone[onnx.name], unit, count)
        report.row(f"{what}, beside", ferry.name, beside[ferry.name], onnx.name, beside[onnx.name], unit, count)
        for c in both:
            slower = spread([b / a for a, b in zip(alone[c.name], beside[c.name])])
            report.note(f"{what}: {c.name} is {slower['median']:.2f} [{slower['min']:.2f} - {slower['max']:.2f}] times slower beside a busy core")
    report.write({"Ferry": ferry.info["version"], "onnxruntime": onnx.info["version"]})


if __name__ == "__main__":
    main()
