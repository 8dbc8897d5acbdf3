"""Files that people put into the chat, and files that are put there for them."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from ocft.channels import FileLimits, IncomingFile
from ocft.errors import ChannelError, SourceNotFoundError
from ocft.testing import run
from ocft.transfers import TransferState
from tests.runtime.pair import write_source
from tests.runtime.sealed_pair import Node, sealed_nodes

MIB = 1 << 20
FILES = FileLimits(max_size=MIB, ceiling=MIB)
PHOTO = bytes(range(256)) * 1000


def people(*accounts: str, **more: Any) -> dict[str, Any]:
    return {"uploads_from": accounts, **more}


async def ended(node: Node) -> list[str]:
    """Wait until everything that was taken in has ended; return the names of what happened."""
    finals = {"transfer-completed", "transfer-failed"}
    await node.until(lambda: finals & set(node.names()))
    return node.names()


def test_a_person_s_file_is_taken_in_as_a_transfer(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=people("4711"), files=FILES) as (_, bob):
            bob.room.upload("4711", "bob", "../photo?.jpg", PHOTO, "look at this")
            assert await ended(bob) == [
                "offer-received",
                "transfer-accepted",
                "transfer-completed",
            ]
            assert bob.tree() == {"photo_.jpg": PHOTO}
            (info,) = bob.manager.list_transfers()
            assert info.state is TransferState.COMPLETED
            assert info.peer_id == "4711"
            assert info.wire == "chat"
            assert info.digest == hashlib.sha256(PHOTO).hexdigest()
            assert bob.parts() == []

    run(main())


def test_nobody_is_heard_who_was_not_named(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=people("4711"), files=FILES) as (alice, bob):
            for node in (alice, bob):  # alice named nobody at all
                node.room.upload("4712", node.name, "virus.exe", PHOTO, "")
            bob.room.upload("4711", "bob", "photo.jpg", PHOTO, "")
            await ended(bob)
            assert bob.tree() == {"photo.jpg": PHOTO}
            assert alice.tree() == {}

    run(main())


def test_everybody_can_be_named(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=people("*"), files=FILES) as (_, bob):
            bob.room.upload("anyone", "bob", "photo.jpg", PHOTO, "")
            await ended(bob)
            assert bob.tree() == {"photo.jpg": PHOTO}

    run(main())


def test_a_file_above_the_limit_is_not_downloaded(tmp_path: Path) -> None:
    async def main() -> None:
        limited = people("4711", max_file_size=1000)
        async with sealed_nodes(tmp_path, bob=limited, files=FILES) as (_, bob):
            asked = []

            def note(content: bytes) -> bytes:
                asked.append(content)
                return content

            bob.room.give_down = note
            bob.room.upload("4711", "bob", "photo.jpg", PHOTO, "")
            assert (await ended(bob))[-1] == "transfer-failed"
            (info,) = bob.manager.list_transfers()
            assert info.error_code == "FILE_TOO_LARGE"
            assert not asked

    run(main())


def told_later(content: bytes, asked: list[str], *, is_gone: bool = False) -> IncomingFile:
    """Return an upload of which the platform tells the rest when it is asked."""

    async def fetch(sink: BinaryIO) -> None:
        sink.write(content)

    async def ask() -> IncomingFile:
        asked.append("asked")
        if is_gone:
            raise ChannelError("gone")
        return IncomingFile("photo.jpg", len(content), fetch, id="1")

    return IncomingFile("F1", None, fetch, id="1", ask=ask)


def test_what_the_platform_does_not_tell_is_asked_for_files_of_those_who_were_named(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=people("4711"), files=FILES) as (_, bob):
            asked: list[str] = []
            bob.room.say("4712", "bob", "", told_later(PHOTO, asked))
            bob.room.say("4711", "bob", "", told_later(PHOTO, asked))
            await ended(bob)
            assert bob.tree() == {"photo.jpg": PHOTO}
            assert asked == ["asked"]
            (info,) = bob.manager.list_transfers()
            assert (info.filename, info.size, info.bytes_done) == (
                "photo.jpg",
                len(PHOTO),
                len(PHOTO),
            )

    run(main())


@pytest.mark.parametrize(
    ("limit", "is_gone", "code"), [(1000, False, "FILE_TOO_LARGE"), (MIB, True, "CHANNEL")]
)
def test_what_the_platform_tells_later_decides_too(
    tmp_path: Path, limit: int, *, is_gone: bool, code: str
) -> None:
    async def main() -> None:
        limited = people("4711", max_file_size=limit)
        async with sealed_nodes(tmp_path, bob=limited, files=FILES) as (_, bob):
            bob.room.say("4711", "bob", "", told_later(PHOTO, [], is_gone=is_gone))
            assert (await ended(bob))[-1] == "transfer-failed"
            (info,) = bob.manager.list_transfers()
            assert info.error_code == code
            assert bob.tree() == {}

    run(main())


@pytest.mark.parametrize("given", [PHOTO[:-1], PHOTO + b"x", b"<html>Sign in</html>"])
def test_what_is_not_the_stated_size_is_not_kept(tmp_path: Path, given: bytes) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=people("4711"), files=FILES) as (_, bob):
            bob.room.give_down = {PHOTO: given}.__getitem__
            bob.room.upload("4711", "bob", "photo.jpg", PHOTO, "")
            assert (await ended(bob))[-1] == "transfer-failed"
            assert bob.tree() == {}
            assert bob.parts() == []

    run(main())


def test_a_file_that_is_gone_ends_as_failed(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=people("4711"), files=FILES) as (_, bob):

            def gone(content: bytes) -> bytes:
                raise ChannelError(f"gone: {len(content)} bytes")

            bob.room.give_down = gone
            bob.room.upload("4711", "bob", "photo.jpg", PHOTO, "")
            assert (await ended(bob))[-1] == "transfer-failed"

    run(main())


def test_a_download_that_a_stop_interrupts_is_told_so_and_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=people("4711"), files=FILES) as (_, bob):
            bob.room.upload("4711", "bob", "photo.jpg", PHOTO, "")
            await bob.until(bob.manager.list_transfers)
            await bob.restart()
            (info,) = bob.manager.list_transfers()
            assert info.state is TransferState.FAILED
            assert not info.is_resumable
            assert bob.parts() == []

    run(main())


def test_an_upload_that_the_platform_delivers_again_is_taken_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=people("4711"), files=FILES) as (_, bob):

            def deliver(upload: str) -> None:
                async def fetch(sink: BinaryIO) -> None:
                    await asyncio.sleep(1)
                    sink.write(PHOTO)

                file = IncomingFile("photo.jpg", len(PHOTO), fetch, id=upload)
                bob.room.say("4711", "bob", "", file)

            deliver("1")
            deliver("1")
            await ended(bob)
            await bob.restart()  # as after a restart, when the history is read a little twice
            deliver("1")
            await asyncio.sleep(3)
            assert bob.tree() == {"photo.jpg": PHOTO}
            deliver("2")
            await bob.until(lambda: len(bob.tree()) == 2)
            # One that a stop interrupted is taken when it comes again.
            deliver("3")
            await bob.until(lambda: len(bob.manager.list_transfers()) == 3)
            await bob.restart()
            deliver("3")
            await bob.until(lambda: len(bob.tree()) == 3)
            assert len(bob.manager.list_transfers()) == 3

    run(main())


def test_two_of_the_same_name_are_both_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=people("4711"), files=FILES) as (_, bob):
            for content in (b"one", b"two"):
                bob.room.upload("4711", "bob", "note.txt", content, "")
            await bob.until(lambda: bob.names().count("transfer-completed") == 2)
            assert sorted(bob.tree().values()) == [b"one", b"two"]

    run(main())


def test_a_file_for_people_is_the_platform_s_own_attachment(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, files=FILES) as (alice, _):
            path = write_source(tmp_path, PHOTO)
            await alice.manager.post_file("everybody", path, text="here it is")
            assert alice.room.uploads == [("alice", path.name, PHOTO)]
            with pytest.raises(SourceNotFoundError):
                await alice.manager.post_file("everybody", tmp_path / "nothing")

    run(main())
