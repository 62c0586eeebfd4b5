"""How good the recommendations are: the figures of docs/results.md, on the files of FERRY_DATA.

    FERRY_DATA=DIR python3 bench/recommend.py [--only loo,seeds,newcomers,behaviors] [--ferry build/native/ferry] [--json FILE]

Prepares the data, makes the catalogue, trains and evaluates; nothing but Python and ferry is needed. What was made stays
in build/bench/recommend and is used again (--fresh: is made again). Everything runs on one thread.
"""
import argparse
import json
import lzma
import os
import resource
import shutil
import struct
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOMAINS = ("amazon-beauty", "amazon-sports", "amazon-toys")
BASELINES = ("popularity", "itemknn", "text", "graph")
NOTHING_LEARNED = "neighbors=1.3,text=3,words=4,cold=1.5"


class Bench:
    def __init__(self, options):
        self.ferry = os.path.abspath(options.ferry)
        self.work = os.path.abspath(options.work)
        self.data = options.data
        self.model = options.model
        self.catalog_path = options.catalog
        self.resamples = options.resamples
        self.rows = []
        if options.fresh:
            shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work, exist_ok=True)

    def path(self, *names):
        return os.path.join(self.work, *names)

    def run(self, *words):
        """One ferry command: its JSON, seconds on the clock and of the processor, and peak memory in bytes."""
        began = time.monotonic()
        with open(self.path("stderr"), "w+", encoding="utf-8") as told:
            process = subprocess.Popen([self.ferry, *words], stdout=subprocess.PIPE, stderr=told)
            answer = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                told.seek(0)
                sys.exit(f"ferry {' '.join(words)}\n{told.read()}")
        made = json.loads(answer) if answer.strip() else {}
        return {**made, "wall": time.monotonic() - began, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * 1024}

    def cached(self, name, *words):
        """The same, kept beside its directory `name`: not run again."""
        kept = self.path(name + ".json")
        if not os.path.exists(kept):
            made = self.run(*words, "--out", self.path(name))
            with open(kept, "w", encoding="utf-8") as file:
                json.dump(made, file)
        with open(kept, encoding="utf-8") as file:
            return json.load(file)

    def unpack(self, name):
        to = self.path(name)
        if not os.path.exists(to):
            with lzma.open(os.path.join(self.data, name + ".xz")) as packed, open(to + ".part", "wb") as file:
                shutil.copyfileobj(packed, file)
            os.rename(to + ".part", to)
        return to

    def prepare(self, name, domains, *more):
        items = [self.unpack(d + ".item") for d in domains
                 if os.path.exists(os.path.join(self.data, d + ".item.xz"))]
        events = [self.unpack(d + ".inter") for d in domains]
        made = self.cached(name, "prepare", *(["--items", *items] if items else []), "--events", *events, *more,
                           "-q", "--json")
        return self.path(name), made

    def catalog(self, data, name):
        """Vectors of all items, some minutes at first."""
        if self.catalog_path and name == "catalog":
            return self.catalog_path
        self.cached(name, "catalog", "--text-model", self.model, "--items", os.path.join(data, "items.jsonl"),
                    "--threads", str(os.cpu_count()), "-q")
        return self.path(name)

    def evaluate(self, task, domain, method, data, catalog, *words, save=None, train=None, compare=None):
        """One row of the results; save: a name for later comparison, compare: {what: such a name}."""
        base = ("eval", "--data", data, "--catalog", catalog, "--domain", domain, *words, "--resamples",
                str(self.resamples), "--threads", "1", "-q", "--json")
        found = self.run(*base, *(["--save-users", self.path(save + ".run")] if save else []))
        row = {"task": task, "domain": domain, "method": method, "users": found["users"],
               "hit": figure(found, "hit@10"), "ndcg": figure(found, "ndcg@10"),
               "slices": {f"{s['by']} {s['of']}": {"targets": s["targets"], "hit": s["metrics"]["hit@10"]}
                          for s in found["slices"]},
               "cpu_seconds": found["cpu"], "peak": found["peak"]}
        if train is not None:
            row["train_seconds"], row["train_cpu_seconds"], row["train_peak"] = train["wall"], train["cpu"], train["peak"]
        for what, other in (compare or {}).items():
            paired = self.run(*base, "--compare", self.path(other + ".run"))
            row.setdefault("gain", {})[what] = figure(paired["comparison"], "ndcg@10", "difference")
        self.rows.append(row)
        print(line(row), flush=True)
        return row


def figure(found, name, where="metrics"):
    """[mean, low, high]"""
    low, high = found["intervals"][name]
    return [found[where][name], low, high]


