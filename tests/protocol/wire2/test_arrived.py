"""What came of a transfer: `ocft.protocol.wire2.arrived`."""

import pytest

from ocft.errors import UnexpectedMessageError
from ocft.protocol.wire2.arrived import Arrived
from ocft.ranges import MOST_RANGES, RangeSet

SIZE, MANIFEST = 10**9, 40
AHEAD, WINDOW = 64 * 1024, 64 * 1024 * 1024


def test_what_was_written_does_not_count_before_it_is_stored() -> None:  # R-ARQ-1
    arrived = Arrived(1000, MANIFEST, RangeSet())
    arrived.write(0, 100)
    assert (arrived.bytes_done, arrived.has_manifest, arrived.lowest()) == (0, False, ())
    assert not arrived.is_new(0, 100)
    assert arrived.is_new(0, 101)
    arrived.store(0, 100)
    assert (arrived.bytes_done, arrived.has_manifest) == (100 - MANIFEST, True)
    assert arrived.lowest() == ((0, 100),)
    arrived.store(100, 1000)  # also what was never written: it is not wanted
    assert arrived.has_all
    assert not arrived.is_new(0, 1000)


@pytest.mark.parametrize(
    ("is_decided", "is_known", "limit"),
    [
        (False, False, MANIFEST),
        (False, True, MANIFEST),
        (True, False, MANIFEST + AHEAD),
        (True, True, 5000 + WINDOW),
    ],
)
def test_how_much_may_come_depends_on_what_is_known(
    *, is_decided: bool, is_known: bool, limit: int
) -> None:  # R-ARQ-1, R-MAN-3
    arrived = Arrived(SIZE, MANIFEST, RangeSet([(0, 5000), (6000, 7000)]))
    assert arrived.limit(is_decided=is_decided, is_manifest_known=is_known) == limit
    small = Arrived(MANIFEST + 10, MANIFEST, RangeSet())
    assert small.limit(is_decided=True, is_manifest_known=is_known) == MANIFEST + 10


def test_six_of_the_largest_bundles_may_come() -> None:  # R-BUN-3
    bundle = 20 * 1024 * 1024
    arrived = Arrived(SIZE, MANIFEST, RangeSet([(0, 5000)]), bundle)
    assert arrived.takes_bundles
    assert arrived.limit(is_decided=False, is_manifest_known=False) == MANIFEST
    assert arrived.limit(is_decided=True, is_manifest_known=False) == MANIFEST + 6 * bundle
    assert arrived.limit(is_decided=True, is_manifest_known=True) == 5000 + 6 * bundle


def test_ranges_have_an_end_and_what_is_missing_first_always_fits() -> None:  # R-ARQ-13
    ranges = RangeSet((10 * number, 10 * number + 5) for number in range(1, MOST_RANGES + 2))
    arrived = Arrived(SIZE, MANIFEST, ranges)
    with pytest.raises(UnexpectedMessageError):
        arrived.require_fit(10**6, 10**6 + 1)
    arrived.require_fit(10**6, 10**6)  # a probe
    arrived.require_fit(0, 3)
    arrived.require_fit(15, 20)
    assert len(arrived.lowest()) == MOST_RANGES + 1
