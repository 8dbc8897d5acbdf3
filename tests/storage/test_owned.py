import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ocft.errors import UnsafeNameError
from ocft.storage import already_have, split_owned
from tests.storage.incoming_sets import manifest_of

CONTENTS = {"a": b"alpha", "empty": b"", "top/b": b"beta", "top/deep/c": b"gamma", "top/d": b"d"}
MANIFEST = manifest_of(CONTENTS)


def _plant(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    for name, content in CONTENTS.items():
        path = tmp_path / "inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "inbox"


def test_files_with_the_same_name_and_content_are_had(inbox: Path) -> None:  # R-MAN-3
    assert already_have(MANIFEST, inbox) == {0, 1, 2, 3, 4}


def test_an_empty_or_missing_folder_has_nothing(tmp_path: Path) -> None:
    assert already_have(MANIFEST, tmp_path) == set()
    assert already_have(MANIFEST, tmp_path / "nothing") == set()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_bytes(b"bete"), id="content"),
        pytest.param(lambda path: path.write_bytes(b"beta+"), id="size"),
        pytest.param(Path.unlink, id="gone"),
        pytest.param(lambda path: path.rename(path.parent / "B2"), id="name"),
        pytest.param(lambda path: _plant(path, Path.mkdir), id="folder"),
        pytest.param(lambda path: _plant(path, os.mkfifo), id="N25-pipe"),
    ],
)
def test_a_file_that_is_not_the_same_is_not_had(
    inbox: Path, change: Callable[[Path], object]
) -> None:
    change(inbox / "top" / "b")
    assert already_have(MANIFEST, inbox) == {0, 1, 3, 4}


def test_nothing_is_had_through_a_link(inbox: Path, tmp_path: Path) -> None:
    (inbox / "top").rename(tmp_path / "outside")
    (inbox / "top").symlink_to(tmp_path / "outside")
    (inbox / "a").rename(tmp_path / "a")
    (inbox / "a").symlink_to(tmp_path / "a")
    assert already_have(MANIFEST, inbox) == {1}


def test_the_folder_itself_may_be_a_link(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(inbox)
    assert already_have(MANIFEST, tmp_path / "link") == {0, 1, 2, 3, 4}


def test_a_file_where_a_folder_should_be_has_nothing_below(tmp_path: Path) -> None:
    (tmp_path / "top").touch()
    assert already_have(MANIFEST, tmp_path) == set()


def test_only_files_of_the_right_size_are_read(
    inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "top" / "b").write_bytes(b"longer than beta")
    opened: list[str] = []
    real = os.open

    def note(path: Path, flags: int) -> int:
        opened.append(path.name)
        return real(path, flags)

    monkeypatch.setattr(os, "open", note)
    already_have(MANIFEST, inbox)
    assert opened == ["a", "empty", "c", "d"]


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "top/../a", ".hidden"])
def test_nobody_is_told_about_other_folders(inbox: Path, name: str) -> None:  # N1, N3, N5
    with pytest.raises(UnsafeNameError):
        already_have(manifest_of({name: b"alpha"}), inbox / "top")


def test_whole_folders_stay_and_parts_of_one_are_copied() -> None:  # R-MAN-3
    manifest = manifest_of({"all/a": b"1", "all/b": b"2", "some/a": b"3", "some/b": b"4", "x": b""})
    assert split_owned(manifest, {0, 1, 2, 4}) == ({0, 1, 4}, {2})
    assert split_owned(manifest, set()) == (set(), set())


def test_looking_stops_when_nothing_of_it_is_needed_any_more(inbox: Path) -> None:
    asked: list[int] = []

    def is_over() -> bool:
        asked.append(0)
        return len(asked) > 3

    assert already_have(MANIFEST, inbox, is_over=is_over) == {0}
    assert already_have(MANIFEST, inbox, is_over=lambda: True) == set()
