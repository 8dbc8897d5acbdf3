"""All sessions of one server: making, finding, ending them; the room that they take."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ocft.crypto import ShareKeys, is_share_id, make_p, make_token, seal_manifest, token_digest
from ocft.errors import ConfigError, StorageError
from ocft.share.contents import LiveContent
from ocft.share.happenings import (
    DownloadEnded,
    Observer,
    ReceiverConnected,
    SessionEnded,
    SessionReady,
    ShareEvent,
)
from ocft.share.limits import Limits
from ocft.share.manifest import ShareManifest, pack_share_manifest
from ocft.share.passwords import PasswordGate, PasswordSecret
from ocft.share.refusals import (
    Conflict,
    NoSession,
    NoSpace,
    RateLimited,
    ShuttingDown,
    SourceChanged,
    TooLarge,
)
from ocft.share.sessions import Download, Session
from ocft.share.stores import DiskStore, MemoryStore, Store
from ocft.share.turns import Turns
from ocft.share.working import in_thread
from ocft.storage import SourceSnapshot

_log = logging.getLogger(__name__)
_SWEEP_SECONDS: Final = 1.0
_MAX_SPOILT: Final = 100
_SPARE: Final = 64 << 20  # bytes of a disk that are left to others


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
        self._store: Store = store or MemoryStore()
        self._observer = observer
        self._sessions: dict[str, Session] = {}
        self._used = 0  # sealed bytes of all that is stored
        self._spoilt: OrderedDict[str, float] = OrderedDict()  # until when it is remembered
        self._removals: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    @property
    def bytes_stored(self) -> int:
        """Sealed bytes of all that is stored."""
        return self._used

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
            max_downloads: How many downloads may begin; None: any number.

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
            max_downloads: How many downloads may begin; None: any number.
            password: What a password is proved with, if there is one.

        Raises:
            Conflict: The id is taken.
            RateLimited: There are too many sessions.
            NoSpace: The disk refuses.
            ShuttingDown: The server ends.
        """
        if self.is_closing:
            raise ShuttingDown
        if not is_share_id(session_id):
            raise ValueError("no id of a session")
        if session_id in self._sessions:
            raise Conflict("This id is taken.")
        if len(self._sessions) >= self.limits.sessions:
            raise RateLimited("This server has too many sessions.", wait=60)
        try:
            place = self._store.place(session_id)  # one mkdir: no thread, so nobody comes between
        except StorageError as error:
            _log.warning("%s", error)
            raise NoSpace("The server cannot keep this.") from error
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
        await self.save(session)
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
        """
        session.drop(download)
        if download.is_started:
            self.counts["done" if ok else "failed"] += 1
            self.tell(DownloadEnded(session.id, download.name, ok, code))
        if not session.is_open(self.wall()) and not session.is_busy:
            self.end(session, self._reason(session))
        elif download.is_started:
            await self.save(session)

    async def complete(self, session: Session) -> None:
        """Open a session to receivers: all is there."""
        session.is_ready = True
        await self.save(session)
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
        self.give_back(session)
        self.counts["ended"] += 1
        if session.place is not None:
            removal = asyncio.ensure_future(in_thread(session.place.remove))
            self._removals.add(removal)
            removal.add_done_callback(self._removals.discard)
        self.tell(SessionEnded(session.id, reason))

    def spoil(self, session: Session) -> None:
        """End a session whose files changed; who asks again within a while is told why."""
        self._spoilt[session.id] = self.steady() + self.limits.resume_seconds
        while len(self._spoilt) > _MAX_SPOILT:
            self._spoilt.popitem(last=False)
        self.end(session, "source-changed")

    def check_room(self, size: int) -> None:
        """Refuse content that cannot fit.

        Args:
            size: Sealed bytes that are to come.

        Raises:
            TooLarge: More than a session may have.
            NoSpace: More than is free.
        """
        if size > self.limits.bytes_of_session:
            raise TooLarge(f"A session has at most {self.limits.bytes_of_session} bytes here.")
        free = self._store.free()
        has_room = free is None or size + _SPARE <= free
        if self._used + size > self.limits.bytes_in_total or not has_room:
            raise NoSpace("The server has no room for this.")

    def take(self, session: Session, size: int) -> None:
        """Take room for bytes that came.

        Raises:
            NoSpace: There is none.
        """
        if self._used + size > self.limits.bytes_in_total:
            raise NoSpace("The server has no room for this.")
        self._used += size
        session.taken += size

    def give_back(self, session: Session, size: int | None = None) -> None:
        """Give room back.

        Args:
            session: Whose.
            size: How much; None: all that it has.
        """
        size = session.taken if size is None else min(size, session.taken)
        self._used -= size
        session.taken -= size

    async def save(self, session: Session) -> None:
        """Keep what is to outlive the process."""
        if session.place is None or session.is_over:
            return
        with suppress(OSError):  # no room: what a restart would know is older than it could be
            await in_thread(session.place.save, session.state(), session.manifest)

    def load(self) -> None:
        """Take over what an earlier process kept; call it before the server is opened."""
        if not isinstance(self._store, DiskStore):
            return
        ours = set(self._sessions)
        for state, manifest, place in self._store.kept():
            if state.get("id") in ours:
                continue  # made by this process already
            try:
                session = self._restored(state, manifest, place)
            except (ValueError, KeyError, TypeError) as error:
                _log.warning("A session that was kept cannot be read (%s).", type(error).__name__)
                place.remove()
                continue
            if session.id in self._sessions or not (
                session.is_open(self.wall()) or session.is_busy
            ):
                place.remove()
                continue
            self._sessions[session.id] = session
            session.taken = place.content.stored
            self._used += session.taken

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
        for session in self:
            if is_kept and isinstance(self._store, DiskStore) and session.place is not None:
                await self.save(session)
                del self._sessions[session.id]
            else:
                self.end(session, "closed")
        while self._removals:
            await asyncio.wait(list(self._removals))

    def tell(self, event: ShareEvent) -> None:
        """Tell the observer."""
        if self._observer is not None:
            self._observer(event)

    def _restored(self, state: dict[str, Any], manifest: bytes | None, place: Any) -> Session:
        password = state["password"]
        gate = None
        if password is not None:
            secret = PasswordSecret(
                bytes.fromhex(password["p"]), bytes.fromhex(password["verifier"])
            )
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
            manifest=manifest,
        )
        session.restore(state, self.steady())
        return session

    def _reason(self, session: Session) -> str:
        return "used-up" if session.downloads_left == 0 else "expired"
