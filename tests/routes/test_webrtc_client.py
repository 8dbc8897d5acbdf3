"""What the receiver makes of what a sender says, whatever that is."""

import threading
from collections.abc import Callable
from typing import Any, cast
from unittest import mock

import pytest

from ocft.errors import ChannelClosedError
from ocft.routes import LineClient, Lines
from ocft.routes.webrtc_client import WINDOW

SALT = "A" * 22


class Peer:
    """A sender that says what it is told to, and remembers what it was asked."""

    def __init__(self, *answers: str | bytes) -> None:
        self.client = LineClient(cast("Lines", self))
        self.client.use(cast("Any", self))
        self.asked: list[str] = []
        self.closed = 0
        self._answers = answers

    def send(self, message: str) -> str:
        return message

    def wait_for(self, message: str, seconds: float) -> None:
        self.asked.append(message)
        if message.startswith("get"):
            for answer in self._answers:
                self.client.heard(answer)

    def close(self, line: object) -> None:
        self.closed += 1


def ask_and_read(peer: Peer) -> None:
    peer.client.ask([(0, 9)])
    peer.client.read_into(memoryview(bytearray(9)))


def test_an_answer_is_read_across_messages() -> None:
    peer = Peer(f"give {SALT} 10", b"0123", b"45", b"6789")
    assert peer.client.ask([(0, 5), (7, 9)]) == (SALT, 10)
    assert peer.asked == ["get bytes=0-4,7-8"]
    first, second = bytearray(7), bytearray(3)
    peer.client.read_into(memoryview(first))
    peer.client.read_into(memoryview(second))
    assert bytes(first + second) == b"0123456789"
    with pytest.raises(ChannelClosedError):  # there is no more
        peer.client.read_into(memoryview(bytearray(1)))


def test_what_was_taken_is_said_in_time_for_more() -> None:  # R-RTC-5
    peer = Peer(f"give {SALT} {WINDOW}", *[bytes(16 * 1024)] * (WINDOW // (16 * 1024)))
    peer.client.ask([(0, WINDOW)])
    for _ in range(4):
        peer.client.read_into(memoryview(bytearray(WINDOW // 4)))
    assert peer.asked[1:] == [f"took {WINDOW // 4 * n}" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    "answer",
    [
        "busy",
        "nothing",
        "",
        f"give {SALT}",
        f"give {SALT} -1",
        f"give {SALT} 10 ",
        "give short 10",
        f"give {SALT} " + "9" * 20,
        "x" * 100_000,
    ],
)
def test_an_answer_that_is_none_ends_it(answer: str) -> None:
    with pytest.raises(ChannelClosedError) as caught:
        Peer(answer).client.ask([(0, 10)])
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    "flood",
    [
        [f"give {SALT} 9", f"give {SALT} 9", b"1" * 9],
        [f"give {SALT} 9", *[bytes(WINDOW // 4)] * 4, b"1"],
        [f"give {SALT} 9", *[b"1"] * 1025],  # each costs more than its byte
        [f"give {SALT} 9", *[b""] * 1025],
        [b"1", *[bytes(WINDOW)]],
    ],
)
def test_more_than_was_asked_for_is_not_kept(flood: list[str | bytes]) -> None:  # R-RTC-5
    peer = Peer(*flood)
    with pytest.raises(ChannelClosedError, match="was cut"):
        ask_and_read(peer)
    assert not peer.client._arrived


def test_what_nobody_asked_for_ends_it() -> None:
    peer = Peer()
    peer.client.heard("give")
    with pytest.raises(ChannelClosedError, match="was cut"):
        peer.client.ask([(0, 9)])


def test_a_silent_peer_is_not_waited_for_for_ever() -> None:
    with (
        mock.patch("ocft.routes.webrtc_client._ANSWER_SECONDS", 0.01),
        pytest.raises(ChannelClosedError),
    ):
        Peer().client.ask([(0, 9)])
    peer = Peer(f"give {SALT} 9", b"1234")
    peer.client.ask([(0, 9)])
    with (
        mock.patch("ocft.routes.webrtc_client._IDLE_SECONDS", 0.01),
        pytest.raises(ChannelClosedError),
    ):
        peer.client.read_into(memoryview(bytearray(9)))


@pytest.mark.parametrize("end", [LineClient.cut, LineClient.ended, LineClient.close])
def test_who_reads_is_woken_when_it_ends(end: Callable[[LineClient], None]) -> None:
    peer = Peer(f"give {SALT} 9")
    peer.client.ask([(0, 9)])
    timer = threading.Timer(0.05, end, [peer.client])
    timer.start()
    with pytest.raises(ChannelClosedError):
        peer.client.read_into(memoryview(bytearray(9)))
    timer.join()


def test_a_line_is_closed_once() -> None:
    peer = Peer()
    peer.client.close()
    peer.client.close()
    assert peer.closed == 1
    with pytest.raises(ChannelClosedError):
        peer.client.ask([(0, 9)])


def test_a_peer_whose_bytes_drip_is_not_waited_for_for_ever() -> None:  # R-DIR-6
    peer = Peer(f"give {SALT} 1000")
    peer.client.ask([(0, 999)])
    is_over = threading.Event()

    def drip() -> None:
        while not is_over.wait(0.01):
            peer.client.heard(b"1")

    dripping = threading.Thread(target=drip, daemon=True)
    dripping.start()
    try:
        with (
            mock.patch("ocft.routes.webrtc_client._FILL_SECONDS", 0.05),
            pytest.raises(ChannelClosedError),
        ):
            peer.client.read_into(memoryview(bytearray(1000)))
    finally:
        is_over.set()
        dripping.join(5)
    assert len(peer.client._arrived) < 900
