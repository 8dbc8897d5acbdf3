"""`ocft send -` and `ocft listen --once --output -`: OCFT as a part of a pipe."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.people import Person, digest, finish, make_file, wait_until

CONTENT = bytes(range(256)) * 1000 + b"\r\n\xff\n"


def kept(person: Person) -> list[Path]:
    folder = person.home / "state" / "stdin"
    return list(folder.iterdir()) if folder.exists() else []


def listen_to_stdout(person: Person) -> "subprocess.Popen[Any]":
    return person.start("listen", "--once", "--output", "-", text=False)


def test_a_pipe_goes_from_stdin_to_stdout_byte_for_byte(alice: Person, bob: Person) -> None:
    listener = listen_to_stdout(bob)
    assert alice.bytes_of("send", "-", "--name", "all.tar", "--to", "bob", stdin=CONTENT) == b""
    status, out, err = finish(listener)
    assert (status, out) == (0, CONTENT)
    assert err == b""  # in a pipe nobody wants to be told that all is well
    assert bob.received() == []
    assert alice.transfers()[0].filename == "all.tar"
    assert kept(alice) == []


def test_stdin_needs_no_name_and_may_be_empty(alice: Person, bob: Person) -> None:
    bob.listen()
    alice("send", "-", "--to", "bob", stdin="text\n")
    alice("send", "-", "--to", "bob")
    assert [path.read_text() for path in bob.received()] == ["text\n", ""]
    assert [path.name for path in bob.received()] == ["stdin", "stdin (1)"]


def test_what_is_piped_waits_for_a_peer_and_goes_then(alice: Person, bob: Person) -> None:
    alice.bytes_of("send", "-", "--to", "bob", "--timeout", "0.5", stdin=CONTENT, status=5)
    assert len(kept(alice)) == 1
    alice("send", "-", "--to", "bob", "--no-wait", stdin="more")
    assert len(kept(alice)) == 2
    bob.listen()
    alice("resume", *(info.id for info in alice.transfers()))
    assert {path.read_bytes() for path in bob.received()} == {CONTENT, b"more"}
    assert kept(alice) == []


def test_another_command_does_not_remove_what_is_still_being_read(
    alice: Person, bob: Person, tmp_path: Path
) -> None:
    bob.listen()
    slow = alice.start("send", "-", "--to", "bob", stdin=subprocess.PIPE)
    assert slow.stdin is not None
    slow.stdin.write("begun, ")
    slow.stdin.flush()
    wait_until(lambda: kept(alice))
    alice("send", str(make_file(tmp_path / "file", 10)), "--to", "bob")
    out, err = slow.communicate("done", timeout=20)
    assert slow.returncode == 0, (out, err)
    assert (bob.home / "downloads" / "stdin").read_text() == "begun, done"


def test_what_is_no_single_file_stays_and_is_status_2(
    alice: Person, bob: Person, tmp_path: Path
) -> None:
    files = [make_file(tmp_path / name, 100) for name in ("a", "b")]
    listener = listen_to_stdout(bob)
    alice("send", *map(str, files), "--to", "bob")
    status, out, err = finish(listener)
    assert (status, out) == (2, b"")
    assert str(bob.home / "downloads").encode() in err
    assert sorted(map(digest, bob.received())) == sorted(map(digest, files))


def test_a_file_that_was_here_already_is_written_and_stays(
    alice: Person, bob: Person, tmp_path: Path
) -> None:  # R-MAN-3
    file = make_file(tmp_path / "file", 1000)
    here = bob.home / "downloads" / "file"
    here.parent.mkdir()
    here.write_bytes(file.read_bytes())
    listener = listen_to_stdout(bob)
    alice("send", str(file), "--to", "bob")
    status, out, _ = finish(listener)
    assert (status, out) == (0, file.read_bytes())
    assert bob.received() == [here]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
def test_a_stdout_that_takes_nothing_keeps_the_file(
    alice: Person, bob: Person, tmp_path: Path
) -> None:
    file = make_file(tmp_path / "file", 1000)
    with Path("/dev/full").open("wb") as full:
        listener = bob.start("listen", "--once", "--output", "-", stdout=full)
    alice("send", str(file), "--to", "bob")
    assert listener.wait(20) == 2
    assert [digest(path) for path in bob.received()] == [digest(file)]


def test_a_reader_that_goes_away_keeps_the_file(alice: Person, bob: Person, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    listener = bob.start("listen", "--once", "--output", "-", stdout=writing)
    os.close(writing)
    os.close(reading)
    file = make_file(tmp_path / "file", 1_000_000)
    alice("send", str(file), "--to", "bob")
    assert listener.wait(20) == 2
    assert [digest(path) for path in bob.received()] == [digest(file)]
