"""Large pieces of a file past the kernel's page cache.

What is received is not read again soon, and on its way through the cache each page has to be found,
cleared and written back: that costs more than sealing, hashing and sending together.
"""

import errno
import os
import threading
from pathlib import Path
from typing import Final

PAGE: Final = 4096
"""Bytes: places, lengths and buffers are multiples of it (open(2), O_DIRECT)."""
_UNABLE: Final = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
_WORTH: Final = 256 * 1024  # bytes; smaller pieces are better collected in the cache


class UncachedWriter:
    """Writes the large pieces of a file that is open already, where the system can do that.

    Any thread may use it.

    Args:
        path: Where it is.
        descriptor: The open file.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._uncached: int | None = None  # -1: it cannot be done
        self._lock = threading.Lock()  # else one thread could close what another one writes to

    def write(self, offset: int, data: bytes | memoryview) -> int:
        """Write what is in whole pages; return how many bytes that are, which may be none.

        Raises:
            OSError: The disk refused.
        """
        size = len(data) // PAGE * PAGE
        if size < _WORTH or offset % PAGE:
            return 0
        with self._lock:
            if self._uncached is None:
                self._uncached = _open_again(self._path, self._descriptor)
            if self._uncached < 0:
                return 0
            try:
                return os.pwrite(self._uncached, memoryview(data)[:size], offset)
            except OSError as error:
                if error.errno not in _UNABLE:
                    raise
                self._close()  # the buffer is not in whole pages, or the file system refuses
                return 0

    def close(self) -> None:
        """Write nothing more; calling it twice is fine."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        descriptor, self._uncached = self._uncached, -1
        if descriptor is not None and descriptor >= 0:
            os.close(descriptor)


def _open_again(path: Path, descriptor: int) -> int:
    """Return another descriptor of an open file; -1: this system has none that avoids the cache."""
    flag: int = getattr(os, "O_DIRECT", 0)
    if not flag:
        return -1
    try:
        another = os.open(path, os.O_WRONLY | flag | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return -1
    if os.path.sameopenfile(descriptor, another):
        return another
    os.close(another)  # something else has taken its path
    return -1
