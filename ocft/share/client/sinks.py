"""Where received files go: a folder, which remembers what came, or a stream, which does not."""

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from ocft.crypto import RECORD
from ocft.errors import (
    ConfigError,
    DigestMismatchError,
    NotEnoughSpaceError,
    StorageError,
)
from ocft.share.manifest import SharedFile
from ocft.storage import Landing, LandingFile, free_space


class Sink(Protocol):
    """Takes the records of a session in order. All but the properties block: use a thread."""

    @property
    def can_resume(self) -> bool:
        """Whether another run goes on with what came."""

    @property
    def position(self) -> int:
        """Bytes of the content that are there."""

    @property
    def is_complete(self) -> bool:
        """Whether all of it is there, so that only :meth:`finish` is left."""

    @property
    def digests(self) -> Sequence[bytes]:
        """SHA-256 of the files that are complete."""

    def acquire(self, session_id: str) -> None:
        """Take the place for a session.

        Raises:
            ChannelHeldError: Another process receives the same.
            StorageError: It cannot be used.
        """

    def note(self, name: str) -> bytes | None:
        """Return what was kept under a name, or None."""

    def keep_note(self, name: str, note: bytes) -> None:
        """Keep something for another run.

        Raises:
            StorageError: The disk refused.
        """

    def begin(self, files: Sequence[SharedFile]) -> None:
        """Say what is to come, and find what came already.

        Raises:
            UnsafeNameError: A name cannot be saved as it is.
            NotEnoughSpaceError: It does not fit; nothing of it was written.
            StorageError: The disk refused.
        """

    def forget(self) -> None:
        """Remove what came."""

    def write(self, data: memoryview) -> None:
        """Write the next record.

        Raises:
            DigestMismatchError: A file is not what was announced.
            StorageError: It cannot be written.
        """

    def finish(self) -> Sequence[Path]:
        """Give the files their names, and return where they are.

        Raises:
            DigestMismatchError: A file is not what was announced.
            StorageError: The disk refused.
        """

    def close(self) -> None:
        """Close what is open; what came stays where it can."""


class FolderSink:
    """Files in a folder; nothing has a name there before everything is verified.

    Args:
        directory: The folder.
        overwrite: Whether files of the same name are replaced.
    """

    can_resume = True

    def __init__(self, directory: Path, *, overwrite: bool = False) -> None:
        self._directory = directory
        self._overwrite = overwrite
        self._landing: Landing | None = None
        self._size = 0

    @property
    def position(self) -> int:
        """Bytes of the content that are there."""
        return self._there.position

    @property
    def is_complete(self) -> bool:
        """Whether all of it is there, so that only :meth:`finish` is left."""
        # No content is one empty record, which has to be seen too.
        return self._there.is_named or 0 < self._size == self._there.position

    @property
    def digests(self) -> Sequence[bytes]:
        """SHA-256 of the files that are complete."""
        return self._there.digests

    def acquire(self, session_id: str) -> None:
        """Take the place for a session."""
        landing = Landing(self._directory, session_id, record=RECORD)
        landing.acquire()
        self._landing = landing

    def note(self, name: str) -> bytes | None:
        """Return what was kept under a name, or None."""
        return self._there.note(name)

    def keep_note(self, name: str, note: bytes) -> None:
        """Keep something for another run."""
        self._there.keep_note(name, note)

    def begin(self, files: Sequence[SharedFile]) -> None:
        """Say what is to come, and find what came already."""
        self._size = sum(file.size for file in files)
        there = self._there
        there.begin(
            [
                LandingFile(
                    file.name, file.size, bytes.fromhex(file.digest) if file.digest else None
                )
                for file in files
            ]
        )
        missing = 0 if self.is_complete else self._size - there.position
        if missing > free_space(self._directory):
            raise NotEnoughSpaceError(
                f"{self._directory} has no room for the {missing} bytes that are to come."
            )

    def forget(self) -> None:
        """Remove what came."""
        self._there.forget()

    def write(self, data: memoryview) -> None:
        """Write the next record."""
        self._there.write(data)

    def finish(self) -> Sequence[Path]:
        """Give the files their names, and return where they are."""
        return self._there.publish(overwrite=self._overwrite)

    def close(self) -> None:
        """Close what is open; what came stays."""
        if self._landing is not None:
            self._landing.close()

    @property
    def _there(self) -> Landing:
        if self._landing is None:
            raise AssertionError("acquire() comes first")
        return self._landing


class StreamSink:
    """One file, written to a stream as it comes.

    Each record was verified when it is written; the whole file is when the last one was.

    Args:
        stream: Usually stdout.
    """

    can_resume = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._running = hashlib.sha256()
        self._file: SharedFile | None = None
        self.position = 0
        """Bytes of the content that are there."""

    @property
    def is_complete(self) -> bool:
        """Whether all of it is there: nothing is, when it begins."""
        return False

    @property
    def digests(self) -> Sequence[bytes]:
        """SHA-256 of what was written."""
        return [self._running.digest()]

    def acquire(self, session_id: str) -> None:
        """Do nothing: a stream is nobody's."""

    def note(self, name: str) -> bytes | None:  # noqa: ARG002 - as every sink
        """Return None: nothing is kept."""
        return None

    def keep_note(self, name: str, note: bytes) -> None:
        """Do nothing: there is no other run."""

    def begin(self, files: Sequence[SharedFile]) -> None:
        """Say what is to come.

        Raises:
            ConfigError: It is more than one file.
        """
        if len(files) != 1:
            raise ConfigError(
                f"These are {len(files)} files; only a single one can go to stdout. Name a folder"
                " with -o."
            )
        self._file = files[0]

    def forget(self) -> None:
        """Do nothing: what was written was written."""

    def write(self, data: memoryview) -> None:
        """Write the next record.

        Raises:
            BrokenPipeError: Whoever reads it went away.
            StorageError: The stream refused, or is closed.
        """
        try:
            self._stream.write(data)
            self._stream.flush()
        except BrokenPipeError:  # whoever reads it has had enough, and that is no error
            raise
        except (OSError, ValueError) as error:
            raise StorageError("stdout cannot be written.") from error
        self._running.update(data)
        self.position += len(data)

    def finish(self) -> Sequence[Path]:
        """See that it was what was announced.

        Raises:
            DigestMismatchError: It was not.
        """
        if self._file is not None and self._file.digest is not None:
            expected = bytes.fromhex(self._file.digest)
            if not hmac.compare_digest(self._running.digest(), expected):
                raise DigestMismatchError("What was written is not what was offered.")
        return []

    def close(self) -> None:
        """Do nothing: the stream belongs to somebody else."""
