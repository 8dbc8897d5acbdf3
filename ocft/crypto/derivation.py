"""H and KDF: what every transcript and every key of wire 2 is made with (protocol.md 2.2)."""

import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def transcript(label: str, *parts: bytes) -> bytes:
    """Return H of the specification: a digest that no other list of parts has.

    Args:
        label: What the digest is of; ASCII. Keeps transcripts of different kinds apart.
        parts: The bytes to bind, each less than 4 GiB.

    Returns:
        32 bytes.
    """
    digest = hashlib.sha256()
    for part in (label.encode("ascii"), *parts):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()


def derive(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    """Return KDF of the specification: HKDF-SHA256 (RFC 5869), extract and expand.

    Args:
        salt: A key or a transcript. The empty salt is RFC 5869's 32 zero bytes.
        secret: The input key material. Empty where the salt is the key.
        info: What the result is for.
        length: Bytes wanted.
    """
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)
