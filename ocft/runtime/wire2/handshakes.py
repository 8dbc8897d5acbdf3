"""All handshakes of a node: begun when a root key is needed, answered when others begin (R-HSK)."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from ocft.crypto import Identity
from ocft.errors import ChannelError, FingerprintChangedError, MessageTooLongError, UnsealError
from ocft.events import Event
from ocft.ids import NodeId
from ocft.runtime.wire2.answers import MOST_OPEN, Answers
from ocft.runtime.wire2.attempts import Attempt
from ocft.runtime.wire2.post import Post
from ocft.runtime.wire2.sessions import LiveSession, Sessions
from ocft.runtime.wire2.spaced import SpacedLog
from ocft.runtime.wire2.trust import Trust
from ocft.wire import ControlFrame, Finish, Hello, Reply

_log = logging.getLogger(__name__)


class Handshakes:
    """All handshakes of a node.

    Args:
        identity: Ours.
        node_id: Our id.
        sessions: Where root keys go.
        trust: Who may have one.
        post: The way of frames.
        clock: Seconds on the event loop's clock.
        tell: Takes events.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        node_id: NodeId,
        sessions: Sessions,
        trust: Trust,
        post: Post,
        clock: Callable[[], float],
        tell: Callable[[Event], None],
    ) -> None:
        self._identity = identity
        self._node_id = node_id
        self._sessions = sessions
        self._trust = trust
        self._post = post
        self._clock = clock
        self._tell = tell
        self._log = SpacedLog(_log, clock)
        self._attempts: dict[NodeId, Attempt] = {}
        self._answers = Answers(
            identity,
            node_id=node_id,
            sessions=sessions,
            trust=trust,
            send=self._send_in_background,
            on_session=self._finish_attempt,
            clock=clock,
            tell=tell,
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._answering = 0  # answers to others that are on their way out

    async def session_with(self, peer_id: NodeId, *, anew: bool = False) -> LiveSession:
        """Return a root key shared with a peer; make one if there is none.

        It takes as long as the peer, or its owner, takes: set a time-out.

        Args:
            peer_id: The peer.
            anew: Whether to make one although there is one (R-HSK-7).

        Raises:
            PeerTooOldError: The peer does not answer in wire 2, and 1.0 may be spoken with it.
            FingerprintChangedError: It has another identity than the one that we know.
            MessageTooLongError: The channel cannot carry a handshake.
        """
        session = self._sessions.newest(peer_id)
        if session is not None and not anew:
            return session
        attempt = self._attempts.get(peer_id)
        if attempt is None:
            attempt = self._attempts[peer_id] = Attempt(
                peer_id,
                identity=self._identity,
                node_id=self._node_id,
                sessions=self._sessions,
                trust=self._trust,
                send=self._send,
                clock=self._clock,
                tell=self._tell,
            )
            attempt.task = self._in_background(attempt.run())
            attempt.task.add_done_callback(lambda _: self._end(peer_id, attempt))
        attempt.waiting += 1
        try:
            return await asyncio.shield(attempt.task)
        finally:
            attempt.waiting -= 1
            if not attempt.waiting and not attempt.task.done():
                attempt.task.cancel()
                self._end(peer_id, attempt)  # at once: who comes now must not wait for this one

    def take(self, author: str, message: Hello | Reply | Finish) -> str | None:
        """Take in a frame of a handshake; return why it was ignored, or None.

        Args:
            author: Who sent it, by the platform's word.
            message: The frame.
        """
        if message.recipient != self._node_id:
            return "not-for-us"
        if message.sender == self._node_id:
            return "echo"
        sender = message.sender
        is_addressed = sender in self._attempts
        if not self._trust.may_write_from(sender, author, is_addressed=is_addressed):
            return "wrong-author"  # R-HSK-0
        try:
            return self._take_in(author, message)
        except FingerprintChangedError:
            self._log.warning(
                "%r, in a text of %r, has another identity than before", sender, author
            )
            return "fingerprint-changed"
        except UnsealError as error:
            _log.debug("%r: a handshake failed: %s", sender, error)
            return "not-proved"

    def _take_in(self, author: str, message: Hello | Reply | Finish) -> str | None:
        match message:
            case Hello():
                return self._answers.take_hello(author, message)
            case Finish():
                return self._answers.take_finish(author, message)
            case Reply():
                attempt = self._attempts.get(message.sender)
                if attempt is None:
                    return "unknown-handshake"
                if not self._trust.is_account_of(message.sender, author):
                    return "wrong-author"
                attempt.take_reply(message)
                return None

    def take_control(self, author: str, frame: ControlFrame) -> bool:
        """Take in a welcome to one of our attempts; return whether it was one."""
        return any(
            attempt.take_control(frame)
            for peer_id, attempt in list(self._attempts.items())
            if self._trust.is_account_of(peer_id, author)  # T-1
        )

    async def close(self) -> None:
        """Stop what is under way."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _end(self, peer_id: NodeId, attempt: Attempt) -> None:
        if self._attempts.get(peer_id) is attempt:
            del self._attempts[peer_id]

    def _finish_attempt(self, peer_id: NodeId, session: LiveSession) -> None:
        """Both began at the same time, and the peer was faster (R-HSK-6)."""
        if (attempt := self._attempts.get(peer_id)) is not None:
            attempt.finish_with(session)

    def _send_in_background(self, address: str, frame: bytes) -> None:
        if self._answering < 2 * MOST_OPEN:  # what is left out is asked for again
            self._answering += 1
            self._in_background(self._answer(address, frame))

    async def _answer(self, address: str, frame: bytes) -> None:
        try:
            await self._send(address, frame)
        except MessageTooLongError as error:
            self._log.warning("an answer to a handshake did not leave: %s", error)
        finally:
            self._answering -= 1

    async def _send(self, address: str, frame: bytes) -> None:
        try:
            await self._post.send(address, frame, is_control=True)
        except MessageTooLongError:
            raise  # it never will
        except ChannelError as error:
            self._log.warning("a handshake's text did not leave: %s", error)

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it gets it
