"""What is done with files that are taken: list them, find what is here already, name the rest.

All of it is work on the disk, in worker threads. What follows from it is the pump's to decide.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ocft.errors import MalformedMessageError, StorageError
from ocft.ranges import Range
from ocft.runtime.pump import Surroundings
from ocft.runtime.wire2.describing import ranges_of
from ocft.storage import (
    ArrivingSet,
    TransferRecord,
    already_have,
    check_manifest_names,
    copy_owned,
    split_owned,
)
from ocft.wire import Manifest, unpack_manifest


class Taking:
    """The files of one transfer that comes in.

    Args:
        arriving: What is stored of them.
        around: What all transfers share.
        looking: Held while files of the download folder are read: one transfer at a time does.
        is_over: Whether nothing of it is needed any more; long work stops then.
    """

    def __init__(
        self,
        arriving: ArrivingSet,
        *,
        around: Surroundings,
        looking: asyncio.Lock,
        is_over: Callable[[], bool],
    ) -> None:
        self.arriving = arriving
        self._folder = around.download_dir
        self._wall_clock = around.wall_clock
        self._looking = looking
        self._is_over = is_over
        self._disk = asyncio.Lock()  # one sync at a time: a file that cannot be synced is done
        self._in_line: asyncio.Task[object] | None = None  # who waits until others have looked

    async def sync(self, unwritten: Sequence[tuple[int, bytes]] = ()) -> list[Range]:
        """Bring to the disk, and record, what was written by now; return its ranges.

        Args:
            unwritten: Offsets and bytes that are to be written before.

        Raises:
            StorageError: The disk or the journal refused.
        """
        async with self._disk:
            return await asyncio.to_thread(self._sync, unwritten, self._wall_clock())

    def _sync(self, unwritten: Sequence[tuple[int, bytes]], at: float) -> list[Range]:
        for offset, data in unwritten:
            self.arriving.write(offset, data)
        ranges = self.arriving.take_unsynced()
        self.arriving.sync(ranges, at)
        return ranges

    async def read(self, record: TransferRecord) -> tuple[bytes, Manifest]:
        """Return the manifest that has come, checked.

        Raises:
            DigestMismatchError: It is not the one that was offered.
            MalformedMessageError: It is none.
            UnsafeNameError: A name is not safe.
            StorageError: The disk refused.
        """
        return await asyncio.to_thread(self._read, record)

    def _read(self, record: TransferRecord) -> tuple[bytes, Manifest]:
        data = self.arriving.manifest_bytes()
        if data is None:
            raise StorageError("The manifest is not whole.")
        manifest = unpack_manifest(data)
        if (
            len(manifest.files) != record.info.file_count
            or manifest.content_size != record.info.size
        ):
            raise MalformedMessageError("the manifest is not the one that was offered")
        check_manifest_names(manifest)
        return data, manifest

    async def find(
        self, manifest: Manifest, left_out: Collection[int]
    ) -> tuple[set[int], list[Range]]:
        """Find the files that are here already (R-MAN-3).

        Args:
            manifest: The files.
            left_out: The numbers of those that are not wanted anyway.

        Returns:
            The numbers of those that need neither be sent nor get a name, and the ranges of those
            that were copied from here, which are recorded.

        Raises:
            StorageError: The disk or the journal refused.
        """
        if self._is_over():
            return set(), []
        self._in_line = asyncio.current_task()
        async with self._looking:
            self._in_line = None
            owned = await asyncio.to_thread(
                already_have, manifest, self._folder, is_over=self._is_over
            )
        if self._is_over():
            return set(), []
        whole, parts = split_owned(manifest, owned - set(left_out))
        if not parts:
            return whole, []
        await asyncio.to_thread(
            copy_owned, manifest, parts, self._folder, self.arriving, is_over=self._is_over
        )
        return whole, await self.sync()

    def leave_line(self) -> None:
        """Cancel whoever waits in `find`: others may look for hours, and this is over."""
        if self._in_line is not None:
            self._in_line.cancel()

    async def skip(self, manifest: Manifest, numbers: Collection[int]) -> list[Range]:
        """Record files as if they had come, and return their ranges (R-ARQ-3).

        Raises:
            StorageError: The disk or the journal refused.
        """
        ranges = ranges_of(manifest, self.arriving.manifest_size, numbers)
        await asyncio.to_thread(self.arriving.mark_have, ranges, self._wall_clock())
        return ranges

    async def publish(self, manifest: Manifest, left_out: Collection[int]) -> Path:
        """Verify the files and give them their names; return the one that holds them all.

        Raises:
            DigestMismatchError: A file is another one than was offered.
            UnsafeNameError: A name is not safe.
            StorageError: The disk or the journal refused.
        """
        paths = await asyncio.to_thread(self.arriving.publish, manifest, left_out, self._folder)
        if not paths:  # R-MAN-3: all was here already, under the names that it would have got
            tops = {one.name.split("/")[0] for one in manifest.files}
            paths = [self._folder / name for name in tops]
        return paths[0] if len(paths) == 1 else self._folder
