"""`ocft.cli.post`: what is refused at once; tests/e2e/test_platforms.py has what is posted."""

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Ocft, start


@pytest.fixture
def offline(node: Ocft, monkeypatch: pytest.MonkeyPatch) -> Ocft:
    """A node whose channel nobody may open."""

    def refuse(_: str) -> object:
        raise AssertionError("a channel was opened")

    monkeypatch.setattr("ocft.channels.find_adapter", refuse)
    return node


@pytest.mark.usefixtures("node")
def test_a_pipe_that_nobody_writes_into_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = start("post", str(tmp_path / "pipe"))  # by itself, so that it may hang
    assert done.returncode == 2
    assert "is a pipe" in done.stderr
    assert "Save what comes out of it as a file first" in done.stderr


@pytest.mark.parametrize("name", ["nothing", "folder", ""])
def test_what_is_no_file_is_told_before_the_platform_is_asked(
    offline: Ocft, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    done = offline("post", str(tmp_path / name), "--json")
    assert done.status == 2
    assert done.lines[-1]["error"]["code"] == "SOURCE_NOT_FOUND"


def test_a_file_for_people_needs_a_channel_that_carries_files(node: Ocft, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("numbers")
    done = node("post", str(tmp_path / "report"), "--to", "bob")
    assert done.status == 3
    assert "carries no files" in done.err
