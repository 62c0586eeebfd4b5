#!/usr/bin/env python3
"""Small WebP copies of a catalogue's pictures, for the demo page.

    python3 models/thumbs.py IMAGE_FOLDER ITEMS.jsonl OUT_FOLDER

Writes OUT_FOLDER/<id>.webp, at most 160 pixels wide and high, transparency kept. Pictures whose copy is newer stay as they
are. Needs `cwebp` and, for SVG, `rsvg-convert`.
"""
import concurrent.futures
import json
import os
import struct
import subprocess
import sys

SIDE = 160
WEBP = ['cwebp', '-quiet', '-q', '80', '-alpha_q', '80', '-m', '4']


def png_size(path):
    with open(path, 'rb') as file:
        head = file.read(24)
    if head[:8] != b'\x89PNG\r\n\x1a\n' or head[12:16] != b'IHDR':
        raise ValueError('not a PNG')
    return struct.unpack('>II', head[16:24])


def make(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    part = target + '.part'
    if source.endswith('.svg'):
        render = ['rsvg-convert', '--width', str(SIDE), '--height', str(SIDE), '--keep-aspect-ratio', source]
        picture = subprocess.run(render, check=True, capture_output=True).stdout
        subprocess.run(WEBP + ['-o', part, '--', '-'], input=picture, check=True, capture_output=True)
    else:
        width, height = png_size(source)
        scale = min(1.0, SIDE / max(width, height))
        box = [str(max(1, round(n * scale))) for n in (width, height)]
        subprocess.run(WEBP + ['-resize', *box, '-o', part, '--', source], check=True, capture_output=True)
    os.replace(part, target)


def why(error):
    if isinstance(error, subprocess.CalledProcessError):
        return f'{error.cmd[0]}: {error.stderr.decode(errors="replace").strip().splitlines()[0:1]}'
    return error


def main():
    if len(sys.argv) != 4:
        sys.exit('usage: thumbs.py IMAGE_FOLDER ITEMS.jsonl OUT_FOLDER')
    images, items, out = sys.argv[1:]
    todo = []
    with open(items, encoding='utf-8') as file:
        for line in file:
            item = json.loads(line)
            source, target = os.path.join(images, item['image']), os.path.join(out, item['id'] + '.webp')
            if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
                todo.append((source, target))
    if not todo:
        return
    print(f'thumbs: making {len(todo)} small pictures', file=sys.stderr, flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {pool.submit(make, *pair): pair[0] for pair in todo}
        for done, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            if job.exception():
                failed += 1
                print(f'thumbs: {jobs[job]}: {why(job.exception())}', file=sys.stderr)
            if sys.stderr.isatty():
                end = '\n' if done == len(todo) else ''
                print(f'\rthumbs: {done} of {len(todo)}', end=end, file=sys.stderr, flush=True)
    if failed:
        sys.exit(f'thumbs: {failed} of {len(todo)} pictures could not be made small')
    print('thumbs: done', file=sys.stderr)


if __name__ == '__main__':
    main()
