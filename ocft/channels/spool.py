"""One node's spool folder: `tmp/` for texts that are being written, `new/` for those that wait.

As in a Maildir, a text appears by a rename, so that a reader never sees half of one and no locks
are needed, also on a folder that several machines share. A text is a file: a line that holds its
author as a JSON string, then the text in UTF-8. Who may write into the folder may claim to be
anybody; its permissions (0700) are what protects it.

All functions block and raise OSError; `ocft.channels.local` calls them in threads.
"""

import errno
import hashlib
import heapq
import json
import logging
import os
import re
import stat
import time
from pathlib import Path
from typing import Final

from ocft.channels.base import IncomingText
from ocft.errors import ChannelError

MAX_AUTHOR: Final = 1024
"""Bytes of the longest first line."""
NAMES_AT_ONCE: Final = 10_000
"""File names of a backlog held in memory."""
_MOST_OTHERS: Final = 1000
STALE_AFTER: Final = 24 * 3600.0
"""Seconds after which an unfinished text is taken for the trace of a crash."""

_PLAIN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
# O_NONBLOCK: opening a FIFO must not wait for its writer.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL

_log = logging.getLogger(__name__)


class Spool:
    """The folder of one node, written by its peers and read by itself.

    Args:
        root: The folder of all nodes' spools.
        node_id: Whose spool it is; any string is safe here.
    """

    def __init__(self, root: Path, node_id: str) -> None:
        self._root = root
        self._use(root / folder_name(node_id))

    def _use(self, folder: Path) -> None:
        self._tmp = folder / "tmp"
        self.new = folder / "new"

    def others(self) -> "list[Spool]":
        """Return the spools of all other nodes, a thousand at most."""
        found: list[Spool] = []
        with os.scandir(self._root) as entries:
            for entry in entries:
                is_other = Path(entry) != self.new.parent
                if is_other and entry.is_dir(follow_symlinks=False) and len(found) < _MOST_OTHERS:
                    spool = Spool(self._root, "")
                    spool._use(Path(entry))
                    found.append(spool)
        return found

    def make(self) -> None:
        """Make the folders that are not there yet."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.new.parent.mkdir(mode=0o700, exist_ok=True)
        self._tmp.mkdir(mode=0o700, exist_ok=True)
        self.new.mkdir(mode=0o700, exist_ok=True)

    def sweep(self) -> None:
        """Remove texts that a crashed sender left unfinished more than a day ago."""
        oldest = time.time() - STALE_AFTER
        with os.scandir(self._tmp) as entries:
            for entry in entries:
                if not entry.is_file(follow_symlinks=False):
                    continue
                try:
                    if entry.stat(follow_symlinks=False).st_mtime < oldest:
                        Path(entry).unlink()
                except FileNotFoundError:
                    # Its sender was only slow, or another process sweeps too.
                    continue

    def count(self, at_most: int) -> int:
        """Return how many entries wait, counting no further than `at_most`."""
        counted = 0
        try:
            with os.scandir(self.new) as entries:
                for _ in entries:
                    counted += 1
                    if counted >= at_most:
                        break
        except FileNotFoundError:
            return 0
        return counted

    def put(self, name: str, author: str, text: str) -> None:
        """Add a text under a name that nobody else uses; names sort as texts are read.

        Raises:
            ChannelError: The text holds lone surrogates, which UTF-8 cannot express.
        """
        try:
            data = b"%s\n%s" % (json.dumps(author).encode(), text.encode())
        except UnicodeEncodeError as error:
            raise ChannelError(f"the text is not valid Unicode: {error.reason}") from error
        unfinished = self._tmp / name
        try:
            descriptor = os.open(unfinished, _WRITE_FLAGS, 0o600)
        except FileNotFoundError:
            # The peer has not started yet.
            self.make()
            descriptor = os.open(unfinished, _WRITE_FLAGS, 0o600)
        try:
            # No fsync: a text that a power cut takes away is repeated, like any lost text.
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            unfinished.rename(self.new / name)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def names(self) -> list[str]:
        """Return the names of the oldest texts, oldest first; none if the folder is gone.

        What is no regular file is left alone, so that it cannot hide the texts behind it.
        """
        try:
            with os.scandir(self.new) as entries:
                files = (entry.name for entry in entries if entry.is_file(follow_symlinks=False))
                return heapq.nsmallest(NAMES_AT_ONCE, files)
        except FileNotFoundError:
            return []

    def read(self, name: str, max_text: int) -> IncomingText | None:
        """Return a text; None if it is gone, or was no valid text and is removed now.

        Args:
            name: One of `names()`.
            max_text: Characters of the longest text that is accepted.
        """
        try:
            return _parse(self._read_bytes(name, MAX_AUTHOR + 4 * max_text), max_text)
        except FileNotFoundError:
            return None
        except _InvalidTextError as error:
            _log.debug("removed %r from the spool: %s", name, error)
            self.remove(name)
            return None

    def remove(self, name: str) -> None:
        """Delete a text; it may be gone already."""
        (self.new / name).unlink(missing_ok=True)

    def _read_bytes(self, name: str, max_size: int) -> bytes:
        try:
            descriptor = os.open(self.new / name, _READ_FLAGS)
        except PermissionError as error:
            raise _InvalidTextError("it may not be read") from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _InvalidTextError("it is a symbolic link") from error
            raise
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _InvalidTextError("it is no regular file")
            data = file.read(max_size + 1)
        if len(data) > max_size:
            raise _InvalidTextError(f"it has more than {max_size} bytes")
        return data


class _InvalidTextError(Exception):
    """A file in a spool is no text."""


def _parse(data: bytes, max_text: int) -> IncomingText:
    first_line, newline, body = data.partition(b"\n")
    # Anything but a string, such as a thousand brackets, is not even parsed.
    if not newline or len(first_line) > MAX_AUTHOR or not first_line.startswith(b'"'):
        raise _InvalidTextError("it has no line with the author")
    try:
        author: str = json.loads(first_line)
        # A character has up to four bytes, so the file's size said little about their number.
        text = body.decode()
    except ValueError as error:
        raise _InvalidTextError(str(error)) from error
    if len(text) > max_text:
        raise _InvalidTextError(f"it has {len(text)} characters")
    return IncomingText(author, text)


def folder_name(node_id: str) -> str:
    """Return a node's folder: its id, or a digest of an id that is no harmless file name."""
    if _PLAIN_ID.fullmatch(node_id):
        return node_id
    return "~" + hashlib.sha256(node_id.encode("utf-8", "surrogatepass")).hexdigest()
