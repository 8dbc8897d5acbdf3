"""The bundles of one outgoing transfer that are on their way up to the platform."""

import asyncio
import logging
from collections.abc import Callable
from typing import BinaryIO, Final

from ocft.errors import ChannelError, DeliveryUnknownError, FileRefusedError
from ocft.ids import TransferId
from ocft.runtime.wire2.native_files import LONGEST_UPLOAD, NativeFiles
from ocft.wire import Alphabet, BundleNote, encode_frame, pack_bundle_note

_log = logging.getLogger(__name__)
_FIRST_PAUSE: Final = 1.0  # seconds after an upload that failed
_LONGEST_PAUSE: Final = 60.0


class Uploads:
    """Sends bundles, some at the same time.

    Args:
        files: What the transfers of the channel share.
        transfer_id: The transfer.
        clock: Seconds on the event loop's clock.
        wake: Called when there may be room again that other transfers had.
    """

    def __init__(
        self,
        files: NativeFiles,
        transfer_id: TransferId,
        clock: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._files = files
        self._transfer_id = transfer_id
        self._clock = clock
        self._wake = wake
        self._tasks: set[asyncio.Task[None]] = set()
        self._pause = 0.0
        self.paused_until = 0.0
        """When the next one may begin, after one that failed."""

    @property
    def at_once(self) -> int:
        """How many may be on their way at the same time, of all transfers together."""
        return self._files.sizes.at_once

    @property
    def has_room(self) -> bool:
        """Whether another one may begin now."""
        is_paused = self._clock() < self.paused_until
        return not is_paused and self._files.has_room(self._wake)

    def reserve(self) -> None:
        """Note that a bundle is being made; then comes `begin`, or `release`."""
        self._files.reserve()

    def release(self) -> None:
        """Note that it could not be made."""
        self._files.release()

    def begin(self, file: BinaryIO, *, to: str, tag: bytes, ended: Callable[[bool], None]) -> None:
        """Send a bundle for which room was reserved.

        Args:
            file: The bundle; it is closed at the end.
            to: The peer's address on the channel.
            tag: The epoch's data tag.
            ended: Called at the end with whether the platform has it, as far as can be told;
                not called if it was stopped.
        """
        task = asyncio.get_running_loop().create_task(self._send(file, to, tag, ended))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def failed(self) -> None:
        """Note that a bundle could not even be made, or sent: wait before the next one."""
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        self.paused_until = self._clock() + self._pause

    def stop(self) -> None:
        """Stop what is under way: the keys of its frames are gone."""
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """Stop what is under way, and wait until it has."""
        self.stop()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._files.release()

    async def _send(
        self, file: BinaryIO, to: str, tag: bytes, ended: Callable[[bool], None]
    ) -> None:
        is_sent = False
        with file:
            size, began = file.tell(), self._clock()
            note = pack_bundle_note(BundleNote(tag, size))
            # R-BUN-5: nothing of what is in it.
            name = f"ocft-{tag.hex()[:8]}.bin"
            sizes = self._files.sizes
            try:
                text = encode_frame(note, Alphabet.BASE64URL)
                await self._files.send(self._transfer_id, to, file, name=name, text=text)
                is_sent = True
                self._pause = 0.0
                sizes.passed(size, self._clock() - began)
            except FileRefusedError as error:
                _log.info("%s: a file of %d bytes was refused: %s", self._transfer_id, size, error)
                sizes.refused(size)
            except DeliveryUnknownError as error:
                _log.info("%s: a file may have left: %s", self._transfer_id, error)
                is_sent = True  # the acks will tell
                if self._clock() - began >= LONGEST_UPLOAD:
                    sizes.was_slow(file.tell())
            except ChannelError as error:
                _log.warning("%s: a file did not leave: %s", self._transfer_id, error)
                self.failed()
        ended(is_sent)
