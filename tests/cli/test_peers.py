"""`ocft.cli.peers`: commands about trusted peers."""

import time
from pathlib import Path

import pytest

from ocft.crypto import format_fingerprint, secret_tag
from ocft.ids import NodeId
from ocft.storage import (
    Database,
    Journal,
    NodeStore,
    PeerStore,
    RequestKind,
    SessionStore,
    load_or_make_identity,
)
from ocft.wire import PeerAddress, format_peer_uri
from tests.cli.conftest import FakeKeyring, Ocft

URI = format_peer_uri(PeerAddress(NodeId("ocft_x"), "secret-of-x"))
FINGERPRINT = bytes(range(32))


@pytest.fixture
def database(node: Ocft, tmp_path: Path) -> Database:
    """The node's database, for what only a handshake puts there."""
    return Database(tmp_path / "home" / "state" / "journal.db")


def add_session(node: Ocft, database: Database) -> None:
    identity = load_or_make_identity(database.path.parent / "identity")
    SessionStore(database, identity.storage_key()).add(
        NodeId("ocft_x"),
        bytes(32),
        is_initiator=True,
        established_at=time.time(),
        expires_at=None,
    )


def peers(node: Ocft) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = node("list-peers", "--json").lines[0]["peers"]
    return listed


@pytest.mark.parametrize("identity", ["*", ".*", "ocft_%", "OCFT_X"], ids=lambda i: f"G4-{i}")
def test_an_id_is_no_pattern(node: Ocft, identity: str) -> None:
    node("import", URI)
    assert node("add-peer", identity, "secret").status == 0
    assert node("remove-peer", identity).status == 0
    assert [peer["id"] for peer in peers(node)] == ["ocft_x"]


def test_trust_is_extended_from_its_expiry(node: Ocft) -> None:
    node("import", URI, "-t", "1", "-n", "x")
    assert node("extend-peer", "x", "2").status == 0
    expires_at = peers(node)[0]["expires_at"]
    assert isinstance(expires_at, float)
    assert abs(expires_at - time.time() - 3 * 3600) < 60
    for hours in ("0", "nan", "1e300"):
        assert node("extend-peer", "x", hours).status == 1


def test_trust_for_ever_is_not_shortened_by_extending_it(node: Ocft) -> None:
    node("import", URI, "-n", "x")
    done = node("peers", "extend", "x", "48")
    assert done.status == 1
    assert "x (ocft_x) is trusted for ever already" in done.err
    assert "ocft peers limit x --ttl 48" in done.err
    assert peers(node)[0]["expires_at"] is None


def test_the_time_of_trust_can_be_set_anew(node: Ocft) -> None:
    node("import", URI, "-n", "x")
    done = node("peers", "limit", "x", "--ttl", "48")
    assert done.status == 0
    assert "It is trusted until" in done.err
    expires_at = peers(node)[0]["expires_at"]
    assert isinstance(expires_at, float)
    assert abs(expires_at - time.time() - 48 * 3600) < 60
    assert node("peers", "limit", "x", "--ttl", "0").status == 0
    assert peers(node)[0]["expires_at"] is None
    assert node("peers", "limit", "x", "--ttl", "-1").status == 1


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


def test_the_group_lists_when_nothing_else_is_said(node: Ocft) -> None:
    node("import", URI, "-n", "x")
    assert node("peers").out == node("peers", "list").out == node("list-peers").out
    assert node("peers", "--json").lines == node("--json", "list-peers").lines
    assert node("peers", "nonsense").status == 1


