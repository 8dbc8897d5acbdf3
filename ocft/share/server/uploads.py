"""Takes sealed content from a sender, in pieces, so that a broken upload goes on where it was."""

from typing import Final

from starlette.requests import Request

from ocft.share.server.contents import StoredContent
from ocft.share.server.refusals import Conflict, NoSession, NoSpace, Refusal, ShuttingDown
from ocft.share.server.requests import body_pieces, upload_head
from ocft.share.server.service import Sessions
from ocft.share.server.sessions import Session
from ocft.share.working import in_thread

_PIECE: Final = 1 << 20  # bytes that are written at a time
_SYNCED: Final = 64 << 20  # bytes after which a loss of power loses no more


class Uploads:
    """The uploads of one server; one at a time of each session, the newest.

    Args:
        sessions: The server's.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def take(self, request: Request, session: Session) -> int:
        """Take the body of one request, and return how much is stored then.

        Raises:
            Refusal: It does not fit: not now, not there, or not at all.
        """
        offset, length, salt = upload_head(request)
        if self._sessions.is_closing:
            raise ShuttingDown
        content = _open(session)
        session.upload_turn += 1
        turn = session.upload_turn
        async with session.appending:  # an older one ends with the piece that it writes
            _check_turn(session, turn)
            await self._prepare(session, content, offset, length, salt)
            _check_turn(session, turn)  # nothing is promised to a session that ended meanwhile
            self._sessions.room.promise(session, length - offset)
        await self._append_all(request, session, content, turn)
        return content.stored

    async def _prepare(
        self, session: Session, content: StoredContent, offset: int, length: int, salt: bytes
    ) -> None:
        if content.length is None or (offset == 0 and salt != content.salt):
            if offset:
                raise _misplaced(0)
            before = content.stored
            self._sessions.room.promise(session, length, freed=before)
            try:
                await self._sessions.keeper.begin(session, length, salt)
            finally:
                self._sessions.room.give_back(session, before - content.stored)
        elif (length, salt) != (content.length, content.salt):
            raise Conflict("This is another content than the one that was begun.")
        if offset != content.stored:
            raise _misplaced(content.stored)

    async def _append_all(
        self, request: Request, session: Session, content: StoredContent, turn: int
    ) -> None:
        waiting = bytearray()
        idle = self._sessions.limits.idle_seconds
        try:
            async for piece in body_pieces(request, idle_seconds=idle):
                waiting += piece
                await self._sessions.turns.wait()
                if len(waiting) >= _PIECE:
                    await self._append(session, content, turn, waiting)
        finally:
            # What came before the connection broke is worth keeping.
            if waiting and session.upload_turn == turn and not session.is_over:
                await self._append(session, content, turn, waiting)
        _check_turn(session, turn)
        await self._sessions.keeper.sync(session)

    async def _append(
        self, session: Session, content: StoredContent, turn: int, waiting: bytearray
    ) -> None:
        data = bytes(waiting)
        waiting.clear()
        async with session.appending:
            _check_turn(session, turn)
            if content.length is None or content.stored + len(data) > content.length:
                raise Conflict("This is more than was declared.")
            self._sessions.room.take(session, len(data))
            before = content.stored
            try:
                await in_thread(content.append, data)
            except OSError as error:
                raise NoSpace("The server cannot keep this.") from error
            finally:
                self._sessions.room.give_back(session, len(data) - (content.stored - before))
            self._sessions.bytes_in += len(data)
            if content.stored - content.synced >= _SYNCED:
                await self._sessions.keeper.sync(session)


def _open(session: Session) -> StoredContent:
    content = session.stored
    if content is None or session.is_ready:
        raise Conflict("This session is complete.")
    return content


def _check_turn(session: Session, turn: int) -> None:
    if session.is_over:
        raise NoSession
    if session.is_ready or session.upload_turn != turn:
        raise Conflict("Another upload goes on with this.")


def _misplaced(stored: int) -> Refusal:
    refusal = Conflict("The upload goes on elsewhere.")
    refusal.headers.append(("Upload-Offset", str(stored)))
    return refusal
