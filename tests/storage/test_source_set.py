import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.errors import MalformedMessageError, SourceChangedError, SourceNotFoundError
from ocft.storage import Collected, SourceSet, collect
from ocft.storage.source import Source
from ocft.wire import digest_of, pack_manifest

MakeSet = Callable[..., SourceSet]


@pytest.fixture
def make_set(tmp_path: Path) -> MakeSet:
    """Make files of some contents in a folder, and the set of them."""

    def make(*contents: bytes) -> SourceSet:
        return _make(tmp_path / "top", contents)

    return make


def _make(folder: Path, contents: tuple[bytes, ...]) -> SourceSet:
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / f"{number:04}").write_bytes(content)
    files = collect([folder]).files
    manifest, snapshots = SourceSet.describe(files)
    paths = [file.path for file in files]
    return SourceSet.open(pack_manifest(manifest), list(zip(paths, snapshots, strict=True)))


def _space(sources: SourceSet) -> bytes:
    return sources._manifest + b"".join(path.read_bytes() for path, _ in sources.sources)


def _touch(path: Path) -> None:
    os.utime(path, (1, 1))


def test_a_manifest_says_what_the_files_are(tmp_path: Path) -> None:
    for name, content in (("a", b"alpha"), ("tool", b""), ("old", b"x")):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "tool").chmod(0o755)
    os.utime(tmp_path / "a", ns=(0, 1_700_000_000_999_999_999))
    os.utime(tmp_path / "old", ns=(0, -1))
    files = [Collected(tmp_path / name, f"n/{name}") for name in ("a", "tool", "old")]
    manifest, snapshots = SourceSet.describe(files)
    one, tool, old = manifest.files
    assert (one.name, one.size, one.modified) == ("n/a", 5, 1_700_000_000)  # R-MAN-5
    assert one.digest.hex() == digest_of(b"alpha")
    assert (one.is_executable, tool.is_executable) == (False, True)
    assert old.modified is None
    assert [snapshot.size for snapshot in snapshots] == [5, 0, 1]
    assert snapshots[0].mtime_ns == 1_700_000_000_999_999_999


def test_a_file_that_is_none_cannot_be_described(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "nothing", tmp_path):
        with pytest.raises(SourceNotFoundError):
            SourceSet.describe([Collected(path, "x")])


@pytest.mark.parametrize(
    "contents",
    [
        pytest.param([b"0123456789"], id="one file"),
        pytest.param([b""], id="one empty file"),
        pytest.param([b"", b"", b"abc", b"", b"defgh", b""], id="with empty ones"),
        pytest.param([b"a", b"bc"], id="two"),
    ],
)
def test_every_range_of_the_byte_space_can_be_read(
    make_set: MakeSet, contents: list[bytes]
) -> None:
    with make_set(*contents) as sources:
        space = _space(sources)
        assert sources.size == len(space)
        for _ in range(2):  # opened, and open already
            for offset in range(max(0, len(sources._manifest) - 3), len(space) + 1):
                for end in range(offset, len(space) + 1):
                    assert sources.read(offset, end - offset) == space[offset:end]
        assert sources.read(0, len(space)) == space


def test_nothing_outside_the_byte_space_is_read(make_set: MakeSet) -> None:
    with make_set(b"abc", b"def") as sources:
        for offset, length in ((-1, 1), (sources.size, 1), (0, sources.size + 1)):
            with pytest.raises(ValueError, match="bytes"):
                sources.read(offset, length)
    with make_set_of_one(sources) as only:
        only.read(len(only._manifest), 1)
        with pytest.raises(SourceChangedError):
            only.read(only.size, 1)


def make_set_of_one(sources: SourceSet) -> SourceSet:
    path = sources.sources[0][0]
    manifest, snapshots = SourceSet.describe([Collected(path, "x")])
    return SourceSet.open(pack_manifest(manifest), [(path, snapshots[0])])


def test_few_files_are_open_at_once(make_set: MakeSet) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    sources = make_set(*(bytes([number]) for number in range(100)))
    space = _space(sources)
    assert sources.read(0, len(space)) == space
    assert sources.read(0, len(space)) == space
    assert len(list(Path("/dev/fd").iterdir())) - before == 32
    sources.close()
    sources.close()
    assert len(list(Path("/dev/fd").iterdir())) == before
    assert sources.read(0, len(space)) == space  # they open again
    sources.close()


