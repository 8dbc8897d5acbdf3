"""Frames in native files of the platform: bundles, how large they may be, and what goes wrong."""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO
from unittest import mock

import pytest

from ocft import ChannelLimits, TransferState
from ocft.channels import FileLimits, IncomingFile
from ocft.errors import (
    ChannelError,
    DeliveryUnknownError,
    FileRefusedError,
    JournalError,
    StorageError,
)
from ocft.storage import ArrivingSet, ChannelMarks, SentFiles
from ocft.testing import run
from ocft.wire import FrameType, decode
from tests.runtime.pair import write_source
from tests.runtime.sealed_pair import NARROW, Node, pump_of, sealed_nodes

MIB = 1 << 20
FILES = FileLimits(max_size=MIB, ceiling=MIB, at_once=2)
NOISE = random.Random(0).randbytes(8 * MIB + 12345)


async def send(alice: Node, folder: Path, data: bytes = NOISE) -> str:
    transfer_id = await alice.manager.send_file("bob", write_source(folder, data))
    await alice.manager.wait(transfer_id)
    return transfer_id


def test_what_is_large_goes_in_files_and_few_texts(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            room = alice.room
            assert len(room.uploads) == 9
            assert room.count(FrameType.DATA) <= 1  # the few bytes that the last file left
            assert room.count(FrameType.ACK) <= 4
            assert all(len(content) <= MIB for _, _, content in room.uploads)

    run(main())


def test_what_six_files_carry_needs_no_ack(tmp_path: Path) -> None:  # R-BUN-3
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, _):
            await send(alice, tmp_path, NOISE[: 5 * MIB + 100_000])
            assert len(alice.room.uploads) == 6
            assert alice.room.count(FrameType.DATA) == alice.room.count(FrameType.ACK) == 0

    run(main())


def test_the_disk_is_written_to_where_nobody_waits_for_it(tmp_path: Path) -> None:
    """A disk that is busy, here one that takes 30 ms for each frame, holds nobody up."""
    here = threading.current_thread()
    write = ArrivingSet.write
    waiting: list[int] = []

    def slowly(arriving: ArrivingSet, offset: int, data: bytes) -> None:
        if len(data) > MIB // 2:  # the rest of a file is as short as a text
            assert threading.current_thread() is not here
            time.sleep(0.03)
        write(arriving, offset, data)

    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            with mock.patch.object(ArrivingSet, "write", slowly):
                sending = asyncio.create_task(send(alice, tmp_path, NOISE))
                while not sending.done():
                    pumps = [pump_of(bob, one.id) for one in bob.manager.list_transfers()]
                    waiting.extend(sum(len(d) for _, d in one._unwritten) for one in pumps if one)
                    await asyncio.sleep(0.005)
                await sending
            assert bob.tree() == {"report.bin": NOISE}

    with mock.patch("ocft.runtime.wire2.receiving._MOST_UNWRITTEN", 2 * MIB):
        asyncio.run(main())
    assert 0 < max(waiting) <= 4 * MIB  # and a frame more of each of the two downloads


def test_a_disk_that_refuses_a_file_ends_the_transfer_so_that_it_can_go_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            source = write_source(tmp_path, NOISE)
            with mock.patch.object(ArrivingSet, "write", side_effect=StorageError("no more")):
                transfer_id = await alice.manager.send_file("bob", source)
                info = await bob.end_of(transfer_id)
                assert (info.error_code, info.is_resumable) == ("STORAGE", True)
                await alice.end_of(transfer_id)
            await alice.manager.resume_transfer(transfer_id)
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": NOISE}

    run(main())


