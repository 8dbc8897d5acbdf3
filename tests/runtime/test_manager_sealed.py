"""A bot's view of wire 2: what the manager promises, and what it costs."""

import asyncio
import itertools
import random
from pathlib import Path
from unittest import mock

import pytest

from ocft import ChannelLimits, OcftError, Patience, TransferState, TrustedPeer
from ocft.errors import (
    ConfigError,
    JournalError,
    MessageTooLongError,
    SourceChangedError,
    TransferCancelledError,
    TransferRejectedError,
    TransferTimeoutError,
    WrongStateError,
)
from ocft.events import OfferReceived, TransferProgress
from ocft.runtime.wire2 import FrameReceivePump
from ocft.storage import Journal
from ocft.testing import run
from ocft.wire import FrameType
from tests.runtime.pair import DATA, write_source
from tests.runtime.sealed_pair import (
    NARROW,
    Node,
    Room,
    inside,
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


# What is sent


@pytest.mark.parametrize("wires", [("2",), ("1.0", "2")], ids=str)
@pytest.mark.parametrize("size", [0, 1, 49_151, 49_152, 49_153, 300_000])
def test_files_of_any_size_arrive_sealed(tmp_path: Path, size: int, wires: tuple[str]) -> None:
    async def main() -> None:
        options = {"wires": wires}
        async with sealed_nodes(tmp_path, options, options) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, b"x" * size))
            sent = await alice.manager.wait(transfer_id)
            received = await bob.manager.wait(transfer_id)
            assert sent.wire == received.wire == "2"
            assert sent.size == received.size == sent.bytes_done == received.bytes_done == size
            assert sent.filename == received.filename == "report.bin"
            assert sent.digest == received.digest
            assert received.local_path == str(bob.home / "report.bin")
            assert received.completed_at is not None
            assert received.error is received.error_code is None

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == b"x" * size
    assert list((tmp_path / "bob" / ".ocft" / "partial").iterdir()) == []


def test_a_folder_arrives_as_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            folder = write_files(tmp_path, **SET)
            (folder / "a.txt").chmod(0o755)
            transfer_id = await alice.manager.send_file("bob", folder)
            sent = await alice.manager.wait(transfer_id)
            received = await bob.manager.wait(transfer_id)
            assert sent.file_count == received.file_count == 4
            assert sent.filename == received.filename == "set/"
            assert received.local_path == str(bob.home / "set")
            assert bob.tree() == SET_TREE
            assert (bob.home / "set/a.txt").stat().st_mode & 0o100  # R-MAN-5
            assert not (bob.home / "set/z").stat().st_mode & 0o100
            written = (folder / "z").stat().st_mtime
            assert (bob.home / "set/z").stat().st_mtime == int(written)

    run(main())


def test_several_files_are_called_by_the_first(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            one, other = (write_source(tmp_path, DATA, name) for name in ("one", "other"))
            transfer_id = await alice.manager.send_file("bob", one, other)
            received = await bob.end_of(transfer_id)
            assert received.filename == "one and 1 more"
            assert received.local_path == str(bob.home)
            assert bob.tree() == {"one": DATA, "other": DATA}

    run(main())


def test_nothing_but_empty_files_arrives_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            folder = write_files(tmp_path, a=b"", sub_0_b=b"")
            transfer_id = await alice.manager.send_file("bob", folder)
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"set/a": b"", "set/sub/b": b""}

    run(main())


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:  # R-MAN-4
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            for content in (b"one", b"two"):
                source = write_source(tmp_path, content)
                await alice.manager.wait(await alice.manager.send_file("bob", source))
            assert bob.tree() == {"report.bin": b"one", "report (1).bin": b"two"}

    run(main())


def test_files_that_are_there_already_are_not_sent(tmp_path: Path) -> None:  # R-MAN-3
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            source = write_source(tmp_path, BIG)
            await alice.manager.wait(await alice.manager.send_file("bob", source))
            frames = alice.room.count(FrameType.DATA)
            transfer_id = await alice.manager.send_file("bob", source)
            sent = await alice.manager.wait(transfer_id)
            received = await bob.manager.wait(transfer_id)
            assert sent.bytes_done == received.bytes_done == len(BIG)
            assert bob.tree() == {"report.bin": BIG}
            # The manifest, and what may come while it is checked: 64 KiB.
            assert alice.room.count(FrameType.DATA) <= frames + 4

    run(main())


