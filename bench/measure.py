"""What the parts share: contestants in processes of their own, measured in turns, and a table of ratios.

A contestant waits for a line on its standard input, does what it says and answers with a line (see encode.c), so that
nothing but the one whose turn it is runs. In a round each has one turn, in an order that rotates; a turn is a few
repetitions, of which the median counts. A ratio is taken inside a round, so that a busy neighbour, who slows a whole
round, moves it little. Above 1, Ferry is faster.
"""

import datetime
import json
import math
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BENCH = os.path.join(ROOT, "bench")
DEPS = os.path.join(ROOT, ".deps", "bench")
MODELS = os.path.join(DEPS, "models")
MODEL_DIR = os.path.join(ROOT, ".deps", "models", "all-MiniLM-L6-v2")
BUILT = os.path.join(ROOT, "build", "bench")

LENGTHS = (16, 32, 128, 256)
TURN = 40e6  # ns that a turn of one text should last
MAX_REPEAT = 50
SETTLE = 2  # s


class Unavailable(Exception):
    """A contestant that does not start."""


class Contestant:
    """One process. `name` is what rows call it."""

    def __init__(self, name, command, precision=None, turn=TURN):
        self.name, self.precision, self.length = name, precision, turn
        # Peers' own libraries must not take the second core, nor be held back by settings for older ones.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        environment |= {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "RAYON")}
        self.process = subprocess.Popen(command, env=environment, text=True, encoding="utf-8",
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.repeat = {}
        first = self.process.stdout.readline()
        if not first:
            raise Unavailable(f"{name} ended with exit code {self.process.wait()}")
        self.info = json.loads(first)

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"bench: {self.name} ended with exit code {self.process.wait()}")
        return line

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.line()

    def texts(self, texts):
        self.lines("texts", texts)

    def lines(self, verb, lines):
        assert all("\n" not in line for line in lines)
        self.ask(f"{verb} {len(lines)}\n" + "\n".join(lines))

    def times(self, verb, first, count, warm, repeat):
        """Nanoseconds of each repetition."""
        return list(map(float, self.ask(verb, first, count, warm, repeat).split()))

    def vectors(self, first, count):
        lines = [self.ask("vectors", first, count), *(self.line() for _ in range(count - 1))]
        return [list(map(float, line.split())) for line in lines]

    def ids(self, index):
        return list(map(int, self.ask("ids", index).split()))

    def settle(self, seconds):
        """Untimed work on text 2 until engines that compile in the background, or choose as they go, have done so."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            self.times("run", 2, 1, 0, 1)

    def turn(self, verb, first, count):
        """The median of a turn."""
        key = (verb, first, count)
        if key not in self.repeat:
            once = statistics.median(self.times(verb, first, count, 2, 3)) if count == 1 else self.length
            self.repeat[key] = max(1, min(MAX_REPEAT, math.ceil(self.length / once)))
        # Other contestants ran since: once for the caches, where once is short beside the turn.
        warm = 1 if count == 1 else 0
        return statistics.median(self.times(verb, first, count, warm, self.repeat[key]))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def contest(turns, rounds, warm=True):
    """turns: {name: function of one turn, ns}; returns {name: [ns of each round]}. With warm, an uncounted round first."""
    names = list(turns)
    if warm:
        for name in names:
            turns[name]()
    times = {name: [] for name in names}
    for round in range(rounds):
        at = round % len(names)
        for name in names[at:] + names[:at]:
            times[name].append(turns[name]())
    return times


def fastest(report, tried):
    """Of {model: contestant}, one peer with several models: the fastest for texts 1 and 2 (32 and 128 tokens) together.
    The others are closed."""
    if len(tried) == 1:
        return next(iter(tried.values()))
    for contestant in tried.values():
        contestant.settle(SETTLE)
    turns = {model: lambda c=c: c.turn("run", 1, 1) + c.turn("run", 2, 1) for model, c in tried.items()}
    times = {model: statistics.median(values) for model, values in contest(turns, 5).items()}
    best = min(times, key=times.get)
    report.note(f"{tried[best].name}: " + ", ".join(f"{model} {times[model] * 1e-6:.2f} ms" for model in tried)
                + f" for 32 and 128 tokens; {best} takes part")
    for model, contestant in tried.items():
        if model != best:
            contestant.close()
    return tried[best]


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": values}


class Report:
    """Rows of one part: printed as they come, written as build/bench/PART.json."""

    def __init__(self, part, quick):
        self.part, self.quick, self.rows, self.notes = part, quick, [], []
        self.turn = 20e6 if quick else TURN
        self.facts = {
            "part": part,
            "quick": quick,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": machine(),
            "load_before": round(os.getloadavg()[0], 2),
        }
        print(f"\n== {part}: {self.facts['machine']}, load {self.facts['load_before']}")
        self.headed = False

    def note(self, text):
        self.notes.append(text)
        print(f"   {text}", flush=True)

    def row(self, what, ours, our_times, peer, peer_times, unit="ms", work=1):
        """Times in ns. unit ms, µs; or work per second, e.g. "texts/s" or "MB/s" with work texts or MB."""
        scale = {"ms": 1e-6, "µs": 1e-3}.get(unit)

        def shown(times):
            return spread([time * scale if scale else work / time * 1e9 for time in times])

        row = {"what": what, "unit": unit, "ferry": {"name": ours, **shown(our_times)}}
        if peer:
            ratio = spread([theirs / own for own, theirs in zip(our_times, peer_times)])
            row |= {"peer": {"name": peer, **shown(peer_times)}, "ratio": ratio}
        self.rows.append(row)
        if not self.headed:
            self.headed = True
            line("what", "", "Ferry", "median [min - max]", "peer", "median [min - max]", "ratio")
        own, theirs, ratio = row["ferry"], row.get("peer"), row.get("ratio")
        line(what, unit, ours, figures(own), peer or "-", figures(theirs) if theirs else "",
             f"{ratio['median']:.2f} [{ratio['min']:.2f} - {ratio['max']:.2f}]" if ratio else "")

    def write(self, versions=None):
        self.facts |= {"load_after": round(os.getloadavg()[0], 2), "versions": versions or {}, "notes": self.notes}
        if versions:
            print("   versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
        os.makedirs(BUILT, exist_ok=True)
        path = os.path.join(BUILT, f"{self.part}.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**self.facts, "rows": self.rows}, file, indent=1, ensure_ascii=False)
            file.write("\n")


def figures(values):
    return f"{short(values['median'])} [{short(values['min'])} - {short(values['max'])}]"


def short(value):
    return f"{value:#.3g}".rstrip(".") if value < 1000 else f"{value:.0f}"


def line(what, unit, ours, own, peer, theirs, ratio):
    print(f"{what:<38} {unit:<8}{ours:<19}{own:<23}{peer:<34}{theirs:<23}{ratio}", flush=True)


def tokenizer():
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(f"{MODEL_DIR}/tokenizer.json")
    made.no_padding()
    made.no_truncation()
    return made


def counter():
    """The function that counts the tokens of a text, special ones included."""
    made = tokenizer()
    return lambda text: len(made.encode(text).ids)


def id_lines(texts):
    """Token ids, for contestants that have no tokenizer."""
    made = tokenizer()
    made.enable_truncation(256)
    return [" ".join(map(str, made.encode(text).ids)) for text in texts]


def machine():
    model = "unknown processor"
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} cores"


def cosines(vectors, reference):
    """Of each pair."""

    def cosine(a, b):
        return sum(map(lambda x, y: x * y, a, b)) / math.hypot(*a) / math.hypot(*b)

    return [cosine(a, b) for a, b in zip(vectors, reference, strict=True)]


def node():
    """The Nodes there are: the one on PATH, and the one among the peers, which is newer."""
    found = []
    for path in ("node", os.path.join(DEPS, "node", "node_modules", "node", "bin", "node")):
        try:
            version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        except OSError:
            continue
        found.append({"path": path, "name": f"Node {version.lstrip('v').split('.')[0]}"})
    return found if found[0]["name"] != found[-1]["name"] else found[:1]


def arguments():
    """What bench/run hands to every part."""
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a few short rounds")
    parser.add_argument("--engine", default="", help="web and rank: only engines whose name has this in it")
    return parser.parse_args()
