"""Received files on their way out of the part file, which holds them end to end.

They are taken from the last one to the first, and each time some of them are on the disk, in a
folder of their own, the part file is cut before them: the disk never has to hold everything twice.
How far this is, the journal knows before anything is cut, so it goes on after a crash.
"""

import hashlib
import hmac
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ocft.errors import DigestMismatchError
from ocft.ids import TransferId
from ocft.storage.journal import Journal
from ocft.storage.partial import PartialFile, sync_descriptor, sync_directory
from ocft.wire import Manifest, ManifestFile

_PIECE: Final = 1024 * 1024  # bytes copied at a time
_BATCH_BYTES: Final = 64 * 1024 * 1024  # so much the disk has to hold twice
_BATCH_FILES: Final = 1000
_FEW_FILES: Final = 16  # more of them are faster brought to the disk all together
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)


class Staging:
    """Takes the files of one transfer out of its part file.

    Args:
        journal: Where the transfer is recorded.
        transfer_id: The transfer.
        part: Its part file, with the content in its first bytes.
        folder: Where the files go, below the names that they have in the manifest.
        manifest: The files; their names were checked.
        left_out: The numbers of those that are not wanted.
        first_digest: SHA-256 of the file at the beginning, if it is known already.
    """

    def __init__(
        self,
        journal: Journal,
        transfer_id: TransferId,
        part: PartialFile | None,
        folder: Path,
        *,
        manifest: Manifest,
        left_out: frozenset[int],
        first_digest: bytes | None = None,
    ) -> None:
        self._journal = journal
        self._id = transfer_id
        self._part = part
        self._folder = folder
        self._files = manifest.files
        self._offsets = manifest.offsets()
        self._left_out = left_out
        self._first_digest = first_digest
        self._made: set[Path] = set()  # folders that are there
        self._unsynced: list[Path] = []  # files
        self._unsynced_folders: set[Path] = set()
        self._unsynced_bytes = 0
        self._remaining = manifest.content_size

    def run(self, remaining: int) -> None:
        """Take out all files that are wanted; when it returns, they are on the disk.

        Args:
            remaining: As the journal has it.

        Raises:
            DigestMismatchError: A file is not what was offered, or was removed from the disk.
            StorageError: The disk or the journal refused; run it again.
            OSError: The same.
        """
        self._remaining = remaining
        self._make_folder(self._folder)
        for number in range(len(self._files) - 1, -1, -1):
            if number in self._left_out:
                continue
            first, size = self._offsets[number], self._files[number].size
            if size == 0:
                # It has no place in the content that tells whether that was done.
                os.close(self._create(self._files[number]))
            elif first >= self._remaining:
                continue  # it was taken before a crash
            elif first == 0:
                self._take_rest(self._files[number])
            elif size > _BATCH_BYTES:
                self._take_large(self._files[number], first)
            else:
                self._take_small(self._files[number], first)
            if len(self._unsynced) >= _BATCH_FILES or self._unsynced_bytes >= _BATCH_BYTES:
                self._keep(first)
        self._keep(0)

    def _take_small(self, file: ManifestFile, first: int) -> None:
        descriptor = self._create(file)
        try:
            running = hashlib.sha256()
            for place in range(0, file.size, _PIECE):
                data = self._read(first + place, min(_PIECE, file.size - place))
                running.update(data)
                _write(descriptor, data, place)
            if not hmac.compare_digest(running.digest(), file.digest):
                raise _mismatch()
            _set_attributes(descriptor, file)
        finally:
            os.close(descriptor)
        self._unsynced_bytes += file.size

    def _take_large(self, file: ManifestFile, first: int) -> None:
        """Move a file from its end to its beginning, so that not even it is there twice."""
        end = first + file.size
        if self._remaining >= end:  # nothing of it was cut off yet
            self._verify(file, first)
            os.close(self._create(file))
        path = self._folder / file.name
        try:
            descriptor = os.open(path, os.O_WRONLY | _NO_FOLLOW)
        except FileNotFoundError as error:
            raise _lost() from error
        try:
            while (end := min(end, self._remaining)) > first:
                start = max(first, end - _BATCH_BYTES)
                for place in range(start, end, _PIECE):
                    data = self._read(place, min(_PIECE, end - place))
                    _write(descriptor, data, place - first)
                _set_attributes(descriptor, file)
                self._note(path)
                self._keep(start)
        finally:
            os.close(descriptor)

    def _take_rest(self, file: ManifestFile) -> None:
        """Make the part file itself the first file: nothing else is left in it."""
        self._keep(file.size)
        path = self._folder / file.name
        if self._part is None:
            # It was renamed, and then the crash came.
            if not _is_regular(path, file.size):
                raise _lost()
            self._note(path)
            return
        if self._first_digest is None or self._part.size < file.size:  # somebody cut it
            self._verify(file, 0)
        elif not hmac.compare_digest(self._first_digest, file.digest):
            raise _mismatch()
        self._part.truncate(file.size)
        self._make_folder(path.parent)
        self._part.rename(path)  # what a crash left there is ours
        self._part = None
        descriptor = os.open(path, os.O_WRONLY | _NO_FOLLOW)
        try:
            _set_attributes(descriptor, file)
        finally:
            os.close(descriptor)
        self._note(path)

    def _verify(self, file: ManifestFile, first: int) -> None:
        running = hashlib.sha256()
        for place in range(0, file.size, _PIECE):
            running.update(self._read(first + place, min(_PIECE, file.size - place)))
        if not hmac.compare_digest(running.digest(), file.digest):
            raise _mismatch()

    def _read(self, offset: int, length: int) -> bytes:
        data = self._part.read(offset, length) if self._part is not None else b""
        if len(data) != length:
            raise _lost()
        return data

    def _create(self, file: ManifestFile) -> int:
        path = self._folder / file.name
        self._make_folder(path.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW
        try:
            descriptor = os.open(path, flags, 0o666)
        except FileExistsError:  # a crash left it
            path.unlink()
            descriptor = os.open(path, flags, 0o666)
        if not file.size:
            _set_attributes(descriptor, file)
        self._note(path)
        return descriptor

    def _make_folder(self, folder: Path) -> None:
        if folder in self._made:
            return
        if folder != self._folder:
            self._make_folder(folder.parent)
        try:
            # The uppermost is ours alone; those below it will be the user's.
            folder.mkdir(mode=0o700 if folder == self._folder else 0o777)
        except FileExistsError:
            if not stat.S_ISDIR(folder.lstat().st_mode):
                raise
        self._made.add(folder)
        self._unsynced_folders.add(folder.parent)

    def _note(self, path: Path) -> None:
        self._unsynced.append(path)
        self._unsynced_folders.add(path.parent)

    def _keep(self, remaining: int) -> None:
        """Bring what was taken to the disk, record it, and cut it off the part file."""
        sync_all(self._folder, self._unsynced, self._unsynced_folders)
        self._unsynced.clear()
        self._unsynced_folders.clear()
        self._unsynced_bytes = 0
        if remaining >= self._remaining:
            return
        self._journal.save_staging(self._id, remaining)
        # Not even a power cut may take this back: what it stands for is cut off now.
        self._journal.database.checkpoint()
        self._remaining = remaining
        if self._part is not None and self._part.size > remaining:
            self._part.truncate(remaining)


def _write(descriptor: int, data: bytes, place: int) -> None:
    written = os.pwrite(descriptor, data, place)
    while written < len(data):
        written += os.pwrite(descriptor, memoryview(data)[written:], place + written)


def _set_attributes(descriptor: int, file: ManifestFile) -> None:
    """Set what R-MAN-5 keeps, where the file system can: the bytes are right without it."""
    with suppress(OSError, OverflowError):
        if file.is_executable:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            os.fchmod(descriptor, mode | (mode & 0o444) >> 2)  # who may read, may execute
    with suppress(OSError, OverflowError):
        if file.modified is not None:
            os.utime(descriptor, (file.modified, file.modified))


def sync_all(folder: Path, files: Sequence[Path], folders: Iterable[Path]) -> None:
    """Bring files and folders to the disk, all at once where they are many and the system can.

    Args:
        folder: Below which they are.
        files: Those that were written.
        folders: Those in which there are new names.

    Raises:
        OSError: The disk refused.
    """
    if len(files) <= _FEW_FILES or not _sync_file_system(folder):
        for path in files:
            _sync_file(path)
        for path in folders:
            sync_directory(path)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW)
    try:
        sync_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(folder: Path) -> bool:
    """Bring everything on a folder's file system to the disk; return False where that cannot be.

    For a thousand small files it takes as long as for one. `os.sync` would wait for all other
    disks too, and would not tell when one refuses; syncfs tells since Linux 5.8.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if libc.syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)
    return True


def _is_regular(path: Path, size: int) -> bool:
    with suppress(OSError):
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_size == size
    return False


def _mismatch() -> DigestMismatchError:
    return DigestMismatchError("The bytes that arrived are not those that were offered.")


def _lost() -> DigestMismatchError:
    return DigestMismatchError("What had been received was removed from the disk. Send it again.")
