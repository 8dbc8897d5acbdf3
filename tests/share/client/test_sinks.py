"""`ocft.share.client.sinks`: a folder, which remembers, and a stream, which does not."""

import hashlib
import io
from pathlib import Path

import pytest

from ocft.crypto import RECORD
from ocft.errors import (
    ConfigError,
    DigestMismatchError,
    NotEnoughSpaceError,
    StorageError,
    UnsafeNameError,
)
from ocft.share.client.sinks import FolderSink, StreamSink
from ocft.share.manifest import SharedFile


def file(data: bytes, name: str = "a", *, is_known: bool = True) -> SharedFile:
    digest = hashlib.sha256(data).hexdigest() if is_known else None
    return SharedFile(name=name, size=len(data), digest=digest)


def test_a_stream_gets_the_bytes_of_one_file() -> None:
    stream = io.BytesIO()
    sink = StreamSink(stream)
    sink.begin([file(b"abcd")])
    for piece in (b"ab", b"cd"):
        sink.write(memoryview(piece))
    assert list(sink.finish()) == []
    assert stream.getvalue() == b"abcd"
    assert sink.digests == [hashlib.sha256(b"abcd").digest()]
    assert (sink.position, sink.can_resume, sink.is_complete) == (4, False, False)


def test_several_files_are_no_stream() -> None:
    with pytest.raises(ConfigError, match="2 files"):
        StreamSink(io.BytesIO()).begin([file(b""), file(b"", "b")])


def test_a_stream_says_when_it_was_not_what_was_offered() -> None:
    for is_known in (True, False):
        sink = StreamSink(io.BytesIO())
        sink.begin([file(b"abcd", is_known=is_known)])
        sink.write(memoryview(b"abcx"))
        if is_known:
            with pytest.raises(DigestMismatchError):
                sink.finish()
        else:
            sink.finish()


def test_a_reader_that_goes_away_is_no_full_disk() -> None:
    class Closed(io.BytesIO):
        def __init__(self, error: OSError) -> None:
            super().__init__()
            self.error = error

        def flush(self) -> None:
            raise self.error

    with pytest.raises(BrokenPipeError):
        StreamSink(Closed(BrokenPipeError())).write(memoryview(b"x"))
    with pytest.raises(StorageError):
        StreamSink(Closed(OSError(28, "full"))).write(memoryview(b"x"))


def test_a_folder_goes_on_where_another_run_ended(tmp_path: Path) -> None:
    data = bytes(RECORD) + b"rest"
    first = FolderSink(tmp_path)
    first.acquire("x")
    first.keep_note("grant", b"noted")
    first.begin([file(data)])
    first.write(memoryview(data)[:RECORD])
    first.close()

    second = FolderSink(tmp_path)
    second.acquire("x")
    assert second.note("grant") == b"noted"
    assert second.note("other") is None
    second.begin([file(data)])
    assert (second.position, second.is_complete) == (RECORD, False)
    second.write(memoryview(data)[RECORD:])
    assert second.is_complete
    assert list(second.finish()) == [tmp_path / "a"]
    assert (tmp_path / "a").read_bytes() == data
    assert not (tmp_path / ".ocft").exists()


def test_what_does_not_fit_is_not_begun_and_what_came_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(2 * RECORD)
    for free, may_begin in [(len(data), True), (RECORD - 1, False), (RECORD, True)]:
        sink = FolderSink(tmp_path)
        sink.acquire("id")
        monkeypatch.setattr("ocft.share.client.sinks.free_space", lambda _, free=free: free)
        if may_begin:
            sink.begin([file(data)])
            sink.write(memoryview(data)[:RECORD])
            assert sink.is_complete == (free == RECORD)
        else:
            with pytest.raises(NotEnoughSpaceError, match=f"{RECORD} bytes"):
                sink.begin([file(data)])
            assert sink.position == RECORD
        sink.close()


def test_no_content_is_not_complete_before_its_record_was_seen(tmp_path: Path) -> None:
    sink = FolderSink(tmp_path)
    sink.acquire("x")
    sink.begin([file(b"")])
    assert not sink.is_complete
    sink.write(memoryview(b""))
    assert list(sink.finish()) == [tmp_path / "a"]


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", ".hidden", "a\x1b", "CON", "a:b"])
def test_a_name_that_is_no_name_here_writes_nothing(tmp_path: Path, name: str) -> None:
    sink = FolderSink(tmp_path / "inbox")
    sink.acquire("x")
    with pytest.raises(UnsafeNameError):
        sink.begin([file(b"x", name)])
    sink.close()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"]
