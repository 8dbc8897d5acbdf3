"""Whom a node trusts, changed by commands while another process of it listens."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ocft.crypto import format_fingerprint
from ocft.ids import NodeId
from ocft.storage import Database, PeerStore, SessionStore
from ocft.transfers import TransferState
from tests.e2e.people import Person, digest, finish, make_file, wait_until


def requests(person: Person) -> list[str]:
    return [request["id"] for request in person.json("requests")[0]["requests"]]


def listed(person: Person) -> tuple[list[str], list[str]]:
    """Return whom `ocft peers` lists: peers, and who proved the secret."""
    (line,) = person.json("peers")
    return [peer["id"] for peer in line["peers"]], [node["id"] for node in line["by_secret"]]


def begin_anew(person: Person, peer: Person) -> None:
    """Forget the root keys, as R-HSK-7 does after four offers in vain: that takes a minute."""
    with Database(person.home / "state" / "journal.db") as database:
        SessionStore(database, b"").forget(NodeId(peer.config.node_id))


@pytest.fixture
def newcomer(people: Callable[[str], Person], bob: Person) -> Person:
    """A newcomer knows bob's secret; bob has not heard of it."""
    newcomer = people("newcomer")
    newcomer.init()
    newcomer.trust(bob.config, fingerprint=bob.fingerprint)
    return newcomer


def test_a_stranger_asks_and_is_approved(stranger: Person, bob: Person, tmp_path: Path) -> None:
    bob.listen("--auto-accept")
    file = make_file(tmp_path / "file")
    sender = stranger.start("send", str(file), "--to", "bob")
    wait_until(lambda: requests(bob) == ["ocft_stranger"])
    assert bob.transfers() == []
    sender.send_signal(signal.SIGINT)
    assert finish(sender)[0] == 130
    fingerprint = stranger.json("status")[0]["fingerprint"]
    assert fingerprint == format_fingerprint(stranger.fingerprint)
    bob("approve", "ocft_stranger", status=1)  # nobody has compared the fingerprint
    bob("approve", fingerprint[:4], status=1)
    bob("approve", fingerprint, "--name", "friend")
    assert requests(bob) == []
    stranger("resume", stranger.transfers()[0].id)
    assert [digest(path) for path in bob.received()] == [digest(file)]
    assert listed(bob)[0] == ["ocft_alice", "ocft_stranger"]


def test_who_has_no_secret_asks_and_sends_when_it_is_approved(
    people: Callable[[str], Person], bob: Person, tmp_path: Path
) -> None:
    bob.listen("--auto-accept")
    fred = people("fred")
    fred.init()
    fred("peers", "add", "ocft_bob", "--name", "bob")
    file = make_file(tmp_path / "file")
    sender = fred.start("send", str(file), "--to", "bob", "--timeout", "10")
    assert sender.stderr is not None
    assert any("bob has to approve this node first" in line for line in sender.stderr)
    assert requests(bob) == ["ocft_fred"]
    bob("approve", fred.json("status")[0]["fingerprint"])
    sender.send_signal(signal.SIGINT)
    finish(sender)
    fred("resume", fred.transfers()[0].id)
    assert [digest(path) for path in bob.received()] == [digest(file)]


def test_a_stranger_that_is_denied_learns_nothing(
    stranger: Person, bob: Person, tmp_path: Path
) -> None:
    bob.listen()
    sender = stranger.start("send", str(make_file(tmp_path / "file")), "--to", "bob")
    wait_until(lambda: requests(bob))
    bob("deny", "ocft_stranger")
    assert requests(bob) == []
    assert sender.poll() is None
    assert stranger.transfers()[0].state is TransferState.PENDING


def test_a_wrong_secret_is_as_good_as_none(
    mallory: Person, alice: Person, bob: Person, tmp_path: Path
) -> None:  # R-HSK-1
    bob.listen()
    file = make_file(tmp_path / "file")
    mallory("send", str(file), "--to", "bob", "--timeout", "2", status=5)
    assert bob.transfers() == []
    assert requests(bob) == ["ocft_mallory"]  # it asks, like anybody
    alice("send", str(file), "--to", "bob")  # and nobody else is held up


