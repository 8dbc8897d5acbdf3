"""How transfers of wire 2 end, and how they go on: cancels, failures, restarts, full disks."""

import asyncio
import random
from pathlib import Path
from unittest import mock

import pytest

from ocft import ChannelLimits, OcftError, Patience, TransferState
from ocft.errors import (
    JournalError,
    NotEnoughSpaceError,
    SourceChangedError,
    TransferCancelledError,
    TransferRejectedError,
    TransferTimeoutError,
    WrongStateError,
)
from ocft.runtime.wire2 import FrameReceivePump
from ocft.storage import Journal
from ocft.testing import run
from ocft.wire import FrameType
from tests.runtime.pair import DATA, write_source
from tests.runtime.sealed_pair import (
    Node,
    Room,
    peer_of,
    pump_of,
    sealed_nodes,
    write_files,
)

SET = {"a__txt": b"a" * 1000, "sub_0_b__bin": DATA, "sub_0_deep_0_c": b"", "z": b"zz"}
SET_TREE = {
    "set/a.txt": b"a" * 1000,
    "set/sub/b.bin": DATA,
    "set/sub/deep/c": b"",
    "set/z": b"zz",
}
BIG = bytes(range(256)) * 4000  # a million bytes: 21 wide frames

# Ends


@pytest.mark.parametrize(
    ("who", "phase"),
    [
        ("alice", "queued"),  # of which bob knows nothing yet
        ("alice", "pending"),
        ("alice", "transferring"),
        ("alice", "failed"),
        ("bob", "pending"),
        ("bob", "transferring"),
        ("bob", "failed"),
    ],
)
def test_a_cancel_ends_both_sides_and_leaves_nothing(tmp_path: Path, who: str, phase: str) -> None:
    async def main() -> None:
        limits = ChannelLimits(max_text=100_000, texts_per_second=10)
        bob_options = {"auto_accept": phase != "pending", "patience": Patience(idle=20)}
        alice_options = {"patience": Patience(idle=20)}
        async with sealed_nodes(tmp_path, alice_options, bob_options, limits=limits) as nodes:
            alice, bob = nodes
            canceller, other = (alice, bob) if who == "alice" else (bob, alice)
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            if phase == "pending":
                await bob.until(lambda: "offer-received" in bob.names())
            elif phase != "queued":
                await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            if phase == "failed":
                alice.room.ear = lambda author, to, text: []
                for node in nodes:
                    await node.end_of(transfer_id)
                    assert node.info(transfer_id).is_resumable
                alice.room.ear = lambda author, to, text: [text]
            await canceller.manager.cancel_transfer(transfer_id, "changed my mind")
            with pytest.raises(TransferCancelledError):
                await canceller.manager.wait(transfer_id)
            await asyncio.sleep(5)
            assert not canceller.info(transfer_id).is_resumable
            if other.state(transfer_id):
                # What had failed over there may still be given up, there.
                ends = {TransferState.CANCELLED, canceller.state(transfer_id)}
                ends |= {TransferState.FAILED} if phase == "failed" else set()
                assert other.state(transfer_id) in ends
            if canceller is bob or phase != "failed":
                assert bob.parts() == []
            with pytest.raises(WrongStateError):
                await canceller.manager.cancel_transfer(transfer_id)
            assert bob.tree() == {}

    run(main())


def test_a_source_that_changed_meanwhile_is_noticed_on_both_sides(tmp_path: Path) -> None:
    async def main() -> None:
        limits = ChannelLimits(max_text=100_000, texts_per_second=10)
        async with sealed_nodes(tmp_path, limits=limits) as (alice, bob):
            source = write_source(tmp_path, BIG)
            transfer_id = await alice.manager.send_file("bob", source)
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            source.write_bytes(BIG[::-1])
            with pytest.raises(SourceChangedError):
                await alice.manager.wait(transfer_id)
            with pytest.raises(OcftError, match="SOURCE_CHANGED"):
                await bob.manager.wait(transfer_id)
            assert bob.tree() == {}
            assert bob.parts() == []

    run(main())


def test_a_source_that_was_only_touched_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        limits = ChannelLimits(max_text=100_000, texts_per_second=10)
        async with sealed_nodes(tmp_path, limits=limits) as (alice, bob):
            source = write_source(tmp_path, BIG)
            transfer_id = await alice.manager.send_file("bob", source)
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            source.touch()
            await alice.manager.wait(transfer_id)
            await alice.stop()
            source.touch()
            await alice.start()

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == BIG


