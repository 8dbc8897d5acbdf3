import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.protocol import Patience
from ocft.protocol.timers import RetransmissionTimer

_round_trips = st.floats(0, 1e6)


def test_before_the_first_answer_the_wait_is_a_guess() -> None:
    assert RetransmissionTimer().timeout == 3.0


def test_the_first_answer_sets_the_estimate() -> None:  # RFC 6298, 2.2
    timer = RetransmissionTimer()
    timer.answered(2.0)
    assert timer.timeout == 2.0 + 4 * 1.0


def test_later_answers_move_the_estimate() -> None:  # RFC 6298, 2.3
    timer = RetransmissionTimer()
    timer.answered(2.0)
    timer.answered(4.0)
    variation = 0.75 * 1.0 + 0.25 * abs(2.0 - 4.0)
    smoothed = 0.875 * 2.0 + 0.125 * 4.0
    assert timer.timeout == pytest.approx(smoothed + 4 * variation)


def test_a_steady_answer_is_waited_for_not_much_longer_than_it_takes() -> None:
    timer = RetransmissionTimer()
    for _ in range(100):
        timer.answered(5.0)
    assert 5.0 < timer.timeout < 5.2


def test_the_wait_doubles_each_time_in_vain_up_to_a_longest() -> None:
    timer = RetransmissionTimer()
    waits = []
    for _ in range(8):
        waits.append(timer.timeout)
        timer.expired()
    assert waits == [3, 6, 12, 24, 48, 60, 60, 60]


def test_a_longest_wait_of_its_own_is_kept_to() -> None:
    timer = RetransmissionTimer(longest=300.0)
    for _ in range(1000):
        timer.expired()
    assert timer.timeout == 300.0


def test_an_answer_to_a_repeat_ends_the_doubling_and_teaches_nothing() -> None:
    """Karn's rule: nobody knows which copy was answered."""
    timer = RetransmissionTimer()
    timer.answered(0.5)
    before = timer.timeout
    timer.expired()
    timer.expired()
    assert timer.timeout == 4 * before
    timer.answered(None)
    assert timer.timeout == before


@given(st.lists(st.none() | _round_trips))
def test_whatever_happens_the_wait_stays_in_its_bounds(events: list[float | None]) -> None:
    timer = RetransmissionTimer()
    for event in events:
        timer.expired() if event is None else timer.answered(event)
        assert 1.0 <= timer.timeout <= 60.0


@given(_round_trips)
def test_an_answer_that_always_takes_as_long_is_never_late(round_trip: float) -> None:
    timer = RetransmissionTimer()
    for _ in range(20):
        timer.answered(round_trip)
        assert timer.timeout >= min(round_trip, 60.0)


def test_patience_has_an_end_unless_the_whole_transfer_may_take_what_it_takes() -> None:
    assert (Patience().decision, Patience().idle, Patience().total) == (3600.0, 900.0, None)
