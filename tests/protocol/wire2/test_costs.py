"""What a transfer costs in texts. Whether the files are right is not enough: waste is silent."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocft.ranges import Range
from ocft.transfers import TransferState
from ocft.wire import Data
from tests.protocol.wire2.link import Link, data_of, kind_of
from tests.protocol.wire2.nodes import Alice, Bob, Sealed, Text

MANIFEST = 10
ROOM = 10


def link_of(
    frames: int,
    *,
    decides: bool = True,
    not_wanted: tuple[Range, ...] = (),
    **fields: object,
) -> Link:
    """Return a link over which a byte space of so many frames is to go."""
    alice = Alice(random.Random(1).randbytes(ROOM * frames), MANIFEST, room=ROOM)
    bob = Bob(alice, MANIFEST, decides=decides, not_wanted=not_wanted)
    return Link(alice, bob, **fields)  # type: ignore[arg-type]  # the fields are its own


def run(link: Link) -> Link:
    """Begin, go on to the end, and see that it is a success."""
    link.alice.start(link.now)
    link.run()
    assert link.alice.machine.state is TransferState.COMPLETED, link.alice.machine.error
    assert link.bob.state is TransferState.COMPLETED
    assert link.bob.is_published
    assert link.alice.unexpected == link.bob.unexpected == 0
    return link


@dataclass
class Once:
    """Says yes to the first copies of some frames, by their place in the byte space."""

    frames: set[int]

    def __call__(self, text: Text) -> bool:
        """Say whether it is one of them."""
        data = data_of(text)
        if data is None or not data.data or data.offset // ROOM not in self.frames:
            return False
        self.frames.discard(data.offset // ROOM)
        return True


def late(frame: int, seconds: float) -> Callable[[Text], float]:
    """Make the first copy of one frame late."""
    is_meant = Once({frame})
    return lambda text: seconds if is_meant(text) else 0.0


def test_a_perfect_link_carries_everything_once() -> None:
    link = run(link_of(1000))
    assert link.counts["data"] == 1000
    assert (link.counts["offer"], link.counts["accept"], link.counts["done"]) == (1, 1, 1)
    assert link.counts["again"] == link.counts["stop"] == 0
    assert 1000 / 32 <= link.counts["ack"] <= math.ceil(1000 / 32) + 4


def test_a_paced_link_carries_everything_once_with_an_ack_for_every_sixteen_frames() -> None:
    link = run(link_of(500, pace=1.0, delay=0.5))
    assert link.counts["data"] == 500
    assert link.counts["ack"] <= 500 / 15 + 8


@settings(max_examples=60)
@given(
    frames=st.integers(1, 400),
    pace=st.sampled_from([0.0001, 0.01, 0.1, 1.0]),
    delay=st.sampled_from([0.001, 0.2, 1.2]),
    disk=st.sampled_from([0.0, 0.01, 0.5]),
)
def test_no_perfect_link_makes_a_timer_fire_or_a_byte_go_twice(
    frames: int, pace: float, delay: float, disk: float
) -> None:
    link = run(link_of(frames, pace=pace, delay=delay, disk=disk))
    assert link.counts["offer"] == link.counts["accept"] == 1
    # Where the answer to the last frame waits for the disk and for its turn, it may be probed for.
    is_slow = pace + disk > 0.5
    assert frames <= link.counts["data"] <= frames + is_slow
    assert 1 <= link.counts["done"] <= 1 + is_slow


def test_files_that_are_not_wanted_do_not_travel() -> None:
    link = run(link_of(100, not_wanted=((200, 1000),), pace=0.5))
    assert link.counts["data"] <= 20 + 4  # those on their way before the manifest was read


def test_files_left_out_by_an_owner_who_decides_later_do_not_travel_at_all() -> None:
    link = link_of(100, not_wanted=((200, 1000),), pace=0.5, decides=False)
    link.alice.start(link.now)
    link.run(until=50.0)
    assert link.counts["data"] == 1  # the manifest
    link.bob.decide(link.now)
    link.run()
    assert link.bob.is_published
    assert link.counts["data"] == 20


@pytest.mark.parametrize("lost", [0, 1, 50, 197, 198, 199], ids=lambda lost: f"frame {lost}")
def test_one_lost_frame_costs_one_frame(lost: int) -> None:
    link = run(link_of(200, is_lost=Once({lost}), pace=0.01))
    assert link.counts["data"] == 201


@settings(max_examples=60)
@given(lost=st.sets(st.integers(0, 199), max_size=100), pace=st.sampled_from([0.001, 0.05, 0.5]))
def test_each_lost_frame_costs_one_frame(lost: set[int], pace: float) -> None:
    link = run(link_of(200, is_lost=Once(set(lost)), pace=pace))
    # If the last frame is lost, a probe asks instead: with the oldest bytes, which may have come.
    assert 0 <= link.counts["data"] - 200 - len(lost) <= (199 in lost)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 3.0, 20.0])
def test_one_late_frame_costs_one_frame_at_most(seconds: float) -> None:
    link = run(link_of(200, lateness=late(50, seconds), pace=0.05))
    assert link.counts["data"] <= 201


@pytest.mark.parametrize("nth", [0, 1, 3, 6])
def test_a_lost_ack_costs_nothing_as_long_as_others_follow(nth: int) -> None:
    seen: list[Text] = []

    def is_lost(text: Text) -> bool:
        if kind_of(text) == "ack":
            seen.append(text)
            return len(seen) - 1 == nth
        return False

    link = run(link_of(300, is_lost=is_lost, pace=0.05))
    assert link.counts["data"] <= 301


@pytest.mark.parametrize("kind", ["offer", "accept", "done"])
def test_a_lost_control_message_costs_a_wait_and_two_texts(kind: str) -> None:
    seen: list[Text] = []

    def is_lost(text: Text) -> bool:
        if kind_of(text) == kind:
            seen.append(text)
            return len(seen) == 1
        return False

    link = run(link_of(50, is_lost=is_lost))
    assert link.counts["data"] <= 51  # an empty one asks for `done`
    assert link.counts["offer"] + link.counts["accept"] + link.counts["done"] <= 3 + 2


def test_a_link_that_reorders_learns_to_wait() -> None:
    """RFC 9002's three frames alone would send a good part of this twice."""
    drawn = random.Random(5)
    link = run(link_of(2000, pace=0.05, lateness=lambda _: drawn.uniform(0, 0.5)))
    assert link.counts["data"] <= 2000 + 10


