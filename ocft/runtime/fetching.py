"""Downloads of native files: tried again where that can help, after the pause that is asked for."""

import asyncio
import logging
from typing import BinaryIO, Final

from ocft.channels import IncomingFile
from ocft.errors import ChannelError, RateLimitedError

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
    for again in range(1, _TRIES + 1):
        try:
            await file.fetch(sink)
        except ChannelError as error:
            told = error.retry_after if isinstance(error, RateLimitedError) else 0.0
            if again == _TRIES or not error.retryable or told > _LONGEST_PAUSE:
                raise
            _log.info("a download is tried again: %s", error)
            await asyncio.sleep(max(_PAUSE * again, told))  # in this order: it may be NaN
            sink.seek(0)
            sink.truncate()
        else:
            return
