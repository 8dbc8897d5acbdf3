from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ocft.ranges import MOST_RANGES, RangeSet

_pairs = st.tuples(st.integers(0, 40), st.integers(-3, 10)).map(lambda pair: (pair[0], sum(pair)))


def _members(pairs: list[tuple[int, int]]) -> set[int]:
    return {number for first, end in pairs for number in range(first, end)}


def _check(ranges: RangeSet, members: set[int]) -> None:
    pairs = ranges.pairs()
    assert _members(pairs) == members
    assert all(first < end for first, end in pairs)
    ends, firsts = [end for _, end in pairs[:-1]], [first for first, _ in pairs[1:]]
    assert all(end < first for end, first in zip(ends, firsts, strict=True))
    assert ranges.total() == len(members)
    assert ranges.first_missing() == next(n for n in range(len(members) + 1) if n not in members)


@given(st.lists(_pairs))
def test_ranges_are_a_set(pairs: list[tuple[int, int]]) -> None:
    _check(RangeSet(pairs), _members(pairs))


@given(st.lists(_pairs), _pairs)
def test_what_is_covered_is_a_subset(pairs: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    assert RangeSet(pairs).covers(*asked) == (_members([asked]) <= _members(pairs))


@given(st.lists(_pairs), _pairs)
def test_what_overlaps_has_a_number_in_common(
    pairs: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    assert RangeSet(pairs).overlaps(*asked) == bool(_members([asked]) & _members(pairs))


@given(st.lists(_pairs), _pairs)
def test_what_is_missing_is_the_rest_of_a_range(
    pairs: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    missing = list(RangeSet(pairs).missing(*asked))
    assert _members(missing) == _members([asked]) - _members(pairs)
    assert missing == RangeSet(missing).pairs()


class RangesAsASet(RuleBasedStateMachine):
    """The same with one set that grows, and with copies of it."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges = RangeSet()
        self.members: set[int] = set()

    @rule(pair=_pairs)
    def add(self, pair: tuple[int, int]) -> None:
        self.ranges.add(*pair)
        self.members |= _members([pair])

    @rule(pair=_pairs)
    def remove(self, pair: tuple[int, int]) -> None:
        self.ranges.remove(*pair)
        self.members -= _members([pair])

    @rule()
    def rebuild(self) -> None:
        self.ranges = RangeSet(reversed(self.ranges.pairs()))

    @rule()
    def copy(self) -> None:
        before, self.ranges = self.ranges, self.ranges.copy()
        before.add(0, 1000)

    @invariant()
    def begins_with_the_lowest_range(self) -> None:
        pairs = self.ranges.pairs()
        assert self.ranges.lowest() == (pairs[0] if pairs else None)

    @invariant()
    def is_the_set(self) -> None:
        _check(self.ranges, self.members)


test_ranges_that_grow_are_a_set = RangesAsASet.TestCase


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], []),
        ([(5, 5), (7, 6)], []),
        ([(0, 5), (5, 10)], [(0, 10)]),
        ([(0, 5), (6, 10)], [(0, 5), (6, 10)]),
        ([(6, 10), (0, 5), (5, 6)], [(0, 10)]),
        ([(0, 2), (4, 6), (8, 10), (1, 9)], [(0, 10)]),
        ([(0, 2**60)], [(0, 2**60)]),
    ],
)
def test_touching_ranges_become_one(
    pairs: list[tuple[int, int]], expected: list[tuple[int, int]]
) -> None:
    assert RangeSet(pairs).pairs() == expected


def test_a_million_chunks_in_a_row_are_one_range() -> None:  # case O7
    ranges = RangeSet()
    for index in range(10_000):
        ranges.add(index, index + 1)
    assert ranges.pairs() == [(0, 10_000)]


def test_a_set_that_is_full_takes_only_what_opens_no_range() -> None:  # R-ARQ-13
    full = RangeSet((10 * number, 10 * number + 5) for number in range(1, MOST_RANGES + 1))
    assert not full.takes(26, 27)
    assert not full.takes(10**6, 10**6 + 1)
    for first, end in ((15, 17), (18, 20), (12, 13), (15, 20), (0, 1), (0, 10**6)):
        assert full.takes(first, end), (first, end)
    full.remove(10, 15)
    assert full.takes(10**6, 10**6 + 1)


def test_a_set_that_is_full_can_still_fill_up_from_its_beginning() -> None:  # R-ARQ-13
    full = RangeSet((10 * number, 10 * number + 5) for number in range(1, MOST_RANGES + 1))
    end = 10 * MOST_RANGES + 5
    while not full.covers(0, end):
        first = full.first_missing()
        assert full.takes(first, first + 3)
        full.add(first, first + 3)


@given(st.lists(_pairs), _pairs)
def test_what_is_taken_makes_no_more_ranges(
    pairs: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    ranges = RangeSet(pairs)
    with mock.patch("ocft.ranges.MOST_RANGES", 0):
        is_taken = ranges.takes(*asked)
    count = len(ranges.pairs())
    is_lowest = asked[0] <= ranges.first_missing()
    ranges.add(*asked)
    opens = len(ranges.pairs()) > count
    assert is_taken is (is_lowest or not opens) or asked[0] >= asked[1]


def test_the_lowest_ranges_are_those_that_come_first() -> None:
    ranges = RangeSet([(30, 31), (10, 12), (20, 25)])
    assert ranges.pairs(2) == [(10, 12), (20, 25)]
    assert ranges.pairs(9) == ranges.pairs() == [(10, 12), (20, 25), (30, 31)]