def line(row):
    def short(x):
        return f"{x:.4f}".replace("0.", ".", 1)

    slices = row["slices"]
    text = (f"{row['task']:<10} {row['domain']:<14} {row['method']:<26} HR {short(row['hit'][0])}  NDCG "
            f"{short(row['ndcg'][0])} [{short(row['ndcg'][1])}, {short(row['ndcg'][2])}]")
    for name, label in (("transition unseen", "unseen"), ("item 0", "cold")):
        if name in slices:
            text += f"  {label} {short(slices[name]['hit'])}"
    if "train_seconds" in row:
        text += f"  train {row['train_cpu_seconds']:.0f} s {row['train_peak'] / 2**20:.0f} MiB"
    text += f"  evaluate {row['cpu_seconds']:.1f} s"
    for what, gain in row.get("gain", {}).items():
        text += f"  over {what} {gain[0]:+.4f} [{gain[1]:+.4f}, {gain[2]:+.4f}]"
    return text


# ---- leave-one-out -------------------------------------------------------------------------------------------------


def leave_one_out(bench):
    data, _ = bench.prepare("loo", DOMAINS)
    catalog = bench.catalog(data, "catalog")
    for domain in DOMAINS:
        common = ("--data", data, "--catalog", catalog, "--domain", domain, "--threads", "1", "-q", "--json")
        counted = bench.cached(f"counted-{domain}", "train", *common, "--no-net", "--default-mix")
        whole = bench.cached(f"whole-{domain}", "train", *common)
        model = bench.path(f"whole-{domain}")
        bench.evaluate("loo", domain, "nothing learned", data, catalog, "--model", bench.path(f"counted-{domain}"),
                       "--mix", NOTHING_LEARNED, train=counted)
        bench.evaluate("loo", domain, "net alone", data, catalog, "--model", model, "--mix", "net=1", train=whole)
        bench.evaluate("loo", domain, "whole mix", data, catalog, "--model", model, train=whole)
    for domain in DOMAINS:
        for name in BASELINES:
            bench.evaluate("loo", domain, name, data, catalog, "--baseline", name)


SEEDS = ("1", "2", "3")  # beside 0, the commands' own, which leave_one_out has


def seeds(bench):
    """How much of leave_one_out's figures is the seed's doing: the net begins elsewhere, all else is the same."""
    data, _ = bench.prepare("loo", DOMAINS)
    catalog = bench.catalog(data, "catalog")
    for domain in DOMAINS:
        common = ("--data", data, "--catalog", catalog, "--domain", domain, "--threads", "1", "-q", "--json")
        found = {}
        for seed in ("", *SEEDS):
            name = f"whole-{domain}" + (f"-seed-{seed}" if seed else "")
            train = bench.cached(name, "train", *common, *(("--seed", seed) if seed else ()))
            for method, mix in (("net alone", ("--mix", "net=1")), ("whole mix", ())):
                row = bench.evaluate("seeds", domain, f"{method}, seed {seed or 'as is'}", data, catalog, "--model",
                                     bench.path(name), *mix, train=train)
                found.setdefault(method, []).append((row["hit"][0], row["ndcg"][0]))
        for method, pairs in found.items():
            told = [f"{what} {sum(x) / len(x):.4f} ({min(x):.4f} to {max(x):.4f})"
                    for what, x in zip(("HR", "NDCG"), zip(*pairs))]
            print(f"seeds      {domain:<14} {method:<26} {len(pairs)} seeds: {'  '.join(told)}", flush=True)


# ---- people who are new to a domain --------------------------------------------------------------------------------


def numpy_shuffled(values):
    """numpy.random.default_rng(0).shuffle(list(values)): SeedSequence, PCG64, masked rejection."""
    low, mask64, mask128 = 2**32 - 1, 2**64 - 1, 2**128 - 1
    constant = 0x43B0D7E5

    def hashed(value):
        nonlocal constant
        value ^= constant
        constant = constant * 0x931E8875 & low
        value = value * constant & low
        return value ^ value >> 16

    def mixed(x, y):
        value = (0xCA01F9DD * x - 0x4973F715 * y) & low
        return value ^ value >> 16

    pool = [hashed(0) for _ in range(4)]
    for source in range(4):
        for to in range(4):
            if source != to:
                pool[to] = mixed(pool[to], hashed(pool[source]))
    words, constant = [], 0x8B51F9DD
    for i in range(8):
        value = pool[i % 4] ^ constant
        constant = constant * 0x58F38DED & low
        value = value * constant & low
        words.append(value ^ value >> 16)
    a, b, c, d = (words[2 * i] | words[2 * i + 1] << 32 for i in range(4))
    step, odd = 0x2360ED051FC65DA44385DF649FCCF645, ((c << 64 | d) << 1 | 1) & mask128
    state = ((odd + (a << 64 | b)) * step + odd) & mask128
    spare = []

    def draw():
        nonlocal state
        if not spare:
            state = (state * step + odd) & mask128
            value, turn = (state >> 64 ^ state) & mask64, state >> 122
            value = (value >> turn | value << (-turn & 63)) & mask64
            spare.extend((value >> 32, value & low))
        return spare.pop()

    values = list(values)
    for i in range(len(values) - 1, 0, -1):
        mask = 2 ** i.bit_length() - 1
        while (j := draw() & mask) > i:
            pass
        values[i], values[j] = values[j], values[i]
    return values


