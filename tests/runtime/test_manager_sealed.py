"""A bot's view of wire 2: what arrives, what is told, and what its owner decides."""

import asyncio
import itertools
import random
from pathlib import Path
from unittest import mock

import pytest

from ocft import ChannelLimits, OcftError, Patience, TransferState
from ocft.errors import (
    TransferRejectedError,
    WrongStateError,
)
from ocft.events import OfferReceived, TransferProgress
from ocft.testing import run
from ocft.wire import FrameType
from tests.runtime.pair import DATA, write_source
from tests.runtime.sealed_pair import (
    NARROW,
    Node,
    Room,
    peer_of,
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


def test_a_rejected_offer_ends_on_both_sides_with_the_owner_s_words(
    tmp_path: Path,
) -> None:  # R-CTL-1
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=asking()) as (alice, bob):
            transfer_id = await offered(alice, bob, write_source(tmp_path))
            await bob.manager.reject_transfer(transfer_id, "none of your business")
            for node in (alice, bob):
                with pytest.raises(TransferRejectedError, match="none of your business"):
                    await node.manager.wait(transfer_id)
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
