#!/usr/bin/env python3
"""A text finds pictures and a picture finds texts: R@1 and R@10 over the stamps; and their departments by neighbours.

    python3 bench/align.py [--ferry build/native/ferry] [--splits 10] [--work DIR] [METHOD…]

Needs numpy, Debian's tuxpaint-stamps-default and `sh tools/setup models`. Of the stamps that are PNGs, titles alone are the
texts; `ferry align --evaluate` learns from 70 in 100 of the pairs and asks about the others, among themselves; of the same
title the first counts alone. A department is that of most of the five nearest other items, weighed by cosine: by picture, by
text, and by the mean of both cosines. --work keeps what was encoded.
"""
import argparse
import json
import os
import struct
import subprocess
import tempfile

import numpy

STAMPS = '/usr/share/tuxpaint/stamps/'
METHODS = ('bridge', 'ridge', 'infonce', 'bridge+ridge', 'bridge+ridge+infonce')
BARS = {False: ((33, 65), (33, 65)), True: ((30, 66), (30, 66))}


def read_tensor(path, name):
    with open(path, 'rb') as file:
        size, = struct.unpack('<Q', file.read(8))
        about = json.loads(file.read(size))[name]
        file.seek(8 + size + about['data_offsets'][0])
        count = about['data_offsets'][1] - about['data_offsets'][0]
        return numpy.frombuffer(file.read(count), '<f4').reshape(about['shape'])


def unit(x):
    return x / numpy.maximum(numpy.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def prepare(args, symbols):
    """Catalogue and features of the stamps; their paths and the items."""
    base = os.path.join(args.work, 'with' if symbols else 'without')
    seen, items = set(), []
    with open(args.items, encoding='utf-8') as file:
        for line in file:
            item = json.loads(line)
            if not item['image'].endswith('.png') or item['title'] in seen or (item['domain'] == 'symbols' and not symbols):
                continue
            seen.add(item['title'])
            items.append(item)
    os.makedirs(base, exist_ok=True)
    lines = ''.join(json.dumps({'id': i['id'], 'domain': i['domain'], 'title': i['title']}) + '\n' for i in items)
    path = os.path.join(base, 'items.jsonl')
    if not os.path.exists(path) or open(path, encoding='utf-8').read() != lines:
        pictures = ''.join(json.dumps({'image': STAMPS + i['image']}) + '\n' for i in items)
        subprocess.run([args.ferry, 'encode', '-q', '--model', args.image_model, '--out', base + '/pictures.safetensors'],
                       input=pictures.encode(), check=True)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(lines)
        subprocess.run([args.ferry, 'catalog', '-q', '--items', path, '--text-model', args.text_model, '--out', base + '/shop'],
                       check=True)
    return base, items


def align(args, base, *more):
    command = [args.ferry, 'align', '-q', '--json', '--catalog', base + '/shop', '--features', base + '/pictures.safetensors']
    if 'bridge' in more[1]:
        command += ['--image-model', args.image_model, '--text-model', args.text_model, '--labels', args.labels]
    return json.loads(subprocess.run([*command, *more], stdout=subprocess.PIPE, check=True).stdout)


def departments(cosines, labels):
    """The share of items, in per cent, whose five nearest others are mostly of their department."""
    cosines = cosines.copy()
    numpy.fill_diagonal(cosines, -9)
    names, number = numpy.unique(labels, return_inverse=True)
    votes = numpy.zeros((len(labels), len(names)))
    for nearest in numpy.argsort(-cosines, 1, kind='stable')[:, :5].T:
        rows = numpy.arange(len(labels))
        numpy.add.at(votes, (rows, number[nearest]), numpy.maximum(cosines[rows, nearest], 0) + 1e-6)
    return 100 * (votes.argmax(1) == number).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ferry', default='build/native/ferry')
    parser.add_argument('--items', default='.deps/stamps/items.jsonl')
    parser.add_argument('--image-model', default='.deps/models/efficientnet-lite0')
    parser.add_argument('--text-model', default='.deps/models/all-MiniLM-L6-v2')
    parser.add_argument('--labels', default='.deps/models/imagenet-labels/labels.txt')
    parser.add_argument('--splits', type=int, default=10)
    parser.add_argument('--work', help='keeps what was encoded')
    parser.add_argument('methods', nargs='*', metavar='METHOD', help='default: ' + ' '.join(METHODS))
    args = parser.parse_args()
    scratch = tempfile.TemporaryDirectory()
    args.work = args.work or scratch.name
    for symbols in False, True:
        base, items = prepare(args, symbols)
        print(f'\n{"with" if symbols else "without"} symbols: {len(items)} items, {args.splits} splits; bar {BARS[symbols]}')
        print(f'{"method":24}{"learned":>8}{"asked":>7}   text to picture   picture to text')
        for method in args.methods or METHODS:
            found = align(args, base, '--method', method, '--evaluate', str(args.splits))
            figures = [100 * x for x in found['text_to_feature'] + found['feature_to_text']]
            print(f'{method:24}{found["learned"]:8}{found["candidates"]:7}   {figures[0]:6.1f} /{figures[1]:6.1f}'
                  f'   {figures[2]:6.1f} /{figures[3]:6.1f}', flush=True)
        if symbols:
            continue
        labels = [item['domain'] for item in items]
        pictures = read_tensor(base + '/pictures.safetensors', 'embeddings').astype(float)
        texts = read_tensor(base + '/shop/vectors.safetensors', 'text').astype(float)
        pictures = unit((pictures - pictures.mean(0)) / (pictures.std(0) + 1e-2))
        texts = unit(texts - texts.mean(0))
        picture, text = pictures @ pictures.T, texts @ texts.T
        print(f'department by 5 neighbours: picture {departments(picture, labels):.1f}, text {departments(text, labels):.1f}, '
              f'both {departments((picture + text) / 2, labels):.1f} (bar 87)')
        out = os.path.join(base, 'bridge')
        align(args, base, '--method', 'bridge', '--out', out)
        places = read_tensor(out + '/align.safetensors', 'items').astype(float)
        three = .4 * picture + .4 * text + .2 * places @ places.T
        print(f'  and the bridge, which has seen no pair: {departments(three, labels):.1f}')
        for kind in 'concat', 'gated', 'project':
            out = os.path.join(base, kind)
            subprocess.run([args.ferry, 'align', '-q', '--catalog', base + '/shop', '--features', base + '/pictures.safetensors',
                            '--fusion', kind, '--out', out], check=True)
            fused = read_tensor(out + '/fused.safetensors', 'embeddings').astype(float)
            print(f'  fusion {kind}: {departments(fused @ fused.T, labels):.1f}')


if __name__ == '__main__':
    main()
