"""What the sender makes of what a receiver asks, whatever that is."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast
from unittest import mock

import pytest

from ocft.errors import ChannelClosedError
from ocft.ranges import Range
from ocft.routes import Body, Lines, LineServer, OpenToFetch
from ocft.routes.webrtc_client import WINDOW

SALT = "A" * 22
MIB = 1024 * 1024


class Peer:
    """A receiver, and a server that works for it in a thread."""

    def __init__(self, size: int = 10) -> None:
        self.heard: list[str | bytes] = []
        self.changed = threading.Condition()
        self.progress: list[int] = []
        self.asked: list[Sequence[Range]] = []
        self.size = size
        self.opened = OpenToFetch("id", "token", self._body, self.progress.append)
        self.server = LineServer(cast("Lines", self), self.opened)
        self.thread = threading.Thread(target=self.server.run, args=(self,), daemon=True)

    def _body(self, ranges: Sequence[Range]) -> Body | None:
        self.asked.append(ranges)
        return Body(SALT, self.size, [memoryview(bytes(self.size))]) if self.size else None

    def send(self, message: str | bytes) -> Any:
        return message

    def wait_for(self, message: str | bytes, seconds: float) -> None:
        with self.changed:
            self.heard.append(message)
            self.changed.notify()

    def bytes(self) -> int:
        return sum(len(one) for one in self.heard if isinstance(one, bytes))

    def until(self, size: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.bytes() >= size, 10)

    def texts(self) -> list[str]:
        with self.changed:
            self.changed.wait_for(lambda: bool(self.heard), 10)
            return [one for one in self.heard if isinstance(one, str)]


@contextmanager
def peer(size: int = 10) -> Iterator[Peer]:
    one = Peer(size)
    one.thread.start()
    try:
        yield one
    finally:
        one.server.ended()
        one.thread.join(10)
        assert not one.thread.is_alive()


def test_a_question_is_answered_with_the_bytes() -> None:
    with peer() as one:
        one.server.heard("get bytes=0-4,7-11")
        one.until(10)
        assert one.asked == [[(0, 5), (7, 12)]]
        assert one.heard[0] == f"give {SALT} 10"
        one.server.heard("get bytes=3-4")
        one.until(20)
    assert sum(one.progress) == 20
    assert one.progress.count(0) == 2  # the end of each answer


def test_no_more_leaves_than_may_be_under_way() -> None:  # R-RTC-5
    with peer(3 * WINDOW) as one:
        one.server.heard("get bytes=0-9")
        one.until(WINDOW)
        with one.changed:
            assert not one.changed.wait_for(lambda: one.bytes() > WINDOW, 0.1)
        one.server.heard(f"took {MIB}")
        one.until(WINDOW + MIB)
        with one.changed:
            assert not one.changed.wait_for(lambda: one.bytes() > WINDOW + MIB, 0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        b"bytes",
        "",
        "get",
        "get ",
        "get bytes=5-4",
        "get bytes=0-",
        "GET bytes=0-4",
        "took 1",  # nothing was sent
        "took 99999999999999999999",
        "get " + "x" * 20_000,
        "\N{SNOWMAN}",
    ],
)
def test_a_question_that_is_none_ends_the_line(wrong: str | bytes) -> None:  # R-RTC-4
    with peer() as one:
        one.server.heard(wrong)
        one.thread.join(10)
        assert not one.thread.is_alive()
        assert one.heard == []


def test_two_questions_at_once_end_the_line() -> None:
    one = Peer()
    one.server.heard("get bytes=0-4")
    one.server.heard("get bytes=0-4")
    one.server.run(cast("Any", one))
    assert one.heard == []


def test_who_says_it_took_what_did_not_leave_is_hung_up_on() -> None:
    with peer(2 * WINDOW) as one:
        one.server.heard("get bytes=0-9")
        one.until(WINDOW)
        one.server.heard(f"took {WINDOW + 1}")
        one.thread.join(10)
        assert not one.thread.is_alive()


def test_one_answer_at_a_time() -> None:
    with mock.patch("ocft.routes.webrtc_server.FORMER_SECONDS", 0.01), peer() as one:
        assert one.opened.busy.acquire()
        one.server.heard("get bytes=0-4")
        assert one.texts() == ["busy"]
        one.opened.busy.release()


def test_who_asks_ends_the_connection_that_it_has_lost() -> None:  # R-DIR-6
    with peer() as one:
        assert one.opened.busy.acquire()
        one.opened.end_former = one.opened.busy.release
        one.server.heard("get bytes=0-4")
        one.until(10)
    assert not one.opened.busy.locked()


def test_who_comes_another_way_ends_the_line() -> None:  # R-DIR-6
    with peer(2 * WINDOW) as one:
        one.server.heard("get bytes=0-9")
        one.until(WINDOW)
        one.opened.end_former()
        one.thread.join(10)
        assert not one.thread.is_alive()
        assert not one.opened.busy.locked()


def test_what_cannot_be_given_now_is_said() -> None:
    with peer(0) as one:
        one.server.heard("get bytes=0-4")
        assert one.texts() == ["nothing"]


def test_what_is_over_is_not_given() -> None:
    with peer() as one:
        one.opened.is_over = True
        one.server.heard("get bytes=0-4")
        one.thread.join(10)
        assert not one.thread.is_alive()
        assert one.heard == []
    assert not one.opened.busy.locked()


def test_a_receiver_that_takes_nothing_is_given_up() -> None:
    with (
        mock.patch("ocft.routes.webrtc_server._IDLE_SECONDS", 0.05),
        peer(2 * WINDOW) as one,
    ):
        one.server.heard("get bytes=0-9")
        one.thread.join(10)
        assert not one.thread.is_alive()
    assert one.progress[-1] == 0
    assert not one.opened.busy.locked()


def test_a_line_that_breaks_ends_the_answer() -> None:
    one = Peer()
    one.server.heard("get bytes=0-4")
    with mock.patch.object(one, "wait_for", side_effect=ChannelClosedError("cut")):
        one.server.run(cast("Any", one))
    assert not one.opened.busy.locked()
