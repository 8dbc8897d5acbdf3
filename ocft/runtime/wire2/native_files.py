"""Native files of the platform that carry frames: what the transfers of a channel share."""

import asyncio
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from ocft.channels import Channel, Marks
from ocft.errors import ChannelError, StorageError
from ocft.ids import TransferId
from ocft.runtime.outbox import Outbox
from ocft.runtime.wire2.file_sizes import FileSizes
from ocft.storage import SentFiles

LONGEST_UPLOAD: Final = 180.0
"""Seconds. Who hears nothing for some times this long takes a peer for gone (`Patience.idle`)."""

_log = logging.getLogger(__name__)


class NativeFiles:
    """How frames go through a channel that carries native files.

    Args:
        channel: The channel; its `files` are not None.
        outbox: Its queue.
        marks: Where it is remembered how large a file may be.
        sent: Where it is noted which files are to be removed after their transfer; None: they
            stay in the chat.
        folder: Where bundles are put together and taken apart.
        wall_clock: Seconds since the epoch.

    Raises:
        ValueError: The channel carries no files.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        outbox: Outbox,
        marks: Marks,
        sent: SentFiles | None,
        folder: Path,
        wall_clock: Callable[[], float],
    ) -> None:
        if channel.files is None:
            raise ValueError("the channel carries no files")
        self.sizes = FileSizes(channel.files, marks, wall_clock)
        self.ceiling = channel.files.ceiling
        """Bytes of the largest file that this node takes."""
        self._outbox = outbox
        self._sent = sent
        self._folder = folder
        self._removing: asyncio.Task[None] | None = None
        # What the platform bears is for all transfers together, however many they are.
        self._turns = asyncio.Semaphore(channel.files.at_once)
        self._reserved = 0
        self._waiting: dict[Callable[[], None], None] = {}

    def has_room(self, wake: Callable[[], None]) -> bool:
        """Say whether another bundle may be made; `wake` is called when one may, if not now."""
        if self._reserved < self.sizes.at_once:
            return True
        self._waiting[wake] = None
        return False

    def reserve(self) -> None:
        """Note that a bundle is being made, to be sent."""
        self._reserved += 1

    def release(self) -> None:
        """Note that a bundle is not on its way any more; who waited longest is woken first."""
        self._reserved -= 1
        waiting, self._waiting = self._waiting, {}
        for wake in waiting:
            wake()

    def temporary(self) -> BinaryIO:
        """Return a new file for a bundle; it is gone when it is closed, or the process ends.

        Raises:
            OSError: It cannot be made.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._folder)

    async def send(
        self, transfer_id: TransferId, to: str, file: BinaryIO, *, name: str, text: str
    ) -> None:
        """Send a bundle; see `Outbox.send_file` for what is raised."""
        async with self._turns:
            sent = await self._outbox.send_file(
                to, file, name=name, text=text, patience=LONGEST_UPLOAD
            )
        if self._sent is not None:
            try:
                self._sent.add(transfer_id, sent)
            except StorageError as error:
                _log.warning("a file will stay in the chat, it cannot be noted: %s", error)

    def remove_old(self) -> None:
        """Begin to remove from the chat what transfers that are over have left there."""
        if self._sent is not None and (self._removing is None or self._removing.done()):
            self._removing = asyncio.get_running_loop().create_task(self._remove(self._sent))

    async def close(self) -> None:
        """Stop what is under way; what is left is removed another time."""
        if self._removing is not None:
            self._removing.cancel()
            await asyncio.wait([self._removing])

    async def _remove(self, files: SentFiles) -> None:
        tried: set[str] = set()
        # At the pace of texts this takes a while, and more transfers end meanwhile.
        while left := [sent for sent in files.of_ended() if sent not in tried]:
            tried.update(left)
            for sent in left:
                try:
                    await self._outbox.delete(sent)
                except ChannelError as error:
                    _log.warning("a file of an old transfer stays in the chat: %s", error)
                    if error.retryable:
                        continue
                files.remove(sent)
