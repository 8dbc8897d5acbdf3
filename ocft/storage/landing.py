"""Files that come in one stream, in order: written where they will stay, named when all are right.

Nothing about them is in the journal. A folder of their own has what a restart needs: the files as
far as they came, and a checksum for each whole record of the stream, so that what a crash or a
power cut spoilt is found, and comes again.
"""

import hashlib
import hmac
import json
import os
import shutil
import stat
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ocft.errors import DigestMismatchError, StorageError, UnsafeNameError
from ocft.storage.border import storage_errors
from ocft.storage.landing_leftovers import remove_old_landings
from ocft.storage.locks import ChannelLock
from ocft.storage.names import conflict_names, is_safe_part
from ocft.storage.partial import (
    MAX_CONFLICTS,
    PartialFile,
    is_same_file,
    link_without_replacing,
    sync_directory,
)
from ocft.storage.publishing import move_folder
from ocft.storage.staging import sync_all

_SUM: Final = 4  # bytes of a checksum
_MAX_NOTE: Final = 8 << 20  # bytes


@dataclass(frozen=True, slots=True)
class LandingFile:
    """One file that is to come."""

    name: str
    """Relative, with `/` between its parts; compared with the others already (R-MAN-2)."""
    size: int
    digest: bytes | None
    """SHA-256; None where the sender could not tell it beforehand."""