def test_a_silent_peer_ends_the_transfer_and_a_resume_sends_only_the_rest(tmp_path: Path) -> None:
    async def main() -> None:
        limits = ChannelLimits(max_text=100_000, texts_per_second=10)
        patience = {"patience": Patience(idle=60)}
        async with sealed_nodes(tmp_path, patience, patience, limits=limits) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(
                lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done > len(BIG) // 2
            )
            alice.room.ear = lambda author, to, text: []
            for node in (alice, bob):
                with pytest.raises(TransferTimeoutError):
                    await node.manager.wait(transfer_id)
                assert [one.id for one in node.manager.get_resumable_transfers()] == [transfer_id]
            stored = bob.info(transfer_id).bytes_done
            alice.room.ear = lambda author, to, text: [text]
            alice.room.said.clear()
            await alice.manager.resume_transfer(transfer_id)
            await alice.manager.wait(transfer_id)
            await bob.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": BIG}
            sent = sum(len(one) for one in alice.room.frames("alice") if one[0] == FrameType.DATA)
            assert sent < len(BIG) - stored + 60_000
            assert alice.names().count("transfer-resumed") == 1

    run(main())


def test_the_receiver_too_can_resume(tmp_path: Path) -> None:
    async def main() -> None:
        limits = ChannelLimits(max_text=100_000, texts_per_second=10)
        patience = {"patience": Patience(idle=60)}
        async with sealed_nodes(tmp_path, patience, patience, limits=limits) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            alice.room.ear = lambda author, to, text: []
            for node in (alice, bob):
                await node.end_of(transfer_id)
            alice.room.ear = lambda author, to, text: [text]
            await bob.manager.resume_transfer(transfer_id)
            await bob.manager.wait(transfer_id)
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": BIG}

    run(main())


# Restarts


@pytest.mark.parametrize("who", ["alice", "bob", "both"])
@pytest.mark.parametrize("phase", ["offered", "handshake", "pending", "early", "late", "done"])
def test_a_restart_in_any_phase_goes_on(tmp_path: Path, who: str, phase: str) -> None:
    async def main() -> None:  # R-ARQ-10, R-CTL-2
        limits = ChannelLimits(max_text=100_000, texts_per_second=10)
        bob_options = {"auto_accept": phase != "pending"}
        async with sealed_nodes(tmp_path, None, bob_options, limits=limits) as nodes:
            alice, bob = nodes
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            match phase:
                case "offered":
                    pass
                case "handshake":
                    await bob.until(lambda: alice.room.count(FrameType.REPLY))
                case "pending":
                    await bob.until(lambda: "offer-received" in bob.names())
                case "early" | "late":
                    most = len(BIG) // (4 if phase == "early" else 1) * 3 // 4
                    await bob.until(
                        lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done >= most
                    )
                case "done":
                    alice.room.ear = lambda author, to, text: [text] if author == "alice" else []
                    alice.room.ear = lambda author, to, text: (
                        [] if bob.tree() and author == "bob" else [text]
                    )
                    await bob.end_of(transfer_id)
                    assert not alice.info(transfer_id).state.is_final
                    alice.room.ear = lambda author, to, text: [text]
            restarted = {"alice": [alice], "bob": [bob], "both": [alice, bob]}[who]
            stored = bob.info(transfer_id).bytes_done if bob.state(transfer_id) else 0
            for node in restarted:
                await node.stop()
            for node in restarted:
                await node.start()
            alice.room.said.clear()
            if phase == "pending":
                await asyncio.sleep(60)
                assert bob.state(transfer_id) is TransferState.PENDING
                await bob.manager.accept_transfer(transfer_id)
            await alice.manager.wait(transfer_id)
            await bob.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": BIG}
            sent = sum(len(one) for one in alice.room.frames("alice") if one[0] == FrameType.DATA)
            # What was under way is sent again, what was stored is not.
            assert sent < len(BIG) - stored + 800_000
            for node in nodes:
                assert node.names().count("transfer-completed") == 1
            # R-HSK-5: who lost a handshake is silent, and it is begun anew after half a minute.
            assert asyncio.get_running_loop().time() < (60 if phase == "handshake" else 200)

    run(main())


def test_a_restart_during_the_naming_of_files_ends_well(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):

            async def hang(pump: object) -> None:
                await asyncio.sleep(1)
                raise JournalError("the process was killed")

            with mock.patch.object(FrameReceivePump, "_publish", hang):
                transfer_id = await alice.manager.send_file("bob", write_files(tmp_path, **SET))
                await bob.until(lambda: bob.state(transfer_id) is TransferState.COMPLETING)
                await bob.stop()
            await bob.start()
            await alice.manager.wait(transfer_id)
            assert bob.tree() == SET_TREE

    run(main())


