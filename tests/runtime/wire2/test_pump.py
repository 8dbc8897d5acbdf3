"""`ocft.runtime.wire2.pump`: keys, frames, and what waits for what."""

import asyncio
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ocft import ChannelLimits
from ocft.crypto import epoch_keys
from ocft.errors import ChannelError, JournalError, MessageTooLongError
from ocft.ids import TransferId
from ocft.runtime.wire2.pump import Epoch
from ocft.storage import Journal
from ocft.testing import run
from ocft.wire import FrameType, SealedFrame, data_header, parse_frame
from tests.runtime.hostility import befriend
from tests.runtime.pair import DATA, write_source
from tests.runtime.sealed_pair import BOB, inside, pump_of, sealed_nodes

BIG = bytes(range(256)) * 4000
SLOW = ChannelLimits(max_text=100_000, texts_per_second=5)


def test_one_sides_way_out_is_the_others_way_in() -> None:
    keys = epoch_keys(bytes(32), bytes(32), b"offer", b"accept")
    sender = Epoch.of(3, keys, is_sender=True)
    receiver = Epoch.of(3, keys, is_sender=False)
    assert (sender.out_tag, sender.in_tag) == (receiver.in_tag, receiver.out_tag)
    assert sender.out_tag != sender.in_tag
    for one, other in ((sender, receiver), (receiver, sender)):
        header = data_header(one.out_tag, 7)
        assert other.into.open(7, header, one.out.seal(7, header, b"hello")) == b"hello"
    assert "Cipher object" in repr(sender)  # and no key: K13


def test_a_frame_counts_once(tmp_path: Path) -> None:  # R-SEA-1
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=SLOW) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            pump = pump_of(bob, transfer_id)
            taken: list[int] = []
            take = pump._take_body

            def spy(number: int, body: bytes, now: float, *, is_bundled: bool) -> None:
                taken.append(number)
                take(number, body, now, is_bundled=is_bundled)

            pump._take_body = spy
            frames = [
                parsed
                for frame in alice.room.frames("alice")
                if isinstance(parsed := parse_frame(frame), SealedFrame)
            ]
            for frame in frames * 3:
                pump.take_frame(frame)
            assert all(frame.number not in taken for frame in frames[:-1])
            # A forged one does not make the real one look like a repeat.
            number = pump._epoch.seen._highest + 5
            header = data_header(pump._epoch.in_tag, number)
            forged = SealedFrame(FrameType.DATA, pump._epoch.in_tag, number, header, bytes(30))
            pump.take_frame(forged)
            assert pump._epoch.seen.is_new(number)
            await alice.manager.wait(transfer_id)

    run(main())


def test_what_a_peer_seals_must_be_data(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=SLOW) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            theirs, ours = pump_of(alice, transfer_id)._epoch, pump_of(bob, transfer_id)
            for extra, body in enumerate((b"", b"\xff\x00x", b"\x01\x00nozstd", b"\x00\xff")):
                number = theirs.out._next + 100 + extra
                header = data_header(theirs.out_tag, number)
                sealed = theirs.out._cipher.encrypt(number.to_bytes(12, "big"), body, header)
                ours.take_frame(SealedFrame(FrameType.DATA, theirs.out_tag, number, header, sealed))
            assert bob.ignored().count("unexpected") >= 3
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": BIG}

    run(main())


def test_keys_end_with_the_epoch_and_with_the_process(tmp_path: Path) -> None:  # R-CTL-5
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=SLOW) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            tags = inside(bob).tags
            first = pump_of(bob, transfer_id)._epoch.in_tag
            await alice.restart()
            await bob.until(
                lambda: (
                    (epoch := pump_of(bob, transfer_id)._epoch) is not None and epoch.number == 2
                )
            )
            assert tags.find(first) is None
            await bob.stop()
            assert list(tags._owners) == []
            await bob.start()
            await alice.manager.wait(transfer_id)

    run(main())


