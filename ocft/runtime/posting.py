"""Files for people: the platform's own attachments, readable by everybody in the chat."""

import asyncio
from pathlib import Path
from typing import BinaryIO

from ocft.errors import SourceNotFoundError
from ocft.runtime.outbox import Outbox
from ocft.storage import open_regular


async def post_file(outbox: Outbox, to: str, path: str | Path, *, text: str = "") -> str:
    """Put a file into the chat.

    Args:
        outbox: The channel's queue.
        to: Whom, or which room, it is for, as the channel calls them.
        path: The file.
        text: What is said with it.

    Returns:
        What `Outbox.delete` takes.

    Raises:
        SourceNotFoundError: The file is not there, no regular file, or cannot be read.
        FileRefusedError: The platform does not take a file of this size, or none at all.
        ChannelError: It did not leave.
    """
    with await asyncio.to_thread(_open, Path(path)) as file:
        return await outbox.send_file(to, file, name=Path(path).name, text=text)


def _open(path: Path) -> BinaryIO:
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise SourceNotFoundError(f"{path} cannot be read: {error}.") from error
    return open_regular(path)