@pytest.mark.parametrize("limits", [NARROW, ChannelLimits(max_text=2000)], ids=str)
def test_a_narrow_channel_carries_handshake_and_files(
    tmp_path: Path, limits: ChannelLimits
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=limits) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_files(tmp_path, **SET))
            await alice.manager.wait(transfer_id)
            assert bob.tree() == SET_TREE
            assert bool(alice.room.count(FrameType.FRAGMENT)) is (limits is not NARROW)  # R-FRM-3
            assert max(len(text) for _, _, text in alice.room.said) <= limits.max_text

    run(main())


# What is told


def test_events_come_in_order(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await alice.end_of(await alice.manager.send_file("bob", write_files(tmp_path, **SET)))
            assert alice.names() == ["offer-sent", "transfer-started", "transfer-completed"]
            assert bob.names() == ["offer-received", "transfer-accepted", "transfer-completed"]
            offer = bob.events[0]  # no progress before anybody knows of what
            assert isinstance(offer, OfferReceived)
            assert offer.files == ("set/a.txt", "set/sub/b.bin", "set/sub/deep/c", "set/z")
            assert (offer.file_count, offer.filename, offer.is_automatic) == (4, "set/", True)

    run(main())


def test_progress_is_told_a_few_times_a_second_and_never_goes_back(tmp_path: Path) -> None:
    async def main() -> None:
        limits = ChannelLimits(max_text=20_000, texts_per_second=10)
        async with sealed_nodes(tmp_path, limits=limits) as (alice, bob):
            source = write_source(tmp_path, random.Random(0).randbytes(len(BIG)))
            await alice.end_of(await alice.manager.send_file("bob", source))
            for node in (alice, bob):
                told = [one for one in node.events if isinstance(one, TransferProgress)]
                assert 2 < len(told) < 50
                done = [one.bytes_done for one in told]
                assert done == sorted(done)
                assert all(0 <= one <= len(BIG) == told[0].size for one in done)
                times = [one.at for one in told]
                gaps = [b - a for a, b in itertools.pairwise(times)]
                assert min(gaps) >= 0.2 - 1e-6

    run(main())


def test_a_transfer_is_listed_while_it_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        limits = ChannelLimits(max_text=100_000, texts_per_second=10)
        async with sealed_nodes(tmp_path, limits=limits) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(bob.manager.list_transfers)
            assert bob.info(transfer_id).filename == ""  # the manifest has not come yet
            await bob.until(lambda: bob.info(transfer_id).bytes_done > 400_000)
            info = bob.info(transfer_id)
            assert info.state is TransferState.TRANSFERRING
            assert (info.filename, info.size, info.wire) == ("report.bin", len(BIG), "2")
            assert [one.id for one in bob.manager.list_transfers()] == [transfer_id]
            assert 0 < alice.info(transfer_id).bytes_done <= info.bytes_done
            await alice.end_of(transfer_id)

    run(main())


# The owner's word


def asking() -> dict[str, object]:
    return {"auto_accept": False}


async def offered(alice: Node, bob: Node, *paths: Path) -> str:
    """Offer files to a node that asks; return when it knows what they are."""
    transfer_id = await alice.manager.send_file("bob", *paths)
    await bob.until(lambda: "offer-received" in bob.names())
    return transfer_id


def test_an_offer_waits_for_its_owner_and_nothing_but_the_manifest_comes(tmp_path: Path) -> None:
    async def main() -> None:  # R-ARQ-1
        async with sealed_nodes(tmp_path, bob=asking()) as (alice, bob):
            transfer_id = await offered(alice, bob, write_source(tmp_path, BIG))
            await asyncio.sleep(100)
            assert bob.state(transfer_id) is TransferState.PENDING
            assert alice.state(transfer_id) is TransferState.PENDING
            part = bob.home / ".ocft" / "partial" / f"{transfer_id}.part"
            assert len(part.read_bytes().strip(b"\0")) < 200
            await bob.manager.accept_transfer(transfer_id)
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": BIG}
            assert bob.names() == ["offer-received", "transfer-accepted", "transfer-completed"]

    run(main())


def test_some_of_the_files_can_be_left_out_and_are_not_sent(tmp_path: Path) -> None:  # R-MAN-3
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=asking()) as (alice, bob):
            folder = write_files(tmp_path, big=BIG, sub_0_small=b"small", other=b"other")
            transfer_id = await offered(alice, bob, folder)
            with pytest.raises(WrongStateError, match="set/none"):
                await bob.manager.accept_transfer(transfer_id, only=["set/none"])
            await bob.manager.accept_transfer(transfer_id, only=["set/sub/small", "set/other"])
            await alice.manager.wait(transfer_id)
            await bob.manager.wait(transfer_id)
            assert bob.tree() == {"set/sub/small": b"small", "set/other": b"other"}
            assert sum(map(len, alice.room.frames("alice"))) < 20_000

    run(main())


