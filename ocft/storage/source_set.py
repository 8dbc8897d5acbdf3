"""The byte space of a transfer, as its sender reads it: the manifest, then the files end to end."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ocft.errors import SourceChangedError
from ocft.storage.collecting import Collected
from ocft.storage.source import Source, SourceSnapshot, has_same_content
from ocft.wire import Manifest, ManifestFile, unpack_manifest

_MAX_TIME: Final = 253_402_300_799  # the last second of year 9999
_MAX_OPEN: Final = 32  # descriptors of one transfer, of the 256 that some systems allow a process


class SourceSet:
    """The files that are sent, each of them what it was when it was offered.

    Use it in one thread at a time.

    Args:
        manifest: As it is on the wire.
        sources: The files, in the order of the manifest, and what each was like when it was
            offered or confirmed last.

    Raises:
        MalformedMessageError: The manifest is none.
        SourceChangedError: These are not the files of the manifest.
    """

    def __init__(self, manifest: bytes, sources: Sequence[tuple[Path, SourceSnapshot]]) -> None:
        self._manifest = manifest
        self._files = unpack_manifest(manifest).files
        self._paths = [path for path, _ in sources]
        self._snapshots = [snapshot for _, snapshot in sources]
        if [file.size for file in self._files] != [one.size for one in self._snapshots]:
            raise SourceChangedError("The files to send are not those of the manifest.")
        self._starts: list[int] = []
        self.size = len(manifest)
        """Bytes of the byte space."""
        for file in self._files:
            self._starts.append(self.size)
            self.size += file.size
        self._open: OrderedDict[int, Source] = OrderedDict()  # the one used last is at the end
        self._only: Source | None = None  # the file, if there is only one and it is open

    @classmethod
    def open(cls, manifest: bytes, sources: Sequence[tuple[Path, SourceSnapshot]]) -> Self:
        """Open what was described; the files themselves are opened when they are read.

        Raises:
            MalformedMessageError: The manifest is none.
            SourceChangedError: These are not the files of the manifest.
        """
        return cls(manifest, sources)

    @staticmethod
    def describe(files: Iterable[Collected]) -> tuple[Manifest, list[SourceSnapshot]]:
        """Read all files and make the manifest; it takes a while, so call it in a worker thread.

        Raises:
            SourceNotFoundError: One of them is not there or cannot be read.
            SourceChangedError: One of them was changed while it was read.
        """
        described: list[ManifestFile] = []
        snapshots: list[SourceSnapshot] = []
        for file in files:
            with Source.open(file.path) as source:
                snapshot = source.snapshot
                modified = snapshot.mtime_ns // 1_000_000_000
                described.append(
                    ManifestFile(
                        name=file.name,
                        size=snapshot.size,
                        digest=bytes.fromhex(source.digest()),
                        # Before 1970, or after 9999: an accident, and nothing that a manifest says.
                        modified=modified if 0 <= modified <= _MAX_TIME else None,
                        is_executable=source.is_executable,
                    )
                )
                snapshots.append(snapshot)
        return Manifest(tuple(described)), snapshots

    @property
    def sources(self) -> list[tuple[Path, SourceSnapshot]]:
        """The files and what they were like when they were offered or confirmed last."""
        return list(zip(self._paths, self._snapshots, strict=True))

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from a place in the byte space.

        A file that is opened for it, and is another one than what was offered, is read whole first.

        Raises:
            SourceChangedError: A file is not what it was any more.
            SourceNotFoundError: A file is gone, or the disk refused.
        """
        if self._only is not None and offset >= len(self._manifest):  # nearly always; no copy
            return self._only.read(offset - len(self._manifest), length)
        if offset < 0 or offset + length > self.size:
            raise ValueError(f"bytes {offset} to {offset + length} of {self.size}")
        pieces = [self._manifest[offset : offset + length]]
        offset += len(pieces[0])
        length -= len(pieces[0])
        # The last file that begins here or before: those before it that begin here are empty.
        number = bisect_right(self._starts, offset) - 1
        while length:
            place = offset - self._starts[number]
            taken = min(length, self._files[number].size - place)
            if taken:
                pieces.append(self._source(number).read(place, taken))
            offset += taken
            length -= taken
            number += 1
        return b"".join(pieces)

    def touched(self) -> list[int]:
        """Return the numbers of the files that look different from when they were offered.

        Their content may still be the same: see :meth:`confirm`. Call it in a worker thread.

        Raises:
            SourceNotFoundError: A file is gone, or cannot be looked at.
        """
        touched = []
        for number, path in enumerate(self._paths):
            with Source.open(path) as source:
                if source.snapshot != self._snapshots[number]:
                    touched.append(number)
        return touched

    def confirm(self, number: int) -> None:
        """Accept a file as it is now, if its content is still what was offered.

        It reads the whole file, so call it in a worker thread.

        Raises:
            SourceChangedError: The content is another one.
            SourceNotFoundError: The file is gone, or the disk refused.
        """
        self._forget(number)
        with Source.open(self._paths[number]) as source:
            source.confirm(self._files[number].digest.hex())
            self._snapshots[number] = source.snapshot

    def close(self) -> None:
        """Close all files; closing twice is fine."""
        for number in list(self._open):
            self._forget(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _source(self, number: int) -> Source:
        if source := self._open.get(number):
            self._open.move_to_end(number)
            return source
        while len(self._open) >= _MAX_OPEN:
            self._forget(next(iter(self._open)))
        source = Source.open(self._paths[number])
        try:
            self._compare(number, source)
        except BaseException:
            source.close()
            raise
        self._snapshots[number] = source.snapshot
        self._open[number] = source
        if len(self._files) == 1:
            self._only = source
        return source

    def _compare(self, number: int, source: Source) -> None:
        offered = self._snapshots[number]
        if not has_same_content(source.snapshot, offered):
            raise SourceChangedError(f"{source.path} was changed after it had been offered.")
        if source.snapshot != offered:
            # Another file of the same size and time: a copy, or what somebody put in its place.
            source.confirm(self._files[number].digest.hex())

    def _forget(self, number: int) -> None:
        self._only = None
        if source := self._open.pop(number, None):
            source.close()
