from dataclasses import replace
from typing import Any

import pytest

from ocft.errors import ConfigError, PeerExistsError, UnknownPeerError
from ocft.ids import NodeId
from ocft.storage import Database, PeerList, Peers, PeerStore, TrustedPeer

BOB_ID = NodeId("ocft_bob")
BOB = TrustedPeer(id=BOB_ID, secret="s3cret", name="Bob", address="@bob")
CAROL = TrustedPeer(id=NodeId("ocft_carol"), secret="other", expires_at=100.0)


@pytest.fixture
def store(database: Database) -> PeerStore:
    store = PeerStore(database)
    store.add(BOB)
    store.add(CAROL)
    return store


def test_peers_come_back_as_they_were_added(store: PeerStore) -> None:
    assert store.all() == [BOB, CAROL]
    assert store.find(BOB_ID) == BOB
    assert store.get("ocft_carol") == CAROL
    assert store.get("Bob") == BOB


def test_a_list_of_peers_answers_like_the_store(store: PeerStore) -> None:
    both: list[Peers] = [store, PeerList([BOB, CAROL])]
    for peers in both:
        assert peers.find(BOB_ID) == BOB
        assert peers.find(NodeId("ocft_nobody")) is None


# Case G4: an id is a literal, whatever it looks like.
@pytest.mark.parametrize("node_id", ["*", "ocft_.*", "OCFT_BOB", "ocft_bo_", "", "%", "\udcff"])
def test_only_the_exact_id_is_found(store: PeerStore, node_id: str) -> None:
    assert store.find(NodeId(node_id)) is None
    assert PeerList([BOB, CAROL]).find(NodeId(node_id)) is None
    with pytest.raises(UnknownPeerError):
        store.get(node_id)


def test_a_star_is_an_id_like_any_other(store: PeerStore) -> None:
    star = replace(BOB, id=NodeId("*"), name=None)
    store.add(star)
    assert store.find(NodeId("*")) == star
    assert store.find(NodeId("anyone")) is None


def test_an_id_is_trusted_once(store: PeerStore) -> None:
    with pytest.raises(PeerExistsError):
        store.add(replace(BOB, secret="another"))
    assert store.find(BOB_ID) == BOB
    with pytest.raises(PeerExistsError):
        PeerList([BOB, BOB])


def test_a_removed_peer_is_not_trusted(store: PeerStore) -> None:
    assert store.remove("Bob") == BOB
    assert store.find(BOB_ID) is None
    with pytest.raises(UnknownPeerError):
        store.remove("Bob")


def test_a_name_that_two_have_asks_for_the_id(store: PeerStore) -> None:
    store.add(replace(CAROL, id=NodeId("ocft_robert"), name="Bob"))
    with pytest.raises(UnknownPeerError, match="Use the id"):
        store.remove("Bob")
    assert store.get("ocft_bob") == BOB


def test_an_id_wins_over_the_name_of_another(store: PeerStore) -> None:
    store.add(TrustedPeer(id=NodeId("mallory"), secret="m", name="ocft_bob"))
    assert store.get("ocft_bob") == BOB


@pytest.mark.parametrize("text", ["", "a\nb", "\x1b[31m", "\u202e", "\u200b", "\ud800", "x" * 257])
def test_what_cannot_be_shown_is_no_id_name_or_address(database: Database, text: str) -> None:
    for peer in (
        replace(BOB, id=NodeId(text)),
        replace(BOB, name=text),
        replace(BOB, address=text),
    ):
        with pytest.raises(ConfigError):
            PeerStore(database).add(peer)
        with pytest.raises(ConfigError):
            PeerList([peer])


@pytest.mark.parametrize(
    "peer",
    [
        replace(BOB, secret="\ud800"),
        replace(BOB, secret="s" * 1025),
        replace(BOB, expires_at=float("nan")),
        replace(BOB, expires_at=float("inf")),
    ],
)
def test_a_secret_or_an_expiry_that_means_nothing_is_refused(
    database: Database, peer: TrustedPeer
) -> None:
    with pytest.raises(ConfigError):
        PeerStore(database).add(peer)


def test_trust_ends_at_its_expiry() -> None:
    assert not CAROL.is_expired(99.9)
    assert CAROL.is_expired(100.0)
    assert not BOB.is_expired(1e12)


@pytest.mark.parametrize(
    ("name", "now", "expires_at"),
    [
        pytest.param("ocft_carol", 40.0, 110.0, id="before the expiry"),
        pytest.param("ocft_carol", 200.0, 210.0, id="after the expiry"),
        pytest.param("Bob", 200.0, 210.0, id="without an expiry"),
    ],
)
def test_trust_is_extended_from_whichever_is_later(
    store: PeerStore, name: str, now: float, expires_at: float
) -> None:
    extended = store.extend(name, 10.0, now)
    assert extended == replace(store.get(name), expires_at=expires_at)
    assert store.find(NodeId(extended.id)) == extended


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_trust_is_not_extended_by_nonsense(store: PeerStore, seconds: float) -> None:
    with pytest.raises(ConfigError):
        store.extend("ocft_carol", seconds, 0.0)
    assert store.find(NodeId(CAROL.id)) == CAROL


