"""Why the lists of model/'s shop are what they are: make_explanations.py FERRY model (see README.md).

Made by Ferry's own command line, as model/ is: a regression test.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from make_model import bought, write_lines

CASES = [
    ([], {"k": 3}),
    (bought("b1", "b5", "b9"), {"k": 4, "domains": ["books"]}),
    (bought("b1", "b5", "b9"), {"k": 3, "domains": ["films"]}),
    (bought("b1", "b5", "b9"), {"k": 3, "domains": ["songs"]}),
    (bought("f3", "f4", "b2", "f8", "s1"), {"k": 6}),
    (bought("b7", "b8", behavior="cart") + bought("f7", behavior="view"), {"k": 3}),
    (bought("b7", behavior="rating", value=5) + bought("b8", behavior="rating", value=1), {"k": 3}),
    (bought(*[f"b{i}" for i in range(20)]), {"k": 2}),
]


def main():
    ferry, out = sys.argv[1], Path(sys.argv[2])
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for events, options in CASES:
            history = Path(scratch) / "history.jsonl"
            write_lines(history, [{"user": "me", **event} for event in events])
            flags = ["--explain", "--json", "-k", str(options["k"])]
            for domain in options.get("domains", []):
                flags += ["--domain", domain]
            for used in (["--model", out / "shop/model"], []):
                if not used and not events:
                    continue
                command = [ferry, "recommend", "--catalog", out / "shop", *used, "--history", history, *flags]
                gives = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout
                rows.append({"events": events, "options": {**options, "explain": True}, "model": bool(used), "gives": json.loads(gives)})
    write_lines(out / "explanations.jsonl", rows)


main()
