"""Which files of an offer this node has already, so that they need not be sent (R-MAN-3)."""

import hashlib
import hmac
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from ocft.storage.names import check_manifest_names
from ocft.wire import Manifest, ManifestFile

_PIECE: Final = 1024 * 1024  # bytes hashed at a time
# A link could lead out of the folder, and what is there is no business of the sender.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def already_have(manifest: Manifest, directory: Path) -> set[int]:
    """Return the numbers of the files that are in a folder: same name, size and digest.

    It reads all files of the right size, so call it in a worker thread. A file that cannot be read
    is not there; links are never followed.

    Args:
        manifest: What was offered.
        directory: The folder that files are received in.

    Raises:
        UnsafeNameError: A name of the manifest is not safe.
    """
    check_manifest_names(manifest)
    folders: dict[str, bool] = {}
    return {
        number
        for number, file in enumerate(manifest.files)
        if _is_folder(directory, file.name.rpartition("/")[0], folders) and _holds(directory, file)
    }


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


def _holds(directory: Path, file: ManifestFile) -> bool:
    path = directory / file.name
    with suppress(OSError):
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != file.size:
            return False
        with os.fdopen(os.open(path, _FLAGS), "rb", buffering=0) as content:
            running = hashlib.sha256()
            while piece := content.read(_PIECE):
                running.update(piece)
            return hmac.compare_digest(running.digest(), file.digest)
    return False
