"""The sender's view of the byte space: what is stored over there, in flight, lost, still to go.

It knows frames by number and ranges, times as arguments, and neither keys nor texts.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from ocft.protocol.timers import RetransmissionTimer
from ocft.ranges import Range, RangeSet
from ocft.wire import RangeAck

MOST_FRAMES: Final = 256  # R-ARQ-6
MOST_BYTES: Final = 16 * 1024 * 1024
_REORDERING: Final = 3  # frames, RFC 9002 section 6.1.1
_MOST_REORDERING: Final = 64
_WORTH_A_FILE: Final = 0.75  # of a native file's size, R-BUN-3
_LONGEST_ACK_DELAY: Final = 30.0  # seconds, R-SEA-2: a peer's word must not stop our probes
_TIME_THRESHOLD: Final = 9 / 8  # round trips, RFC 9002 section 6.1.2


@dataclass(frozen=True, slots=True)
class SentFrame:
    """One frame in flight."""

    first: int
    end: int
    at: float
    """When it left; infinity: it is on its way up to the platform."""
    is_repeat: bool
    bundle: int | None = None
    """Which native file it is in: all of that comes, or none of it."""


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
        self._most_frames = MOST_FRAMES
        self._most_bytes = MOST_BYTES
        self._bundles = 0  # native files that were begun
        self._most_bundles = 1  # in flight, R-BUN-3
        self._bundle_size = 0  # bytes of a native file

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

    @property
    def unsent(self) -> int:
        """Bytes that are to go, at most: those that were lost, and those that never went."""
        return self._lost.total() + max(0, self.limit - self._next)

    @property
    def has_bundles(self) -> bool:
        """Whether native files are under way."""
        return any(frame.bundle is not None for frame in self._flight.values())

    @property
    def has_unsent_bundles(self) -> bool:
        """Whether native files have not reached the platform yet."""
        return any(frame.at == math.inf for frame in self._flight.values())

    @property
    def bundled_bytes(self) -> int:
        """Bytes in native files that are under way."""
        return sum(one.end - one.first for one in self._flight.values() if one.bundle is not None)

    @property
    def is_full_of_bundles(self) -> bool:
        """Whether no other native file may leave before one of them is acknowledged."""
        if not self._bundle_size:  # there are none; this is asked for each text
            return False
        bundles = self._bundles_in_flight
        # A part of a file costs a message, as a whole one does, and an ack lets that go.
        return bundles >= self._most_bundles or (bundles > 0 and self._is_next_cut_short)

    def is_short_of_bundles(self, at_least: int) -> bool:
        """Say whether the rest needs an ack on its way, so that this many files can go until then.

        Args:
            at_least: Native files.
        """
        left = self._most_bundles - self._bundles_in_flight
        may_go = min(max(0, self.limit - self._next), left * self._bundle_size)
        return self._size - self._next > may_go and may_go <= at_least * self._bundle_size

    @property
    def _bundles_in_flight(self) -> int:
        return len({one.bundle for one in self._flight.values()} - {None})

    @property
    def _is_next_cut_short(self) -> bool:
        """Whether the next file would be only a part of one, because of a limit."""
        gap = next(self.stored.missing(self._next, self._size), None)
        if gap is None or self._lost.lowest() is not None:
            return False
        may_go = min(self.limit - gap[0], self._most_bytes - self._bytes_in_flight)
        return may_go < min(_WORTH_A_FILE * self._bundle_size, self._size - gap[0])

    def widen(
        self, most_bundles: int, most_bytes: int, most_frames: int, *, reordering: int = 0
    ) -> None:
        """Let more be in flight, as native files hold many frames and overtake one another.

        Args:
            most_bundles: Native files in flight.
            most_bytes: Bytes in all of them.
            most_frames: Frames in all of them.
            reordering: By how many frames others may be overtaken; 0: by as many.
        """
        self._most_bundles = most_bundles
        self._bundle_size = most_bytes // most_bundles
        self._most_bytes = max(most_bytes, MOST_BYTES)
        self._most_frames = max(2 * most_frames, MOST_FRAMES)
        self._reordering = max(self._reordering, reordering or most_frames)

    def begin_bundle(self) -> int:
        """Return the number of a native file that is to be filled."""
        self._bundles += 1
        return self._bundles

    def next_range(self, room: int) -> Range | None:
        """Return what is to go next, what was lost first; None when nothing may.

        Args:
            room: Bytes that one frame carries.
        """
        if len(self._flight) >= self._most_frames or self._bytes_in_flight >= self._most_bytes:
            return None
        gap = self._lost.lowest()
        if gap is None or gap[0] >= self.limit:  # an ack with no room for all ranges lowers it
            gap = next(self.stored.missing(self._next, self.limit), None)
        if gap is None:
            return None
        room = min(room, self._most_bytes - self._bytes_in_flight)
        return gap[0], min(gap[1], gap[0] + room, self.limit)

    def send(self, place: Range, now: float, bundle: int | None = None) -> tuple[int, bool]:
        """Note that a range leaves.

        Args:
            place: From `next_range`, or an empty one for a probe.
            now: Seconds on the caller's clock.
            bundle: The native file that it goes into; None: a text.

        Returns:
            The number of its frame, and whether it had been sent before.
        """
        first, end = place
        number, self._number = self._number, self._number + 1
        is_repeat = first < self._next
        if first < end:
            self._lost.remove(first, end)
            at = now if bundle is None else math.inf
            self._flight[number] = SentFrame(first, end, at, is_repeat, bundle)
            self._bytes_in_flight += end - first
            self._next = max(self._next, end)
        return number, is_repeat

    def left(self, number: int, now: float) -> None:
        """Note when a frame really left: it may have waited for its turn."""
        if frame := self._flight.get(number):
            self._flight[number] = replace(frame, at=now)

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
            if number == heard and frame.at < math.inf:
                self._measure(now - frame.at - min(ack.delay_ms / 1000, _LONGEST_ACK_DELAY))
            elif frame.is_repeat and number > heard:
                # The first copy was only late: wait longer before the next repeat.
                more = min(self._reordering * 2, _MOST_REORDERING)
                self._reordering = max(self._reordering, more)  # files may want more
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
        """Take the oldest frame in flight for lost, and what was in one file with it."""
        oldest = next(iter(self._flight.items()), None)
        if oldest is None:
            return
        number, frame = oldest
        if frame.bundle is None:
            self._lose(number, frame)
        else:
            same = [n for n, one in self._flight.items() if one.bundle == frame.bundle]
            self.give_up(same)

    def give_up(self, numbers: Iterable[int]) -> None:
        """Take frames for lost: they never left, or can be had no more."""
        for number in numbers:
            if frame := self._flight.get(number):
                self._lose(number, frame)

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
