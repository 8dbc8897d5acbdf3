"""A file that is being received: its part file and the journal, kept in step.

The order of all steps is chosen so that at any moment the process may die, or the power fail, and
what the journal calls stored is there, or is found not to be there:

- the piece is written, then recorded as unsynced with its digest, then acknowledged;
- the part file is synced, then its pieces are recorded as synced;
- the final name is recorded, then the link is made, then the part file is removed.
"""

import re
import shutil
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from ocft.errors import DigestMismatchError, NotEnoughSpaceError, StorageError, TransferError
from ocft.ids import TransferId
from ocft.ranges import Range, RangeSet
from ocft.storage.border import storage_errors
from ocft.storage.journal import Journal, StoredPiece
from ocft.storage.partial import PartialFile, finish_publication
from ocft.storage.records import TransferRecord
from ocft.storage.source import Source
from ocft.wire import digest_of, digests_match

_TRANSFER_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class IncomingFile:
    """What is stored of one incoming file. Two threads may use it: the event loop and a worker."""

    def __init__(
        self, journal: Journal, transfer_id: TransferId, part: PartialFile, size: int
    ) -> None:
        self._journal = journal
        self._id = transfer_id
        self._part = part
        self._size = size
        self._lock = threading.Lock()
        self._ranges = RangeSet()
        self._unsynced: dict[StoredPiece, float] = {}  # each with the time when it was stored
        self._unsynced_bytes = 0  # asked for every piece, of which there can be thousands
        # Either this start made it, or one that ended before it could say what it had found.
        self._was_missing = part.is_new or (part.size == 0 < size)

    @classmethod
    def open(cls, journal: Journal, transfer_id: TransferId, partial_dir: Path, size: int) -> Self:
        """Open a transfer's part file, and find out what of it is stored.

        What was unsynced is read back and, if it is still right, synced. This is no more than
        what one interval between two syncs stored.

        Args:
            journal: Where the transfer is recorded.
            transfer_id: Names the part file.
            partial_dir: The folder for part files, on the file system of the final file.
            size: Bytes of the whole file.

        Raises:
            StorageError: The part file or the journal cannot be used.
        """
        part = PartialFile.open(part_path(partial_dir, transfer_id))
        try:
            incoming = cls(journal, transfer_id, part, size)
            incoming._restore()
        except BaseException:
            part.close()
            raise
        return incoming

    def _restore(self) -> None:
        if self._part.size > self._size:
            self._part.truncate(self._size)
        length = self._part.size
        missing = []
        for first, end in self._journal.synced(self._id):
            if end <= length:
                self._ranges.add(first, end)
            else:
                missing.append((first, end))
        if missing:
            self._journal.drop_synced(self._id, missing)
        whole: list[StoredPiece] = []
        damaged: list[StoredPiece] = []
        for piece in self._journal.unsynced(self._id):
            data = self._part.read(piece.first, piece.end - piece.first)
            is_whole = digests_match(digest_of(data), piece.digest)
            (whole if is_whole else damaged).append(piece)
        if damaged:
            self._journal.drop_unsynced(self._id, damaged)
        if whole:
            self._part.sync()
            self._journal.mark_synced(self._id, whole)
        for piece in whole:
            self._ranges.add(piece.first, piece.end)

    @property
    def ranges(self) -> list[Range]:
        """The stored ranges, in as few as possible, sorted."""
        with self._lock:
            return self._ranges.pairs()

    @property
    def bytes_stored(self) -> int:
        """How many bytes are stored."""
        with self._lock:
            return self._ranges.total()

    @property
    def unsynced_bytes(self) -> int:
        """How many of them a power cut could take."""
        with self._lock:
            return self._unsynced_bytes

    @property
    def oldest_unsynced_at(self) -> float | None:
        """When the first of those was stored; None if there is none."""
        with self._lock:
            return next(iter(self._unsynced.values()), None)

    def store(self, offset: int, data: bytes, digest: str, at: float) -> None:
        """Store a piece; when this returns, it may be acknowledged.

        A piece that is stored already changes nothing.

        Args:
            offset: Its place in the file.
            data: Its bytes, which were verified.
            digest: Their SHA-256.
            at: Seconds since the epoch.

        Raises:
            NotEnoughSpaceError: The disk or the quota is full.
            StorageError: The piece is not inside the file, or covers a stored one in part; the
                disk refused; the journal refused.
        """
        end = offset + len(data)
        if offset < 0 or end > self._size:
            raise StorageError(f"Bytes {offset} to {end} are not in a file of {self._size}.")
        with self._lock:
            if self._ranges.covers(offset, end):
                return
            if self._ranges.overlaps(offset, end):
                raise StorageError(f"Bytes {offset} to {end} are stored in part already.")
        self._part.write(offset, data)
        self._journal.add_unsynced(self._id, offset, end, digest, at)
        with self._lock:
            self._ranges.add(offset, end)
            self._unsynced[StoredPiece(offset, end, digest)] = at
            self._unsynced_bytes += end - offset

    def begin_sync(self) -> list[StoredPiece]:
        """Return the pieces for the next :meth:`sync`: all that are stored by now."""
        with self._lock:
            return list(self._unsynced)

    def sync(self, pieces: list[StoredPiece]) -> None:
        """Bring pieces to the disk for good; call it in a worker thread.

        Args:
            pieces: From :meth:`begin_sync`; they were written before this is called.

        Raises:
            StorageError: The disk or the journal refused; the pieces stay unsynced.
        """
        self._sync(pieces)
        self._journal.database.checkpoint()

    def _sync(self, pieces: list[StoredPiece]) -> None:
        try:
            self._part.sync()
        except NotEnoughSpaceError:
            raise
        except StorageError:
            # The kernel may hold the lost pages for clean: reading them back proves nothing.
            self._journal.drop_unsynced(self._id, pieces)
            raise
        self._journal.mark_synced(self._id, pieces)
        with self._lock:
            for piece in pieces:
                if self._unsynced.pop(piece, None) is not None:
                    self._unsynced_bytes -= piece.end - piece.first

    def finish(self, digest: str, directory: Path, filename: str) -> Path:
        """Verify the whole file and give it its final name; call it in a worker thread.

        Nothing may be stored meanwhile. Afterwards this object is closed.

        Args:
            digest: SHA-256 of the whole file, as offered.
            directory: The folder to save it in.
            filename: The name as offered.

        Returns:
            Where it is now.

        Raises:
            DigestMismatchError: Bytes are missing, and what is stored is kept; or the content is
                another one, and everything is forgotten, since nobody knows which piece is wrong.
            StorageError: The disk or the journal refused; what is stored is kept.
        """
        if self.bytes_stored < self._size:
            raise DigestMismatchError(
                f"Only {self.bytes_stored} of {self._size} bytes arrived. Resume the transfer."
            )
        self._sync(self.begin_sync())
        if not digests_match(self._part.digest(self._size), digest):
            self.discard()
            raise DigestMismatchError("The bytes that arrived are not those that were offered.")
        return self._part.publish(directory, filename, announce=self._announce)

    def _announce(self, path: Path) -> None:
        self._journal.save_publishing(self._id, str(path))
        # The link must not reach the disk before the journal knows of it, not even in a power cut.
        self._journal.database.checkpoint()

    def recover(self, record: TransferRecord) -> Path | None:
        """Find out, after a crash, whether the file had been given its final name.

        Args:
            record: The transfer's record, as the journal has it.

        Returns:
            Where the file is; then this object is closed. None: it has to be finished again.

        Raises:
            StorageError: The disk refused.
        """
        if record.publishing is None:
            return None
        published = Path(record.publishing)
        if finish_publication(self._part.path, published) or (
            self._was_missing and _holds(published, self._size, record.info.digest)
        ):
            self._part.discard()
            return published
        return None

    def discard(self) -> None:
        """Forget everything that is stored, and remove the part file.

        Raises:
            StorageError: The disk or the journal refused.
        """
        self._journal.forget_pieces(self._id)
        with self._lock:
            self._ranges = RangeSet()
            self._unsynced.clear()
            self._unsynced_bytes = 0
        self._part.discard()

    def close(self) -> None:
        """Close the part file; what is stored stays. Closing twice is fine."""
        self._part.close()


