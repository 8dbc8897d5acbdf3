"""A set of numbers kept as ranges: the bytes or chunks that are stored."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

MOST_RANGES: Final = 4096
"""Ranges that what comes from a peer may make of one transfer (R-ARQ-13)."""

Range = tuple[int, int]
"""The numbers from the first up to, and without, the second."""


class RangeSet:
    """Half-open ranges `[first, end)`, sorted, never touching each other.

    Args:
        ranges: Any ranges to start with; they may overlap and come in any order.
    """

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._firsts: list[int] = []
        self._ends: list[int] = []
        for first, end in ranges:
            self.add(first, end)

    def add(self, first: int, end: int) -> None:
        """Add all numbers from `first` up to, not including, `end`; an empty range adds none."""
        if first >= end:
            return
        # The ranges that overlap or touch the new one become one with it.
        low = bisect_left(self._ends, first)
        high = bisect_right(self._firsts, end)
        if low < high:
            first = min(first, self._firsts[low])
            end = max(end, self._ends[high - 1])
        self._firsts[low:high] = [first]
        self._ends[low:high] = [end]

    def remove(self, first: int, end: int) -> None:
        """Take out all numbers from `first` up to, not including, `end`."""
        if first >= end:
            return
        low = bisect_right(self._ends, first)
        high = bisect_left(self._firsts, end)
        if low >= high:
            return
        left, right = self._firsts[low], self._ends[high - 1]
        kept = [(a, b) for a, b in ((left, first), (end, right)) if a < b]
        self._firsts[low:high] = [a for a, _ in kept]
        self._ends[low:high] = [b for _, b in kept]

    def missing(self, first: int, end: int) -> Iterator[Range]:
        """Yield the ranges of `[first, end)` that are not in the set, sorted."""
        place = bisect_right(self._ends, first)
        while first < end:
            if place >= len(self._firsts) or self._firsts[place] >= end:
                yield first, end
                return
            if first < self._firsts[place]:
                yield first, self._firsts[place]
            first = self._ends[place]
            place += 1

    def covers(self, first: int, end: int) -> bool:
        """Say whether every number of `[first, end)` is in the set."""
        if first >= end:
            return True
        place = bisect_right(self._firsts, first) - 1
        return place >= 0 and self._ends[place] >= end

    def overlaps(self, first: int, end: int) -> bool:
        """Say whether any number of `[first, end)` is in the set."""
        place = bisect_right(self._ends, first)
        return first < end and place < len(self._firsts) and self._firsts[place] < end

    def takes(self, first: int, end: int) -> bool:
        """Say whether a peer's bytes may be added: not as one range more than there may be.

        What is missing first always may, so a set that is full can fill up again (R-ARQ-13).
        """
        if len(self._firsts) < MOST_RANGES or first <= self.first_missing():
            return True
        place = bisect_left(self._ends, first)  # the first range that overlaps or touches
        return place < len(self._firsts) and self._firsts[place] <= end

    def lowest(self) -> Range | None:
        """Return the first range, or None of an empty set."""
        return (self._firsts[0], self._ends[0]) if self._firsts else None

    def first_missing(self) -> int:
        """Return the smallest number, from 0, that is not in the set."""
        return self._ends[0] if self._firsts and self._firsts[0] <= 0 else 0

    def total(self) -> int:
        """Return how many numbers are in the set."""
        return sum(self._ends) - sum(self._firsts)

    def copy(self) -> "RangeSet":
        """Return a set of the same numbers that changes by itself."""
        other = RangeSet()
        other._firsts, other._ends = self._firsts[:], self._ends[:]
        return other

    def pairs(self, most: int | None = None) -> list[Range]:
        """Return the ranges as `(first, end)` pairs, sorted; the lowest if `most` is given."""
        return list(islice(zip(self._firsts, self._ends, strict=True), most))
