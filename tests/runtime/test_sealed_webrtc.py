"""Files that go through a WebRTC line, between two real ends on one machine.

In real time: threads and sockets do the work. Waits are made short.
"""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from unittest import mock

import pytest
from aioice.ice import StunProtocol

from ocft import ChannelLimits, DirectOptions, WebRtcOptions
from ocft.crypto import RecordCipher
from ocft.errors import AdapterNotInstalledError, ChannelClosedError
from ocft.routes import LineClient, LineEnd
from ocft.runtime.wire2.webrtc_signals import signal_of
from ocft.wire import FrameType, Signal, decode
from tests.runtime.pair import write_source
from tests.runtime.sealed_pair import Node, sealed_nodes

MIB = 1024 * 1024
NARROW = ChannelLimits(max_text=4096)
NOISE = random.Random(7).randbytes(6 * MIB + 12_345)
SENDING = "ocft.runtime.wire2.direct_sending"
WAYS = "ocft.runtime.wire2.direct_ways"
RECEIVING = "ocft.runtime.wire2.direct_receiving"
ANSWERING = "ocft.runtime.wire2.webrtc_answering"
CALLING = "ocft.runtime.wire2.webrtc_calling"
HERE = ("127.0.0.1",)
WEBRTC = DirectOptions(listens=False, addresses=HERE, webrtc=WebRtcOptions())


@pytest.fixture(autouse=True)
def _no_pauses() -> Iterator[None]:
    with mock.patch(f"{RECEIVING}.PAUSES", (0.001,) * 5):
        yield


@contextmanager
def short_hopes() -> Iterator[None]:
    """Let the channel wait for a line for a moment only."""
    with (
        mock.patch(f"{SENDING}._HOPE", 2.0),
        mock.patch(f"{SENDING}._STALLED", 2.0),
        mock.patch("ocft.routes.webrtc_line._CONNECT_SECONDS", 1.0),
    ):
        yield


@asynccontextmanager
async def nodes(
    folder: Path, *, ours: DirectOptions | None = WEBRTC, theirs: DirectOptions | None = WEBRTC
) -> AsyncIterator[tuple[Node, Node]]:
    options = {"direct": ours}, {"direct": theirs}
    async with sealed_nodes(folder, *options, limits=NARROW) as (alice, bob):
        yield alice, bob


async def send(alice: Node, folder: Path, data: bytes = NOISE) -> str:
    transfer_id = await alice.manager.send_file("bob", write_source(folder, data))
    async with asyncio.timeout(60):
        await alice.manager.wait(transfer_id)
    return transfer_id


class Wire:
    """Counts the bytes that come over lines, and cuts them where it is told."""

    def __init__(self, cut: Callable[["Wire"], bool] = lambda wire: False) -> None:
        self.bytes = 0
        self.cuts = 0
        self.calls = 0
        self._cut = cut

    def __enter__(self) -> Self:
        wire, read, begin = self, LineClient.read_into, LineClient.use

        def read_into(client: LineClient, buffer: memoryview) -> None:
            if wire._cut(wire):
                wire.cuts += 1
                client.cut()
            read(client, buffer)
            wire.bytes += len(buffer)

        def use(client: LineClient, line: Any) -> None:
            wire.calls += 1
            begin(client, line)

        self._patches: list[Any] = [
            mock.patch.object(LineClient, "read_into", read_into),
            mock.patch.object(LineClient, "use", use),
        ]
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()


