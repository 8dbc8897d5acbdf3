"""`ocft.cli.approvals`: strangers that ask to be trusted."""

import io
import sys
import time
from pathlib import Path

import pytest

from ocft.cli import main
from ocft.crypto import format_fingerprint
from ocft.ids import NodeId
from ocft.storage import ApprovalStore, Database, NodeStore, PeerStore, TrustedPeer
from tests.cli.conftest import Ocft

FINGERPRINT = bytes(range(32))
SHOWN = format_fingerprint(FINGERPRINT)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def database(node: Ocft, tmp_path: Path) -> Database:
    """The node's database, with one request."""
    database = Database(tmp_path / "home" / "state" / "journal.db")
    ask(database, "ocft_new")
    return database


def ask(database: Database, node_id: str, fingerprint: bytes = FINGERPRINT) -> None:
    ApprovalStore(database).add(NodeId(node_id), "U123", fingerprint, time.time())


def asking(node: Ocft) -> list[object]:
    return [request["id"] for request in node("requests", "--json").lines[0]["requests"]]


def peers(node: Ocft) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = node("list-peers", "--json").lines[0]["peers"]
    return listed


def test_requests_show_who_asks_with_which_fingerprint(node: Ocft, database: Database) -> None:
    done = node("requests")
    assert done.status == 0
    assert done.out.splitlines()[1].split()[:3] == ["ocft_new", SHOWN, "U123"]
    (request,) = node("requests", "--json").lines[0]["requests"]
    assert request["fingerprint"] == SHOWN
    assert node("status", "--json").lines[0]["requests"] == 1
    assert "ocft requests" in node("status").out
    assert "ocft requests" in node("doctor").out


def test_nobody_asks_at_first(node: Ocft) -> None:
    done = node("requests")
    assert (done.status, done.out) == (0, "")


def test_a_strangers_id_cannot_disturb_a_terminal(node: Ocft, database: Database) -> None:
    ask(database, "\x1b[1A\u202e", bytes(32))
    done = node("requests")
    assert "1A" in done.out
    assert all(line.isprintable() for line in done.out.splitlines())
    done = node("approve", "\x1b[1A\u202e", "--yes")
    assert done.status == 1
    assert "\x1b" not in done.err
    assert node("deny", "\x1b[1A\u202e").status == 0
    assert "\x1b" not in done.err


@pytest.mark.parametrize("way", [["ocft_new", "--yes"], [SHOWN], [SHOWN.replace("-", "").upper()]])
def test_approving_trusts_the_fingerprint(node: Ocft, database: Database, way: list[str]) -> None:
    done = node("approve", *way, "--name", "new", "--ttl", "2")
    assert done.status == 0
    assert SHOWN in done.err
    (peer,) = peers(node)
    assert (peer["id"], peer["name"], peer["address"]) == ("ocft_new", "new", None)
    assert peer["fingerprint"] == SHOWN
    assert isinstance(peer["expires_at"], float)
    assert PeerStore(database).get("new").fingerprint == FINGERPRINT
    assert PeerStore(database).get("new").secret == ""
    assert asking(node) == []


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_without_a_terminal_the_id_alone_is_not_enough(
    node: Ocft, database: Database, flags: list[str]
) -> None:
    for name in ("ocft_new", SHOWN[:4], SHOWN[:-1]):
        assert node(*flags, "approve", name).status == 1
    assert peers(node) == []
    assert asking(node) == ["ocft_new"]


def test_an_id_that_looks_like_a_fingerprint_is_no_proof(node: Ocft, database: Database) -> None:
    # The owner was told another one's fingerprint, and a stranger who knows it is faster.
    told = format_fingerprint(bytes(32))
    ask(database, told, bytes(range(1, 33)))
    for flags in ([], ["--yes"]):
        assert node("approve", told, *flags).status == 4
    assert peers(node) == []


@pytest.mark.parametrize(
    ("answer", "status", "trusted"), [("y\n", 0, 1), ("\n", 4, 0), ("n\n", 4, 0), ("", 1, 0)]
)
def test_on_a_terminal_the_fingerprint_is_shown_and_asked_about(  # noqa: PLR0917 - fixtures, values
    node: Ocft,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    status: int,
    trusted: int,
) -> None:
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", Terminal(answer))
        patch.setattr(sys, "stderr", terminal)
        assert main(["approve", "ocft_new"]) == status
    assert SHOWN in terminal.getvalue()
    assert "ocft status" in terminal.getvalue()
    assert "U123" in terminal.getvalue()
    assert len(peers(node)) == trusted
    assert len(asking(node)) == 1 - trusted


def test_denying_forgets_the_request(node: Ocft, database: Database) -> None:
    done = node("deny", SHOWN[:9], "--json")
    assert (done.status, done.lines[0]["request"]["id"]) == (0, "ocft_new")
    assert asking(node) == []
    assert peers(node) == []


@pytest.mark.parametrize("command", [["approve", "--yes"], ["deny"]])
def test_who_does_not_ask_is_status_4(node: Ocft, command: list[str]) -> None:
    assert node(*command, "nobody").status == 4


def test_approving_a_peer_keeps_what_was_said_about_it(node: Ocft, database: Database) -> None:
    PeerStore(database).add(
        TrustedPeer(id="ocft_new", secret="secret", name="old", may_send=False, expires_at=1.0)
    )
    assert node("approve", "ocft_new", "-y").status == 0
    peer = PeerStore(database).get("ocft_new")
    assert (peer.secret, peer.name, peer.may_send) == ("secret", "old", False)
    assert (peer.fingerprint, peer.expires_at) == (FINGERPRINT, None)


def test_approving_never_exchanges_a_fingerprint(node: Ocft, database: Database) -> None:
    PeerStore(database).add(TrustedPeer(id="ocft_new", fingerprint=bytes(32)))
    done = node("approve", "ocft_new", "--yes", "--json")
    assert (done.status, done.lines[-1]["error"]["code"]) == (4, "FINGERPRINT_CHANGED")
    assert PeerStore(database).get("ocft_new").fingerprint == bytes(32)


def test_approving_never_exchanges_what_a_handshake_pinned(node: Ocft, database: Database) -> None:
    PeerStore(database).add(TrustedPeer(id="ocft_new", secret="secret"))
    NodeStore(database).learn(NodeId("ocft_new"), fingerprint=bytes(32))
    assert node("approve", "ocft_new", "--yes").status == 4
    assert asking(node) == ["ocft_new"]


def test_a_name_that_is_taken_is_refused(node: Ocft, database: Database) -> None:
    node("add-peer", "ocft_x", "secret", "--name", "x")
    assert node("approve", "ocft_new", "--yes", "--name", "x").status == 1
    assert asking(node) == ["ocft_new"]
