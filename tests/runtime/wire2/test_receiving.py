"""`ocft.runtime.wire2.receiving`: writes, syncs, records, then acknowledges."""

import asyncio
import os
import random
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ocft import ChannelLimits, TransferState
from ocft.errors import StorageError, WrongStateError
from ocft.events import TransferCompleted
from ocft.ids import TransferId
from ocft.runtime.wire2.receiving import _describable
from ocft.runtime.wire2.taking import Taking
from ocft.storage import ArrivingSet, Journal
from ocft.storage.publishing import Publication
from ocft.testing import run
from ocft.wire import FrameType
from tests.runtime.pair import DATA, write_source
from tests.runtime.sealed_pair import Node, inside, pump_of, sealed_nodes, write_files

BIG = random.Random(0).randbytes(500_000)
SLOW = ChannelLimits(max_text=40_000, texts_per_second=5)


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


def test_empty_files_that_are_here_already_are_not_saved_a_second_time(tmp_path: Path) -> None:
    async def main() -> None:  # R-MAN-3
        async with sealed_nodes(tmp_path, None, {"auto_accept": False}) as (alice, bob):
            folder = write_files(tmp_path, a=b"", b=b"")
            for _ in range(2):
                transfer_id = await alice.manager.send_file("bob", folder)
                await bob.until(lambda: bob.names().count("offer-received"))
                bob.events.clear()
                await bob.manager.accept_transfer(transfer_id)
                await alice.manager.wait(transfer_id)
                assert bob.tree() == {"set/a": b"", "set/b": b""}

    run(main())


@pytest.mark.parametrize("how", ["cancel", "stop"])
def test_looking_for_files_that_are_here_ends_with_the_transfer(tmp_path: Path, how: str) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"auto_accept": False}) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(lambda: "offer-received" in bob.names())
            looking: list[str] = []

            async def look(taking: Taking, *_: Any) -> tuple[set[int], list[Any]]:
                looking.append("begun")
                while not taking._is_over():
                    await asyncio.sleep(1)
                looking.append("ended")
                return set(), []

            with mock.patch.object(Taking, "find", look):
                await bob.manager.accept_transfer(transfer_id)
                await asyncio.sleep(100)
                assert looking == ["begun"]
                began = asyncio.get_running_loop().time()
                if how == "cancel":
                    await bob.manager.cancel_transfer(transfer_id)
                    await bob.end_of(transfer_id)
                else:
                    await bob.stop()
                assert looking == ["begun", "ended"]
                assert asyncio.get_running_loop().time() - began < 5
            if how == "stop":
                await bob.start()
                await alice.manager.wait(transfer_id)
            assert bob.tree() == ({"report.bin": BIG} if how == "stop" else {})

    run(main())


def test_what_a_job_cannot_do_ends_the_transfer_and_hangs_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            with mock.patch.object(ArrivingSet, "sync", side_effect=ZeroDivisionError):
                transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
                info = await bob.end_of(transfer_id)
            assert (info.error_code, info.is_resumable) == ("TRANSFER_FAILED", True)
            assert "the log says" in (info.error or "")

    run(main())


@pytest.mark.parametrize("restarts", [False, True])
def test_both_ends_know_how_many_of_the_files_were_taken(tmp_path: Path, *, restarts: bool) -> None:
    async def main() -> None:  # R-MAN-3
        async with sealed_nodes(tmp_path, None, {"auto_accept": False}, limits=SLOW) as nodes:
            alice, bob = nodes
            folder = write_files(tmp_path, a=BIG, b=BIG[::-1], c=b"c", d=b"")
            transfer_id = await alice.manager.send_file("bob", folder)
            await bob.until(lambda: "offer-received" in bob.names())
            await bob.manager.accept_transfer(transfer_id, only=["set/b", "set/c"])
            await bob.until(lambda: bob.info(transfer_id).bytes_done > len(BIG) + 100_000)
            if restarts:
                for node in nodes:
                    await node.restart()
            await alice.manager.wait(transfer_id)
            await bob.manager.wait(transfer_id)
            assert bob.tree() == {"set/b": BIG[::-1], "set/c": b"c"}
            for node in nodes:
                info = node.info(transfer_id)
                assert (info.file_count, info.files_taken) == (4, 2)
                assert (info.size, info.bytes_taken) == (2 * len(BIG) + 1, len(BIG) + 1)
                completed = node.events[-1]
                assert isinstance(completed, TransferCompleted)
                assert (completed.files_taken, completed.size) == (2, len(BIG) + 1)

    run(main())


def test_what_was_here_already_was_taken_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            folder = write_files(tmp_path, a=DATA, b=b"b")
            for _ in range(2):
                transfer_id = await alice.manager.send_file("bob", folder)
                for node in (alice, bob):
                    info = await node.end_of(transfer_id)
                    assert (info.files_taken, info.bytes_taken) == (None, None)
            assert bob.tree() == {"set/a": DATA, "set/b": b"b"}

    run(main())


def test_a_file_that_just_got_its_name_is_not_one_that_was_here(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            move, moved = Publication._move, 0

            def move_one(publication: Publication, top: str) -> None:
                nonlocal moved
                if moved == 1:
                    raise StorageError("the disk was taken away")
                moved += 1
                move(publication, top)

            paths = [write_source(tmp_path, DATA, name) for name in ("a", "b")]
            with mock.patch.object(Publication, "_move", move_one):
                transfer_id = await alice.manager.send_file("bob", *paths)
                assert (await bob.end_of(transfer_id)).is_resumable
                await alice.end_of(transfer_id)
            assert bob.tree() == {"a": DATA}
            await bob.restart()
            await bob.manager.resume_transfer(transfer_id)
            await bob.manager.wait(transfer_id)
            assert bob.tree() == {"a": DATA, "b": DATA}
            assert bob.info(transfer_id).local_path == str(bob.home)

    run(main())


def test_a_decision_while_the_manifest_is_recorded_looks_for_what_is_here(tmp_path: Path) -> None:
    async def main() -> None:  # R-MAN-3
        async with sealed_nodes(tmp_path, bob={"auto_accept": False}) as (alice, bob):
            bob.home.mkdir(exist_ok=True)
            (bob.home / "report.bin").write_bytes(DATA)
            save = Journal.save_manifest
            decisions: list[asyncio.Task[None]] = []

            def save_and_decide(journal: Journal, transfer_id: TransferId, data: bytes) -> None:
                save(journal, transfer_id, data)
                if not decisions:  # while this thread, of virtual time, is still at it
                    deciding = bob.manager.accept_transfer(transfer_id)
                    decisions.append(asyncio.get_running_loop().create_task(deciding))

            with mock.patch.object(Journal, "save_manifest", save_and_decide):
                transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
                await alice.manager.wait(transfer_id)
            await bob.end_of(transfer_id)
            assert list(bob.tree()) == ["report.bin"]

    run(main())


def test_what_has_ended_does_not_wait_until_others_have_looked(tmp_path: Path) -> None:
    async def main() -> None:  # R-MAN-3
        async with sealed_nodes(tmp_path) as (alice, bob), inside(bob).looking:
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await bob.until(lambda: (pump := pump_of(bob, transfer_id)) and pump._taking._in_line)
            await alice.manager.cancel_transfer(transfer_id)
            await bob.until(lambda: bob.info(transfer_id).state.is_final)
            await bob.until(lambda: pump_of(bob, transfer_id) is None, within=5)
            assert bob.parts() == []

    run(main())