def test_the_secret_does_not_show() -> None:
    assert "s3cret" not in repr(BOB)


# What a peer may do


FINGERPRINT = bytes(range(32))


def test_what_a_peer_may_do_is_stored(store: PeerStore) -> None:  # R-LIM-1
    dave = TrustedPeer(
        id=NodeId("dave"),
        fingerprint=FINGERPRINT,
        may_send=False,
        auto_accept=False,
        max_file_size=0,
        bytes_per_day=2**63 - 1,
        allows_wire_1=False,
    )
    store.add(dave)
    assert store.find(NodeId("dave")) == dave
    assert store.find(BOB_ID) == BOB


def test_a_change_touches_nothing_else(store: PeerStore) -> None:
    changed = store.change("Bob", may_send=False, auto_accept=True, fingerprint=FINGERPRINT)
    expected = replace(BOB, may_send=False, auto_accept=True, fingerprint=FINGERPRINT)
    assert changed == expected == store.get("Bob")
    assert store.change("Bob") == expected
    assert store.change("Bob", auto_accept=None, address=None).address is None
    assert store.find(NodeId(CAROL.id)) == CAROL
    with pytest.raises(UnknownPeerError):
        store.change("nobody", may_send=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"fingerprint": b"short"},
        {"max_file_size": -1},
        {"bytes_per_day": 2**63},
        {"address": "\x1b[2J"},
        {"expires_at": float("nan")},
    ],
)
def test_a_change_to_nonsense_is_refused(store: PeerStore, changes: Any) -> None:
    with pytest.raises(ConfigError):
        store.change("Bob", **changes)
    assert store.find(BOB_ID) == BOB


def test_a_peer_is_called_by_its_new_name(store: PeerStore) -> None:
    assert store.rename("Bob", "Robert") == replace(BOB, name="Robert") == store.get("Robert")
    with pytest.raises(UnknownPeerError):
        store.get("Bob")
    assert store.rename("Robert", None).name is None
    assert store.rename("ocft_bob", "Bob") == BOB
    assert store.rename("Bob", "Bob") == BOB


@pytest.mark.parametrize("name", ["Bob", "ocft_bob", "Gwen", "", "a\nb"])
def test_a_name_of_another_or_of_nobody_is_refused(database: Database, name: str) -> None:
    store = PeerStore(database, [TrustedPeer(id=NodeId("gwen"), name="Gwen")])
    store.add(BOB)
    store.add(CAROL)
    with pytest.raises(ConfigError):
        store.rename("ocft_carol", name)
    with pytest.raises(ConfigError):
        store.put(replace(CAROL, name=name))
    assert store.find(NodeId(CAROL.id)) == CAROL


def test_a_confirmed_peer_takes_the_place_of_what_was_known(store: PeerStore) -> None:
    paired = TrustedPeer(id=BOB_ID, name="Bob", fingerprint=FINGERPRINT)
    store.put(paired)
    assert store.find(BOB_ID) == paired
    new = TrustedPeer(id=NodeId("new"))
    store.put(new)
    assert store.find(NodeId("new")) == new


def test_given_peers_stand_for_stored_ones_and_cannot_be_changed(database: Database) -> None:
    PeerStore(database).add(BOB)
    given = replace(BOB, secret="given", name="Bot")
    store = PeerStore(database, [given])
    store.add(CAROL)
    assert store.find(BOB_ID) == store.get("Bot") == given
    assert store.all() == [given, CAROL]
    with pytest.raises(UnknownPeerError):
        store.get("Bob")
    for change in (
        lambda: store.rename("Bot", "x"),
        lambda: store.change("Bot", may_send=False),
        lambda: store.put(BOB),
        lambda: store.remove("Bot"),
        lambda: store.extend("Bot", 1.0, 0.0),
    ):
        with pytest.raises(ConfigError, match="by the program itself"):
            change()
    with pytest.raises(PeerExistsError):
        store.add(BOB)
    assert PeerStore(database).find(BOB_ID) == BOB


def test_given_peers_are_checked(database: Database) -> None:
    with pytest.raises(ConfigError):
        PeerStore(database, [replace(BOB, name="\x1b")])
    with pytest.raises(PeerExistsError):
        PeerStore(database, [BOB, BOB])


@pytest.mark.parametrize("name", ["Bob", BOB_ID, "ocft_carol", "", "\x1b", "x" * 257])
def test_a_name_is_checked_before_it_is_needed(store: PeerStore, name: str) -> None:
    with pytest.raises(ConfigError):
        store.require_free(name)
    store.require_free("dave")
    assert store.all() == [BOB, CAROL]
