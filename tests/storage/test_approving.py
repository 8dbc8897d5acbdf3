"""`ocft.storage.approving`: the owner's yes."""

import pytest

from ocft.crypto import format_fingerprint
from ocft.errors import ConfigError, FingerprintChangedError, UnknownPeerError
from ocft.ids import NodeId
from ocft.storage import (
    ApprovalStore,
    Database,
    NodeStore,
    PeerStore,
    TrustedPeer,
    TrustRequest,
    approve,
    is_fingerprint_of,
)

FINGERPRINT, OTHER = bytes(range(32)), bytes(32)
BOB = NodeId("bob")


class Stores:
    """A node's stores, in which bob asks to be trusted."""

    def __init__(self, database: Database) -> None:
        self.peers = PeerStore(database)
        self.nodes = NodeStore(database)
        self.approvals = ApprovalStore(database)
        self.approvals.add(BOB, "U1", FINGERPRINT, 1.0)
        self.request = self.approvals.get("bob", 1.0)

    def approve(self, *, name: str | None = None, expires_at: float | None = None) -> TrustedPeer:
        return approve(
            self.request,
            peers=self.peers,
            nodes=self.nodes,
            approvals=self.approvals,
            name=name,
            expires_at=expires_at,
        )


@pytest.fixture
def stores(database: Database) -> Stores:
    return Stores(database)


def test_a_stranger_becomes_a_peer_by_its_fingerprint(stores: Stores) -> None:
    peer = stores.approve(name="friend", expires_at=9.0)
    assert peer == stores.peers.get("friend")
    assert peer == TrustedPeer(id="bob", name="friend", fingerprint=FINGERPRINT, expires_at=9.0)
    known = stores.nodes.find(BOB)
    assert known is not None
    assert known.address == "U1"  # learnt, and no rule of the owner's
    assert stores.approvals.list(1.0) == []


def test_what_was_said_about_a_peer_stays(stores: Stores) -> None:
    before = TrustedPeer(id="bob", secret="s", name="b", address="U2", may_send=False, expires_at=0)
    stores.peers.add(before)
    peer = stores.approve()
    assert (peer.secret, peer.name, peer.address, peer.may_send) == ("s", "b", "U2", False)
    assert (peer.fingerprint, peer.expires_at) == (FINGERPRINT, None)


@pytest.mark.parametrize("pinned_by", ["owner", "handshake"])
def test_a_fingerprint_is_never_exchanged(stores: Stores, pinned_by: str) -> None:  # R-HSK-2
    is_owner = pinned_by == "owner"
    stores.peers.add(TrustedPeer(id="bob", secret="s", fingerprint=OTHER if is_owner else None))
    if not is_owner:
        stores.nodes.learn(BOB, fingerprint=OTHER)
    with pytest.raises(FingerprintChangedError):
        stores.approve()
    assert stores.peers.get("bob").secret == "s"
    assert len(stores.approvals.list(1.0)) == 1


def test_a_name_that_cannot_be_had_leaves_the_request(stores: Stores) -> None:
    stores.peers.add(TrustedPeer(id="carol", name="friend"))
    for name in ("friend", "carol", "\x1b"):
        with pytest.raises(ConfigError):
            stores.approve(name=name)
    assert stores.peers.find(BOB) is None
    assert len(stores.approvals.list(1.0)) == 1


def test_only_the_whole_fingerprint_is_one(stores: Stores) -> None:
    shown = format_fingerprint(FINGERPRINT)
    for text in (shown, shown.upper(), shown.replace("-", ""), shown.replace("-", " ")):
        assert is_fingerprint_of(stores.request, text)
    for text in ("", shown[:4], shown[:-1], shown + "a", "bob"):
        assert not is_fingerprint_of(stores.request, text)


def test_an_id_that_looks_like_a_fingerprint_is_refused() -> None:
    told = format_fingerprint(OTHER)
    request = TrustRequest(id=NodeId(told), author=told, fingerprint=FINGERPRINT, at=1.0)
    with pytest.raises(UnknownPeerError):
        is_fingerprint_of(request, told)
