"""The sender's view of the byte space: R-ARQ-3, R-ARQ-4, R-ARQ-6."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocft.protocol.wire2.window import MOST_BYTES, MOST_FRAMES, Window
from ocft.ranges import Range, RangeSet
from ocft.wire import RangeAck

ROOM = 10


def ack_of(*ranges: Range, heard: int | None, limit: int = 1 << 40, delay_ms: int = 0) -> RangeAck:
    """Return an ack."""
    return RangeAck(heard=heard, delay_ms=delay_ms, limit=limit, ranges=ranges, is_decided=True)


def window_of(size: int = 200, *, limit: int = 1 << 40, stored: tuple[Range, ...] = ()) -> Window:
    """Return a window."""
    return Window(size, limit, stored)


def send_all(window: Window, now: float, room: int = ROOM) -> list[int]:
    """Send all that may go; return the numbers."""
    numbers = []
    while (place := window.next_range(room)) is not None:
        numbers.append(window.send(place, now)[0])
    return numbers


def in_flight(window: Window) -> list[Range]:
    """Return what is under way."""
    return [(frame.first, frame.end) for frame in window._flight.values()]


def test_bytes_go_in_their_order_and_once() -> None:
    window = window_of(25)
    assert send_all(window, 0) == [0, 1, 2]
    assert in_flight(window) == [(0, 10), (10, 20), (20, 25)]
    assert window.next_range(ROOM) is None


def test_what_is_stored_is_stepped_over() -> None:
    window = window_of(50, stored=((5, 12), (20, 44)))
    send_all(window, 0)
    assert in_flight(window) == [(0, 5), (12, 20), (44, 50)]


def test_nothing_goes_beyond_the_limit_until_it_moves() -> None:  # R-ARQ-6
    window = window_of(50, limit=15)
    send_all(window, 0)
    assert in_flight(window) == [(0, 10), (10, 15)]
    window.take(ack_of((0, 15), heard=1, limit=1000), 1)
    assert window.limit == 50
    send_all(window, 1)
    assert in_flight(window) == [(15, 25), (25, 35), (35, 45), (45, 50)]


def test_at_most_256_frames_are_in_flight() -> None:  # R-ARQ-6
    window = window_of(100_000)
    assert len(send_all(window, 0)) == MOST_FRAMES
    window.take(ack_of((0, 50), heard=4), 1)
    assert len(send_all(window, 1)) == 5


def test_at_most_16_mib_are_in_flight() -> None:  # R-ARQ-6
    window = window_of(10 * MOST_BYTES)
    room = 1_000_000
    send_all(window, 0, room)
    assert window._bytes_in_flight == MOST_BYTES
    window.take(ack_of((0, room), heard=0), 1)
    assert window.next_range(room) is not None
    send_all(window, 1, room)
    assert window._bytes_in_flight == MOST_BYTES


def test_a_probe_of_no_bytes_is_not_in_flight_and_has_a_number() -> None:
    window = window_of(10)
    send_all(window, 0)
    assert window.send((10, 10), 1) == (1, False)
    assert in_flight(window) == [(0, 10)]
    assert window.frames == 2


def test_a_repeat_is_known_as_one() -> None:
    window = window_of(30)
    send_all(window, 0)
    window.give_up_oldest()
    assert window.send((0, 10), 1) == (3, True)


def test_a_frame_that_three_later_ones_overtook_is_lost() -> None:  # R-ARQ-4
    window = window_of(100)
    send_all(window, 0)
    window.take(ack_of((10, 30), heard=2), 1)
    assert window.next_range(ROOM) is None
    window.take(ack_of((10, 40), heard=3), 2)
    assert window.next_range(ROOM) is None  # two seconds old: the round trip is two by now
    window.find_lost(2.25)
    assert window.next_range(ROOM) == (0, 10)


def test_a_frame_is_looked_at_again_when_it_is_old_enough() -> None:
    window = window_of(100)
    send_all(window, 0)
    window.take(ack_of((10, 40), heard=3, delay_ms=0), 1)
    assert window.look_at == 1.125
    window.find_lost(1.125)
    assert window.look_at == math.inf
    assert window.next_range(ROOM) == (0, 10)


def test_only_the_bytes_that_are_missing_go_again_and_in_frames_of_todays_room() -> None:
    window = window_of(100)
    send_all(window, 0, 30)
    window.take(ack_of((10, 20), heard=None), 5)
    window.give_up_oldest()
    assert [window.next_range(7)] == [(0, 7)]
    window.send((0, 7), 5)
    assert window.next_range(7) == (7, 10)
    window.send((7, 10), 5)
    assert window.next_range(7) == (20, 27)


def test_what_was_given_up_and_is_acknowledged_late_is_not_sent_again() -> None:
    """Seen only after a thousand runs of a model: the first copy was late, not lost."""
    window = window_of(100)
    send_all(window, 0)
    window.give_up_oldest()
    window.give_up_oldest()
    assert window.next_range(ROOM) == (0, 10)
    window.take(ack_of((0, 15), heard=1), 5)
    assert window.next_range(ROOM) == (15, 20)


def test_the_late_ack_of_a_first_copy_makes_no_other_frame_look_lost() -> None:
    """A repeat's high number is no evidence about the frames between it and its first copy."""
    window = window_of(200)
    send_all(window, 0)
    window.give_up_oldest()
    send_all(window, 10)  # as number 20
    window.take(ack_of((0, 10), heard=0), 100)
    assert window.next_range(ROOM) is None
    assert len(in_flight(window)) == 19


