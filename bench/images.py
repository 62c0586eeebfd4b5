"""One picture of 224 x 224 pixels to its vector, on one thread: Ferry beside onnxruntime, and beside onnxruntime-web in Node and
Chromium. Ferry is given the picture, the peers normalised pixels."""

import os
import statistics
import sys

from image_models import HALF, LITE
from measure import (BENCH, BUILT, MODELS, SETTLE, TURN, Contestant, Report, Unavailable, arguments, contest, cosines, node)
from pictures import lines, pictures

IMAGES = os.path.join(MODELS, "images")
COUNT = 8
NAMES = {  # name: (Ferry's directory, what the peers' pixels are normalised by)
    "lite0": (os.path.join(os.path.dirname(os.path.dirname(MODELS)), "models", "efficientnet-lite0"), "lite"),
    "vit-b16": (f"{IMAGES}/vit-b16", "half"),
    "dinov2-s14": (f"{IMAGES}/dinov2-s14", "half"),
}
TITLES = {"lite0": "EfficientNet-Lite0", "vit-b16": "ViT-B/16", "dinov2-s14": "DINOv2-S/14"}


def main():
    options = arguments()
    report = Report("images", options.quick)
    given = lines(pictures(COUNT))
    versions = {}
    for engine in engines(options.engine):
        for name in NAMES:
            if engine["web"] and name == "vit-b16":
                continue  # 345 MB, more than a page should hold
            compare(report, engine, name, given, options.quick, versions)
    report.write(versions)


def engines(wanted):
    script = os.path.join(BENCH, "javascript.mjs")
    found = [{"name": "native", "web": False}]
    found += [{"name": n["name"], "web": True, "runner": [n["path"], script, "node"]} for n in node()]
    found += [{"name": "Chromium", "web": True, "runner": ["node", script, "page"]}]
    return [engine for engine in found if wanted.lower() in engine["name"].lower()]


def ferries(engine, name):
    """(name, precision, command)"""
    folder = NAMES[name][0]
    if not engine["web"]:
        for precision, numerics in (("f32", ""), ("f32", "fast"), ("int8", "")):
            yield f"Ferry {precision} {numerics}".strip(), precision, [f"{BUILT}/encode", folder, "auto", precision, "1", numerics]
        return
    root = os.path.dirname(BENCH)
    builds = ("simd",) if engine["name"] == "Node 20" else ("relaxed", "simd")
    for build in builds:
        # f32 takes the same instructions in both builds
        for precision in ("f32", "int8") if build == builds[0] else ("int8",):
            yield (f"Ferry {build} {precision}", precision,
                   [*engine["runner"], "ferry-pictures", build, precision, os.path.relpath(folder, root)])


def peers(engine, name):
    """(name, precision, commands of which the fastest takes part)"""
    preparation = NAMES[name][1]
    mean, std = (str(values[0]) for values in {"lite": LITE, "half": HALF}[preparation])
    for precision, suffix in (("f32", ""), ("int8", "-int8")):
        paths = [f"{IMAGES}/{name}{kind}{suffix}.onnx" for kind in ("", "-fused")]
        paths = [path for path in paths if os.path.exists(path)]
        if not engine["web"]:
            script = os.path.join(BENCH, "peers.py")
            yield (f"onnxruntime {precision}", precision,
                   [[sys.executable, script, "pictures", path, preparation] for path in paths])
        else:
            root = os.path.dirname(BENCH)
            yield (f"onnxruntime-web {precision}", precision,
                   [[*engine["runner"], "onnxruntime-web-pictures", os.path.relpath(path, root), mean, std] for path in paths])


def start(report, name, precision, command, given):
    try:
        contestant = Contestant(name, command, precision, 60e6 if report.quick else 4 * TURN)
    except Unavailable as error:
        report.note(str(error))
        return None
    contestant.lines("pictures", given)
    return contestant


def fastest(contestants):
    """The fastest of one peer's models; the others are closed."""
    contestants = [c for c in contestants if c]
    times = {c: statistics.median(c.times("run", 0, 1, 2, 5)) for c in contestants}
    best = min(times, key=times.get, default=None)
    for contestant in contestants:
        if contestant is not best:
            contestant.close()
    return best


def compare(report, engine, name, given, quick, versions):
    own = [start(report, *what, given) for what in ferries(engine, name)]
    own = [f for f in own if f]
    others = [fastest([start(report, peer, precision, command, given) for command in commands])
              for peer, precision, commands in peers(engine, name)]
    others = [p for p in others if p]
    reference = own[0].vectors(0, COUNT)
    for contestant in [*own[1:], *others]:
        found = cosines(contestant.vectors(0, COUNT), reference)
        report.note(f"{engine['name']}, {TITLES[name]}: cosine to {own[0].name}: {contestant.name:<22} "
                    f"mean {statistics.mean(found):.5f}, least {min(found):.5f}")
        if contestant.precision == "f32" and min(found) < 0.99999:
            sys.exit(f"bench: {contestant.name} computes something else")
    everyone = [*own, *others]
    for contestant in everyone:
        contestant.times("run", 0, 1, 0, 2)
        if not quick:
            for _ in range(SETTLE):
                contestant.times("run", 0, 1, 0, 3)
    times = contest({c.name: lambda c=c: c.turn("run", 0, 1) for c in everyone}, 5 if quick else 15)
    for ferry in own:
        for peer in others:
            if ferry.precision == peer.precision:
                report.row(f"{engine['name']}, {TITLES[name]}", ferry.name, times[ferry.name], peer.name, times[peer.name])
    versions["Ferry"] = own[0].info["version"]
    versions |= {p.name.rsplit(" ", 1)[0]: p.info["version"] for p in others}
    for contestant in everyone:
        contestant.close()


if __name__ == "__main__":
    main()
