"""Quotas: what is kept, and what was promised to uploads under way."""

import pytest

from ocft.crypto import make_share_code
from ocft.share import Limits, MemoryStore, Session
from ocft.share.server.refusals import NoSpace, TooLarge
from ocft.share.server.room import Room
from tests.share.served import Clock


def session() -> Session:
    return Session(
        make_share_code(), MemoryStore().place("a").content, expires_at=None, max_downloads=None
    )


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="room")
def _room(clock: Clock) -> Room:
    return Room(Limits(bytes_of_session=80, bytes_in_total=100), lambda: None, clock)


def test_of_two_uploads_that_do_not_both_fit_the_second_does_not_begin(room: Room) -> None:
    first, second = session(), session()
    room.promise(first, 60)
    with pytest.raises(NoSpace):
        room.promise(second, 50)
    room.promise(second, 40)
    room.take(first, 60)
    room.take(second, 40)
    assert room.used == 100


def test_nobody_takes_what_another_was_promised(room: Room) -> None:
    first, second = session(), session()
    room.promise(first, 60)
    with pytest.raises(NoSpace):
        room.take(second, 41)
    room.take(second, 40)


def test_a_promise_ends_when_nothing_comes(room: Room, clock: Clock) -> None:
    slow, other = session(), session()
    room.promise(slow, 60)
    clock.now += 59
    room.take(slow, 1)
    clock.now += 59
    with pytest.raises(NoSpace):
        room.promise(other, 50)
    clock.now += 2
    room.promise(other, 50)
    with pytest.raises(NoSpace):
        room.promise(slow, 59)  # told at once, when it goes on


def test_content_that_begins_anew_takes_the_place_of_what_was_there(room: Room) -> None:
    one = session()
    room.promise(one, 80)
    room.take(one, 70)
    room.promise(one, 75, freed=70)
    with pytest.raises(TooLarge):
        room.promise(one, 75)


def test_what_is_given_back_others_can_have(room: Room) -> None:
    one, other = session(), session()
    room.promise(one, 80)
    room.take(one, 40)
    room.give_back(one)
    room.give_back(one)
    assert room.used == 0
    room.promise(other, 80)
    room.give_back(other)
    room.promise(one, 80)


def test_a_promise_is_kept_while_more_comes_than_was_promised_to_be_left(room: Room) -> None:
    one = session()
    room.promise(one, 50)
    room.take(one, 50)
    room.take(one, 10)  # its manifest
    assert (room.used, one.taken) == (60, 60)


def test_a_disk_keeps_some_bytes_for_others(clock: Clock) -> None:
    spare = 64 << 20
    room = Room(Limits(), lambda: spare + 100, clock)
    one, other = session(), session()
    room.promise(one, 60)
    with pytest.raises(NoSpace):
        room.promise(other, 41)
    room.promise(other, 40)
