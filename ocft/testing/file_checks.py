"""What a channel that carries native files must do, as checks that run on any implementation."""

import asyncio
import hashlib
import random
import tempfile
from collections.abc import Awaitable, Callable
from typing import BinaryIO, Final

from ocft.channels import IncomingFile
from ocft.errors import RateLimitedError
from ocft.testing.ends import End, Pair, receive, require

_SIZE: Final = 3 * 1024 * 1024 + 7
_SMALL: Final = 5


async def a_file_arrives_whole_with_its_text(pair: Pair) -> None:  # noqa: D103 - the name says it
    if pair.alice.channel.files is None:
        return
    with tempfile.TemporaryFile() as file:
        digest = _fill(file, _SIZE)
        await _send_file(pair.alice, pair.bob, file)
        incoming = await _next_file(pair.bob)
        require(incoming.size == _SIZE, f"{incoming.size} bytes are told, {_SIZE} were sent")
        with tempfile.TemporaryFile() as sink:
            await incoming.fetch(sink)
            require(sink.tell() == _SIZE, f"{sink.tell()} bytes came, {_SIZE} were sent")
            sink.seek(0)
            came = hashlib.file_digest(sink, "sha256").hexdigest()
        require(came == digest, "other bytes came than were sent")


async def a_file_can_be_fetched_twice(pair: Pair) -> None:  # noqa: D103
    if pair.alice.channel.files is None:
        return
    with tempfile.TemporaryFile() as file:
        _fill(file, _SMALL)
        await _send_file(pair.alice, pair.bob, file)
        incoming = await _next_file(pair.bob)
        for _ in range(2):
            with tempfile.TemporaryFile() as sink:
                await incoming.fetch(sink)
                require(sink.tell() == _SMALL, "the second time something else came")


async def a_file_that_was_sent_can_be_removed_twice(pair: Pair) -> None:  # noqa: D103
    channel = pair.alice.channel
    if channel.files is None:
        return
    with tempfile.TemporaryFile() as file:
        _fill(file, _SMALL)
        sent = await _send_file(pair.alice, pair.bob, file)
    await channel.delete(sent)
    await channel.delete(sent)  # what is gone already is fine


FILE_CHECKS: Final[tuple[Callable[[Pair], Awaitable[None]], ...]] = (
    a_file_arrives_whole_with_its_text,
    a_file_can_be_fetched_twice,
    a_file_that_was_sent_can_be_removed_twice,
)
"""The checks, in the order in which they run; on a channel without files they check nothing."""


def _fill(file: BinaryIO, size: int) -> str:
    """Write noise, which no platform can take for text or an image; return its SHA-256."""
    content = random.Random(size).randbytes(size)  # noqa: S311 - the same in every run
    file.write(content)
    return hashlib.sha256(content).hexdigest()


async def _send_file(sender: End, receiver: End, file: BinaryIO) -> str:
    while True:
        try:
            return await sender.channel.send_file(
                receiver.address, file, name="check.bin", text="a file"
            )
        except RateLimitedError as error:
            await asyncio.sleep(error.retry_after)


async def _next_file(end: End) -> IncomingFile:
    """Return the file that hangs on the next text."""
    (text,) = await receive(end, 1)
    require(text.text == "a file", f"sent 'a file' with it, received {text.text!r}")
    require(len(text.files) == 1, f"{len(text.files)} files hang on the text, not one")
    return await text.files[0].known()
