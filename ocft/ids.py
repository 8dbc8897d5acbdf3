"""The names that nodes and transfers go by, and how new ones are made."""

import secrets
from typing import NewType

NodeId = NewType("NodeId", str)
"""What a node calls itself on the wire: an `ocft_...` id, or a bot's own id."""

TransferId = NewType("TransferId", str)
"""Names one transfer on both sides; made by the sender."""

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def make_transfer_id() -> TransferId:
    """Return a new transfer id: `xfer_` and 12 URL-safe characters (72 random bits)."""
    return TransferId("xfer_" + secrets.token_urlsafe(9))


def make_node_id(now_ms: int) -> NodeId:
    """Return a new node id in the form of wire 1.0 nodes: `ocft_<time>_<random>`.

    Args:
        now_ms: Milliseconds since the epoch, written in base 36 into the id.
    """
    return NodeId(f"ocft_{_base36(now_ms)}_{secrets.token_urlsafe(6)}")


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits or "0"
