"""`ocft.cli.peer_words`: what is said about a peer."""

import pytest

from ocft.cli.peer_words import (
    fingerprint_words,
    offers_words,
    peer_fields,
    wire_1_words,
    wire_of,
    wire_words,
)
from ocft.config import Config
from ocft.crypto import format_fingerprint
from ocft.ids import NodeId
from ocft.storage import KnownNode, TrustedPeer

CONFIG = Config(node_id="ocft_me", secret="secret")
PEER = TrustedPeer(id="ocft_x", secret="secret-of-x")
PINNED = TrustedPeer(id="ocft_x", fingerprint=bytes(32))
NO_WIRE_1 = TrustedPeer(id="ocft_x", allows_wire_1=False)
NOW = 1_800_000_000.0


def known(wire: str | None, age: float = 0.0) -> KnownNode:
    return KnownNode(id=NodeId("ocft_x"), wire=wire, wire_learned_at=NOW - age)


@pytest.mark.parametrize(
    ("peer", "node", "wire", "words"),
    [
        (PEER, None, None, "not known"),
        (PEER, known(None), None, "not known"),
        (PEER, known("2"), "2", "sealed"),
        (PEER, known("1.0"), "1.0", "readable by all"),
        (PEER, known("1.0", 24 * 3600), None, "not known"),
        (PINNED, known("1.0"), "2", "sealed"),
        (PINNED, None, "2", "sealed"),
        (PEER, KnownNode(id=NodeId("ocft_x"), fingerprint=bytes(32), wire="1.0"), "2", "sealed"),
        (NO_WIRE_1, known("1.0"), "1.0", "not allowed"),
        (NO_WIRE_1, None, None, "2 or nothing"),
    ],
    ids=[
        *["unknown", "seen", "2", "1.0", "R-WIR-1-old", "R-WIR-2-pinned", "R-WIR-2-new"],
        *["R-WIR-2-handshake", "R-WIR-3-1.0", "R-WIR-3"],
    ],
)
def test_the_wire_is_said_as_it_would_be(
    peer: TrustedPeer, node: KnownNode | None, wire: str | None, words: str
) -> None:
    assert wire_of(peer, node, NOW) == wire
    assert words in wire_words(peer, wire, CONFIG)


def test_wire_1_0_that_is_forbidden_altogether_is_said() -> None:
    assert "not allowed" in wire_words(PEER, "1.0", CONFIG.changed(allow_wire_1=False))


def test_the_peers_own_word_goes_before_the_nodes() -> None:
    automatic = CONFIG.changed(auto_accept=True)
    assert "wait for you" in offers_words(PEER, CONFIG)
    assert "without asking" in offers_words(PEER, automatic)
    asked = TrustedPeer(id="ocft_x", auto_accept=False)
    assert "wait for you" in offers_words(asked, automatic)
    assert offers_words(TrustedPeer(id="ocft_x", may_send=False), automatic) == "refused"


def test_a_handshakes_fingerprint_is_shown_unless_the_owner_knows_another() -> None:
    learned = KnownNode(id=NodeId("ocft_x"), fingerprint=bytes(range(32)))
    assert fingerprint_words(PEER, None) is None
    assert fingerprint_words(PEER, learned) == format_fingerprint(bytes(range(32)))
    assert fingerprint_words(PINNED, learned) == format_fingerprint(bytes(32))


def test_a_peers_own_limit_goes_before_the_nodes_be_it_less_or_more() -> None:
    for nodes, peers, shown in ((2**20, 2**30, "1.0 GB"), (2**30, 2**20, "1.0 MB")):
        peer = TrustedPeer(id="ocft_x", max_file_size=peers)
        assert shown in offers_words(peer, CONFIG.changed(max_file_size=nodes))
    assert "1.0 MB" in offers_words(PEER, CONFIG.changed(max_file_size=2**20))


@pytest.mark.parametrize(
    ("peer", "node", "config", "words"),
    [
        (PEER, None, CONFIG, "if it does not answer in wire 2"),
        (PEER, None, CONFIG.changed(allow_wire_1=False), "never: this node's settings"),
        (NO_WIRE_1, None, CONFIG, "never: not allowed for this peer"),
        (PINNED, None, CONFIG, "never: its fingerprint is known"),
        (PEER, KnownNode(id=NodeId("ocft_x"), fingerprint=bytes(32)), CONFIG, "never: its finger"),
    ],
    ids=["R-WIR-1", "R-WIR-3-all", "R-WIR-3", "R-WIR-2-pinned", "R-WIR-2-handshake"],
)
def test_it_is_said_whether_anything_may_travel_readable(
    peer: TrustedPeer, node: KnownNode | None, config: Config, words: str
) -> None:
    assert wire_1_words(peer, node, config).startswith(words)


def test_no_field_holds_the_secret() -> None:
    assert "secret-of-x" not in str(peer_fields(PEER))
    assert set(peer_fields(PEER)) >= {"id", "name", "fingerprint", "allows_wire_1"}
