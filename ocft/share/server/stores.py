"""Where a service keeps its sessions: what all such places can do, and the one in memory."""

from typing import Any, Protocol

from ocft.crypto import RECORD
from ocft.share.server.contents import Answer, StoredContent


class Place(Protocol):
    """Where one session is kept."""

    content: StoredContent
    """Its content."""
    manifest_size: int
    """Bytes of its sealed manifest; 0: there is none yet."""

    def save(self, state: dict[str, Any]) -> None:
        """Keep what else there is to know, for the next start; in a worker thread.

        Raises:
            OSError: The disk refuses; what was kept before stays.
        """
        ...

    def put_manifest(self, sealed: bytes) -> None:
        """Keep a manifest, in place of an earlier one; in a worker thread.

        Raises:
            OSError: The disk refuses; what was kept before stays.
        """
        ...

    def manifest(self) -> bytes:
        """Return the manifest; in a worker thread.

        Raises:
            OSError: It is not there any more.
        """
        ...

    def remove(self) -> None:
        """Remove all of it; in a worker thread. More than once is fine."""
        ...


class Store(Protocol):
    """Makes places."""

    def place(self, session_id: str) -> Place:
        """Make a place for a new session; in a worker thread.

        Raises:
            StorageError: There is none.
        """
        ...

    def free(self) -> int | None:
        """Return the bytes that fit, or None where nothing but the quotas limits them."""
        ...


class MemoryStore:
    """Keeps sessions in memory: they are gone with the process."""

    def place(self, session_id: str) -> "MemoryPlace":  # noqa: ARG002 - places have no names here
        """Make a place for a new session."""
        return MemoryPlace()

    def free(self) -> None:
        """Return None: only the quotas limit what is kept."""
        return


class MemoryPlace:
    """One session in memory."""

    def __init__(self) -> None:
        self.content: StoredContent = _MemoryContent()
        self.manifest_size = 0
        self._manifest = b""

    def save(self, state: dict[str, Any]) -> None:
        """Do nothing: nothing outlives the process."""

    def put_manifest(self, sealed: bytes) -> None:
        """Keep a manifest."""
        self._manifest, self.manifest_size = sealed, len(sealed)

    def manifest(self) -> bytes:
        """Return the manifest."""
        return self._manifest

    def remove(self) -> None:
        """Let go of everything."""
        self.put_manifest(b"")
        self.content.drop()


class _MemoryContent(StoredContent):
    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._last = bytearray()  # grows, so that many small pieces are not copied again and again

    def answer(self, offset: int) -> Answer:
        return _MemoryAnswer([*self._pieces, bytes(self._last)], offset, self.salt)

    def _sync(self) -> None:
        pass

    def _clear(self) -> None:
        self._pieces = []
        self._last = bytearray()

    def _write(self, data: bytes) -> None:
        if not self._last and len(data) >= RECORD:
            self._pieces.append(data)
            return
        self._last += data
        if len(self._last) >= RECORD:
            self._pieces.append(bytes(self._last))
            self._last = bytearray()


class _MemoryAnswer:
    def __init__(self, pieces: list[bytes], offset: int, salt: bytes) -> None:
        self.salt = salt
        self._pieces = iter(pieces)
        self._skip = offset

    def read(self) -> bytes:
        for piece in self._pieces:
            if self._skip < len(piece):
                part, self._skip = piece[self._skip :], 0
                return part
            self._skip -= len(piece)
        return b""

    def close(self) -> None:
        self._pieces = iter(())
