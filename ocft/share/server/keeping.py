"""Keeps sessions in their store: in order, and off the threads that read content."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from ocft.crypto import is_share_id
from ocft.errors import StorageError
from ocft.share.server.disk_store import DiskStore
from ocft.share.server.passwords import PasswordGate, PasswordSecret
from ocft.share.server.refusals import Conflict, NoSession, NoSpace
from ocft.share.server.sessions import Session
from ocft.share.server.stores import Place, Store
from ocft.share.working import in_thread_of

_log = logging.getLogger(__name__)
_THREADS: Final = 4
"""Of their own: a disk that is slow to sync holds up nobody who only reads."""


class Keeper:
    """Keeps the sessions of one server.

    What is kept of one session is written by one thread at a time, and never older after newer.

    Args:
        store: Where.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ocft-keep")
        self._removals: set[asyncio.Task[None]] = set()

    @property
    def outlives(self) -> bool:
        """Whether what is kept is there after the process."""
        return isinstance(self._store, DiskStore)

    async def place(self, session_id: str) -> Place:
        """Make a place for a new session.

        Raises:
            NoSpace: The disk refuses.
        """
        try:
            # In a thread, though it is only a folder: while a disk syncs, even that waits for it.
            return await in_thread_of(self._threads, self._store.place, session_id)
        except StorageError as error:
            _log.warning("%s", error)
            raise NoSpace("The server cannot keep this.") from error

    def free(self) -> int | None:
        """Return the bytes that fit, or None where nothing but the quotas limits them."""
        return self._store.free()

    async def save(self, session: Session) -> None:
        """Keep what is to outlive the process.

        Raises:
            NoSpace: The disk refuses.
        """
        await self._write(session, lambda place: place.save(session.state()))

    async def note(self, session: Session) -> None:
        """Keep it if that is possible; else a restart knows what was known before."""
        try:
            await self.save(session)
        except NoSpace:
            _log.warning("What happened to a session cannot be kept: the disk refuses.")

    async def begin(self, session: Session, length: int, salt: bytes) -> None:
        """Begin the content anew, and keep that before any byte is kept.

        After a crash nobody goes on under another salt.

        Args:
            session: Whose content.
            length: Sealed bytes that are to come.
            salt: Of the stream.

        Raises:
            Conflict: The session is complete by now.
            NoSpace: The disk refuses.
        """

        def begin(place: Place) -> None:
            _require_unfinished(session)
            place.content.begin(length, salt)
            try:
                place.save(session.state())
            except OSError:
                place.content.drop()
                raise

        await self._write(session, begin)

    async def sync(self, session: Session) -> None:
        """Make sure that what came outlives a loss of power.

        Raises:
            NoSpace: The disk refuses.
        """

        def sync(place: Place) -> None:
            if place.content.synced != place.content.stored:
                place.content.sync()
                place.save(session.state())

        await self._write(session, sync)

    async def put_manifest(self, session: Session, sealed: bytes) -> int:
        """Keep a manifest, and return how long the one was that it replaces.

        Args:
            session: Whose.
            sealed: The manifest.

        Raises:
            Conflict: The session is complete by now.
            NoSpace: The disk refuses.
        """
        before = 0

        def put(place: Place) -> None:
            nonlocal before
            _require_unfinished(session)
            before = place.manifest_size
            place.put_manifest(sealed)

        await self._write(session, put)
        return before

    async def manifest(self, session: Session) -> bytes:
        """Return the sealed manifest of a session that has one.

        Raises:
            NoSession: It is over.
        """
        if session.manifest is not None:
            return session.manifest
        if session.place is None:
            raise NoSession
        try:
            return await in_thread_of(self._threads, session.place.manifest)
        except OSError as error:
            raise NoSession from error

    def remove(self, session: Session) -> None:
        """Begin to remove what is kept of a session."""
        if session.place is None:
            return
        removal = asyncio.ensure_future(self._remove(session, session.place))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)

    def kept(self, steady: float) -> Iterator[Session]:
        """Yield what an earlier process kept.

        Args:
            steady: Seconds on a clock that does not go back.
        """
        if not isinstance(self._store, DiskStore):
            return
        for state, place in self._store.kept():
            try:
                yield _restored(state, place, steady)
            except (ValueError, KeyError, TypeError) as error:
                _log.warning("A session that was kept cannot be read (%s).", type(error).__name__)
                place.remove()

    async def close(self) -> None:
        """Wait until everything is written and removed."""
        while self._removals:
            await asyncio.wait(list(self._removals))
        self._threads.shutdown(wait=False)

    async def _remove(self, session: Session, place: Place) -> None:
        # Else who writes just now would bring some of it back.
        async with session.appending, session.writing:
            await in_thread_of(self._threads, place.remove)

    async def _write(self, session: Session, write: Callable[[Place], None]) -> None:
        if session.place is None:
            return
        async with session.writing:
            if session.is_over:
                return
            try:
                await in_thread_of(self._threads, write, session.place)
            except OSError as error:
                _log.warning("A session cannot be kept: %s.", error.strerror)
                raise NoSpace("The server cannot keep this.") from error


def _require_unfinished(session: Session) -> None:
    # Asked again where nobody else writes: `complete` may have come while this waited.
    if session.is_ready:
        raise Conflict("This session is complete.")


def _restored(state: dict[str, Any], place: Place, steady: float) -> Session:
    password = state["password"]
    gate = None
    if password is not None:
        secret = PasswordSecret(bytes.fromhex(password["p"]), bytes.fromhex(password["verifier"]))
        gate = PasswordGate(secret, wrong=int(state["wrong"]))
    if not is_share_id(state["id"]):
        raise ValueError("no id")
    session = Session(
        state["id"],
        place.content,
        expires_at=state["expires_at"],
        max_downloads=state["max_downloads"],
        sender_key=bytes.fromhex(state["sender_key"]),
        gate=gate,
        place=place,
    )
    session.restore(state, steady)
    return session
