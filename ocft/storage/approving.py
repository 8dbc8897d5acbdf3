"""The owner's yes to a stranger that asked to be trusted (R-HSK-3), for programs and commands."""

import re
from dataclasses import replace
from typing import Final

from ocft.errors import FingerprintChangedError, UnknownPeerError
from ocft.storage.approvals import ApprovalStore, TrustRequest
from ocft.storage.nodes import NodeStore
from ocft.storage.peers import PeerStore, TrustedPeer

_WHOLE_FINGERPRINT: Final = re.compile("[a-z2-7]{20}")  # protocol 2.2: 100 bits as base32


def is_fingerprint_of(request: TrustRequest, text: str) -> bool:
    """Say whether a text is a request's whole fingerprint, as people write it.

    Args:
        request: The request.
        text: With or without hyphens, in letters of any size.

    Raises:
        UnknownPeerError: It is the fingerprint of somebody else: a stranger may have chosen an id
            that looks like the one that the owner was told.
    """
    from ocft.crypto import format_fingerprint

    if _letters(text) == _letters(format_fingerprint(request.fingerprint)):
        return True
    if _WHOLE_FINGERPRINT.fullmatch(_letters(text)):
        raise UnknownPeerError(f"Nobody with the fingerprint {text!r} asks to be trusted.")
    return False


def approve(
    request: TrustRequest,
    *,
    peers: PeerStore,
    nodes: NodeStore,
    approvals: ApprovalStore,
    name: str | None = None,
    expires_at: float | None = None,
) -> TrustedPeer:
    """Trust a stranger by its fingerprint; what was said about a peer of this id stays.

    Args:
        request: Whom; its fingerprint was compared on another way.
        peers: Where it goes.
        nodes: What was learnt about nodes.
        approvals: Where the request is.
        name: What to call it; None: as before, if it had a name.
        expires_at: When the trust ends, in seconds since the epoch; None: never.

    Raises:
        FingerprintChangedError: A peer of this id is known with another one (R-HSK-2).
        ConfigError: The name is not valid or taken, or the peer is one that the program knows by
            itself.
    """
    old, known = peers.find(request.id), nodes.find(request.id)
    pinned = old.fingerprint if old is not None else None
    if old is not None and pinned is None and known is not None:
        pinned = known.fingerprint
    if pinned not in {None, request.fingerprint}:
        raise FingerprintChangedError(
            f"{request.id} is known with another fingerprint. Ask its owner; if its keys are new, "
            "`ocft peers revoke` it first."
        )
    peer = old or TrustedPeer(id=request.id)
    peer = replace(
        peer,
        name=name or peer.name,
        fingerprint=request.fingerprint,
        expires_at=expires_at,
    )
    peers.put(peer)
    if not peer.address and request.author != request.id:
        nodes.learn(request.id, address=request.author)  # not a rule, as one from the owner is
    approvals.remove(request.id)
    return peer


def _letters(text: str) -> str:
    return text.replace("-", "").replace(" ", "").lower()
