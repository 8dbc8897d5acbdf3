"""All sessions of one server: making, finding, ending them; the room that they take."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from ocft.crypto import ShareKeys, is_share_id, make_p, make_token, seal_manifest, token_digest
from ocft.errors import ConfigError
from ocft.share.manifest import ShareManifest, pack_share_manifest
from ocft.share.server.contents import LiveContent
from ocft.share.server.happenings import (
    DownloadEnded,
    Observer,
    ReceiverConnected,
    SessionEnded,
    SessionReady,
    ShareEvent,
)
from ocft.share.server.keeping import Keeper
from ocft.share.server.limits import Limits
from ocft.share.server.passwords import PasswordGate, PasswordSecret
from ocft.share.server.refusals import (
    Conflict,
    NoSession,
    NoSpace,
    RateLimited,
    ShuttingDown,
    SourceChanged,
)
from ocft.share.server.room import Room
from ocft.share.server.sessions import Download, Session
from ocft.share.server.stores import MemoryStore, Store
from ocft.share.server.turns import Turns
from ocft.storage import SourceSnapshot

_SWEEP_SECONDS: Final = 1.0
_MAX_SPOILT: Final = 100


class Sessions:
    """The sessions of one server.

    Args:
        store: Where those are kept that somebody uploads; memory, if nothing is said.
        limits: What this server takes.
        accepts_new: Whether anybody may make sessions here.
        observer: Told what happens, in the event loop.
        wall: Seconds since the epoch.
        steady: Seconds on a clock that does not go back.
    """

    def __init__(
        self,
        *,
        store: Store | None = None,
        limits: Limits | None = None,
        accepts_new: bool = False,
        observer: Observer | None = None,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or Limits()
        self.accepts_new = accepts_new
        self.is_closing = False
        self.wall = wall
        self.steady = steady
        self.counts = dict.fromkeys(("made", "ended", "joined", "done", "failed"), 0)
        self.bytes_out = 0
        self.bytes_in = 0
        self.turns = Turns()
        self.keeper = Keeper(MemoryStore() if store is None else store)
        self.room = Room(self.limits, self.keeper.free, steady)
        self._observer = observer
        self._sessions: dict[str, Session] = {}
        self._making: set[str] = set()  # ids whose places are being made
        self._spoilt: OrderedDict[str, float] = OrderedDict()  # until when it is remembered

    @property
    def count(self) -> int:
        """How many are not over."""
        # No `__len__`: with one, a server without sessions would be false.
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def add_live(
        self,
        keys: ShareKeys,
        manifest: ShareManifest,
        sources: list[tuple[Path, SourceSnapshot]],
        *,
        verifier: bytes | None = None,
        expires_in: float | None = None,
        max_downloads: int | None = None,
    ) -> Session:
        """Share files of this machine; they are sealed as they are read.

        Args:
            keys: Of the code.
            manifest: What is shared.
            sources: Its files' paths, and what each was like when the manifest was made.
            verifier: `password_verifier` of a password, if there is one.
            expires_in: Seconds; None: until the process ends.
            max_downloads: How many downloads there may be; None: any number.

        Raises:
            MalformedMessageError: No receiver would take the manifest.
            ConfigError: The code is in use here.
        """
        if keys.id in self._sessions:
            raise ConfigError("This code is in use already.")
        gate = PasswordGate(PasswordSecret(make_p(), verifier)) if verifier else None
        key = keys.key(gate.secret.p if gate else b"")
        session = Session(
            keys.id,
            LiveContent(keys.id, key, manifest.for_names(), sources),
            expires_at=None if expires_in is None else self.wall() + expires_in,
            max_downloads=max_downloads,
            gate=gate,
            manifest=seal_manifest(key, keys.id, pack_share_manifest(manifest)),
        )
        self._sessions[keys.id] = session
        self._spoilt.pop(keys.id, None)
        self.counts["made"] += 1
        return session

    async def make(
        self,
        session_id: str,
        *,
        expires_in: float,
        max_downloads: int | None = None,
        password: PasswordSecret | None = None,
    ) -> tuple[Session, str]:
        """Make a session that somebody puts sealed files into, and its sender key.

        Args:
            session_id: Of the sender's code.
            expires_in: Seconds; more than the limit is cut to it.
            max_downloads: How many downloads there may be; None: any number.
            password: What a password is proved with, if there is one.

        Raises:
            Conflict: The id is taken.
            RateLimited: There are too many sessions.
            NoSpace: The disk refuses.
            ShuttingDown: The server ends.
        """
        self._require_open()
        if not is_share_id(session_id):
            raise ValueError("no id of a session")
        if session_id in self._sessions or session_id in self._making:
            raise Conflict("This id is taken.")
        if len(self._sessions) + len(self._making) >= self.limits.sessions:
            raise RateLimited("This server has too many sessions.", wait=60)
        self._making.add(session_id)
        try:
            place = await self.keeper.place(session_id)
        finally:
            self._making.discard(session_id)
        try:
            self._require_open()
        except ShuttingDown:
            place.remove()
            raise
        sender_key = make_token()
        session = Session(
            session_id,
            place.content,
            expires_at=float(int(self.wall() + min(expires_in, self.limits.expires_in))),
            max_downloads=max_downloads,
            sender_key=token_digest(sender_key),
            gate=PasswordGate(password) if password else None,
            place=place,
        )
        self._sessions[session_id] = session
        self.counts["made"] += 1
        try:
            await self.keeper.save(session)
        except NoSpace:
            self.end(session, "closed")
            raise
        return session, sender_key

    def find(self, session_id: str) -> Session:
        """Return a session that is not over.

        Raises:
            NoSession: There is none.
            SourceChanged: It ended since its files are not what was shared any more.
        """
        if self._spoilt.get(session_id, 0.0) > self.steady():
            raise SourceChanged("A file was changed after it had been shared.")
        session = self._sessions.get(session_id)
        if session is None or session.is_over:
            raise NoSession
        if not session.is_open(self.wall()) and not session.is_busy:
            self.end(session, self._reason(session))
            raise NoSession
        return session

    def let_in(self, session: Session) -> tuple[Download, str]:
        """Let a receiver in.

        Raises:
            NoSession: Nobody new may come.
            RateLimited: There are too many.
            ShuttingDown: The server ends.
        """
        if self.is_closing:
            raise ShuttingDown
        if not session.is_open(self.wall()):
            raise NoSession
        download, token = session.let_in(self.limits, self.steady())
        self.counts["joined"] += 1
        self.tell(ReceiverConnected(session.id, download.name))
        return download, token

    async def finish(
        self, session: Session, download: Download, *, ok: bool | None, code: str | None = None
    ) -> None:
        """End a download.

        Args:
            session: Its session.
            download: Which one.
            ok: What its receiver says; None: nothing.
            code: The receiver's error.

        Raises:
            NoSession: It was over before.
        """
        if not session.drop(download):
            raise NoSession
        if ok and download.is_started:
            session.complete(download)
        if download.is_started:
            self.counts["done" if ok else "failed"] += 1
            self.tell(DownloadEnded(session.id, download.name, ok, code))
        if not session.is_open(self.wall()) and not session.is_busy:
            self.end(session, self._reason(session))
        elif download.is_started:
            await self.keeper.note(session)

    async def put_manifest(self, session: Session, sealed: bytes) -> None:
        """Keep the manifest of a session that is not ready, in place of an earlier one.

        Raises:
            Conflict: The session is complete.
            NoSession: It is over.
            NoSpace: The disk, or the quota, refuses.
        """
        if session.is_over:  # while its body came
            raise NoSession
        if session.is_ready or session.place is None:
            raise Conflict("This session is complete.")
        self.room.take(session, len(sealed))
        try:
            before = await self.keeper.put_manifest(session, sealed)
        except BaseException:
            self.room.give_back(session, len(sealed))
            raise
        self.room.give_back(session, before)

    async def complete(self, session: Session) -> None:
        """Open a session to receivers: all is there.

        Raises:
            NoSpace: The disk refuses; the session stays as it was.
        """
        session.is_ready = True
        try:
            await self.keeper.save(session)
        except NoSpace:
            session.is_ready = False
            raise
        if not session.is_over:
            self.tell(SessionReady(session.id))

    def end(self, session: Session, reason: str) -> None:
        """End a session and remove what is stored of it; more than once is fine."""
        if session.is_over:
            return
        session.is_over = True
        if self._sessions.get(session.id) is session:
            del self._sessions[session.id]
        for download in session:
            session.drop(download)
            if download.is_started:
                self.counts["failed"] += 1
                self.tell(DownloadEnded(session.id, download.name, None, None))
        self.room.give_back(session)
        self.counts["ended"] += 1
        self.keeper.remove(session)
        self.tell(SessionEnded(session.id, reason))

    def spoil(self, session: Session) -> None:
        """End a session whose files changed; who asks again within a while is told why."""
        self._spoilt[session.id] = self.steady() + self.limits.resume_seconds
        while len(self._spoilt) > _MAX_SPOILT:
            self._spoilt.popitem(last=False)
        self.end(session, "source-changed")

    def load(self) -> None:
        """Take over what an earlier process kept; call it before the server is opened."""
        for session in self.keeper.kept(self.steady()):
            is_over = not session.is_open(self.wall()) and not session.is_busy
            if (is_over or session.id in self._sessions) and session.place is not None:
                session.place.remove()
                continue
            self._sessions[session.id] = session
            self.room.take_over(session)

    def sweep(self) -> None:
        """End what is over by now."""
        wall, steady = self.wall(), self.steady()
        for session in self:
            for download in session.overdue(self.limits, steady):
                session.drop(download)
                if download.is_started:
                    self.counts["failed"] += 1
                    self.tell(DownloadEnded(session.id, download.name, None, None))
            if not session.is_open(wall) and not session.is_busy:
                self.end(session, self._reason(session))

    async def keep_swept(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.sweep()

    async def close(self, *, is_kept: bool = False) -> None:
        """End all sessions, unless they are kept for the next start."""
        self.is_closing = True
        kept = []
        for session in self:
            if is_kept and self.keeper.outlives and session.place is not None:
                kept.append(session)
                del self._sessions[session.id]
            else:
                self.end(session, "closed")
        await asyncio.gather(*(self.keeper.note(session) for session in kept))
        await self.keeper.close()

    def tell(self, event: ShareEvent) -> None:
        """Tell the observer."""
        if self._observer is not None:
            self._observer(event)

    def _require_open(self) -> None:
        if self.is_closing:
            raise ShuttingDown

    def _reason(self, session: Session) -> str:
        return "used-up" if session.downloads_left == 0 else "expired"
