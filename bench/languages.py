#!/usr/bin/env python3
"""A query in one language finds the item titled in another: R@1 and R@10 over the stamps.

    python3 bench/languages.py [--ferry build/native/ferry] [--model .deps/models/multilingual-e5-small] [--precision int8]

Needs numpy and Debian's tuxpaint-stamps-default. Of the pictures outside `symbols`, foreign lines against all different
English lines; a foreign line that stands for several items, or is the English one, is left out. `center` is what
`ferry center` and --center do, each language's mean over the same lines; `halves` takes each line's mean from the other half
of the lines, which it is not among; `auto` leaves the language to be found. Reached: the figures that PyTorch gave from the
same weights, centred; the bar is to be within one point of each.
"""
import argparse
import collections
import glob
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile

import numpy

STAMPS = '/usr/share/tuxpaint/stamps/'
REACHED = {'zh_CN': (52, 75), 'es': (65, 84), 'de': (69, 86), 'ja': (35, 48), 'ru': (54, 72), 'ar': (51, 69)}
LINE = re.compile(r'([A-Za-z_@]+)\.utf8=(.*)')


def read_stamps():
    """(English line, {language: line}) of each picture outside symbols."""
    found = []
    for path in sorted(glob.glob('**/*.txt', root_dir=STAMPS, recursive=True)):
        with open(STAMPS + path, encoding='utf-8', errors='replace') as file:
            english, *lines = file.read().split('\n')
        matches = (LINE.match(line.strip()) for line in lines)
        names = {match[1]: match[2].strip() for match in matches if match and match[2].strip()}
        if english.strip() and not path.startswith('symbols/'):
            found.append((english.strip(), names))
    return found


def pairs_of(stamps, language):
    """(foreign line, English line), each once."""
    first = {}
    for english, names in stamps:
        if language in names:
            first.setdefault(english, names[language])
    count = collections.Counter(first.values())
    return [(line, english) for english, line in first.items() if count[line] == 1 and line.lower() != english.lower()]


class Ferry:
    def __init__(self, args, folder):
        self.binary, self.folder = args.ferry, folder
        self.options = ['--precision', args.precision, '--quiet']
        self.model = os.path.join(folder, 'model')
        os.makedirs(self.model)
        for name in os.listdir(args.model):  # a directory of our own, for the centers
            if name != 'centers.safetensors':
                os.symlink(os.path.abspath(os.path.join(args.model, name)), os.path.join(self.model, name))

    def run(self, command, lines, *options):
        text = ''.join(json.dumps(line) + '\n' for line in lines)
        subprocess.run([self.binary, command, '--model', self.model, *self.options, *options], input=text.encode(), check=True)

    def encode(self, texts, *options):
        path = os.path.join(self.folder, 'out.safetensors')
        self.run('encode', [{'text': text} for text in texts], '--out', path, *options)
        with open(path, 'rb') as file:
            data = file.read()
        start = 8 + struct.unpack_from('<Q', data)[0]
        return numpy.frombuffer(data[start:], '<f4').reshape(len(texts), -1)


def unit(x):
    return x / numpy.linalg.norm(x, axis=1, keepdims=True)


def recall(queries, items, right):
    near = unit(queries) @ unit(items).T
    rank = (near > near[numpy.arange(len(right)), right][:, None]).sum(1)
    return 100 * (rank < 1).mean(), 100 * (rank < 10).mean()


def other_half(queries):
    odd = numpy.arange(len(queries))[:, None] % 2 == 1
    return queries - numpy.where(odd, queries[::2].mean(0), queries[1::2].mean(0))


def measure(ferry, stamps):
    english = list(dict.fromkeys(line for line, _ in stamps))
    place = {line: i for i, line in enumerate(english)}
    pairs = {language: pairs_of(stamps, language) for language in REACHED}
    texts = [{'language': 'en', 'text': line} for line in english]
    texts += [{'language': language, 'text': line} for language, some in pairs.items() for line, _ in some]
    ferry.run('center', texts)
    plain, centered, nearest = (ferry.encode(english, *options) for options in ([], ['--center', 'en'], ['--center', 'auto']))
    for language, some in pairs.items():
        lines, right = [line for line, _ in some], numpy.array([place[line] for _, line in some])
        queries = ferry.encode(lines)
        yield language, len(lines), len(english), {
            'raw': recall(queries, plain, right),
            'one mean': recall(queries - plain.mean(0), plain - plain.mean(0), right),
            'center': recall(ferry.encode(lines, '--center', language), centered, right),
            'halves': recall(other_half(queries), centered, right),
            'auto': recall(ferry.encode(lines, '--center', 'auto'), nearest, right)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--ferry', default='build/native/ferry')
    parser.add_argument('--model', default='.deps/models/multilingual-e5-small')
    parser.add_argument('--precision', default='int8', choices=['int8', 'f32'])
    args = parser.parse_args()
    folder = tempfile.mkdtemp()
    kinds = ['raw', 'one mean', 'center', 'halves', 'auto']
    print(f'| language | lines | {" | ".join(kinds)} | reached | within 1 |\n|---|---|{"---|" * (len(kinds) + 2)}')
    missed = 0
    try:
        for language, lines, items, found in measure(Ferry(args, folder), read_stamps()):
            reached = REACHED[language]
            within = all(a >= b - 1 for a, b in zip(found['center'], reached))
            missed += not within
            cells = ' | '.join(f'{found[kind][0]:.1f} / {found[kind][1]:.1f}' for kind in kinds)
            print(f'| {language} | {lines} of {items} | {cells} | {reached[0]} / {reached[1]} | {"yes" if within else "NO"} |', flush=True)
    finally:
        shutil.rmtree(folder)
    return missed > 0


if __name__ == '__main__':
    raise SystemExit(main())
