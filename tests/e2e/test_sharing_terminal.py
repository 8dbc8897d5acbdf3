"""Sharing as somebody does it who sits at a terminal: prompts, a drawn link, a bar that waits."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.people import PATIENCE, Person, digest, finish, make_file
from tests.e2e.test_sharing import found, link_of, port_behind, share
from tests.share.cutting_proxy import CuttingProxy

RECORD = 1024 * 1024


class Terminal:
    """A command at a terminal of its own; its stdout is a pipe unless it is to be seen, too."""

    def __init__(self, person: Person, *words: str, size: tuple[int, int] = (50, 120)) -> None:
        import fcntl
        import struct
        import termios

        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        environment = person._environment | {"TERM": "xterm", "COLUMNS": "", "LINES": ""}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ocft", "--home", str(person.home), *words],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={name: value for name, value in environment.items() if value},
            start_new_session=True,  # else the terminal that runs the tests is asked
        )
        os.close(theirs)
        self.seen = ""

    def until(self, words: str) -> None:
        """Wait until something is to be seen."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.seen:
            assert time.monotonic() < deadline, (words, self.seen)
            ready, _, _ = select.select([self._ours], [], [], 0.2)
            if not ready:
                continue
            try:
                self.seen += os.read(self._ours, 65536).decode("utf-8", "replace")
            except OSError:  # it has ended
                assert words in self.seen, (words, self.seen)

    def type(self, words: str) -> None:
        os.write(self._ours, words.encode())

    def read_line(self) -> str:
        """Return the next line of stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().strip()

    def end(self) -> int:
        """Look on until the command has ended, and return its exit status."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.seen
            if select.select([self._ours], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self._ours, 65536).decode("utf-8", "replace")
                except OSError:
                    break
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self._ours < 0:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        os.close(self._ours)
        self._ours = -1


Open = Callable[..., Terminal]


@pytest.fixture
def terminal() -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*arguments: object, **options: object) -> Terminal:
        opened.append(Terminal(*arguments, **options))  # type: ignore[arg-type]  # handed on
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def anna(people: Callable[[str], Person]) -> Person:
    return people("anna")


@pytest.fixture
def ben(people: Callable[[str], Person]) -> Person:
    return people("ben")


SHARE = ("share", "--host", "127.0.0.1")


def test_a_password_is_typed_twice_by_who_makes_it_up_and_once_by_who_knows_it(
    anna: Person, ben: Person, tmp_path: Path, terminal: Open
) -> None:
    file = make_file(tmp_path / "file")
    sharing = terminal(anna, *SHARE, str(file), "--once", "--password", "--no-qr")
    sharing.until("Password: ")
    sharing.type("påss wörd\n")
    sharing.until("The same again: ")
    sharing.type("påss wörd\n")
    link = sharing.read_line()
    receiving = terminal(ben, "receive", link, "-o", str(tmp_path / "inbox"))
    receiving.until("Password: ")  # asked for without an option, since the session has one
    receiving.type("påss wörd\n")
    assert receiving.end() == 0
    assert sharing.end() == 0
    assert found(tmp_path / "inbox") == {"file": digest(file)}
    assert "wörd" not in sharing.seen + receiving.seen, "what was typed was shown"


def test_two_passwords_that_differ_are_none(anna: Person, tmp_path: Path, terminal: Open) -> None:
    sharing = terminal(anna, *SHARE, str(make_file(tmp_path / "file")), "--password")
    sharing.until("Password: ")
    sharing.type("one\n")
    sharing.until("The same again: ")
    sharing.type("other\n")
    assert sharing.end() == 1
    assert "not the same" in sharing.seen


def test_a_wrong_password_is_status_4(
    anna: Person, ben: Person, tmp_path: Path, terminal: Open
) -> None:
    (tmp_path / "password").write_text("right")
    sharing = share(anna, make_file(tmp_path / "file"), "--password-file", tmp_path / "password")
    receiving = terminal(ben, "receive", link_of(sharing), "-o", str(tmp_path / "inbox"))
    receiving.until("Password: ")
    receiving.type("wrong\n")
    assert receiving.end() == 4
    assert "The password is wrong." in receiving.seen


def test_the_link_is_drawn_where_there_is_room(
    anna: Person, tmp_path: Path, terminal: Open
) -> None:
    file = str(make_file(tmp_path / "file"))
    blocks = re.compile("[▀▄█]{4}")
    for size, words, is_drawn in [
        ((50, 120), (), True),
        ((50, 120), ("--no-qr",), False),
        ((10, 120), (), False),
        ((50, 20), (), False),
        ((10, 120), ("--qr",), True),
    ]:
        sharing = terminal(anna, *SHARE, file, *words, size=size)
        sharing.until("Ctrl-C ends it")
        assert (blocks.search(sharing.seen) is not None) is is_drawn, (size, words)
        assert not blocks.search(sharing.read_line()), "stdout is for the link alone"
        sharing.close()


@pytest.mark.parametrize("words", [(), ("--qr",)])
def test_nothing_is_drawn_where_nobody_looks(
    anna: Person, tmp_path: Path, words: tuple[str, ...]
) -> None:
    file = str(make_file(tmp_path / "file"))
    process = anna.start(*SHARE, file, "--timeout", "0.2", *words)
    status, out, err = finish(process)
    assert status == 5
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/s/#[0-9A-Z]{12}\n", out)
    assert not re.search("[▀▄█]", out + err)


def test_the_bar_says_that_it_waits_and_how_long(
    anna: Person, ben: Person, tmp_path: Path, terminal: Open
) -> None:
    file = make_file(tmp_path / "file", 24 * RECORD)
    with CuttingProxy(1, bytes_until_cut=lambda: 5 * RECORD) as proxy:
        sharing = share(anna, file, "--once", proxy=proxy)
        proxy.target = port_behind(sharing, proxy)
        receiving = terminal(ben, "receive", link_of(sharing), "-o", str(tmp_path / "inbox"))
        while proxy.bytes_down < 2 * RECORD:
            receiving.until("")
            time.sleep(0.01)
        proxy.go_down()
        receiving.until("Waiting for up to")
        receiving.until("waiting, 2")  # 29, 28, ... seconds more at most
        proxy.come_up()
        assert receiving.end() == 0
    assert found(tmp_path / "inbox") == {"file": digest(file)}
