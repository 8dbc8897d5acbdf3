"""The one SQLite file of a node: opening, migrations, short transactions, checkpoints.

A commit is in the file's write-ahead log when it returns, so it survives the death of the
process; it is not on the disk's platter yet, so a power cut may take the newest commits with it,
but always a whole tail of them and never a part of one. Whatever must not be lost that way is
followed by a checkpoint.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ocft.errors import JournalError, NotEnoughSpaceError, StorageError
from ocft.storage.schema import MIGRATIONS

Value = str | bytes | int | float | None
"""What a column holds, and a parameter may be."""

_BUSY_TIMEOUT_SECONDS: Final = 5.0
# A commit writes one or two pages of 4 KiB, so that the log has some 8 MB by then.
_MANY_COMMITS: Final = 1000
_SMALLEST_DATABASE: Final = 512  # bytes: the smallest page that SQLite has


class Database:
    """An open database file, usable from two threads.

    Args:
        path: The file; it is made, readable by its owner only, when it is not there.

    Raises:
        JournalError: The file is no database, is of a newer version, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        # Parameters of another thread's statement must not slip between BEGIN and COMMIT.
        self._lock = threading.RLock()
        self._is_open = False
        self._commits = 0  # since the last checkpoint
        _create(self.path)
        with _journal_errors(self.path):
            self._connection = self._connect()
            try:
                self._set_up()
            except BaseException:
                self._connection.close()
                raise
        self._is_open = True

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            # mode=rw: never SQLite, which would make it readable by all, creates the file.
            self.path.as_uri() + "?mode=rw",
            uri=True,
            timeout=_BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.row_factory = sqlite3.Row
        return connection

    def _set_up(self) -> None:
        execute = self._connection.execute
        if execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise JournalError(
                f"The file system of {self.path} cannot hold the journal. Use a local disk."
            )
        execute("PRAGMA synchronous = NORMAL")
        execute("PRAGMA foreign_keys = ON")
        # A checkpoint waits for the disk. Whoever commits may be an event loop, so none of its
        # commits may turn into one: see `checkpoint`.
        execute("PRAGMA wal_autocheckpoint = 0")
        self._migrate()

    def _migrate(self) -> None:
        version = self._schema_version()
        if version > len(MIGRATIONS):
            raise JournalError(f"{self.path} was written by a newer version of ocft. Upgrade ocft.")
        for number in range(version + 1, len(MIGRATIONS) + 1):
            with self.transaction() as connection:
                # Another process may have done this step while we waited for the transaction.
                if self._schema_version() < number:
                    for statement in MIGRATIONS[number - 1]:
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {number}")

    def _schema_version(self) -> int:
        version: int = self._connection.execute("PRAGMA user_version").fetchone()[0]
        return version

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block as one transaction: all of it is committed, or nothing.

        Do not nest it, and keep it short: other processes wait for it.

        Raises:
            JournalError: SQLite refused; nothing was changed.
            NotEnoughSpaceError: The disk is full; nothing was changed.
        """
        with self._lock, _journal_errors(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
                self._commits += 1
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def query(self, statement: str, parameters: Sequence[Value] = ()) -> list[sqlite3.Row]:
        """Return the rows of one SELECT, without waiting for whoever writes.

        Raises:
            JournalError: SQLite refused.
        """
        with self._lock, _journal_errors(self.path):
            return self._connection.execute(statement, parameters).fetchall()

    def data_version(self) -> int:
        """Return a number that changes after another process's commit, not after our own."""
        version: int = self.query("PRAGMA data_version")[0][0]
        return version

    @property
    def is_checkpoint_due(self) -> bool:
        """Whether the log has grown so long that someone should call :meth:`checkpoint`."""
        return self._commits >= _MANY_COMMITS

    def checkpoint(self) -> None:
        """Bring all commits so far to the disk, for good.

        It waits for the disk, so call it in a worker thread. It has a connection of its own, and
        the event loop can commit through the main one in the meantime.

        Raises:
            JournalError: SQLite refused.
        """
        if self._is_open:
            self._commits = 0
            with _journal_errors(self.path), closing(self._connect()) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Checkpoint and close; closing twice is fine."""
        with suppress(StorageError):  # the commits are in the log; the next start finds them
            self.checkpoint()
        with self._lock:
            self._is_open = False
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def storable(text: str) -> str | bytes:
    """Return a text as SQLite can hold it: bytes for one with lone surrogates.

    A path on Linux is any bytes, and Python writes those that are no UTF-8 as lone surrogates.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
    return text


def readable(value: str | bytes) -> str:
    """Return the text that :func:`storable` was given."""
    return value if isinstance(value, str) else value.decode(errors="surrogatepass")


def _create(path: Path) -> None:
    """Make the folder and an empty file for the owner only, when they are not there."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Never open a file that exists: closing it again would free all POSIX locks that SQLite
        # connections of this process have on it.
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        # SQLite takes a shorter file for an empty database, and would write over it.
        if 0 < path.stat().st_size < _SMALLEST_DATABASE:
            raise JournalError(f"{path} is no database.")
    except FileExistsError as error:
        if not path.exists():  # else another process was faster
            raise JournalError(f"Cannot make {path}: {error.strerror}.") from error
    except OSError as error:
        raise JournalError(f"Cannot make {path}: {error.strerror}.") from error


@contextmanager
def _journal_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)  # errors of the module itself have none
        if code == sqlite3.SQLITE_FULL:
            raise NotEnoughSpaceError(f"No room on the disk for {path}.") from error
        raise JournalError(f"Cannot use {path}: {error}.") from error