def test_what_fits_one_text_goes_as_text(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            await send(alice, tmp_path, b"short" * 100)
            assert bob.tree() == {"report.bin": b"short" * 100}
            assert not alice.room.uploads

    run(main())


def test_a_wide_channel_needs_no_files(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, files=FILES) as (alice, bob):
            await send(alice, tmp_path, NOISE[:MIB])
            assert bob.tree() == {"report.bin": NOISE[:MIB]}
            assert not alice.room.uploads

    run(main())


def test_a_peer_without_files_gets_texts(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            await bob.stop()
            bob.room.files = None
            await bob.start()
            await send(alice, tmp_path, NOISE[:100_000])
            assert bob.tree() == {"report.bin": NOISE[:100_000]}
            assert not alice.room.uploads

    run(main())


def test_the_chat_learns_neither_name_nor_content(tmp_path: Path) -> None:  # R-BUN-5
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            await send(alice, tmp_path, b"the same secret line\n" * 200_000)
            assert bob.tree() == {"report.bin": b"the same secret line\n" * 200_000}
            for _, name, content in alice.room.uploads:
                assert name.startswith("ocft-")
                assert "report" not in name
                assert b"secret line" not in content

    run(main())


@pytest.mark.parametrize("number", [0, 4, 8])
def test_a_file_that_cannot_be_downloaded_comes_again_in_others(
    tmp_path: Path, number: int
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            room = alice.room

            def lose(content: bytes) -> bytes:
                if len(room.uploads) > number and content == room.uploads[number][2]:
                    raise ChannelError("gone")
                return content

            room.give_down = lose
            await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert len(room.uploads) <= 12

    run(main())


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content[: len(content) // 2],
        lambda content: b"<html>Sign in</html>",
        lambda content: b"\xff" * len(content),
        lambda content: b"",
    ],
    ids=["one bit", "truncated", "a login page", "lengths beyond all frames", "nothing"],
)
def test_a_file_that_was_tampered_with_changes_nothing(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            room = alice.room
            room.give_down = lambda content: (
                damage(content) if content == room.uploads[1][2] else content
            )
            await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}

    run(main())


def test_a_refused_size_is_not_tried_again(tmp_path: Path) -> None:  # R-BUN-4
    files = FileLimits(max_size=MIB, ceiling=4 * MIB, at_once=1)

    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=files) as (alice, bob):
            room, tried = alice.room, []

            def refuse_large(content: bytes) -> None:
                tried.append(len(content))
                if len(content) > 2 * MIB:
                    raise FileRefusedError("too large")

            room.take_up = refuse_large
            await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert sum(size > 2 * MIB for size in tried) == 1
            await alice.restart()
            bob.tree()
            await send(alice, tmp_path, NOISE[::-1])
            assert sum(size > 2 * MIB for size in tried) == 1

    run(main())


def test_a_larger_size_that_passes_is_kept(tmp_path: Path) -> None:  # R-BUN-4
    files = FileLimits(max_size=MIB, ceiling=4 * MIB, at_once=1)

    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=files) as (alice, bob):
            await send(alice, tmp_path)
            sizes = [len(content) for _, _, content in alice.room.uploads]
            assert sizes[0] <= MIB < 3 * MIB < sizes[1]
            assert len(sizes) <= 4
            assert bob.tree() == {"report.bin": NOISE}

    run(main())


def test_a_platform_that_refuses_all_files_gets_texts(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):

            def refuse(content: bytes) -> None:
                raise FileRefusedError(f"uploads are switched off, also of {len(content)}")

            alice.room.take_up = refuse
            await send(alice, tmp_path, NOISE[:300_000])
            assert bob.tree() == {"report.bin": NOISE[:300_000]}

    run(main())


def test_an_upload_that_fails_is_tried_again_after_a_pause(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            failures: list[bytes] = []

            def fail_at_first(content: bytes) -> None:
                if len(failures) < 3:
                    failures.append(content)
                    raise ChannelError("no connection")

            alice.room.take_up = fail_at_first
            await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert len(alice.room.uploads) <= 10

    run(main())


def test_an_upload_of_unknown_outcome_is_left_to_the_acks(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            channel, upload = alice.channel, alice.channel.send_file

            async def send_file(*args: object, **more: object) -> str:
                await upload(*args, **more)  # type: ignore[arg-type]
                raise DeliveryUnknownError("no answer")

            channel.send_file = send_file  # type: ignore[method-assign]
            await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert len(alice.room.uploads) == 9

    run(main())


def test_files_of_strangers_and_of_others_are_not_downloaded(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            room, asked = alice.room, []

            def note(content: bytes) -> bytes:
                asked.append(content)
                return content

            room.give_down = note
            heard: list[tuple[str, str]] = []
            room.ear = lambda author, to, text: heard.append((author, text)) or [text]  # type: ignore[func-returns-value]
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, NOISE))
            await bob.until(lambda: room.uploads and pump_of(bob, transfer_id))
            tag = pump_of(bob, transfer_id)._epoch.in_tag
            from ocft.wire import Alphabet, BundleNote, encode_frame, pack_bundle_note

            forged = encode_frame(pack_bundle_note(BundleNote(tag, 5)), Alphabet.BASE64URL)
            unknown = encode_frame(pack_bundle_note(BundleNote(bytes(8), 5)), Alphabet.BASE64URL)
            room.upload("mallory", "bob", "x.bin", b"12345", forged)
            room.upload("alice", "bob", "x.bin", b"12345", unknown)
            room.upload("alice", "bob", "x.bin", b"123456", forged)  # not the size that was said
            room.say("alice", "bob", forged)  # and no file at all
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": NOISE}
            assert not {b"12345", b"123456"} & set(asked)
            reasons = bob.ignored()
            assert {"wrong-author", "unknown-transfer", "malformed"} <= set(reasons)

    run(main())


@pytest.mark.parametrize("side", ["alice", "bob"])
def test_a_restart_in_the_middle_sends_little_twice(tmp_path: Path, side: str) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, NOISE))
            await alice.until(lambda: len(alice.room.uploads) >= 5)
            await (alice if side == "alice" else bob).restart()
            await alice.end_of(transfer_id)
            assert alice.state(transfer_id) is TransferState.COMPLETED
            assert bob.tree() == {"report.bin": NOISE}
            assert len(alice.room.uploads) <= 9 + 4

    run(main())


