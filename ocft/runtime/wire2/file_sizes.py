"""How large a native file of the channel may be: tried, and remembered (R-BUN-4).

Platforms state one limit and enforce another, per server and per day. So the size that surely
passes is used first, the largest one worth a try next, and what was refused is not tried again for
a week. A file that takes too long is no sign of life for the peer: then smaller ones go.
"""

import logging
from collections.abc import Callable
from typing import Final

from ocft.channels import FileLimits, Marks
from ocft.errors import StorageError

SMALLEST: Final = 256 * 1024
"""Bytes. A channel that refuses files of this size carries none."""
_log = logging.getLogger(__name__)
_REFUSAL_SECONDS: Final = 7 * 24 * 3600.0
_SIZE = "size-of-files"
_REFUSED = "larger-file-refused-at"
_NEARLY: Final = 0.9  # of a size: bundles are filled with whole frames
_QUICK: Final = 30.0  # seconds; where a file took no longer, one of twice its size may be tried


class FileSizes:
    """What is known of one channel.

    Args:
        limits: What its adapter says.
        marks: Where it is remembered.
        wall_clock: Seconds since the epoch.
    """

    def __init__(self, limits: FileLimits, marks: Marks, wall_clock: Callable[[], float]) -> None:
        self._limits = limits
        self._marks = marks
        self._wall_clock = wall_clock
        self._refused_at = _number(marks.get(_REFUSED))
        known = _number(marks.get(_SIZE))
        self._size = limits.max_size if known is None else min(known, limits.ceiling)
        self._has_passed = False  # a file of about that size, since the start
        self._bearable = limits.ceiling  # bytes that go up in time, for all that is known

    @property
    def at_once(self) -> int:
        """How many files may be on their way up at the same time."""
        return self._limits.at_once

    @property
    def size(self) -> int:
        """Bytes of the next file; 0: the channel takes none."""
        size = self._size
        if size < SMALLEST:  # they were refused altogether: perhaps that was changed since
            size = 0 if self._was_refused_lately() else self._limits.max_size
        elif self._has_passed and not self._was_refused_lately():
            size = self._limits.ceiling
        return min(size, self._bearable) if size >= SMALLEST else 0

    def passed(self, size: int, seconds: float = 0.0) -> None:
        """Note that the platform took a file, and how long that took."""
        if seconds <= _QUICK and size >= _NEARLY * self._bearable:
            self._bearable = min(2 * self._bearable, self._limits.ceiling)
        if size >= _NEARLY * self._size:
            self._has_passed = True
        if size > self._size:
            self._change(size)

    def refused(self, size: int) -> None:
        """Note that the platform refused a file for its size, or altogether."""
        self._refused_at = int(self._wall_clock())
        self._keep(_REFUSED, self._refused_at)
        if size <= self._size:  # what used to pass does not any more
            self._change(size // 2)

    def was_slow(self, left: int) -> None:
        """Note that a file took too long; this much of it had left."""
        self._bearable = max(min(self._bearable, left) // 3, SMALLEST)

    def _change(self, size: int) -> None:
        self._size = size
        self._keep(_SIZE, size)

    def _keep(self, key: str, value: int) -> None:
        try:
            self._marks.set(key, str(value))
        except StorageError as error:
            _log.warning("what a channel takes cannot be noted: %s", error)

    def _was_refused_lately(self) -> bool:
        if self._refused_at is None:
            return False
        # A time to come: the clock was set back.
        return 0 <= self._wall_clock() - self._refused_at < _REFUSAL_SECONDS


def _number(mark: str | None) -> int | None:
    return int(mark) if mark is not None and mark.isdecimal() else None
