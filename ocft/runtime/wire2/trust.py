"""Whom this node trusts, and with what: looked up at every use, never remembered here (R-LIM-1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ocft.crypto import PublicIdentity, secret_tag
from ocft.ids import NodeId
from ocft.storage import ApprovalStore, KnownNode, NodeStore, PeerStore, TrustedPeer

Secrets = Callable[[float], tuple[str, ...]]
"""Our secrets that count at a moment (seconds since the epoch), the current one first."""

_WIRE_1_SECONDS = 24 * 3600.0  # R-WIR-1: so long a silent peer is taken for 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The stores that together say who may do what.

    Args:
        peers: Whom the owner trusts.
        nodes: What was learnt about nodes.
        approvals: Who asks to be trusted.
        secrets: Our secrets that count.
        storage_key: Keeps what stands for them in the store from being guessed.
        allows_wire_1: Whether 1.0 may be spoken at all (R-WIR-3).
        allows_wire_2: Whether wire 2 may.
        wall_clock: Seconds since the epoch.
        addresses: What this channel calls peers that have other accounts elsewhere, by their ids.
    """

    peers: PeerStore
    nodes: NodeStore
    approvals: ApprovalStore
    secrets: Secrets = field(repr=False)
    storage_key: bytes = field(repr=False)
    allows_wire_1: bool
    allows_wire_2: bool
    wall_clock: Callable[[], float]
    addresses: Mapping[str, str] = field(default_factory=dict)

    def peer(self, peer_id: NodeId) -> TrustedPeer | None:
        """Return a peer that the owner trusts at this moment."""
        peer = self.peers.find(peer_id)
        return None if peer is None or peer.is_expired(self.wall_clock()) else peer

    def is_trusted(self, peer_id: NodeId) -> bool:
        """Say whether a node may offer files: its owner's word, or proof of our secret."""
        return self.peer(peer_id) is not None or self.knows_our_secret(peer_id)

    def may_be_renewed(self, peer_id: NodeId) -> bool:
        """Say whether the trust in a node, where it has ended, has run out: it was not revoked."""
        node = self.nodes.find(peer_id)
        has_proved = node is not None and node.secret_tag is not None
        return has_proved or self.peers.find(peer_id) is not None

    def knows_our_secret(self, peer_id: NodeId) -> bool:
        """Say whether a node has proved a secret of ours that still counts."""
        peer, node = self.peers.find(peer_id), self.nodes.find(peer_id)
        if node is None or node.secret_tag is None:
            return False
        if peer is not None and peer.is_expired(self.wall_clock()):
            return False
        return any(
            secret_tag(self.storage_key, secret) == node.secret_tag
            for secret in self.secrets(self.wall_clock())
        )

    def fingerprint_of(self, peer_id: NodeId) -> bytes | None:
        """Return the fingerprint that a node must have, pinned by the owner or by a handshake."""
        peer, node = self.peers.find(peer_id), self.nodes.find(peer_id)
        if peer is not None and peer.fingerprint is not None:
            return peer.fingerprint
        return node.fingerprint if node is not None else None

    def secret_of(self, peer_id: NodeId) -> str:
        """Return a peer's secret as we know it; empty: we do not."""
        peer = self.peer(peer_id)
        return peer.secret if peer is not None else ""

    def given_address(self, peer_id: NodeId) -> str | None:
        """Return the account that the owner gave for a peer on this channel; None: none."""
        peer = self.peers.find(peer_id)
        return self.addresses.get(peer_id) or (peer.address if peer is not None else None)

    def address_of(self, peer_id: NodeId) -> str:
        """Return what the channel calls a peer."""
        if given := self.given_address(peer_id):
            return given
        node = self.nodes.find(peer_id)
        return node.address if node is not None and node.address else peer_id

    def is_account_of(self, peer_id: NodeId, author: str) -> bool:
        """Say whether an account is the one that a node is written to."""
        return author == self.address_of(peer_id)

    def may_write_from(self, peer_id: NodeId, author: str, *, is_addressed: bool = False) -> bool:
        """Say whether an account may speak for a node (R-HSK-0).

        An address that the owner gave is a rule, and so is a peer's id. One that was learnt is not:
        somebody in the room may have repeated a stranger's frame before it came, and what is sealed
        proves by itself who made it.

        Args:
            peer_id: The node.
            author: The account.
            is_addressed: Whether we are asking this node for a root key. Without a fingerprint all
                that makes it the right one is the account that we ask at: anybody who knows our
                secret could take its id, and what we have for it.
        """
        is_known = self.fingerprint_of(peer_id) is not None
        if is_addressed and not is_known:
            return self.is_account_of(peer_id, author)
        if given := self.given_address(peer_id):
            return author == given
        peer, node = self.peers.find(peer_id), self.nodes.find(peer_id)
        is_learnt = node is not None and node.address is not None
        is_unknown = peer is None and not is_known
        return is_learnt or is_unknown or author == peer_id

    def is_stranger(self, peer_id: NodeId, author: str) -> bool:
        """Say whether an account gets no more than strangers do: a peer's id is anybody's word."""
        return not (self.is_trusted(peer_id) and self.is_account_of(peer_id, author))

    def note_address(self, peer_id: NodeId, author: str) -> None:
        """Learn the account of a node that has just proved who it is, where it is not its id."""
        if self.given_address(peer_id):
            return
        node = self.nodes.find(peer_id)
        known = node.address if node is not None else None
        if author != (known or peer_id):
            self.nodes.learn(peer_id, address=author)

    def may_use_wire_1(self, peer_id: NodeId) -> bool:
        """Say whether 1.0 may be spoken with a node: never with one that has a fingerprint."""
        peer = self.peers.find(peer_id)
        is_allowed = self.allows_wire_1 and (peer is None or peer.allows_wire_1)
        is_free = not self.allows_wire_2 or self.fingerprint_of(peer_id) is None  # R-WIR-2
        return is_allowed and is_free

    def is_known_as_wire_1(self, peer_id: NodeId) -> bool:
        """Say whether a node is remembered as one that speaks only 1.0 (R-WIR-1)."""
        if not self.may_use_wire_1(peer_id):
            return False
        node = self.nodes.find(peer_id)
        return not self.allows_wire_2 or (node is not None and self._is_fresh_wire_1(node))

    def is_too_old(self, peer_id: NodeId) -> bool:
        """Say whether a node can be heard in 1.0 only, which may not be spoken with it (R-WIR-3).

        It did not answer in wire 2, and has spoken 1.0 since. Who was only silent may have been
        asleep, and is tried in wire 2 again.
        """
        node = self.nodes.find(peer_id)
        if node is None or node.last_seen is None or self.may_use_wire_1(peer_id):
            return False
        is_pinned = self.fingerprint_of(peer_id) is not None
        has_spoken = node.last_seen >= (node.wire_learned_at or 0.0)
        return not is_pinned and self._is_fresh_wire_1(node) and has_spoken

    def remember_as_wire_1(self, peer_id: NodeId) -> None:
        """Note that a node did not answer in wire 2."""
        self.nodes.learn(peer_id, wire="1.0", wire_learned_at=self.wall_clock())

    def remember_as_wire_2(self, peer_id: NodeId) -> None:
        """Note that a node speaks wire 2, whoever it is."""
        node = self.nodes.find(peer_id)
        if node is None or node.wire != "2":
            self.nodes.learn(peer_id, wire="2", wire_learned_at=self.wall_clock())

    def pin(
        self,
        peer_id: NodeId,
        identity: PublicIdentity,
        proved_secret: str | None,
        *,
        address: str | None = None,
    ) -> None:
        """Keep the identity that an authorised handshake has shown (R-HSK-3).

        Args:
            peer_id: The node.
            identity: What it proved to be.
            address: The account that it wrote from; None: that is not known.
            proved_secret: Our secret that it proved to know; None: none.
        """
        now = self.wall_clock()
        self.nodes.learn(
            peer_id,
            fingerprint=identity.fingerprint,
            public_identity=identity.to_bytes(),
            wire="2",
            wire_learned_at=now,
            last_seen=now,
        )
        if address is not None:
            self.note_address(peer_id, address)
        if proved_secret is not None:
            self.nodes.learn(peer_id, secret_tag=secret_tag(self.storage_key, proved_secret))

    def _is_fresh_wire_1(self, node: KnownNode) -> bool:
        learned = node.wire_learned_at or 0.0
        return node.wire == "1.0" and 0 <= self.wall_clock() - learned < _WIRE_1_SECONDS
