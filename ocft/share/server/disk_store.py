"""Keeps sessions below a folder, where they outlive their service, and a loss of power."""

import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import NoneType
from typing import Any, Final

from ocft.crypto import SALT, SEALED_RECORD
from ocft.errors import StorageError
from ocft.share.server.contents import Answer, StoredContent

_log = logging.getLogger(__name__)
_MODE: Final = 0o600
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class DiskStore:
    """Keeps sessions below a folder, readable for its owner only.

    Args:
        folder: Made when it is not there.

    Raises:
        StorageError: It cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: set[str] = set()
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
        self._made.add(folder.name)
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise StorageError(f"{folder} cannot be made: {error.strerror}.") from error
        _sync_names(self._folder)
        return DiskPlace(folder)

    def free(self) -> int:
        """Return the bytes that the disk has left."""
        return shutil.disk_usage(self._folder).free

    def kept(self) -> Iterator[tuple[dict[str, Any], "DiskPlace"]]:
        """Yield what an earlier process kept; what makes no sense is removed."""
        for folder in sorted(self._folder.iterdir()):
            if not folder.is_dir() or folder.is_symlink() or "." not in folder.name:
                continue  # not ours
            if folder.name in self._made:
                continue  # this process'
            place = DiskPlace(folder)
            try:
                yield place.load(), place
            except (FileNotFoundError, ValueError, KeyError, TypeError):
                place.remove()
            except OSError as error:  # a disk that fails for now is no reason to remove anything
                _log.warning("A session cannot be read: %s.", error.strerror)


class DiskPlace:
    """One session's folder: `session.json`, `manifest`, `content`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.content: StoredContent = _DiskContent(folder / "content")
        self.manifest_size = 0

    def save(self, state: dict[str, Any]) -> None:
        """Write what else there is to know, whole or not at all."""
        content = self.content
        about = {
            "length": content.length,
            "salt": content.salt.hex(),
            "synced": content.synced,
            "boot": _boot(),
        }
        self._write("session.json", json.dumps(state | about).encode("ascii"))

    def put_manifest(self, sealed: bytes) -> None:
        """Write a manifest, whole or not at all."""
        self._write("manifest", sealed)
        self.manifest_size = len(sealed)

    def manifest(self) -> bytes:
        """Read the manifest."""
        with open(self._folder / "manifest", "rb", opener=_owner_only) as file:
            return file.read()

    def load(self) -> dict[str, Any]:
        """Read what was written, and cut the content to what is known to be there.

        Raises:
            FileNotFoundError: There is nothing.
            OSError: It cannot be read.
            ValueError: It is something else.
            KeyError: It is something else.
            TypeError: It is something else.
        """
        state: dict[str, Any] = json.loads((self._folder / "session.json").read_bytes())
        length, synced, salt = state["length"], state["synced"], bytes.fromhex(state["salt"])
        if type(synced) is not int or type(length) not in {int, NoneType} or synced < 0:
            raise ValueError("no state of a session")
        if length is not None and (len(salt) != SALT or synced > length):
            raise ValueError("no state of a session")
        with suppress(FileNotFoundError):
            self.manifest_size = (self._folder / "manifest").stat().st_size
        path = self._folder / "content"
        stored = 0
        with suppress(FileNotFoundError), open(path, "r+b", opener=_owner_only) as file:
            stored = file.seek(0, os.SEEK_END)
            if stored < synced:
                raise ValueError("content is missing")
            # After a loss of power what was not synced may be anything; after the end of the
            # process alone the system still has it.
            if not state["boot"] or state["boot"] != _boot():
                stored = synced
            stored = min(stored, length or 0)
            file.truncate(stored)
        if stored < synced:
            raise ValueError("content is missing")
        self.content = _DiskContent(path, length=length, salt=salt, stored=stored, synced=synced)
        return state

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
        _sync_names(self._folder)


class _DiskContent(StoredContent):
    def __init__(
        self,
        path: Path,
        *,
        length: int | None = None,
        salt: bytes = b"",
        stored: int = 0,
        synced: int = 0,
    ) -> None:
        super().__init__(length=length, salt=salt, stored=stored, synced=synced)
        self._path = path

    def _sync(self) -> None:
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


def _boot() -> str:
    """Return what names the time since the system started; nothing where nobody knows."""
    try:
        return _BOOT.read_text("ascii").strip()
    except (OSError, UnicodeError):
        return ""


def _sync_names(folder: Path) -> None:
    with suppress(OSError):  # not every file system can
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
