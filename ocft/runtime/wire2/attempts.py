"""A handshake that this node begins: said again until it is answered (R-HSK)."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from ocft.crypto import Identity, format_fingerprint, session_keys
from ocft.errors import (
    FingerprintChangedError,
    MalformedMessageError,
    PeerTooOldError,
    UnsealError,
)
from ocft.events import ApprovalAwaited, Event
from ocft.ids import NodeId, TransferId
from ocft.protocol import Initiator
from ocft.runtime.wire2.sessions import LiveSession, Sessions
from ocft.runtime.wire2.trust import Trust
from ocft.wire import ControlFrame, Reply, Welcome

_log = logging.getLogger(__name__)
_HELLO_WAITS_IF_UNKNOWN: Final = (3.0, 5.0, 7.0)  # seconds after each, R-WIR-1
_FIRST_WAIT: Final = 2.0
_LONGEST_WAIT: Final = 60.0
_FIRST_FINISH_PATIENCE: Final = 30.0  # R-HSK-5: who restarted meanwhile never answers
_LONGEST_FINISH_PATIENCE: Final = 120.0  # who answers forgets a handshake then
_FIRST_PENDING_WAIT: Final = 15.0  # while the peer's owner decides
_LONGEST_PENDING_WAIT: Final = 300.0


class Attempt:
    """A handshake that we begin, until it has succeeded or cannot.

    Args:
        peer_id: With whom.
        identity: Ours.
        node_id: Our id.
        sessions: Where the root key goes.
        trust: What is known of the peer.
        send: Sends a frame to an address; what does not leave is repeated.
        clock: Seconds on the event loop's clock.
        tell: Takes events.
    """

    def __init__(
        self,
        peer_id: NodeId,
        *,
        identity: Identity,
        node_id: NodeId,
        sessions: Sessions,
        trust: Trust,
        send: Callable[[str, bytes], Awaitable[None]],
        clock: Callable[[], float],
        tell: Callable[[Event], None],
    ) -> None:
        self.task: asyncio.Task[LiveSession]
        """Set by whoever runs it."""
        self.waiting = 0
        """How many transfers wait for it."""
        self._peer_id = peer_id
        self._identity = identity
        self._node_id = node_id
        self._sessions = sessions
        self._trust = trust
        self._send = send
        self._clock = clock
        self._tell = tell
        self._changed = asyncio.Event()
        self._initiator: Initiator | None = None
        self._welcome: Welcome | None = None
        self._other: LiveSession | None = None  # the peer was faster
        self._failure: FingerprintChangedError | None = None
        self._has_replied = False

    async def run(self) -> LiveSession:
        """Return the root key as soon as both sides have it.

        Raises:
            PeerTooOldError: The peer does not answer in wire 2, and 1.0 may be spoken with it.
            FingerprintChangedError: It has another identity than the one that we know.
        """
        pending_wait, patience = _FIRST_PENDING_WAIT, _FIRST_FINISH_PATIENCE
        while True:
            session = await self._once(patience)
            if session is not None:
                return session
            if self._welcome is not None:
                self._say_pending()
            elif patience < _LONGEST_FINISH_PATIENCE:
                patience *= 2
                continue
            await self._wait(pending_wait, self._is_overtaken)
            pending_wait = min(2 * pending_wait, _LONGEST_PENDING_WAIT)

    def _say_pending(self) -> None:
        self._tell(
            ApprovalAwaited(
                transfer_id=TransferId(""),
                peer_id=self._peer_id,
                at=self._trust.wall_clock(),
                fingerprint=format_fingerprint(self._identity.public.fingerprint),
            )
        )

    def take_reply(self, reply: Reply) -> None:
        """Take in the answer to our HELLO.

        Raises:
            UnsealError: It is not.
        """
        if self._initiator is None:
            return
        try:
            self._initiator.take_reply(reply)
        except FingerprintChangedError as error:
            self._failure = error
        self._has_replied = True
        self._changed.set()

    def take_control(self, frame: ControlFrame) -> bool:
        """Take in a welcome; return whether the frame was sealed for this handshake."""
        initiator = self._initiator
        if initiator is None or initiator.root is None:
            return False
        if session_keys(initiator.root, is_initiator=True).open_tag != frame.tag:
            return False
        provisional = LiveSession.of(self._peer_id, initiator.root, is_initiator=True)
        with contextlib.suppress(UnsealError, MalformedMessageError):
            message = provisional.open(frame)
            if isinstance(message, Welcome):
                self._welcome = message
                self._changed.set()
        return True

    def finish_with(self, session: LiveSession) -> None:
        """End with the root key of a handshake that the peer began."""
        self._other = session
        self._changed.set()

    async def _once(self, patience: float) -> LiveSession | None:
        """Do one handshake; None if the peer's owner has not approved us, or it went astray.

        Args:
            patience: Seconds to wait for the welcome.
        """
        trust = self._trust
        self._welcome = None
        self._has_replied = False
        initiator = self._initiator = Initiator(
            self._identity,
            node_id=self._node_id,
            peer_id=self._peer_id,
            nonce=secrets.token_bytes(32),
            known=trust.fingerprint_of(self._peer_id),
            peer_secret=trust.secret_of(self._peer_id),
        )
        await self._say_hello(initiator)
        if initiator.finish is None:
            return self._other
        # Also when the peer's own handshake was faster: it may have taken our FINISH, and then it
        # seals with this root key (R-HSK-6).
        await self._repeat(initiator.finish, self._is_welcomed, within=patience)
        welcome = self._heard()
        if welcome is None:
            return self._other
        established = initiator.take_welcome(
            welcome,
            known=trust.fingerprint_of(self._peer_id),
            trusts_unknown=trust.may_use_wire_1(self._peer_id),
        )
        if established is None:
            return self._other
        proved = established.proved_secret
        # Where both sides use one secret, the peer has proved ours with its own (R-HSK-3).
        is_ours = proved is not None and proved in trust.secrets(trust.wall_clock())
        trust.pin(self._peer_id, established.identity, proved if is_ours else None)
        peer = trust.peer(self._peer_id)
        expires_at = peer.expires_at if peer is not None else None
        return self._sessions.add(established, expires_at=expires_at)

    def _is_overtaken(self) -> bool:
        """Say whether the peer's own handshake was faster."""
        return self._other is not None

    def _is_replied(self) -> bool:
        return self._has_replied or self._is_overtaken()

    def _is_welcomed(self) -> bool:
        return self._welcome is not None

    def _heard(self) -> Welcome | None:
        return self._welcome

    async def _say_hello(self, initiator: Initiator) -> None:
        node = self._trust.nodes.find(self._peer_id)
        speaks_wire_2 = node is not None and node.wire == "2"
        may_fall_back = self._trust.may_use_wire_1(self._peer_id) and not speaks_wire_2
        if not may_fall_back:
            await self._repeat(initiator.hello, self._is_replied, within=None)
            return
        for wait in _HELLO_WAITS_IF_UNKNOWN:
            await self._send(self._trust.address_of(self._peer_id), initiator.hello)
            if await self._wait(wait, self._is_replied):
                return
        self._trust.remember_as_wire_1(self._peer_id)
        raise PeerTooOldError(f"{self._peer_id} does not answer in wire 2.")

    async def _repeat(
        self, frame: bytes, is_answered: Callable[[], bool], *, within: float | None
    ) -> None:
        clock = self._clock
        wait, ends_at = _FIRST_WAIT, None if within is None else clock() + within
        while ends_at is None or clock() < ends_at:
            await self._send(self._trust.address_of(self._peer_id), frame)
            if ends_at is not None:
                wait = min(wait, ends_at - clock())
            if await self._wait(wait, is_answered):
                return
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _wait(self, seconds: float, is_answered: Callable[[], bool]) -> bool:
        """Wait until something is answered; say whether it was."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (is_answered() or self._failure is not None):
                    self._changed.clear()
                    await self._changed.wait()
        if self._failure is not None:
            raise self._failure
        return is_answered()
