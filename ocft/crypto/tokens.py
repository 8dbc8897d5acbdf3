"""The shared secret: whoever knows a node's secret may send it files."""

import hmac
import secrets
from typing import Final

from ocft.crypto.derivation import derive

_TAG: Final = 16  # bytes


def make_secret() -> str:
    """Return a new secret: 24 random bytes as 32 URL-safe characters, as wire 1.0 nodes have."""
    return secrets.token_urlsafe(24)


def secrets_match(ours: str, theirs: str | None) -> bool:
    """Compare secrets in time that does not depend on where they differ.

    Args:
        ours: Our secret; an empty one matches nothing.
        theirs: What a peer claims to know.
    """
    if not ours or theirs is None:
        return False
    # As bytes: compare_digest refuses non-ASCII text. Any text is a secret, also a damaged one.
    one, other = (text.encode("utf-8", "surrogatepass") for text in (ours, theirs))
    return hmac.compare_digest(one, other)


def secret_tag(storage_key: bytes, secret: str) -> bytes:
    """Return what stands for a secret in the database; 16 bytes.

    People choose secrets that can be guessed, and who has a copy of the database but not the
    identity must not be able to test guesses.

    Args:
        storage_key: `Identity.storage_key` of the node whose database it is.
        secret: The secret; any text is one.
    """
    key = derive(b"", storage_key, b"OCFT 2 secret tag", 32)
    return hmac.digest(key, secret.encode("utf-8", "surrogatepass"), "sha256")[:_TAG]
