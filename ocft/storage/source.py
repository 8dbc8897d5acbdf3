"""Files to send: range reads, and the certainty that they are still what was offered."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from ocft.errors import SourceChangedError, SourceNotFoundError
from ocft.wire import digest_of_all, digests_match

_PIECE: Final = 1024 * 1024  # bytes hashed at a time
# O_NONBLOCK: opening a FIFO would wait for someone who writes into it.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_REMEDY_OF_FOLDERS: Final = "Pack it into a file first, for example with zip."
_REMEDY: Final = "Save what comes out of it as a file first."


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """What a file looked like at one moment; two equal ones mean that its content is the same."""

    size: int
    """Bytes of the file."""
    mtime_ns: int
    """When its content was changed last."""
    inode: int
    """Which file it is, on its device."""
    device: int
    """Which device it is on."""


class Source:
    """An open file to send. It stays the same file when another one takes its path."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._snapshot = self._now()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file.

        Raises:
            SourceNotFoundError: It is not there, no regular file, or cannot be read.
        """
        path = path.absolute()
        descriptor = _open(path)
        try:
            return cls(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def snapshot(self) -> SourceSnapshot:
        """What the file looked like when it was opened, or confirmed last."""
        return self._snapshot

    @property
    def is_executable(self) -> bool:
        """Whether its owner may execute it."""
        with readable_source(self.path):
            return bool(os.fstat(self._descriptor).st_mode & stat.S_IXUSR)

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from a place.

        Raises:
            SourceChangedError: The file is not what its snapshot says any more.
            SourceNotFoundError: The disk refused.
        """
        with readable_source(self.path):
            data = self._read(offset, length)
        # Asked after reading: a change before or while we read shows in either case.
        if len(data) != length or not has_same_content(self._now(), self._snapshot):
            raise self._changed()
        return data

    def digest(self) -> str:
        """Return the SHA-256 of the whole file; it takes a while, so call it in a worker thread.

        Raises:
            SourceChangedError: The file was changed since it was opened, or while it was read.
            SourceNotFoundError: The disk refused.
        """
        return self._digest_of(self._snapshot)

    def confirm(self, digest: str) -> None:
        """Accept the file as it is now, if its content is still what was offered.

        For a file that was touched, or copied back, between two runs. Call it in a worker thread.

        Args:
            digest: SHA-256 of what was offered.

        Raises:
            SourceChangedError: The content is another one.
            SourceNotFoundError: The disk refused.
        """
        now = self._now()
        if not digests_match(self._digest_of(now), digest):
            raise self._changed()
        self._snapshot = now

    def close(self) -> None:
        """Close the file; closing twice is fine."""
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

    def _digest_of(self, expected: SourceSnapshot) -> str:
        with readable_source(self.path):
            digest = digest_of_all(self._pieces(expected.size))
        if not has_same_content(self._now(), expected):
            raise self._changed()
        return digest

    def _pieces(self, size: int) -> Iterator[bytes]:
        for offset in range(0, size, _PIECE):
            yield self._read(offset, min(_PIECE, size - offset))

    def _read(self, offset: int, length: int) -> bytes:
        data = os.pread(self._descriptor, length, offset)
        if len(data) == length:  # nearly always; no copy
            return data
        pieces = [data]
        while data and (length := length - len(data)):
            offset += len(data)
            data = os.pread(self._descriptor, length, offset)
            pieces.append(data)
        return b"".join(pieces)

    def _now(self) -> SourceSnapshot:
        with readable_source(self.path):
            status = os.fstat(self._descriptor)
        return SourceSnapshot(
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            inode=status.st_ino,
            device=status.st_dev,
        )

    def _changed(self) -> SourceChangedError:
        return SourceChangedError(f"{self.path} was changed after it had been offered.")


def has_same_content(one: SourceSnapshot, other: SourceSnapshot) -> bool:
    """Say whether two looks at one file saw the same content.

    Of two files it says nothing: another one may have the same size and time. A path that leads to
    another file by now needs :meth:`Source.confirm`.
    """
    return (one.size, one.mtime_ns) == (other.size, other.mtime_ns)


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read it from its beginning to its end, whatever becomes of it meanwhile.

    Raises:
        SourceNotFoundError: It is not there, no regular file, or cannot be read.
    """
    return os.fdopen(_open(path.absolute()), "rb")


def _open(path: Path) -> int:
    with readable_source(path):
        # Before opening, since opening alone can make a device do something.
        _refuse_special(path, path.stat())
        descriptor = os.open(path, _FLAGS)
        try:
            _refuse_special(path, os.fstat(descriptor))
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def _refuse_special(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        remedy = _REMEDY_OF_FOLDERS if stat.S_ISDIR(status.st_mode) else _REMEDY
        raise SourceNotFoundError(f"{path} is {kind}; only a regular file can be sent. {remedy}")


@contextmanager
def readable_source(path: Path) -> Iterator[None]:
    """Turn the OSErrors of a block that reads a path into source errors.

    Raises:
        SourceNotFoundError: The path is not there, is none, or cannot be read.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"{path} does not exist.") from error
    except OSError as error:
        raise SourceNotFoundError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a NUL, or a character that no path has
        raise SourceNotFoundError(f"{str(path)!r} is no path: {error}.") from error
