"""What comes from stdin to be sent: kept in a file, since another process may have to read it.

The files are in the home's state folder. One is removed when nothing that could still be sent
refers to it, and no process is about to record it.
"""

import errno
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocft.errors import NotEnoughSpaceError, SourceNotFoundError
from ocft.storage import ChannelLock
from ocft.transfers import Direction

if TYPE_CHECKING:
    from ocft.storage import Journal

_FOLDER: Final = "stdin"
_PIECE: Final = 1024 * 1024  # bytes


@contextmanager
def kept_stdin(state_dir: Path, journal: "Journal") -> Iterator[Path]:
    """Read stdin to its end and yield the file that holds it, to be recorded in the block.

    Args:
        state_dir: Where it is kept.
        journal: Where it is recorded.

    Raises:
        SourceNotFoundError: There is no stdin, or it cannot be kept.
        NotEnoughSpaceError: The disk is full.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise SourceNotFoundError("- is stdin, and nothing is piped into it.")
    path = state_dir / _FOLDER / secrets.token_hex(8)
    # Locked until it is recorded: meanwhile other processes look for what can be removed.
    with ChannelLock(path):
        try:
            _read_into(path)
            yield path
        except BaseException:
            if path not in _needed(journal):
                path.unlink(missing_ok=True)
            raise


def forget_sent(state_dir: Path, journal: "Journal") -> None:
    """Remove what came from stdin earlier and is not to be sent any more."""
    folder = state_dir / _FOLDER
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        lock = ChannelLock(path)
        if lock.try_acquire():
            # In this order: what was recorded a moment ago is needed.
            if path not in _needed(journal):
                path.unlink(missing_ok=True)
            lock.release()


def _needed(journal: "Journal") -> set[Path]:
    return {
        path
        for record in journal.records()
        if record.info.direction is Direction.SEND
        and (record.info.is_resumable or not record.info.state.is_final)
        for path, _ in journal.sources(record.info.id)
    }


def _read_into(path: Path) -> None:
    try:
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, _PIECE)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NotEnoughSpaceError("The disk has no room for what came from stdin.") from error
        raise SourceNotFoundError(f"stdin cannot be kept: {error.strerror}.") from error
