#!/usr/bin/env python3
"""Whether a thing's nearest by pictures and words are of its department: leave-one-out over a catalogue of the stamps.

    bench/departments.py FERRY [IMAGES]

FERRY makes two catalogues of the stamps that are PNGs (IMAGES, /usr/share/tuxpaint/stamps), without the department
`symbols` and without repeated names: of the names alone, and of names and tags, as it does by itself. Of each item the 5
nearest others vote, each with its cosine, by pictures, by words, and by the catalogue's rows. Needs numpy, and `sh tools/setup models`.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
MODELS = os.path.join(ROOT, '.deps/models')
NEIGHBOURS = 5


def read_catalogue(folder):
    """Rows, segments with their offsets, and departments."""
    with open(os.path.join(folder, 'catalog.json')) as file:
        about = json.load(file)
    with open(os.path.join(folder, 'vectors.safetensors'), 'rb') as file:
        head = json.loads(file.read(struct.unpack('<Q', file.read(8))[0]))
        data = file.read()
    start, end = head['item']['data_offsets']
    rows = numpy.frombuffer(data[start:end], '<f4').reshape(head['item']['shape']).astype(float)
    with open(os.path.join(folder, 'items.jsonl'), encoding='utf-8') as file:
        departments = [json.loads(line)['domain'] for line in file]
    parts, offset = {}, 0
    for segment in about['segments']:
        part = rows[:, offset:offset + segment['dimension']]
        parts[segment['modality']] = part / numpy.maximum(numpy.linalg.norm(part, axis=1, keepdims=True), 1e-9)
        offset += segment['dimension']
    return rows, parts, departments


def accuracy(vectors, departments):
    """Per cent of items whose nearest others vote for their department."""
    names = sorted(set(departments))
    own = numpy.array([names.index(name) for name in departments])
    cosines = vectors @ vectors.T
    numpy.fill_diagonal(cosines, -9)
    nearest = numpy.argsort(-cosines, axis=1, kind='stable')[:, :NEIGHBOURS]
    votes = numpy.zeros((len(own), len(names)))
    each = numpy.arange(len(own))
    for k in range(NEIGHBOURS):
        numpy.add.at(votes, (each, own[nearest[:, k]]), numpy.maximum(cosines[each, nearest[:, k]], 0) + 1e-6)
    return 100 * float((votes.argmax(1) == own).mean())


def stamps():
    seen = set()
    with open(os.path.join(ROOT, '.deps/stamps/items.jsonl'), encoding='utf-8') as file:
        for item in map(json.loads, file):
            if item['image'].endswith('.png') and item['domain'] != 'symbols' and item['title'] not in seen:
                seen.add(item['title'])
                yield item


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit('usage: departments.py FERRY [IMAGES]')
    images = sys.argv[2] if len(sys.argv) == 3 else '/usr/share/tuxpaint/stamps'
    items = list(stamps())
    print(f'{len(items)} things, {len({item["domain"] for item in items})} departments\n')
    print('| texts | picture | text | both |\n|---|---|---|---|')
    for texts, fields in (('names', ()), ('names, tags', ('tags',))):
        with tempfile.TemporaryDirectory() as work:
            table = os.path.join(work, 'items.jsonl')
            with open(table, 'w', encoding='utf-8') as file:
                for item in items:
                    kept = {key: item[key] for key in ('id', 'domain', 'title', 'image', *fields)}
                    file.write(json.dumps(kept) + '\n')
            subprocess.run([sys.argv[1], 'catalog', '-q', '--items', table, '--media', images, '--out', work + '/shop',
                            '--text-model', MODELS + '/all-MiniLM-L6-v2',
                            '--image-model', MODELS + '/efficientnet-lite0'], check=True)
            rows, parts, departments = read_catalogue(work + '/shop')
        figures = [accuracy(vectors, departments) for vectors in (parts['image'], parts['text'], rows)]
        print(f'| {texts} | ' + ' | '.join(f'{figure:.1f}' for figure in figures) + ' |')


if __name__ == '__main__':
    main()