def remove_orphans(partial_dir: Path, keep: Iterable[TransferId]) -> None:
    """Remove part files and staging folders that no transfer will go on with.

    Args:
        partial_dir: The folder of the part files.
        keep: The transfers that may still go on.

    Raises:
        StorageError: The disk refused.
    """
    kept = set(keep)
    with storage_errors(f"tidy {partial_dir}"):
        for path in [*partial_dir.glob("*.part"), *partial_dir.glob("*.files")]:
            if path.stem in kept:
                continue
            if path.suffix == ".files" and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def hand_over(journal: Journal, partial_dir: Path, earlier: TransferId, later: TransferId) -> None:
    """Give what is stored of one transfer to another one of the same file.

    A crash in the middle costs what was stored, never a wrong byte: pieces without their part file
    do not count.

    Args:
        journal: Where both are recorded.
        partial_dir: The folder of the part files.
        earlier: The transfer that ends; its file may still be open.
        later: The transfer that goes on, whose file was not opened yet.

    Raises:
        StorageError: The disk or the journal refused.
    """
    part = part_path(partial_dir, earlier)
    with storage_errors(f"rename {part}"), suppress(FileNotFoundError):
        part.rename(part_path(partial_dir, later))
    journal.hand_over(earlier, later)


def part_path(partial_dir: Path, transfer_id: TransferId) -> Path:
    """Return where a transfer's part file is; its staging folder ends in `.files` instead.

    Raises:
        StorageError: The id is none.
    """
    if not _TRANSFER_ID.fullmatch(transfer_id):  # the wire checked it; a path deserves two looks
        raise StorageError(f"{transfer_id!r} is no transfer id.")
    return partial_dir / f"{transfer_id}.part"


def _holds(path: Path, size: int, digest: str) -> bool:
    """Say whether a regular file has this size and content."""
    with suppress(StorageError, TransferError), Source.open(path) as source:
        return source.snapshot.size == size and digests_match(source.digest(), digest)
    return False
