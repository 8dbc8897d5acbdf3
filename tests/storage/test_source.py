import os
import socket
from itertools import count
from pathlib import Path

import pytest

from ocft.errors import SourceChangedError, SourceNotFoundError
from ocft.storage import Source, open_regular
from ocft.wire import digest_of

CONTENT = bytes(range(256)) * 9000  # a little more than two pieces of 1 MiB


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    return path


def _touch(path: Path, nanoseconds: int = 1_000_000_000) -> None:
    os.utime(path, ns=(nanoseconds, nanoseconds))


def test_ranges_and_digest_are_those_of_the_file(path: Path) -> None:
    with Source.open(path) as source:
        assert source.read(0, len(CONTENT)) == CONTENT
        assert source.read(1000, 7) == CONTENT[1000:1007]
        assert source.read(len(CONTENT), 0) == b""
        assert source.digest() == digest_of(CONTENT)
        assert source.snapshot.size == len(CONTENT)


def test_an_empty_file_can_be_sent(path: Path) -> None:
    path.write_bytes(b"")
    with Source.open(path) as source:
        assert source.digest() == digest_of(b"")


def test_the_path_is_absolute(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    with Source.open(Path(path.name)) as source:
        assert source.path == path


def test_the_snapshot_is_the_same_after_a_restart(path: Path) -> None:
    with Source.open(path) as source:
        before = source.snapshot
    with Source.open(path) as source:
        assert source.snapshot == before


def test_reads_that_the_system_cuts_short_are_put_together(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, place: whole(fd, min(length, 999), place))
    with Source.open(path) as source:
        assert source.read(5, 5000) == CONTENT[5:5005]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        pytest.param(lambda _: None, "does not exist", id="nothing"),
        pytest.param(Path.mkdir, "a folder", id="folder"),
        pytest.param(os.mkfifo, "a pipe", id="pipe that nobody writes into"),
        pytest.param(lambda path: path.symlink_to(path), "cannot be read", id="symlink loop"),
        pytest.param(lambda path: path.symlink_to("/dev/null"), "a device", id="device"),
    ],
)
def test_what_is_no_readable_regular_file_is_refused_by_its_kind(
    tmp_path: Path, make: object, kind: str
) -> None:
    path = tmp_path / "special"
    assert callable(make)
    make(path)
    with pytest.raises(SourceNotFoundError, match=kind):
        Source.open(path)
    with pytest.raises(SourceNotFoundError, match=kind):
        open_regular(path)


@pytest.mark.parametrize(("make", "remedy"), [(Path.mkdir, "Pack it"), (os.mkfifo, "Save what")])
def test_who_names_no_file_is_told_what_to_do(tmp_path: Path, make: object, remedy: str) -> None:
    assert callable(make)
    make(tmp_path / "special")
    with pytest.raises(SourceNotFoundError, match=remedy):
        open_regular(tmp_path / "special")


def test_a_regular_file_is_read_from_its_beginning_whatever_takes_its_path(path: Path) -> None:
    with open_regular(path) as file:
        path.unlink()
        assert file.read() == CONTENT


def test_a_socket_is_refused_by_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(SourceNotFoundError, match="a socket"):
            Source.open(Path("socket"))


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 256])
def test_a_name_that_no_file_can_have_is_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceNotFoundError):
        Source.open(tmp_path / name)


def test_a_file_that_may_not_be_read_is_not_found(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)  # not by its mode: root may read anything
    with pytest.raises(SourceNotFoundError, match="Permission denied"):
        Source.open(path)


@pytest.mark.parametrize("content", [CONTENT + b"x", CONTENT[:-1], b""])
def test_a_file_of_another_size_has_changed(path: Path, content: bytes) -> None:
    with Source.open(path) as source:
        path.write_bytes(content)
        for use in (lambda: source.read(0, 10), source.digest):
            with pytest.raises(SourceChangedError):
                use()
        with pytest.raises(SourceChangedError):
            source.confirm(digest_of(CONTENT))


def test_a_file_of_another_time_has_changed_until_it_is_confirmed(path: Path) -> None:
    with Source.open(path) as source:
        recorded = source.snapshot
        _touch(path)
        with pytest.raises(SourceChangedError):
            source.read(0, 10)
        source.confirm(digest_of(CONTENT))
        assert source.read(0, 10) == CONTENT[:10]
        assert source.snapshot != recorded


def test_other_content_of_the_same_size_is_not_confirmed(path: Path) -> None:
    with Source.open(path) as source:
        path.write_bytes(b"x" + CONTENT[1:])
        _touch(path)
        with pytest.raises(SourceChangedError):
            source.confirm(digest_of(CONTENT))
        with pytest.raises(SourceChangedError):
            source.read(0, 10)


def test_a_change_while_the_digest_is_made_is_noticed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, moments = os.pread, count(1)

    def read_and_touch(descriptor: int, length: int, offset: int) -> bytes:
        _touch(path, next(moments))
        return whole(descriptor, length, offset)

    with Source.open(path) as source:
        monkeypatch.setattr(os, "pread", read_and_touch)
        with pytest.raises(SourceChangedError):
            source.digest()
        with pytest.raises(SourceChangedError):
            source.confirm(digest_of(CONTENT))


def test_a_file_that_takes_its_path_is_not_read(path: Path) -> None:
    with Source.open(path) as source:
        other = path.with_name("other")
        other.write_bytes(b"another content")
        other.replace(path)
        assert source.read(0, 10) == CONTENT[:10]


def test_a_disk_that_refuses_is_a_typed_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    with Source.open(path) as source:
        monkeypatch.setattr(os, "pread", refuse)
        for use in (lambda: source.read(0, 10), source.digest):
            with pytest.raises(SourceNotFoundError, match="Input/output"):
                use()


def test_a_closed_source_is_a_typed_error_and_closes_again(path: Path) -> None:
    source = Source.open(path)
    source.close()
    source.close()
    with pytest.raises(SourceNotFoundError):
        source.read(0, 10)
