"""`ocft pair` as two people use it."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ocft.storage import Database, PeerStore, TrustedPeer
from tests.e2e.people import Person, digest, finish, make_file, wait_until


@pytest.fixture
def two(people: Callable[[str], Person]) -> tuple[Person, Person]:
    """Dora and emil, who have not met."""
    dora, emil = people("dora"), people("emil")
    dora.init()
    emil.init()
    return dora, emil


def show(person: Person, *words: str) -> tuple["subprocess.Popen[str]", str]:
    """Let somebody show a code; return it, too."""
    process = person.start("pair", *words)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def peers(person: Person) -> list[TrustedPeer]:
    with Database(person.home / "state" / "journal.db") as database:
        return PeerStore(database).all()


def pairings(person: Person) -> int:
    with Database(person.home / "state" / "journal.db") as database:
        return len(database.query("SELECT * FROM pairings"))


def test_two_nodes_pair_and_send(two: tuple[Person, Person], tmp_path: Path) -> None:
    dora, emil = two
    shown, code = show(dora, "--name", "emil")
    emil("pair", code, "--name", "dora")
    status, _, err = finish(shown)
    assert status == 0, err
    assert "Paired with emil (ocft_emil). Fingerprint: " in err
    assert [(peer.id, peer.name) for peer in peers(dora)] == [("ocft_emil", "emil")]
    assert [(peer.id, peer.name) for peer in peers(emil)] == [("ocft_dora", "dora")]
    assert peers(dora)[0].fingerprint == emil.fingerprint
    assert peers(emil)[0].fingerprint == dora.fingerprint
    assert pairings(dora) == pairings(emil) == 0

    emil("peers", "limit", "dora", "--auto-accept")
    emil.listen()
    file = make_file(tmp_path / "file")
    dora("send", str(file), "--to", "emil")
    assert [digest(path) for path in emil.received()] == [digest(file)]


def test_each_side_calls_the_other_as_it_calls_itself(two: tuple[Person, Person]) -> None:
    dora, emil = two
    for person in two:
        config = person.home / "config.json"
        settings = json.loads(config.read_text())
        config.write_text(json.dumps(settings | {"node_name": f"{person.home.name}'s laptop"}))
    shown, code = show(dora, "--json")
    (line,) = emil.json("pair", json.loads(code)["code"])
    assert line["peer"]["name"] == "dora's laptop"
    assert peers(emil)[0].name == "dora's laptop"
    status, out, _ = finish(shown)
    (line,) = [json.loads(line) for line in out.splitlines()]
    assert (status, line["result"], line["peer"]["name"]) == (0, "pair", "emil's laptop")


def test_what_was_said_about_a_peer_stays_when_it_is_paired_again(
    alice: Person, bob: Person
) -> None:
    bob("peers", "limit", "alice", "--max-size", "1MB", "--no-wire-1")
    shown, code = show(alice)
    bob("pair", code)
    assert finish(shown)[0] == 0
    (peer,) = peers(bob)
    assert (peer.name, peer.max_file_size, peer.allows_wire_1) == ("alice", 1024**2, False)
    assert (peer.secret, peer.fingerprint) == (alice.config.secret, alice.fingerprint)


def test_pairing_again_under_the_same_name_is_no_mistake(alice: Person, bob: Person) -> None:
    shown, code = show(alice, "--name", "bob")
    (line,) = bob.json("pair", code, "--name", "alice")
    assert finish(shown)[0] == 0
    assert line["peer"]["name"] == "alice"
    assert ("ocft_alice", "alice") in [(peer.id, peer.name) for peer in peers(bob)]


def test_a_name_that_another_peer_has_stays_its_own_and_that_is_said(
    alice: Person, bob: Person, people: Callable[[str], Person]
) -> None:
    emil = people("emil")
    emil.init()
    shown, code = show(emil)
    process = bob.start("pair", code, "--name", "alice")
    status, _, err = finish(process)
    assert status == 0
    assert "Another peer is called alice; a name for this one: ocft peers rename ocft_emil" in err
    assert finish(shown)[0] == 0
    names = {peer.id: peer.name for peer in peers(bob)}
    assert names["ocft_alice"] == "alice"
    assert names["ocft_emil"] != "alice"


def test_a_wrong_code_fails_on_both_sides_at_once(two: tuple[Person, Person]) -> None:
    dora, emil = two
    shown, code = show(dora)
    began = time.monotonic()
    emil("pair", code.split("-")[0] + "-abandon-zoo", status=4)
    status, _, err = finish(shown)
    assert status == 4
    assert "codes differ" in err
    assert time.monotonic() - began < 5
    assert peers(dora) == peers(emil) == []


@pytest.mark.parametrize("listening", [["dora"], ["emil"], ["dora", "emil"]], ids="+".join)
def test_pairing_beside_running_listeners(two: tuple[Person, Person], listening: list[str]) -> None:
    dora, emil = two
    listeners = [person.listen() for person in two if person.home.name in listening]
    shown, code = show(dora)
    emil("pair", code)
    assert finish(shown)[0] == 0
    assert [peer.id for peer in peers(dora)] == ["ocft_emil"]
    assert [peer.id for peer in peers(emil)] == ["ocft_dora"]
    for listener in listeners:
        listener.send_signal(signal.SIGINT)
        status, out, _ = finish(listener)
        assert status == 130
        assert "peer-paired" in [json.loads(line).get("event") for line in out.splitlines()]


def test_a_listener_that_dies_ends_the_pairing_that_it_carried_out(
    two: tuple[Person, Person],
) -> None:
    dora, _ = two
    listener = dora.listen()
    shown, _ = show(dora)
    wait_until(lambda: dora.is_held("local.listener.lock") and _is_taken_up(dora))
    listener.kill()
    status, _, err = finish(shown)
    assert status == 4
    assert "interrupted" in err


def test_nobody_answers_in_time(two: tuple[Person, Person]) -> None:
    dora, emil = two
    began = time.monotonic()
    (code, line) = dora.json("pair", "--timeout", "0.5", status=5)
    assert set(code) == {"event", "code"}
    assert line["error"]["code"] == "PAIRING_TIMEOUT"
    emil("pair", code["code"], "--timeout", "0.5", status=5)
    assert time.monotonic() - began < 10
    assert peers(dora) == peers(emil) == []


def test_ctrl_c_voids_the_code(two: tuple[Person, Person]) -> None:
    dora, emil = two
    shown, code = show(dora)
    wait_until(lambda: dora.is_held("local.lock"))
    shown.send_signal(signal.SIGINT)
    status, _, err = finish(shown)
    assert status == 130
    assert "void" in err
    assert "Traceback" not in err
    assert pairings(dora) == 0
    emil("pair", code, "--timeout", "1", status=5)
    assert peers(dora) == peers(emil) == []


def _is_taken_up(person: Person) -> bool:
    with Database(person.home / "state" / "journal.db") as database:
        return bool(database.query("SELECT * FROM pairings WHERE state = 'running'"))
