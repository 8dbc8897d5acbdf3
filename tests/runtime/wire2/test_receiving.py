"""`ocft.runtime.wire2.receiving`: writes, syncs, records, then acknowledges."""

import asyncio
import hashlib
import os
import random
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ocft import ChannelLimits, TransferState
from ocft.errors import StorageError, WrongStateError
from ocft.ids import TransferId
from ocft.runtime.wire2.receiving import _describable, name_of, ranges_of
from ocft.storage import ArrivingSet
from ocft.testing import run
from ocft.wire import FrameType, Manifest, ManifestFile
from tests.runtime.pair import DATA, write_source
from tests.runtime.sealed_pair import Node, pump_of, sealed_nodes, write_files

BIG = random.Random(0).randbytes(500_000)
SLOW = ChannelLimits(max_text=40_000, texts_per_second=5)


def manifest_of(*files: tuple[str, int]) -> Manifest:
    return Manifest(
        tuple(
            ManifestFile(name, size, hashlib.sha256(bytes(size)).digest(), None, False)
            for name, size in files
        )
    )


@pytest.mark.parametrize(
    ("names", "together"),
    [
        (["report.pdf"], "report.pdf"),
        (["folder/a"], "folder/"),
        (["folder/a", "folder/sub/b"], "folder/"),
        (["a", "b"], "a and 1 more"),
        (["folder/a", "b", "c"], "folder and 2 more"),
    ],
)
def test_files_have_a_name_together(names: list[str], together: str) -> None:
    assert name_of(manifest_of(*((name, 1) for name in names))) == together


def test_files_are_ranges_behind_the_manifest_and_empty_ones_are_none() -> None:
    manifest = manifest_of(("a", 5), ("b", 0), ("c", 7), ("d", 1))
    assert ranges_of(manifest, 100, [3, 0, 1]) == [(100, 105), (112, 113)]
    assert ranges_of(manifest, 100, []) == []


def test_an_accept_names_128_ranges_and_nothing_behind_them_may_be_sent() -> None:  # R-ARQ-3
    ranges = tuple((20 * number, 20 * number + 10) for number in range(200))
    assert _describable(ranges[:128], 9999) == (ranges[:128], 9999)
    described, limit = _describable(ranges, 9999)
    assert described == ranges[:128]
    assert limit == ranges[128][0]
    assert _describable(ranges, 100) == (ranges[:128], 100)


async def receiving(alice: Node, bob: Node, *paths: Path) -> Any:
    """Return the pump of a transfer of which some bytes have come."""
    transfer_id = await alice.manager.send_file("bob", *paths)
    await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
    return pump_of(bob, transfer_id)


def test_nothing_is_acknowledged_before_it_is_on_the_disk_and_in_the_journal(
    tmp_path: Path,
) -> None:
    async def main() -> None:  # R-ARQ-1
        async with sealed_nodes(tmp_path, limits=SLOW) as (alice, bob):
            pump = await receiving(alice, bob, write_source(tmp_path, BIG * 4))
            synced: list[str] = []
            fsync = os.fsync

            def watched(descriptor: int) -> None:
                fsync(descriptor)
                synced.append("sync")

            claims: list[tuple[int, int]] = []

            def ear(author: str, to: str, text: str) -> list[str]:
                if author == "bob" and alice.room.frames()[-1][0] == FrameType.ACK:
                    journal = bob.manager._journal.synced(pump.id)
                    stored = pump.machine.stored_ranges()
                    claims.append((sum(b - a for a, b in stored), sum(b - a for a, b in journal)))
                return [text]

            alice.room.ear = ear
            with mock.patch("os.fsync", watched):
                await asyncio.sleep(9)
            assert len(synced) > 2
            assert claims
            assert all(claimed <= recorded for claimed, recorded in claims)
            alice.room.ear = lambda author, to, text: [text]
            await alice.manager.wait(pump.id)

    run(main())


@pytest.mark.parametrize("step", ["write", "sync", "publish", "manifest_bytes"])
def test_a_disk_that_refuses_ends_the_transfer_so_that_it_can_go_on(
    tmp_path: Path, step: str
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=SLOW) as (alice, bob):
            with mock.patch.object(ArrivingSet, step, side_effect=StorageError("no more")):
                transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
                info = await bob.end_of(transfer_id)
                assert info.error_code == "STORAGE"
                assert info.is_resumable
                assert (await alice.end_of(transfer_id)).is_resumable
            await alice.manager.resume_transfer(transfer_id)
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": BIG}
            assert bob.parts() == []

    run(main())


