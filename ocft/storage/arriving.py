"""A set of files that is being received: its part file and the journal, kept in step (wire 2).

One part file holds the whole byte space: the content first, so that a single file needs no copy to
become what it is, and the manifest behind it. What was written is synced, then recorded, and only
then it counts (R-ARQ-1). A power cut may take the newest records along, but nothing that they say;
the peer sends those bytes again.
"""

import hashlib
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from ocft.errors import DigestMismatchError, JournalError, StorageError
from ocft.ranges import Range, RangeSet
from ocft.storage.border import storage_errors
from ocft.storage.incoming import part_path
from ocft.storage.journal import Journal
from ocft.storage.partial import PartialFile
from ocft.storage.publishing import Publication, staging_folder
from ocft.storage.records import TransferRecord
from ocft.wire import Manifest, digest_of, digests_match

_PIECE: Final = 1024 * 1024  # bytes hashed at a time
_WORTH_DIGESTING: Final = 256 * 1024  # bytes; less may be written on the event loop
_MOST_REREAD: Final = 16 * 1024 * 1024  # bytes; what is there already would delay the acks


class ArrivingSet:
    """What is stored of one incoming set. Two threads may use it: the event loop and a worker.

    Offsets are those of the byte space: the manifest, then the files end to end.
    """

    def __init__(self, journal: Journal, record: TransferRecord, path: Path) -> None:
        self._journal = journal
        self._id = record.info.id
        self._digest = record.manifest_digest or record.info.digest
        self.manifest_size = record.manifest_size
        """Bytes of the manifest, at the beginning of the byte space."""
        self._content_size = record.info.size
        self._path = path
        self._part: PartialFile | None = None
        self._lock = threading.Lock()
        self._stored = RangeSet()  # never changed, but replaced: readers need no lock
        self._written = RangeSet()
        self._unsynced = RangeSet()
        self._first_end = 0  # of the first file in the byte space, if its digest is computed
        self._digested = 0  # bytes of it
        self._running = hashlib.sha256()
        self._digest_lock = threading.Lock()  # of these three
        self._unsynced_bytes = 0  # asked for every frame
        self.is_publishing = False
        """Whether the files are on their way to their names: all was stored, and only
        :meth:`publish` is left to be called, again after a crash."""

    @classmethod
    def open(cls, journal: Journal, record: TransferRecord, partial_dir: Path) -> Self:
        """Open a transfer's part file, and find out what of it is stored.

        Args:
            journal: Where the transfer is recorded.
            record: Its record: id, size, manifest size and manifest digest count.
            partial_dir: The folder for part files, on the file system of the final files.

        Raises:
            StorageError: The part file or the journal cannot be used.
        """
        arriving = cls(journal, record, part_path(partial_dir, record.info.id))
        try:
            arriving._restore()
        except BaseException:
            arriving.close()
            raise
        return arriving

    def _restore(self) -> None:
        if self._journal.staging(self._id) is not None:
            # The part file is being taken apart; the journal says how far.
            self.is_publishing = True
            self._stored = RangeSet([(0, self._size)])
        else:
            self._part = PartialFile.open(self._path)
            recorded = self._journal.synced(self._id)
            self._stored = RangeSet(self._in_file(recorded, self._part.size))
            if self._stored.pairs() != recorded:
                self._journal.replace_synced(
                    self._id, self._stored.pairs(), self._content_in(self._stored)
                )
                # New bytes make the file longer; with the old record they would seem to be others.
                self._journal.database.checkpoint()
        self._written = self._stored.copy()

    @property
    def stored(self) -> RangeSet:
        """What is on the disk for good; it does not change later."""
        return self._stored

    @property
    def written(self) -> RangeSet:
        """What was written, also what is not on the disk yet. Do not change it."""
        return self._written

    @property
    def unsynced_bytes(self) -> int:
        """How many bytes wait for :meth:`take_unsynced`."""
        return self._unsynced_bytes

    @property
    def has_unsynced(self) -> bool:
        """Whether any do."""
        return self._unsynced_bytes > 0

    @property
    def bytes_stored(self) -> int:
        """How many bytes of the files are stored, the manifest's not counted."""
        return self._content_in(self._stored)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write bytes that were verified; they count after :meth:`sync`.

        What is there already stays as it is: bytes that came twice change nothing.

        Raises:
            NotEnoughSpaceError: The disk or the quota is full.
            StorageError: The bytes are not inside the byte space, or the disk refused.
        """
        end = offset + len(data)
        if offset < 0 or end > self._size:
            raise StorageError(f"Bytes {offset} to {end} are not in a byte space of {self._size}.")
        with self._lock:
            if self._written.overlaps(offset, end):
                missing = list(self._written.missing(offset, end))
            else:  # nearly always; no copy
                missing = [(offset, end)] if data else []
        for first, last in missing:
            whole = last - first == len(data)
            self._put(first, data if whole else data[first - offset : last - offset])
            if whole:
                self._digest_from_memory(first, data)
            with self._lock:
                if self._written.overlaps(first, last):
                    # Another thread wrote there meanwhile: nobody knows whose bytes were hashed.
                    self._first_end = 0
                self._written.add(first, last)
                self._unsynced.add(first, last)
                self._unsynced_bytes += last - first

    def take_unsynced(self) -> list[Range]:
        """Return the ranges for the next :meth:`sync`: all that were written by now."""
        with self._lock:
            ranges = self._unsynced.pairs()
            self._unsynced = RangeSet()
            self._unsynced_bytes = 0
        return ranges

    def sync(self, ranges: Sequence[Range], at: float) -> None:
        """Bring ranges to the disk for good and record them; call it in a worker thread.

        Args:
            ranges: From :meth:`take_unsynced`.
            at: Seconds since the epoch.

        Raises:
            JournalError: The journal refused; the ranges wait for the next call.
            StorageError: The disk refused; the ranges do not count, and nothing more of this file
                can be synced. Close it.
        """
        if not ranges:
            return
        try:
            self._opened().sync()
        except StorageError:
            # The kernel may hold the lost pages for clean: nobody knows what is there.
            with self._lock:
                self._written = RangeSet([*self._stored.pairs(), *self._unsynced.pairs()])
            raise
        try:
            self._record(ranges, at)
            self._digest_further()
        except JournalError:
            with self._lock:
                for first, end in ranges:
                    self._unsynced.add(first, end)
                self._unsynced_bytes = self._unsynced.total()
            raise

    def verify_on_the_way(self, size: int) -> None:
        """Compute the digest of the first file while it arrives, if it has only begun to.

        Args:
            size: Bytes of the first file, which the manifest tells.
        """
        border = self.manifest_size
        stored = self._content_in(self._stored)
        if stored <= _MOST_REREAD and not self.is_publishing:
            self._first_end = border + size

    def _digest_from_memory(self, first: int, data: bytes | memoryview) -> None:
        """Go on with the digest of the first file with what was just written for the first time.

        It spares reading it back. What is small is left for the worker thread.
        """
        if len(data) < _WORTH_DIGESTING:
            return
        with self._digest_lock:
            is_next = first == self.manifest_size + self._digested
            if is_next and first + len(data) <= self._first_end:
                self._running.update(data)
                self._digested += len(data)

    def _digest_further(self) -> None:
        """Go on with the digest of the first file, as far as it is stored without a gap."""
        with self._digest_lock:
            self._digest_what_is_stored()

    def _digest_what_is_stored(self) -> None:
        while self._digested < self._first_end - self.manifest_size:
            first = self.manifest_size + self._digested
            gap = next(self._stored.missing(first, self._first_end), (self._first_end, 0))
            end = min(gap[0], first + _PIECE)
            if first >= end:
                return
            data = self._opened().read(self._digested, end - first)
            self._running.update(data)
            self._digested += len(data)
            if len(data) != end - first:
                self._first_end = 0  # somebody cut the file: the whole verification will tell
                return

    def _first_digest(self) -> bytes | None:
        """Return the digest of the first file, if it was computed on the way."""
        is_whole = 0 < self._digested == self._first_end - self.manifest_size
        return self._running.digest() if is_whole else None

    def mark_have(self, ranges: Sequence[Range], at: float | None = None) -> None:
        """Count ranges as stored whose files are not wanted, or are here already (R-ARQ-3).

        Doing it again changes nothing. After :meth:`open` it is to be done again, if the part file
        turned out to be shorter than it was.

        Args:
            ranges: Whole files, in the byte space.
            at: Seconds since the epoch; None does not count as progress.

        Raises:
            StorageError: The disk or the journal refused.
        """
        missing = [one for pair in ranges for one in self._stored.missing(*pair)]
        if missing:
            part = self._opened()
            if part.size < self._size:  # what is behind the end does not count
                part.truncate(self._size)
            self._record(missing, at)
            with self._lock:
                for first, end in missing:
                    self._written.add(first, end)

    def manifest_bytes(self) -> bytes | None:
        """Return the manifest; None while it is not stored.

        Raises:
            DigestMismatchError: It is not the one that was offered: forget everything.
            StorageError: The disk refused.
        """
        if self.is_publishing:
            return self._journal.manifest(self._id)
        if not self._stored.covers(0, self.manifest_size):
            return None
        data = self._opened().read(self._content_size, self.manifest_size)
        if not digests_match(digest_of(data), self._digest):
            raise DigestMismatchError("The manifest that arrived is not the one that was offered.")
        return data

    def publish(self, manifest: Manifest, left_out: Iterable[int], directory: Path) -> list[Path]:
        """Verify all wanted files and give them their names; call it in a worker thread.

        Nothing may be stored meanwhile. If it fails, or the process dies, it can be called again
        with the same arguments; also once more after it was done.

        Args:
            manifest: The files.
            left_out: The numbers of those that are not wanted, or that are here already.
            directory: The folder to save them in.

        Returns:
            Where the files and folders at the top of the manifest are now.

        Raises:
            DigestMismatchError: Bytes are missing, and what is stored is kept; or a file is
                another one, and everything is forgotten.
            UnsafeNameError: A name is not safe; nothing was written.
            StorageError: The disk or the journal refused; what is stored is kept.
        """
        skipped = frozenset(left_out)
        if manifest.content_size != self._content_size:
            raise DigestMismatchError("The files of the manifest are not those of the offer.")
        for number, first in enumerate(manifest.offsets()):
            place = self.manifest_size + first
            if number not in skipped and not self._stored.covers(
                place, place + manifest.files[number].size
            ):
                raise DigestMismatchError(
                    f"Only {self.bytes_stored} of {self._content_size} bytes arrived. Resume the"
                    " transfer."
                )
        if not self.is_publishing and (data := self.manifest_bytes()) is not None:
            self._journal.save_manifest(self._id, data)  # the part file loses it first
        publication = Publication(
            self._journal,
            self._id,
            self._path,
            manifest=manifest,
            left_out=skipped,
            directory=directory,
            first_digest=self._first_digest(),
        )
        try:
            paths = publication.run()
        except DigestMismatchError:
            self.discard()
            raise
        except BaseException:
            self.is_publishing = self._journal.staging(self._id) is not None
            raise
        self.is_publishing = True
        self.close()
        return paths

    def discard(self) -> None:
        """Forget everything that is stored, and remove it from the disk.

        Raises:
            StorageError: The disk or the journal refused.
        """
        self.close()
        self._journal.forget_pieces(self._id)
        # A new part file must not meet an old record, not even after a power cut.
        self._journal.database.checkpoint()
        with self._lock:
            self._stored, self._written, self._unsynced = RangeSet(), RangeSet(), RangeSet()
            self._unsynced_bytes = 0
            self.is_publishing = False
        with storage_errors(f"remove {self._path}"):
            self._path.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.rmtree(staging_folder(self._path))

    def close(self) -> None:
        """Close the part file; what is stored stays. Closing twice is fine."""
        if self._part is not None:
            self._part.close()

    @property
    def _size(self) -> int:
        return self.manifest_size + self._content_size

    def _opened(self) -> PartialFile:
        if self._part is None:
            raise StorageError(f"{self._path} is being saved.")
        return self._part

    def _put(self, first: int, data: bytes | memoryview) -> None:
        """Write bytes of the byte space at their places in the file."""
        part, border = self._opened(), self.manifest_size
        if first >= border:
            part.write(first - border, data)
        elif first + len(data) <= border:
            part.write(self._content_size + first, data)
        else:
            part.write(self._content_size + first, data[: border - first])
            part.write(0, data[border - first :])

    def _record(self, ranges: Sequence[Range], at: float | None) -> None:
        with self._lock:
            stored = self._stored.copy()
            for first, end in ranges:
                stored.add(first, end)
            self._journal.add_synced(self._id, ranges, self._content_in(stored), at)
            self._stored = stored

    def _content_in(self, ranges: RangeSet) -> int:
        border = self.manifest_size
        missing = sum(end - first for first, end in ranges.missing(border, self._size))
        return self._content_size - missing

    def _in_file(self, ranges: Iterable[Range], length: int) -> Iterator[Range]:
        """Yield what of some ranges is inside a file of this length."""
        border = self.manifest_size
        content_end = border + min(length, self._content_size)
        manifest_end = min(max(0, length - self._content_size), border)
        for first, end in ranges:
            for least, most in ((0, manifest_end), (border, content_end)):
                if max(first, least) < min(end, most):
                    yield max(first, least), min(end, most)
