import asyncio
import socket

import pytest

from ocft.errors import ConfigError
from ocft.share.server.listening import bind


def test_one_port_is_bound_on_each_address() -> None:
    bound = bind(["127.0.0.1", "127.0.0.2"], 0)
    names = [one.getsockname() for one in bound.sockets]
    assert names == [("127.0.0.1", bound.port), ("127.0.0.2", bound.port)]
    for one in bound.sockets:
        one.close()


def test_no_other_address_is_bound() -> None:
    bound = bind(["127.0.0.1"], 0)
    bound.sockets[0].listen()
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", bound.port))
    bound.sockets[0].close()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_all_of_ipv6_is_not_all_of_ipv4() -> None:
    bound = bind(["::"], 0)
    bound.sockets[0].listen()
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.1", bound.port))
    bound.sockets[0].close()


def test_a_port_that_is_taken_is_said() -> None:
    bound = bind(["127.0.0.1"], 0)
    bound.sockets[0].listen()
    with pytest.raises(ConfigError, match=f"127.0.0.1, port {bound.port}"):
        bind(["127.0.0.1"], bound.port)
    bound.sockets[0].close()


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "", "0x7f.1.2.3.4", "\ud800"])
def test_what_is_no_address_of_ours_is_said(host: str) -> None:
    with pytest.raises(ConfigError):
        bind([host], 0)


def test_localhost_is_loopback() -> None:
    bound = bind(["localhost"], 0)
    assert {one.getsockname()[0] for one in bound.sockets} <= {"127.0.0.1", "::1"}
    for one in bound.sockets:
        one.close()


def test_an_answer_does_not_wait_for_the_one_before_to_be_acknowledged() -> None:
    async def work() -> tuple[object, ...]:
        found: list[object] = []

        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            one = writer.get_extra_info("socket")
            found.append(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        bound = bind(["127.0.0.1"], 0)
        async with await asyncio.start_server(answer, sock=bound.sockets[0]):
            reader, writer = await asyncio.open_connection("127.0.0.1", bound.port)
            await reader.read()
            writer.close()
        return tuple(found)

    (is_sent_at_once,) = asyncio.run(work())
    assert is_sent_at_once