def test_a_file_goes_through_a_line(tmp_path: Path) -> None:  # R-RTC-1
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert alice.room.count(FrameType.DATA) == 0
            assert alice.room.count(FrameType.ACK) <= 5  # "decided" is repeated until bytes come

    asyncio.run(main())


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (None, WEBRTC),
        (WEBRTC, None),
        (DirectOptions(listens=False), WEBRTC),
        (WEBRTC, DirectOptions(connects=False)),
    ],
)
def test_where_one_side_does_not_want_it_the_channel_carries_all(
    tmp_path: Path, ours: DirectOptions | None, theirs: DirectOptions | None
) -> None:
    async def main() -> None:
        async with nodes(tmp_path, ours=ours, theirs=theirs) as (alice, bob):
            with short_hopes(), Wire() as wire:
                await send(alice, tmp_path, NOISE[: MIB // 2])
            assert bob.tree() == {"report.bin": NOISE[: MIB // 2]}
            assert wire.bytes == wire.calls == 0

    asyncio.run(main())


def test_who_wants_no_plain_connections_can_still_be_called(tmp_path: Path) -> None:
    only_lines = replace(WEBRTC, connects=False)

    async def main() -> None:
        async with nodes(tmp_path, ours=only_lines, theirs=only_lines) as (alice, bob):
            await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert alice.room.count(FrameType.DATA) == 0

    asyncio.run(main())


def test_what_is_small_goes_over_the_channel(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with Wire() as wire:
                await send(alice, tmp_path, b"small")
            assert bob.tree() == {"report.bin": b"small"}
            assert wire.calls == 0

    asyncio.run(main())


def test_nobody_is_called_while_plain_connections_work(tmp_path: Path) -> None:  # R-RTC-1
    both = DirectOptions(addresses=HERE, webrtc=WebRtcOptions())

    async def main() -> None:
        async with nodes(tmp_path, ours=both, theirs=both) as (alice, bob):
            with Wire() as wire:
                await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert wire.calls == 0
            assert alice.room.count(FrameType.DATA) == 0

    asyncio.run(main())


def test_where_no_plain_connection_is_possible_a_line_is(tmp_path: Path) -> None:
    both = DirectOptions(addresses=HERE, webrtc=WebRtcOptions())
    refused = mock.AsyncMock(side_effect=ChannelClosedError("a firewall"))

    async def main() -> None:
        async with nodes(tmp_path, ours=both, theirs=both) as (alice, bob):
            with (
                Wire() as wire,
                mock.patch(f"{WAYS}.connect", refused),
                mock.patch("ocft.runtime.wire2.direct_pushing.connect", refused),
            ):
                await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert wire.bytes > len(NOISE)

    asyncio.run(main())


def test_after_a_cut_only_the_rest_comes(tmp_path: Path) -> None:  # R-RTC-6
    places = [1 * MIB, 3 * MIB, 5 * MIB]

    def cut(wire: Wire) -> bool:
        if places and wire.bytes >= places[0]:
            places.pop(0)
            return True
        return False

    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with Wire(cut) as wire:
                await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert (wire.cuts, wire.calls) == (3, 4)
            assert wire.bytes < len(NOISE) + 3 * MIB + 100_000  # a frame for each cut

    asyncio.run(main())


def test_a_line_that_stays_cut_leaves_the_rest_to_the_channel(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            data = NOISE[: 4 * MIB]
            with short_hopes(), Wire(lambda wire: wire.bytes > 3 * MIB) as wire:
                await send(alice, tmp_path, data)
            assert bob.tree() == {"report.bin": data}
            assert wire.cuts >= 3
            by_text = sum(len(one) for one in alice.room.frames("alice"))
            assert by_text < 2 * MIB  # not what had come already

    asyncio.run(main())


def test_packets_that_are_swallowed_on_the_way_lose_nothing(tmp_path: Path) -> None:
    """The line seems to be there, and carries nothing any more: no reset, no word."""
    sent = [0]
    swallow = StunProtocol.send_data

    async def send_data(self: StunProtocol, data: bytes, address: tuple[str, int]) -> None:
        sent[0] += len(data)
        if sent[0] < 2 * MIB:
            await swallow(self, data, address)

    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with (
                short_hopes(),
                Wire() as wire,
                mock.patch.object(StunProtocol, "send_data", send_data),
                mock.patch("ocft.routes.webrtc_client._IDLE_SECONDS", 1.0),
            ):
                await send(alice, tmp_path, NOISE[: 4 * MIB])
            assert bob.tree() == {"report.bin": NOISE[: 4 * MIB]}
            assert 0 < wire.bytes < 3 * MIB

    asyncio.run(main())


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_who_is_restarted_goes_on(tmp_path: Path, who: str) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with Wire() as wire:
                transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, NOISE))
                await bob.until(lambda: wire.bytes > 2 * MIB, 30)
                await (alice if who == "alice" else bob).restart()
                async with asyncio.timeout(60):
                    await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": NOISE}
            assert wire.calls in (2, 3)  # perhaps one while nobody was there
            assert wire.bytes < len(NOISE) + 3 * MIB

    asyncio.run(main())


def test_ten_transfers_at_once_arrive(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            ids = []
            for number in range(10):
                source = tmp_path / f"{number}.bin"
                source.write_bytes(NOISE[number : number + MIB // 4])
                ids.append(await alice.manager.send_file("bob", source))
            async with asyncio.timeout(60):
                for one in ids:
                    await alice.manager.wait(one)
            assert bob.tree() == {f"{n}.bin": NOISE[n : n + MIB // 4] for n in range(10)}

    asyncio.run(main())


def test_when_the_nodes_stop_nothing_is_left(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with Wire() as wire:
                await alice.manager.send_file("bob", write_source(tmp_path, NOISE))
                await bob.until(lambda: wire.bytes > MIB, 30)  # in the middle of it
        assert not [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]

    asyncio.run(main())
    for thread in threading.enumerate():
        if "webrtc" in thread.name:
            thread.join(5)
            assert not thread.is_alive(), thread.name


def test_who_waits_for_an_answer_can_be_stopped_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with Wire() as wire, mock.patch(f"{ANSWERING}.Answering.take"):
                await alice.manager.send_file("bob", write_source(tmp_path, NOISE))
                await bob.until(lambda: wire.calls, 30)
                async with asyncio.timeout(4):  # and not the 30 s of a call
                    await bob.stop()
                await bob.start()

    asyncio.run(main())


def test_bytes_that_were_changed_on_the_way_are_not_written(tmp_path: Path) -> None:
    """DTLS would notice; the frames' own seals do, too."""
    open_into = RecordCipher.open_into

    def damaged(cipher: RecordCipher, header: bytes, sealed: memoryview, out: memoryview) -> None:
        sealed[5] ^= 1
        open_into(cipher, header, sealed, out)

    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with short_hopes(), mock.patch.object(RecordCipher, "open_into", damaged):
                await send(alice, tmp_path, NOISE[: MIB // 2])
            assert bob.tree() == {"report.bin": NOISE[: MIB // 2]}
            assert alice.room.count(FrameType.DATA) > 50

    asyncio.run(main())


def test_a_peer_with_another_certificate_is_hung_up_on(tmp_path: Path) -> None:  # R-RTC-3
    def forged(end: LineEnd, **fields: Any) -> Signal:
        return signal_of(replace(end, fingerprint=bytes(32)), **fields)

    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with (
                short_hopes(),
                Wire() as wire,
                mock.patch(f"{ANSWERING}.signal_of", forged),
            ):
                await send(alice, tmp_path, NOISE[: MIB // 2])
            assert bob.tree() == {"report.bin": NOISE[: MIB // 2]}
            assert wire.bytes == 0

    asyncio.run(main())


def test_signals_that_are_lost_or_repeated_do_no_harm(tmp_path: Path) -> None:  # R-RTC-4
    """The first call is lost; every control message after it comes three times."""

    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            lost: list[str] = []

            def ear(author: str, to: str, text: str) -> list[str]:
                is_control = decode(text)[0][:1] == bytes([FrameType.CONTROL])  # type: ignore[index]
                if is_control and author == "bob" and calls and not lost:
                    lost.append(text)
                    return []
                return [text] * 3 if is_control else [text]

            calls: list[Signal] = []

            def call_of(end: LineEnd, **fields: Any) -> Signal:
                calls.append(signal_of(end, **fields))
                return calls[-1]

            alice.room.ear = ear
            with (
                Wire() as wire,
                mock.patch(f"{CALLING}.signal_of", call_of),
                mock.patch(f"{CALLING}._WAITS", (0.3, 5.0, 5.0)),
            ):
                await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert len(lost) == wire.calls == len(calls) == 1
            assert wire.bytes > MIB

    asyncio.run(main())


def test_without_the_extra_it_is_said_how_to_install_it(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(AdapterNotInstalledError, match=r"pip install 'ocft\[webrtc\]'"):
            async with nodes(tmp_path):
                pass

    with mock.patch("importlib.util.find_spec", return_value=None):
        asyncio.run(main())
