"""What comes from stdin to be sent: kept in a file, since another process may have to read it.

The files are in the home's state folder. One is removed when nothing that could still be sent
refers to it.
"""

import errno
import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocft.errors import NotEnoughSpaceError, SourceNotFoundError
from ocft.transfers import Direction

if TYPE_CHECKING:
    from ocft.storage import Journal

_FOLDER: Final = "stdin"
_PIECE: Final = 1024 * 1024  # bytes


def keep_stdin(state_dir: Path) -> Path:
    """Read stdin to its end and return the file that holds it.

    Raises:
        SourceNotFoundError: There is no stdin, or it cannot be kept.
        NotEnoughSpaceError: The disk is full.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise SourceNotFoundError("- is stdin, and nothing is piped into it.")
    folder = state_dir / _FOLDER
    path = folder / secrets.token_hex(8)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, _PIECE)
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NotEnoughSpaceError("The disk has no room for what came from stdin.") from error
        raise SourceNotFoundError(f"stdin cannot be kept: {error.strerror}.") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def forget_sent(state_dir: Path, journal: "Journal") -> None:
    """Remove what came from stdin earlier and is not to be sent any more."""
    folder = state_dir / _FOLDER
    if not folder.is_dir():
        return
    needed = {
        path
        for record in journal.records()
        if record.info.direction is Direction.SEND
        and (record.info.is_resumable or not record.info.state.is_final)
        for path, _ in journal.sources(record.info.id)
    }
    for path in folder.iterdir():
        if path not in needed:
            path.unlink(missing_ok=True)
