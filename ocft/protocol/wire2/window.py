"""The sender's view of the byte space: what is stored over there, in flight, lost, still to go.

It knows frames by number and ranges, times as arguments, and neither keys nor texts.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ocft.protocol.timers import RetransmissionTimer
from ocft.ranges import Range, RangeSet
from ocft.wire import RangeAck

MOST_FRAMES: Final = 256  # R-ARQ-6
MOST_BYTES: Final = 16 * 1024 * 1024
_REORDERING: Final = 3  # frames, RFC 9002 section 6.1.1
_MOST_REORDERING: Final = 64
_LONGEST_ACK_DELAY: Final = 30.0  # seconds, R-SEA-2: a peer's word must not stop our probes
_TIME_THRESHOLD: Final = 9 / 8  # round trips, RFC 9002 section 6.1.2


@dataclass(frozen=True, slots=True)
class SentFrame:
    """One frame in flight."""

    first: int
    end: int
    at: float
    is_repeat: bool


class Window:
    """What one epoch has sent, and what it may send.

    Args:
        size: Bytes of the byte space.
        limit: Bytes before which the receiver takes them.
        stored: What the receiver has.
    """

    def __init__(self, size: int, limit: int, stored: Iterable[Range]) -> None:
        self.stored = RangeSet(stored)
        self.limit = min(limit, size)
        self.timer = RetransmissionTimer()
        self.look_at = math.inf
        """When a frame in flight will be so old that it counts as lost."""
        self.round_trip = 0.0
        """Seconds of the latest or the smoothed round trip, the longer one; 0: not measured yet."""
        self._size = size
        self._next = 0  # nothing from here on was sent
        self._number = 0  # the next frame's
        self._flight: dict[int, SentFrame] = {}
        self._bytes_in_flight = 0
        self._lost = RangeSet()
        self._heard = -1
        self._reordering = _REORDERING

    @property
    def is_all_stored(self) -> bool:
        """Whether the receiver has everything."""
        return self.stored.covers(0, self._size)

    @property
    def has_flight(self) -> bool:
        """Whether frames are under way."""
        return bool(self._flight)

    @property
    def sent_to(self) -> int:
        """Where it is in the byte space: nothing from here on was sent."""
        return self._next

    @property
    def frames(self) -> int:
        """Frames that were sent."""
        return self._number

    def next_range(self, room: int) -> Range | None:
        """Return what is to go next, what was lost first; None when nothing may.

        Args:
            room: Bytes that one frame carries.
        """
        if len(self._flight) >= MOST_FRAMES or self._bytes_in_flight >= MOST_BYTES:
            return None
        gap = self._lost.lowest()
        if gap is None or gap[0] >= self.limit:  # an ack with no room for all ranges lowers it
            gap = next(self.stored.missing(self._next, self.limit), None)
        if gap is None:
            return None
        room = min(room, MOST_BYTES - self._bytes_in_flight)
        return gap[0], min(gap[1], gap[0] + room, self.limit)

    def send(self, place: Range, now: float) -> tuple[int, bool]:
        """Note that a range leaves.

        Args:
            place: From `next_range`, or an empty one for a probe.
            now: Seconds on the caller's clock.

        Returns:
            The number of its frame, and whether it had been sent before.
        """
        first, end = place
        number, self._number = self._number, self._number + 1
        is_repeat = first < self._next
        if first < end:
            self._lost.remove(first, end)
            self._flight[number] = SentFrame(first, end, now, is_repeat)
            self._bytes_in_flight += end - first
            self._next = max(self._next, end)
        return number, is_repeat

    def left(self, number: int, now: float) -> None:
        """Note when a frame really left: it may have waited for its turn."""
        if frame := self._flight.get(number):
            self._flight[number] = SentFrame(frame.first, frame.end, now, frame.is_repeat)

    def take(self, ack: RangeAck, now: float) -> bool:
        """Take in an ack; return whether it says that more is stored."""
        before = self.stored.total()
        for first, end in ack.ranges:
            if self.stored.takes(first, end):  # the others count as missing, R-ARQ-13
                self.stored.add(first, min(end, self._size))
        self.limit = min(ack.limit, self._size)
        heard = -1 if ack.heard is None else ack.heard
        self._heard = max(self._heard, heard)
        for number, frame in list(self._flight.items()):
            if not self.stored.covers(frame.first, frame.end):
                continue
            self._forget(number, frame)
            if number == heard:
                self._measure(now - frame.at - min(ack.delay_ms / 1000, _LONGEST_ACK_DELAY))
            elif frame.is_repeat and number > heard:
                # The first copy was only late: wait longer before the next repeat.
                self._reordering = min(self._reordering * 2, _MOST_REORDERING)
        self._forget_what_is_stored()
        self.find_lost(now)
        return self.stored.total() > before

    def find_lost(self, now: float) -> None:
        """Give up frames that later ones have overtaken, R-ARQ-4."""
        self.look_at = math.inf
        patience = _TIME_THRESHOLD * self.round_trip
        for number, frame in list(self._flight.items()):
            if number + self._reordering > self._heard:
                break  # numbers only grow
            if now >= frame.at + patience:
                self._lose(number, frame)
            else:
                self.look_at = min(self.look_at, frame.at + patience)

    def give_up_oldest(self) -> None:
        """Take the oldest frame in flight for lost."""
        for number, frame in self._flight.items():
            self._lose(number, frame)
            return

    def _measure(self, round_trip: float) -> None:
        round_trip = max(round_trip, 0.0)
        self.timer.answered(round_trip)
        self.round_trip = max(round_trip, self.timer.smoothed or 0.0)

    def _lose(self, number: int, frame: SentFrame) -> None:
        self._forget(number, frame)
        for first, end in self.stored.missing(frame.first, frame.end):
            self._lost.add(first, end)

    def _forget(self, number: int, frame: SentFrame) -> None:
        del self._flight[number]
        self._bytes_in_flight -= frame.end - frame.first

    def _forget_what_is_stored(self) -> None:
        if self._lost.lowest() is None:
            return
        still = RangeSet()
        for lost in self._lost.pairs():
            for first, end in self.stored.missing(*lost):
                still.add(first, end)
        self._lost = still
