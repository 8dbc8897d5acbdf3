"""The command line as people and scripts use it: several processes, real files, signals."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ocft.config import Config, find_home, save_config
from ocft.storage import ChannelLock, Database, Journal, PeerStore, TrustedPeer
from ocft.transfers import TransferInfo, TransferState

PATIENCE = 20.0  # seconds for anything that has to happen
LARGE = 12_000_000  # bytes: about a second of the local channel


class Person:
    """A node and the commands that its owner types."""

    def __init__(self, home: Path, environment: dict[str, str], stack: ExitStack) -> None:
        self.home = home
        self._environment = environment
        self._stack = stack

    def start(self, *words: str, stdin: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "ocft", "--home", str(self.home), *words],
            env=self._environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(end, process)
        return process

    def __call__(self, *words: str, stdin: str = "", status: int = 0) -> str:
        process = self.start(*words, stdin=subprocess.PIPE)
        out, err = process.communicate(stdin, timeout=PATIENCE)
        assert process.returncode == status, (words, process.returncode, out, err)
        return out

    def json(self, *words: str, status: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self("--json", *words, status=status).splitlines()]

    def listen(self, *words: str) -> "subprocess.Popen[str]":
        """Start to listen, and return when it does."""
        process = self.start("--json", "listen", *words)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "listening"
        return process

    # Quicker than commands, for what is no test's subject.

    def init(self) -> Config:
        config = Config(node_id=f"ocft_{self.home.name}", secret=f"secret of {self.home.name}")
        home = find_home(str(self.home), {})
        home.make()
        save_config(config, home.config_file)
        return config

    def trust(self, peer: Config, *, secret: str | None = None) -> None:
        name = peer.node_id.removeprefix("ocft_")
        with Database(self.home / "state" / "journal.db") as database:
            PeerStore(database).add(
                TrustedPeer(id=peer.node_id, secret=secret or peer.secret, name=name)
            )

    def transfers(self) -> list[TransferInfo]:
        with Database(self.home / "state" / "journal.db") as database:
            return [record.info for record in Journal(database).records()]

    def is_held(self, name: str) -> bool:
        lock = ChannelLock(self.home / "state" / name)
        is_free = lock.try_acquire()
        lock.release()
        return not is_free

    def received(self) -> list[Path]:
        folder = self.home / "downloads"
        return sorted(path for path in folder.glob("*") if path.is_file())


def end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_file(path: Path, size: int = 200_000) -> Path:
    path.write_bytes(os.urandom(size))
    return path


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Callable[[str], Person]]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OCFT_", "XDG_"))
    }
    environment |= {
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "OCFT_SPOOL": str(tmp_path / "spool"),
    }
    with ExitStack() as stack:
        yield lambda name: Person(tmp_path / name, environment, stack)


@pytest.fixture
def alice(people: Callable[[str], Person]) -> Person:
    return people("alice")


@pytest.fixture
def bob(people: Callable[[str], Person], alice: Person) -> Person:
    """Bob and alice know each other."""
    bob = people("bob")
    alices, bobs = alice.init(), bob.init()
    alice.trust(bobs)
    bob.trust(alices)
    return bob


@pytest.fixture
def mallory(people: Callable[[str], Person], bob: Person) -> Person:
    """Mallory knows bob, but not his secret."""
    mallory = people("mallory")
    mallory.init()
    mallory.trust(bob.init(), secret="wrong secret")
    return mallory


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
    assert events.count("offer-sent") == events.count("transfer-completed") == len(files)
    assert "chunk-sent" not in events
    assert sent[-1]["result"] == "send"
    assert {info["state"] for info in sent[-1]["transfers"]} == {"completed"}

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
    mallory("send", str(tmp_path), "--to", "bob", status=2)
    mallory("send", file, status=1)
    mallory("send", file, "--to", "bob", "--channel", "pigeon", status=1)
    mallory("send", file, "--to", "bob", "--timeout", "0.3", status=5)
    bob("listen", "--once", "--timeout", "0.3", status=5)
    bob("listen", "--timeout", "0.3")
    assert len(mallory.transfers()) == 1  # of all these, one was recorded


def test_a_refusal_is_status_7_and_says_why(mallory: Person, bob: Person, tmp_path: Path) -> None:
    listener = bob.listen()
    sender = mallory.start("send", str(make_file(tmp_path / "file")), "--to", "bob")
    wait_until(bob.transfers)
    transfer_id = bob.transfers()[0].id
    bob("reject", transfer_id[:9], "--reason", "not \x1b[1A today")
    status, _, err = finish(sender)
    assert status == 7
    assert "not \\x1b[1A today" in err
    assert bob.received() == []
    assert listener.poll() is None


@pytest.mark.parametrize("listens", [True, False], ids=["listener", "alone"])
def test_an_offer_that_waits_is_accepted(
    mallory: Person, bob: Person, tmp_path: Path, *, listens: bool
) -> None:
    listener = bob.listen()
    file = make_file(tmp_path / "file")
    sender = mallory.start("send", str(file), "--to", "bob")
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
    wait_until(lambda: alice.transfers()[0].chunk_size)
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
