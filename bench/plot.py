"""Figures of `ferry eval --json` and training logs as an SVG of lines. Nothing but Python is needed.

    python3 bench/plot.py shots.svg --metric ndcg@10 --x-label "% of the target's users" --log-x \\
        "transfer:1=t1.json,5=t5.json,100=t100.json" "none:1=n1.json,5=n5.json,100=n100.json"
    python3 bench/plot.py curve.svg --log step loss "one seed:train.jsonl"

A series is a name, a colon, and either X=FILE pairs of evaluations, whose intervals become a band, or with
--log X Y a file of JSON lines, of which those with both keys are the points.
"""
import argparse
import json
import math
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 40, 55  # margins; the legend is at the right
COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]  # Okabe and Ito


def ticks(low, high, about=5):
    """Round numbers that cover low to high: steps of 1, 2 or 5 times a power of ten."""
    span = high - low if high > low else abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(s * power for s in (1, 2, 5, 10) if s * power * about >= span * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, max(last, first + 1) + 1)]


def number(value):
    return f"{value:.10g}"


def read_evaluations(pairs, metric):
    """Points (x, mean, low, high) of "X=FILE,X=FILE", by x."""
    points = []
    for pair in pairs.split(","):
        x, equals, path = pair.partition("=")
        if not equals:
            raise ValueError(f'"{pair}": expected X=FILE')
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        if metric not in report["metrics"]:
            raise ValueError(f'{path}: no metric "{metric}"; there are {", ".join(report["metrics"])}')
        mean = report["metrics"][metric]
        low, high = report.get("intervals", {}).get(metric, (mean, mean))
        points.append((float(x), mean, low, high))
    return sorted(points)


def read_log(path, x, y):
    points = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line) if line.strip() else {}
            if row.get(x) is not None and row.get(y) is not None:
                points.append((float(row[x]), float(row[y]), float(row[y]), float(row[y])))
    if not points:
        raise ValueError(f'{path}: no line with both "{x}" and "{y}"')
    return points


def draw(series, title, x_label, y_label, log_x=False):
    """series [(name, [(x, mean, low, high)])] as the text of an SVG."""
    every = [point for _, points in series for point in points]
    if not every:
        raise ValueError("nothing to draw")
    if any(not math.isfinite(value) for point in every for value in point):
        raise ValueError("a value is not finite")
    if log_x and min(p[0] for p in every) <= 0:
        raise ValueError("a logarithmic axis has no place for x = 0 or less")
    to_x = math.log10 if log_x else float
    y_ticks = ticks(min(p[2] for p in every), max(p[3] for p in every))
    if log_x:
        x_ticks = sorted({p[0] for p in every})
        left, right = to_x(x_ticks[0]), to_x(x_ticks[-1])
    else:
        x_ticks = ticks(min(p[0] for p in every), max(p[0] for p in every))
        left, right = x_ticks[0], x_ticks[-1]
    if left == right:
        left, right = left - 0.5, right + 0.5

    def at(x, y):
        across = (to_x(x) - left) / (right - left)
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return f"{LEFT + across * (WIDTH - LEFT - RIGHT):.1f},{HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM):.1f}"

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" font-size="15">{escape(title)}</text>',
    ]
    for y in y_ticks:
        x0, y0 = at(x_ticks[0], y).split(",")
        out.append(f'<path d="M{LEFT} {y0}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 8}" y="{float(y0) + 4:.1f}" text-anchor="end">{number(y)}</text>')
    for x in x_ticks:
        x0 = at(x, y_ticks[0]).split(",")[0]
        out.append(f'<path d="M{x0} {HEIGHT - BOTTOM}v5" stroke="#000"/>'
                   f'<text x="{x0}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number(x)}</text>')
    out.append(f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#000"/>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 14}" text-anchor="middle">{escape(x_label)}</text>')
    out.append(f'<text transform="translate(18 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>')
    for i, (name, points) in enumerate(series):
        color = COLORS[i % len(COLORS)]
        if any(low != high for _, _, low, high in points):
            band = [at(x, high) for x, _, _, high in points] + [at(x, low) for x, _, low, _ in reversed(points)]
            out.append(f'<polygon points="{" ".join(band)}" fill="{color}" opacity=".15"/>')
        line = [at(x, mean) for x, mean, _, _ in points]
        out.append(f'<polyline points="{" ".join(line)}" fill="none" stroke="{color}" stroke-width="2"/>')
        if len(line) <= 30:
            out += [f'<circle cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="3" fill="{color}"/>' for p in line]
        y = TOP + 10 + 20 * i
        out.append(f'<path d="M{WIDTH - RIGHT + 12} {y}h18" stroke="{color}" stroke-width="2"/>'
                   f'<text x="{WIDTH - RIGHT + 36}" y="{y + 4}">{escape(name)}</text>')
    return "\n".join(out + ["</svg>", ""])


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="the SVG to write")
    parser.add_argument("series", nargs="+", help="NAME:X=FILE,X=FILE… or, with --log, NAME:FILE")
    parser.add_argument("--metric", default="ndcg@10")
    parser.add_argument("--log", nargs=2, metavar=("X", "Y"), help="keys of the lines of a training log")
    parser.add_argument("--title", default="")
    parser.add_argument("--x-label")
    parser.add_argument("--log-x", action="store_true", help="a logarithmic x axis")
    options = parser.parse_args(arguments)
    series = []
    try:
        for text in options.series:
            name, colon, files = text.partition(":")
            if not colon:
                raise ValueError(f'"{text}": expected a name and a colon')
            points = read_log(files, *options.log) if options.log else read_evaluations(files, options.metric)
            series.append((name, points))
        y_label = options.log[1] if options.log else options.metric
        x_label = options.x_label or (options.log[0] if options.log else "")
        text = draw(series, options.title or y_label, x_label, y_label, options.log_x)
    except (OSError, ValueError, KeyError) as error:
        print(f"plot.py: {error}", file=sys.stderr)
        return 1
    with open(options.out, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
