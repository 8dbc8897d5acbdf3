"""The command line as people and scripts use it: several processes, real files, signals."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ocft.transfers import TransferState
from tests.e2e.people import LARGE, Person, digest, finish, make_file, wait_until


def test_two_nodes_meet_by_their_commands(people: Callable[[str], Person], tmp_path: Path) -> None:
    alice, bob = people("alice"), people("bob")
    for person in (alice, bob):
        person("init")
    alice("import", "-", "--name", "bob", stdin=bob("export"))
    bob("import", "-", "--name", "alice", stdin=alice("export"))
    file = make_file(tmp_path / "report.pdf")
    listener = bob.start("listen", "--once")
    assert alice("send", str(file), "--to", "bob", "--timeout", "15") == ""
    status, out, err = finish(listener)
    assert status == 0, err
    assert out == f"{bob.home}/downloads/report.pdf\n"
    assert digest(Path(out.strip())) == digest(file)


def test_files_arrive_whole_and_json_tells_it(alice: Person, bob: Person, tmp_path: Path) -> None:
    (tmp_path / "outbox").mkdir()
    names = ["$(id)", "-rf", "--json", "empty", "report.pdf"]  # cases N21 and G10
    files = [
        make_file(tmp_path / "outbox" / name, 0 if name == "empty" else 9_999) for name in names
    ]
    listener = bob.listen()
    sent = alice.json("send", *map(str, files), "--to", "bob")
    assert sorted(map(digest, bob.received())) == sorted(map(digest, files))
    assert [path.name for path in bob.received()] == ["$(id)", "_--json", "_-rf", *names[3:]]
    events = [line["event"] for line in sent[:-1]]
    assert (events[0], events[-1]) == ("offer-sent", "transfer-completed")
    assert events.count("offer-sent") == events.count("transfer-completed") == 1
    assert sent[-1]["result"] == "send"
    (info,) = sent[-1]["transfers"]
    assert (info["state"], info["wire"], info["file_count"]) == ("completed", "2", len(files))

    listener.send_signal(signal.SIGTERM)
    status, out, err = finish(listener)
    lines = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (143, "")
    assert [line["path"] for line in lines if line.get("event") == "transfer-completed"]
    assert lines[-1]["error"]["code"] == "INTERRUPTED"


def test_each_failure_has_its_status(mallory: Person, bob: Person, tmp_path: Path) -> None:
    file = str(make_file(tmp_path / "file", 100))
    mallory("send", file, "--to", "nobody", status=4)
    mallory("send", str(tmp_path / "missing"), "--to", "bob", status=2)
    (tmp_path / "empty folder").mkdir()
    mallory("send", str(tmp_path / "empty folder"), "--to", "bob", status=2)
    mallory("send", file, status=1)
    mallory("send", file, "--to", "bob", "--channel", "pigeon", status=1)
    mallory("send", file, "--to", "bob", "--timeout", "0.3", status=5)
    bob("listen", "--once", "--timeout", "0.3", status=5)
    bob("listen", "--timeout", "0.3")
    assert len(mallory.transfers()) == 1  # of all these, one was recorded


def test_a_refusal_is_status_7(carol: Person, bob: Person, tmp_path: Path) -> None:
    listener = bob.listen()
    sender = carol.start("send", str(make_file(tmp_path / "file")), "--to", "bob")
    wait_until(bob.transfers)
    transfer_id = bob.transfers()[0].id
    bob("reject", transfer_id[:9])
    status, _, err = finish(sender)
    assert status == 7
    assert "The receiver refused: not wanted" in err
    assert bob.received() == []
    assert listener.poll() is None


@pytest.mark.parametrize("listens", [True, False], ids=["listener", "alone"])
def test_an_offer_that_waits_is_accepted(
    carol: Person, bob: Person, tmp_path: Path, *, listens: bool
) -> None:
    listener = bob.listen()
    file = make_file(tmp_path / "file")
    sender = carol.start("send", str(file), "--to", "bob")
    wait_until(bob.transfers)
    (waiting,) = bob.transfers()
    assert waiting.state is TransferState.PENDING
    if not listens:
        listener.send_signal(signal.SIGINT)
        assert finish(listener)[0] == 130
    out = bob("accept", waiting.id)
    assert out == f"{bob.received()[0]}\n"
    assert digest(bob.received()[0]) == digest(file)
    assert finish(sender)[0] == 0


def test_a_transfer_is_cancelled_from_outside(alice: Person, bob: Person, tmp_path: Path) -> None:
    sender = alice.start("send", str(make_file(tmp_path / "file")), "--to", "bob")
    wait_until(alice.transfers)
    alice("cancel", alice.transfers()[0].id)
    assert finish(sender)[0] == 3
    alice("cancel", alice.transfers()[0].id, status=1)
    alice("resume", alice.transfers()[0].id, status=1)


def test_ctrl_c_leaves_the_transfer_and_says_how_to_go_on(
    alice: Person, bob: Person, tmp_path: Path
) -> None:
    file = make_file(tmp_path / "file")
    sender = alice.start("send", str(file), "--to", "bob")
    wait_until(lambda: alice.transfers() and alice.is_held("local.lock"))
    wait_until(lambda: alice.transfers()[0].wire)
    sender.send_signal(signal.SIGINT)
    status, _, err = finish(sender)
    transfer_id = alice.transfers()[0].id
    assert status == 130
    assert f"ocft resume {transfer_id}" in err
    assert "Traceback" not in err
    assert not alice.is_held("local.lock")

    listener = bob.start("listen", "--once")
    alice("resume", transfer_id)
    assert finish(listener)[0] == 0
    assert digest(bob.received()[0]) == digest(file)


def test_send_beside_a_running_listener_of_the_same_home(
    alice: Person, bob: Person, tmp_path: Path
) -> None:
    bob.listen()
    listener = alice.listen()
    file = make_file(tmp_path / "file")
    sent = alice.json("send", str(file), "--to", "bob")
    assert digest(bob.received()[0]) == digest(file)
    assert [line["event"] for line in sent[:-1]][-1] == "transfer-completed"
    alice("listen", status=3)  # one at a time
    ids = alice("send", str(file), "--to", "bob", "--no-wait").split()
    wait_until(lambda: all(i.state is TransferState.COMPLETED for i in alice.transfers()))
    assert ids == [alice.transfers()[1].id]
    listener.send_signal(signal.SIGINT)
    _, out, _ = finish(listener)
    events = [json.loads(line).get("event") for line in out.splitlines()]
    assert events.count("transfer-completed") == 2  # it is the one that drove


def test_send_makes_way_for_a_listener(alice: Person, bob: Person, tmp_path: Path) -> None:
    file = make_file(tmp_path / "file", LARGE)
    sender = alice.start("send", str(file), "--to", "bob")
    wait_until(lambda: alice.is_held("local.lock"))
    began = time.monotonic()
    alice.listen()
    assert time.monotonic() - began < 3
    bob.listen()
    assert finish(sender)[0] == 0
    assert digest(bob.received()[0]) == digest(file)


def test_a_follower_takes_over_when_the_driver_is_killed(
    alice: Person, bob: Person, tmp_path: Path
) -> None:
    file = make_file(tmp_path / "file", LARGE)
    driver = alice.listen()
    bob.listen()
    follower = alice.start("--json", "send", str(file), "--to", "bob")
    wait_until(lambda: any(i.bytes_done for i in alice.transfers()))
    driver.kill()
    status, out, err = finish(follower)
    assert status == 0, err
    events = [json.loads(line).get("event") for line in out.splitlines()]
    assert "transfer-resumed" in events
    assert events.count("transfer-completed") == 1
    assert [digest(path) for path in bob.received()] == [digest(file)]


def test_demo_shows_a_file_arriving(people: Callable[[str], Person], tmp_path: Path) -> None:
    person = people("anybody")
    file = make_file(tmp_path / "a file.bin", 300_000)
    (arrived,) = person("demo", str(file)).splitlines()
    assert digest(Path(arrived)) == digest(file)
    assert Path(arrived).name == file.name
    person("demo", str(tmp_path / "missing"), status=2)
