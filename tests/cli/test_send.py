"""`ocft.cli.send`: what is recorded, and what is not. The way of a file: tests/e2e/test_cli.py."""

import os
import time
from pathlib import Path

import pytest

from ocft.ids import NodeId
from ocft.storage import Database, NodeStore
from tests.cli.conftest import Ocft, start


@pytest.fixture
def sender(node: Ocft) -> Ocft:
    node("add-peer", "ocft_bob", "secret", "--name", "bob")
    return node


def recorded(sender: Ocft) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = sender("transfers", "--all", "--json").lines[0]["transfers"]
    return listed


def test_no_wait_writes_the_ids_of_what_was_recorded(sender: Ocft, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    done = sender("send", str(tmp_path / "a"), str(tmp_path / "b"), "--to", "bob", "--no-wait")
    assert done.status == 0
    assert done.out.split() == [info["id"] for info in recorded(sender)]
    assert [info["file_count"] for info in recorded(sender)] == [2]
    done = sender("send", str(tmp_path / "a"), "--to", "ocft_bob", "--no-wait", "--json")
    assert done.lines == [{"result": "send", "transfers": [{"id": recorded(sender)[1]["id"]}]}]


def test_a_1_0_peer_gets_each_file_by_itself(sender: Ocft, tmp_path: Path) -> None:
    with Database(tmp_path / "home" / "state" / "journal.db") as database:
        NodeStore(database).learn(NodeId("ocft_bob"), wire="1.0", wire_learned_at=time.time())
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    sender("send", str(tmp_path / "a"), str(tmp_path / "b"), "--to", "bob", "--no-wait")
    assert [info["filename"] for info in recorded(sender)] == ["a", "b"]


def test_a_folder_is_one_transfer_and_what_is_no_file_is_said(sender: Ocft, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_text(name)
    os.mkfifo(folder / "pipe")
    done = sender("send", str(folder), "--to", "bob", "--no-wait")
    assert done.status == 0
    assert "pipe" in done.err
    assert [info["file_count"] for info in recorded(sender)] == [2]
    assert "(2 files)" in sender("transfers").out


def test_a_pipe_by_itself_is_refused_at_once(sender: Ocft, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = start("send", str(tmp_path / "pipe"), "--to", "bob", "--no-wait")
    assert done.returncode == 2
    assert "is a pipe" in done.stderr
    assert recorded(sender) == []


def test_one_wrong_name_records_nothing(sender: Ocft, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    done = sender("send", str(tmp_path / "a"), str(tmp_path / "nope"), "--to", "bob")
    assert done.status == 2
    assert recorded(sender) == []


@pytest.mark.parametrize(
    "name",
    ["-", "--json", "-rf", "$(id)", "`id`", ";rm", "*", "~"],
    ids=["G10-dash", "G10-json", *[f"N21-{n}" for n in ("rf", "sub", "tick", "semi", "star", "~")]],
)
def test_a_file_may_be_called_anything(
    sender: Ocft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("content")
    typed = "./-" if name == "-" else name  # the other one is stdin
    assert sender("send", "--to", "bob", "--no-wait", "--", typed).status == 0
    assert [info["local_path"] for info in recorded(sender)] == [str(tmp_path / name)]


def test_a_name_that_is_no_utf_8_is_sent_and_shown(sender: Ocft, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.txt")
    path.write_text("content")
    assert sender("send", str(path), "--to", "bob", "--no-wait").status == 0
    assert recorded(sender)[0]["local_path"] == str(path)
    assert sender("transfers").status == 0


def test_a_dash_is_stdin_also_where_a_file_is_called_so(
    sender: Ocft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-").write_text("content")
    assert sender("send", "-", "--to", "bob", "--no-wait").status == 2  # nothing is piped
    assert sender("send", "./-", "--to", "bob", "--no-wait").status == 0
    assert [info["filename"] for info in recorded(sender)] == ["_-"]


def test_files_whose_names_not_everybody_can_save_go_together_under_others(
    sender: Ocft, tmp_path: Path
) -> None:
    for name in ("-rf", "a:b", "plain"):
        (tmp_path / name).write_text(name)
    files = [str(tmp_path / name) for name in ("-rf", "a:b", "plain")]
    assert sender("send", *files, "--to", "bob", "--no-wait").status == 0
    (transfer,) = recorded(sender)
    listed = sender("files", str(transfer["id"]), "--json").lines[0]["files"]
    assert [file["name"] for file in listed] == ["_-rf", "a_b", "plain"]


def test_a_name_that_is_not_taken_says_why_and_which_would_be(sender: Ocft, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for name, words in (("a/b", "is a path"), ("/etc/b", "is a path"), ("b.", "saved everywhere")):
        done = sender("send", str(tmp_path / "file"), "--to", "bob", "--name", name, "--no-wait")
        assert words in done.err
        assert "'b'" in done.err
    assert recorded(sender) == []


def test_patterns_say_what_is_sent(sender: Ocft, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name in ("a.py", "b.txt", "build/c.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    patterns = ["--include", "*.py", "--exclude", "build/"]
    assert sender("send", str(folder), "--to", "bob", "--no-wait", *patterns).status == 0
    (transfer,) = recorded(sender)
    assert sender("files", str(transfer["id"])).out.split()[2:] == ["4", "bytes", "folder/a.py"]
    done = sender("send", str(folder), "--to", "bob", "--no-wait", "--include", "*.md", "--json")
    assert done.lines[-1]["error"]["code"] == "SOURCE_NOT_FOUND"
    done = sender("send", str(folder), "--to", "bob", "--no-wait", "--include", "!", "--json")
    assert done.lines[-1]["error"]["code"] == "CONFIG"


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["{file}", "--to", "nobody"], 4, "UNKNOWN_PEER"),
        (["{file}", "--to", "*"], 4, "UNKNOWN_PEER"),
        (["{file}", "--to", "BOB"], 4, "UNKNOWN_PEER"),
        (["{file}", "--to", ""], 4, "UNKNOWN_PEER"),
        (["{file}", "--to", "late"], 4, "TRUST_EXPIRED"),
        (["{file}", "--to", "bob", "--channel", "../pigeon"], 1, "UNKNOWN_ADAPTER"),
        (["{file}", "--to", "bob", "--timeout", "0"], 1, "CONFIG"),
        (["{file}", "--to", "bob", "--timeout", "nan"], 1, "CONFIG"),
        (["{file}", "--to", "bob", "--timeout", "0.2"], 5, "TRANSFER_TIMEOUT"),
        (["/dev/null", "--to", "bob"], 2, "SOURCE_NOT_FOUND"),
        (["/", "--to", "bob"], 1, "CONFIG"),
        (["", "--to", "bob"], 2, "SOURCE_NOT_FOUND"),
        (["-", "--to", "bob"], 2, "SOURCE_NOT_FOUND"),
        (["-", "{file}", "--to", "bob"], 1, "CONFIG"),
        (["{file}", "{file}", "--to", "bob"], 1, "CONFIG"),
        (["{file}", "{file}2", "--to", "bob", "--name", "x"], 1, "CONFIG"),
        (["{folder}", "--to", "bob", "--name", "x"], 1, "CONFIG"),
        (["{folder}", "--to", "bob"], 2, "SOURCE_NOT_FOUND"),
        (["{file}", "--to", "bob", "--name", "a/b", "--no-wait"], 1, "CONFIG"),
        (["{file}", "--to", "bob", "--name", "a:b", "--no-wait"], 1, "CONFIG"),
        (["{file}", "--to", "bob", "--name", "", "--no-wait"], 1, "CONFIG"),
    ],
    ids=[
        *["unknown", "G4-star", "G4-case", "G4-empty", "expired", "channel"],
        *["zero", "nan", "time-out", "device", "root", "empty", "no stdin", "stdin and a file"],
        *["twice", "a name for two", "a name for a folder", "an empty folder"],
        *["a name that is a path", "a name that cannot be saved", "an empty name"],
    ],
)
def test_what_cannot_be_sent_is_a_stated_error(  # noqa: PLR0917 - three fixtures, three values
    sender: Ocft,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: int,
    code: str,
) -> None:
    (tmp_path / "file").write_text("x")
    sender("add-peer", "ocft_late", "secret", "--name", "late", "--ttl", "1e-9")
    (tmp_path / "folder").mkdir()
    named = {"file": tmp_path / "file", "folder": tmp_path / "folder"}
    done = sender("--json", "send", *[argument.format(**named) for argument in arguments])
    assert done.status == status
    assert done.lines[-1]["error"]["code"] == code
