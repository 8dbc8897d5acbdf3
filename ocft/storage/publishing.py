"""How the files of a set get their names: all of them or none, and never in place of anything.

First they are staged, each of them verified. Then what is at the top of the manifest, files and
folders, moves into the download folder. Where to, the journal knows before anything is made there.
After a crash the same call goes on, wherever it was.
"""

import errno
import os
import shutil
import stat
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from ocft.errors import DigestMismatchError, StorageError
from ocft.ids import TransferId
from ocft.storage.border import storage_errors
from ocft.storage.journal import Journal
from ocft.storage.names import check_manifest_names, conflict_names
from ocft.storage.partial import (
    MAX_CONFLICTS,
    PartialFile,
    is_same_file,
    link_without_replacing,
    sync_directory,
)
from ocft.storage.staging import Staging
from ocft.wire import Manifest

_IN_THE_WAY: Final = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})


class Publication:
    """The files of one transfer on their way to their names.

    Args:
        journal: Where the transfer is recorded.
        transfer_id: The transfer.
        part: Where its part file is.
        manifest: The files.
        left_out: The numbers of those that are not wanted.
        directory: The folder they go to, on the file system of the part file.
        first_digest: SHA-256 of the first file, if it was read back while it arrived.
    """

    def __init__(
        self,
        journal: Journal,
        transfer_id: TransferId,
        part: Path,
        *,
        manifest: Manifest,
        left_out: frozenset[int],
        directory: Path,
        first_digest: bytes | None = None,
    ) -> None:
        self._journal = journal
        self._id = transfer_id
        self._part = part
        self._staging = staging_folder(part)
        self._manifest = manifest
        self._left_out = left_out
        self._directory = directory.absolute()
        self._first_digest = first_digest
        self._paths: dict[str, Path] = {}  # where each top name goes
        self._goes_on = False  # after a crash, which may have left something of ours

    def run(self) -> list[Path]:
        """Give all wanted files their names; it takes a while, so call it in a worker thread.

        Returns:
            Where the files and folders at the top of the manifest are now, in its order.

        Raises:
            UnsafeNameError: A name is not safe; nothing was written.
            DigestMismatchError: A file is not what was offered, or was removed from the disk:
                forget everything.
            StorageError: The disk or the journal refused; run it again.
        """
        check_manifest_names(self._manifest)  # R-MAN-2; a path deserves two looks
        tops = dict.fromkeys(
            file.name.partition("/")[0]
            for number, file in enumerate(self._manifest.files)
            if number not in self._left_out
        )
        with storage_errors(f"save files in {self._directory}"):
            self._directory.mkdir(parents=True, exist_ok=True)
            self._paths = self._journal.publications(self._id)
            self._goes_on = bool(self._paths)
            if not self._goes_on:
                self._stage()
                self._announce({top: self._free_path(top) for top in tops})
            for top in tops:
                self._move(top)
            # Both names of a file may be there. The new ones must be on the disk before the old
            # ones go.
            sync_directory(self._directory)
            self._part.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.rmtree(self._staging)
        return [self._paths[top] for top in tops]

    def _stage(self) -> None:
        remaining = self._journal.staging(self._id)
        if remaining is None:
            remaining = self._manifest.content_size
            self._journal.save_staging(self._id, remaining)
            # From here on the part file changes, and its length says nothing about what is stored.
            self._journal.database.checkpoint()
        part = PartialFile.open(self._part) if os.path.lexists(self._part) else None
        try:
            Staging(
                self._journal,
                self._id,
                part,
                self._staging,
                manifest=self._manifest,
                left_out=self._left_out,
                first_digest=self._first_digest,
            ).run(remaining)
        finally:
            if part is not None:
                part.close()

    def _announce(self, paths: dict[str, Path]) -> None:
        self._journal.save_publications(self._id, paths)
        # No name may reach the disk before the journal knows of it, not even in a power cut.
        self._journal.database.checkpoint()
        self._paths |= paths

    def _free_path(self, top: str) -> Path:
        """Return a path that nobody has; `_move` finds out if somebody takes it in the meantime.

        That may be ourselves: "x" as "x (1)", when another file is called that.
        """
        is_folder = stat.S_ISDIR((self._staging / top).lstat().st_mode)
        for name in islice(conflict_names(top, is_folder=is_folder), MAX_CONFLICTS):
            path = self._directory / name
            if not os.path.lexists(path):
                return path
        raise StorageError(f"{self._directory} holds {MAX_CONFLICTS} files called like {top!r}.")

    def _move(self, top: str) -> None:
        staged = self._staging / top
        try:
            status = staged.lstat()
        except FileNotFoundError as error:
            if os.path.lexists(self._paths[top]):
                return  # it was moved before a crash
            raise DigestMismatchError(
                "What had been received was removed from the disk. Send it again."
            ) from error
        while True:
            target = self._paths[top]
            try:
                if stat.S_ISDIR(status.st_mode):
                    move_folder(staged, target, goes_on=self._goes_on)
                elif not is_same_file(status, target):  # else a crash came after the link
                    link_without_replacing(staged, target)
            except FileExistsError:
                self._announce({top: self._free_path(top)})
            else:
                return


def staging_folder(part: Path) -> Path:
    """Return the folder that belongs to a part file."""
    return part.with_suffix(".files")


def move_folder(staged: Path, target: Path, *, goes_on: bool) -> None:
    """Rename a folder, or raise FileExistsError.

    A folder can take the place of an empty one and of nothing else. So the name is held by an
    empty one of our own, which a crash may leave.

    Args:
        staged: The folder.
        target: Its new path.
        goes_on: Whether a crash may have left an empty folder of ours there.
    """
    try:
        target.mkdir()
    except FileExistsError:
        if not (goes_on and _is_empty_folder(target)):
            raise
    try:
        staged.rename(target)
    except OSError as error:
        with suppress(OSError):
            target.rmdir()
        if error.errno in _IN_THE_WAY:
            raise FileExistsError(errno.EEXIST, "taken", str(target)) from error
        raise


def _is_empty_folder(path: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISDIR(path.lstat().st_mode) and not any(path.iterdir())
    return False