def test_frames_that_overtake_each_other_within_a_round_trip_do_not_go_twice() -> None:
    drawn = random.Random(5)
    link = run(link_of(2000, pace=0.02, delay=1.0, lateness=lambda _: drawn.uniform(0, 0.1)))
    assert link.counts["data"] == 2000


def test_a_link_that_loses_a_third_of_all_ends_with_a_bounded_waste() -> None:
    drawn = random.Random(7)
    link = run(link_of(300, pace=0.05, is_lost=lambda _: drawn.random() < 0.3))
    assert link.counts["data"] <= 300 / 0.7 * 1.35
    assert link.counts["offer"] <= 8


def test_slow_but_moving_never_gives_up() -> None:
    """A frame a minute, for ten hours: patience is for silence."""
    link = run(link_of(600, pace=60.0, delay=5.0))
    assert link.now > 36_000
    assert link.counts["data"] <= 601


def test_a_disk_that_is_slow_costs_nothing() -> None:
    link = run(link_of(300, pace=0.01, disk=2.0))
    assert link.counts["data"] <= 300 + 2


def test_an_outage_costs_the_frames_of_one_window_at_most() -> None:
    def is_lost(_: Text) -> bool:
        return 5.0 <= link.now < 60.0

    link = link_of(1000, pace=0.01, is_lost=is_lost)
    run(link)
    assert link.counts["data"] <= 1000 + 256 + 20


def test_a_silent_receiver_is_told_of_the_end_once() -> None:
    link = link_of(10, is_lost=lambda text: not text.is_for_bob)
    link.alice.start(link.now)
    link.run()
    assert link.alice.machine.state is TransferState.FAILED
    assert link.counts["data"] == 0
    assert link.counts["stop"] <= 3
    assert link.now <= 3600 + 900 + 1


def test_after_the_end_there_is_silence() -> None:
    link = run(link_of(100))
    before = len(link.texts)
    link.run(until=link.now + 100_000)
    assert len(link.texts) == before


def test_no_frame_number_is_used_twice_with_one_key() -> None:  # R-SEA-1
    drawn = random.Random(3)
    link = link_of(200, pace=0.05, is_lost=lambda _: drawn.random() < 0.2)
    link.alice.start(link.now)
    for moment in (3, 6, 9, 12, 15):
        link.run(until=float(moment))
        link.alice.kill(link.now)
        link.run(until=moment + 1.5)
        link.bob.kill(link.now)
    link.run()
    assert link.bob.is_published
    sealed = [text.body for text in link.texts if isinstance(text.body, Sealed)]
    names = {(one.key, one.number, isinstance(one.body, Data)) for one in sealed}
    assert len(names) == len(sealed)
