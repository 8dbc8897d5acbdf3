"""The bundles that are on their way down from the platform (R-BUN-1 to R-BUN-3)."""

import asyncio
import logging
from typing import Any, BinaryIO, Final

from ocft.channels import IncomingFile
from ocft.errors import ChannelError, MalformedMessageError, NotEnoughSpaceError
from ocft.runtime.fetching import fetch, sized
from ocft.runtime.wire2.native_files import NativeFiles
from ocft.runtime.wire2.pump import FramePump
from ocft.wire import BundleNote, FrameType, SealedFrame, bundled_frames, parse_frame

_log = logging.getLogger(__name__)
_AT_ONCE: Final = 2
_MOST_WAITING: Final = 16


class Downloads:
    """Downloads bundles, some at the same time, and hands their frames on.

    Args:
        files: What the transfers of the channel share.
    """

    def __init__(self, files: NativeFiles) -> None:
        self._files = files
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self, pump: FramePump[Any, Any], note: BundleNote, file: IncomingFile, *, author: str
    ) -> str | None:
        """Download a bundle for a transfer that is live.

        Args:
            pump: The transfer.
            note: What was said with the file.
            file: The file.
            author: Whose it is. The tag is no secret: who is not the account that the peer is
                written to waits behind everybody else, so that nobody keeps the peer's files away.

        Returns:
            Why it is not taken, or None.
        """
        if note.size > self._files.ceiling or file.size not in (None, note.size):
            return "malformed"
        if len(self._tasks) >= (_MOST_WAITING if author == pump.address else 1):
            return "busy"  # it comes again, in other bundles
        task = asyncio.get_running_loop().create_task(self._download(pump, note, file))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    async def close(self) -> None:
        """Stop what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _download(
        self, pump: FramePump[Any, Any], note: BundleNote, file: IncomingFile
    ) -> None:
        async with self._turns:
            if pump.has_ended or not pump.hears(note.tag):
                return  # the transfer, or the epoch, is over meanwhile
            try:
                file, size = await sized(file)
                _require_size(size, note)
                with self._files.temporary() as sink:
                    await fetch(file, sink)
                    await self._hand_on(pump, note, sink)
            except ChannelError as error:
                _log.warning("%s: a file could not be downloaded: %s", pump.id, error)
            except MalformedMessageError as error:
                _log.debug("%s: a file holds something else: %s", pump.id, error)
            except OSError as error:
                pump.fail(
                    NotEnoughSpaceError(f"No room for a download: {error}"), is_resumable=True
                )

    async def _hand_on(self, pump: FramePump[Any, Any], note: BundleNote, sink: BinaryIO) -> None:
        ours = FrameType.DATA, note.tag
        sink.seek(0)
        frames = bundled_frames(sink)
        while (data := await asyncio.to_thread(next, frames, None)) is not None:
            frame = parse_frame(data)
            if not isinstance(frame, SealedFrame) or (frame.type, frame.tag) != ours:
                raise MalformedMessageError("frames of something else")
            pump.take_frame(frame, is_bundled=True)
            await pump.has_room()


def _require_size(size: int, note: BundleNote) -> None:
    if size != note.size:
        raise MalformedMessageError(f"{size} bytes, and not {note.size}")
