"""AES-256-GCM, in the four ways that OCFT seals things.

What does not open raises :exc:`UnsealError` and gives no bytes: not of a prefix, not of a guess.
"""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.utils import Buffer

from ocft.crypto.derivation import derive
from ocft.errors import UnsealError

_KEY: Final = 32
_NONCE: Final = 12
_MAX_NUMBER: Final = 1 << 63
"""Frame numbers are below this (protocol.md 2: varints)."""
_WINDOW: Final = 4096
"""How far below the highest number a frame may come late: 16 times what is in flight (R-ARQ-6)."""


def seal_message(key: bytes, header: bytes, salt: bytes, plaintext: bytes) -> bytes:
    """Seal one control message.

    Args:
        key: The control key of our direction.
        header: The frame before the sealed part; bound, not hidden.
        salt: 16 random bytes, new for each message: they make its key and nonce.
        plaintext: The message.

    Returns:
        The ciphertext and its tag, 16 bytes more than the plaintext.
    """
    return seal_once(_message_key(key, salt), plaintext, header)


def open_message(key: bytes, header: bytes, salt: bytes, sealed: bytes) -> bytes:
    """Open one control message.

    Args:
        key: The control key of the peer's direction.
        header: The frame before the sealed part.
        salt: From the header.
        sealed: The rest of the frame.

    Raises:
        UnsealError: Another key, or something was changed.
    """
    return open_once(_message_key(key, salt), sealed, header)


def seal_once(key: bytes, plaintext: bytes, header: bytes = b"") -> bytes:
    """Seal with a key that seals nothing else.

    Args:
        key: 44 bytes: the key and its only nonce.
        plaintext: The message.
        header: Bound, not hidden.
    """
    return AESGCM(key[:_KEY]).encrypt(key[_KEY:], plaintext, header)


def open_once(key: bytes, sealed: bytes, header: bytes = b"") -> bytes:
    """Open what :func:`seal_once` sealed.

    Raises:
        UnsealError: Another key, or something was changed.
    """
    return _open(AESGCM(key[:_KEY]), key[_KEY:], sealed, header)


class FrameCipher:
    """Seals or opens the DATA or the ACK frames of one epoch (protocol.md 2.5).

    Args:
        key: The epoch's data or ack key.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._next = 0

    def seal(self, number: int, header: bytes, plaintext: bytes) -> bytes:
        """Seal one frame.

        Args:
            number: The frame's; above that of every frame sealed before.
            header: The frame up to and with the number; bound, not hidden.
            plaintext: The frame's content.

        Raises:
            ValueError: The number is not above the last one. Two frames under one number would
                tell their contents, so this is never done, whoever asks.
        """
        if not self._next <= number < _MAX_NUMBER:  # R-SEA-1
            raise ValueError(f"frame number {number} after {self._next - 1}")
        self._next = number + 1
        return self._cipher.encrypt(_nonce(number), plaintext, header)

    def open(self, number: int, header: bytes, sealed: bytes) -> bytes:
        """Open one frame; whether it came before is :class:`ReplayFilter`'s question.

        Raises:
            UnsealError: Another key or number, or something was changed.
        """
        if not 0 <= number < _MAX_NUMBER:
            raise UnsealError("A frame's number is out of bounds.")
        return _open(self._cipher, _nonce(number), sealed, header)


class RecordCipher:
    """Seals or opens the frames of one answer of the direct route, in their order (R-DIR-3).

    Args:
        key: From :func:`direct_key`; of no other answer.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self.number = 0
        """The next frame's."""

    def seal_into(self, header: bytes, plaintext: Buffer, out: Buffer) -> None:
        """Seal the next frame.

        Args:
            header: The frame up to and with its number; bound, not hidden.
            plaintext: The frame's content.
            out: Takes 16 bytes more than the content has.
        """
        number, self.number = self.number, self.number + 1
        self._cipher.encrypt_into(_nonce(number), plaintext, header, out)

    def open_into(self, header: bytes, sealed: Buffer, out: Buffer) -> None:
        """Open the next frame.

        Args:
            header: What came before the sealed part.
            sealed: The sealed part.
            out: Takes 16 bytes less.

        Raises:
            UnsealError: Another key or number, or something was changed.
        """
        try:
            self._cipher.decrypt_into(_nonce(self.number), sealed, header, out)
        except (InvalidTag, ValueError) as error:
            raise UnsealError("A frame of the direct route could not be opened.") from error
        self.number += 1


class ReplayFilter:
    """Knows which frame numbers were seen, in bounded memory (R-SEA-1).

    A number more than 4,095 below the highest one counts as seen: its bytes were sent again under
    another number long ago.
    """

    def __init__(self) -> None:
        self._highest = -1
        self._seen = 0  # bit n: `_highest - n` was seen

    def is_new(self, number: int) -> bool:
        """Return whether a number was not seen yet. Records nothing: the frame may be forged."""
        behind = self._highest - number
        return behind < 0 or (behind < _WINDOW and not self._seen >> behind & 1)

    def record(self, number: int) -> None:
        """Remember the number of a frame that opened."""
        behind = self._highest - number
        if behind < 0:
            # A jump of 2^62 must not make an integer of 2^62 bits.
            shifted = self._seen << min(-behind, _WINDOW)
            self._seen = (shifted | 1) & ((1 << _WINDOW) - 1)
            self._highest = number
        elif behind < _WINDOW:
            self._seen |= 1 << behind


def seal_at_rest(storage_key: bytes, plaintext: bytes, context: bytes) -> bytes:
    """Seal something to be kept on the disk.

    Args:
        storage_key: :meth:`Identity.storage_key`.
        plaintext: What is kept.
        context: What and whose it is; bound, so that one thing cannot be put in another's place.

    Returns:
        A random nonce (12 bytes), the ciphertext and its tag (16).
    """
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(storage_key).encrypt(nonce, plaintext, context)


def open_at_rest(storage_key: bytes, sealed: bytes, context: bytes) -> bytes:
    """Open what :func:`seal_at_rest` sealed.

    Raises:
        UnsealError: Another identity or context, or something was changed.
    """
    if len(sealed) < _NONCE:
        raise UnsealError("Something sealed on the disk is cut off.")
    return _open(AESGCM(storage_key), sealed[:_NONCE], sealed[_NONCE:], context)


def _message_key(key: bytes, salt: bytes) -> bytes:
    return derive(key, salt, b"OCFT 2 message", _KEY + _NONCE)


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE, "big")  # 4 zero bytes, then the number in 8


def _open(cipher: AESGCM, nonce: bytes, sealed: bytes, header: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, sealed, header)
    except InvalidTag as error:  # also for less than a tag
        raise UnsealError("A sealed message could not be opened; it was ignored.") from error
