"""Makes `tests/golden/share-1.json`: the keys and seals of sharing, computed a second time.

Nothing of `ocft` is imported: everything stands here as docs/share-protocol.md words it. Run from
the repository's root:

    python -m tests.crypto.make_share_vectors
"""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.crypto.make_vectors import fill, hkdf

PATH = Path(__file__).parents[1] / "golden" / "share-1.json"
CODE = "7KQ2M9XWTB4E"
PASSWORD = "pa\u00dfwo\u0308rd"
"""Decomposed: NFC makes it another text."""


def recorded() -> dict[str, Any]:
    """Return the file; bytes are in hex."""
    vectors: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return vectors


def make() -> dict[str, Any]:
    """Return all vectors."""
    master = hashlib.pbkdf2_hmac("sha256", CODE.encode(), b"OCFT share 1", 600_000, 32)
    name = base64.b32encode(hkdf(b"", master, b"OCFT share id", 16)).decode().rstrip("=").lower()
    key, p = hkdf(b"", master, b"OCFT share key", 32), fill("p")
    salt = fill("salt", 16)
    shared, t = fill("K"), fill("T", 66)
    mac_key = hkdf(b"", shared, b"OCFT share mac", 32)
    p_key = hkdf(b"", shared, b"OCFT share p", 44)
    verifier = hashlib.pbkdf2_hmac(
        "sha256", "pa\u00dfw\u00f6rd".encode(), b"OCFT share password" + name.encode(), 600_000, 32
    )
    return {
        "code": CODE,
        "master": master.hex(),
        "id": name,
        "key": key.hex(),
        "p": p.hex(),
        "key with p": hkdf(p, master, b"OCFT share key", 32).hex(),
        "salt": salt.hex(),
        "records of 'one', 'two'": [
            _seal(hkdf(salt, key, b"OCFT share data", 32), name, i, 2, text).hex()
            for i, text in enumerate((b"one", b"two"))
        ],
        "manifest of {}": (
            salt + _seal(hkdf(salt, key, b"OCFT share manifest", 32), name, 0, 1, b"{}")
        ).hex(),
        "verifier": verifier.hex(),
        "K": shared.hex(),
        "T": t.hex(),
        "mac of the receiver": hmac.digest(mac_key, b"OCFT share receiver" + t, "sha256").hex(),
        "mac of the server": hmac.digest(mac_key, b"OCFT share server" + t, "sha256").hex(),
        "p, sealed": AESGCM(p_key[:32]).encrypt(p_key[32:], p, b"").hex(),
    }


def _seal(stream_key: bytes, name: str, i: int, count: int, text: bytes) -> bytes:
    bound = b"OCFT share 1" + name.encode() + i.to_bytes(8, "big") + count.to_bytes(8, "big")
    return AESGCM(stream_key).encrypt(bytes(4) + i.to_bytes(8, "big"), text, bound)


if __name__ == "__main__":
    PATH.write_text(json.dumps(make(), indent=1) + "\n", encoding="utf-8")
