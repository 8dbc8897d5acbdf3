"""What a message is to the library: who wrote it, its text, and the files that hang on it."""

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO, Final

from telegram import Message

from ocft.channels import IncomingFile, IncomingText
from ocft_telegram.downloads import Downloads
from ocft_telegram.rooms import Room
from ocft_telegram.text import without_prefix

_log = logging.getLogger(__name__)

# What a file can be to Telegram, and how one is called that has no name. A person's upload may be
# any of them; one that is two of them at once comes with the first.
_KINDS: Final = {
    "document": "",
    "animation": ".mp4",
    "video": ".mp4",
    "audio": ".mp3",
    "voice": ".ogg",
    "video_note": ".mp4",
    "photo": ".jpg",
}


class Ear:
    """Hears the messages of a room.

    Args:
        room: The room.
        downloads: Downloads their files.
        own_id: The bot's id.
    """

    def __init__(self, room: Room, downloads: Downloads, *, own_id: int) -> None:
        self._room = room
        self._downloads = downloads
        self._own_id = own_id

    def hear(self, message: Message) -> IncomingText | None:
        """Return what a message says; None: it is not for us, or says nothing.

        Args:
            message: From outside; nothing in it need be as it should.
        """
        try:
            if not self._room.takes(message):
                return None
            self._room.learn(message)
            return self._read(message)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it ends here
            _log.debug("a message that makes no sense was dropped: %s", type(error).__name__)
            return None

    def _read(self, message: Message) -> IncomingText | None:
        author = message.from_user
        if author is None or message.sender_chat is not None:
            return None  # a channel's or an anonymous admin's: nobody vouches for an author
        if not isinstance(author.id, int) or author.id == self._own_id:
            return None
        text = message.text or message.caption or ""
        files = tuple(self._files(message))
        if not isinstance(text, str) or not (text or files):
            return None
        return IncomingText(str(author.id), without_prefix(text), files)

    def _files(self, message: Message) -> Iterator[IncomingFile]:
        for kind, suffix in _KINDS.items():
            found: Any = getattr(message, kind)
            if not found:
                continue
            file = found[-1] if kind == "photo" else found  # of a photo's sizes, the largest
            size = file.file_size
            if isinstance(size, int) and size >= 0:
                name = getattr(file, "file_name", None) or f"{file.file_unique_id}{suffix}"
                is_page = "html" in (getattr(file, "mime_type", None) or "")
                yield IncomingFile(
                    str(name),
                    size,
                    partial(self._fetch, file.file_id, size, is_page),
                    id=f"{message.chat.id}/{message.message_id}",
                )
            return

    async def _fetch(self, file_id: str, size: int, is_page: bool, sink: BinaryIO) -> None:  # noqa: FBT001 - only `partial` calls it
        await self._downloads.fetch(file_id, size, sink, is_page=is_page)
