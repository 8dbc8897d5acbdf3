"""Byte ranges as plain pairs, half open `(first, end)`, in a sorted list without touching ones."""

from bisect import bisect_left
from collections.abc import Iterable
from operator import itemgetter

Range = tuple[int, int]
"""The bytes from the first number up to, and without, the second."""

_end = itemgetter(1)


def add_range(ranges: list[Range], first: int, end: int) -> None:
    """Add a range in place, joined with those that it touches; an empty one changes nothing.

    Args:
        ranges: Sorted, and no two of them touch; stays so.
        first: Where the new range begins.
        end: The byte after its last one.
    """
    if first >= end:
        return
    start = stop = bisect_left(ranges, first, key=_end)
    while stop < len(ranges) and ranges[stop][0] <= end:
        first = min(first, ranges[stop][0])
        end = max(end, ranges[stop][1])
        stop += 1
    ranges[start:stop] = [(first, end)]


def coalesce(ranges: Iterable[Range]) -> list[Range]:
    """Return the same bytes in as few ranges as possible, sorted."""
    joined: list[Range] = []
    for first, end in ranges:
        add_range(joined, first, end)
    return joined


def covers(ranges: list[Range], first: int, end: int) -> bool:
    """Say whether all bytes of a range are in the (coalesced) ranges."""
    if first >= end:
        return True
    place = bisect_left(ranges, end, key=_end)
    return place < len(ranges) and ranges[place][0] <= first


def overlaps(ranges: list[Range], first: int, end: int) -> bool:
    """Say whether any byte of a range is in the (coalesced) ranges."""
    place = bisect_left(ranges, first + 1, key=_end)
    return first < end and place < len(ranges) and ranges[place][0] < end
