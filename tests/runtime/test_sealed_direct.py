"""Files that go straight from machine to machine, and what becomes of them when they cannot.

In real time: threads and sockets do the work. Waits are made short.
"""

import asyncio
import random
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from unittest import mock

import pytest

from ocft import ChannelLimits, DirectOptions, TransferState
from ocft.crypto import RecordCipher
from ocft.errors import ChannelClosedError, ConfigError, StorageError
from ocft.routes import Place, connect
from ocft.routes.connection import DirectConnection
from ocft.runtime.wire2.direct_receiving import MOST_UNSYNCED
from ocft.storage import ArrivingSet
from ocft.wire import FrameType
from tests.runtime.pair import write_source
from tests.runtime.sealed_pair import Node, inside, peer_of, sealed_nodes

MIB = 1024 * 1024
NARROW = ChannelLimits(max_text=4096)
NOISE = random.Random(7).randbytes(20 * MIB + 12_345)
DIRECT = DirectOptions(addresses=("127.0.0.1",))
WAYS = "ocft.runtime.wire2.direct_ways"
NOWHERE = DirectOptions(addresses=("192.0.2.77",))
"""Nobody has this address."""
FETCHES_ONLY = replace(DIRECT, listens=False)
ONE_SIDED = [
    (replace(DIRECT, listens=False), DIRECT),  # a sender that cannot be reached, for one
    (DIRECT, replace(DIRECT, connects=False)),
]


@pytest.fixture(autouse=True)
def _short_pauses() -> Iterator[None]:
    receiving = "ocft.runtime.wire2.direct_receiving"
    with (
        mock.patch(f"{receiving}.PAUSES", (0.001,) * 5),
        mock.patch("ocft.runtime.wire2.direct_ways._PEER_SECONDS", 3.0),
        mock.patch("ocft.runtime.wire2.direct_ways._HEAD_START", 0.1),
        mock.patch("ocft.runtime.wire2.direct_pushing.PAUSES", (0.001,) * 5),
    ):
        yield


@pytest.fixture
def impatient() -> Iterator[None]:
    """The channel carries the rest soon."""
    sending = "ocft.runtime.wire2.direct_sending"
    with (
        mock.patch(f"{sending}._FIRST_HOPE", 1.0),
        mock.patch(f"{sending}._HOPE", 0.3),
        mock.patch(f"{sending}._STALLED", 1.0),
        mock.patch("ocft.runtime.wire2.direct_ways._PEER_SECONDS", 0.5),
    ):
        yield


@asynccontextmanager
async def nodes(
    folder: Path, *, ours: DirectOptions | None = DIRECT, theirs: DirectOptions | None = DIRECT
) -> AsyncIterator[tuple[Node, Node]]:
    options = {"direct": ours}, {"direct": theirs}
    async with sealed_nodes(folder, *options, limits=NARROW) as (alice, bob):
        yield alice, bob


async def send(alice: Node, folder: Path, data: bytes = NOISE) -> str:
    transfer_id = await alice.manager.send_file("bob", write_source(folder, data))
    async with asyncio.timeout(60):
        await alice.manager.wait(transfer_id)
    return transfer_id


class Line:
    """Counts the bytes that come directly, and cuts the connection where it is told."""

    def __init__(self, cut: Callable[["Line"], bool] = lambda line: False) -> None:
        self.bytes = 0
        self.cuts = 0
        self.stalls = 0
        self.chance = random.Random(50)
        self._cut = cut
        self._read_into = DirectConnection.read_into

    def __enter__(self) -> Self:
        line = self

        def read_into(client: DirectConnection, buffer: memoryview) -> None:
            if line._cut(line):
                line.cuts += 1
                part = line.chance.randrange(len(buffer))
                line._read_into(client, buffer[:part])
                line.bytes += part
                client.cut()
                raise ChannelClosedError("cut")
            line._read_into(client, buffer)
            line.bytes += len(buffer)

        self._patch = mock.patch.object(DirectConnection, "read_into", read_into)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()


