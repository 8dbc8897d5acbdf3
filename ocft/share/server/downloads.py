"""Sends sealed content to a receiver, off the event loop, and notices when nobody takes it."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from ocft.crypto import format_octets
from ocft.errors import OcftError, SourceChangedError
from ocft.share.server.contents import Answer, LiveContent
from ocft.share.server.happenings import DownloadProgress, DownloadStarted
from ocft.share.server.refusals import Conflict, NoSession, SourceChanged
from ocft.share.server.service import Sessions
from ocft.share.server.sessions import Download, Session
from ocft.share.working import in_thread

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class ContentAnswer:
    """One answer with content: an ASGI application.

    Args:
        sessions: Whose session it is.
        session: Which one; ready.
        download: Of the receiver that asks.
        start: Where it begins, in sealed bytes.
        length: Sealed bytes of all content.
        is_part: Whether a range was asked for.
    """

    def __init__(
        self,
        sessions: Sessions,
        session: Session,
        download: Download,
        *,
        start: int,
        length: int,
        is_part: bool,
    ) -> None:
        self._sessions = sessions
        self._session = session
        self._download = download
        self._start = start
        self._length = length
        self._is_part = is_part

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer the request."""
        download = self._download
        if scope["method"] == "HEAD":
            await self._begin(send, None)
            await send({"type": "http.response.body", "body": b""})
            return
        download.turn += 1
        turn = download.turn
        download.answers += 1
        gone: asyncio.Task[None] | None = None
        answer: Answer | None = None
        try:
            answer = await self._open()
            gone = asyncio.create_task(_until_gone(receive))
            await self._send_all(answer, turn, gone, send)
        finally:
            download.answers -= 1
            download.quiet_since = self._sessions.steady()
            if gone is not None:
                gone.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await gone
            if answer is not None:
                await in_thread(answer.close)

    async def _send_all(
        self, answer: Answer, turn: int, gone: asyncio.Task[None], send: "Send"
    ) -> None:
        session, download = self._session, self._download
        sent = self._start
        data = await self._read(answer)  # before anything is said: it may be gone
        if session.is_over or (
            not download.is_started and not session.is_open(self._sessions.wall())
        ):
            raise NoSession
        if session.start(download):
            await self._sessions.keeper.note(session)
        self._sessions.tell(DownloadStarted(session.id, download.name, sent))
        await self._begin(send, answer.salt)
        while data:
            if session.is_over or download.turn != turn or gone.done():
                raise ConnectionAbortedError("the answer is not wanted any more")
            # The next record is read and sealed while this one leaves.
            following = asyncio.create_task(self._read(answer))
            try:
                await self._sessions.turns.wait()
                await send({"type": "http.response.body", "body": data, "more_body": True})
            finally:
                await asyncio.wait([following])
            sent += len(data)
            self._sessions.bytes_out += len(data)
            self._sessions.tell(DownloadProgress(session.id, download.name, sent))
            data = following.result()
        if sent != self._length:
            raise ConnectionAbortedError("the content is not complete")
        if gone.done():
            raise ConnectionAbortedError("nobody knows what arrived")
        is_first = session.complete(download)
        await send({"type": "http.response.body", "body": b""})
        if is_first:
            await self._sessions.keeper.note(session)

    async def _open(self) -> Answer:
        try:
            return await in_thread(self._session.content.answer, self._start)
        except (OcftError, OSError) as error:
            raise self._lost() from error

    async def _read(self, answer: Answer) -> bytes:
        try:
            return await in_thread(answer.read)
        except (OcftError, OSError) as error:
            if isinstance(error, SourceChangedError) or self._has_changed():
                self._sessions.spoil(self._session)
            raise self._lost() from error

    def _lost(self) -> SourceChanged | Conflict:
        if isinstance(self._session.content, LiveContent):
            return SourceChanged("A file was changed after it had been shared.")
        return Conflict("The content cannot be read.")

    def _has_changed(self) -> bool:
        content = self._session.content
        return isinstance(content, LiveContent) and content.has_changed

    async def _begin(self, send: "Send", salt: bytes | None) -> None:
        headers = [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", str(self._length - self._start).encode("ascii")),
            (b"accept-ranges", b"bytes"),
        ]
        stored = self._session.stored
        if salt is None and stored is not None:
            salt = stored.salt  # of files that are sealed as they are read, each answer has its own
        if salt is not None:
            headers.append((b"ocft-salt", format_octets(salt).encode("ascii")))
        if self._is_part:
            place = f"bytes {self._start}-{self._length - 1}/{self._length}"
            headers.append((b"content-range", place.encode("ascii")))
        status = 206 if self._is_part else 200
        await send({"type": "http.response.start", "status": status, "headers": headers})


async def _until_gone(receive: "Receive") -> None:
    # A server may drop what is sent to nobody without a word, so somebody has to listen.
    while (await receive())["type"] != "http.disconnect":
        pass
