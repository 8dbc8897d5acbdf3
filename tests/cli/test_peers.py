"""`ocft.cli.peers`: commands about trusted peers."""

import time

import pytest

from ocft.ids import NodeId
from ocft.wire import PeerAddress, format_peer_uri
from tests.cli.conftest import Ocft

URI = format_peer_uri(PeerAddress(NodeId("ocft_x"), "secret-of-x"))


def peers(node: Ocft) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = node("list-peers", "--json").lines[0]["peers"]
    return listed


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


@pytest.mark.parametrize("identity", ["*", ".*", "ocft_%", "OCFT_X"], ids=lambda i: f"G4-{i}")
def test_an_id_is_no_pattern(node: Ocft, identity: str) -> None:
    node("import", URI)
    assert node("add-peer", identity, "secret").status == 0
    assert node("remove-peer", identity).status == 0
    assert [peer["id"] for peer in peers(node)] == ["ocft_x"]


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


def test_trust_is_extended_from_its_expiry(node: Ocft) -> None:
    node("import", URI, "-t", "1", "-n", "x")
    assert node("extend-peer", "x", "2").status == 0
    expires_at = peers(node)[0]["expires_at"]
    assert isinstance(expires_at, float)
    assert abs(expires_at - time.time() - 3 * 3600) < 60
    for hours in ("0", "nan", "1e300"):
        assert node("extend-peer", "x", hours).status == 1


@pytest.mark.parametrize("command", [["remove-peer"], ["extend-peer"]])
def test_an_unknown_peer_is_status_4(node: Ocft, command: list[str]) -> None:
    assert node(*command, "nobody", *(["1"] if "extend-peer" in command else [])).status == 4


def test_list_and_its_alias_are_a_table(node: Ocft) -> None:
    assert node("peers").out == ""
    node("import", URI, "-n", "x")
    assert node("peers").out == node("list-peers").out
    assert node("peers").out.splitlines() == [
        "NAME  ID      TRUSTED",
        "x     ocft_x  for ever",
    ]