def test_a_spurious_repeat_doubles_how_far_frames_may_be_overtaken() -> None:  # R-ARQ-4
    window = window_of(2000)
    send_all(window, 0)
    for place, threshold in enumerate((6, 12, 24, 48, 64, 64)):
        window._lose(place, window._flight[place])
        assert window.next_range(ROOM) == (10 * place, 10 * place + 10)
        window.send((10 * place, 10 * place + 10), 1)
        window.take(ack_of((0, 10 * place + 10), heard=place), 2)
        assert window._reordering == threshold


def test_a_repeat_that_was_heard_was_needed() -> None:
    window = window_of(100)
    send_all(window, 0)
    window.give_up_oldest()
    (number,) = send_all(window, 1)
    window.take(ack_of((0, 10), heard=number), 2)
    assert window._reordering == 3


def test_the_round_trip_is_that_of_the_frame_that_was_heard() -> None:
    window = window_of(100)
    send_all(window, 0)
    window.left(4, 3.0)
    window.take(ack_of((0, 50), heard=4, delay_ms=500), 5.0)
    assert window.round_trip == 1.5
    assert window.timer.smoothed == 1.5


def test_an_ack_from_before_a_frame_could_have_come_measures_nothing_negative() -> None:
    window = window_of(100)
    send_all(window, 0)
    window.take(ack_of((0, 50), heard=4, delay_ms=5000), 1.0)
    assert window.round_trip == 0


def test_a_frame_that_is_not_in_flight_any_more_measures_nothing() -> None:
    window = window_of(100)
    send_all(window, 0)
    window.give_up_oldest()
    window.take(ack_of((0, 10), heard=0), 50)
    assert window.timer.smoothed is None


@pytest.mark.parametrize("size", [1, 255, 1000])
def test_all_stored_is_all_of_the_byte_space(size: int) -> None:
    window = window_of(size)
    send_all(window, 0)
    window.take(ack_of((0, size - 1), heard=0) if size > 1 else ack_of(heard=None), 1)
    assert not window.is_all_stored
    assert window.take(ack_of((0, size), heard=0), 2)
    assert window.stored.pairs() == [(0, size)]
    assert not window.take(ack_of((0, size), heard=0), 3)
    assert not window.has_flight


