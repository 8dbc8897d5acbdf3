"""Large pieces go past the page cache where they can, and arrive all the same where they cannot."""

import errno
import mmap
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ocft.errors import NotEnoughSpaceError
from ocft.storage import PAGE, PartialFile, uncached
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


def test_no_thread_closes_what_another_one_writes_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the bytes would go to whatever gets the number of the descriptor next."""
    has_begun, may_end = threading.Event(), threading.Event()
    was_open: list[bool] = []

    def slow(descriptor: int, data: memoryview, _: int) -> int:
        has_begun.set()
        may_end.wait(5)
        os.fstat(descriptor)
        was_open.append(True)
        return len(data)

    monkeypatch.setattr(os, "pwrite", slow)
    path = tmp_path / "file"
    with path.open("wb") as file:
        writer = UncachedWriter(path, file.fileno())
        monkeypatch.setattr(uncached, "_open_again", lambda *_: os.dup(file.fileno()))
        writing = threading.Thread(target=writer.write, args=(0, in_pages(CONTENT[:SIZE])))
        closing = threading.Thread(target=writer.close)
        writing.start()
        assert has_begun.wait(5)
        closing.start()
        closing.join(0.05)
        may_end.set()
        writing.join(5)
        closing.join(5)
    assert was_open == [True]


def test_what_two_threads_open_at_once_is_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    def slow(_: Path, descriptor: int) -> int:
        opened.append(os.dup(descriptor))
        threading.Event().wait(0.05)
        return opened[-1]

    monkeypatch.setattr(uncached, "_open_again", slow)
    path = tmp_path / "file"
    with path.open("wb") as file:
        writer = UncachedWriter(path, file.fileno())
        data = in_pages(CONTENT[:SIZE])
        threads = [threading.Thread(target=writer.write, args=(n * SIZE, data)) for n in (0, 1)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(5)
        writer.close()
    assert len(opened) == 1
    assert path.stat().st_size == 2 * SIZE


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_file_system_that_refuses_gets_the_bytes_through_the_cache(
    part: PartialFile, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(uncached, "_open_again", lambda _, descriptor: os.dup(descriptor))

    def refuse(descriptor: int, data: memoryview, offset: int) -> int:
        if descriptor != part._descriptor:
            raise OSError(code, "not that way")
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", refuse)
    with part:
        part.write(0, in_pages(CONTENT[:SIZE]))
        assert part.read(0, SIZE) == CONTENT[:SIZE]
