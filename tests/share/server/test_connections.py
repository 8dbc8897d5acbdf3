"""Each test talks to a real socket; time is an argument of the watch."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ocft.share.server.connections import Connections
from ocft.share.server.limits import Limits
from ocft.share.server.listening import bind, listening

PATIENCE = 10.0  # seconds
LIMITS = Limits()
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Answer a request; /large with 8 MiB, /refuse before the body came, /hold never."""
    if scope["path"] == "/hold":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    body = bytes(8 << 20) if scope["path"] == "/large" else b"ok"
    headers = [(b"content-length", str(len(body)).encode())]
    if scope["path"] == "/refuse":
        headers.append((b"connection", b"close"))
    elif scope["path"] != "/large":
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Place:
    port: int
    connections: Connections
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    def later(self, seconds: float) -> None:
        self.connections.watch(asyncio.get_running_loop().time() + seconds)


@asynccontextmanager
async def serving(
    limits: Limits = LIMITS, *, grace: float = 0.0, proxies: frozenset[str] = frozenset()
) -> AsyncIterator[Place]:
    bound = bind(["127.0.0.1"], 0)
    async with listening(answer, bound, limits, grace=grace, proxies=proxies) as connections:
        place = Place(bound.port, connections)
        WRITERS.append(place.writers)
        yield place


WRITERS: list[list[asyncio.StreamWriter]] = []


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        WRITERS.clear()
        try:
            async with asyncio.timeout(PATIENCE):
                await work()
        finally:
            for writer in (one for writers in WRITERS for one in writers):
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    asyncio.run(within())


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


async def taken(place: Place, number: int) -> None:
    while len(place.connections) != number:
        await asyncio.sleep(0)


def test_a_request_is_answered_and_the_connection_kept() -> None:
    async def work() -> None:
        async with serving() as place:
            reader, writer = await place.connect()
            for _ in range(3):
                writer.write(HEAD)
                assert await read_answer(reader) == (200, b"ok")
            writer.close()
            await taken(place, 0)

    run(work)


@pytest.mark.parametrize("sent", [b"", b"G", HEAD[:-2]])
def test_a_head_that_does_not_end_is_ended(sent: bytes) -> None:  # case H7, R-SHR-9
    async def work() -> None:
        async with serving() as place:
            reader, writer = await place.connect()
            writer.write(sent)
            await taken(place, 1)
            while sent and place.connections._all.copy().pop()._head_since is None:
                await asyncio.sleep(0)
            place.later(19)
            assert not place.connections.refused
            place.later(21)
            assert (await read_answer(reader))[0] == 408
            assert await reader.read() == b""

    run(work)


def test_more_of_a_head_does_not_give_it_more_time() -> None:  # slow-loris
    async def work() -> None:
        async with serving() as place:
            _, writer = await place.connect()
            await taken(place, 1)
            (connection,) = place.connections._all
            since = connection._head_since
            for byte in HEAD[:20]:
                writer.write(bytes([byte]))
                await writer.drain()
            while len(connection.conn.trailing_data[0]) < 20:
                await asyncio.sleep(0)
            assert connection._head_since == since

    run(work)


def test_a_second_head_that_does_not_end_is_ended() -> None:
    async def work() -> None:
        async with serving() as place:
            reader, writer = await place.connect()
            writer.write(HEAD)
            await read_answer(reader)
            place.later(21)  # between requests there is another limit
            assert not place.connections.refused
            writer.write(b"GET")
            (connection,) = place.connections._all
            while connection._head_since is None:
                await asyncio.sleep(0)
            place.later(21)
            assert (await read_answer(reader))[0] == 408

    run(work)


def test_a_head_that_came_with_the_request_before_is_watched_too() -> None:
    async def work() -> None:
        async with serving() as place:
            reader, writer = await place.connect()
            writer.write(HEAD + b"GET")
            await read_answer(reader)
            place.later(21)
            assert (await read_answer(reader))[0] == 408

    run(work)


def test_a_request_that_takes_long_is_not_taken_for_a_slow_head() -> None:
    async def work() -> None:
        async with serving() as place:
            _, writer = await place.connect()
            writer.write(HEAD.replace(b"/ ", b"/hold "))
            await taken(place, 1)
            (connection,) = place.connections._all
            while connection._head_since is not None:
                await asyncio.sleep(0)
            place.later(1000)
            assert not place.connections.refused
            writer.close()
            await taken(place, 0)

    run(work)


@pytest.mark.parametrize("piece", [1 << 20, 1000])
@pytest.mark.parametrize("end", [b"\r\n\r\n", b""])
def test_a_head_that_is_too_long_is_refused(piece: int, end: bytes) -> None:
    async def work() -> None:
        async with serving() as place:
            reader, writer = await place.connect()
            data = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 17_000 + end
            for start in range(0, len(data), piece):
                writer.write(data[start : start + piece])
                await writer.drain()
            status, body = await read_answer(reader)
            assert status == 431
            assert json.loads(body)["error"]["code"] == "BAD_REQUEST"

    run(work)


def test_a_long_head_behind_another_request_is_refused() -> None:
    async def work() -> None:
        async with serving() as place:
            reader, writer = await place.connect()
            writer.write(HEAD + b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 17_000 + b"\r\n\r\n")
            assert (await read_answer(reader))[0] == 200
            assert (await read_answer(reader))[0] == 431

    run(work)