class Landing:
    """The files of one stream, on their way to a folder. Use it in one thread at a time.

    Args:
        directory: The folder that they go to.
        name: Names the stream; letters and digits.
        record: Bytes of the stream that are written at a time; only the last piece is shorter.
    """

    def __init__(self, directory: Path, name: str, *, record: int) -> None:
        self._directory = directory.absolute()
        self._home = self._directory / ".ocft" / f"share-{name}"
        self._staging = self._home / "files"
        self._done = self._home.with_suffix(".done")
        self._record = record
        self._lock = ChannelLock(self._home / "lock")
        self._sums: PartialFile | None = None
        self._files: Sequence[LandingFile] = ()
        self._starts: list[int] = []
        self._size = 0
        self._number = 0  # of the file that is being written
        self._open: PartialFile | None = None
        self._running = hashlib.sha256()
        self._digests: list[bytes] = []  # of the files that are complete
        self.position = 0
        """Bytes of the stream that are there, and verified as far as that goes by now."""

    def acquire(self) -> None:
        """Take the folder for this process.

        Raises:
            ChannelHeldError: Another process receives the same.
            StorageError: The folder cannot be made.
        """
        with storage_errors(f"make {self._directory}"):
            self._directory.mkdir(parents=True, exist_ok=True)
        self._lock.__enter__()
        with storage_errors(f"tidy {self._done}"):
            _remove_folder(self._done)  # what a crash left
        remove_old_landings(self._home.parent)

    def note(self, name: str) -> bytes | None:
        """Return what :meth:`keep_note` kept under a name, or None."""
        with suppress(OSError), (self._home / f"{name}.note").open("rb") as file:
            return file.read(_MAX_NOTE)
        return None

    def keep_note(self, name: str, note: bytes) -> None:
        """Keep some bytes beside the files, for the owner only.

        Raises:
            StorageError: The disk refused.
        """
        self._write_whole(self._home / f"{name}.note", note)

    def begin(self, files: Sequence[LandingFile]) -> None:
        """Say what is to come, and find what came already. It reads that, so use a worker thread.

        Args:
            files: In the order of the stream.

        Raises:
            UnsafeNameError: A name cannot be saved as it is; nothing was written.
            DigestMismatchError: What came is not what was announced; it is forgotten.
            StorageError: The disk refused.
        """
        for file in files:
            for number, part in enumerate(file.name.split("/")):
                if not is_safe_part(part, is_top=number == 0):
                    raise UnsafeNameError(f"No file or folder can be called {part!r} here.")
        self._close_files()  # of a try before, which failed
        self._rewind()
        self._files = files
        sizes = [file.size for file in files]
        self._starts = list(accumulate(sizes[:-1], initial=0))
        self._size = sum(sizes)
        if not self.is_named:
            self._sums = PartialFile.open(self._home / "sums")
            self._restore(self._sums)

    def forget(self) -> None:
        """Remove what came; it is not what was to come.

        Raises:
            StorageError: The disk refused.
        """
        self._close_files()
        with storage_errors(f"tidy {self._home}"):
            for path in (self._home / "sums", self._home / "names", *self._home.glob("*.note")):
                path.unlink(missing_ok=True)
            _remove_folder(self._staging)
        self._rewind()

    @property
    def is_named(self) -> bool:
        """Whether all had come, and a crash kept them from getting their names."""
        return os.path.lexists(self._home / "names")

    def write(self, data: memoryview) -> None:
        """Write the next record; call it in a worker thread.

        Raises:
            DigestMismatchError: A file is not what was announced; all is forgotten.
            StorageError: The disk refused.
        """
        if self._sums is None:
            raise AssertionError("begin() comes first")
        number = self.position // self._record
        self._take(data)
        # After the data: a checksum without its data would be found, but cost a record.
        self._sums.write(number * _SUM, zlib.crc32(data).to_bytes(_SUM, "big"))

    def publish(self, *, overwrite: bool = False) -> list[Path]:
        """Give all files their names; when it returns they have them, and nothing else is left.

        Args:
            overwrite: Whether a file of the same name is replaced; else ours gets a number.

        Returns:
            Where what is at the top is now, in the order of the stream.

        Raises:
            DigestMismatchError: A file is not what was announced, or was removed meanwhile.
            StorageError: The disk refused; call it again.
        """
        tops = list(dict.fromkeys(file.name.partition("/")[0] for file in self._files))
        with storage_errors(f"save files in {self._directory}"):
            goes_on = self.is_named
            if not goes_on:
                self._finish()
                if overwrite:
                    for top in tops:
                        _refuse_conflicts(self._staging / top, self._directory / top)
                names = {top: self._choose(top, overwrite=overwrite) for top in tops}
                self._keep_names(names, overwrite=overwrite)
            else:
                # As it was begun: else half of a folder would be in one place, half in another.
                names, overwrite = self._kept_names(tops)
            for top in tops:
                self._move(top, names, overwrite=overwrite, goes_on=goes_on)
            sync_directory(self._directory)
            paths = [self._directory / names[top] for top in tops]
        self.discard()
        return paths

    def discard(self) -> None:
        """Remove everything that is left but the files with names.

        Raises:
            StorageError: The disk refused.
        """
        self._close_files()
        with storage_errors(f"tidy {self._home}"):
            _remove_folder(self._done)
            # In one step: half of what is here would be taken for what is yet to come.
            with suppress(FileNotFoundError):
                self._home.rename(self._done)
            _remove_folder(self._done)
        self._lock.release()
        with suppress(OSError):  # other transfers may have something there
            self._home.parent.rmdir()

    def close(self) -> None:
        """Close what is open; what came stays for the next time. Closing twice is fine."""
        self._close_files()
        if self._lock.is_held and self._is_empty:
            with suppress(StorageError):
                self.discard()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # What is written

    def _take(self, data: memoryview) -> None:
        """Put the next bytes of the stream into the files that they belong to."""
        while True:
            file = self._current()
            if file is None:
                if data:
                    raise AssertionError("more bytes than were announced")
                return
            place = self.position - self._starts[self._number]
            piece = data[: file.size - place]
            if self._open is None:
                self._open = self._create(file)
            if piece:
                self._open.write(place, piece)
                self._running.update(piece)
                self.position += len(piece)
                data = data[len(piece) :]
            if place + len(piece) < file.size:
                return
            self._end_file(file)

    def _current(self) -> LandingFile | None:
        return self._files[self._number] if self._number < len(self._files) else None

    def _create(self, file: LandingFile) -> PartialFile:
        path = self._staging / file.name
        with storage_errors(f"write {path}"):
            self._staging.mkdir(mode=0o700, exist_ok=True)
            # Not left to PartialFile: these will be the user's folders, and not the owner's alone.
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # what a crash left
        return PartialFile.open(path)

    def _end_file(self, file: LandingFile) -> None:
        digest = self._running.digest()
        if file.digest is not None and not hmac.compare_digest(digest, file.digest):
            self.forget()
            raise DigestMismatchError("The bytes that arrived are not those that were offered.")
        if self._open is not None:
            self._open.close()
        self._open = None
        self._running = hashlib.sha256()
        self._digests.append(digest)
        self._number += 1

    @property
    def digests(self) -> list[bytes]:
        """SHA-256 of the files that are complete, in the order of the stream."""
        return list(self._digests)

    # What a restart finds

    def _restore(self, sums: PartialFile) -> None:
        """Read back what came, as far as its checksums are right, and cut off the rest."""
        kept = sums.read(0, sums.size // _SUM * _SUM)
        for number in range(len(kept) // _SUM):
            first = number * self._record
            length = min(self._record, self._size - first)
            data = self._stored(first, length) if length > 0 else None
            expected = kept[number * _SUM : (number + 1) * _SUM]
            if data is None or zlib.crc32(data).to_bytes(_SUM, "big") != expected:
                sums.truncate(number * _SUM)
                break
            self._pass_over(data)
        if self._open is not None:
            self._open.truncate(self.position - self._starts[self._number])

    def _stored(self, first: int, length: int) -> bytes | None:
        """Return bytes of the stream that were written, or None if they are not all there."""
        pieces = []
        number = self._number
        while length:
            file, place = self._files[number], first - self._starts[number]
            taken = min(length, file.size - place)
            if taken:
                path = self._staging / file.name
                if not path.is_file() or path.is_symlink():
                    return None
                with PartialFile.open(path) as part:
                    data = part.read(place, taken)
                if len(data) != taken:
                    return None
                pieces.append(data)
            first, length, number = first + taken, length - taken, number + 1
        return b"".join(pieces)

    def _pass_over(self, data: bytes) -> None:
        """Count bytes that are there already, as `_take` counts those that come."""
        rest = memoryview(data)
        while (file := self._current()) is not None:
            place = self.position - self._starts[self._number]
            piece = rest[: file.size - place]
            if file.size and not piece:
                return  # of this one nothing was read back yet
            if self._open is None:
                path = self._staging / file.name
                self._open = PartialFile.open(path) if file.size else self._create(file)
            self._running.update(piece)
            self.position += len(piece)
            rest = rest[len(piece) :]
            if place + len(piece) < file.size:
                return
            self._end_file(file)

    # How they get their names

    def _finish(self) -> None:
        """See that everything is there, and on the disk."""
        self._take(memoryview(b""))  # files without a byte, at the end
        if self._current() is not None:
            raise DigestMismatchError("Not all bytes arrived. Run the command again.")
        paths = [self._staging / file.name for file in self._files]
        for path, file in zip(paths, self._files, strict=True):
            status = path.lstat() if os.path.lexists(path) else None
            if status is None or (not stat.S_ISREG(status.st_mode)) or status.st_size != file.size:
                raise DigestMismatchError("What had been received was changed. Receive again.")
        folders = {folder for path in paths for folder in path.relative_to(self._home).parents}
        sync_all(self._staging, paths, [self._home / folder for folder in folders])

    def _choose(self, top: str, *, overwrite: bool) -> str:
        """Return a name that nobody has, unless what has it may be replaced."""
        is_folder = (self._staging / top).is_dir()
        for name in islice(conflict_names(top, is_folder=is_folder), MAX_CONFLICTS):
            if overwrite or not os.path.lexists(self._directory / name):
                return name
        raise StorageError(f"{self._directory} holds {MAX_CONFLICTS} files called like {top!r}.")

    def _keep_names(self, names: dict[str, str], *, overwrite: bool) -> None:
        digests = [digest.hex() for digest in self._digests]
        kept = json.dumps({"names": names, "overwrite": overwrite, "digests": digests})
        self._write_whole(self._home / "names", kept.encode())

    def _kept_names(self, tops: Sequence[str]) -> tuple[dict[str, str], bool]:
        try:
            kept = json.loads((self._home / "names").read_bytes())
            names = {str(top): str(name) for top, name in kept["names"].items()}
            overwrite = bool(kept["overwrite"])
            self._digests = [bytes.fromhex(digest) for digest in kept["digests"]]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._damaged() from error
        if (
            list(names) != tops
            or not all(is_safe_part(name, is_top=True) for name in names.values())
            or len(self._digests) != len(self._files)
        ):
            raise self._damaged()
        return names, overwrite

    def _damaged(self) -> StorageError:
        return StorageError(f"{self._home} was damaged. Remove it, and receive again.")

    def _move(self, top: str, names: dict[str, str], *, overwrite: bool, goes_on: bool) -> None:
        staged = self._staging / top
        try:
            status = staged.lstat()
        except FileNotFoundError as error:
            if os.path.lexists(self._directory / names[top]):
                return  # it was moved before a crash
            raise DigestMismatchError(
                "What had been received was removed from the disk."
            ) from error
        is_folder = stat.S_ISDIR(status.st_mode)
        while True:
            target = self._directory / names[top]
            try:
                if overwrite:
                    _replace(staged, target)
                elif is_folder:
                    move_folder(staged, target, goes_on=goes_on)
                elif not is_same_file(status, target):  # else a crash came after the link
                    link_without_replacing(staged, target)
            except FileExistsError:
                names[top] = self._choose(top, overwrite=False)
                self._keep_names(names, overwrite=overwrite)
            else:
                return

    def _write_whole(self, path: Path, data: bytes) -> None:
        """Write a small file so that it is there whole, or not at all."""
        fresh = path.with_suffix(".new")
        with storage_errors(f"write {path}"):
            fresh.unlink(missing_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
            sync_directory(path.parent)

    @property
    def _is_empty(self) -> bool:
        """Whether there is nothing here that another run could go on with."""
        with suppress(OSError):
            return all(
                path.name == "lock" or (path.name == "sums" and not path.stat().st_size)
                for path in self._home.iterdir()
            )
        return False

    def _close_files(self) -> None:
        for part in (self._open, self._sums):
            if part is not None:
                part.close()
        self._open = self._sums = None

    def _rewind(self) -> None:
        self.position = self._number = 0
        self._running = hashlib.sha256()
        self._digests = []


def _remove_folder(path: Path) -> None:
    """Remove a folder of ours and what is in it, if it is there."""
    with suppress(FileNotFoundError):
        shutil.rmtree(path)  # refuses a link


def _refuse_conflicts(staged: Path, target: Path) -> None:
    """Refuse to replace a folder by a file, or what is no folder by one.

    Raises:
        StorageError: It would be done, here or somewhere below.
    """
    if not os.path.lexists(target):
        return
    # A link is no folder: what it leads to may be anywhere.
    is_folder = stat.S_ISDIR(target.lstat().st_mode)
    if not staged.is_dir():
        if is_folder:
            raise StorageError(f"{target} is a folder; it is not replaced by a file.")
        return
    if not is_folder:
        raise StorageError(f"{target} is no folder; it is not replaced by one.")
    for entry in staged.iterdir():
        _refuse_conflicts(entry, target / entry.name)


def _replace(staged: Path, target: Path) -> None:
    """Put a file, or all files of a folder, in the place of those of the same name."""
    if not staged.is_dir():
        staged.replace(target)  # a link itself is replaced, not what it leads to
        return
    with suppress(FileExistsError):
        target.mkdir()
    if not stat.S_ISDIR(target.lstat().st_mode):  # since it was looked at
        raise StorageError(f"{target} is no folder; it is not replaced by one.")
    for entry in sorted(staged.iterdir()):
        _replace(entry, target / entry.name)
    sync_directory(target)
