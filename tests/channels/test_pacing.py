import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.channels.pacing import LONGEST_HOLD, UNSAID_HOLD, TokenBucket


def test_a_burst_goes_at_once_and_then_one_text_an_interval() -> None:
    bucket = TokenBucket(rate=2, burst=3)
    for _ in range(3):
        assert bucket.wait_before(100.0) == 0
        bucket.take(100.0)
    assert bucket.wait_before(100.0) == pytest.approx(0.5)
    assert bucket.wait_before(100.5) == 0
    bucket.take(100.5)
    assert bucket.wait_before(100.5) == pytest.approx(0.5)


def test_silence_fills_the_bucket_up_to_the_burst_and_no_further() -> None:
    bucket = TokenBucket(rate=1, burst=2)
    bucket.take(0.0)
    for _ in range(2):
        assert bucket.wait_before(1000.0) == 0
        bucket.take(1000.0)
    assert bucket.wait_before(1000.0) == pytest.approx(1)


def test_a_text_that_went_too_early_delays_the_next() -> None:
    bucket = TokenBucket(rate=1, burst=1)
    bucket.take(0.0)
    bucket.take(0.0)
    assert bucket.wait_before(0.0) == pytest.approx(2)


def test_after_a_demanded_pause_one_text_goes_and_no_burst() -> None:
    bucket = TokenBucket(rate=1, burst=5)
    bucket.hold(10.0, 30.0)
    assert bucket.wait_before(10.0) == pytest.approx(30)
    assert bucket.wait_before(40.0) == 0
    bucket.take(40.0)
    assert bucket.wait_before(40.0) == pytest.approx(1)


def test_a_shorter_pause_does_not_shorten_an_earlier_one() -> None:
    bucket = TokenBucket(rate=1, burst=1)
    bucket.hold(0.0, 30.0)
    bucket.hold(0.0, 1.0)
    assert bucket.wait_before(0.0) == pytest.approx(30)


# Case X11: 429 with a Retry-After that makes no sense.
@pytest.mark.parametrize(
    ("demanded", "kept"),
    [
        (3600.0, LONGEST_HOLD),
        (1e9, LONGEST_HOLD),
        (math.inf, LONGEST_HOLD),
        (0.0, UNSAID_HOLD),
        (-5.0, UNSAID_HOLD),
        (-math.inf, UNSAID_HOLD),
        (math.nan, UNSAID_HOLD),
        (0.3, 0.3),
    ],
)
def test_a_pause_that_makes_no_sense_is_corrected(demanded: float, kept: float) -> None:
    bucket = TokenBucket(rate=1, burst=1)
    bucket.hold(5.0, demanded)
    assert bucket.wait_before(5.0) == pytest.approx(kept)


def test_an_unlimited_bucket_waits_only_for_demanded_pauses() -> None:
    bucket = TokenBucket(rate=math.inf, burst=1)
    for _ in range(1000):
        assert bucket.wait_before(1.0) == 0
        bucket.take(1.0)
    bucket.hold(1.0, 2.0)
    assert bucket.wait_before(1.0) == pytest.approx(2)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (math.nan, 1), (1, 0)])
def test_a_bucket_that_lets_nothing_through_is_refused(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        TokenBucket(rate, burst)


@given(
    rate=st.floats(0.01, 1000),
    burst=st.integers(1, 20),
    start=st.floats(0, 2e9),
    pauses=st.lists(st.floats(0, 100), max_size=60),
)
def test_whoever_waits_as_told_may_go_and_never_exceeds_the_rate(
    rate: float, burst: int, start: float, pauses: list[float]
) -> None:
    bucket = TokenBucket(rate, burst)
    now = start
    taken: list[float] = []
    for pause in pauses:
        now += pause
        now += bucket.wait_before(now)
        # Rounding must not make a caller wait again for less than its clock can move.
        assert bucket.wait_before(now) == 0
        bucket.take(now)
        taken.append(now)
    for first, time in enumerate(taken):
        for last in range(first, len(taken)):
            allowed = burst + (taken[last] - time) * rate
            assert last - first + 1 <= allowed + 1e-3 * (1 + rate)
