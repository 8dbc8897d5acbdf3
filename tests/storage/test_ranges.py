from hypothesis import given
from hypothesis import strategies as st

from ocft.storage.ranges import Range, coalesce, covers, overlaps

_ranges = st.tuples(st.integers(0, 40), st.integers(0, 8)).map(lambda pair: (pair[0], sum(pair)))


def _bytes_in(ranges: list[Range]) -> set[int]:
    return {place for first, end in ranges for place in range(first, end)}


@given(st.lists(_ranges))
def test_coalesced_ranges_are_the_same_set_sorted_and_never_touch(ranges: list[Range]) -> None:
    joined = coalesce(ranges)
    assert _bytes_in(joined) == _bytes_in(ranges)
    assert all(first < end for first, end in joined)
    ends = [end for _, end in joined[:-1]]
    assert all(end < first for end, (first, _) in zip(ends, joined[1:], strict=True))


@given(st.lists(_ranges), _ranges)
def test_covers_and_overlaps_are_subset_and_intersection(ranges: list[Range], asked: Range) -> None:
    joined, wanted = coalesce(ranges), _bytes_in([asked])
    assert covers(joined, *asked) == (wanted <= _bytes_in(joined))
    assert overlaps(joined, *asked) == bool(wanted & _bytes_in(joined))
