"""Where a service keeps its sessions: in memory, or below a folder, where they outlive it."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from ocft.crypto import SEALED_RECORD
from ocft.errors import StorageError
from ocft.share.contents import Answer, StoredContent

_MODE: Final = 0o600


class Place(Protocol):
    """Where one session is kept."""

    content: StoredContent
    """Its content."""

    def save(self, state: dict[str, Any], manifest: bytes | None) -> None:
        """Keep what else there is to know, for the next start; in a worker thread."""
        ...

    def remove(self) -> None:
        """Remove all of it; in a worker thread. More than once is fine."""
        ...


class Store(Protocol):
    """Makes places."""

    def place(self, session_id: str) -> Place:
        """Make a place for a new session; in a worker thread.

        Raises:
            StorageError: There is none.
        """
        ...

    def free(self) -> int | None:
        """Return the bytes that fit, or None where nothing but the quotas limits them."""
        ...


class MemoryStore:
    """Keeps sessions in memory: they are gone with the process."""

    def place(self, session_id: str) -> "MemoryPlace":  # noqa: ARG002 - places have no names here
        """Make a place for a new session."""
        return MemoryPlace()

    def free(self) -> None:
        """Return None: only the quotas limit what is kept."""
        return


class MemoryPlace:
    """One session in memory."""

    def __init__(self) -> None:
        self.content: StoredContent = _MemoryContent()

    def save(self, state: dict[str, Any], manifest: bytes | None) -> None:
        """Do nothing: nothing outlives the process."""

    def remove(self) -> None:
        """Let go of the content."""
        self.content.begin(0, b"")


class _MemoryContent(StoredContent):
    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def sync(self) -> None:
        pass

    def answer(self, offset: int) -> Answer:
        return _MemoryAnswer(list(self._pieces), offset, self.salt)

    def _clear(self) -> None:
        self._pieces = []

    def _write(self, data: bytes) -> None:
        # Pieces of a record each, so that many small ones do not cost a list entry each.
        if self._pieces and len(self._pieces[-1]) + len(data) <= SEALED_RECORD:
            self._pieces[-1] += data
        else:
            self._pieces.append(data)


class _MemoryAnswer:
    def __init__(self, pieces: list[bytes], offset: int, salt: bytes) -> None:
        self.salt = salt
        self._pieces = iter(pieces)
        self._skip = offset

    def read(self) -> bytes:
        for piece in self._pieces:
            if self._skip < len(piece):
                part, self._skip = piece[self._skip :], 0
                return part
            self._skip -= len(piece)
        return b""

    def close(self) -> None:
        self._pieces = iter(())


class DiskStore:
    """Keeps sessions below a folder, readable for its owner only.

    Args:
        folder: Made when it is not there.

    Raises:
        StorageError: It cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{folder} cannot be used: {error.strerror}.") from error

    def place(self, session_id: str) -> "DiskPlace":
        """Make a place for a new session.

        Raises:
            StorageError: The disk refuses.
        """
        # An id may come again while what it named before is being removed.
        folder = self._folder / f"{session_id}.{secrets.token_hex(4)}"
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise StorageError(f"{folder} cannot be made: {error.strerror}.") from error
        return DiskPlace(folder)

    def free(self) -> int:
        """Return the bytes that the disk has left."""
        return shutil.disk_usage(self._folder).free

    def kept(self) -> Iterator[tuple[dict[str, Any], bytes | None, "DiskPlace"]]:
        """Yield what an earlier process kept; what cannot be read is removed."""
        for folder in sorted(self._folder.iterdir()):
            if not folder.is_dir() or folder.is_symlink() or "." not in folder.name:
                continue  # not ours
            place = DiskPlace(folder)
            try:
                yield *place.load(), place
            except (OSError, ValueError, KeyError, TypeError):
                place.remove()


class DiskPlace:
    """One session's folder: `session.json`, `manifest`, `content`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.content: StoredContent = _DiskContent(folder / "content")

    def save(self, state: dict[str, Any], manifest: bytes | None) -> None:
        """Write what else there is to know, whole or not at all."""
        content = self.content
        if manifest is not None:
            self._write("manifest", manifest)
        kept = state | {"length": content.length, "salt": content.salt.hex()}
        self._write("session.json", json.dumps(kept).encode("ascii"))

    def load(self) -> tuple[dict[str, Any], bytes | None]:
        """Read what was written.

        Raises:
            OSError: It is not there.
            ValueError: It is something else.
        """
        state = json.loads((self._folder / "session.json").read_bytes())
        manifest = None
        with suppress(FileNotFoundError):
            manifest = (self._folder / "manifest").read_bytes()
        path = self._folder / "content"
        stored = path.stat().st_size if path.exists() else 0
        salt = bytes.fromhex(state["salt"])
        self.content = _DiskContent(path, length=state["length"], salt=salt, stored=stored)
        return state, manifest

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, name: str, data: bytes) -> None:
        temporary = self._folder / f"{name}.new"
        with open(temporary, "wb", opener=_owner_only) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._folder / name)


class _DiskContent(StoredContent):
    def __init__(
        self, path: Path, *, length: int | None = None, salt: bytes = b"", stored: int = 0
    ) -> None:
        super().__init__(length=length, salt=salt, stored=stored)
        self._path = path

    def sync(self) -> None:
        with self._open("r+b") as file:
            os.fsync(file.fileno())

    def answer(self, offset: int) -> Answer:
        file = self._path.open("rb", buffering=0)
        file.seek(offset)
        return _DiskAnswer(file, self.salt)

    def _clear(self) -> None:
        self._path.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        with self._open("ab") as file:
            try:
                file.write(data)
                file.flush()
            except OSError:
                with suppress(OSError):
                    file.truncate(self.stored)
                raise

    def _open(self, mode: str) -> Any:
        return open(self._path, mode, opener=_owner_only)


class _DiskAnswer:
    def __init__(self, file: Any, salt: bytes) -> None:
        self.salt = salt
        self._file = file

    def read(self) -> bytes:
        data: bytes = self._file.read(SEALED_RECORD)
        return data

    def close(self) -> None:
        self._file.close()


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), _MODE)
