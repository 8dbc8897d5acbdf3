"""When an ack is due: R-ARQ-2."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.protocol.wire2.acks import AckSchedule
from ocft.ranges import RangeSet

SIZE = 10  # bytes of a frame


class _Clocked:
    """A schedule whose disk answers at once, and the acks that left."""

    def __init__(self) -> None:
        self.schedule = AckSchedule()
        self.stored = RangeSet()
        self.acks: list[float] = []
        self.now = 0.0

    def until(self, now: float) -> None:
        while self.schedule.due_at <= now:
            self.acks.append(self.schedule.due_at)
            self.schedule.acknowledged(self.schedule.due_at)
        self.now = now

    def frame(
        self, number: int, at: float, *, place: int | None = None, asks: bool = False
    ) -> None:
        self.until(at)
        first = (number if place is None else place) * SIZE
        is_new = not self.stored.covers(first, first + SIZE)
        self.schedule.came(number, first, first + SIZE, at, wants_ack=asks, is_new=is_new)
        self.stored.add(first, first + SIZE)
        self.schedule.stored(self.stored, at)
        self.until(at)


def test_nothing_is_due_before_anything_came() -> None:
    assert AckSchedule().due_at == math.inf
    assert AckSchedule().heard is None


def test_a_burst_gets_an_ack_for_every_thirty_two_frames() -> None:
    clocked = _Clocked()
    for number in range(320):
        clocked.frame(number, 0.0001 * number)
    assert len(clocked.acks) == 10


def test_an_ack_waits_for_the_time_that_thirty_two_frames_take() -> None:
    clocked = _Clocked()
    for number in range(400):
        clocked.frame(number, 0.5 * number)
    gaps = [after - before for before, after in pairwise(clocked.acks[-5:])]
    assert gaps == pytest.approx([16.0] * 4)


def test_an_ack_waits_a_tenth_of_a_second_at_least() -> None:
    clocked = _Clocked()
    clocked.frame(0, 5.0)
    assert clocked.schedule.due_at == pytest.approx(5.1)


def test_an_ack_waits_thirty_seconds_at_most() -> None:
    clocked = _Clocked()
    for number in range(30):
        clocked.frame(number, 100.0 * number)
    assert clocked.schedule.due_at == 2900 + 30


def test_an_ack_names_no_frame_that_overtook_another_on_the_way_to_the_disk() -> None:
    schedule = AckSchedule()
    schedule.came(0, 0, 10, 1.0, wants_ack=False, is_new=True)
    schedule.came(1, 20, 30, 1.0, wants_ack=False, is_new=False)
    schedule.stored(RangeSet([(20, 30)]), 1.0)
    assert schedule.heard is None
    schedule.stored(RangeSet([(0, 30)]), 1.0)
    assert schedule.heard == 1


def test_more_frames_do_not_put_off_what_is_due() -> None:
    clocked = _Clocked()
    clocked.frame(0, 0.0)
    due_at = clocked.schedule.due_at
    clocked.frame(1, 0.05)
    assert clocked.schedule.due_at == due_at


def test_a_frame_that_asks_gets_its_ack_at_once() -> None:
    clocked = _Clocked()
    clocked.frame(0, 3.0, asks=True)
    assert clocked.acks == [3.0]
    clocked.until(100)
    assert clocked.acks == [3.0]


def test_a_frame_that_asks_gets_its_ack_when_it_is_stored() -> None:
    schedule = AckSchedule()
    schedule.came(0, 0, 10, 1.0, wants_ack=True, is_new=True)
    assert schedule.due_at == math.inf
    schedule.stored(RangeSet([(0, 9)]), 2.0)
    assert schedule.due_at == math.inf
    schedule.stored(RangeSet([(0, 10)]), 3.0)
    assert schedule.due_at == 3.0


def test_an_ack_in_between_does_not_answer_who_asked() -> None:
    schedule = AckSchedule()
    schedule.came(0, 0, 10, 1.0, wants_ack=True, is_new=True)
    schedule.ask(1.5)
    schedule.acknowledged(1.5)
    schedule.stored(RangeSet([(0, 10)]), 2.0)
    assert schedule.due_at == 2.0


def test_what_comes_again_is_acknowledged_at_most_once_a_second() -> None:
    clocked = _Clocked()
    clocked.frame(0, 0.0, asks=True)
    for number in range(1, 500):
        clocked.frame(number, 0.01 * number, place=0)
    clocked.until(60)
    assert clocked.acks == pytest.approx([0, 1, 2, 3, 4, 5])


def test_the_highest_frame_that_is_stored_is_the_one_that_was_heard() -> None:
    clocked = _Clocked()
    for number, at in ((5, 1.0), (3, 2.0), (9, 3.0), (7, 4.0)):
        clocked.frame(number, at)
    assert (clocked.schedule.heard, clocked.schedule.heard_at) == (9, 3.0)


def test_a_repeat_is_heard_too() -> None:
    clocked = _Clocked()
    clocked.frame(0, 1.0)
    clocked.frame(8, 2.0, place=0)
    assert clocked.schedule.heard == 8


def test_better_news_puts_off_an_ack_that_is_due_by_half_a_second() -> None:
    schedule = AckSchedule()
    schedule.ask(5.0)
    schedule.postpone(5.0)
    assert schedule.due_at == 5.5
    schedule.postpone(5.25)
    assert schedule.due_at == 5.5


def test_an_ack_leaves_nothing_due() -> None:
    schedule = AckSchedule()
    schedule.ask(5.0)
    schedule.acknowledged(5.0)
    assert schedule.due_at == math.inf


def test_frames_that_are_never_stored_do_not_fill_the_memory() -> None:  # case X1
    schedule = AckSchedule()
    for number in range(10_000):
        schedule.came(number, 10 * number, 10 * number + 10, 0.0, wants_ack=True, is_new=True)
    assert len(schedule._waiting) == 1024
    schedule.stored(RangeSet([(0, 5)]), 1.0)
    assert schedule.due_at == 1.0


@given(st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_whatever_comes_is_acknowledged_within_thirty_seconds(gaps: list[float]) -> None:
    clocked = _Clocked()
    at = 0.0
    oldest: float | None = None
    acks = 0
    for number, gap in enumerate(gaps):
        at += gap
        clocked.until(at)
        if len(clocked.acks) > acks:
            acks, oldest = len(clocked.acks), None
        assert oldest is None or at - oldest <= 30.0 + 1e-6
        clocked.frame(number, at)
        if len(clocked.acks) > acks:
            acks, oldest = len(clocked.acks), None
        else:
            oldest = at if oldest is None else oldest
    assert len(clocked.acks) <= len(gaps)
