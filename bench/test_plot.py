"""python3 -m unittest discover bench"""
import contextlib
import io
import json
import os
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

import plot

SVG = "{http://www.w3.org/2000/svg}"


class Plot(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def evaluation(self, name, mean, low, high):
        return self.write(name, json.dumps({"metrics": {"ndcg@10": mean}, "intervals": {"ndcg@10": [low, high]}}))

    def run_main(self, *arguments):
        out, said = os.path.join(self.folder.name, "out.svg"), io.StringIO()
        with contextlib.redirect_stderr(said):
            code = plot.main([out, *arguments])
        return code, said.getvalue(), ElementTree.parse(out).getroot() if code == 0 else None

    def test_ticks_are_round_and_cover(self):
        self.assertEqual(plot.ticks(0, 10), [0, 2, 4, 6, 8, 10])
        self.assertEqual(plot.ticks(3, 3)[0], 3)
        for low, high in [(0.031, 0.078), (-5, 3), (0, 1e-9), (99, 101), (1e6, 5e6)]:
            found = plot.ticks(low, high)
            self.assertLessEqual(found[0], low + 1e-9 * abs(low))
            self.assertGreaterEqual(found[-1], high - 1e-9 * abs(high))
            self.assertLessEqual(len(found), 8)

    def test_metric_against_shots(self):
        a, b = self.evaluation("a.json", 0.02, 0.01, 0.03), self.evaluation("b.json", 0.05, 0.04, 0.06)
        code, said, svg = self.run_main("--log-x", "--title", "a < b & c", f"few & many:100={b},1={a}")
        self.assertEqual((code, said), (0, ""))
        self.assertEqual(svg.find(f"{SVG}title").text, "a < b & c")
        # y from .01 to .06, x by its logarithm: left and right ends, first and fourth sixth
        line = svg.find(f"{SVG}polyline").get("points").split()
        self.assertEqual([p.split(",")[0] for p in line], ["70.0", "490.0"])
        self.assertEqual([p.split(",")[1] for p in line], ["284.0", "101.0"])
        self.assertEqual(len(svg.find(f"{SVG}polygon").get("points").split()), 4)
        texts = [text.text for text in svg.iter(f"{SVG}text")]
        for expected in ("1", "100", "0.01", "0.06", "ndcg@10", "few & many"):
            self.assertIn(expected, texts)

    def test_learning_curve(self):
        log = self.write("log.jsonl", '{"step":1,"loss":3}\n{"step":2,"valid":0.1}\n\n{"step":3,"loss":1}\n')
        code, _, svg = self.run_main("--log", "step", "loss", f"one:{log}", f"two:{log}")
        self.assertEqual(code, 0)
        self.assertEqual(len(svg.findall(f"{SVG}polyline")), 2)
        self.assertEqual(len(svg.find(f"{SVG}polyline").get("points").split()), 2)
        self.assertIsNone(svg.find(f"{SVG}polygon"))  # no intervals

    def test_the_same_bytes_again(self):
        series = [("a", [(1, 2, 1.5, 2.5), (2, 3, 3, 3)])]
        self.assertEqual(plot.draw(series, "t", "x", "y"), plot.draw(series, "t", "x", "y"))

    def test_what_is_wrong_is_said(self):
        a = self.evaluation("a.json", 0.02, 0.01, 0.03)
        log = self.write("log.jsonl", '{"step":1}\n')
        for arguments, expected in [
            ([f"a:1={a}", "--metric", "hit@7"], 'no metric "hit@7"; there are ndcg@10'),
            ([f"a:{a}"], "expected X=FILE"),
            (["a"], "expected a name and a colon"),
            (["a:1=/no/such"], "/no/such"),
            ([f"a:0={a}", "--log-x"], "logarithmic"),
            ([f"a:nan={a}"], "not finite"),
            ([f"a:x={a}"], "could not convert"),
            (["--log", "step", "loss", f"a:{log}"], 'both "step" and "loss"'),
        ]:
            code, said, _ = self.run_main(*arguments)
            self.assertEqual(code, 1)
            self.assertIn(expected, said)


if __name__ == "__main__":
    unittest.main()
