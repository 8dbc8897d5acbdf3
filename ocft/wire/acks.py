"""What an ACK frame holds: which bytes the receiver has, and how far may be sent (protocol 2.5)."""

from dataclasses import dataclass
from typing import Final

from ocft.errors import MalformedMessageError, MessageTooLongError
from ocft.ranges import MOST_RANGES, Range
from ocft.wire.varints import pack_varint, unpack_varint

MAX_ACK: Final = 32 * 1024
"""Bytes of the longest body: some thousand ranges, ten times what a lossy channel needs."""

_DECIDED = 1


@dataclass(frozen=True, slots=True)
class RangeAck:
    """The receiver's word on a transfer; all positions are bytes of the byte space."""

    heard: int | None
    """The highest number among the DATA frames whose bytes are stored."""
    delay_ms: int
    """Milliseconds since that frame came."""
    limit: int
    """Bytes before this one may be sent."""
    ranges: tuple[Range, ...]
    """What is stored or not wanted: sorted, not touching, below the limit. All else is missing."""
    is_decided: bool
    """The receiver wants the files."""


def pack_ack(ack: RangeAck, *, room: int) -> bytes:
    """Return the body of an ACK frame, to be sealed.

    Where there are too many ranges, for the room or at all (R-ARQ-13), the lowest are named and the
    limit goes down to the first one that is not: below the limit, what is not named counts as
    missing (R-ARQ-3).

    Args:
        ack: Ranges beyond the limit are left out, one across it is cut.
        room: Bytes of the longest body.

    Raises:
        MessageTooLongError: Not even the numbers before the ranges fit.
    """
    ranges = [(first, min(end, ack.limit)) for first, end in ack.ranges if first < ack.limit]
    named = ranges[:1] if ranges and ranges[0][0] == 0 else []
    end = named[0][1] if named else 0
    first_missing = pack_varint(end)
    start = b"".join(
        (
            bytes((_DECIDED if ack.is_decided else 0,)),
            pack_varint(0 if ack.heard is None else ack.heard + 1),
            pack_varint(ack.delay_ms),
        )
    )
    limit = ack.limit
    left = min(room, MAX_ACK) - len(start) - len(pack_varint(limit)) - len(first_missing)
    if left < 0:
        raise MessageTooLongError("An ack does not fit this channel.")
    pairs = bytearray()
    for count, (first, next_end) in enumerate(ranges[len(named) :], len(named)):
        if not end < first < next_end:
            raise ValueError("ranges of an ack are sorted, not empty, and do not touch")
        pair = pack_varint(first - end) + pack_varint(next_end - first)
        if count == MOST_RANGES or len(pairs) + len(pair) > left:
            limit = first
            break
        pairs += pair
        end = next_end
    return b"".join((start, pack_varint(limit), first_missing, pairs))


def unpack_ack(body: bytes) -> RangeAck:
    """Return what an opened ACK frame says.

    Raises:
        MalformedMessageError: An unknown flag, numbers that are cut off, or ranges that are too
            many, touch, are empty, or lie beyond the limit.
    """
    if not 0 < len(body) <= MAX_ACK or body[0] & ~_DECIDED:
        raise MalformedMessageError("an ack with unknown flags, or too long")
    heard, place = unpack_varint(body, 1)
    delay_ms, place = unpack_varint(body, place)
    limit, place = unpack_varint(body, place)
    end, place = unpack_varint(body, place)
    ranges = [(0, end)] if end else []
    while place < len(body):
        gap, place = unpack_varint(body, place)
        length, place = unpack_varint(body, place)
        if not gap or not length:
            raise MalformedMessageError("ranges of an ack that touch or are empty")
        first, end = end + gap, end + gap + length
        ranges.append((first, end))
    if len(ranges) > MOST_RANGES:
        raise MalformedMessageError("more ranges than an ack has")
    if end > limit:
        raise MalformedMessageError("ranges of an ack beyond its limit")
    return RangeAck(
        heard=heard - 1 if heard else None,
        delay_ms=delay_ms,
        limit=limit,
        ranges=tuple(ranges),
        is_decided=bool(body[0] & _DECIDED),
    )
