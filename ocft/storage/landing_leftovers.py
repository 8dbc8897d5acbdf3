"""Removes what was received in part, and was never gone on with."""

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from ocft.errors import StorageError
from ocft.storage.locks import ChannelLock

_OLD: Final = 7 * 24 * 3600  # seconds; no session that is gone on with is that old


def remove_old_landings(folder: Path) -> None:
    """Remove what nobody has gone on with for a week; what another process has stays.

    Args:
        folder: The `.ocft` of a folder that files are received in.
    """
    before = time.time() - _OLD
    with suppress(OSError):  # tidying is no reason to fail
        for left in sorted(folder.glob("share-*")):
            if left.is_symlink() or not left.is_dir() or _touched(left) > before:
                continue
            lock = ChannelLock(left / "lock")
            with suppress(StorageError):
                if lock.try_acquire():
                    try:
                        shutil.rmtree(left, ignore_errors=True)
                    finally:
                        lock.release()


def _touched(left: Path) -> float:
    """Return when something was written there last, in seconds since the epoch."""
    return max(path.lstat().st_mtime for path in (left, *left.iterdir()))
