"""SHA-256 of chunks and files, in the lower-case hex of the wire."""

import hashlib
import hmac
from collections.abc import Iterable


def digest_of(data: bytes) -> str:
    """Return the digest of some bytes."""
    return hashlib.sha256(data).hexdigest()


def digest_of_all(pieces: Iterable[bytes]) -> str:
    """Return the digest of all pieces in a row, holding one at a time."""
    running = hashlib.sha256()
    for piece in pieces:
        running.update(piece)
    return running.hexdigest()


def digests_match(ours: str, theirs: str) -> bool:
    """Compare two digests in time that does not depend on where they differ."""
    return hmac.compare_digest(ours.encode(), theirs.encode())