def test_what_is_wanted_cannot_be_said_before_the_names_are_known(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=asking()) as (alice, bob):
            alice.room.ear = lambda author, to, text: (
                [] if author == "alice" and alice.room.frames()[-1][0] == FrameType.DATA else [text]
            )
            transfer_id = await alice.manager.send_file("bob", write_files(tmp_path, **SET))
            await bob.until(lambda: bob.state(transfer_id))
            with pytest.raises(WrongStateError, match="has not come yet"):
                await bob.manager.accept_transfer(transfer_id, only=["set/z"])
            await bob.manager.accept_transfer(transfer_id)
            alice.room.ear = lambda author, to, text: [text]
            await alice.manager.wait(transfer_id)
            assert bob.tree() == SET_TREE

    run(main())


def test_a_rejected_offer_ends_on_both_sides_without_words(tmp_path: Path) -> None:  # R-CTL-1
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=asking()) as (alice, bob):
            transfer_id = await offered(alice, bob, write_source(tmp_path))
            await bob.manager.reject_transfer(transfer_id, "none of your business")
            with pytest.raises(TransferRejectedError, match="TRANSFER_REJECTED"):
                await alice.manager.wait(transfer_id)
            with pytest.raises(TransferRejectedError, match="none of your business"):
                await bob.manager.wait(transfer_id)
            assert bob.parts() == []
            assert bob.tree() == {}
            with pytest.raises(WrongStateError):
                await bob.manager.accept_transfer(transfer_id)

    run(main())


def test_an_offer_that_nobody_decides_ends(tmp_path: Path) -> None:  # R-TIM-4
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=asking()) as (alice, bob):
            transfer_id = await offered(alice, bob, write_source(tmp_path))
            for node in (alice, bob):
                with pytest.raises(OcftError):
                    await node.manager.wait(transfer_id)
                assert node.state(transfer_id) is TransferState.FAILED
            assert 3500 < asyncio.get_running_loop().time() < 3700
            assert bob.tree() == {}

    run(main())


def test_an_undecided_offer_is_never_accepted_by_going_on_with_it(tmp_path: Path) -> None:
    """R-TRU-3, R-ARQ-1: not after our patience, nor after the peer's stop that can be resumed."""

    async def main() -> None:
        alice_options = {"patience": Patience(decision=20)}
        async with sealed_nodes(tmp_path, alice_options, asking()) as (alice, bob):
            transfer_id = await offered(alice, bob, write_source(tmp_path))
            await alice.end_of(transfer_id)  # it says that it can be resumed
            await bob.until(lambda: bob.info(transfer_id).state.is_final)
            await alice.manager.resume_transfer(transfer_id)
            await asyncio.sleep(15)
            assert bob.tree() == {}
            assert bob.state(transfer_id) in (TransferState.PENDING, TransferState.FAILED)
            assert "transfer-accepted" not in bob.names()
            assert "transfer-resumed" not in bob.names()

    run(main())


# Ends


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.parametrize("phase", ["queued", "pending", "transferring", "failed"])
def test_a_cancel_ends_both_sides_and_leaves_nothing(tmp_path: Path, who: str, phase: str) -> None:
    if (who, phase) == ("bob", "queued"):
        pytest.skip("it knows of nothing yet")

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
            # R-HSK-5: who lost a handshake is silent, and it is begun anew after two minutes.
            assert asyncio.get_running_loop().time() < 200

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


