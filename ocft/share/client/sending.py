"""Puts files into a session that a server keeps: sealed here, and sent on after a broken line."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from ocft.crypto import (
    RECORD,
    SEALED_RECORD,
    RecordSealer,
    ShareKeys,
    make_salt,
    record_count,
    seal_manifest,
    sealed_size,
)
from ocft.errors import (
    MalformedAnswerError,
    RateLimitedError,
    ServerUnreachableError,
    SessionConflictError,
)
from ocft.share.client.api import ShareClient
from ocft.share.client.patience import Listener, Patience, patiently, unheard
from ocft.share.manifest import ShareManifest, pack_share_manifest
from ocft.share.working import in_thread
from ocft.storage import SourceSet, SourceSnapshot
from ocft.wire import Manifest, pack_manifest

T = TypeVar("T")

_MOST_RECORDS: Final = 64  # in one request: what is in between may have a limit for bodies
_FEWEST_RECORDS: Final = 4  # so few that a server reads them to their end before it refuses them
_MAX_CONFLICTS: Final = 5  # in a row without a byte: then somebody else puts files there too


@dataclass(frozen=True, slots=True)
class SharedFiles:
    """Files that were read, and described for those who get them."""

    manifest: Manifest
    """As `SourceSet.describe` gives it."""
    sources: Sequence[tuple[Path, SourceSnapshot]]
    """Their paths, and what each was like then."""
    description: ShareManifest
    """What receivers see."""


class Upload:
    """Puts files into one session. Its salt is for these files as they are now, and no others.

    Args:
        client: Speaks to the server about the session.
        keys: The session's.
        files: What is put there.
        p: What the key needs beside the code; nothing without a password.
        salt: Of an earlier run for the same files, which is gone on with; None: a new one.
        tell: Told how many bytes of the content are there, and of how many.
        wait: Told when nothing moves.
    """

    def __init__(
        self,
        client: ShareClient,
        keys: ShareKeys,
        files: SharedFiles,
        *,
        p: bytes = b"",
        salt: bytes | None = None,
        tell: Callable[[int, int], None] = lambda _done, _size: None,
        wait: Listener = unheard,
    ) -> None:
        self._client = client
        self._id = keys.id
        self._key = keys.key(p)
        self._files = files
        self._tell = tell
        self._wait = wait
        self._size = files.manifest.content_size
        self._sealed_size = sealed_size(self._size)
        self._salt = salt or make_salt()
        self._records = _FEWEST_RECORDS  # in the next request

    async def run(self, sender_key: str) -> int:
        """Put everything there, and say that it is complete.

        Args:
            sender_key: The session's.

        Returns:
            Bytes of the content that were there already.

        Raises:
            NotAuthorisedError: The key is not the session's.
            SourceChangedError: A file is not what it was when it was described.
            OcftError: What the server or the network says.
        """
        # Asked first: a wrong key is told before anything is read, let alone sent. What was put
        # there under another salt is dropped: somebody else, or another file, began.
        offset = await self._stored(sender_key)
        before = min(offset // SEALED_RECORD * RECORD, self._size)
        if offset == self._sealed_size and (await self._patiently(self._client.look)).is_ready:
            return self._size  # an earlier run ended before it heard that all is there
        sealed = seal_manifest(self._key, self._id, pack_share_manifest(self._files.description))
        await self._put_content(sender_key, offset)
        await self._patiently(lambda: self._client.put_manifest(sender_key, sealed))
        await self._patiently(lambda: self._client.complete(sender_key))
        return before

    async def _put_content(self, sender_key: str, offset: int) -> None:
        """Send the content, over as many connections as it takes."""
        patience, conflicts = Patience(self._wait), 0
        packed = pack_manifest(self._files.manifest)
        with SourceSet.open(packed, self._files.sources) as source:
            while offset < self._sealed_size:
                before = offset
                try:
                    offset = await self._put(sender_key, source, offset)
                except (ServerUnreachableError, RateLimitedError) as error:
                    # Perhaps it was refused, and the answer was lost with the connection.
                    self._records = _FEWEST_RECORDS
                    await patience.pause(error)
                    offset = await self._stored(sender_key)
                except SessionConflictError:
                    conflicts += 1
                    if conflicts > _MAX_CONFLICTS:
                        raise
                    offset = await self._stored(sender_key)
                else:
                    self._records = min(2 * self._records, _MOST_RECORDS)
                if offset > before:
                    patience, conflicts = Patience(self._wait), 0

    async def _stored(self, sender_key: str) -> int:
        """Return how much of our stream the server has; of another one, it is nothing."""
        stored = await self._patiently(lambda: self._client.stored(sender_key))
        offset = stored.offset if stored.salt == self._salt else 0
        return self._checked(offset)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await patiently(ask, None, Patience(self._wait))

    def _checked(self, offset: int) -> int:
        if offset > self._sealed_size:
            raise MalformedAnswerError("The server says that it has more than there is.")
        return offset

    async def _put(self, sender_key: str, source: SourceSet, offset: int) -> int:
        """Send what is missing over one connection; return what the server has then."""
        end = min(self._sealed_size, (offset // SEALED_RECORD + self._records) * SEALED_RECORD)
        stored = await self._client.put_content(
            sender_key,
            self._pieces(source, offset, end),
            offset=offset,
            length=end - offset,
            size=self._sealed_size,
            salt=self._salt,
        )
        return self._checked(stored)

    async def _pieces(self, source: SourceSet, offset: int, end: int) -> AsyncIterator[bytes]:
        """Yield some of the sealed content; the next record is sealed while one leaves."""
        sealer = RecordSealer(self._key, self._id, self._salt, record_count(self._size))
        count = -(-end // SEALED_RECORD)
        number, skipped = divmod(offset, SEALED_RECORD)
        sealing = asyncio.ensure_future(in_thread(self._seal, source, sealer, number))
        try:
            while True:
                piece = await sealing
                number += 1
                if number < count:
                    sealing = asyncio.ensure_future(in_thread(self._seal, source, sealer, number))
                yield piece[skipped:]
                skipped = 0
                self._tell(min(number * RECORD, self._size), self._size)
                if number >= count:
                    return
        finally:
            if not sealing.done():
                await asyncio.wait([sealing])  # the file is not closed under its reader
            if not sealing.cancelled():
                sealing.exception()

    def _seal(self, source: SourceSet, sealer: RecordSealer, number: int) -> bytes:
        place = source.size - self._size + number * RECORD
        return sealer.seal(number, source.read(place, min(RECORD, source.size - place)))