def test_a_manifest_of_other_files_is_refused(make_set: MakeSet) -> None:
    with make_set(b"abc", b"def") as sources:
        (path, snapshot), second = sources.sources
        longer = replace(snapshot, size=4)
        for wrong in ([(path, snapshot)], [(path, longer), second], []):
            with pytest.raises(SourceChangedError):
                SourceSet.open(sources._manifest, wrong)
        with pytest.raises(MalformedMessageError):
            SourceSet.open(b"\xa0", sources.sources)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("is_open", [False, True])
def test_a_file_that_changes_is_noticed(make_set: MakeSet, count: int, *, is_open: bool) -> None:
    with make_set(*[b"abcdef"] * count) as sources:
        place = len(sources._manifest)
        if is_open:
            sources.read(place, 3)
        sources.sources[0][0].write_bytes(b"ABCDEF")
        _touch(sources.sources[0][0])
        with pytest.raises(SourceChangedError):
            sources.read(place, 3)
        assert sources.touched() == [0]
        with pytest.raises(SourceChangedError):
            sources.confirm(0)
        with pytest.raises(SourceChangedError):
            sources.read(place, 3)


@pytest.mark.parametrize("count", [1, 2])
def test_a_file_that_was_only_touched_is_confirmed(make_set: MakeSet, count: int) -> None:
    with make_set(*[b"abcdef"] * count) as sources:
        place = len(sources._manifest)
        sources.read(place, 3)
        _touch(sources.sources[0][0])
        with pytest.raises(SourceChangedError):
            sources.read(place, 3)
        assert sources.touched() == [0]
        sources.confirm(0)
        assert sources.touched() == []
        assert sources.read(place, 6) == b"abcdef"
        assert sources.sources[0][1].mtime_ns == 1_000_000_000


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("as_link", [False, True])
def test_another_file_of_the_same_size_and_time_is_noticed(
    make_set: MakeSet, tmp_path: Path, count: int, *, as_link: bool
) -> None:
    with make_set(*[b"abcdef"] * count) as sources:
        path, snapshot = sources.sources[0]
        other = _twin(tmp_path / "other", b"secret", snapshot.mtime_ns)
        if as_link:
            path.unlink()
            path.symlink_to(other)
        else:
            other.replace(path)
        assert sources.touched() == [0]
        for _ in range(2):
            with pytest.raises(SourceChangedError):
                sources.read(len(sources._manifest), 3)


@pytest.mark.parametrize("count", [1, 2])
def test_a_copy_with_the_same_time_is_read_once_more_and_taken(
    make_set: MakeSet, tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed = []
    with make_set(*[b"abcdef"] * count) as sources:
        path, snapshot = sources.sources[0]
        _twin(tmp_path / "copy", b"abcdef", snapshot.mtime_ns).replace(path)
        confirm = Source.confirm

        def count_it(source: Source, digest: str) -> None:
            confirmed.append(source.path)
            confirm(source, digest)

        monkeypatch.setattr(Source, "confirm", count_it)
        place = len(sources._manifest)
        assert sources.read(place, 6) == b"abcdef"
        sources.close()
        assert sources.read(place, 6) == b"abcdef"
        assert sources.touched() == []
    assert confirmed == [path]


def _twin(path: Path, content: bytes, mtime_ns: int) -> Path:
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def test_a_file_that_is_gone_is_noticed(make_set: MakeSet) -> None:
    with make_set(b"abc", b"def") as sources:
        sources.sources[1][0].unlink()
        place = len(sources._manifest)
        assert sources.read(place, 3) == b"abc"
        for attempt in (
            lambda: sources.read(place, 4),
            sources.touched,
            lambda: sources.confirm(1),
        ):
            with pytest.raises(SourceNotFoundError):
                attempt()


_SPLITS = st.lists(st.integers(0, 30), min_size=1, max_size=50)


@given(sizes=_SPLITS, reads=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=40))
def test_reads_agree_with_the_files_end_to_end(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], reads: list[tuple[float, float]]
) -> None:
    contents = tuple(bytes([number % 251]) * size for number, size in enumerate(sizes))
    with _make(tmp_path_factory.mktemp("set") / "top", contents) as sources:
        space = _space(sources)
        for one, other in reads:
            first, end = sorted((round(one * len(space)), round(other * len(space))))
            assert sources.read(first, end - first) == space[first:end]
