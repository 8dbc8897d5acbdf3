"""Native files in schedules of wire 2: a platform that loses, cuts, alters and refuses them."""

import asyncio
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final
from unittest import mock

from ocft.channels import FileLimits, IncomingFile, IncomingText
from ocft.errors import ChannelError, DeliveryUnknownError, FileRefusedError, RateLimitedError

FILES: Final = FileLimits(max_size=4000, ceiling=9000, at_once=2)
"""Small, so that the files of a schedule take several."""
_FRAME: Final = 1500  # bytes of data in a frame, so that a bundle has several
_LABEL: Final = re.compile(r" #(\d+)$")


@contextmanager
def small_bundles() -> Iterator[None]:
    """Let bundles be as small as `FILES` says."""
    with (
        mock.patch("ocft.runtime.wire2.file_sizes.SMALLEST", 200),
        mock.patch("ocft.runtime.wire2.sending.SMALLEST", 200),
        mock.patch("ocft.runtime.wire2.sending.MAX_DATA", _FRAME),
    ):
        yield


class Shelf:
    """Keeps what was uploaded; the label behind a text says what hangs on it.

    Args:
        chance: What goes wrong.
        trouble: How often something does, 0 to 1.
        limit: Bytes that the platform takes.
    """

    def __init__(self, chance: random.Random, *, trouble: float, limit: int) -> None:
        self._chance = chance
        self._trouble = trouble
        self._limit = limit
        self._contents: list[bytes] = []

    async def put(self, file: BinaryIO) -> tuple[str, bool]:
        """Take a file up; return its label, and whether the answer is lost.

        Raises:
            ChannelError: It was not taken.
        """
        file.seek(0)
        content = file.read()
        await asyncio.sleep(self._chance.random())
        if len(content) > self._limit:
            raise FileRefusedError("too large")
        if self._happens():
            raise self._chance.choice(
                [ChannelError("no connection"), RateLimitedError("slow down", retry_after=3.0)]
            )
        self._contents.append(content)
        return f" #{len(self._contents) - 1}", self._happens()

    def delivered(self, text: IncomingText) -> IncomingText:
        """Return a text as its reader gets it: without the label, and with its file."""
        label = _LABEL.search(text.text)
        if label is None or int(label[1]) >= len(self._contents):
            return text
        content = self._contents[int(label[1])]

        async def fetch(sink: BinaryIO) -> None:
            await asyncio.sleep(self._chance.random())
            sink.write(self._altered(content) if self._happens() else content)

        file = IncomingFile("ocft.bin", len(content), fetch)
        return IncomingText(text.author, text.text[: label.start()], (file,))

    def _altered(self, content: bytes) -> bytes:
        match self._chance.randrange(5):
            case 0:
                raise ChannelError("gone")
            case 1:
                return content[: self._chance.randrange(len(content))]
            case 2:
                place = self._chance.randrange(len(content))
                return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
            case 3:
                return self._chance.choice(self._contents)
            case _:
                return b"<html>Sign in</html>"

    def _happens(self) -> bool:
        return self._chance.random() < self._trouble


def answer(label: str, *, is_lost: bool) -> str:
    """Return what a sender is told.

    Raises:
        DeliveryUnknownError: Nothing.
    """
    if is_lost:
        raise DeliveryUnknownError("no answer")
    return label
