"""What commands say about a peer, to people and as JSON; never its secret."""

import time
from typing import TYPE_CHECKING, Any, Final

from ocft.cli.terminal import format_duration, format_moment, format_size, printable

if TYPE_CHECKING:
    from ocft.config import Config
    from ocft.storage import KnownNode, TrustedPeer

WIRE_1: Final = "1.0"
"""What :func:`wire_of` calls the wire that everybody in the chat can read."""
WIRE_2: Final = "2"
"""What it calls the sealed one."""
_WIRE_1_SECONDS: Final = 24 * 3600.0  # R-WIR-1: so long a peer is taken for 1.0


def peer_fields(peer: "TrustedPeer", known: "KnownNode | None" = None) -> dict[str, Any]:
    """Return what may be shown of a peer: all but its secret.

    Args:
        peer: The peer.
        known: What was learnt about it, if anything.
    """
    return {
        "id": peer.id,
        "name": peer.name,
        "address": peer.address,
        "fingerprint": fingerprint_words(peer, known),
        "expires_at": peer.expires_at,
        "is_expired": peer.is_expired(time.time()),
        "may_send": peer.may_send,
        "auto_accept": peer.auto_accept,
        "max_file_size": peer.max_file_size,
        "bytes_per_day": peer.bytes_per_day,
        "allows_wire_1": peer.allows_wire_1,
    }


def fingerprint_of(peer: "TrustedPeer", known: "KnownNode | None") -> bytes | None:
    """Return the fingerprint that a peer must have; None while it is not known.

    Args:
        peer: The peer; its owner's word comes first.
        known: What was learnt about it: a handshake pins the fingerprint, too (R-HSK-3).
    """
    if peer.fingerprint is not None or known is None:
        return peer.fingerprint
    return known.fingerprint


def fingerprint_words(peer: "TrustedPeer", known: "KnownNode | None") -> str | None:
    """Return that fingerprint as people compare it."""
    from ocft.crypto import format_fingerprint

    fingerprint = fingerprint_of(peer, known)
    return None if fingerprint is None else format_fingerprint(fingerprint)


def called(peer: "TrustedPeer") -> str:
    """Return a peer's name and id."""
    return printable(f"{peer.name} ({peer.id})" if peer.name else peer.id)


def trust_of(peer: "TrustedPeer") -> str:
    """Say how long a peer is trusted."""
    if peer.expires_at is None:
        return "for ever"
    left = peer.expires_at - time.time()
    if left <= 0:
        return f"no longer, since {format_moment(peer.expires_at)}"
    return f"until {format_moment(peer.expires_at)}, for {format_duration(left)}"


def wire_of(peer: "TrustedPeer", known: "KnownNode | None", now: float) -> str | None:
    """Return the wire that transfers with a peer would use; None: nobody has tried yet.

    Args:
        peer: The peer.
        known: What was learnt about it.
        now: Seconds since the epoch.
    """
    if fingerprint_of(peer, known) is not None:
        return WIRE_2  # R-WIR-2: never downgraded
    if known is None or known.wire != WIRE_1:
        return known.wire if known is not None else None
    learned_at = known.wire_learned_at or 0.0
    return WIRE_1 if 0 <= now - learned_at < _WIRE_1_SECONDS else None


def wire_words(peer: "TrustedPeer", wire: str | None, config: "Config") -> str:
    """Say what that wire means: sealed, or readable by all in the chat."""
    if wire == WIRE_2:
        return "2, sealed"
    if not (peer.allows_wire_1 and config.allow_wire_1):
        return "1.0, which is not allowed" if wire else "2 or nothing"
    if wire == WIRE_1:
        return "1.0, readable by all in the chat"
    return "not known yet"


def wire_1_words(peer: "TrustedPeer", known: "KnownNode | None", config: "Config") -> str:
    """Say whether anything may travel readable between this node and a peer."""
    if not config.allow_wire_1:
        return "never: this node's settings do not allow it"
    if not peer.allows_wire_1:
        return "never: not allowed for this peer"
    if fingerprint_of(peer, known) is not None:  # R-WIR-2
        return "never: its fingerprint is known, so all is sealed"
    return "if it does not answer in wire 2; --no-wire-1 of `ocft peers limit` forbids it"


def seen_words(known: "KnownNode | None") -> str:
    """Say when something of a node came last."""
    if known is None or known.last_seen is None:
        return "never"
    return format_moment(known.last_seen)


def offers_words(peer: "TrustedPeer", config: "Config") -> str:
    """Say what happens to a peer's offers."""
    if not peer.may_send:
        return "refused"
    is_automatic = config.auto_accept if peer.auto_accept is None else peer.auto_accept
    # R-LIM-1: the peer's own limit goes before the node's, also where it is larger.
    size = config.max_file_size if peer.max_file_size is None else peer.max_file_size
    parts = [
        # R-LIM-3: who proves our secret is never asked about.
        "taken without asking" if is_automatic else "wait for you, unless it knows our secret",
        f"files of up to {format_size(size)}",
    ]
    if peer.bytes_per_day is not None:
        parts.append(f"{format_size(peer.bytes_per_day)} a day")
    return ", ".join(parts)
