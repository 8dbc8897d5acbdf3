"""Folders and several files at once: what is sent of them, and what is taken."""

import os
import stat
from pathlib import Path

import pytest

from ocft.transfers import TransferState
from tests.e2e.people import LARGE, Person, digest, finish, make_file, wait_until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files, an empty one, an executable one, and what cannot be sent."""
    folder = tmp_path / "project"
    for name in ("a.txt", "notes.md", "sub/b.txt", "sub/.hidden", "build/out.bin"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        make_file(folder / name, 5000)
    (folder / "empty").touch()
    (folder / "a.txt").chmod(0o755)
    os.utime(folder / "notes.md", (1.5e9, 1.5e9))
    (folder / "link").symlink_to("a.txt")
    return folder


def below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_and_a_file_arrive_as_they_are(
    alice: Person, bob: Person, folder: Path, tmp_path: Path
) -> None:
    bob.listen()
    words = ["--exclude", "build/", "--exclude", "*.md"]
    file = make_file(tmp_path / "file")
    alice("send", str(folder), str(file), "--to", "bob", *words)
    downloads = bob.home / "downloads"
    assert below(downloads / "project") == ["a.txt", "empty", "sub/.hidden", "sub/b.txt"]
    for name in below(downloads / "project"):
        assert digest(downloads / "project" / name) == digest(folder / name)
    assert (downloads / "project" / "a.txt").stat().st_mode & stat.S_IXUSR
    assert digest(downloads / "file") == digest(file)

    alice("send", str(folder), "--to", "bob", "--include", "*.md")
    assert below(downloads / "project (1)") == ["notes.md"]  # R-MAN-4
    assert int((downloads / "project (1)" / "notes.md").stat().st_mtime) == int(1.5e9)  # R-MAN-5


def test_files_are_listed_and_some_of_them_taken(carol: Person, bob: Person, folder: Path) -> None:
    bob.listen()
    sender = carol.start("send", str(folder), "--to", "bob")
    wait_until(lambda: bob.transfers() and bob.transfers()[0].filename)
    (waiting,) = bob.transfers()
    assert waiting.state is TransferState.PENDING
    (listed,) = bob.json("files", waiting.id[:9])
    names = [file["name"] for file in listed["files"]]
    assert names == sorted(f"project/{name}" for name in below(folder) if name != "link")
    assert carol.json("files", carol.transfers()[0].id)[0]["files"] == listed["files"]
    bob("accept", waiting.id, "--only", "project/nonsense", status=1)
    out = bob("accept", waiting.id, "--only", "project/a.txt", "--only", "project/empty")
    assert out == f"{bob.home}/downloads/project\n"
    assert below(bob.home / "downloads" / "project") == ["a.txt", "empty"]
    status, _, err = finish(sender)
    assert status == 0
    assert "Sent project/ (2 of 6 files, 4.9 KB) to bob" in err
    for person in (carol, bob):
        assert "project/ (2 of 6 files)" in person("transfers", "--all")
        (info,) = person.json("transfers", "--all")[0]["transfers"]
        assert (info["files_taken"], info["file_count"]) == (2, 6)


def test_the_sender_is_told_why_files_are_refused(
    carol: Person, bob: Person, folder: Path
) -> None:  # R-CTL-1
    bob.listen()
    sender = carol.start("send", str(folder), "--to", "bob")
    wait_until(lambda: bob.transfers() and bob.transfers()[0].filename)
    bob("reject", bob.transfers()[0].id, "--reason", "not on a Sunday")
    status, _, err = finish(sender)
    assert status == 7
    assert "The receiver refused: not on a Sunday" in err


def test_names_that_nobody_could_save_are_refused_together_only(
    alice: Person, bob: Person, tmp_path: Path
) -> None:
    bob.listen()
    for name in ("a:b", "a?b"):
        make_file(tmp_path / name, 10)
    alice("send", str(tmp_path / "a:b"), str(tmp_path / "a?b"), "--to", "bob", status=1)
    alice("send", str(tmp_path / "a:b"), "--to", "bob")
    assert [path.name for path in bob.received()] == ["a_b"]


def test_a_folder_survives_a_kill_on_both_sides(alice: Person, bob: Person, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(100):
        make_file(folder / f"{number}.bin", LARGE // 100)
    listener = bob.listen()
    sender = alice.start("send", str(folder), "--to", "bob")
    wait_until(lambda: bob.transfers() and bob.transfers()[0].bytes_done > LARGE // 10)
    for process in (listener, sender):
        process.kill()
        process.wait()
    stored = bob.transfers()[0].bytes_done
    assert 0 < stored < LARGE
    listener = bob.start("listen", "--once")
    alice("resume", alice.transfers()[0].id)
    status, out, err = finish(listener)
    assert (status, out) == (0, f"{bob.home}/downloads/many\n"), err
    assert below(bob.home / "downloads" / "many") == below(folder)
    for name in below(folder):
        assert digest(bob.home / "downloads" / "many" / name) == digest(folder / name)
    assert "Going on with" in err