def test_a_message_that_cannot_be_sealed_is_left_unsaid(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            alice.room.ear = lambda author, to, text: []
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await asyncio.sleep(1)
            await alice.manager.cancel_transfer(transfer_id)
            await alice.end_of(transfer_id)
            assert alice.room.count(FrameType.CONTROL) == 0
            assert bob.manager.list_transfers() == []

    run(main())


def test_a_text_that_does_not_leave_costs_time_not_the_transfer(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            for node in (alice, bob):
                send = node.channel.send

                async def send_or_not(to: str, text: str, send: Any = send) -> None:
                    if len(alice.room.said) % 3 == 0:
                        alice.room.said.append(("", "", ""))
                        raise ChannelError("the network is gone")
                    await send(to, text)

                node.channel.send = send_or_not  # type: ignore[method-assign]
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": BIG}

    run(main())


def test_a_control_message_that_can_never_leave_ends_the_transfer(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)

            async def refuse(to: str, text: str) -> None:
                raise MessageTooLongError("not one letter")

            alice.channel.send = refuse  # type: ignore[method-assign]
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            info = await alice.end_of(transfer_id)
            assert info.error_code == "MESSAGE_TOO_LONG"
            assert asyncio.get_running_loop().time() < 10

    run(main())


def test_an_end_that_cannot_be_written_now_is_written_later(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            save, locked = Journal.save, [True] * 5

            def save_or_not(journal: Journal, record: Any) -> None:
                if locked and record.info.state.is_final:
                    locked.pop()
                    raise JournalError("database is locked")
                save(journal, record)

            with mock.patch.object(Journal, "save", save_or_not):
                transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
                await alice.manager.wait(transfer_id)
                await bob.manager.wait(transfer_id)
            assert locked == []
            for node in (alice, bob):
                assert node.names()[-1] == "transfer-completed"
                assert node.info(transfer_id).completed_at is not None
            assert bob.tree() == {"report.bin": DATA}

    run(main())


@pytest.mark.parametrize("most", [1, 3])
def test_a_transfer_of_one_that_waits_for_a_root_key_can_be_cancelled_at_once(
    tmp_path: Path, most: int
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, _):
            alice.room.ear = lambda author, to, text: []
            ids = [
                await alice.manager.send_file("bob", write_source(tmp_path)) for _ in range(most)
            ]
            await asyncio.sleep(10)
            began = asyncio.get_running_loop().time()
            for transfer_id in ids:
                await alice.manager.cancel_transfer(transfer_id)
                await alice.end_of(transfer_id)
            assert asyncio.get_running_loop().time() - began < 1
            await asyncio.sleep(1)
            assert inside(alice).handshakes._attempts == {}
            assert inside(alice).sessions.newest(BOB) is None

    run(main())


def test_a_peer_that_moves_to_another_account_is_written_to_there(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=SLOW) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            moved: list[str] = []

            def ear(author: str, to: str, text: str) -> list[str]:
                if author == "alice" and to == "bobby":
                    moved.append(text)
                    alice.room.say("alice", "bob", text)  # that is where he reads it
                    return []
                return [] if author == "alice" else [text]  # nobody reads the old account

            alice.room.ear = ear
            inside(alice).trust.nodes.learn(BOB, address="bobby")
            await alice.manager.wait(transfer_id)
            assert moved
            assert bob.tree() == {"report.bin": BIG}

    run(main())


def test_what_has_ended_keeps_no_list_of_files(tmp_path: Path) -> None:
    async def main() -> None:  # its pump stays for late frames
        async with sealed_nodes(tmp_path) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await bob.until(lambda: pump_of(bob, transfer_id))
            sent, received = pump_of(alice, transfer_id), pump_of(bob, transfer_id)
            await alice.end_of(transfer_id)
            await bob.end_of(transfer_id)
            await asyncio.sleep(1)
            for node, pump in ((alice, sent), (bob, received)):
                assert inside(node).tags.find(pump._epoch.in_tag) is pump
            assert sent._files is None
            assert received._manifest is received._arriving is received._taking is None
            assert not bob.manager._journal.has_manifest(TransferId(transfer_id))

    run(main())
