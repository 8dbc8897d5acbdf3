"""Downloads of native files: tried again where that can help, after the pause that is asked for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import BinaryIO, Final, TypeVar

from ocft.channels import IncomingFile
from ocft.errors import ChannelError, RateLimitedError

_T = TypeVar("_T")

_log = logging.getLogger(__name__)
_TRIES: Final = 3
_PAUSE: Final = 2.0  # seconds before a second try, twice as many before a third
_LONGEST_PAUSE: Final = 300.0  # seconds; others wait for their turn meanwhile


async def fetch(file: IncomingFile, sink: BinaryIO) -> None:
    """Download a file.

    Args:
        file: What the platform has.
        sink: An empty file, open for writing.

    Raises:
        ChannelError: It cannot be had, or not soon.
    """

    async def download() -> None:
        sink.seek(0)
        sink.truncate()
        await file.fetch(sink)

    await _tried(download)


async def sized(file: IncomingFile) -> tuple[IncomingFile, int]:
    """Return a file with its name, and its size in bytes; ask the platform if it did not tell.

    Raises:
        ChannelError: It does not say, or not soon.
    """
    known = await _tried(file.known)
    if known.size is None:
        raise ChannelError("The platform does not say how large a file is.")
    return known, known.size


async def _tried(work: Callable[[], Awaitable[_T]]) -> _T:
    for again in range(1, _TRIES):
        try:
            return await work()
        except ChannelError as error:
            told = error.retry_after if isinstance(error, RateLimitedError) else 0.0
            if not error.retryable or told > _LONGEST_PAUSE:
                raise
            _log.info("a download is tried again: %s", error)
            await asyncio.sleep(max(_PAUSE * again, told))  # in this order: it may be NaN
    return await work()
