"""Drives pairings by a spoken code (R-PAI): each with a deadline, at most a few at once."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from ocft.crypto import Identity, PairingCode, format_fingerprint
from ocft.errors import (
    ChannelClosedError,
    ChannelError,
    ConfigError,
    FingerprintChangedError,
    OcftError,
    PairingFailedError,
    PairingTimeoutError,
    WrongStateError,
)
from ocft.events import Event, PeerPaired
from ocft.ids import NodeId, TransferId
from ocft.protocol import Guesser, Paired, Prover
from ocft.runtime.wire2.post import Post
from ocft.runtime.wire2.sessions import Sessions
from ocft.runtime.wire2.trust import Trust
from ocft.storage import TrustedPeer
from ocft.wire import Pair

_log = logging.getLogger(__name__)
CODE_SECONDS: Final = 600.0
"""Seconds that a code lives (R-PAI-2)."""
_AFTERGLOW: Final = 60.0  # seconds in which the last step is repeated for who missed it
_LONGEST_WAIT: Final = 16.0
_MOST: Final = 8


@dataclass(slots=True, eq=False)
class _Shown:
    prover: Prover
    done: "asyncio.Future[Paired]"
    until: float
    author: str | None = None  # the account that proved to know the code
    is_warned: bool = False


@dataclass(slots=True, eq=False)
class _Typed:
    guesser: Guesser
    changed: asyncio.Event
    failure: OcftError | None = None
    author: str | None = None  # the account that answered


class Pairings:
    """All pairings of a node.

    Args:
        identity: Ours.
        node_id: Our id.
        name: What we call ourselves.
        trust: Where the peer goes.
        sessions: The root keys.
        post: The way of frames.
        clock: Seconds on the event loop's clock.
        tell: Takes events.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        node_id: NodeId,
        name: str,
        trust: Trust,
        sessions: Sessions,
        post: Post,
        clock: Callable[[], float],
        tell: Callable[[Event], None],
    ) -> None:
        self._identity = identity
        self._node_id = node_id
        self._name = name
        self._trust = trust
        self._sessions = sessions
        self._post = post
        self._clock = clock
        self._tell = tell
        self._shown: dict[int, _Shown] = {}
        self._typed: dict[int, _Typed] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    def wall_clock(self) -> float:
        """Return the seconds since the epoch."""
        return self._trust.wall_clock()

    async def show(
        self, code: PairingCode, *, name: str | None = None, within: float = CODE_SECONDS
    ) -> TrustedPeer:
        """Wait until somebody types the code; return the peer, which is trusted then.

        Args:
            code: From `make_pairing_code`; to be used once.
            name: What to call the peer here; None: as it calls itself.
            within: Seconds that the code lives.

        Raises:
            PairingFailedError: Somebody typed a wrong one, or nobody typed it in time.
            FingerprintChangedError: Who typed it takes the id of another node.
            WrongStateError: A pairing with this number, or too many, are under way.
            ChannelClosedError: The manager was closed meanwhile.
        """
        self._forget_old()
        if code.number in self._shown or len(self._shown) >= _MOST:
            raise WrongStateError("Too many pairings are under way. Try again in a minute.")
        prover = Prover(
            code, node_id=self._node_id, identity=self._identity.public, name=self._name
        )
        done = asyncio.get_running_loop().create_future()
        shown = _Shown(prover, done, self._clock() + within)
        self._shown[code.number] = shown
        try:
            async with asyncio.timeout(within):
                paired = await done
        except TimeoutError:
            raise PairingTimeoutError("Nobody typed the code in time. Make a new one.") from None
        finally:
            if not done.done() or done.cancelled() or done.exception() is not None:
                self._shown.pop(code.number, None)
        shown.until = self._clock() + _AFTERGLOW
        return self._trust_in(paired, shown.author, name)

    async def type_in(
        self, code: PairingCode, *, to: str, name: str | None = None, within: float = 60.0
    ) -> TrustedPeer:
        """Pair with whoever showed the code; return the peer, which is trusted then.

        Args:
            code: As it was typed.
            to: The address of the other side on the channel, or of the room.
            name: What to call the peer here; None: as it calls itself.
            within: Seconds to wait for it.

        Raises:
            PairingFailedError: The codes differ, or nobody answered.
            WrongStateError: A pairing with this number is under way.
            ChannelClosedError: The manager was closed meanwhile.
        """
        if code.number in self._typed or len(self._typed) >= _MOST:
            raise WrongStateError("A pairing with this code is under way.")
        guesser = Guesser(
            code, node_id=self._node_id, identity=self._identity.public, name=self._name
        )
        typed = self._typed[code.number] = _Typed(guesser, asyncio.Event())
        try:
            async with asyncio.timeout(within):
                await self._repeat(typed, to)
        except TimeoutError:
            raise PairingTimeoutError(
                "Nobody answered. Is the other side still showing the code, on this channel?"
            ) from None
        finally:
            del self._typed[code.number]
        if guesser.paired is None:
            raise PairingFailedError("The pairing came to no end.")
        return self._trust_in(guesser.paired, typed.author, name)

    def take(self, author: str, message: Pair) -> str | None:
        """Take in a step; return why it was ignored, or None."""
        if message.sender == self._node_id:
            return "echo"
        if not self._trust.may_write_from(message.sender, author):
            return "wrong-author"
        if not self._trust.allows_wire_2:
            return "not-allowed"
        if message.step in (1, 3):
            return self._take_as_prover(author, message)
        return self._take_as_guesser(author, message)

    async def close(self) -> None:
        """Stop what is under way; who waits for a pairing is told so."""
        self._is_closed = True
        for shown in self._shown.values():
            if not shown.done.done():
                shown.done.set_exception(_closed())
        for typed in self._typed.values():
            typed.failure = typed.failure or _closed()
            typed.changed.set()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _take_as_prover(self, author: str, message: Pair) -> str | None:
        self._forget_old()
        shown = self._shown.get(message.n)
        if shown is None:
            return "unknown-handshake"
        was_paired = shown.prover.paired is not None
        try:
            answer = shown.prover.take(message)
        except PairingFailedError as error:
            if not shown.done.done():
                shown.done.set_exception(error)
            return "not-proved"
        if answer is None:
            if message.step == 1 and not shown.is_warned:
                shown.is_warned = True
                _log.warning("somebody else, %r, tried the pairing code too", author)
            return "unexpected"
        self._send(author, answer)
        if shown.prover.paired is not None and not was_paired:
            # Not from a repeat, which anybody in the room can make.
            shown.author = author
            if not shown.done.done():
                shown.done.set_result(shown.prover.paired)
        return None

    def _take_as_guesser(self, author: str, message: Pair) -> str | None:
        typed = self._typed.get(message.n)
        if typed is None or typed.failure is not None or message.recipient != self._node_id:
            return "unknown-handshake"
        if typed.author is not None and typed.author != author:
            return "wrong-author"
        try:
            if not typed.guesser.take(message):
                return "unexpected"
        except PairingFailedError as error:
            typed.failure = error
        # Only now: a text that was no step must not keep the other side's away.
        typed.author = author
        typed.changed.set()
        return None

    async def _repeat(self, typed: _Typed, to: str) -> None:
        wait = 1.0
        while typed.guesser.paired is None:
            said = typed.guesser.to_send
            await self._try_to_send(typed.author or to, said)
            try:
                async with asyncio.timeout(wait):
                    await typed.changed.wait()
            except TimeoutError:
                wait = min(2 * wait, _LONGEST_WAIT)
            typed.changed.clear()
            if isinstance(typed.failure, ChannelClosedError):
                raise typed.failure
            if typed.failure is not None:
                # What it has to say now is that the codes differ: the other side need not wait.
                await self._try_to_send(typed.author or to, typed.guesser.to_send)
                raise typed.failure
            if typed.guesser.to_send is not said:
                wait = 1.0

    def _trust_in(self, paired: Paired, author: str | None, name: str | None) -> TrustedPeer:
        if self._is_closed:
            raise _closed()  # what could remember the peer is closed, too
        peers = self._trust.peers
        before = peers.find(paired.peer_id)
        self._require_own_place(paired, author)
        peer = replace(
            before or TrustedPeer(id=paired.peer_id),  # what it may do stays as it is
            name=None,
            expires_at=None,
            fingerprint=paired.identity.fingerprint,
        )
        # R-HSK-4: they may be another identity's, and the peer forgets them, too.
        self._sessions.forget(paired.peer_id)
        own_names = [before.name if before is not None else None, _presentable(paired.name)]
        for wanted in [name] if name is not None else [*filter(None, own_names), None]:
            try:
                named = replace(peer, name=wanted)
                peers.put(named)
            except ConfigError:
                if wanted is None or wanted == name:
                    raise
                continue  # another one is called like that
            peer = named
            break
        self._trust.pin(paired.peer_id, paired.identity, None, address=author)
        self._trust.approvals.remove(paired.peer_id)
        self._tell(
            PeerPaired(
                transfer_id=TransferId(""),
                peer_id=paired.peer_id,
                at=self._trust.wall_clock(),
                peer_name=peer.name or peer.id,
                fingerprint=format_fingerprint(paired.identity.fingerprint),
            )
        )
        return peer

    def _require_own_place(self, paired: Paired, author: str | None) -> None:
        """Refuse who has a code and takes another node's place with it: it proves no id (R-PAI-2).

        A node that pairs again has the identity that it had, or at least its account.
        """
        trust, peer_id = self._trust, paired.peer_id
        known = trust.fingerprint_of(peer_id)
        is_known = known is not None or trust.peers.find(peer_id) is not None
        is_same = known == paired.identity.fingerprint
        if is_known and not is_same and not (author and trust.is_account_of(peer_id, author)):
            raise FingerprintChangedError(
                f"{peer_id} is known with another identity and account than this node has. If it "
                "was set up anew, revoke it first, then pair again."
            )

    def _forget_old(self) -> None:
        now = self._clock()
        for number, shown in list(self._shown.items()):
            if shown.done.done() and now >= shown.until:
                del self._shown[number]

    def _send(self, address: str, frame: bytes) -> None:
        if len(self._tasks) >= 2 * _MOST:
            return
        task = asyncio.get_running_loop().create_task(self._try_to_send(address, frame))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try_to_send(self, address: str, frame: bytes) -> None:
        try:
            await self._post.send(address, frame, is_control=True)
        except ChannelError as error:
            _log.warning("a step of a pairing did not leave: %s", error)


def _closed() -> ChannelClosedError:
    return ChannelClosedError("The pairing ended with the manager, which was closed.")


def _presentable(name: str) -> str | None:
    """Return what a peer calls itself, if it can be shown as it is."""
    return name if name and name.isprintable() and name == name.strip() else None
