"""One lock file a channel: whoever has it drives that channel's transfers.

The kernel frees the lock when its holder dies, however it dies, so there is nothing to clean up
and no stale lock. The file itself stays; removing it would let two holders have two files.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ocft.errors import ChannelHeldError
from ocft.storage.border import storage_errors

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        # flock and not POSIX locks: those do not exclude another thread or object of this
        # process, and closing any descriptor of the file frees them.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        # Closing would do, but for a program that is being started: until its exec has closed it,
        # the new process has the descriptor too.
        fcntl.flock(descriptor, fcntl.LOCK_UN)


# A program that this process starts must not keep the lock alive: Python opens with O_CLOEXEC.
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


class ChannelLock:
    """The lock of one channel, held by at most one object in all processes.

    Args:
        path: The lock file; it and its folder are made when they are not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def try_acquire(self) -> bool:
        """Take the lock, unless another one holds it; say whether this object has it now.

        Raises:
            StorageError: The lock file cannot be made, or its file system knows no locks.
        """
        if self._descriptor is not None:
            return True
        with storage_errors(f"lock {self.path}"):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, _FLAGS, 0o600)
            try:
                _lock(descriptor)
            except (BlockingIOError, PermissionError):  # the latter is how Windows says it
                os.close(descriptor)
                return False
            except BaseException:
                os.close(descriptor)
                raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; without it, nothing happens."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):  # closing frees it as well
                _unlock(descriptor)
            os.close(descriptor)

    def __enter__(self) -> Self:
        if not self.try_acquire():
            raise ChannelHeldError(f"Another process holds {self.path}.")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