def test_a_repeated_offer_gets_the_same_accept(tmp_path: Path) -> None:  # R-CTL-2, T-7
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=SLOW) as (alice, bob):
            pump = await receiving(alice, bob, write_source(tmp_path, BIG))
            accept, session = pump._accept
            sealed: list[Any] = []
            seal = type(session).seal

            def spy(one: Any, message: Any) -> bytes:
                sealed.append((one, message))
                sealed_frame: bytes = seal(one, message)
                return sealed_frame

            with mock.patch.object(type(session), "seal", spy):
                pump.receive(pump._offer, session)
                await asyncio.sleep(0.5)
            assert (session, accept) in sealed
            assert pump._accept == (accept, session)
            await alice.manager.wait(pump.id)

    run(main())


def test_a_window_of_bytes_that_come_twice_is_written_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, _bob):
            alice.room.ear = lambda author, to, text: [text, text]
            written: list[int] = []
            write = ArrivingSet.write

            def spy(arriving: ArrivingSet, offset: int, data: bytes) -> None:
                written.append(len(data))
                write(arriving, offset, data)

            with mock.patch.object(ArrivingSet, "write", spy):
                transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
                await alice.manager.wait(transfer_id)
            assert sum(written) < len(BIG) + 200
            assert alice.room.count(FrameType.ACK, "bob") < 20

    run(main())


def test_names_that_are_wanted_are_checked_before_anything_is_decided(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"auto_accept": False}) as (alice, bob):
            folder = write_files(tmp_path, a=b"a", b=b"b")
            transfer_id = await alice.manager.send_file("bob", folder)
            await bob.until(lambda: "offer-received" in bob.names())
            pump = pump_of(bob, transfer_id)
            assert pump.is_undecided
            assert pump.numbers_without(["set/b"]) == [0]
            assert pump.numbers_without([]) == [0, 1]
            with pytest.raises(WrongStateError):
                pump.numbers_without(["set/c"])
            assert pump.expected_bytes == 0
            await bob.manager.accept_transfer(transfer_id, only=[])
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {}

    run(main())


def test_what_need_not_be_sent_is_said_together_with_the_decision(tmp_path: Path) -> None:
    async def main() -> None:  # R-MAN-3: looking for what is here already may take long
        async with sealed_nodes(tmp_path, None, {"auto_accept": False}) as (alice, bob):
            folder = write_files(tmp_path, a=BIG, b=b"b")
            transfer_id = await alice.manager.send_file("bob", folder)
            await bob.until(lambda: "offer-received" in bob.names())
            pump = pump_of(bob, transfer_id)
            look = pump._not_wanted

            async def look_long(*args: Any) -> Any:
                await asyncio.sleep(5)
                return await look(*args)

            pump._not_wanted = look_long
            await bob.manager.accept_transfer(transfer_id, only=["set/b"])
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"set/b": b"b"}
            assert sum(map(len, alice.room.frames("alice"))) < 10_000
            assert 5 < asyncio.get_running_loop().time() < 10

    run(main())


def test_what_is_wanted_survives_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"auto_accept": False}, limits=SLOW) as nodes:
            alice, bob = nodes
            folder = write_files(tmp_path, a=BIG, b=BIG[::-1])
            transfer_id = await alice.manager.send_file("bob", folder)
            await bob.until(lambda: "offer-received" in bob.names())
            await bob.manager.accept_transfer(transfer_id, only=["set/b"])
            await bob.until(lambda: bob.info(transfer_id).bytes_done > len(BIG) + 100_000)
            await bob.restart()
            record = bob.manager._journal.get(TransferId(transfer_id))
            assert record is not None
            assert record.is_decided
            assert record.left_out == {0}
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"set/b": BIG[::-1]}

    run(main())


def test_undecided_survives_every_end(tmp_path: Path) -> None:  # R-TRU-3
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"auto_accept": False}) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, DATA))
            await bob.until(lambda: "offer-received" in bob.names())
            pump_of(bob, transfer_id).fail(StorageError("no more"), is_resumable=True)
            await bob.end_of(transfer_id)
            record = bob.manager._journal.get(TransferId(transfer_id))
            assert record is not None
            assert record.info.is_resumable
            assert not record.is_decided
            await asyncio.sleep(1)
            await bob.manager.resume_transfer(transfer_id)
            assert bob.state(transfer_id) is TransferState.PENDING
            await asyncio.sleep(30)
            assert bob.tree() == {}
            await bob.manager.accept_transfer(transfer_id)
            await bob.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": DATA}

    run(main())