# Many at once


def test_transfers_take_turns(tmp_path: Path) -> None:  # R-ARQ-11
    async def main() -> None:
        limits = ChannelLimits(max_text=100_000, texts_per_second=10)
        async with sealed_nodes(tmp_path, limits=limits) as (alice, bob):
            ids = [
                await alice.manager.send_file("bob", write_source(tmp_path, BIG, f"{n}.bin"))
                for n in range(4)
            ]
            await bob.until(
                lambda: all(bob.state(one) and bob.info(one).bytes_done for one in ids), 60
            )
            await asyncio.sleep(3)
            done = [bob.info(one).bytes_done for one in ids]
            assert max(done) - min(done) <= 250_000, done
            await asyncio.gather(*(alice.manager.wait(one) for one in ids))
            assert len(bob.tree()) == 4

    run(main())


def test_more_files_than_are_sent_at_once_all_arrive(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            ids = [
                await alice.manager.send_file("bob", write_source(tmp_path, DATA, f"{n}.bin"))
                for n in range(40)
            ]
            await asyncio.gather(*(alice.manager.wait(one) for one in ids))
            assert len(bob.tree()) == 40

    run(main())


def test_both_directions_at_once_cross_their_handshakes(tmp_path: Path) -> None:  # R-HSK-6
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            there = await alice.manager.send_file("bob", write_source(tmp_path, BIG, "there"))
            back = await bob.manager.send_file("alice", write_source(tmp_path, BIG, "back"))
            for node in (alice, bob):
                for transfer_id in (there, back):
                    await node.manager.wait(transfer_id)
            assert bob.tree() == {"there": BIG}
            assert alice.tree() == {"back": BIG}

    run(main())


def test_a_transfer_that_waits_for_a_silent_peer_holds_up_no_other(tmp_path: Path) -> None:
    async def main() -> None:
        peers = [peer_of("bob"), peer_of("carol")]
        async with sealed_nodes(tmp_path, {"trusted_peers": peers}) as (alice, bob):
            waiting = [
                await alice.manager.send_file("carol", write_source(tmp_path, DATA, f"{n}"))
                for n in range(20)
            ]
            await asyncio.sleep(10)
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": DATA}
            assert not any(alice.info(one).state.is_final for one in waiting)

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


def test_no_room_for_a_file_is_refused_before_anything_comes(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            with mock.patch("ocft.runtime.admission.free_space", return_value=1 << 20):
                transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
                with pytest.raises(TransferRejectedError, match="NOT_ENOUGH_SPACE"):
                    await alice.manager.wait(transfer_id)
            assert bob.manager.list_transfers() == []

    run(main())


# The channel


def test_a_channel_that_carries_less_than_it_says_makes_frames_shorter(tmp_path: Path) -> None:
    noise = random.Random(0).randbytes(100_000)

    async def main() -> None:  # R-ARQ-12
        async with sealed_nodes(tmp_path, limits=ChannelLimits(max_text=4096)) as (alice, bob):
            send = alice.channel.send

            async def send_short(to: str, text: str) -> None:
                if len(text) > 3000:
                    raise MessageTooLongError("the platform counts otherwise")
                await send(to, text)

            alice.channel.send = send_short  # type: ignore[method-assign]
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, noise))
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": noise}
            assert max(len(text) for who, _, text in alice.room.said if who == "alice") > 2300
            assert asyncio.get_running_loop().time() < 120

    run(main())


def test_a_channel_that_carries_next_to_nothing_is_told_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        for most in (20, 60, 80):
            folder = tmp_path / str(most)
            folder.mkdir()
            async with sealed_nodes(folder, limits=ChannelLimits(max_text=most)) as (alice, _):
                transfer_id = await alice.manager.send_file("bob", write_source(folder))
                info = await alice.end_of(transfer_id)
                assert info.error_code == "MESSAGE_TOO_LONG"
                assert asyncio.get_running_loop().time() < 100

    run(main())


