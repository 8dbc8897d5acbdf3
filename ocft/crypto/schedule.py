"""From the secrets of a handshake to every key of wire 2 (protocol.md 2.2, R-CTL-5).

Nothing here is remembered: each function gives what its arguments say, and the caller keeps it.
"""

import hmac
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from ocft.crypto.derivation import derive, transcript
from ocft.errors import UnsealError

_INITIATOR, _RESPONDER = b"\x00", b"\x01"
"""The directions: from the initiator, from the responder."""


class EphemeralKey:
    """An X25519 key pair made for one handshake or one epoch, and kept only in memory."""

    public: bytes
    """What the other side needs; 32 bytes."""

    def __init__(self, private: X25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> Self:
        """Return a new key pair."""
        return cls(X25519PrivateKey.generate())

    def exchange(self, theirs: bytes) -> bytes:
        """Return what both sides get from their own private and the other's public key.

        Args:
            theirs: The other side's public key, as it came.

        Returns:
            32 bytes.

        Raises:
            UnsealError: This is no key of 32 bytes, or one that gives zero whatever ours is.
        """
        try:
            # R-HSK-1: an all-zero result is a ValueError here (points of low order).
            return self._private.exchange(X25519PublicKey.from_public_bytes(theirs))
        except ValueError as error:
            raise UnsealError("The peer's X25519 key is not valid.") from error


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """What control messages are sealed and opened with, seen from one side."""

    seal_tag: bytes
    """Names the root key and the direction in the frames that we seal; 8 bytes, public."""
    seal_key: bytes = field(repr=False)
    """The control key of our messages; 32 bytes."""
    open_tag: bytes
    """The tag of the frames that the peer seals."""
    open_key: bytes = field(repr=False)
    """The control key of the peer's messages."""


@dataclass(frozen=True, slots=True)
class EpochKeys:
    """The keys of one run of a transfer. They are only ever in memory (R-CTL-5)."""

    data_key: bytes = field(repr=False)
    """Seals DATA frames; 32 bytes."""
    ack_key: bytes = field(repr=False)
    """Seals ACK frames; 32 bytes."""
    data_tag: bytes
    """Names the epoch in DATA frames; 8 bytes, public."""
    ack_tag: bytes
    """Names the epoch in ACK frames."""


def root_key(
    th3: bytes, responder_secret: bytes, initiator_secret: bytes, exchanged: bytes
) -> bytes:
    """Return the key that two nodes share after a handshake.

    Args:
        th3: The transcript of the handshake.
        responder_secret: What is in the responder's `ct`.
        initiator_secret: What is in the initiator's `ct`.
        exchanged: What X25519 gave with the ephemeral keys.

    Returns:
        32 bytes.
    """
    # All three have 32 bytes, so that the place of each is fixed without lengths.
    return derive(th3, responder_secret + initiator_secret + exchanged, b"OCFT 2 root", 32)


def finish_mac(root: bytes, th3: bytes) -> bytes:
    """Return the `mac` of FINISH: the initiator has the root key of this handshake."""
    return hmac.digest(derive(root, b"", b"OCFT 2 finish mac", 32), th3, "sha256")


def secret_proof(root: bytes, th3: bytes, secret: str, *, is_initiator: bool) -> bytes:
    """Return the `proof` that one side knows the responder's secret.

    Args:
        root: The root key of this handshake.
        th3: Its transcript.
        secret: Any text; for an empty one there is no proof.
        is_initiator: Whose proof it is; one is no use as the other (reflection).

    Returns:
        32 bytes, or none for an empty secret, which match nothing.
    """
    if not secret:
        return b""
    info = b"OCFT 2 secret " + (b"A" if is_initiator else b"B")
    # Any text is a secret, also a damaged one, as in `secrets_match`.
    key = derive(root, secret.encode("utf-8", "surrogatepass"), info, 32)
    return hmac.digest(key, th3, "sha256")


def proofs_match(ours: bytes, theirs: bytes | None) -> bool:
    """Compare a `mac` or `proof` in time that does not depend on where they differ.

    Args:
        ours: What it should be; nothing matches an empty one.
        theirs: What came, if anything.
    """
    return bool(ours) and theirs is not None and hmac.compare_digest(ours, theirs)


def session_keys(root: bytes, *, is_initiator: bool) -> SessionKeys:
    """Return the keys of control messages.

    Args:
        root: The root key.
        is_initiator: Whether we began the handshake that made it.
    """
    ours, theirs = _INITIATOR, _RESPONDER
    if not is_initiator:
        ours, theirs = theirs, ours
    return SessionKeys(
        seal_tag=derive(root, b"", b"OCFT 2 tag" + ours, 8),
        seal_key=derive(root, b"", b"OCFT 2 control" + ours, 32),
        open_tag=derive(root, b"", b"OCFT 2 tag" + theirs, 8),
        open_key=derive(root, b"", b"OCFT 2 control" + theirs, 32),
    )


def direct_key(data_key: bytes, salt: bytes) -> bytes:
    """Return the key of one answer of the direct route (R-DIR-3).

    Args:
        data_key: The epoch's.
        salt: 16 random bytes, new for each answer: frame numbers begin at 0 in each.
    """
    return derive(salt, data_key, b"OCFT 2 direct", 32)


def epoch_keys(root: bytes, exchanged: bytes, offer: bytes, accept: bytes) -> EpochKeys:
    """Return the keys of one epoch (R-CTL-5).

    Args:
        root: The root key that the offer was sealed under.
        exchanged: What X25519 gave with the keys of offer and accept.
        offer: The offer's map, as it was sealed.
        accept: The accept's map.
    """
    info = b"OCFT 2 epoch" + transcript("OCFT 2 epoch", offer, accept)
    keys = derive(root, exchanged, info, 80)
    return EpochKeys(keys[:32], keys[32:64], keys[64:72], keys[72:])
