"""`ocft.runtime.wire2.launch`: pumps from rows."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ocft import ChannelLimits, TransferState
from ocft.errors import SourceChangedError, SourceNotFoundError
from ocft.ids import TransferId
from ocft.runtime.wire2 import FrameLauncher, FrameReceivePump, FrameSendPump
from ocft.runtime.wire2.launch import UNKNOWN_NAME, incoming_record
from ocft.storage import Journal, TransferRecord
from ocft.testing import run
from ocft.transfers import Direction
from ocft.wire import Manifest, TransferOffer, digest_of, unpack_manifest
from tests.runtime.pair import DATA, write_source
from tests.runtime.sealed_pair import ALICE, Node, sealed_nodes, write_files


def launcher_of(node: Node) -> FrameLauncher:
    engine = node.manager._engine
    assert engine is not None
    frames = engine._launcher.frames
    assert frames is not None
    return frames


def record_of(node: Node, transfer_id: str) -> TransferRecord:
    record = node.manager._journal.get(TransferId(transfer_id))
    assert record is not None
    return record


async def unsent(alice: Node, folder: Path) -> TransferRecord:
    """Record a transfer that never begins, because nobody hears of it."""
    alice.room.ear = lambda author, to, text: []
    transfer_id = await alice.manager.send_file("bob", write_source(folder))
    await asyncio.sleep(1)
    await alice.restart(sends_only=True)
    return record_of(alice, transfer_id)


def test_the_time_of_an_offer_only_grows_also_when_the_clock_goes_back(tmp_path: Path) -> None:
    async def main() -> None:  # R-CTL-4
        async with sealed_nodes(tmp_path) as (alice, _):
            offered: list[int] = []
            for number in range(3):
                source = write_source(tmp_path, bytes([number]))
                await alice.end_of(await alice.manager.send_file("bob", source))
                (record,) = [
                    record_of(alice, one.id)
                    for one in alice.manager.list_transfers()
                    if record_of(alice, one.id).offered_at not in offered
                ]
                assert record.offered_at is not None
                offered.append(record.offered_at)
                around = launcher_of(alice).around
                slow = replace(around, wall_clock=lambda: 1000.0)
                object.__setattr__(launcher_of(alice), "around", slow)
            assert offered == [offered[0], offered[0] + 1, offered[0] + 2]

    run(main())


def test_an_offer_keeps_its_time_in_all_runs(tmp_path: Path) -> None:  # R-CTL-2
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, _):
            record = await unsent(alice, tmp_path)
            assert record.offered_at is not None
            await asyncio.sleep(100)
            await alice.restart()
            await asyncio.sleep(1)
            again = record_of(alice, record.info.id)
            assert again.offered_at == record.offered_at
            assert again.epoch > record.epoch

    run(main())


def test_a_source_that_is_gone_or_another_one_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, _):
            record = await unsent(alice, tmp_path)
            source = Path(record.info.local_path or "")
            launcher = launcher_of(alice)
            source.write_bytes(DATA[::-1])
            with pytest.raises(SourceChangedError):
                await launcher.sending(record)
            source.unlink()
            with pytest.raises(SourceNotFoundError):
                await launcher.sending(record)
            source.write_bytes(DATA)  # copied back: the content counts
            pump = await launcher.sending(record)
            await pump.close()
            database = alice.manager._journal.database
            with database.transaction() as connection:
                connection.execute("DELETE FROM manifests")
            with pytest.raises(SourceNotFoundError, match="Send it again"):
                await launcher.sending(record)

    run(main())


def test_an_ended_transfer_opens_no_file(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_files(tmp_path, a=DATA))
            await alice.end_of(transfer_id)
            await bob.end_of(transfer_id)
            sent = launcher_of(alice).ended(record_of(alice, transfer_id))
            received = launcher_of(bob).ended(record_of(bob, transfer_id))
            assert isinstance(sent, FrameSendPump)
            assert isinstance(received, FrameReceivePump)
            assert sent._files is None
            assert received._arriving is None
            assert sent.machine.state is received.machine.state is TransferState.COMPLETED
            assert not sent.has_work()
            assert not received.has_work()
            assert bob.parts() == []

    run(main())


def test_an_ended_transfer_knows_why(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"auto_accept": False}) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await bob.until(lambda: "offer-received" in bob.names())
            await bob.manager.reject_transfer(transfer_id)
            await alice.end_of(transfer_id)
            for node in (alice, bob):
                pump = launcher_of(node).ended(record_of(node, transfer_id))
                assert pump.machine.state is TransferState.REJECTED
                assert pump.machine.error is not None
                assert pump.machine.error.code == "TRANSFER_REJECTED"

    run(main())


def test_an_offer_becomes_a_row_without_a_name() -> None:  # R-CTL-1, R-TRU-5
    offer = TransferOffer(
        transfer_id=TransferId("xfer_1"),
        epoch=3,
        ephemeral=bytes(32),
        size=1100,
        file_count=7,
        manifest_size=100,
        manifest_digest=bytes(range(32)),
        offered_at=12345,
    )
    record = incoming_record(ALICE, offer, channel="c", now=5.0, state=TransferState.PENDING)
    info = record.info
    assert (info.id, info.peer_id, info.direction) == ("xfer_1", ALICE, Direction.RECEIVE)
    assert (info.filename, info.size, info.file_count, info.wire) == (UNKNOWN_NAME, 1000, 7, "2")
    assert info.digest == bytes(range(32)).hex()
    assert (record.manifest_size, record.offered_at, record.epoch) == (100, 12345, 0)
    assert not record.is_decided


def test_late_messages_make_us_read_no_manifest(tmp_path: Path) -> None:
    async def main() -> None:  # anybody in the room can repeat them
        async with sealed_nodes(tmp_path) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_files(tmp_path, a=DATA, b=b""))
            await alice.end_of(transfer_id)
            await bob.end_of(transfer_id)
            manifest = alice.manager._journal.manifest(TransferId(transfer_id))
            assert manifest is not None
            with mock.patch.object(Journal, "manifest", side_effect=AssertionError):
                for node in (alice, bob):
                    pump = launcher_of(node).ended(record_of(node, transfer_id))
                    assert pump._manifest_digest.hex() == digest_of(manifest)

    run(main())


@pytest.mark.parametrize("count", [1, 2])
def test_done_is_right_after_a_restart_although_the_manifest_is_forgotten(
    tmp_path: Path, count: int
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            is_deaf = [True]
            alice.room.ear = lambda author, to, text: (
                [] if author == "bob" and is_deaf[0] and bob.tree() else [text]
            )
            names = {f"f{number}": DATA for number in range(count)}
            transfer_id = await alice.manager.send_file("bob", write_files(tmp_path, **names))
            await bob.end_of(transfer_id)
            assert not bob.manager._journal.has_manifest(TransferId(transfer_id))
            await bob.restart()
            is_deaf[0] = False
            await alice.manager.wait(transfer_id)

    run(main())


@pytest.mark.parametrize("is_automatic", [True, False])
def test_to_go_on_the_manifest_is_read_once_and_not_by_the_event_loop(
    tmp_path: Path, *, is_automatic: bool
) -> None:
    async def main() -> None:
        options = {"auto_accept": is_automatic}
        limits = ChannelLimits(max_text=100_000, texts_per_second=10)
        async with sealed_nodes(tmp_path, None, options, limits=limits) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_files(tmp_path, a=DATA * 100))
            await bob.until(lambda: "offer-received" in bob.names())
            unpacked: list[bool] = []
            in_thread = [False]
            to_thread = asyncio.to_thread

            def spy(data: bytes) -> Manifest:
                unpacked.append(in_thread[0])
                return unpack_manifest(data)

            async def watched(work: Callable[..., Any], *args: Any, **options: Any) -> Any:
                in_thread[0] = True
                try:
                    return await to_thread(work, *args, **options)
                finally:
                    in_thread[0] = False

            with (
                mock.patch("ocft.runtime.wire2.receiving.unpack_manifest", spy),
                mock.patch("asyncio.to_thread", watched),
            ):
                await bob.restart()
                if not is_automatic:
                    await asyncio.sleep(1)
                    await bob.manager.accept_transfer(transfer_id, only=["set/a"])
                await alice.manager.wait(transfer_id)
            assert unpacked == [True]
            assert bob.tree() == {"set/a": DATA * 100}

    run(main())


def test_a_part_file_that_cannot_be_opened_keeps_no_node_from_starting(tmp_path: Path) -> None:
    async def main() -> None:
        limits = ChannelLimits(max_text=100_000, texts_per_second=10)
        async with sealed_nodes(tmp_path, limits=limits) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, DATA * 100))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            await bob.stop()
            (part,) = (bob.home / ".ocft" / "partial").iterdir()
            kept = part.read_bytes()
            part.unlink()
            part.mkdir()  # nobody can open that
            await bob.start()
            info = await bob.end_of(transfer_id)
            assert (info.error_code, info.is_resumable) == ("STORAGE", True)
            await alice.end_of(transfer_id)
            await bob.manager.cancel_transfer(transfer_id)  # that takes no part file either
            assert (await bob.end_of(transfer_id)).state is TransferState.CANCELLED
            part.rmdir()
            assert kept

    run(main())
