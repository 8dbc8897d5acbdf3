import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ocft.ranges import RangeSet

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