def test_what_is_large_goes_around_the_channel(tmp_path: Path) -> None:  # R-DIR-1, R-DIR-2
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with Line() as line:
                await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert line.bytes > len(NOISE)
            assert alice.room.count(FrameType.DATA) == 0
            assert alice.room.count(FrameType.ACK) <= 2

    asyncio.run(main())


def test_what_is_small_goes_over_the_channel(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with Line() as line:
                await send(alice, tmp_path, b"small")
            assert bob.tree() == {"report.bin": b"small"}
            assert line.bytes == 0

    asyncio.run(main())


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (None, DIRECT),
        (DIRECT, None),
        (replace(DIRECT, listens=False), replace(DIRECT, listens=False)),
        (DirectOptions(connects=False), DirectOptions(connects=False)),
        (NOWHERE, NOWHERE),
    ],
)
def test_where_one_side_does_not_want_it_the_channel_carries_all(
    tmp_path: Path, ours: DirectOptions | None, theirs: DirectOptions | None
) -> None:
    async def main() -> None:
        async with nodes(tmp_path, ours=ours, theirs=theirs) as (alice, bob):
            with Line() as line:
                await send(alice, tmp_path, NOISE[: MIB // 2])
            assert bob.tree() == {"report.bin": NOISE[: MIB // 2]}
            assert line.bytes == 0

    asyncio.run(main())


@pytest.mark.parametrize(("ours", "theirs"), ONE_SIDED)
def test_where_only_the_sender_can_connect_it_brings_the_bytes(
    tmp_path: Path, ours: DirectOptions, theirs: DirectOptions
) -> None:  # R-DIR-7
    async def main() -> None:
        async with nodes(tmp_path, ours=ours, theirs=theirs) as (alice, bob):
            with Line() as line:
                await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert line.bytes > len(NOISE)
            assert alice.room.count(FrameType.DATA) == 0
            server = inside(bob).direct._server
            await bob.until(lambda: not server._listening, 30)

    asyncio.run(main())


def test_what_is_brought_after_a_cut_is_only_the_rest(tmp_path: Path) -> None:  # R-DIR-7
    data = NOISE * 4
    places = [0]

    def cut(line: Line) -> bool:
        if line.cuts == 20 or line.bytes < places[-1]:
            return False
        places.append(line.bytes + 2 * MIB)
        return True

    async def main() -> None:
        async with nodes(tmp_path, ours=replace(DIRECT, listens=False)) as (alice, bob):
            with Line(cut) as line:
                await send(alice, tmp_path, data)
            assert bob.tree() == {"report.bin": data}
            assert line.cuts == 20
            assert line.bytes < len(data) + 20 * MIB
            assert alice.room.count(FrameType.DATA) == 0
            assert len([one for one in alice.room.said if one[0] == "bob"]) < 15

    asyncio.run(main())


@pytest.mark.usefixtures("impatient")
def test_a_way_to_the_receiver_that_stays_cut_leaves_the_rest_to_the_channel(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with nodes(tmp_path, ours=replace(DIRECT, listens=False)) as (alice, bob):
            data = NOISE[: 9 * MIB]
            with Line(lambda line: line.bytes > 8 * MIB):
                await send(alice, tmp_path, data)
            assert bob.tree() == {"report.bin": data}
            by_text = sum(len(one) for one in alice.room.frames("alice"))
            assert by_text < 3 * MIB

    asyncio.run(main())


def test_a_source_that_changes_while_it_is_brought_ends_it_on_both_sides(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path, ours=replace(DIRECT, listens=False)) as (alice, bob):
            source = write_source(tmp_path, NOISE)

            def cut(line: Line) -> bool:
                if line.bytes > 4 * MIB and not line.cuts:
                    with source.open("r+b") as file:
                        file.truncate(5 * MIB)
                return False

            with Line(cut):
                transfer_id = await alice.manager.send_file("bob", source)
                info = await alice.end_of(transfer_id)
                assert (info.state, info.error_code) == (TransferState.FAILED, "SOURCE_CHANGED")
                await bob.until(lambda: bob.state(transfer_id) is TransferState.FAILED, 30)
            assert bob.tree() == {}

    asyncio.run(main())


def test_a_restart_of_either_side_while_it_is_brought_loses_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path, ours=replace(DIRECT, listens=False)) as (alice, bob):
            data = NOISE * 3
            with Line() as line:
                transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, data))
                await bob.until(lambda: line.bytes > 10 * MIB, 30)
                await bob.restart()
                await bob.until(lambda: line.bytes > 20 * MIB, 30)
                await alice.restart()
                async with asyncio.timeout(60):
                    await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": data}
            assert line.bytes <= len(data) + 2 * MOST_UNSYNCED

    asyncio.run(main())


def test_ten_transfers_that_are_brought_at_once_arrive(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path, ours=replace(DIRECT, listens=False)) as (alice, bob):
            ids = []
            for number in range(10):
                source = tmp_path / f"{number}.bin"
                source.write_bytes(NOISE[number : number + 2 * MIB])
                ids.append(await alice.manager.send_file("bob", source))
            async with asyncio.timeout(60):
                for one in ids:
                    await alice.manager.wait(one)
            assert bob.tree() == {f"{n}.bin": NOISE[n : n + 2 * MIB] for n in range(10)}

    asyncio.run(main())


def test_after_a_cut_only_the_rest_is_fetched(tmp_path: Path) -> None:  # R-DIR-5
    """Fifty cuts at random places; what comes twice is less than a window for each."""
    data = NOISE * 4

    places = [0]

    def cut(line: Line) -> bool:
        if line.cuts == 50 or line.bytes < places[-1]:
            return False
        places.append(line.bytes + MIB // 2)
        return True

    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with Line(cut) as line:
                await send(alice, tmp_path, data)
            assert bob.tree() == {"report.bin": data}
            assert line.cuts == 50
            assert line.bytes < len(data) + 50 * MIB  # a frame, and not all of the window
            assert alice.room.count(FrameType.DATA) == 0

    asyncio.run(main())


@pytest.mark.usefixtures("impatient")
def test_a_cable_that_stays_cut_leaves_the_rest_to_the_channel(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            data = NOISE[: 9 * MIB]
            with Line(lambda line: line.bytes > 8 * MIB) as line:
                await send(alice, tmp_path, data)
            assert bob.tree() == {"report.bin": data}
            assert line.cuts >= 5
            by_text = sum(len(one) for one in alice.room.frames("alice"))
            assert by_text < 3 * MIB  # not what had come already

    asyncio.run(main())


@pytest.mark.usefixtures("impatient")
def test_a_line_that_stalls_is_not_waited_for(tmp_path: Path) -> None:
    """The receiver takes nothing any more, and the connection stays."""
    is_over = threading.Event()

    def cut(line: Line) -> bool:
        if line.bytes > 3 * MIB:
            line.stalls += 1
            is_over.wait(30)
            return True
        return False

    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            data = NOISE[: 4 * MIB]
            with Line(cut) as line:
                await send(alice, tmp_path, data)
                assert line.stalls == 1
                is_over.set()
            assert bob.tree() == {"report.bin": data}
            assert alice.room.count(FrameType.DATA) > 0

    asyncio.run(main())


def test_a_restarted_receiver_fetches_only_what_is_missing(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            source = write_source(tmp_path, NOISE)
            with Line() as line:
                transfer_id = await alice.manager.send_file("bob", source)
                await bob.until(lambda: line.bytes > 10 * MIB, 30)
                await bob.restart()
                async with asyncio.timeout(60):
                    await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": NOISE}
            assert line.bytes <= len(NOISE) + MOST_UNSYNCED

    asyncio.run(main())


def test_a_restarted_sender_goes_on_with_another_token(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            source = write_source(tmp_path, NOISE)
            with Line() as line:
                transfer_id = await alice.manager.send_file("bob", source)
                await bob.until(lambda: line.bytes > 8 * MIB, 30)
                await alice.restart()
                async with asyncio.timeout(60):
                    await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": NOISE}
            assert line.bytes <= len(NOISE) + MOST_UNSYNCED

    asyncio.run(main())


def test_a_source_that_changes_meanwhile_ends_it_on_both_sides(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            source = write_source(tmp_path, NOISE)

            def cut(line: Line) -> bool:
                if line.bytes > 4 * MIB and not line.cuts:
                    with source.open("r+b") as file:
                        file.truncate(5 * MIB)
                return False

            with Line(cut):
                transfer_id = await alice.manager.send_file("bob", source)
                info = await alice.end_of(transfer_id)
                assert (info.state, info.error_code) == (TransferState.FAILED, "SOURCE_CHANGED")
                await bob.until(lambda: bob.state(transfer_id) is TransferState.FAILED, 30)
            assert bob.tree() == {}

    asyncio.run(main())


def test_a_full_disk_ends_it_so_that_it_can_go_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            source = write_source(tmp_path, NOISE)
            with mock.patch.object(ArrivingSet, "write", side_effect=StorageError("full")):
                transfer_id = await alice.manager.send_file("bob", source)
                info = await bob.end_of(transfer_id)
                assert (info.error_code, info.is_resumable) == ("STORAGE", True)
                await alice.end_of(transfer_id)
            await alice.manager.resume_transfer(transfer_id)
            async with asyncio.timeout(60):
                await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": NOISE}

    asyncio.run(main())


@pytest.mark.usefixtures("impatient")
def test_bytes_that_were_changed_on_the_way_are_not_written(tmp_path: Path) -> None:  # R-DIR-3
    """What does not open ends the connection; after some the channel carries it all."""
    open_into = RecordCipher.open_into

    def damaged(cipher: RecordCipher, header: bytes, sealed: memoryview, out: memoryview) -> None:
        sealed[5] ^= 1
        open_into(cipher, header, sealed, out)

    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with mock.patch.object(RecordCipher, "open_into", damaged):
                await send(alice, tmp_path, NOISE[:MIB])
            assert bob.tree() == {"report.bin": NOISE[:MIB]}
            assert alice.room.count(FrameType.DATA) > 100

    asyncio.run(main())


def test_what_waits_for_a_decision_is_fetched_after_it(tmp_path: Path) -> None:  # R-DIR-2
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            await bob.restart(auto_accept=False, trusted_peers=[peer_of("alice")])
            with Line() as line:
                transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, NOISE))
                await bob.until(lambda: "offer-received" in bob.names(), 30)
                assert line.bytes == 0
                await bob.manager.accept_transfer(transfer_id)
                async with asyncio.timeout(60):
                    await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": NOISE}
            assert line.bytes > len(NOISE)

    asyncio.run(main())


def test_the_port_is_open_for_a_transfer_only(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, _):
            await send(alice, tmp_path)
            server = inside(alice).direct._server
            await alice.until(lambda: not server._listening, 30)

    asyncio.run(main())


def test_ten_transfers_at_once_arrive(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            ids = []
            for number in range(10):
                source = tmp_path / f"{number}.bin"
                source.write_bytes(NOISE[number : number + 2 * MIB])
                ids.append(await alice.manager.send_file("bob", source))
            async with asyncio.timeout(60):
                for one in ids:
                    await alice.manager.wait(one)
            assert bob.tree() == {f"{n}.bin": NOISE[n : n + 2 * MIB] for n in range(10)}

    asyncio.run(main())


def test_a_cable_that_was_cut_for_long_is_used_again(tmp_path: Path) -> None:  # R-DIR-5
    """The channel carries bytes meanwhile, but not the rest of them."""
    is_down = threading.Event()

    async def unreliable(places: list[Place]) -> tuple[socket.socket, Place]:
        if is_down.is_set():
            raise ChannelClosedError("no way there")
        return await connect(places)

    def cut(line: Line) -> bool:
        if line.bytes > 4 * MIB and not line.cuts:
            is_down.set()
            return True
        return False

    async def main() -> None:
        async with nodes(tmp_path, theirs=FETCHES_ONLY) as (alice, bob):
            with (
                Line(cut) as line,
                mock.patch(f"{WAYS}.connect", unreliable),
                mock.patch("ocft.runtime.wire2.direct_receiving._AGAIN", (0.05,)),
                mock.patch("ocft.runtime.wire2.direct_sending._HOPE", 0.3),
            ):
                transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, NOISE))
                await bob.until(lambda: alice.room.count(FrameType.DATA) > 3, 30)
                is_down.clear()
                async with asyncio.timeout(60):
                    await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": NOISE}
            assert line.bytes > 15 * MIB

    asyncio.run(main())


def test_a_connection_that_is_reset_at_once_is_a_try_in_vain(tmp_path: Path) -> None:
    async def reset(*_: object, **__: object) -> socket.socket:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            made = socket.create_connection(listening.getsockname())
        with suppress(OSError):  # it is reset already
            made.shutdown(socket.SHUT_RDWR)
        made.setblocking(False)
        return made

    async def main() -> None:
        async with nodes(tmp_path, theirs=FETCHES_ONLY) as (alice, bob):
            data = NOISE[: MIB // 2]
            with (
                mock.patch("aiohappyeyeballs.start_connection", reset),
                mock.patch("ocft.runtime.wire2.direct_sending._FIRST_HOPE", 0.3),
            ):
                await send(alice, tmp_path, data)
            assert bob.tree() == {"report.bin": data}

    asyncio.run(main())


def test_what_comes_over_a_line_that_is_often_cut_is_kept(tmp_path: Path) -> None:  # R-DIR-5
    arriving: list[ArrivingSet] = []
    stored: list[int] = []
    places = [0]
    write = ArrivingSet.write

    def noted(one: ArrivingSet, offset: int, data: memoryview) -> None:
        arriving[:] = [one]
        write(one, offset, data)

    def cut(line: Line) -> bool:
        if line.cuts == 20 or line.bytes < places[-1]:
            return False
        places.append(line.bytes + 3 * MIB)
        stored.extend(one.stored.total() for one in arriving)
        return True

    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with mock.patch.object(ArrivingSet, "write", noted), Line(cut) as line:
                await send(alice, tmp_path, NOISE * 4)
            assert line.cuts == 20
            assert bob.tree() == {"report.bin": NOISE * 4}

    asyncio.run(main())
    assert stored[-1] > 40 * MIB


def test_a_decision_after_hours_still_goes_around_the_channel(tmp_path: Path) -> None:  # R-DIR-1
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            await bob.restart(auto_accept=False, trusted_peers=[peer_of("alice")])
            with Line() as line, mock.patch("ocft.runtime.wire2.direct_sending._IDLE", 0.2):
                transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, NOISE))
                await bob.until(lambda: "offer-received" in bob.names(), 30)
                await asyncio.sleep(0.5)
                await bob.manager.accept_transfer(transfer_id)
                async with asyncio.timeout(60):
                    await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": NOISE}
            assert line.bytes > len(NOISE)

    asyncio.run(main())


def test_nothing_is_said_about_a_way_that_is_given_up(tmp_path: Path) -> None:
    """A node that ends while its own connection is tried sends no invitation."""

    async def never(_: object) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            with mock.patch(f"{WAYS}.connect", never), mock.patch(f"{WAYS}._HEAD_START", 30.0):
                await alice.manager.send_file("bob", write_source(tmp_path, NOISE))
                await bob.until(lambda: inside(bob).direct.turns._value < 4, 30)
                said = len(bob.room.said)
                async with asyncio.timeout(5):
                    await bob.manager.close()
            assert [one for one in bob.room.said[said:] if one[0] == "bob"] == []

    asyncio.run(main())


def test_a_channel_that_pauses_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """The invitation waits for the channel; closing does not wait for the invitation."""
    is_asked = asyncio.Event()

    async def paused(*_: object) -> None:
        is_asked.set()
        await asyncio.sleep(60)

    async def main() -> None:
        async with nodes(tmp_path, ours=replace(DIRECT, listens=False)) as (alice, bob):
            with mock.patch("ocft.runtime.wire2.receiving.FrameReceivePump._invite", paused):
                await alice.manager.send_file("bob", write_source(tmp_path, NOISE))
                async with asyncio.timeout(30):
                    await is_asked.wait()
                async with asyncio.timeout(5):
                    await bob.manager.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "wrong",
    [{"port": 900}, {"port": 70_000}, {"addresses": ()}, {"addresses": ("here",)}],
)
def test_options_that_no_peer_could_use_are_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        DirectOptions(**wrong)
    with pytest.raises(ConfigError):
        DirectOptions(addresses=("0.0.0.0",))  # noqa: S104
