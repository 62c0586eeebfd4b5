"""What one core of this machine can at most, measured, and what share of it Ferry's matrix products reach."""

from measure import BUILT, Contestant, Report, arguments, contest

# The peak that a variant's products are held against: the same instructions, without memory.
PEAKS = {
    ("avx2", "f32"): "peak f32 mul+add, AVX2",
    ("avx2", "int8"): "peak u8 x s8 maddubs, AVX2",
    ("avx512", "f32"): "peak f32 mul+add, AVX-512",
    ("avx512vnni", "f32"): "peak f32 mul+add, AVX-512",
    ("avx512vnni", "int8"): "peak u8 x s8 VNNI, AVX-512",
}


def main():
    options = arguments()
    report = Report("peak", options.quick)
    report.note("giga-operations a second; the ratio is the share of the peak that the product reaches")
    contestant = Contestant("Ferry", [f"{BUILT}/peak"], turn=5e6 if options.quick else 20e6)
    works = {name: (index, operations / 1e9) for index, (name, operations) in enumerate(contestant.info["works"])}
    turns = {name: lambda i=index: contestant.turn("run", i, 1) for name, (index, _) in works.items()}
    times = contest(turns, 5 if options.quick else 15)
    each = {name: [time / works[name][1] for time in values] for name, values in times.items()}  # ns a giga-operation
    for name in works:
        if name.startswith("peak"):
            report.row(name, "", each[name], None, None, "GOP/s")
    for name in works:
        if not name.startswith("peak"):
            shape, variant, kind = name.split(", ", 2)
            peak = PEAKS.get((variant, kind.split(",")[0]))
            if peak in works:
                report.row(f"{shape}, {kind}", f"Ferry {variant}", each[name], peak, each[peak], "GOP/s")
    report.write({"Ferry": contestant.info["version"]})


if __name__ == "__main__":
    main()
