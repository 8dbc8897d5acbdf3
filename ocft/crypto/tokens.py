"""Wire 1.0's shared secret: whoever knows a node's secret may send it files."""

import hmac
import secrets


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
