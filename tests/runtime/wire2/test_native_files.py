"""`ocft.runtime.wire2.native_files`: what is left in the chat is removed, once and in time."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from ocft.channels import Channel, ChannelLimits, FileLimits, IncomingText
from ocft.errors import ChannelClosedError
from ocft.ids import TransferId
from ocft.runtime.outbox import Outbox
from ocft.runtime.wire2.native_files import NativeFiles
from ocft.storage import ChannelMarks, Database, SentFiles
from ocft.testing import run


class Chat(Channel):
    """Removes files, but for one."""

    name = "chat"
    limits = ChannelLimits(max_text=100, texts_per_second=1)
    files = FileLimits(max_size=100, ceiling=100)
    removes_files = True

    def __init__(self) -> None:
        self.tried: list[str] = []

    async def send(self, to: str, text: str) -> None:
        raise NotImplementedError

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        return
        yield

    async def delete(self, sent: str) -> None:
        self.tried.append(sent)
        if sent == "stuck":
            raise ChannelClosedError("no connection")

    async def close(self) -> None:
        """Close nothing."""


def test_what_a_transfer_left_that_ends_during_the_removal_is_removed_too(tmp_path: Path) -> None:
    async def main() -> None:
        channel, clock = Chat(), asyncio.get_running_loop().time
        with Database(tmp_path / "journal.db") as database:
            sent = SentFiles(database, channel.name)
            native = NativeFiles(
                channel,
                outbox=Outbox(channel, clock),
                marks=ChannelMarks(database, channel.name),
                sent=sent,
                folder=tmp_path,
                wall_clock=clock,
            )
            for one in ("first", "stuck", "second"):
                sent.add(TransferId("one"), one)  # which no journal knows: it is over for good
            native.remove_old()
            await asyncio.sleep(1.5)
            sent.add(TransferId("another"), "third")
            native.remove_old()
            await asyncio.sleep(60)
            assert channel.tried == ["first", "stuck", "second", "third"]
            assert sent.of_ended() == ["stuck"]
            native.remove_old()
            await asyncio.sleep(60)
            assert channel.tried[4:] == ["stuck"]
            await native.close()

    run(main())