def test_who_is_revoked_loses_its_transfers_and_has_to_ask_again(
    carol: Person, bob: Person, tmp_path: Path
) -> None:  # R-LIM-1
    listener = bob.listen()
    file = str(make_file(tmp_path / "file"))
    sender = carol.start("send", file, "--to", "bob")
    wait_until(lambda: bob.transfers() and bob.transfers()[0].filename)
    (waiting,) = bob.transfers()
    bob("peers", "revoke", "carol")
    wait_until(lambda: bob.transfers()[0].state.is_final)
    assert bob.transfers()[0].error_code == "TRUST_EXPIRED"
    bob("accept", waiting.id, status=1)
    assert listener.poll() is None
    sender.send_signal(signal.SIGINT)
    finish(sender)
    begin_anew(carol, bob)
    sender = carol.start("send", file, "--to", "bob")
    wait_until(lambda: requests(bob) == ["ocft_carol"])
    assert bob.received() == []


def test_who_knows_the_secret_may_send_is_listed_and_can_be_shut_out(
    newcomer: Person, bob: Person, tmp_path: Path
) -> None:
    bob.listen()
    file = make_file(tmp_path / "file")
    newcomer("send", str(file), "--to", "bob")  # R-LIM-3
    assert listed(bob) == (["ocft_alice"], ["ocft_newcomer"])
    assert "ocft_newcomer" in bob("peers")
    bob("rotate-secret", "--overlap", "0")
    assert listed(bob) == (["ocft_alice"], [])
    newcomer("send", str(file), "--to", "bob", "--name", "again", "--timeout", "2", status=5)
    assert [path.name for path in bob.received()] == ["file"]


def test_who_only_knows_the_secret_can_be_revoked_and_comes_back_with_it(
    newcomer: Person, bob: Person, tmp_path: Path
) -> None:
    bob.listen()
    file = make_file(tmp_path / "file")
    newcomer("send", str(file), "--to", "bob")
    bob("peers", "revoke", "ocft_newcomer")
    assert listed(bob)[1] == []
    bob("peers", "revoke", "ocft_newcomer", status=4)
    begin_anew(newcomer, bob)
    newcomer("send", str(file), "--to", "bob", "--name", "again")
    assert [path.name for path in bob.received()] == ["again", "file"]
    assert listed(bob)[1] == ["ocft_newcomer"]


def test_a_new_secret_counts_for_a_running_listener_and_the_old_one_a_while(
    people: Callable[[str], Person], newcomer: Person, bob: Person, tmp_path: Path
) -> None:
    bob.listen()
    bob("rotate-secret", "--overlap", "1")
    file = make_file(tmp_path / "file")
    newcomer("send", str(file), "--to", "bob")  # the old one
    other = people("other")
    other.init()
    other("import", "-", "--name", "bob", stdin=bob("export"))
    other("send", str(file), "--to", "bob", "--name", "other")
    assert [path.name for path in bob.received()] == ["file", "other"]


def test_a_peer_that_may_not_send_is_refused_at_once(
    alice: Person, bob: Person, tmp_path: Path
) -> None:
    listener = bob.listen()
    bob("peers", "limit", "alice", "--no-send")
    alice("send", str(make_file(tmp_path / "file")), "--to", "bob", status=7)
    bob("peers", "limit", "alice", "--may-send", "--max-size", "1KB")
    alice("send", str(make_file(tmp_path / "file")), "--to", "bob", status=7)
    bob("peers", "limit", "alice", "--max-size", "none")
    alice("send", str(make_file(tmp_path / "file")), "--to", "bob")
    assert listener.poll() is None


def test_trust_that_has_ended_counts_no_more_for_a_running_listener(
    carol: Person, bob: Person, tmp_path: Path
) -> None:
    bob.listen()
    with Database(bob.home / "state" / "journal.db") as database:
        PeerStore(database).change("carol", expires_at=time.time() - 1)
    sender = carol.start("send", str(make_file(tmp_path / "file")), "--to", "bob")
    wait_until(lambda: requests(bob) == ["ocft_carol"])
    assert bob.transfers() == []
    assert sender.poll() is None
