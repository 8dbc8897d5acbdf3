"""A frame that is too long for one text, as pieces (R-FRM-3).

Only handshakes and control messages are ever cut: data is made to fit. What is kept of unfinished
messages is bounded for each author and in all, because anybody can send pieces.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from ocft.errors import MalformedMessageError, MessageTooLongError
from ocft.wire.frame_types import FrameType
from ocft.wire.varints import pack_varint, unpack_varint

MIN_FRAGMENTS: Final = 2
MAX_FRAGMENTS: Final = 16
MAX_WHOLE: Final = 32 * 1024
"""Bytes of the longest frame that travels in fragments."""

_MAX_UNFINISHED_OF_AUTHOR = 4
_MAX_UNFINISHED = 64
_MAX_AGE = 120.0  # seconds
_ID_SIZE = 8
_HEADER_SIZE = 1 + _ID_SIZE + 1 + 1
_NEVER_CUT = (FrameType.FRAGMENT, FrameType.DATA, FrameType.ACK)


@dataclass(frozen=True, slots=True)
class Fragment:
    """One piece of a frame."""

    id: bytes
    """The first 8 bytes of the whole frame's SHA-256."""
    index: int
    count: int
    piece: bytes = field(repr=False)


def split_frame(frame: bytes, room: int) -> list[bytes]:
    """Return a frame as FRAGMENT frames.

    Args:
        frame: A handshake or control frame.
        room: Bytes of the longest fragment, its header included.

    Raises:
        MessageTooLongError: The frame has more than 32 KiB, or would need more than 16 fragments.
    """
    if frame[0] in _NEVER_CUT:
        raise ValueError(f"frames of type {frame[0]} travel whole")
    piece_room = room - _HEADER_SIZE
    if len(frame) > min(MAX_WHOLE, MAX_FRAGMENTS * max(0, piece_room)):
        raise MessageTooLongError(f"A frame of {len(frame)} bytes does not fit this channel.")
    count = max(MIN_FRAGMENTS, -(-len(frame) // piece_room))
    # Pieces as equal as they can be, so that none is empty: 17 bytes in 16 are not 9 times 2.
    cuts = [len(frame) * index // count for index in range(count + 1)]
    header = bytes([FrameType.FRAGMENT]) + _id_of(frame)
    return [
        header + pack_varint(index) + pack_varint(count) + frame[cuts[index] : cuts[index + 1]]
        for index in range(count)
    ]


def parse_fragment(frame: bytes) -> Fragment:
    """Return what a FRAGMENT frame says.

    Raises:
        MalformedMessageError: It is cut off, or has an impossible index, count or length.
    """
    if len(frame) > MAX_WHOLE:
        raise MalformedMessageError("a fragment longer than the whole can be")
    index, place = unpack_varint(frame, 1 + _ID_SIZE)
    count, place = unpack_varint(frame, place)
    if not MIN_FRAGMENTS <= count <= MAX_FRAGMENTS or index >= count:
        raise MalformedMessageError("a fragment with an impossible index or count")
    if place == len(frame):
        raise MalformedMessageError("an empty fragment")
    return Fragment(frame[1 : 1 + _ID_SIZE], index, count, frame[place:])


@dataclass(slots=True)
class _Unfinished:
    since: float
    count: int
    pieces: dict[int, bytes] = field(default_factory=dict)


class Assembler:
    """Puts fragments together; what it keeps is bounded by R-FRM-3."""

    def __init__(self) -> None:
        self._unfinished: dict[tuple[str, bytes], _Unfinished] = {}  # the oldest first

    def add(self, author: str, fragment: Fragment, now: float) -> bytes | None:
        """Take in a fragment, in any order and any number of times.

        Args:
            author: Who sent it, as the platform says; fragments of two authors never mix.
            fragment: From `parse_frame`.
            now: Seconds on any clock that does not go back.

        Returns:
            The whole frame, if this was the last piece of it that was missing.

        Raises:
            MalformedMessageError: The pieces make no frame; they are forgotten.
        """
        self._forget_old(now)
        key = (author, fragment.id)
        message = self._unfinished.get(key)
        if message is None:
            self._make_room(author)
            message = self._unfinished[key] = _Unfinished(now, fragment.count)
        # The newest piece counts: one that was damaged on its way is repaired by its repeat.
        message.pieces[fragment.index] = fragment.piece
        size = sum(map(len, message.pieces.values()))
        if fragment.count != message.count or size > MAX_WHOLE:
            del self._unfinished[key]
            raise MalformedMessageError("fragments that do not belong together")
        if len(message.pieces) < message.count:
            return None
        del self._unfinished[key]
        frame = b"".join(message.pieces[index] for index in range(message.count))
        if _id_of(frame) != fragment.id or frame[0] in _NEVER_CUT:
            raise MalformedMessageError("fragments that make no frame")
        return frame

    def _forget_old(self, now: float) -> None:
        old = [key for key, kept in self._unfinished.items() if now - kept.since >= _MAX_AGE]
        for key in old:
            del self._unfinished[key]

    def _make_room(self, author: str) -> None:
        of_author = [key for key in self._unfinished if key[0] == author]
        if len(of_author) >= _MAX_UNFINISHED_OF_AUTHOR:
            del self._unfinished[of_author[0]]
        elif len(self._unfinished) >= _MAX_UNFINISHED:
            del self._unfinished[next(iter(self._unfinished))]


def _id_of(frame: bytes) -> bytes:
    return hashlib.sha256(frame).digest()[:_ID_SIZE]
