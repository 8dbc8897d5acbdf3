"""What a TransferManager can do about peers: pair with them, approve, deny and revoke them."""

import abc
import asyncio
from collections.abc import Callable
from pathlib import Path

from ocft.crypto import Identity, PairingCode, format_fingerprint, parse_pairing_code
from ocft.errors import ChannelClosedError, ConfigError, UnknownPeerError
from ocft.ids import NodeId
from ocft.runtime.engine import Engine
from ocft.runtime.wire2 import CODE_SECONDS, Sealing, Trust
from ocft.storage import (
    Journal,
    PeerStore,
    TrustedPeer,
    TrustRequest,
    approve,
    is_fingerprint_of,
    load_or_make_identity,
)


class PeerMethods(abc.ABC):
    """The part of a :class:`~ocft.runtime.TransferManager` that is about peers.

    The manager gives it what is declared here.
    """

    _given_peers: list[TrustedPeer]
    _peers: PeerStore | None
    _identity: Identity | None
    _state_dir: Path
    _wall_clock: Callable[[], float]
    _trust: Trust | None
    _sealing: Sealing | None

    @property
    @abc.abstractmethod
    def _journal(self) -> Journal:
        """The open journal."""

    @abc.abstractmethod
    def _start(self) -> Engine:
        """Start the manager, unless it runs."""

    @property
    def peers(self) -> PeerStore:
        """Whom this node trusts: to be looked at and changed at any time."""
        if self._peers is None:
            self._peers = PeerStore(self._journal.database, self._given_peers)
        return self._peers

    def fingerprint(self) -> str:
        """Return what people compare to be sure that they talk to this node.

        Raises:
            ConfigError: Wire 2 is switched off, or the keys cannot be read.
        """
        return format_fingerprint(self._identity_or_make().public.fingerprint)

    async def show_pairing_code(
        self, code: PairingCode, *, name: str | None = None, within: float = CODE_SECONDS
    ) -> TrustedPeer:
        """Wait until a person types the code at the other node; then both trust each other.

        Args:
            code: From `ocft.crypto.make_pairing_code`; show its `text` to a person.
            name: What to call the peer; None: as it calls itself.
            within: Seconds that the code lives.

        Raises:
            PairingFailedError: A wrong code was typed, or none in time.
        """
        self._start()
        peer = await self._sealed().pairings.show(code, name=name, within=within)
        await asyncio.to_thread(self._journal.database.checkpoint)  # who is told relies on it
        return peer

    async def pair(
        self, code: str, to: str, *, name: str | None = None, within: float = 60.0
    ) -> TrustedPeer:
        """Pair with the node that shows this code; then both trust each other.

        Args:
            code: As a person typed it.
            to: The node's address on the channel, or the room's.
            name: What to call the peer; None: as it calls itself.
            within: Seconds to wait for it.

        Raises:
            PairingFailedError: The code is wrong, or nobody answered.
            ConfigError: This is no code.
        """
        self._start()
        parsed = parse_pairing_code(code)
        peer = await self._sealed().pairings.type_in(parsed, to=to, name=name, within=within)
        await asyncio.to_thread(self._journal.database.checkpoint)
        return peer

    def trust_requests(self) -> list[TrustRequest]:
        """Return the strangers that ask to be trusted, the oldest first."""
        self._start()
        return self._trust_or_fail().approvals.list(self._wall_clock())

    def approve(
        self,
        id_or_fingerprint: str,
        *,
        name: str | None = None,
        expires_at: float | None = None,
    ) -> TrustedPeer:
        """Trust a stranger that asked; compare its fingerprint on another way first.

        What was said about a peer with this id before stays, but for `expires_at`.

        Args:
            id_or_fingerprint: All of it: a part could be somebody else's, too.
            name: What to call it; None: as before.
            expires_at: When the trust ends, in seconds since the epoch; None: never.

        Raises:
            UnknownPeerError: Nobody like this asks.
            FingerprintChangedError: It is a peer that is known with another fingerprint.
            ConfigError: The name is not valid or taken.
        """
        self._start()
        trust = self._trust_or_fail()
        request = trust.approvals.get(id_or_fingerprint, self._wall_clock())
        if not (is_fingerprint_of(request, id_or_fingerprint) or request.id == id_or_fingerprint):
            raise UnknownPeerError("Give the whole id or fingerprint.")
        peer = approve(
            request,
            peers=self.peers,
            nodes=trust.nodes,
            approvals=trust.approvals,
            name=name,
            expires_at=expires_at,
        )
        self._journal.database.checkpoint()  # a power cut must not take it back
        return peer

    def deny(self, id_or_fingerprint: str) -> None:
        """Forget a stranger's request.

        Raises:
            UnknownPeerError: Nobody like this asks.
        """
        self._start()
        approvals = self._trust_or_fail().approvals
        approvals.remove(approvals.get(id_or_fingerprint, self._wall_clock()).id)

    def revoke(self, peer_id: str) -> None:
        """Trust a peer no longer: its live transfers end, its keys are forgotten.

        Who is no peer, but has proved our secret, can be named by its id. Anybody who knows the
        secret can come back with it as long as it counts.

        Raises:
            UnknownPeerError: No trusted peer has this name or id.
            ConfigError: It was given to the manager when it was made.
        """
        engine, trust = self._start(), self._trust_or_fail()
        node_id = NodeId(peer_id)
        if self.peers.find(node_id) is not None or not trust.knows_our_secret(node_id):
            node_id = NodeId(self.peers.remove(peer_id).id)
        engine.trust_watch.revoke(node_id)
        trust.nodes.forget(node_id)
        if self._sealing is not None:
            self._sealing.wire.sessions.forget(node_id)
        self._journal.database.checkpoint()  # nor bring a trust back that was ended

    def _identity_or_make(self) -> Identity:
        if self._identity is None:
            self._identity = load_or_make_identity(self._state_dir / "identity")
        return self._identity

    def _trust_or_fail(self) -> Trust:
        if self._trust is None:
            raise ChannelClosedError("The manager was not started.")
        return self._trust

    def _sealed(self) -> Sealing:
        if self._sealing is None:
            raise ConfigError("Wire 2 is switched off: pairing is a part of it.")
        return self._sealing
