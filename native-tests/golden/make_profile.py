"""A locked profile with a fixed salt and nonce: make_profile.py OUT (see README.md).

By pyca/cryptography and hashlib, from the description in docs/profile.md alone: what the command
line and Web Crypto must open, and what their own files must look like.
"""
import hashlib
import struct
import sys
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PASSPHRASE = "correct horse, Zugtier und 电池"
ITERATIONS = 600_000
PLAIN = """{"format":"ferry-profile","version":1,"events":[
{"domain":"books","item":"b7","behavior":"purchase","timestamp":1700000000},
{"domain":"films","item":"f4","behavior":"rating","value":4.5,"timestamp":1700003600},
{"domain":"books","item":"b8","behavior":"dislike","timestamp":1699990000},
{"domain":"films","item":"f9","behavior":"not_interested"},
{"domain":"books","item":"b12","behavior":"cart","value":2,"timestamp":1700007200}
]}
"""


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    plain = PLAIN.encode()
    salt, nonce = bytes(range(16)), bytes(range(100, 112))
    head = b"FERRYPRF" + struct.pack("<III", 1, ITERATIONS, len(plain)) + salt + nonce
    key = hashlib.pbkdf2_hmac("sha256", PASSPHRASE.encode(), salt, ITERATIONS, 32)
    file = head + AESGCM(key).encrypt(nonce, plain, head)
    (out / "plain.json").write_bytes(plain)
    (out / "locked.ferry").write_bytes(file + hashlib.sha256(file).digest())
    (out / "passphrase").write_text(PASSPHRASE + "\n")


main()
