"""When the receiver acknowledges, and which frame its ack names. R-ARQ-2."""

import math
from typing import Final

from ocft.ranges import RangeSet

_MOST_FRAMES: Final = 32
_SHORTEST_DELAY: Final = 0.1  # seconds
_LONGEST_DELAY: Final = 30.0
_BUNDLE_DELAY: Final = 30.0  # seconds, R-BUN-3: the sender asks when it needs an ack
_DUPLICATE_PAUSE: Final = 1.0  # between two acks that only a repeat asked for
_BETTER_NEWS: Final = 0.5  # seconds that an ack waits for `done`
_MOST_REMEMBERED: Final = 1024  # frames whose bytes are not stored yet


class AckSchedule:
    """Counts what came since the last ack."""

    def __init__(self) -> None:
        self.due_at = math.inf
        """When an ack has to leave, in seconds on the caller's clock."""
        self.heard: int | None = None
        """The highest number of a frame whose bytes are stored."""
        self.heard_at = 0.0
        self._waiting: dict[int, tuple[int, int, float, bool, bool]] = {}
        self._asked: int | None = None  # the frame that wants an ack at once
        self._unacknowledged = 0
        self._last_ack_at = -math.inf
        self._last_frame_at: float | None = None
        self._interval: float | None = None  # between two frames, smoothed

    def came(
        self,
        number: int,
        first: int,
        end: int,
        now: float,
        *,
        wants_ack: bool,
        is_new: bool,
        is_bundled: bool = False,
    ) -> None:
        """Note a frame.

        Args:
            number: Its number.
            first: Its first byte.
            end: The byte after its last one.
            now: Seconds on the caller's clock.
            wants_ack: Whether the sender asks for an ack at once.
            is_new: Whether any of its bytes had not been there before.
            is_bundled: Whether it came in a native file, with many others.
        """
        if is_bundled:
            self._last_frame_at = None
        if self._last_frame_at is not None:
            gap = now - self._last_frame_at
            before = gap if self._interval is None else self._interval
            self._interval = before + 0.25 * (gap - before)
        self._last_frame_at = now
        if len(self._waiting) < _MOST_REMEMBERED:
            self._waiting[number] = (first, end, now, is_new, is_bundled)
        if wants_ack:
            self._asked = max(number, self._asked or 0)
        elif not is_new:
            self.due_at = min(self.due_at, max(now, self._last_ack_at + _DUPLICATE_PAUSE))

    def stored(self, stored: RangeSet, now: float) -> None:
        """Note what is stored now."""
        # In the order of their numbers: naming one that overtook others on the way to the disk
        # would make the sender take those for lost.
        for number, (first, end, at, is_new, is_bundled) in sorted(self._waiting.items()):
            if not stored.covers(first, end):
                break
            del self._waiting[number]
            if is_bundled:
                self.due_at = min(self.due_at, now + _BUNDLE_DELAY)
            else:
                self._unacknowledged += is_new
            if self.heard is None or number > self.heard:
                self.heard, self.heard_at = number, at
        if self._asked is not None and self._asked not in self._waiting:
            self.due_at, self._asked = now, None
        elif self._unacknowledged >= _MOST_FRAMES:
            self.due_at = now
        elif self._unacknowledged:
            delay = (self._interval or 0.0) * _MOST_FRAMES
            self.due_at = min(self.due_at, now + min(max(delay, _SHORTEST_DELAY), _LONGEST_DELAY))

    def ask(self, now: float) -> None:
        """Make an ack due at once."""
        self.due_at = now

    def postpone(self, now: float) -> None:
        """Let an ack that is due wait a little for better news."""
        if self.due_at <= now:
            self.due_at = now + _BETTER_NEWS

    def acknowledged(self, now: float) -> None:
        """Note that an ack leaves, with all that is stored."""
        self.due_at = math.inf
        self._unacknowledged = 0
        self._last_ack_at = now
