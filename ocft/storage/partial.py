"""Part files: received bytes on their way to a name of their own.

A part file is written in place, and gets its final name only when it is complete: by a hard link,
which fails rather than replace anything, and not by a rename, which replaces silently.
"""

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ocft.errors import StorageError
from ocft.storage.border import storage_errors
from ocft.storage.names import conflict_names, safe_name
from ocft.storage.uncached import UncachedWriter
from ocft.wire import digest_of_all

_PIECE: Final = 1024 * 1024  # bytes hashed at a time
MAX_CONFLICTS: Final = 10_000
_FLAGS: Final = (
    os.O_RDWR
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO in its place must not hang
)
# FAT, some network and Android file systems have no hard links, each with its own word for it.
_NO_LINKS: Final = frozenset(
    {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
)


class PartialFile:
    """An open part file. Reopening the same path goes on with what is there."""

    def __init__(self, path: Path, descriptor: int, *, is_new: bool) -> None:
        self.path = path
        self.is_new = is_new
        self._descriptor = descriptor
        self._is_damaged = False
        self._is_name_synced = False
        self._uncached = UncachedWriter(path, descriptor)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a part file, or make one; its folder is made for the owner only.

        Raises:
            StorageError: The folder or the file cannot be made, or something else is there.
        """
        with storage_errors(f"open {path}"):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                # 0o666 less the umask: it becomes the user's file, with the rights of a new file.
                descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                descriptor = os.open(path, _FLAGS)
                is_new = False
            else:
                is_new = True
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise StorageError(f"{path} is no regular file. Remove it.")
        return cls(path, descriptor, is_new=is_new)

    @property
    def size(self) -> int:
        """Bytes up to the last one that was written."""
        with storage_errors(f"read {self.path}"):
            return os.fstat(self._descriptor).st_size

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write all of `data` at a place.

        Raises:
            NotEnoughSpaceError: The disk or the quota is full.
            StorageError: The disk refused.
        """
        with storage_errors(f"write {self.path}"):
            written = self._uncached.write(offset, data)
            while written < len(data):
                rest = memoryview(data)[written:] if written else data
                written += os.pwrite(self._descriptor, rest, offset + written)

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from a place, or fewer where the file ends.

        Raises:
            StorageError: The disk refused.
        """
        pieces = []
        with storage_errors(f"read {self.path}"):
            while length and (data := os.pread(self._descriptor, length, offset)):
                pieces.append(data)
                offset += len(data)
                length -= len(data)
        return b"".join(pieces)

    def truncate(self, size: int) -> None:
        """Cut off what is behind `size` bytes.

        Raises:
            StorageError: The disk refused.
        """
        with storage_errors(f"write {self.path}"):
            os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """Return when all that was written is on the disk; call it in a worker thread.

        Raises:
            StorageError: The disk refused; then nothing more of this file can be synced.
        """
        if self._is_damaged:
            # After a failed fsync Linux takes the lost pages for clean, and the next one succeeds.
            raise StorageError(f"{self.path} could not be written to the disk.")
        self._is_damaged = True
        with storage_errors(f"write {self.path} to the disk"):
            sync_descriptor(self._descriptor)
        if not self._is_name_synced:
            sync_directory(self.path.parent)
            self._is_name_synced = True
        self._is_damaged = False

    def digest(self, size: int) -> str:
        """Return the SHA-256 of the first `size` bytes, read back; call it in a worker thread.

        Raises:
            StorageError: The disk refused.
        """
        return digest_of_all(self._pieces(size))

    def publish(self, directory: Path, filename: str, *, announce: Callable[[Path], None]) -> Path:
        """Give the file its final name, close it, and return that name; nothing is ever replaced.

        If `filename` is taken it becomes "name (1)", and so on. Call it in a worker thread.

        Args:
            directory: The folder; it is made when it is not there.
            filename: Any name, also one from the wire.
            announce: Called with each path just before it is tried.

        Raises:
            StorageError: The folder cannot be used, or holds too many files of this name.
        """
        with storage_errors(f"save {self.path} in {directory}"):
            directory = directory.absolute()
            directory.mkdir(parents=True, exist_ok=True)
            self._refuse_another()
            for name in islice(conflict_names(safe_name(filename)), MAX_CONFLICTS):
                candidate = directory / name
                if os.path.lexists(candidate):  # spares an announcement; the link decides
                    continue
                announce(candidate)
                with suppress(FileExistsError):
                    move_without_replacing(self.path, candidate)
                    self.close()
                    return candidate
        raise StorageError(f"{directory} holds {MAX_CONFLICTS} files called like {filename!r}.")

    def rename(self, path: Path) -> None:
        """Give the file another name instead of its own, whatever has that one, and close it.

        Raises:
            StorageError: The file was removed or replaced, or the disk refused.
        """
        with storage_errors(f"rename {self.path}"):
            self._refuse_another()
            self.path.replace(path)
        self.close()

    def discard(self) -> None:
        """Close and remove the part file; it may be gone already.

        Raises:
            StorageError: It cannot be removed.
        """
        self.close()
        with storage_errors(f"remove {self.path}"):
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._uncached.close()
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _refuse_another(self) -> None:
        if not is_same_file(os.fstat(self._descriptor), self.path):
            raise StorageError(f"{self.path} was removed or replaced.")

    def _pieces(self, size: int) -> Iterator[bytes]:
        for offset in range(0, size, _PIECE):
            yield self.read(offset, min(_PIECE, size - offset))


def finish_publication(part: Path, announced: Path) -> bool:
    """Finish what a crash interrupted between the link and the removal of the part file.

    Returns:
        Whether `announced` is the part file's new name; then the part file is removed.

    Raises:
        StorageError: The part file cannot be removed.
    """
    with storage_errors(f"finish {announced}"):
        try:
            is_ours = is_same_file(os.lstat(part), announced)
        except FileNotFoundError:
            return False
        if is_ours:
            sync_directory(announced.parent)
            part.unlink()
    return is_ours


def free_space(directory: Path) -> int:
    """Return the bytes that can be written where a folder is, or would be made.

    Raises:
        StorageError: The file system does not say.
    """
    directory = directory.absolute()
    with storage_errors(f"measure the free space of {directory}"):
        while not directory.exists() and directory != directory.parent:
            directory = directory.parent
        return shutil.disk_usage(directory).free


def move_without_replacing(part: Path, target: Path) -> None:
    """Rename, but raise FileExistsError instead of replacing anything."""
    link_without_replacing(part, target)
    # Both names may be there. The new one must be on the disk before the old one goes.
    sync_directory(target.parent)
    with suppress(OSError):  # the file is saved; a part file that stays harms nobody
        part.unlink()


def link_without_replacing(part: Path, target: Path) -> None:
    """Give a file another name, but raise FileExistsError instead of replacing anything.

    Where there are no hard links the former name is gone afterwards.
    """
    try:
        os.link(part, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _replace_own_reservation(part, target)


def _replace_own_reservation(part: Path, target: Path) -> None:
    """Do the same where there are no hard links: take the name, then replace what took it.

    A crash in between leaves an empty file of this name, and the part file.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            target.unlink()
        raise


def is_same_file(status: os.stat_result, path: Path) -> bool:
    """Say whether a path, itself and not what it links to, is the file of this status."""
    try:
        return os.path.samestat(status, os.lstat(path))
    except FileNotFoundError:
        return False


def sync_descriptor(descriptor: int) -> None:
    """Bring the content of an open file to the disk."""
    if sys.platform == "darwin":
        import fcntl

        # There fsync leaves the data in the drive's cache: developer.apple.com, fsync(2).
        with suppress(OSError):  # not every file system knows it
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def sync_directory(directory: Path) -> None:
    """Bring the names in a folder to the disk, where the file system can do that."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
