"""Where the operating system's errors become ours: nothing above storage meets an OSError."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from ocft.errors import NotEnoughSpaceError, StorageError

_NO_ROOM = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Turn the OSErrors of a block into storage errors.

    Args:
        action: What was tried, to stand after "Cannot": "write /srv/inbox/x".

    Raises:
        NotEnoughSpaceError: The disk or the quota is full.
        StorageError: Anything else that the operating system refused.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        kind = NotEnoughSpaceError if error.errno in _NO_ROOM else StorageError
        raise kind(f"Cannot {action}: {reason}.") from error
    except ValueError as error:  # a path with a NUL, or with characters that no path has
        raise StorageError(f"Cannot {action}: {error}.") from error