def test_epochs_are_recorded_before_they_are_used(tmp_path: Path) -> None:  # R-CTL-2, T-8
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            save = Journal.save
            locked = {alice.manager._journal: 3, bob.manager._journal: 3}
            saved: dict[Journal, int] = {}
            ahead: list[int] = []
            transfer_id = ""

            def save_or_not(journal: Journal, record: object) -> None:
                if getattr(record, "epoch", 0) > saved.get(journal, 0) and locked[journal]:
                    locked[journal] -= 1
                    raise JournalError("database is locked")
                saved[journal] = getattr(record, "epoch", 0)
                save(journal, record)  # type: ignore[arg-type]

            def see(author: str, to: str, text: str) -> list[str]:
                node = alice if author == "alice" else bob
                pump = pump_of(node, transfer_id)
                if alice.room.frames()[-1][0] == FrameType.CONTROL and pump:
                    ahead.append(pump.machine.epoch - saved.get(node.manager._journal, 0))
                return [text]

            with mock.patch.object(Journal, "save", save_or_not):
                alice.room.ear = see
                transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
                await alice.manager.wait(transfer_id)
            assert set(locked.values()) == set(ahead) == {0}

    run(main())


# The disk


def test_a_full_disk_fails_so_that_it_can_be_resumed(tmp_path: Path) -> None:
    from tests.simulation.disk import Machine, run_on, watched_storage

    async def main() -> None:
        room = Room()
        alice = Node(room, "alice", tmp_path, trusted_peers=[peer_of("bob")])
        bob = Node(room, "bob", tmp_path, trusted_peers=[peer_of("alice")])
        await alice.start()
        machine = Machine("bob", random.Random(0), space=len(BIG) // 2)
        with watched_storage():

            async def start_bob() -> None:
                run_on(machine)
                await bob.start()

            await asyncio.create_task(start_bob())
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            received = await bob.end_of(transfer_id)
            sent = await alice.end_of(transfer_id)
            assert received.error_code == "NOT_ENOUGH_SPACE"
            assert received.is_resumable
            assert sent.is_resumable
            machine.space = None
            await alice.manager.resume_transfer(transfer_id)
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": BIG}
            await bob.stop()
        await alice.stop()

    run(main())


def test_a_disk_that_is_still_full_does_not_spoil_what_can_go_on_later(tmp_path: Path) -> None:
    async def main() -> None:
        limits = ChannelLimits(max_text=100_000, texts_per_second=10)
        async with sealed_nodes(tmp_path, limits=limits) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            pump_of(bob, transfer_id).fail(NotEnoughSpaceError("full"), is_resumable=True)
            await alice.end_of(transfer_id)
            await asyncio.sleep(1)
            with mock.patch("ocft.runtime.admission.free_space", return_value=1 << 20):
                await alice.manager.resume_transfer(transfer_id)
                info = await alice.end_of(transfer_id)
            assert (info.state, info.is_resumable) == (TransferState.FAILED, True)
            assert "NOT_ENOUGH_SPACE" in (info.error or "")
            assert bob.info(transfer_id).is_resumable
            await asyncio.sleep(1)
            await alice.manager.resume_transfer(transfer_id)
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": BIG}

    run(main())


def test_no_room_for_a_file_is_refused_before_anything_comes(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            with mock.patch("ocft.runtime.admission.free_space", return_value=1 << 20):
                transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
                with pytest.raises(TransferRejectedError, match="NOT_ENOUGH_SPACE"):
                    await alice.manager.wait(transfer_id)
            assert bob.manager.list_transfers() == []

    run(main())


def test_old_rows_go_while_the_node_runs(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            prune = Journal.prune
            pruned: list[Journal] = []

            def prune_more(journal: Journal) -> None:
                pruned.append(journal)
                if len(pruned) == 1:
                    raise JournalError("database is locked")  # nobody minds
                prune(journal, keep=2)

            with (
                mock.patch("ocft.runtime.engine._PRUNE_EVERY", 3),
                mock.patch.object(Journal, "prune", prune_more),
            ):
                for number in range(9):
                    source = write_source(tmp_path, DATA, f"f{number}")
                    await alice.manager.wait(await alice.manager.send_file("bob", source))
                    await asyncio.sleep(1)
            for node in (alice, bob):
                assert node.manager._journal in pruned
                assert len(node.manager.list_transfers()) < 6

    run(main())