def test_users(bench, target):
    """The half of the linked users that the recipe drew: a file of their ids."""
    seen = {}
    for domain in DOMAINS:
        with open(bench.unpack(domain + ".inter"), encoding="utf-8") as file:
            next(file)
            seen[domain] = dict.fromkeys(row.split("\t", 1)[0] for row in file)
    linked = [u for u in seen[target] if any(u in seen[d] for d in DOMAINS if d != target)]
    path = bench.path(f"test-users-{target}")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(u + "\n" for u in numpy_shuffled(linked)[: len(linked) // 2])
    return path


class Events:
    """events.safetensors of a data set: what of it a permutation of histories needs."""

    TYPES = {"I32": "i", "U8": "B", "I64": "q", "F32": "f"}

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        size = struct.unpack_from("<Q", data)[0]
        self.header = json.loads(data[8:8 + size])
        self.values = {}
        for name, entry in self.header.items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                self.values[name] = memoryview(data[8 + size + begin:8 + size + end]).cast(self.TYPES[entry["dtype"]])

    def write(self, path):
        head, body, at = {}, [], 0
        for name in sorted(self.values, key=lambda n: (-self.values[n].itemsize, n)):  # keeps all aligned
            raw = self.values[name].tobytes()
            head[name] = {"dtype": self.header[name]["dtype"], "shape": [len(self.values[name])],
                          "data_offsets": [at, at + len(raw)]}
            body.append(raw)
            at += len(raw)
        if "__metadata__" in self.header:
            head["__metadata__"] = self.header["__metadata__"]
        text = json.dumps(head, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + b"".join(body))


def with_others_histories(data, to, target):
    """The data set again, where every test user of the target has the target events of the next test user: in each
    ranking somebody else's history is read, and the sizes of lists stay what they were."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(data, to)
    path = os.path.join(to, "events.safetensors")
    events = Events(path)
    start, user = events.values[f"{target}.start"], events.values[f"{target}.user"]
    part = events.values[f"{target}.part"]
    fields = [n for n in ("item", "behavior", "value", "weight", "timestamp", "part")]
    rows = [r for r in range(len(user)) if part[start[r]] == 2]
    follower = dict(zip(rows, numpy_shuffled(rows)))
    order, starts = [], [0]
    for row in range(len(user)):
        taken = follower.get(row, row)
        order.extend(range(start[taken], start[taken + 1]))
        starts.append(len(order))
    for field in fields:
        old = events.values[f"{target}.{field}"]
        new = memoryview(bytearray(old.nbytes)).cast(old.format)
        for at, event in enumerate(order):
            new[at] = old[event]
        events.values[f"{target}.{field}"] = new
    new = memoryview(bytearray(start.nbytes)).cast(start.format)
    for at, value in enumerate(starts):
        new[at] = value
    events.values[f"{target}.start"] = new
    events.write(path)


def newcomers(bench):
    catalog = bench.catalog(bench.prepare("loo", DOMAINS)[0], "catalog")
    for target in DOMAINS:
        name = f"new-{target}"
        data, _ = bench.prepare(name, DOMAINS, "--split", "new-user", "--target", target, "--test-users",
                                test_users(bench, target))
        common = ("train", "--data", data, "--catalog", catalog, "--domain", ",".join(DOMAINS), "--no-net", "--threads",
                  "1", "-q", "--json")
        # The default weights, which were chosen on the validation users of the three domains together.
        train = bench.cached(name + "-model", *common, "--with-validation", "--default-mix")
        model = bench.path(name + "-model")

        def measure(method, *words, on=data, save=None, compare=None):
            bench.evaluate("newcomers", target, method, on, catalog, *words, train=train, compare=compare,
                           save=save and f"{name}-{save}")

        measure("popularity", "--model", model, "--mix", "popularity=1")
        measure("linked popularity", "--model", model, "--mix", "linked=1", save="linked")
        measure("EMCDR", "--model", model, "--mix", "factors=1", save="emcdr")
        measure("map of the text profile", "--model", model, "--mix", "profile=1")
        measure("items across", "--model", model, "--mix", "across=1,linked=0.5")
        measure("mix", "--model", model, save="mix",
                compare={"EMCDR": f"{name}-emcdr", "linked popularity": f"{name}-linked"})
        others = bench.path(name + "-others")
        with_others_histories(data, others, target)
        measure("mix, another's history", "--model", model, on=others)


# ---- other behaviours -----------------------------------------------------------------------------------------------

BEHAVIORS = {"retailrocket": ("view", "cart", "purchase"), "steam": ("purchase", "play_hours")}
# Too few validation users to learn weights of: the best of six pairs on them, with and without the views.
FEW = {"retailrocket": ("--mix", "neighbors=1,popularity=1")}


def reorder(bench, name, stages, only):
    """A table of the events, which have no order in time, in one that is drawn (Steam's file has the games by hours
    played): a user's items without a purchase, then item by item, each with its behaviours in the order of `stages`.
    only: no events but purchases."""
    with open(bench.unpack(name + ".inter"), encoding="utf-8") as file:
        header, rows = next(file), [row.split("\t") for row in file]
    bought = dict.fromkeys((row[0], row[1]) for row in rows if row[2].strip() == "purchase")
    bought = {key: i for i, key in enumerate(numpy_shuffled(bought))}
    stage = {behavior: i for i, behavior in enumerate(stages)}
    rows.sort(key=lambda row: (row[0], bought.get((row[0], row[1]), -1), stage[row[2].strip()]))
    folder = os.path.join(bench.work, "only" if only else "all")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name + ".inter")
    with open(path, "w", encoding="utf-8") as file:
        file.write(header)
        file.writelines("\t".join(row) for row in rows if not only or row[2].strip() == "purchase")
    return path


def behaviors(bench):
    for name, stages in BEHAVIORS.items():
        made = {}
        items = []
        if os.path.exists(os.path.join(bench.data, name + ".item.xz")):
            items = ["--items", bench.unpack(name + ".item")]
        for kind in ("all", "only"):
            events = reorder(bench, name, stages, kind == "only")
            if not items and kind == "only":  # the same items: those of all events
                items = ["--items", os.path.join(made["all"], "items.jsonl")]
            made[kind] = bench.path(f"{name}-{kind}")
            bench.cached(f"{name}-{kind}", "prepare", *items, "--events", events, "--target-behavior", "purchase", "-q",
                         "--json")
        catalog = bench.catalog(made["all"], name + "-catalog")
        for kind, method in (("only", "purchases alone"), ("all", "all behaviours")):
            train = bench.cached(f"{name}-{kind}-model", "train", "--data", made[kind], "--catalog", catalog, "--domain",
                                 name, "--target", "purchase", "--threads", "1", "-q", "--json")
            for mix, words in (("", FEW.get(name, ())), (", net alone", ("--mix", "net=1"))):
                bench.evaluate("behaviors", name, method + mix, made[kind], catalog, "--model",
                               bench.path(f"{name}-{kind}-model"), "--target", "purchase", *words, train=train,
                               save=f"{name}-{kind}{mix}",
                               compare={"purchases alone": f"{name}-only{mix}"} if kind == "all" else None)
        for baseline in ("popularity", "itemknn"):
            bench.evaluate("behaviors", name, baseline + ", purchases", made["only"], catalog, "--baseline", baseline,
                           "--target", "purchase")


# ---- all -----------------------------------------------------------------------------------------------------------

TASKS = {"loo": leave_one_out, "seeds": seeds, "newcomers": newcomers, "behaviors": behaviors}


def write(path, report):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(TASKS), help="of " + ", ".join(TASKS))
    parser.add_argument("--ferry", default=os.path.join(ROOT, "build/native/ferry"))
    parser.add_argument("--data", default=os.environ.get("FERRY_DATA"), help="the folder of the .xz files (FERRY_DATA)")
    parser.add_argument("--model", default=os.path.join(ROOT, ".deps/models/all-MiniLM-L6-v2"))
    parser.add_argument("--catalog", help="of the three Amazon domains, if there is one already")
    parser.add_argument("--work", default=os.path.join(ROOT, "build/bench/recommend"))
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--json", default=os.path.join(ROOT, "build/bench/recommend.json"))
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)  # bench/run gives it to every part
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.data or not os.path.exists(os.path.join(options.data, "amazon-beauty.inter.xz")):
        why = f"skipped, no amazon-beauty.inter.xz in {options.data or 'FERRY_DATA, which is not set'}"
        print("recommend:", why)
        write(options.json, {"part": "recommend", "skipped": why})
        return
    bench = Bench(options)
    for task in options.only.split(","):
        if task not in TASKS:
            parser.error(f"--only {task}: expected some of {', '.join(TASKS)}")
        TASKS[task](bench)
        write(options.json, {"part": "recommend", "resamples": options.resamples, "rows": bench.rows})


if __name__ == "__main__":
    main()
