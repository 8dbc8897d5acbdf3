"""`ocft.cli.standard_input`: what is piped is kept until it was sent."""

import errno
import io
import shutil
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from ocft.cli import main
from ocft.cli.standard_input import forget_sent, kept_stdin
from ocft.errors import NotEnoughSpaceError, SourceNotFoundError
from ocft.ids import NodeId
from ocft.runtime import outgoing_files
from ocft.storage import Database, Journal
from ocft.testing import run
from tests.cli.conftest import Ocft, start

CONTENT = bytes(range(256)) * 10


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(Database(tmp_path / "journal.db"))


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something is piped in."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CONTENT)))


def kept(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "stdin").iterdir())


def record(journal: Journal, path: Path) -> None:
    async def main() -> None:
        outgoing = await outgoing_files(
            NodeId("bob"), [path], channel="local", wall_clock=lambda: 1.0
        )
        outgoing.add_to(journal)

    run(main())


def test_what_was_recorded_stays_and_is_private(
    tmp_path: Path, journal: Journal, piped: None
) -> None:
    with kept_stdin(tmp_path, journal) as path:
        assert path.read_bytes() == CONTENT
        record(journal, path)
    assert kept(tmp_path) == [path]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    forget_sent(tmp_path, journal)
    assert kept(tmp_path) == [path]


def test_what_is_needed_no_more_is_removed(tmp_path: Path, journal: Journal, piped: None) -> None:
    with kept_stdin(tmp_path, journal) as path:
        pass
    forget_sent(tmp_path, journal)
    assert kept(tmp_path) == []
    assert not path.exists()
    forget_sent(tmp_path / "nowhere", journal)


def test_what_could_not_be_recorded_is_removed_at_once(
    tmp_path: Path, journal: Journal, piped: None
) -> None:
    with pytest.raises(KeyboardInterrupt), kept_stdin(tmp_path, journal):
        raise KeyboardInterrupt
    assert kept(tmp_path) == []


def test_who_is_stopped_after_recording_keeps_it(
    tmp_path: Path, journal: Journal, piped: None
) -> None:
    def record_and_stop() -> None:
        with kept_stdin(tmp_path, journal) as path:
            record(journal, path)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record_and_stop()
    assert len(kept(tmp_path)) == 1


def test_what_another_process_is_about_to_record_is_left_alone(
    tmp_path: Path, journal: Journal, piped: None
) -> None:
    with kept_stdin(tmp_path, journal) as path:
        forget_sent(tmp_path, journal)
        assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, NotEnoughSpaceError), (errno.EIO, SourceNotFoundError)],
)
def test_a_disk_that_fails_leaves_nothing(  # noqa: PLR0917 - fixtures, values
    tmp_path: Path,
    journal: Journal,
    piped: None,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    expected: type[Exception],
) -> None:
    def fail(source: IO[Any], target: IO[bytes], length: int) -> None:
        target.write(b"some")
        raise OSError(number, "it failed")

    monkeypatch.setattr(shutil, "copyfileobj", fail)
    with pytest.raises(expected), kept_stdin(tmp_path, journal):
        pytest.fail("nothing was kept")
    assert kept(tmp_path) == []


def test_a_terminal_is_nothing_that_was_piped(
    node: Ocft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    node("add-peer", "ocft_bob", "secret", "--name", "bob")
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert main(["send", "-", "--to", "bob", "--no-wait"]) == 2
    assert "nothing is piped" in capsys.readouterr().err


def test_a_command_keeps_what_is_piped_into_it(node: Ocft, tmp_path: Path) -> None:
    node("add-peer", "ocft_bob", "secret", "--name", "bob")
    done = start("send", "-", "--to", "bob", "--no-wait", "--name", "n", input="text\n")
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "home" / "state" / "stdin").iterdir()
    assert path.read_text() == "text\n"
    (info,) = node("transfers", "--json").lines[0]["transfers"]
    assert (info["filename"], info["size"]) == ("n", 5)
    assert node("cancel", info["id"]).status == 0
    assert not path.exists()