class _Checked:
    """A window, and what it must be true of after each step."""

    def __init__(self, size: int, limit: int, stored: list[Range]) -> None:
        self.size = size
        self.window = Window(size, limit, stored)
        self.came = RangeSet(stored)
        self.acked = RangeSet(stored)
        self.frames: dict[int, Range] = {}
        self.arrived: set[int] = set()
        self.limit = limit
        self.now = 0.0

    def send(self, room: int) -> None:
        place = self.window.next_range(room)
        if place is None:
            return
        first, end = place
        assert 0 <= first < end <= min(self.size, self.limit)
        assert end - first <= room
        assert not self.acked.overlaps(first, end)
        for frame in self.window._flight.values():
            assert end <= frame.first or frame.end <= first  # not while it is on its way
        number, is_repeat = self.window.send(place, self.now)
        assert number == len(self.frames)
        assert is_repeat == any(a < end and first < b for a, b in self.frames.values())
        self.frames[number] = place

    def arrive(self, number: int) -> None:
        if number in self.frames:
            self.arrived.add(number)
            self.came.add(*self.frames[number])

    def ack(self, limit: int) -> None:
        self.limit = limit
        ranges = tuple((a, b) for a, b in self.came.pairs() if b <= limit)
        for pair in ranges:
            self.acked.add(*pair)
        heard = max(self.arrived, default=None)
        self.window.take(ack_of(*ranges, heard=heard, limit=limit), self.now)

    def check(self) -> None:
        window = self.window
        assert window._bytes_in_flight == sum(end - first for first, end in in_flight(window))
        assert window._bytes_in_flight <= MOST_BYTES
        assert len(window._flight) <= MOST_FRAMES
        assert window.stored.pairs() == self.acked.pairs()
        lost = window._lost.pairs()
        whole = RangeSet([*window.stored.pairs(), *in_flight(window), *lost])
        whole.add(window._next, self.size)
        assert whole.covers(0, self.size)
        for first, end in lost:
            assert not self.acked.overlaps(first, end)
            assert end <= window._next


@settings(max_examples=200)
@given(st.data())
def test_whatever_happens_every_byte_is_stored_or_in_flight_or_lost_or_to_go(
    data: st.DataObject,
) -> None:
    size = data.draw(st.integers(1, 120))
    cuts = sorted(data.draw(st.sets(st.integers(0, size), max_size=6)))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    checked = _Checked(size, data.draw(st.integers(0, size)), list(pairs))
    steps = st.lists(
        st.tuples(
            st.sampled_from(["send", "send", "send", "arrive", "arrive", "ack", "wait", "give up"]),
            st.integers(1, 130),
        ),
        max_size=60,
    )
    for step, number in data.draw(steps):
        match step:
            case "send":
                checked.send(number % 20 + 1)
            case "arrive":
                checked.arrive(number % (len(checked.frames) + 1))
            case "ack":
                checked.ack(min(number, size))
            case "wait":
                checked.now += number / 10
                checked.window.find_lost(checked.now)
            case _:
                checked.window.give_up_oldest()
        checked.check()
    # In the end, with every frame arriving, all is stored and little was sent twice.
    before = len(checked.frames)
    for _ in range(500):
        checked.now += 100
        checked.ack(size)
        checked.window.give_up_oldest()
        while checked.window.next_range(20) is not None:
            checked.send(20)
            checked.arrive(len(checked.frames) - 1)
        checked.check()
        if checked.window.is_all_stored:
            break
    assert checked.window.is_all_stored
    assert len(checked.frames) - before <= size


def test_a_receiver_cannot_make_us_remember_ever_more_ranges() -> None:  # R-ARQ-13
    size = 10**6
    window = Window(size, size, [])
    window.send((0, 100), 0.0)
    for step in range(0, size, 100_000):
        places = tuple((step + 20 * n, step + 20 * n + 1) for n in range(1, 4096))
        window.take(ack_of(*places, heard=None, limit=size), 1.0)
    assert len(window.stored.pairs()) <= 4097
    window.take(ack_of((0, size), heard=None, limit=size), 2.0)
    assert window.is_all_stored


def test_a_late_first_copy_does_not_make_files_look_lost_earlier() -> None:  # R-ARQ-4
    window = window_of(10_000)
    window.widen(4, 1 << 20, 200)
    for number in range(150):
        place = window.next_range(ROOM)
        assert place is not None
        assert window.send(place, 0, bundle=1 + number // 50)[0] == number
        window.left(number, 0 if number < 100 else 999)
    window.give_up([149])
    place = window.next_range(ROOM)
    assert place == (1490, 1500)
    assert window.send(place, 1) == (150, True)
    # The first copy was only late; 0 to 99 are still on their way.
    window.take(ack_of((1000, 1500), heard=148), 1000)
    assert len(in_flight(window)) == 100


def test_only_so_many_files_are_on_their_way() -> None:  # R-BUN-3
    window = window_of(10_000)
    window.widen(2, 1 << 20, 200)
    for bundle in (1, 2):
        assert not window.is_full_of_bundles
        for _ in range(3):
            window.send(window.next_range(ROOM) or (0, 0), 0, bundle)
    assert window.is_full_of_bundles
    assert window.bundled_bytes == 60
    window.take(ack_of((0, 30), heard=2), 1)
    assert not window.is_full_of_bundles
