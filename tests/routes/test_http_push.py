"""A sender brings bytes to a receiver's port; both meet peers that are not what they should be."""

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from ocft.errors import ChannelClosedError
from ocft.ranges import Range
from ocft.routes import (
    Body,
    DirectServer,
    OpenToBring,
    OpenToFetch,
    PushConnection,
    PushedConnection,
)

TOKEN = "t" * 43
ID = "ab" * 8
CONTENT = bytes(range(256)) * 4096


class Awaiting:
    """A receiver's port, and who came."""

    def __init__(self) -> None:
        self.came: queue.SimpleQueue[PushedConnection] = queue.SimpleQueue()
        self.server = DirectServer(lambda: ["127.0.0.1"])
        self.opened = OpenToBring(ID, TOKEN, self.came.put)
        self.place = self.server.open(self.opened)[0]
        self.taken: list[PushedConnection] = []

    def peer(self) -> PushedConnection:
        self.taken.append(self.came.get(timeout=5))
        return self.taken[-1]

    def connect(self, *, token: str = TOKEN, id_: str = ID) -> PushConnection:
        made = socket.create_connection(self.place, 5)
        return PushConnection(made, place=self.place, ticket_id=id_, token=token)

    def say(self, method: str, *headers: str, path: str = f"/ocft/2/{ID}", body: str = "") -> int:
        """Return the status of the answer to a request."""
        lines = (f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *headers)
        with socket.create_connection(self.place, 5) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
            return int(connection.recv(65536).split()[1])


@pytest.fixture
def awaiting() -> Iterator[Awaiting]:
    awaiting = Awaiting()
    yield awaiting
    for one in awaiting.taken:
        one.close()
    awaiting.server.stop()


class Sender(threading.Thread):
    """Brings whatever is wanted."""

    def __init__(self, connection: PushConnection) -> None:
        super().__init__(daemon=True)
        self._connection = connection
        self.wanted: list[list[Range]] = []
        self.left: list[int] = []
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            wanted = self._connection.bring(None, self.left.append)
            while True:
                self.wanted.append(wanted)
                data = b"".join(CONTENT[first:end] for first, end in wanted)
                half = len(data) // 2
                body = Body(f"salt{len(self.wanted)}", len(data), [data[:half], data[half:]])
                wanted = self._connection.bring(body, self.left.append)
        except ChannelClosedError as error:
            self.error = error
        finally:
            self._connection.close()


def read(connection: PushedConnection, size: int) -> bytes:
    data = bytearray(size)
    connection.read_into(memoryview(data))
    return bytes(data)


def assert_refused(connection: PushConnection, status: int) -> None:
    with closing(connection), pytest.raises(ChannelClosedError, match=str(status)):
        connection.bring(None, lambda _: None)


def test_what_is_wanted_is_brought_one_range_after_another(awaiting: Awaiting) -> None:
    sender = Sender(awaiting.connect())
    peer = awaiting.peer()
    assert peer.ask([(0, 10), (20, 700_000)]) == ("salt1", 699_990)
    assert read(peer, 10) == CONTENT[:10]
    assert read(peer, 699_980) == CONTENT[20:700_000]
    assert peer.ask([(5, 6)]) == ("salt2", 1)
    assert read(peer, 1) == CONTENT[5:6]
    peer.close()
    sender.join(5)
    assert sender.wanted == [[(0, 10), (20, 700_000)], [(5, 6)]]
    assert isinstance(sender.error, ChannelClosedError)
    assert sum(sender.left) == 699_991
    assert sender.left.count(0) == 3  # at the end of each


def test_more_than_was_said_to_come_is_not_read(awaiting: Awaiting) -> None:
    Sender(awaiting.connect())
    peer = awaiting.peer()
    peer.ask([(0, 10)])
    with pytest.raises(ChannelClosedError, match="cut off"):
        read(peer, 11)


@pytest.mark.parametrize("token", ["x", TOKEN[:-1], TOKEN[:-1] + "u", TOKEN.upper()])
def test_who_has_not_the_token_brings_nothing(awaiting: Awaiting, token: str) -> None:
    assert_refused(awaiting.connect(token=token), 403)
    assert awaiting.came.empty()


def test_another_id_looks_the_same(awaiting: Awaiting) -> None:
    assert_refused(awaiting.connect(id_="cd" * 8), 403)


def test_who_comes_again_ends_the_connection_that_was_lost(awaiting: Awaiting) -> None:
    first = Sender(awaiting.connect())
    lost = awaiting.peer()
    Sender(awaiting.connect())
    assert awaiting.peer().ask([(0, 4)]) == ("salt1", 4)
    first.join(5)
    assert isinstance(first.error, ChannelClosedError)
    with pytest.raises(ChannelClosedError):
        lost.ask([(0, 4)])


