"""Files shared by a link, as people and scripts do it: real processes, real connections."""

import hashlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.people import PATIENCE, Person, digest, finish, make_file, wait_until
from tests.share.cutting_proxy import CuttingProxy

pytest.importorskip("starlette", reason="sharing is not installed: pip install 'ocft[share]'")
pytest.importorskip("uvicorn")
pytest.importorskip("httpx")

RECORD = 1024 * 1024
LARGE = 24 * RECORD + 17


class Running:
    """A command that writes lines of JSON."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    def until(self, event: str) -> dict[str, Any]:
        """Read lines until an event comes, and return it."""
        assert self.process.stdout is not None
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        try:
            while line := self.process.stdout.readline():
                self.lines.append(json.loads(line))
                if self.lines[-1].get("event") == event:
                    return self.lines[-1]
        finally:
            timer.cancel()
        raise AssertionError((event, self.lines, self.process.communicate()))

    def end(self) -> int:
        """Wait for the end, and return the exit status."""
        assert self.process.stdout is not None
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        try:
            # Not by communicate(): it does not know what was read ahead.
            self.lines += [json.loads(line) for line in self.process.stdout]
        finally:
            timer.cancel()
        return int(finish(self.process)[0])

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.lines if "event" in line]


@pytest.fixture
def anna(people: Callable[[str], Person]) -> Person:
    """Somebody who shares; no node was made."""
    return people("anna")


@pytest.fixture
def ben(people: Callable[[str], Person]) -> Person:
    """Somebody who receives; no node was made."""
    return people("ben")


@pytest.fixture
def proxy() -> Iterator[CuttingProxy]:
    """Between the two; its target is set when the server runs."""
    with CuttingProxy(1) as proxy:
        yield proxy


def share(person: Person, *words: object, proxy: CuttingProxy | None = None) -> Running:
    """Start to share on loopback; return when the link is there."""
    more = ("--public-url", f"http://127.0.0.1:{proxy.port}") if proxy else ()
    running = Running(
        person.start("--json", "share", "--host", "127.0.0.1", *more, *map(str, words))
    )
    running.until("session_created")
    return running


def link_of(running: Running) -> str:
    (created,) = (line for line in running.lines if line.get("event") == "session_created")
    return str(created["share_url"])


def code_of(running: Running) -> str:
    (created,) = (line for line in running.lines if line.get("event") == "session_created")
    return str(created["session_code"])


def found(folder: Path) -> dict[str, str]:
    """Return the digests of all files that have names."""
    return {
        path.relative_to(folder).as_posix(): digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".ocft" not in path.relative_to(folder).parts
    }


# What works


def test_files_and_folders_arrive_under_their_names(
    anna: Person, ben: Person, tmp_path: Path
) -> None:
    outbox, inbox = tmp_path / "outbox", tmp_path / "inbox"
    (outbox / "folder" / "deep").mkdir(parents=True)
    names = ['a"b', "é", "空.txt", "with space", "folder/.hidden", "folder/deep/x", "$(id)"]
    for number, name in enumerate(names):
        make_file(outbox / name, number * 1000)
    make_file(outbox / "line\nbreak", 10)
    make_file(outbox / "-rf", 10)
    sharer = share(anna, "--once", "--", *sorted(outbox.iterdir()))
    ben("receive", link_of(sharer), "-o", str(inbox))
    assert sharer.end() == 0
    assert sorted(found(inbox).values()) == sorted(found(outbox).values())
    kept = {name for name in names if '"' not in name}
    assert kept <= set(found(inbox))
    assert all(name.isprintable() and not name.startswith("-") for name in found(inbox))
    assert not (inbox / ".ocft").exists()


@pytest.mark.parametrize("size", [0, 1, RECORD - 1, RECORD, RECORD + 1, 3 * RECORD])
def test_every_size_arrives_also_on_stdout(
    anna: Person, ben: Person, tmp_path: Path, size: int
) -> None:
    file = make_file(tmp_path / "file", size)
    sharer = share(anna, file, "--max-downloads", "2")
    out = ben.bytes_of("receive", link_of(sharer), "-o", "-")
    assert hashlib.sha256(out).hexdigest() == digest(file)
    paths = ben("receive", link_of(sharer), "-o", str(tmp_path / "inbox"))
    assert paths == f"{tmp_path}/inbox/file\n"
    assert digest(tmp_path / "inbox" / "file") == digest(file)
    assert sharer.end() == 0


def test_both_sides_tell_in_the_agreed_order(anna: Person, ben: Person, tmp_path: Path) -> None:
    file = make_file(tmp_path / "file", LARGE)
    sharer = share(anna, file, "--once")
    receiver = Running(ben.start("--json", "receive", link_of(sharer), "-o", str(tmp_path / "in")))
    assert receiver.end() == 0
    assert sharer.end() == 0
    sent, received = " ".join(sharer.events), " ".join(receiver.events)
    assert re.fullmatch(
        "file_ready session_created mode waiting_for_receiver receiver_connected"
        "( waiting_for_acceptance)? transfer_accepted( progress)* transfer_complete",
        sent,
    ), sent
    assert re.fullmatch(
        "session_joined sender_found receiving_file( progress)* transfer_complete", received
    ), received
    ready = sharer.lines[0]
    assert (ready["name"], ready["size"]) == ("file", LARGE)
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{12}", code_of(sharer))
    assert link_of(sharer).endswith(f"/s/#{code_of(sharer)}")
    for line in (*sharer.lines, *receiver.lines):
        if line.get("event") == "progress":
            assert 0 <= line["percent"] <= 100
            assert {"speed", "eta", "bytes_transferred"} <= set(line)


def test_a_code_is_read_in_any_case_with_dashes_and_from_stdin(
    anna: Person, ben: Person, tmp_path: Path
) -> None:
    sharer = share(anna, make_file(tmp_path / "file"), "--max-downloads", "2")
    code, base = code_of(sharer).lower(), link_of(sharer).partition("/s/")[0]
    typed = f"{code[:4]}-{code[4:8]} {code[8:]}"
    ben("receive", typed, "--server", base, "-o", str(tmp_path / "one"))
    ben("receive", "-", "-o", str(tmp_path / "two"), stdin=link_of(sharer) + "\n")
    assert sharer.end() == 0
    assert found(tmp_path / "one") == found(tmp_path / "two") != {}


def test_nothing_is_replaced_unless_it_is_said(anna: Person, ben: Person, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "file.txt").write_text("mine")
    file = make_file(tmp_path / "file.txt")
    sharer = share(anna, file, "--max-downloads", "2")
    assert ben("receive", link_of(sharer), "-o", str(inbox)).endswith("/file (1).txt\n")
    assert (inbox / "file.txt").read_text() == "mine"
    ben("receive", link_of(sharer), "-o", str(inbox), "--overwrite")
    assert digest(inbox / "file.txt") == digest(file)
    assert sharer.end() == 0


def test_only_the_addresses_that_are_announced_are_bound(anna: Person, tmp_path: Path) -> None:
    sharer = share(anna, make_file(tmp_path / "file"))
    port = int(re.findall(r":(\d+)/", link_of(sharer))[0])
    listening = {
        line.split()[1]
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    }
    assert listening == {f"0100007F:{port:04X}"}


# Passwords


@pytest.mark.parametrize("way", ["file", "stdin", "environment"])
def test_a_password_opens_and_another_one_does_not(
    anna: Person, ben: Person, tmp_path: Path, way: str
) -> None:
    (tmp_path / "right").write_text("påss wörd\n")
    file = make_file(tmp_path / "file")
    sharer = share(anna, file, "--once", "--password-file", tmp_path / "right")
    words = ("receive", link_of(sharer), "-o", str(tmp_path / "inbox"))

    def receive(password: str, status: int) -> None:
        if way == "file":
            (tmp_path / "typed").write_text(password)
            ben(*words, "--password-file", str(tmp_path / "typed"), status=status)
        elif way == "stdin":
            ben(*words, "--password-stdin", stdin=password + "\n", status=status)
        else:
            ben._environment["OCFT_PASSWORD"] = password
            ben(*words, status=status)

    ben(*words, status=4)
    receive("pass word", 4)
    assert found(tmp_path / "inbox") == {} if (tmp_path / "inbox").exists() else True
    receive("påss wörd", 0)
    assert found(tmp_path / "inbox") == {"file": digest(file)}
    assert sharer.end() == 0


def test_a_password_has_no_place_on_the_command_line(anna: Person, tmp_path: Path) -> None:
    file = str(make_file(tmp_path / "file"))
    anna("share", file, "--password=secret", status=1)
    anna("share", file, "--password-file", str(tmp_path / "missing"), status=1)


# What does not work, and how it ends


def test_a_link_is_good_for_as_many_downloads_as_was_said(
    anna: Person, ben: Person, tmp_path: Path
) -> None:
    sharer = share(anna, make_file(tmp_path / "file"), "--once")
    ben("receive", link_of(sharer), "-o", str(tmp_path / "inbox"))
    assert sharer.end() == 0
    ben("receive", link_of(sharer), "-o", str(tmp_path / "inbox"), status=3)
    assert len(found(tmp_path / "inbox")) == 1


def test_a_code_that_is_nearly_right_opens_nothing(
    anna: Person, ben: Person, tmp_path: Path
) -> None:
    sharer = share(anna, make_file(tmp_path / "file"))
    link, code = link_of(sharer), code_of(sharer)
    other = "0" if code[-1] != "0" else "1"
    for wrong, status in [(code[:-1] + other, 3), (code[:-1], 1), (code + "0", 1), ("", 1)]:
        ben("receive", link.replace(code, wrong), "-o", str(tmp_path / "inbox"), status=status)
    assert not (tmp_path / "inbox").exists() or found(tmp_path / "inbox") == {}
    assert sharer.process.poll() is None


def test_nothing_secret_is_said_when_it_fails(anna: Person, ben: Person, tmp_path: Path) -> None:
    sharer = share(anna, make_file(tmp_path / "file"))
    code = code_of(sharer)
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
    for words in (("--verbose",), ("--json",), ()):
        link = link_of(sharer).replace(code, wrong)
        process = ben.start(*words, "receive", link, "-o", str(tmp_path / "inbox"))
        status, out, err = finish(process)
        assert status == 3
        assert wrong not in out + err
    assert not (tmp_path / "inbox" / ".ocft").exists()


def test_an_expired_link_opens_nothing(anna: Person, ben: Person, tmp_path: Path) -> None:
    sharer = share(anna, make_file(tmp_path / "file"), "--expires", "1s")
    assert sharer.end() == 5
    ben("receive", link_of(sharer), "-o", str(tmp_path / "inbox"), status=3)


def test_nobody_comes_in_time(anna: Person, ben: Person, tmp_path: Path) -> None:
    file = make_file(tmp_path / "file")
    assert share(anna, file, "--timeout", "0.5").end() == 5
    inbox = Running(
        ben.start(
            *("--json", "receive", "-o", str(tmp_path / "inbox")),
            *("--host", "127.0.0.1", "--timeout", "0.5"),
        )
    )
    assert inbox.end() == 5
    assert inbox.lines[-1]["error"]["exit_status"] == 5
    assert inbox.events[-1] == "error"


def test_the_timeout_does_not_stop_what_moves(
    anna: Person, ben: Person, tmp_path: Path, proxy: CuttingProxy
) -> None:
    file = make_file(tmp_path / "file", LARGE)
    sharer = share(anna, file, "--once", "--timeout", "6", proxy=proxy)
    proxy.target = port_behind(sharer, proxy)
    proxy._bytes_until_cut = lambda: 5 * RECORD
    receiver = ben.start("receive", link_of(sharer), "-o", str(tmp_path), "--timeout", "6")
    wait_until(lambda: proxy.bytes_down > RECORD)
    proxy.go_down()
    time.sleep(6.5)  # longer than both wait
    proxy.come_up()
    assert finish(receiver)[0] == 0
    assert sharer.end() == 0
    assert digest(tmp_path / "file (1)") == digest(file)


def test_a_missing_file_is_status_2_and_a_wrong_option_1(anna: Person, tmp_path: Path) -> None:
    file = str(make_file(tmp_path / "file"))
    anna("share", str(tmp_path / "missing"), status=2)
    anna("share", status=1)
    anna("share", file, "--expires", "soon", status=1)
    anna("share", file, "--max-downloads", "0", status=1)
    anna("receive", "http://127.0.0.1:9/s/", status=1)
    anna("receive", "ftp://127.0.0.1/s/#7KQ2M9XWTB4E", status=1)


def test_who_cannot_save_says_so_to_both_sides(anna: Person, ben: Person, tmp_path: Path) -> None:
    file = make_file(tmp_path / "file")
    sharer = share(anna, file, "--once")
    (tmp_path / "taken").write_text("a file, not a folder")
    ben("receive", link_of(sharer), "-o", str(tmp_path / "taken"), status=2)
    # Nothing was fetched, so the link is still good.
    ben("receive", link_of(sharer), "-o", str(tmp_path / "inbox"))
    assert sharer.end() == 0


def test_two_files_do_not_fit_on_stdout(anna: Person, ben: Person, tmp_path: Path) -> None:
    sharer = share(anna, make_file(tmp_path / "a"), make_file(tmp_path / "b"), "--once")
    assert ben.bytes_of("receive", link_of(sharer), "-o", "-", status=1) == b""


def _truncate(file: Path) -> None:
    os.truncate(file, 10)


def _write_into(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(-1, os.SEEK_END)
        opened.write(b"x")


def _append_to(file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"x")


def _swap_for_a_link(file: Path) -> None:
    """Put a link to something else in its place, as somebody would who wants that sent."""
    other = make_file(file.with_name("secret"), file.stat().st_size)
    file.unlink()
    file.symlink_to(other)


def _swap_for_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


CHANGES = [_truncate, _write_into, _append_to, _swap_for_a_link, _swap_for_a_pipe, Path.unlink]


# What is open stays the same file when another one takes its name.
@pytest.mark.parametrize("change", [_truncate, _write_into, _append_to])
def test_what_changes_while_it_is_sent_gets_no_name(
    anna: Person,
    ben: Person,
    tmp_path: Path,
    proxy: CuttingProxy,
    change: Callable[[Path], None],
) -> None:
    file = make_file(tmp_path / "file", LARGE)
    sharer = share(anna, file, "--once", proxy=proxy)
    proxy.target = port_behind(sharer, proxy)
    proxy._bytes_until_cut = lambda: 5 * RECORD
    receiver = ben.start("receive", link_of(sharer), "-o", str(tmp_path / "inbox"))
    wait_until(lambda: proxy.bytes_down > 2 * RECORD)
    change(file)
    status, _, err = finish(receiver)
    assert (status, sharer.end()) == (2, 2), err
    assert list((tmp_path / "inbox").iterdir()) == []


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_before_it_is_sent_gets_no_name(
    anna: Person, ben: Person, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    file, inbox = make_file(tmp_path / "file", LARGE), tmp_path / "inbox"
    sharer = share(anna, file, "--once")
    change(file)
    ben("receive", link_of(sharer), "-o", str(inbox), status=2)
    assert sharer.end() == 2
    assert list(inbox.iterdir()) == []


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_while_it_is_put_at_a_service_is_removed_there(
    anna: Person, tmp_path: Path, service: "Service", change: Callable[[Path], None]
) -> None:
    first, second = make_file(tmp_path / "a", 4 * LARGE), make_file(tmp_path / "b", LARGE)
    sharer = share_at(anna, service.url, first, second)
    sharer.until("progress")
    change(second)
    assert sharer.end() == 2
    wait_until(lambda: not any((tmp_path / "kept").rglob("content")))
    assert not any((anna.home / "state" / "uploads").iterdir())


def test_a_full_disk_is_status_2_and_what_came_is_kept(
    anna: Person, ben: Person, tmp_path: Path
) -> None:
    file = make_file(tmp_path / "file", LARGE)
    sharer = share(anna, file, "--once", "--timeout", "15")
    words = ("receive", link_of(sharer), "-o", str(tmp_path / "inbox"))
    receiver = ben.start(*words)
    most = 5 * RECORD  # bytes of a file: the system's own way to refuse more
    resource.prlimit(receiver.pid, resource.RLIMIT_FSIZE, (most, most))
    status, _, err = finish(receiver)
    assert status == 2, err
    assert found(tmp_path / "inbox") == {}
    kept = sum(path.stat().st_size for path in (tmp_path / "inbox").rglob("files/*"))
    assert 0 < kept <= most
    sharer.until("transfer_failed")
    assert sharer.lines[-1]["code"] == "STORAGE"
    lines = ben.json(*words)
    first = next(line for line in lines if line.get("event") == "progress")
    assert first["bytes_transferred"] > 3 * RECORD
    assert sharer.end() == 0
    assert found(tmp_path / "inbox") == {"file": digest(file)}


def test_stdout_that_is_full_is_status_2(anna: Person, ben: Person, tmp_path: Path) -> None:
    sharer = share(anna, make_file(tmp_path / "file", LARGE))
    with Path("/dev/full").open("wb") as full:
        receiver = ben.start("receive", link_of(sharer), "-o", "-", stdout=full)
        _, err = receiver.communicate(timeout=PATIENCE)
    assert receiver.returncode == 2, err
    assert "stdout" in err


def test_who_reads_stdout_may_have_had_enough(anna: Person, ben: Person, tmp_path: Path) -> None:
    sharer = share(anna, make_file(tmp_path / "file", LARGE))
    receiver = ben.start("receive", link_of(sharer), "-o", "-", text=False)
    assert receiver.stdout is not None
    assert len(receiver.stdout.read(10)) == 10
    receiver.stdout.close()
    receiver.stdout = None
    status, _, err = finish(receiver)
    assert status == 141
    assert b"Error" not in err


# Broken connections, killed processes


def port_behind(running: Running, proxy: CuttingProxy) -> int:
    """Return the port that a command listens on, which its link does not say."""
    pid = running.process.pid
    inodes = {
        match[1]
        for path in Path(f"/proc/{pid}/fd").iterdir()
        if (match := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(path)))
    }
    (port,) = {
        int(line.split()[1].partition(":")[2], 16)
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[9] in inodes
    }
    assert port != proxy.port
    return port


@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "end"])
def test_fifty_cut_connections_cost_at_most_a_record_each(
    anna: Person, ben: Person, tmp_path: Path, *, is_reset: bool
) -> None:
    chance = random.Random(5)
    file = make_file(tmp_path / "file", 2 * LARGE)
    cuts = [chance.randrange(2 * RECORD) for _ in range(50)]
    left = iter([None, None, None, *cuts])  # looking, joining, the manifest
    with CuttingProxy(1, bytes_until_cut=lambda: next(left, None), is_reset=is_reset) as proxy:
        sharer = share(anna, file, "--once", proxy=proxy)
        proxy.target = port_behind(sharer, proxy)
        receiver = ben.start("receive", link_of(sharer), "-o", str(tmp_path / "inbox"))
        status, _, err = finish(receiver)
        assert status == 0, err
        assert sharer.end() == 0
        assert next(left, None) is None, "not all cuts were made"
        assert found(tmp_path / "inbox") == {"file": digest(file)}
        heads = 1000 * proxy.connections
        assert proxy.bytes_down <= 2 * LARGE + 1000 + len(cuts) * (RECORD + 16) + heads


def test_a_receiver_that_is_killed_again_and_again_goes_on(
    anna: Person, ben: Person, tmp_path: Path
) -> None:
    chance = random.Random(6)
    file, kills = make_file(tmp_path / "file", 4 * LARGE), 20
    with CuttingProxy(1) as proxy:
        sharer = share(anna, file, "--once", proxy=proxy)
        proxy.target = port_behind(sharer, proxy)
        words = ("receive", link_of(sharer), "-o", str(tmp_path / "inbox"))
        for _ in range(kills):
            before = proxy.bytes_down
            receiver = ben.start(*words)
            goal = before + chance.randrange(1, 4 * RECORD)
            wait_until(partial(_has_come_to, goal, proxy, receiver))
            receiver.kill()
            receiver.wait()
            assert found(tmp_path / "inbox") in ({}, {"file": digest(file)})
        if not found(tmp_path / "inbox"):
            ben(*words)
        assert sharer.end() == 0
        assert found(tmp_path / "inbox") == {"file": digest(file)}
        assert not (tmp_path / "inbox" / ".ocft").exists()
        # What the system had buffered for a process that died is lost with it.
        assert proxy.bytes_down <= 4 * LARGE + (kills + 1) * 12 * RECORD


def _has_come_to(goal: int, proxy: CuttingProxy, receiver: "subprocess.Popen[str]") -> bool:
    return proxy.bytes_down >= goal or receiver.poll() is not None


def test_a_sender_that_is_stopped_leaves_nothing_with_a_name(
    anna: Person, ben: Person, tmp_path: Path
) -> None:
    sharer = share(anna, make_file(tmp_path / "file", LARGE))
    receiver = Running(
        ben.start("--json", "receive", link_of(sharer), "-o", str(tmp_path / "inbox"))
    )
    receiver.until("session_joined")
    sharer.process.terminate()
    assert sharer.end() == 143
    receiver.process.kill()
    ben("receive", link_of(sharer), "-o", str(tmp_path / "inbox"), status=3)
    assert found(tmp_path / "inbox") == {}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_receiver_learns_at_once_that_its_sender_is_gone(
    anna: Person, ben: Person, tmp_path: Path, how: signal.Signals
) -> None:
    file = make_file(tmp_path / "file", LARGE)
    sharer = share(anna, file, "--max-downloads", "2")
    receiver = ben.start("receive", link_of(sharer), "-o", "-", text=False)
    assert receiver.stdout is not None
    receiver.stdout.read(1)  # then it waits for us to read on
    sharer.process.send_signal(how)
    sharer.process.wait(PATIENCE)
    began = time.monotonic()
    status, _, err = finish(receiver)
    assert status == 3, err
    assert b"stopped sharing" in err
    assert time.monotonic() - began < 15, "it waited for half a minute"


# Inboxes and services


def test_an_inbox_takes_what_somebody_puts_in(anna: Person, ben: Person, tmp_path: Path) -> None:
    file = make_file(tmp_path / "file", LARGE)
    inbox = Running(
        ben.start("--json", "receive", "-o", str(tmp_path / "inbox"), "--host", "127.0.0.1")
    )
    link = str(inbox.until("session_created")["upload_url"])
    base, _, fragment = link.partition("/s/#")
    code, _, key = fragment.partition(".")
    (tmp_path / "key").write_text(key)
    (tmp_path / "wrong").write_text(key[:-1] + ("A" if key[-1] != "A" else "E"))
    words = ("share", str(file), "--server", base, "--session", code, "--sender-key-file")
    anna(*words, str(tmp_path / "wrong"), status=4)
    anna(*words, str(tmp_path / "key"))
    assert inbox.end() == 0
    assert found(tmp_path / "inbox") == {"file": digest(file)}


class Service:
    """`ocft serve`, which can be killed and started again at the same port."""

    def __init__(self, person: Person, folder: Path, *words: str) -> None:
        self._person, self._folder, self._words = person, folder, words
        self.port = 0
        self.start()

    def start(self) -> None:
        limits = ("--made", "1000", "--joined", "1000", "--looked", "1000")
        words = ("--data", str(self._folder), "--port", str(self.port), *limits, *self._words)
        self.running = Running(self._person.start("--json", "serve", *words))
        self.port = int(self.running.until("serving")["port"])

    def kill(self) -> None:
        self.running.process.kill()
        self.running.process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def service(people: Callable[[str], Person], tmp_path: Path) -> Service:
    return Service(people("service"), tmp_path / "kept")


def test_a_service_keeps_files_until_they_are_fetched(
    anna: Person, ben: Person, tmp_path: Path, service: Service
) -> None:
    file = make_file(tmp_path / "secret name.txt", LARGE)
    sharer = share_at(anna, service.url, file, "--once")
    assert sharer.end() == 0
    kept = b"".join(p.read_bytes() for p in (tmp_path / "kept").rglob("*") if p.is_file())
    assert len(kept) >= LARGE
    assert file.read_bytes()[:64] not in kept
    assert b"secret name" not in kept
    ben("receive", code_of(sharer), "--server", service.url, "-o", str(tmp_path / "inbox"))
    assert found(tmp_path / "inbox") == {file.name: digest(file)}
    ben("receive", link_of(sharer), "-o", str(tmp_path / "inbox"), status=3)


def test_a_service_that_is_killed_again_and_again_loses_nothing(
    anna: Person, ben: Person, tmp_path: Path, service: Service
) -> None:
    chance = random.Random(7)
    file = make_file(tmp_path / "file", 4 * LARGE)
    sharer = share_at(anna, service.url, file, "--once")
    for _ in range(4):
        time.sleep(chance.random() * 0.2)  # at any moment
        service.kill()
        service.start()
    assert sharer.end() == 0
    receiver = Running(
        ben.start("--json", "receive", link_of(sharer), "-o", str(tmp_path / "inbox"))
    )
    receiver.until("session_joined")
    for _ in range(4):
        time.sleep(chance.random() * 0.5)
        service.kill()
        service.start()
    assert receiver.end() == 0
    assert found(tmp_path / "inbox") == {"file": digest(file)}


def share_at(person: Person, server: str, *words: object) -> Running:
    """Start to share through a service."""
    running = Running(person.start("--json", "share", *map(str, words), "--server", server))
    running.until("session_created")
    return running


def test_a_sender_that_is_killed_again_and_again_goes_on(
    anna: Person, ben: Person, tmp_path: Path
) -> None:
    chance = random.Random(8)
    file, kills = make_file(tmp_path / "file", 4 * LARGE), 20
    with CuttingProxy(1) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        service = Service(anna, tmp_path / "kept", "--public-url", url)
        proxy.target = service.port
        words = ("--json", "share", str(file), "--once", "--server", url)
        codes = set[str]()
        for _ in range(kills):
            goal = proxy.bytes_up + chance.randrange(1, 4 * RECORD)
            sharer = Running(anna.start(*words))
            wait_until(lambda: proxy.bytes_up >= goal or sharer.process.poll() is not None)  # noqa: B023 - used at once
            sharer.process.kill()
            sharer.end()
            codes |= {line["session_code"] for line in sharer.lines if "session_code" in line}
            assert sharer.process.returncode == -signal.SIGKILL, "all was there too early"
        sharer = Running(anna.start(*words))
        assert sharer.end() == 0
        assert codes | {code_of(sharer)} == {code_of(sharer)}
        # What was on its way to the service when its sender died is lost with it.
        assert proxy.bytes_up <= 4 * LARGE + kills * 8 * RECORD
        assert not any((anna.home / "state" / "uploads").iterdir())
        ben("receive", link_of(sharer), "-o", str(tmp_path / "inbox"))
        assert found(tmp_path / "inbox") == {"file": digest(file)}


def test_a_sender_that_is_stopped_goes_on_with_the_same_session(
    anna: Person, tmp_path: Path, service: Service
) -> None:
    file = make_file(tmp_path / "file", 8 * LARGE)
    sharer = share_at(anna, service.url, file)
    sharer.until("progress")
    sharer.process.send_signal(signal.SIGINT)
    assert sharer.end() == 130
    assert "goes on" in sharer.lines[-1]["error"]["message"]
    again = share_at(anna, service.url, file)
    assert again.end() == 0
    assert code_of(again) == code_of(sharer)
    other = share_at(anna, service.url, file)  # that one is done; this is another
    assert other.end() == 0
    assert code_of(other) != code_of(again)


def test_an_upload_that_goes_on_needs_the_same_password(
    anna: Person, ben: Person, tmp_path: Path, service: Service
) -> None:
    file = make_file(tmp_path / "file", 8 * LARGE)
    codes, link = [], ""
    for password, is_stopped in [("one", True), ("two", True), ("two", False)]:
        (tmp_path / "password").write_text(password)
        sharer = share_at(anna, service.url, file, "--password-file", tmp_path / "password")
        if is_stopped:
            sharer.until("progress")
            sharer.process.kill()
        assert sharer.end() == (-9 if is_stopped else 0)
        codes.append(code_of(sharer))
        link = link_of(sharer)
    assert codes[0] != codes[1] == codes[2]
    words = ("receive", link, "-o", str(tmp_path / "inbox"), "--password-stdin")
    ben(*words, stdin="one", status=4)
    ben(*words, stdin="two")
    assert found(tmp_path / "inbox") == {"file": digest(file)}


def test_what_is_put_into_somebody_elses_session_goes_on_after_a_kill(
    anna: Person, ben: Person, tmp_path: Path
) -> None:
    file = make_file(tmp_path / "file", 8 * LARGE)
    inbox = Running(
        ben.start("--json", "receive", "-o", str(tmp_path / "inbox"), "--host", "127.0.0.1")
    )
    link = str(inbox.until("session_created")["upload_url"])
    first = Running(anna.start("--json", "share", str(file), "--session", link))
    first.until("progress")
    first.process.kill()
    assert first.end() == -9
    (kept,) = (anna.home / "state" / "uploads").glob("*.json")
    assert link.rpartition(".")[2] not in kept.read_text()
    second = Running(anna.start("--json", "share", str(file), "--session", link))
    assert second.end() == 0
    assert inbox.end() == 0
    assert found(tmp_path / "inbox") == {"file": digest(file)}


def test_a_session_of_a_service_expires_with_what_is_in_it(
    anna: Person, ben: Person, tmp_path: Path, service: Service
) -> None:
    sharer = share_at(anna, service.url, make_file(tmp_path / "file"), "--expires", "3s")
    assert sharer.end() == 0
    wait_until(lambda: not any((tmp_path / "kept").rglob("content")))
    ben("receive", link_of(sharer), "-o", str(tmp_path / "inbox"), status=3)


def test_a_service_without_room_says_so_before_much_is_sent(
    anna: Person, people: Callable[[str], Person], tmp_path: Path
) -> None:
    service = Service(people("service"), tmp_path / "kept", "--max-total", "8MB")
    sharer = share_at(anna, service.url, make_file(tmp_path / "file", LARGE))
    assert sharer.end() == 7
    assert sharer.lines[-1]["error"]["code"] == "SERVER_REFUSED"
    wait_until(lambda: not any((tmp_path / "kept").rglob("content")))


def test_only_who_made_a_session_with_a_password_can_send_to_it(
    anna: Person, ben: Person, tmp_path: Path, service: Service
) -> None:
    (tmp_path / "password").write_text("secret")
    file = make_file(tmp_path / "file", 8 * LARGE)
    sharer = share_at(anna, service.url, file, "--password-file", tmp_path / "password")
    sharer.until("progress")
    sharer.process.kill()
    sharer.end()
    link = f"{link_of(sharer)}.{'A' * 43}"
    ben("share", str(file), "--session", link, status=4)
    ben("share", str(file), "--session", link, "--once", status=1)
