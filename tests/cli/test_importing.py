"""`ocft.cli.importing`: how a node becomes a trusted peer."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocft.crypto import format_fingerprint
from ocft.ids import NodeId
from ocft.storage import Database, NodeStore, PeerStore
from ocft.wire import PeerAddress, format_peer_uri
from tests.cli.conftest import Ocft

URI = format_peer_uri(PeerAddress(NodeId("ocft_x"), "secret-of-x"))
FINGERPRINT = bytes(range(32))
URI_2 = format_peer_uri(PeerAddress(NodeId("ocft_x"), "secret-of-x", FINGERPRINT))


def peers(node: Ocft) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = node("list-peers", "--json").lines[0]["peers"]
    return listed


@pytest.fixture
def database(node: Ocft, tmp_path: Path) -> Iterator[Database]:
    """The node's database."""
    with Database(tmp_path / "home" / "state" / "journal.db") as database:
        yield database


@pytest.mark.parametrize("way", ["argument", "stdin", "environment"])
def test_an_address_is_imported_from_anywhere(
    node: Ocft, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    match way:
        case "argument":
            done = node("import", URI, "-n", "x")
        case "stdin":
            done = node("import", "-", "--name", "x", stdin=URI + "\n")
        case _:
            monkeypatch.setenv("OCFT_PEER_URI", URI)
            done = node("import", "-n", "x")
    assert done.status == 0
    assert [(peer["id"], peer["name"]) for peer in peers(node)] == [("ocft_x", "x")]


def test_a_peer_is_added_with_all_its_details(node: Ocft) -> None:
    done = node(
        "add-peer", "ocft_x", "-", "-n", "x", "-t", "2", "--address", "U0123", stdin="secret"
    )
    assert done.status == 0
    (peer,) = peers(node)
    assert peer["address"] == "U0123"
    expires_at = peer["expires_at"]
    assert isinstance(expires_at, float)
    assert abs(expires_at - time.time() - 7200) < 60
    assert peer["is_expired"] is False


def test_a_peer_needs_no_secret_and_is_asked_then(node: Ocft, database: Database) -> None:
    done = node("peers", "add", "ocft_y", "-n", "y")
    assert done.status == 0
    assert "asks to be trusted" in done.err
    assert PeerStore(database).get("y").secret == ""
    done = node("add-peer", "ocft_z", "-", stdin="secret of z")
    assert "asks to be trusted" not in done.err
    assert PeerStore(database).get("ocft_z").secret == "secret of z"
    for given in ("", "\n"):  # it was meant to be given
        assert node("add-peer", "ocft_v", "-", stdin=given).status == 1


def test_a_peers_secret_may_be_in_the_environment(
    node: Ocft, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCFT_PEER_SECRET", "secret of y")
    node("peers", "add", "ocft_y")
    assert PeerStore(database).get("ocft_y").secret == "secret of y"


def test_a_peer_is_not_replaced_unasked(node: Ocft) -> None:
    node("import", URI)
    assert node("import", URI).status == 1
    assert node("remove-peer", "ocft_x").status == 0
    assert node("import", URI).status == 0


def test_this_node_is_no_peer_of_its_own(node: Ocft) -> None:
    assert node("import", node("export").out.strip()).status == 1


@pytest.mark.parametrize("uri", ["", "ocft://", "ocft://%%%", "http://x", URI[:-5]])
def test_a_damaged_address_is_refused(node: Ocft, uri: str) -> None:
    assert node("import", uri).status == 1
    assert peers(node) == []


@pytest.mark.parametrize(
    "identity", ["", "a\x1b[1A", "a\u202eb", "x" * 300], ids=lambda i: f"G4-{i!r:.9}"
)
def test_an_id_that_is_none_is_refused(node: Ocft, identity: str) -> None:
    done = node("add-peer", identity, "secret")
    assert done.status == 1
    assert "\x1b" not in done.err


@pytest.mark.parametrize("ttl", ["nan", "inf", "-1", "1e300"])
def test_a_time_that_never_comes_is_refused(node: Ocft, ttl: str) -> None:
    assert node("import", URI, "--ttl", ttl).status == 1


def test_no_ttl_is_for_ever(node: Ocft) -> None:
    node("import", URI, "--ttl", "0")
    assert peers(node)[0]["expires_at"] is None


def test_an_address_with_a_fingerprint_pins_it_and_says_so(node: Ocft) -> None:
    done = node("import", URI_2)
    assert peers(node)[0]["fingerprint"] == format_fingerprint(FINGERPRINT)
    assert format_fingerprint(FINGERPRINT) in done.err


def test_an_address_of_before_wire_2_pins_nothing(node: Ocft) -> None:
    node("import", URI)
    assert peers(node)[0]["fingerprint"] is None


def test_a_new_address_replaces_the_old_one_and_keeps_what_was_said(node: Ocft) -> None:
    node("import", URI_2, "--name", "x", "--ttl", "1")
    node("peers", "limit", "x", "--no-send")
    assert node("import", URI, "--replace").status == 0
    (peer,) = peers(node)
    assert peer["name"] == "x"
    assert peer["may_send"] is False
    assert peer["expires_at"] is None
    assert peer["fingerprint"] == format_fingerprint(FINGERPRINT)


def test_replacing_what_is_not_there_is_adding(node: Ocft) -> None:
    assert node("import", URI, "--replace").status == 0
    assert len(peers(node)) == 1
    assert node("import", node("export").out.strip(), "--replace").status == 1  # this very node


def test_keys_that_were_replaced_are_forgotten(node: Ocft, tmp_path: Path) -> None:
    node("import", URI_2)
    with Database(tmp_path / "home" / "state" / "journal.db") as database:
        NodeStore(database).learn(NodeId("ocft_x"), wire="2", fingerprint=FINGERPRINT)
    node("import", URI_2, "--replace")
    with Database(tmp_path / "home" / "state" / "journal.db") as database:
        assert NodeStore(database).find(NodeId("ocft_x")) is not None
    other = format_peer_uri(PeerAddress(NodeId("ocft_x"), "secret-of-x", bytes(32)))
    assert node("import", other, "--replace").status == 0
    with Database(tmp_path / "home" / "state" / "journal.db") as database:
        assert NodeStore(database).find(NodeId("ocft_x")) is None
