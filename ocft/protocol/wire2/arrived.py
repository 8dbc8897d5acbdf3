"""The receiver's view of the byte space: what came, what of it is stored, what may come now.

Bytes are written first and stored later; only what is stored is ever acknowledged (R-ARQ-1).
"""

from typing import Final

from ocft.errors import UnexpectedMessageError
from ocft.ranges import MOST_RANGES, Range, RangeSet

_AHEAD_OF_MANIFEST: Final = 64 * 1024  # bytes of the files that may come while it is checked
_WINDOW: Final = 64 * 1024 * 1024  # bytes that may be written before they are synced
_BUNDLES: Final = 6  # of the largest size, R-BUN-3


class Arrived:
    """What is here of one transfer.

    Args:
        size: Bytes of the byte space.
        manifest_size: Bytes of the manifest at its beginning.
        stored: What is on disk, and what is not wanted.
        largest_file: Bytes of the largest bundle that may come; 0: frames come as texts.
    """

    def __init__(
        self, size: int, manifest_size: int, stored: RangeSet, largest_file: int = 0
    ) -> None:
        self.size = size
        self.manifest_size = manifest_size
        self.stored = stored
        self._written = stored.copy()  # also what is not synced yet
        self._ahead = max(_AHEAD_OF_MANIFEST, _BUNDLES * largest_file)
        self._window = max(_WINDOW, _BUNDLES * largest_file)
        self.takes_bundles = largest_file > 0
        """Whether frames may come in native files."""

    @property
    def bytes_done(self) -> int:
        """Bytes of the files that are stored, or not wanted."""
        missing = sum(end - first for first, end in self.stored.missing(0, self.manifest_size))
        return self.stored.total() - (self.manifest_size - missing)

    @property
    def has_all(self) -> bool:
        """Whether everything is stored, or not wanted."""
        return self.stored.covers(0, self.size)

    @property
    def has_manifest(self) -> bool:
        """Whether the manifest is stored."""
        return self.stored.covers(0, self.manifest_size)

    def limit(self, *, is_decided: bool, is_manifest_known: bool) -> int:
        """Return the offset before which bytes may come now (R-MAN-3)."""
        if not is_decided:
            return self.manifest_size
        if not is_manifest_known:
            return min(self.size, self.manifest_size + self._ahead)
        return min(self.size, self.stored.first_missing() + self._window)

    def require_fit(self, first: int, end: int) -> None:
        """Check that some bytes do not open more ranges than there may be.

        Raises:
            UnexpectedMessageError: They do, and are to be dropped: they come again (R-ARQ-13).
        """
        if first < end and not self._written.takes(first, end):
            raise UnexpectedMessageError(f"bytes {first} to {end} are too far from all others")

    def is_new(self, first: int, end: int) -> bool:
        """Say whether any of these bytes is to be written."""
        return not self._written.covers(first, end)

    def write(self, first: int, end: int) -> None:
        """Note bytes that are written."""
        self._written.add(first, end)

    def store(self, first: int, end: int) -> None:
        """Note bytes that are stored, or not wanted."""
        self.stored.add(first, end)
        self._written.add(first, end)

    def lowest(self) -> tuple[Range, ...]:
        """Return what an ack can name, and one range more where there is one, to say so."""
        return tuple(self.stored.pairs(MOST_RANGES + 1))