def test_a_receiver_that_only_ever_says_that_it_will_answer_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ocft.routes.http_push._ANSWER_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = socket.create_connection(server.getsockname(), 5)
        place = server.getsockname()[:2]
        with closing(PushConnection(made, place=place, ticket_id=ID, token=TOKEN)) as connection:
            accepted, _ = server.accept()
            is_over = threading.Event()

            def drip() -> None:
                with suppress(OSError):
                    while not is_over.wait(0.01):
                        accepted.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

            dripping = threading.Thread(target=drip)
            dripping.start()
            with pytest.raises(ChannelClosedError, match=r"does not answer|timed out"):
                connection.bring(None, lambda _: None)
            is_over.set()
            dripping.join()
            accepted.close()


def test_a_sender_that_drips_is_left(awaiting: Awaiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocft.routes.connection._FRAME_SECONDS", 0.2)
    with socket.create_connection(awaiting.place, 5) as connection:
        head = f"POST /ocft/2/{ID} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        connection.sendall(f"{head}Content-Length: 0\r\n\r\n".encode())
        peer = awaiting.peer()
        connection.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode())
        peer.ask([(0, 100_000)])
        is_over = threading.Event()

        def drip() -> None:
            with suppress(OSError):
                while not is_over.wait(0.01):
                    connection.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        with pytest.raises(ChannelClosedError, match=r"too slow|timed out"):
            read(peer, 100_000)
        is_over.set()
        dripping.join()


def test_after_one_has_gone_another_may_come(awaiting: Awaiting) -> None:
    sender = Sender(awaiting.connect())
    awaiting.peer().close()
    sender.join(5)
    Sender(awaiting.connect())
    assert awaiting.peer().ask([(0, 4)]) == ("salt1", 4)


def test_what_has_ended_is_gone(awaiting: Awaiting) -> None:
    other = OpenToBring("cd" * 8, "u" * 43, awaiting.came.put)
    awaiting.server.open(other)  # so that the port stays open
    awaiting.server.close(awaiting.opened)
    assert_refused(awaiting.connect(), 410)


def test_other_methods_and_bodies_take_nothing_away(awaiting: Awaiting) -> None:
    good = f"Authorization: Bearer {TOKEN}"
    assert awaiting.say("HEAD", good) == 200
    assert awaiting.say("GET", good, "Range: bytes=0-5") == 405
    assert awaiting.say("PUT", good) == 405
    assert awaiting.say("POST", good, "Content-Length: 3", body="abc") == 400
    assert awaiting.say("POST", "Content-Length: 0") == 403
    assert awaiting.came.empty()


def test_what_may_be_fetched_cannot_be_brought(awaiting: Awaiting) -> None:
    other = OpenToFetch("cd" * 8, "u" * 43, lambda _: None, lambda _: None)
    awaiting.server.open(other)
    assert_refused(awaiting.connect(id_="cd" * 8, token="u" * 43), 405)


@pytest.mark.parametrize(
    "second",
    [
        f"POST /ocft/2/{ID} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n",  # no token
        f"POST /ocft/2/{'cd' * 8} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n",
        f"GET /ocft/2/{ID} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n",
        (
            f"POST /ocft/2/{ID} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"  # of no size
        ),
        "nothing of HTTP\r\n\r\n",
        "X" * 20_000,
        "",
    ],
)
def test_a_second_request_is_checked_like_the_first(awaiting: Awaiting, second: str) -> None:
    first = (
        f"POST /ocft/2/{ID} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    with socket.create_connection(awaiting.place, 5) as connection:
        connection.sendall(first.encode())
        peer = awaiting.peer()
        connection.sendall(second.encode())
        connection.shutdown(socket.SHUT_WR)
        with pytest.raises(ChannelClosedError):
            peer.ask([(0, 4)])


@pytest.mark.parametrize(
    "answer",
    [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",  # that wants nothing
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nOCFT-Wanted: bytes=5-2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nOCFT-Wanted: bytes=0-3,2-9\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 No\r\nContent-Length: 0\r\nOCFT-Wanted: bytes=0-3\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: " + "x" * 20_000,
        "no HTTP",
        "",
    ],
)
def test_a_receiver_that_answers_something_else_is_left(answer: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = socket.create_connection(server.getsockname(), 5)
        place = server.getsockname()[:2]
        with closing(PushConnection(made, place=place, ticket_id=ID, token=TOKEN)) as connection:
            accepted, _ = server.accept()
            with accepted:
                accepted.sendall(answer.encode())
                accepted.shutdown(socket.SHUT_WR)
                with pytest.raises(ChannelClosedError):
                    connection.bring(None, lambda _: None)


def test_the_token_is_only_in_its_header(awaiting: Awaiting) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = socket.create_connection(server.getsockname(), 5)
        place = server.getsockname()[:2]
        connection = PushConnection(made, place=place, ticket_id=ID, token=TOKEN)
        sender = Sender(connection)
        accepted, _ = server.accept()
        with accepted:
            head = accepted.recv(65536).decode()
        sender.join(5)
    assert head.startswith(f"POST /ocft/2/{ID} HTTP/1.1\r\n")
    assert head.count(TOKEN) == 1
    assert f"Authorization: Bearer {TOKEN}\r\n" in head
    assert TOKEN not in str(sender.error)
    assert TOKEN not in repr(awaiting.opened)
