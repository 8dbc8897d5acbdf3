"""Large pieces go past the page cache where they can, and arrive all the same where they cannot."""

import errno
import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ocft.errors import NotEnoughSpaceError
from ocft.storage import PAGE, PartialFile
from ocft.storage.uncached import UncachedWriter

SIZE = 1 << 20
CONTENT = os.urandom(SIZE + 1234)


def in_pages(data: bytes) -> memoryview:
    """Return bytes at the beginning of a page of memory."""
    view = memoryview(mmap.mmap(-1, len(data)))
    view[:] = data
    return view


@pytest.fixture
def part(tmp_path: Path) -> PartialFile:
    return PartialFile.open(tmp_path / "part")


@pytest.mark.parametrize("place", [0, PAGE, 5 * PAGE, 1, PAGE - 1])
@pytest.mark.parametrize("length", [0, 1, PAGE, SIZE, SIZE + 1, SIZE + 1234])
@pytest.mark.parametrize("lays_out", [in_pages, lambda data: memoryview(b"x" + data)[1:]])
def test_all_bytes_come_to_their_place(
    part: PartialFile, place: int, length: int, lays_out: Callable[[bytes], memoryview]
) -> None:
    with part:
        data = lays_out(CONTENT[:length]) if length else memoryview(b"")
        part.write(place, data)
        part.write(place + length, b"end")
        part.sync()
        assert part.read(place, length + 10) == CONTENT[:length] + b"end"


def test_pieces_one_after_another_are_one_file(part: PartialFile) -> None:
    with part:
        for number in reversed(range(4)):
            part.write(number * SIZE, in_pages(CONTENT[number : number + SIZE]))
        for number in range(4):
            assert part.read(number * SIZE, SIZE) == CONTENT[number : number + SIZE]


def test_what_is_small_or_between_pages_is_left_to_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        writer = UncachedWriter(path, file.fileno())
        assert writer.write(0, in_pages(CONTENT[: 64 * 1024])) == 0
        assert writer.write(1, in_pages(CONTENT[:SIZE])) == 0


def test_another_file_that_took_the_path_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        path.rename(tmp_path / "former")
        path.write_bytes(b"another")
        assert UncachedWriter(path, file.fileno()).write(0, in_pages(CONTENT[:SIZE])) == 0
    assert path.read_bytes() == b"another"


def test_a_link_in_the_path_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        path.rename(tmp_path / "former")
        path.symlink_to(tmp_path / "former")
        assert UncachedWriter(path, file.fileno()).write(0, in_pages(CONTENT[:SIZE])) == 0


def test_a_system_without_it_uses_the_cache(
    part: PartialFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_DIRECT", raising=False)
    with part:
        part.write(0, in_pages(CONTENT[:SIZE]))
        assert part.read(0, SIZE) == CONTENT[:SIZE]


def test_a_full_disk_is_told(part: PartialFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "pwrite", full)
    with part, pytest.raises(NotEnoughSpaceError):
        part.write(0, in_pages(CONTENT[:SIZE]))


def test_nothing_stays_open(part: PartialFile) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    part.write(0, in_pages(CONTENT[:SIZE]))
    part.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 1
