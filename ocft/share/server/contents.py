"""The sealed content of a session: files sealed as they are read, or bytes that were kept."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ocft.crypto import RECORD, SEALED_RECORD, RecordSealer, make_salt, record_count
from ocft.crypto import sealed_size as size_when_sealed
from ocft.errors import OcftError, SourceChangedError
from ocft.storage import SourceSet, SourceSnapshot
from ocft.wire import Manifest, pack_manifest


class Answer(Protocol):
    """One way through the content, from a record's beginning to the end; one thread at a time."""

    salt: bytes
    """Of the stream that this answer is a part of."""

    def read(self) -> bytes:
        """Return the next bytes, about 1 MiB; nothing at the end.

        Raises:
            OcftError: They cannot be had any more.
        """
        ...

    def close(self) -> None:
        """Give up what is open; more than once is fine."""
        ...


class Content(Protocol):
    """What all kinds of content can do."""

    @property
    def length(self) -> int | None:
        """Sealed bytes of all of it, once they are known."""
        ...

    def answer(self, offset: int) -> Answer:
        """Begin an answer; it may take a moment, so call it in a worker thread.

        Args:
            offset: A multiple of a sealed record's size, below the length.

        Raises:
            OcftError: The content is not what it was, or cannot be read.
        """
        ...


class LiveContent:
    """Files on this machine, sealed anew for each answer, under a salt of its own (R-SHR-4).

    Args:
        session_id: Bound to each record.
        key: The session's.
        manifest: The files, as `SourceSet.describe` gives them.
        sources: Their paths, and what each was like when it was described.
    """

    def __init__(
        self,
        session_id: str,
        key: bytes,
        manifest: Manifest,
        sources: Sequence[tuple[Path, SourceSnapshot]],
    ) -> None:
        self._session_id = session_id
        self._key = key
        self._manifest = pack_manifest(manifest)
        self._sources = list(sources)
        self._size = manifest.content_size
        self.has_changed = False
        """Whether a file was found to be another one than what was shared."""

    @property
    def length(self) -> int:
        """Sealed bytes of all files."""
        return size_when_sealed(self._size)

    def answer(self, offset: int) -> "Answer":
        """Begin an answer under a new salt.

        Raises:
            SourceChangedError: A file is not what it was.
        """
        return _LiveAnswer(self, offset // SEALED_RECORD)


class _LiveAnswer:
    def __init__(self, content: LiveContent, number: int) -> None:
        self._content = content
        self._files = SourceSet.open(content._manifest, content._sources)  # noqa: SLF001 - its own answer
        self._start = self._files.size - content._size  # noqa: SLF001
        self._number = number
        self._count = record_count(content._size)  # noqa: SLF001
        self.salt = make_salt()
        self._sealer = RecordSealer(
            content._key,  # noqa: SLF001
            content._session_id,  # noqa: SLF001
            self.salt,
            self._count,
        )

    def read(self) -> bytes:
        if self._number >= self._count:
            return b""
        place = self._start + self._number * RECORD
        try:
            plain = self._files.read(place, min(RECORD, self._files.size - place))
        except OcftError as error:
            self._content.has_changed = True
            if isinstance(error, SourceChangedError):
                raise
            raise SourceChangedError(str(error)) from error
        sealed = self._sealer.seal(self._number, plain)
        self._number += 1
        return sealed

    def close(self) -> None:
        # A file that was found to be a copy is not compared again for the next answer.
        self._content._sources = self._files.sources  # noqa: SLF001
        self._files.close()


class StoredContent(ABC):
    """Sealed bytes that a sender puts here; they can be read when they are complete."""

    def __init__(
        self, *, length: int | None = None, salt: bytes = b"", stored: int = 0, synced: int = 0
    ) -> None:
        self._length = length
        self.salt = salt
        """Of the stream, once it has begun."""
        self.stored = stored
        """Bytes that are here."""
        self.synced = synced
        """Bytes of them that outlive a loss of power."""

    @property
    def length(self) -> int | None:
        """Sealed bytes that its sender declared."""
        return self._length

    @property
    def is_complete(self) -> bool:
        """Whether all that was declared is here."""
        return self._length is not None and self.stored == self._length

    def begin(self, length: int, salt: bytes) -> None:
        """Begin anew: what was stored is dropped. Call it in a worker thread."""
        self._clear()
        self._length, self.salt, self.stored, self.synced = length, salt, 0, 0

    def drop(self) -> None:
        """Drop everything: nothing has begun. Call it in a worker thread."""
        self._clear()
        self._length, self.salt, self.stored, self.synced = None, b"", 0, 0

    def append(self, data: bytes) -> None:
        """Put bytes at the end. Call it in a worker thread.

        Raises:
            OSError: They cannot be written; what was stored before stays.
        """
        self._write(data)
        self.stored += len(data)

    def sync(self) -> None:
        """Make sure that what was stored outlives a loss of power. Call it in a worker thread.

        Raises:
            OSError: That is not sure.
        """
        stored = self.stored  # more may come meanwhile
        if stored:
            self._sync()
        self.synced = stored

    @abstractmethod
    def answer(self, offset: int) -> Answer:
        """Begin an answer."""

    @abstractmethod
    def _sync(self) -> None: ...

    @abstractmethod
    def _clear(self) -> None: ...

    @abstractmethod
    def _write(self, data: bytes) -> None: ...
