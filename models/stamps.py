#!/usr/bin/env python3
"""Turns the pictures of Debian's tuxpaint-stamps-default into a catalogue: one JSON object a line.

    python3 models/stamps.py /usr/share/tuxpaint/stamps OUT.jsonl

Beside `apple.png` (or .svg) lies `apple.txt`: an English line, then `zh_CN.utf8=...` lines with the same in other
languages; `apple.ogg` is the thing's sound, where it has one (`apple_desc*.ogg` are people reading the text aloud).

    {"id": "food/fruit/apple", "domain": "food", "tags": ["fruit"], "title": "An apple", "image": "food/fruit/apple.png",
     "audio": "food/fruit/apple.ogg", "names": {"zh_CN": "..."}}
"""
import collections
import json
import os
import re
import sys

PICTURES = ('.png', '.svg')  # in this order: a PNG needs no renderer
SOUNDS = ('.ogg', '.wav')
NAME = re.compile(r'([A-Za-z]{2,3}(?:_[A-Za-z]+)?(?:@[a-z]+)?)\.utf8=(.*)')


def read_lines(path):
    with open(path, 'rb') as file:
        data = file.read()
    try:
        text = data.decode('utf-8-sig')
    except UnicodeDecodeError:
        text = data.decode('latin-1')
    return [line.strip() for line in text.splitlines() if line.strip()]


def tidy(text):
    """A name rather than a sentence: spaces folded, and no full stop unless there are several sentences."""
    text = ' '.join(text.split())
    if text[-1:] in '.。' and len(re.findall('[.。!?]', text)) == 1:
        text = text[:-1].rstrip()
    return text


def first_existing(stem, endings):
    return next((stem + ending for ending in endings if os.path.isfile(stem + ending)), None)


def item(source, text_path):
    """The item described by one .txt file, or None if it has no English line or no picture."""
    lines = read_lines(text_path)
    stem = os.path.splitext(text_path)[0]
    image = first_existing(stem, PICTURES)
    if not lines or NAME.match(lines[0]) or not image:
        return None

    def relative(path):
        return os.path.relpath(path, source).replace(os.sep, '/')

    identity = relative(stem)
    domain, *tags, _ = identity.split('/') if '/' in identity else ('other', identity)
    found = {'id': identity, 'domain': domain, 'title': tidy(lines[0]), 'tags': tags, 'image': relative(image)}
    audio = first_existing(stem, SOUNDS)
    if audio:
        found['audio'] = relative(audio)
    names = (NAME.match(line) for line in lines[1:])
    found['names'] = {match[1]: tidy(match[2]) for match in names if match and tidy(match[2])}
    return found


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: stamps.py STAMPS_FOLDER OUT.jsonl')
    source, out = sys.argv[1:]
    if not os.path.isdir(source):
        sys.exit(f'stamps.py: no folder {source}: install tuxpaint-stamps-default')
    texts = (os.path.join(folder, name)
             for folder, _, names in os.walk(source) for name in names if name.endswith('.txt'))
    found = [item(source, text) for text in texts]
    items = sorted((i for i in found if i), key=lambda i: i['id'])
    if not items:
        sys.exit(f'stamps.py: no picture with a text beside it in {source}')
    with open(out + '.new', 'w', encoding='utf-8') as file:
        for i in items:
            file.write(json.dumps(i, ensure_ascii=False) + '\n')
    os.replace(out + '.new', out)
    domains = collections.Counter(i['domain'] for i in items)
    print(f'stamps: {len(items)} items, {len(found) - len(items)} texts without a picture left out: '
          + ', '.join(f'{domain} {count}' for domain, count in sorted(domains.items())), file=sys.stderr)


if __name__ == '__main__':
    main()