def test_show_says_all_but_the_secret(node: Ocft, database: Database) -> None:
    node("import", URI, "-n", "x")
    shown = node("peers", "show", "x")
    assert "Fingerprint: not known yet" in shown.out
    assert "Wire:        not known yet" in shown.out
    assert "never" in shown.out
    assert "wait for you" in shown.out
    assert "secret-of-x" not in shown.out
    with database:
        PeerStore(database).change("x", fingerprint=FINGERPRINT, address="U1", auto_accept=True)
        NodeStore(database).learn(NodeId("ocft_x"), wire="2", last_seen=1.8e9)
        add_session(node, database)
    (line,) = node("peers", "show", "ocft_x", "--json").lines
    assert line["wire"] == "2"
    assert line["is_sealed"] is True
    assert line["last_seen"] == 1.8e9
    assert line["sessions"] == 1
    assert line["peer"]["fingerprint"] == format_fingerprint(FINGERPRINT)
    shown = node("peers", "show", "x")
    assert "sealed" in shown.out
    assert format_fingerprint(FINGERPRINT) in shown.out
    assert "taken without asking" in shown.out
    assert "Readable:    never: its fingerprint is known" in shown.out  # R-WIR-2


def test_a_peer_gets_another_name(node: Ocft) -> None:
    node("import", URI, "-n", "x")
    node("add-peer", "ocft_y", "secret", "-n", "y")
    assert node("peers", "rename", "x", "z").status == 0
    assert [peer["name"] for peer in peers(node)] == ["z", "y"]
    assert node("peers", "rename", "z", "y").status == 1  # taken
    assert node("peers", "rename", "z", "\x1b").status == 1


def test_limits_are_set_one_by_one_and_taken_back(node: Ocft) -> None:
    node("import", URI, "-n", "x")
    done = node("peers", "limit", "x", "--auto-accept", "--max-size", "10MB", "--per-day", "1GB")
    assert done.status == 0
    assert "files of up to 10.0 MB, 1.0 GB a day" in done.err
    assert node("peers", "limit", "x", "--no-wire-1", "--json").lines[0]["result"] == "peers limit"
    (peer,) = peers(node)
    assert peer["may_send"] is True
    assert peer["auto_accept"] is True
    assert peer["max_file_size"] == 10 * 1024**2
    assert peer["bytes_per_day"] == 1024**3
    assert peer["allows_wire_1"] is False
    node("peers", "limit", "x", "--no-send", "--ask", "--max-size", "none", "--per-day", "None")
    (peer,) = peers(node)
    assert (peer["may_send"], peer["auto_accept"]) == (False, False)
    assert (peer["max_file_size"], peer["bytes_per_day"]) == (None, None)
    assert "refused" in node("peers", "show", "x").out


@pytest.mark.parametrize(
    ("arguments", "status"),
    [([], 1), (["--max-size", "much"], 1), (["--per-day", "0"], 1), (["--no-send"], 4)],
)
def test_a_limit_that_is_none_changes_nothing(
    node: Ocft, arguments: list[str], status: int
) -> None:
    node("import", URI, "-n", "x")
    before = peers(node)
    assert node("peers", "limit", "x" if status == 1 else "y", *arguments).status == status
    assert peers(node) == before


@pytest.mark.parametrize("command", [["peers", "revoke"], ["remove-peer"]])
def test_a_revoked_peers_keys_are_forgotten(
    node: Ocft, database: Database, command: list[str]
) -> None:
    node("import", URI, "-n", "x")
    with database:
        NodeStore(database).learn(NodeId("ocft_x"), wire="2")
        add_session(node, database)
        (line,) = node("peers", "show", "x", "--json").lines
        assert line["sessions"] == 1
        done = node(*command, "x", "--json")
        assert (done.status, done.lines[0]["result"]) == (0, " ".join(command))
        assert PeerStore(database).all() == []
        assert NodeStore(database).find(NodeId("ocft_x")) is None
        assert not database.query("SELECT * FROM sessions")


def test_revoking_who_proved_our_secret_says_that_it_can_come_back(
    node: Ocft, database: Database
) -> None:
    node("import", URI, "-n", "x")
    NodeStore(database).learn(NodeId("ocft_x"), secret_tag=bytes(16))
    assert "ocft rotate-secret" in node("peers", "revoke", "x").err
    node("import", URI, "-n", "x")
    assert "ocft rotate-secret" not in node("peers", "revoke", "x").err