def test_a_channel_that_hangs_does_not_outlast_the_patience(tmp_path: Path) -> None:
    async def main() -> None:
        options = {"patience": Patience(decision=10, idle=10)}
        async with sealed_nodes(tmp_path, options) as (alice, _):

            async def hang(to: str, text: str) -> None:
                await asyncio.Event().wait()

            alice.channel.send = hang  # type: ignore[method-assign]
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            with pytest.raises(TransferTimeoutError):
                await alice.manager.wait(transfer_id)
            cancelled = await alice.manager.send_file("bob", write_source(tmp_path))
            await asyncio.sleep(1)
            await alice.manager.cancel_transfer(cancelled)
            with pytest.raises(TransferCancelledError):
                await alice.manager.wait(cancelled)

    run(main())


# Who only sends


def test_offers_are_left_to_whoever_listens_next(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"sends_only": True}) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await bob.until(lambda: bob.state(transfer_id))
            await asyncio.sleep(30)
            assert bob.state(transfer_id) is TransferState.ACCEPTED
            assert bob.tree() == {}
            await bob.restart(sends_only=False)
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": DATA}

    run(main())


def test_who_only_sends_keeps_a_few_offers_for_others(tmp_path: Path) -> None:  # R-LIM-2, X1
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"sends_only": True}) as (alice, bob):
            source = write_source(tmp_path)
            for number in range(40):
                transfer_id = await alice.manager.send_file("bob", source)
                await asyncio.sleep(1)
                assert (bob.state(transfer_id) is None) is (number >= 32)
                await alice.manager.cancel_transfer(transfer_id)
                with mock.patch.object(Room, "hear"):  # which nobody hears
                    await asyncio.sleep(1)

    run(main())


# Wires


def test_a_set_is_not_sent_to_a_peer_that_speaks_1_0(tmp_path: Path) -> None:
    async def main() -> None:  # R-WIR-1
        both = {"wires": ("1.0", "2"), "trusted_peers": [TrustedPeer(id="bob")]}
        old = {"wires": ("1.0",), "trusted_peers": [TrustedPeer(id="alice")]}
        async with sealed_nodes(tmp_path, both, old) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_files(tmp_path, **SET))
            info = await alice.end_of(transfer_id)
            assert info.error_code == "PEER_TOO_OLD"
            assert bob.manager.list_transfers() == []

    run(main())


def test_a_peer_that_speaks_1_0_gets_it_after_three_hellos_and_at_once_the_next_time(
    tmp_path: Path,
) -> None:
    async def main() -> None:  # R-WIR-1
        both = {"wires": ("1.0", "2"), "trusted_peers": [TrustedPeer(id="bob")]}
        old = {"wires": ("1.0",), "trusted_peers": [TrustedPeer(id="alice")]}
        async with sealed_nodes(tmp_path, both, old) as (alice, bob):
            now = asyncio.get_running_loop().time
            info = await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            assert (info.state, info.wire) == (TransferState.COMPLETED, "1.0")
            assert alice.room.count(FrameType.HELLO) == 3
            assert 15 <= now() < 17
            assert alice.names("chunk-sent", "ack-received") == [
                "offer-sent",
                "transfer-started",
                "transfer-completed",
            ]
            began = now()
            await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            assert now() < began + 2
            assert alice.room.count(FrameType.HELLO) == 3
            await asyncio.sleep(24 * 3600)
            await bob.restart(wires=("1.0", "2"))
            info = await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            assert info.wire == "2"
            assert len(bob.tree()) == 2  # the third was there already

    run(main())


def test_a_peer_that_was_taken_for_1_0_speaks_wire_2_as_soon_as_it_says_hello(
    tmp_path: Path,
) -> None:
    async def main() -> None:  # R-WIR-1
        both = {"wires": ("1.0", "2"), "trusted_peers": [TrustedPeer(id="bob")]}
        old = {"wires": ("1.0",), "trusted_peers": [TrustedPeer(id="alice")]}
        async with sealed_nodes(tmp_path, both, old) as (alice, bob):
            await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            await bob.restart(wires=("1.0", "2"))
            await bob.end_of(await bob.manager.send_file("alice", write_source(tmp_path)))
            info = await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            assert info.wire == "2"

    run(main())