def test_files_are_removed_from_the_chat_when_the_owner_wants_that(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            await send(alice, tmp_path)
            assert not alice.room.removed
            await alice.stop()
            alice.channel = alice.room.enter("alice")
            type(alice.channel).removes_files = True
            try:
                await alice.start()
                before = len(alice.room.uploads)
                await send(alice, tmp_path, NOISE[::-1])
                count = len(alice.room.uploads) - before
                await alice.until(lambda: len(alice.room.removed) == count)
            finally:
                type(alice.channel).removes_files = False
            assert bob.tree().keys() == {"report.bin", "report (1).bin"}

    run(main())


def test_the_note_beside_a_file_is_short(tmp_path: Path) -> None:
    async def main() -> None:
        narrow = ChannelLimits(max_text=1000)
        async with sealed_nodes(tmp_path, limits=narrow, files=FILES) as (alice, bob):
            texts: list[str] = []
            upload = alice.room.upload

            def note(author: str, to: str, name: str, content: bytes, text: str) -> str:
                texts.append(text)
                return upload(author, to, name, content, text)

            alice.room.upload = note  # type: ignore[method-assign]
            await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert all(len(text) < 40 for text in texts)
            assert all(len(decode(text)) == 1 for text in texts)

    run(main())


def test_what_cannot_be_noted_stops_no_transfer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise JournalError("the disk is full")

    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            monkeypatch.setattr(ChannelMarks, "set", full)
            monkeypatch.setattr(SentFiles, "add", full)

            def refuse_large(content: bytes) -> None:
                if len(content) > MIB // 2:
                    raise FileRefusedError("too large")

            alice.room.take_up = refuse_large
            began = asyncio.get_running_loop().time()
            await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert asyncio.get_running_loop().time() - began < 60

    run(main())


def test_many_transfers_together_send_no_more_files_at_once(tmp_path: Path) -> None:  # R-BUN-3
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            channel, upload = alice.channel, alice.channel.send_file
            under_way: list[int] = [0]

            async def send_file(*args: Any, **more: Any) -> str:
                under_way.append(under_way[-1] + 1)
                try:
                    await asyncio.sleep(1)
                    return await upload(*args, **more)
                finally:
                    under_way.append(under_way[-1] - 1)

            channel.send_file = send_file  # type: ignore[method-assign]
            began = asyncio.get_running_loop().time()
            data = NOISE[: 3 * MIB]
            sources = [tmp_path / f"{n}.bin" for n in range(4)]
            for source in sources:
                source.write_bytes(data)
            ids = [await alice.manager.send_file("bob", source) for source in sources]
            await asyncio.gather(*map(alice.manager.wait, ids))
            assert bob.tree() == {source.name: data for source in sources}
            assert max(under_way) == FILES.at_once
            # And neither place was left empty: 16 files of a second, two at a time.
            assert asyncio.get_running_loop().time() - began < 12

    run(main())


def test_files_that_are_being_downloaded_slowly_are_not_sent_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=FILES) as (alice, bob):
            say = alice.room.say

            def slowly(author: str, to: str, text: str, *files: IncomingFile) -> None:
                def later(file: IncomingFile) -> IncomingFile:
                    async def fetch(sink: BinaryIO) -> None:
                        await asyncio.sleep(21)
                        await file.fetch(sink)

                    return replace(file, fetch=fetch)

                say(author, to, text, *map(later, files))

            alice.room.say = slowly  # type: ignore[method-assign]
            await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert len(alice.room.uploads) == 9

    run(main())


def test_a_slow_line_gets_smaller_files_and_the_peer_hears_of_us(tmp_path: Path) -> None:
    large = FileLimits(max_size=8 * MIB, ceiling=8 * MIB, at_once=2)

    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW, files=large) as (alice, bob):
            channel, upload = alice.channel, alice.channel.send_file

            async def send_file(to: str, file: BinaryIO, **more: Any) -> str:
                file.seek(0)
                while len(file.read(8192)):
                    await asyncio.sleep(1)
                return await upload(to, file, **more)

            channel.send_file = send_file  # type: ignore[method-assign]
            await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert "transfer-failed" not in alice.names()

    run(main())