def test_a_peer_is_revoked_while_the_keyring_is_locked(ocft: Ocft, keyring: FakeKeyring) -> None:
    ocft("init", "--keyring")
    ocft("import", URI, "-n", "x")
    keyring.is_locked = True
    assert ocft("status").status == 1
    assert ocft("peers", "revoke", "x").status == 0


def test_who_proved_some_secret_is_revoked_while_the_keyring_is_locked(
    ocft: Ocft, keyring: FakeKeyring, tmp_path: Path
) -> None:
    ocft("init", "--keyring")
    with Database(tmp_path / "home" / "state" / "journal.db") as database:
        NodeStore(database).learn(NodeId("ocft_z"), secret_tag=bytes(16))
        keyring.is_locked = True
        done = ocft("peers", "revoke", "ocft_z")
        assert done.status == 0
        assert "keyring" in done.err
        assert NodeStore(database).all() == []


def test_trust_beyond_the_calendar_can_still_be_shown(node: Ocft) -> None:
    node("import", URI, "-n", "x", "-t", "1")
    for _ in range(10):
        assert node("extend-peer", "x", "8000000").status == 0
    assert node("list-peers").status == node("doctor").status == 0


def test_who_proved_our_secret_is_listed_and_can_be_revoked(node: Ocft, database: Database) -> None:
    (secret,) = node("show-secret").out.split()
    nodes = NodeStore(database)
    key = load_or_make_identity(database.path.parent / "identity").storage_key()
    nodes.learn(NodeId("ocft_z"), secret_tag=secret_tag(key, secret), fingerprint=FINGERPRINT)
    nodes.learn(NodeId("ocft_old"), secret_tag=secret_tag(key, "a former secret"))
    nodes.learn(NodeId("ocft_seen"), last_seen=1.8e9)
    node("import", URI, "-n", "x")
    nodes.learn(NodeId("ocft_x"), secret_tag=secret_tag(key, secret))  # a peer, listed as one
    (line,) = node("peers", "--json").lines
    assert [peer["id"] for peer in line["peers"]] == ["ocft_x"]
    shown = format_fingerprint(FINGERPRINT)
    assert line["by_secret"] == [{"id": "ocft_z", "fingerprint": shown, "last_seen": None}]
    assert "ocft_z" in node("peers").out

    node("rotate-secret")
    assert "ocft_z" in node("peers").out  # the former secret still counts
    done = node("peers", "revoke", "ocft_z")
    assert done.status == 0
    assert "ocft rotate-secret" in done.err
    assert NodeStore(database).find(NodeId("ocft_z")) is None
    for name in ("ocft_z", "ocft_old", "ocft_seen"):
        assert node("peers", "revoke", name).status == 4


def test_a_strangers_id_cannot_disturb_the_terminal(node: Ocft, database: Database) -> None:
    (secret,) = node("show-secret").out.split()
    key = load_or_make_identity(database.path.parent / "identity").storage_key()
    NodeStore(database).learn(NodeId("\x1b[1A"), secret_tag=secret_tag(key, secret))
    assert all(line.isprintable() for line in node("peers").out.splitlines())
    assert "\x1b" not in node("peers", "revoke", "\x1b[1A").err


def test_what_waits_for_a_revoked_peer_is_cancelled_when_somebody_listens(
    node: Ocft, database: Database, tmp_path: Path
) -> None:
    """Nobody drives it now, and later on the peer is a stranger, to whom one may send."""
    node("import", URI, "-n", "x")
    node("import", format_peer_uri(PeerAddress(NodeId("ocft_y"), "secret-of-y")), "-n", "y")
    (tmp_path / "file").write_bytes(b"data")
    for name in ("x", "y"):
        assert node("send", str(tmp_path / "file"), "--to", name, "--no-wait").status == 0
    assert node("peers", "revoke", "x").status == 0
    with database:
        journal = Journal(database)
        mine, others = journal.records()
        (request,) = journal.take_requests(mine.channel)
    assert (mine.info.peer_id, others.info.peer_id) == ("ocft_x", "ocft_y")
    assert (request.transfer_id, request.kind) == (mine.info.id, RequestKind.CANCEL)
