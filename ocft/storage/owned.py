"""Which files of an offer this node has already, so that they need not be sent (R-MAN-3)."""

import hashlib
import hmac
import os
import stat
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from ocft.storage.arriving import ArrivingSet
from ocft.storage.names import check_manifest_names
from ocft.wire import Manifest, ManifestFile

_PIECE: Final = 1024 * 1024  # bytes hashed at a time
# A link could lead out of the folder, and what is there is no business of the sender.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def already_have(
    manifest: Manifest, directory: Path, *, is_over: Callable[[], bool] = lambda: False
) -> set[int]:
    """Return the numbers of the files that are in a folder: same name, size and digest.

    It reads all files of the right size, so call it in a worker thread. A file that cannot be read
    is not there; links are never followed.

    Args:
        manifest: What was offered.
        directory: The folder that files are received in.
        is_over: Asked again and again; once it says yes, no more files are looked at.

    Raises:
        UnsafeNameError: A name of the manifest is not safe.
    """
    check_manifest_names(manifest)
    folders: dict[str, bool] = {}
    return {
        number
        for number, file in enumerate(manifest.files)
        if not is_over()
        and _is_folder(directory, file.name.rpartition("/")[0], folders)
        and _holds(directory, file, is_over)
    }


def split_owned(manifest: Manifest, owned: Collection[int]) -> tuple[set[int], set[int]]:
    """Split files that are here: whole files and folders, and parts of folders.

    What is whole stays as it is. Of a folder that is here in part a new one is made, so what is
    here of it is copied.

    Args:
        manifest: What was offered.
        owned: The numbers of the files that are here.
    """
    tops = [file.name.partition("/")[0] for file in manifest.files]
    incomplete = {top for number, top in enumerate(tops) if number not in owned}
    whole = {number for number in owned if tops[number] not in incomplete}
    return whole, set(owned) - whole


def copy_owned(
    manifest: Manifest,
    numbers: Collection[int],
    directory: Path,
    arriving: ArrivingSet,
    *,
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Write files that are here into what is being received; call it in a worker thread.

    What they hold is verified with everything else. A file that is gone meanwhile is sent.

    Args:
        manifest: What was offered.
        numbers: Those of the files.
        directory: The folder that files are received in.
        arriving: What is being received.
        is_over: Asked again and again; once it says yes, no more is copied.

    Raises:
        StorageError: The disk refused to write.
    """
    offsets = manifest.offsets()
    for number in sorted(numbers):
        place, file = arriving.manifest_size + offsets[number], manifest.files[number]
        with suppress(OSError), os.fdopen(os.open(directory / file.name, _FLAGS), "rb") as content:
            left = file.size
            while left and not is_over() and (piece := content.read(min(_PIECE, left))):
                arriving.write(place, piece)
                place += len(piece)
                left -= len(piece)


def _is_folder(directory: Path, name: str, known: dict[str, bool]) -> bool:
    """Say whether a name is a folder, below folders only and no links."""
    if not name:
        return True
    if name not in known:
        known[name] = _is_folder(directory, name.rpartition("/")[0], known) and stat.S_ISDIR(
            _mode(directory / name)
        )
    return known[name]


def _mode(path: Path) -> int:
    with suppress(OSError):
        return path.lstat().st_mode
    return 0


def _holds(directory: Path, file: ManifestFile, is_over: Callable[[], bool]) -> bool:
    path = directory / file.name
    with suppress(OSError):
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != file.size:
            return False
        with os.fdopen(os.open(path, _FLAGS), "rb", buffering=0) as content:
            running = hashlib.sha256()
            while not is_over() and (piece := content.read(_PIECE)):
                running.update(piece)
            return hmac.compare_digest(running.digest(), file.digest)
    return False
