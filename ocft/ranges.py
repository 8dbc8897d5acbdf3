"""A set of numbers kept as ranges: the bytes or chunks that are stored."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

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

    def first_missing(self) -> int:
        """Return the smallest number, from 0, that is not in the set."""
        return self._ends[0] if self._firsts and self._firsts[0] <= 0 else 0

    def total(self) -> int:
        """Return how many numbers are in the set."""
        return sum(self._ends) - sum(self._firsts)

    def pairs(self) -> list[Range]:
        """Return the ranges as `(first, end)` pairs, sorted."""
        return list(zip(self._firsts, self._ends, strict=True))