def test_a_head_of_almost_the_most_is_taken() -> None:
    async def work() -> None:
        async with serving() as place:
            reader, writer = await place.connect()
            head = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 16_300
            writer.write(head + b"\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 9)
            for _ in range(10):
                assert (await read_answer(reader))[0] == 200

    run(work)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # TLS
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_an_answer_in_words(sent: bytes) -> None:
    async def work() -> None:
        async with serving() as place:
            reader, writer = await place.connect()
            writer.write(sent)
            status, body = await read_answer(reader)
            assert status == 400
            assert json.loads(body)["error"]["code"] == "BAD_REQUEST"
            assert await reader.read() == b""

    run(work)


def test_one_address_has_so_many_connections() -> None:
    async def work() -> None:
        async with serving(replace(LIMITS, connections_of_address=2)) as place:
            kept = [await place.connect() for _ in range(2)]
            reader, writer = await place.connect()
            status, body = await read_answer(reader)
            assert status == 429
            assert json.loads(body)["retry_after"] > 0
            writer.close()
            kept.pop()[1].close()
            await taken(place, 1)
            reader, writer = await place.connect()
            writer.write(HEAD)
            assert (await read_answer(reader))[0] == 200
            for _, one in [*kept, (reader, writer)]:
                one.close()

    run(work)


def test_a_trusted_proxy_has_more_than_others() -> None:
    async def work() -> None:
        limits = replace(LIMITS, connections_of_address=1)
        async with serving(limits, proxies=frozenset({"127.0.0.1"})) as place:
            for _ in range(5):
                reader, writer = await place.connect()
                writer.write(HEAD)
                assert (await read_answer(reader))[0] == 200

    run(work)


def test_all_together_have_so_many_connections() -> None:
    async def work() -> None:
        async with serving(replace(LIMITS, connections=2)) as place:
            kept = [await place.connect() for _ in range(2)]
            reader, writer = await place.connect()
            assert (await read_answer(reader))[0] == 503
            for one in [*kept, (reader, writer)]:
                one[1].close()

    run(work)


def test_a_flood_is_cut_without_a_word() -> None:
    async def work() -> None:
        async with serving(replace(LIMITS, connections=1)) as place:
            kept = [await place.connect() for _ in range(2)]
            await taken(place, 2)
            reader, _ = await place.connect()
            assert await reader.read() == b""
            for one in kept:
                one[1].close()

    run(work)


def test_who_does_not_read_is_cut() -> None:
    async def work() -> None:
        async with serving() as place:
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", place.port))
                sock.sendall(HEAD.replace(b"/ ", b"/large "))
                await taken(place, 1)
                (connection,) = place.connections._all
                place.later(0)
                while (held := connection._unsent) == 0 or held != _unsent(connection):
                    await asyncio.sleep(0.01)
                    place.later(0)
                place.later(29)
                assert len(place.connections) == 1
                place.later(31)
                await taken(place, 0)
                assert place.connections.stalled == 1

    run(work)


def _unsent(connection: Any) -> int:
    size: int = connection.transport.get_write_buffer_size()
    return size


def test_who_reads_slowly_is_not_cut() -> None:
    async def work() -> None:
        async with serving() as place:
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(sock, ("127.0.0.1", place.port))
                sock.sendall(HEAD.replace(b"/ ", b"/large "))
                seconds = 0
                for _ in range(20):  # 512 KiB in 400 s
                    for _ in range(256 * 1024 // 4096):
                        await loop.sock_recv(sock, 4096)
                    seconds += 20
                    place.later(seconds)
                assert not place.connections.stalled
                assert len(place.connections) == 1

    run(work)


def test_who_still_sends_can_read_our_answer() -> None:
    async def work() -> None:
        async with serving() as place:
            reader, writer = await place.connect()
            writer.write(
                b"PATCH /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n"
                + bytes(300_000)
            )
            assert await read_answer(reader) == (200, b"ok")
            for _ in range(30):  # the rest of it is thrown away, no reset comes
                writer.write(bytes(100_000))
                await writer.drain()
            assert await reader.read() == b""
            place.later(3)
            await taken(place, 0)

    run(work)


def test_who_goes_on_sending_for_ever_is_cut() -> None:
    async def work() -> None:
        async with serving() as place:
            reader, writer = await place.connect()
            writer.write(b"PATCH /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 40000000\r\n\r\n")
            assert (await read_answer(reader))[0] == 200
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                await _send_on(writer, 1000)
            await taken(place, 0)

    run(work)


async def _send_on(writer: asyncio.StreamWriter, pieces: int) -> None:
    for _ in range(pieces):
        writer.write(bytes(100_000))
        await writer.drain()


def test_the_end_waits_for_what_is_under_way_but_not_for_ever() -> None:
    async def work() -> None:
        async with serving(grace=0.2) as place:
            idle, idle_writer = await place.connect()
            busy, writer = await place.connect()
            writer.write(HEAD.replace(b"/ ", b"/hold "))
            await taken(place, 2)
            while all(one.cycle is None for one in place.connections._all):
                await asyncio.sleep(0)
        assert await idle.read() == b""
        assert await busy.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await place.connect()
        idle_writer.close()

    run(work)


def test_a_request_under_way_at_the_end_is_answered() -> None:
    async def work() -> None:
        async with serving(grace=PATIENCE) as place:
            reader, writer = await place.connect()
            writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
            await taken(place, 1)
            (connection,) = place.connections._all
            while not connection.tasks:
                await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.1, writer.write, b"x")
        assert (await read_answer(reader))[0] == 200
        assert await reader.read() == b""
        writer.close()

    run(work)