def test_a_known_fingerprint_is_never_brought_down_to_1_0(tmp_path: Path) -> None:
    async def main() -> None:  # R-WIR-2
        both = {"wires": ("1.0", "2"), "patience": Patience(decision=300)}
        old = {"wires": ("1.0",), "trusted_peers": [TrustedPeer(id="alice")]}
        async with sealed_nodes(tmp_path, both, old) as (alice, bob):
            info = await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            assert info.error_code == "TRANSFER_TIMEOUT"
            assert bob.manager.list_transfers() == []
            assert all(frame[0] != ord("{") for frame in alice.room.frames("alice"))
            back = await bob.manager.send_file("alice", write_source(tmp_path))
            await alice.until(lambda: "not-allowed" in alice.ignored())
            assert alice.manager.get_transfer(back) is None

    run(main())


@pytest.mark.parametrize("how", ["node", "peer"])
def test_1_0_can_be_forbidden(tmp_path: Path, how: str) -> None:
    async def main() -> None:  # R-WIR-3
        wires = ("2",) if how == "node" else ("1.0", "2")
        peers = [TrustedPeer(id="bob", allows_wire_1=how == "node")]
        options = {"wires": wires, "trusted_peers": peers, "patience": Patience(decision=300)}
        old = {"wires": ("1.0",), "trusted_peers": [TrustedPeer(id="alice")]}
        async with sealed_nodes(tmp_path, options, old) as (alice, bob):
            info = await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            assert info.state is TransferState.FAILED
            assert bob.manager.list_transfers() == []
            back = await bob.manager.send_file("alice", write_source(tmp_path))
            await alice.until(lambda: "not-allowed" in alice.ignored())
            assert alice.manager.get_transfer(back) is None

    run(main())


# Alphabets and compression


def test_the_dense_alphabet_is_tried_once_and_remembered(tmp_path: Path) -> None:  # R-FRM-5
    noise = random.Random(0).randbytes(60_000)

    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW) as (alice, _bob):
            texts = 0
            for number in range(2):
                alice.room.said.clear()
                source = write_source(tmp_path, noise + bytes([number]), f"{number}")
                await alice.end_of(await alice.manager.send_file("bob", source))
                dense = [text for _, _, text in alice.room.said if text[6] >= "\u3400"]
                before, texts = texts, len(alice.room.said)
                assert dense
                if number:
                    assert texts <= before
                    assert len(dense) >= 8
            assert inside(alice).trust.nodes.dense_works("bob", "room", 2e9) is True

    run(main())


def test_a_chat_that_garbles_the_dense_alphabet_is_found_out_and_remembered(
    tmp_path: Path,
) -> None:
    noise = random.Random(0).randbytes(60_000)

    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW) as (alice, bob):
            alice.room.ear = lambda author, to, text: [
                "".join("?" if one >= "\u3400" and one < "\ue000" else one for one in text)
            ]
            for number in range(2):
                alice.room.said.clear()
                source = write_source(tmp_path, noise + bytes([number]), f"{number}")
                await alice.end_of(await alice.manager.send_file("bob", source))
                dense = [text for _, _, text in alice.room.said if text[6] >= "\u3400"]
                assert len(dense) == (0 if number else 3)
            assert len(bob.tree()) == 2
            now = asyncio.get_running_loop().time
            assert now() < 30
            await asyncio.sleep(24 * 3600)
            alice.room.said.clear()
            source = write_source(tmp_path, noise, "again")
            await alice.end_of(await alice.manager.send_file("bob", source))
            assert any(text[6] >= "\u3400" for _, _, text in alice.room.said)

    run(main())


def test_what_can_be_compressed_takes_fewer_texts_on_a_narrow_channel(tmp_path: Path) -> None:
    async def main() -> None:  # R-FRM-4
        async with sealed_nodes(tmp_path, limits=NARROW) as (alice, bob):
            lines = b"".join(b"line %d of a log\n" % number for number in range(20_000))
            source = write_source(tmp_path, lines, "log.txt")
            await alice.end_of(await alice.manager.send_file("bob", source))
            assert bob.tree() == {"log.txt": lines}
            assert alice.room.count(FrameType.DATA) < len(lines) / 3000 / 2

    run(main())


def test_options_of_wire_2_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    from ocft import TransferManager

    async def send(to: str, text: str) -> None:
        """Go nowhere."""

    with pytest.raises(ConfigError, match="wires"):
        TransferManager(bot_id="a", download_dir=tmp_path, send=send, wires=("3",))
