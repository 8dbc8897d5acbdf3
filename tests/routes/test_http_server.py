"""The server of the direct route meets everybody who can reach the port."""

import errno
import http.client
import logging
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest

from ocft.errors import SourceChangedError
from ocft.ranges import Range
from ocft.routes import Body, DirectServer, OpenToFetch
from ocft.routes import http_conversation as module

TOKEN = "t" * 43
CONTENT = bytes(range(256)) * 4096
GOOD = {"Authorization": f"Bearer {TOKEN}", "Range": "bytes=0-1048575"}


class Served:
    """A server with one thing to fetch."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Range]] = []
        self.left: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.server = DirectServer(lambda: ["127.0.0.1"])
        self.opened = OpenToFetch("aa" * 8, TOKEN, self._body, self.left.append)
        self.place = self.server.open(self.opened)[0]

    def _body(self, ranges: Sequence[Range]) -> Body | None:
        self.asked.append(ranges)
        self.gate.wait(5)
        return Body("salt", len(CONTENT), [CONTENT[:1000], memoryview(CONTENT)[1000:]])

    def ask(
        self,
        headers: dict[str, str] = GOOD,
        *,
        method: str = "GET",
        path: str = "/ocft/2/" + "aa" * 8,
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(*self.place, timeout=5)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def say(self, data: bytes) -> bytes:
        """Send bytes, and return all that comes until the connection is closed."""
        with socket.create_connection(self.place, 5) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            with suppress(ConnectionResetError):
                while more := connection.recv(65536):
                    answer += more
            return answer


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.gate.set()
    served.server.stop()


def test_who_has_the_token_gets_what_was_asked_for(served: Served) -> None:
    assert served.ask() == (206, CONTENT)
    assert served.asked == [[(0, 1048576)]]
    served.server.stop()  # and so its threads have done everything
    assert served.left == [1000, len(CONTENT) - 1000, 0]


@pytest.mark.parametrize(
    "token", ["", "x", TOKEN[:-1], TOKEN + "t", TOKEN[:-1] + "u", TOKEN.upper(), "t" * 5000]
)
def test_a_wrong_token_gets_nothing(served: Served, token: str) -> None:
    status, body = served.ask({**GOOD, "Authorization": f"Bearer {token}"})
    assert (status, body) == (403, b"")
    assert not served.asked


def test_a_token_in_the_path_gets_nothing(served: Served) -> None:
    assert served.ask({"Range": GOOD["Range"]}, path=f"/ocft/2/{'aa' * 8}?token={TOKEN}")[0] == 403


@pytest.mark.parametrize(
    "path", ["/", "/ocft/2/", "/ocft/2/" + "bb" * 8, "/ocft/2/../../etc/passwd"]
)
def test_other_paths_answer_as_wrong_tokens_do(served: Served, path: str) -> None:
    assert served.ask(path=path) == (403, b"")


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_take_nothing_away(served: Served, method: str) -> None:
    headers = {**GOOD, "Content-Length": "0"}
    assert served.ask(headers, method=method)[0] == (200 if method == "HEAD" else 405)
    assert not served.asked
    assert served.ask() == (206, CONTENT)


def test_who_comes_again_ends_the_connection_that_was_lost(served: Served) -> None:  # R-DIR-6
    """A cable that is cut leaves one behind that takes nothing any more."""
    endless = Body("salt", 1 << 40, iter(lambda: CONTENT, None))
    opened = OpenToFetch("dd" * 8, TOKEN, lambda _: endless, served.left.append)
    served.server.open(opened)
    with socket.create_connection(served.place, 5) as lost:
        lost.sendall(_request().replace(b"aa" * 8, b"dd" * 8))
        assert lost.recv(10)
        opened.body = lambda _: Body("salt", 4, [b"here"])
        assert served.ask(path="/ocft/2/" + "dd" * 8) == (206, b"here")


def test_who_does_not_let_go_keeps_others_waiting_for_a_moment_only(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FORMER_SECONDS", 0.01)
    with served.opened.busy:
        assert served.ask()[0] == 409
    assert served.ask()[0] == 206


def test_what_was_ended_is_gone(served: Served) -> None:
    other = OpenToFetch("cc" * 8, TOKEN, served._body, served.left.append)
    served.server.open(other)
    served.server.close(served.opened)
    assert served.ask()[0] == 410


def test_nothing_listens_when_nothing_is_open(served: Served) -> None:
    served.server.close(served.opened)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(served.place, 1)


def test_to_end_it_cuts_who_is_served(served: Served) -> None:
    endless = Body("salt", 10**12, (bytes(65536) for _ in range(10**9)))
    opened = OpenToFetch("dd" * 8, TOKEN, lambda _: endless, served.left.append)
    served.server.open(opened)
    with socket.create_connection(served.place, 5) as connection:
        connection.sendall(_request("dd" * 8))
        connection.recv(100)
        served.server.close(opened)
        served.say(_request("dd" * 8))  # it is told that it is gone
        with suppress(ConnectionResetError):
            while connection.recv(65536):
                pass


def test_who_guesses_is_not_listened_to_any_more(served: Served) -> None:
    for _ in range(20):
        served.say(_request().replace(TOKEN.encode(), b"no"))
    with pytest.raises((http.client.HTTPException, OSError)):
        served.ask()


def test_a_head_that_does_not_end_is_given_up(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEAD_SECONDS", 0.2)
    with socket.create_connection(served.place, 5) as connection:
        began = time.monotonic()
        try:
            while time.monotonic() - began < 3:
                connection.sendall(b"G")  # each byte within the time, the head never whole
                connection.settimeout(0.05)
                try:
                    if not connection.recv(1):
                        break
                except TimeoutError:
                    continue
        except OSError:
            pass
        assert time.monotonic() - began < 2


def test_a_head_that_is_too_long_is_refused(served: Served) -> None:
    with socket.create_connection(served.place, 5) as connection:
        head = _request().removesuffix(b"\r\n")
        with suppress(OSError):
            connection.sendall(head + b"X: " + b"x" * 200_000 + b"\r\n\r\n")
        answer = b""
        with suppress(ConnectionError):
            while more := connection.recv(65536):
                answer += more
    assert b"206" not in answer
    assert not served.asked


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /ocft HTTP/9.9\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde",
    ],
)
def test_what_is_no_request_ends_the_connection(served: Served, data: bytes) -> None:
    assert served.say(data)[9:12] in (b"", b"400", b"403", b"405")
    assert served.ask() == (206, CONTENT)


@pytest.mark.parametrize("header", ["", "bytes=5-", "bytes=9-5", "bytes=0-1,1-2"])
def test_ranges_that_are_none_are_refused(served: Served, header: str) -> None:
    assert served.ask({**GOOD, "Range": header})[0] == 416


def test_ids_that_are_unknown_are_no_guesses(served: Served) -> None:
    """Somebody who is late is behind the same address as somebody who is not."""
    for _ in range(30):
        assert served.ask(path="/ocft/2/" + "ee" * 8)[0] == 403
    assert served.ask()[0] == 206


def test_the_end_waits_for_no_stranger(served: Served) -> None:
    strangers = [socket.create_connection(served.place, 5) for _ in range(5)]
    for one in strangers:
        one.sendall(b"G")
    began = time.monotonic()
    served.server.stop()
    assert time.monotonic() - began < 5
    assert not served.server._connections
    for one in strangers:
        one.close()


def test_a_source_that_cannot_be_read_is_no_fault_of_ours(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x"
        raise SourceChangedError("It is shorter now.")

    served.opened.body = lambda _: Body("salt", 100, pieces())
    with pytest.raises(http.client.IncompleteRead):
        served.ask()
    served.server.stop()
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


def test_too_many_open_files_are_waited_for(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    refusals = iter([OSError(errno.EMFILE, "too many")] * 3)
    accept = socket.socket.accept

    def refused(listening: socket.socket) -> tuple[socket.socket, object]:
        for error in refusals:
            raise error
        return accept(listening)

    monkeypatch.setattr("time.sleep", pauses.append)
    monkeypatch.setattr(socket.socket, "accept", refused)
    assert served.ask()[0] == 206
    assert len(pauses) == 3


def test_who_goes_in_the_middle_can_come_back(served: Served) -> None:
    with socket.create_connection(served.place, 5) as connection:
        connection.sendall(_request())
        connection.recv(10)
    deadline = time.monotonic() + 5
    while (answer := served.ask())[0] == 409 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert answer == (206, CONTENT)


def test_one_connection_serves_one_request_after_another(served: Served) -> None:
    connection = http.client.HTTPConnection(*served.place, timeout=5)
    for _ in range(3):
        connection.request("GET", "/ocft/2/" + "aa" * 8, headers=GOOD)
        assert connection.getresponse().read() == CONTENT
    connection.close()


def test_many_idle_connections_do_not_keep_a_peer_out_for_long(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEAD_SECONDS", 0.2)
    idle = [socket.create_connection(served.place, 5) for _ in range(40)]
    deadline = time.monotonic() + 5
    status = 0
    while status != 206 and time.monotonic() < deadline:
        try:
            status = served.ask()[0]
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
    for one in idle:
        one.close()
    assert status == 206


def test_an_address_that_is_not_ours_cannot_be_listened_to() -> None:
    with pytest.raises(OSError, match="assign"):
        DirectServer(lambda: ["192.0.2.123"]).open(
            OpenToFetch("aa" * 8, TOKEN, lambda _: None, lambda _: None)
        )


def test_the_token_is_in_no_representation() -> None:
    assert TOKEN not in repr(OpenToFetch("aa" * 8, TOKEN, lambda _: None, lambda _: None))


def _request(id_: str = "aa" * 8) -> bytes:
    return (
        f"GET /ocft/2/{id_} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Range: bytes=0-1048575\r\n\r\n"
    ).encode()
