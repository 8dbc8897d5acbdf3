"""Two real ends of a WebRTC connection on one machine."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from unittest import mock

import pytest
from aioice import stun
from aiortc import RTCDataChannel, RTCDataChannelParameters

from ocft.errors import ChannelClosedError
from ocft.routes import TurnServer, WebRtcOptions
from ocft.routes.webrtc_line import Line
from tests.emulators.ice import PASSWORD, USER, ice_server

HERE = ("127.0.0.1",)
MIB = 1024 * 1024


class End:
    """One end, and what came to it."""

    def __init__(
        self, *, calls: bool, options: WebRtcOptions | None = None, at: tuple[str, ...] = HERE
    ) -> None:
        self.heard: list[str | bytes] = []
        self.ends = 0
        self.line = Line(
            at, options or WebRtcOptions(), calls=calls, heard=self.heard.append, ended=self._end
        )

    def _end(self) -> None:
        self.ends += 1

    async def until(self, size: int) -> None:
        async with asyncio.timeout(20):
            while sum(map(len, self.heard)) < size:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def ends(
    options: WebRtcOptions | None = None, at: tuple[str, ...] = HERE
) -> AsyncIterator[tuple[End, End]]:
    pair = End(calls=True, options=options, at=at), End(calls=False, options=options, at=at)
    try:
        yield pair
    finally:
        for one in pair:
            await one.line.close()
        await asyncio.sleep(0.05)  # cancelled tasks of aiortc end
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left


async def join(one: End, other: End) -> None:
    told = await one.line.gather(), await other.line.gather()
    await asyncio.gather(one.line.connect(told[1]), other.line.connect(told[0]))


def test_what_one_end_says_the_other_hears_in_order() -> None:
    async def main() -> None:
        async with ends() as (one, other):
            await join(one, other)
            await one.line.send("get")
            data = bytes(range(256)) * 1000
            await other.line.send(data)
            await one.until(len(data))
            await other.until(3)
            assert b"".join(part for part in one.heard if isinstance(part, bytes)) == data
            assert other.heard == ["get"]
            assert max(map(len, one.heard)) == 16 * 1024

    asyncio.run(main())


def test_what_waits_to_leave_is_bounded() -> None:  # R-RTC-5
    async def main() -> None:
        async with ends() as (one, other):
            await join(one, other)
            with mock.patch("aiortc.rtcsctptransport.RTCSctpTransport._transmit"):
                sending = asyncio.ensure_future(other.line.send(bytes(20 * MIB)))
                await asyncio.sleep(0.2)
                assert not sending.done()
                assert MIB <= other.line.unsent <= MIB + 16 * 1024
            await one.line.close()
            with pytest.raises(ChannelClosedError):
                await sending

    asyncio.run(main())


def test_when_one_end_is_closed_the_other_one_learns_it() -> None:
    async def main() -> None:
        async with ends() as (one, other):
            await join(one, other)
            await one.line.close()
            async with asyncio.timeout(5):
                while not other.ends:
                    await asyncio.sleep(0.005)
            with pytest.raises(ChannelClosedError):
                await other.line.send("too late")
            assert (one.ends, other.ends) == (1, 1)

    asyncio.run(main())


def test_nobody_is_asked_who_is_not_configured() -> None:  # R-RTC-3
    """Of all that leaves while two ends connect, nothing goes elsewhere."""
    places: set[tuple[str, int]] = set()
    send = asyncio.selector_events._SelectorDatagramTransport.sendto  # type: ignore[attr-defined]

    def sendto(transport: object, data: bytes, address: tuple[str, int]) -> None:
        places.add(address[:2])
        send(transport, data, address)

    async def main() -> None:
        async with ends() as (one, other):
            with (
                mock.patch("asyncio.selector_events._SelectorDatagramTransport.sendto", sendto),
                mock.patch("socket.getaddrinfo", side_effect=AssertionError("somebody is asked")),
            ):
                told = await one.line.gather(), await other.line.gather()
                await asyncio.gather(one.line.connect(told[1]), other.line.connect(told[0]))
            assert one.line._own.stun_server is one.line._own.turn_server is None
            assert places == {place[:2] for end in told for place in end.places}

    asyncio.run(main())


def test_only_the_addresses_that_are_given_are_used() -> None:
    async def main() -> None:
        async with ends(at=()) as (one, _):
            with pytest.raises(ChannelClosedError, match="no address"):
                await one.line.gather()
        async with ends() as (one, _):
            assert {address for address, _, _ in (await one.line.gather()).places} == {"127.0.0.1"}

    asyncio.run(main())


def test_a_stun_server_that_is_configured_is_asked() -> None:
    async def main() -> None:
        async with (
            ice_server() as server,
            ends(WebRtcOptions(stun=f"stun:127.0.0.1:{server.port}")) as (one, other),
        ):
            await join(one, other)
            assert server.asked == [stun.Method.BINDING] * 2

    asyncio.run(main())


def test_where_only_a_turn_server_can_be_reached_it_passes_the_packets_on() -> None:
    async def main() -> None:
        async with ice_server() as server:
            turn = TurnServer(f"turn:127.0.0.1:{server.port}", USER, PASSWORD)
            async with ends(WebRtcOptions(turn=turn), at=()) as (one, other):
                await join(one, other)
                assert [kind for _, _, kind in (await one.line.gather()).places] == [2]
                await one.line.send(bytes(MIB))
                await other.until(MIB)
                assert server.relayed > MIB

    asyncio.run(main())


def test_a_turn_server_that_refuses_the_password_is_no_way() -> None:
    async def main() -> None:
        async with ice_server() as server:
            turn = TurnServer(f"turn:127.0.0.1:{server.port}", USER, "wrong")
            async with ends(WebRtcOptions(turn=turn), at=()) as (one, _):
                with pytest.raises(ChannelClosedError):
                    await one.line.gather()
            assert "wrong" not in repr(turn)

    asyncio.run(main())


@pytest.mark.parametrize("wrong", [{"fingerprint": bytes(32)}, {"password": "x" * 22}])
def test_who_is_somebody_else_is_not_talked_to(wrong: dict[str, object]) -> None:  # R-RTC-3
    async def main() -> None:
        async with ends() as (one, other):
            told = await one.line.gather(), await other.line.gather()
            with mock.patch("ocft.routes.webrtc_line._CONNECT_SECONDS", 1.0):
                results = await asyncio.gather(
                    one.line.connect(replace(told[1], **wrong)),  # type: ignore[arg-type]
                    other.line.connect(told[0]),
                    return_exceptions=True,
                )
            assert all(isinstance(one, ChannelClosedError) for one in results), results
            assert one.heard == other.heard == []

    asyncio.run(main())


def test_where_nobody_answers_it_is_given_up() -> None:
    async def main() -> None:
        async with ends() as (one, other):
            told = await other.line.gather()
            await one.line.gather()
            with (
                mock.patch("ocft.routes.webrtc_line._CONNECT_SECONDS", 0.3),
                pytest.raises(ChannelClosedError),
            ):
                await one.line.connect(told)

    asyncio.run(main())


def test_a_peer_that_opens_channels_of_its_own_is_hung_up_on() -> None:
    async def main() -> None:
        async with ends() as (one, other):
            await join(one, other)
            RTCDataChannel(other.line._sctp, RTCDataChannelParameters(label="more", id=7))
            async with asyncio.timeout(5):
                while not one.ends:
                    await asyncio.sleep(0.005)

    asyncio.run(main())


def test_a_message_that_never_ends_is_not_kept() -> None:
    """Its last part never comes; what came of it is not to fill the memory."""

    async def main() -> None:
        async with ends() as (one, other):
            await join(one, other)
            with mock.patch("ocft.routes.webrtc_line._MOST_UNASSEMBLED", 0):
                other.line._sctp._remote_max_message_size = 0
                other.line._channel.send(bytes(4 * MIB))
                async with asyncio.timeout(20):
                    while not one.ends:
                        await asyncio.sleep(0.005)
            assert one.heard == []

    asyncio.run(main())


def test_packets_of_strangers_do_not_fill_the_memory() -> None:
    """Somebody floods the port while the two have not found each other yet."""

    async def main() -> None:
        async with ends() as (one, other):
            (_, port, _), *_ = (await one.line.gather()).places
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                for _ in range(30):
                    for _ in range(50):
                        stranger.sendto(b"\x16" + bytes(1000), ("127.0.0.1", port))
                    stranger.sendto(bytes(30_000), ("127.0.0.1", port))
                    await asyncio.sleep(0.01)
            assert one.line._own._queue.qsize() == 1024
            await join(one, other)  # and they do
            await other.line.send("here")
            await one.until(4)

    asyncio.run(main())


def test_a_connection_that_is_closed_meanwhile_is_given_up() -> None:
    async def main() -> None:
        async with ends() as (one, other):
            told = await other.line.gather()
            await one.line.gather()
            connecting = asyncio.ensure_future(one.line.connect(told))
            await asyncio.sleep(0.05)
            await one.line.close()
            with pytest.raises(ChannelClosedError):
                await connecting
            with pytest.raises(ChannelClosedError):
                await one.line.connect(told)

    asyncio.run(main())


def test_a_server_that_keeps_its_end_waiting_does_not_keep_ours() -> None:
    """aioice waits for the TURN server; what it waits for bears no second wait when cancelled."""

    async def main() -> None:
        one = End(calls=True)
        answer = asyncio.get_running_loop().create_future()

        async def wait() -> None:
            await answer

        with (
            mock.patch.object(one.line._own, "close", wait),
            mock.patch("ocft.routes.webrtc_line._CLOSE_SECONDS", 0.02),
        ):
            async with asyncio.timeout(5):
                await one.line.close()
                await one.line.close()
            answer.set_result(None)
            await asyncio.sleep(0)
        await one.line.close()
        assert one.ends == 1

    asyncio.run(main())
