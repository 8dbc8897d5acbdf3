import errno
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from ocft.errors import (
    DigestMismatchError,
    NotEnoughSpaceError,
    StorageError,
    UnsafeNameError,
)
from ocft.storage import ArrivingSet, Database, Journal, staging
from tests.storage.incoming_sets import ID, found_in, manifest_of, record_of, space_of

ONE = {"report.pdf": b"0123456789" * 5}
MANY = {
    "a.txt": b"alpha",
    "empty": b"",
    "large.bin": bytes(range(100)),  # larger than a batch, and not the first
    "top/b.txt": b"beta",
    "top/deep/er/c": b"gamma",
    "top/deep/empty": b"",
    "top.d/x": b"delta" * 3,
    "zero/zero": b"",
}

FEW = {"a.txt": b"alpha", "b": b"beta", "c/d": b"delta"}


class CrashError(BaseException):
    """The process dies here."""


@dataclass
class Home:
    """A node's folders, which outlive its process."""

    path: Path
    contents: Mapping[str, bytes]
    left_out: frozenset[int] = frozenset()
    databases: list[Database] = field(default_factory=list)

    @property
    def inbox(self) -> Path:
        return self.path / "inbox"

    @property
    def parts(self) -> Path:
        return self.inbox / ".ocft"

    def start(self) -> ArrivingSet:
        """Start the process."""
        self.databases.append(Database(self.path / "ocft.sqlite3"))
        journal = Journal(self.databases[-1])
        journal.add(record_of(self.contents))
        return ArrivingSet.open(journal, record_of(self.contents), self.parts)

    def receive(self) -> ArrivingSet:
        """Receive all that is wanted."""
        arriving = self.start()
        space, manifest = space_of(self.contents), manifest_of(self.contents)
        place = len(space) - manifest.content_size
        arriving.write(0, space[:place])
        for number, file in enumerate(manifest.files):
            if number in self.left_out:
                arriving.mark_have([(place, place + file.size)])
            else:
                arriving.write(place, space[place : place + file.size])
            place += file.size
        arriving.sync(arriving.take_unsynced(), 1.0)
        return arriving

    def publish(self, arriving: ArrivingSet) -> list[str]:
        manifest = manifest_of(self.contents, executable=["a.txt", "report.pdf"])
        paths = arriving.publish(manifest, self.left_out, self.inbox)
        return [str(path.relative_to(self.inbox)) for path in paths]

    def end(self) -> None:
        """End the process."""
        for database in self.databases:
            database.close()

    def wanted(self) -> dict[str, bytes]:
        return {
            name: content
            for number, (name, content) in enumerate(self.contents.items())
            if number not in self.left_out
        }


@pytest.fixture
def make_home(tmp_path: Path) -> Iterator[Callable[..., Home]]:
    homes: list[Home] = []

    def make(contents: Mapping[str, bytes], left_out: frozenset[int] = frozenset()) -> Home:
        homes.append(Home(tmp_path / str(len(homes)), contents, left_out))
        return homes[-1]

    yield make
    for home in homes:
        home.end()


MakeHome = Callable[..., Home]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "_PIECE", 7)
    monkeypatch.setattr(staging, "_BATCH_BYTES", 30)
    monkeypatch.setattr(staging, "_BATCH_FILES", 3)
    monkeypatch.setattr(staging, "_FEW_FILES", 1)


def test_a_single_file_gets_its_name_and_is_never_copied(make_home: MakeHome) -> None:
    home = make_home(ONE)
    arriving = home.receive()
    inode = (home.parts / f"{ID}.part").stat().st_ino
    assert home.publish(arriving) == ["report.pdf"]
    assert found_in(home.inbox) == ONE
    assert (home.inbox / "report.pdf").stat().st_ino == inode
    assert list(home.parts.iterdir()) == []


def test_many_files_get_their_names(make_home: MakeHome) -> None:
    home = make_home(MANY)
    assert home.publish(home.receive()) == ["a.txt", "empty", "large.bin", "top", "top.d", "zero"]
    assert found_in(home.inbox) == MANY
    assert list(home.parts.iterdir()) == []


@pytest.mark.parametrize("contents", [ONE, MANY])
def test_times_and_the_executable_bit_are_kept(  # R-MAN-5
    make_home: MakeHome, contents: Mapping[str, bytes]
) -> None:
    home = make_home(contents)
    before = os.umask(0o027)
    try:
        home.publish(home.receive())
    finally:
        os.umask(before)
    for name in contents:
        status = (home.inbox / name).stat()
        is_executable = name in {"a.txt", "report.pdf"}
        assert stat.S_IMODE(status.st_mode) == (0o750 if is_executable else 0o640), name
        assert status.st_mtime == 1_700_000_000


@pytest.mark.parametrize(
    "left_out",
    [{0}, {0, 1, 2}, {7}, {6, 7}, {2}, {3, 4, 5, 6, 7}, {1, 5, 7}, set(range(8)), {0, 2, 3, 4, 6}],
)
def test_files_that_are_not_wanted_leave_no_trace(  # R-MAN-3
    make_home: MakeHome, small_batches: None, left_out: set[int]
) -> None:
    home = make_home(MANY, frozenset(left_out))
    arriving = home.receive()
    tops = list(dict.fromkeys(name.split("/")[0] for name in home.wanted()))
    assert home.publish(arriving) == home.publish(arriving) == tops
    assert found_in(home.inbox) == home.wanted()
    assert list(home.parts.iterdir()) == []


def test_names_that_are_taken_are_numbered_and_nothing_is_replaced(  # R-MAN-4
    make_home: MakeHome,
) -> None:
    home = make_home({**MANY, "a (1).txt": b"ours"})
    arriving = home.receive()
    (home.inbox / "a.txt").write_bytes(b"theirs")
    (home.inbox / "top").mkdir()
    (home.inbox / "top.d").symlink_to("nowhere")
    (home.inbox / "zero").write_bytes(b"")
    paths = home.publish(arriving)
    assert paths == [
        *("a (1).txt", "empty", "large.bin", "top (1)", "top.d (1)", "zero (1)", "a (1) (1).txt")
    ]
    assert (home.inbox / "a.txt").read_bytes() == b"theirs"
    assert (home.inbox / "a (1).txt").read_bytes() == b"alpha"
    assert (home.inbox / "a (1) (1).txt").read_bytes() == b"ours"
    assert list((home.inbox / "top").iterdir()) == []
    assert not (home.inbox / "top.d").exists()
    assert (home.inbox / "top (1)" / "deep" / "er" / "c").read_bytes() == b"gamma"
    assert (home.inbox / "top.d (1)" / "x").exists()


def test_a_name_that_is_taken_at_the_last_moment_is_not_replaced(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(MANY)
    arriving = home.receive()
    announce = Journal.save_publications
    has_begun: list[bool] = []

    def take_them_all(journal: Journal, transfer_id: object, paths: dict[str, Path]) -> None:
        announce(journal, ID, paths)
        if not has_begun:
            has_begun.append(True)
            (home.inbox / "a.txt").write_bytes(b"theirs")
            (home.inbox / "top").mkdir()
            (home.inbox / "top.d").write_bytes(b"theirs")

    monkeypatch.setattr(Journal, "save_publications", take_them_all)
    assert home.publish(arriving) == [
        *("a (1).txt", "empty", "large.bin", "top (1)", "top.d (1)", "zero")
    ]
    assert (home.inbox / "a.txt").read_bytes() == (home.inbox / "top.d").read_bytes() == b"theirs"
    assert list((home.inbox / "top").iterdir()) == []


def test_a_folder_full_of_the_same_name_keeps_what_is_stored(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(MANY)
    arriving = home.receive()
    for name in ("top", "top (1)"):
        (home.inbox / name).mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("ocft.storage.publishing.MAX_CONFLICTS", 2)
        with pytest.raises(StorageError, match="2 files called like 'top'"):
            home.publish(arriving)
    assert "top (2)" in home.publish(arriving)


def test_a_folder_that_is_taken_while_it_is_renamed_is_not_replaced(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home({"top/a": b"ours"})
    arriving = home.receive()
    rename = os.rename

    def fill_it_first(source: Path, target: Path) -> None:
        if target.name == "top":
            (target / "theirs").touch()
        rename(source, target)

    monkeypatch.setattr(os, "rename", fill_it_first)
    assert home.publish(arriving) == ["top (1)"]
    assert found_in(home.inbox) == {"top/theirs": b"", "top (1)/a": b"ours"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(".ocft/x", id="N27-our own folder"),
        pytest.param("a\\b", id="N1-backslash"),
        pytest.param("C:x", id="N3-drive"),
        pytest.param("top/\uff0e\uff0e/x", id="N7"),
        pytest.param("a\0b", id="N9"),
        pytest.param("x/\x1b[2J", id="N11"),
        pytest.param("a\u200bb", id="N13"),
        pytest.param("x/COM\u00b9.txt", id="N15"),
        pytest.param("x./y", id="N17"),
        pytest.param("x /y", id="N17-space"),
        pytest.param("-rf", id="N21"),
        pytest.param("~/x", id="N21-home"),
        pytest.param("a|b", id="N21-pipe"),
        pytest.param("\u202egpj.exe", id="bidi"),
        pytest.param("x" * 201, id="too long"),
    ],
)
def test_a_hostile_name_is_refused_before_anything_is_written(  # R-MAN-2
    make_home: MakeHome, name: str
) -> None:
    home = make_home({"good": b"1", name: b"2"})
    arriving = home.receive()
    before = found_in(home.parts)
    with pytest.raises(UnsafeNameError):
        home.publish(arriving)
    assert found_in(home.inbox) == {}
    assert found_in(home.parts) == before
    assert not arriving.is_publishing


@pytest.mark.parametrize("name", [name for name in MANY if MANY[name]])
def test_one_file_that_is_not_the_offered_one_spoils_all(
    make_home: MakeHome, small_batches: None, name: str
) -> None:
    home = make_home(MANY)
    arriving = home.receive()
    spoilt = manifest_of({**MANY, name: MANY[name][:-1] + b"\xff"})
    with pytest.raises(DigestMismatchError):
        arriving.publish(spoilt, (), home.inbox)
    assert found_in(home.inbox) == {}
    assert list(home.parts.iterdir()) == []
    assert home.start().stored.pairs() == []


@pytest.mark.parametrize("plant", [Path.touch, lambda path: path.symlink_to("/tmp")])
def test_something_else_in_the_place_of_the_staging_folder_is_refused(
    make_home: MakeHome, plant: Callable[[Path], None]
) -> None:
    home = make_home(MANY)
    arriving = home.receive()
    folder = home.parts / f"{ID}.files"
    plant(folder)
    with pytest.raises(StorageError):
        home.publish(arriving)
    folder.unlink()
    home.publish(arriving)
    assert found_in(home.inbox) == MANY


def test_a_folder_that_cannot_be_used_keeps_what_is_stored(make_home: MakeHome) -> None:
    home = make_home(MANY)
    arriving = home.receive()
    (home.path / "file").touch()  # N27
    with pytest.raises(StorageError):
        arriving.publish(manifest_of(MANY), (), home.path / "file")
    home.publish(arriving)
    assert found_in(home.inbox) == MANY


@pytest.mark.parametrize("name", ["pwrite", "fsync", "link", "open"])
def test_a_full_disk_stops_it_and_it_goes_on_when_there_is_room(
    make_home: MakeHome, small_batches: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    home = make_home(MANY)
    arriving = home.receive()
    real, calls = getattr(os, name), []

    def refuse_after_some(*args: object, **options: object) -> object:
        calls.append(name)
        if len(calls) >= (3 if name == "link" else 4):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, name, refuse_after_some)
        with pytest.raises(NotEnoughSpaceError):
            home.publish(arriving)
    assert arriving.is_publishing or name == "open"
    home.publish(arriving)
    assert found_in(home.inbox) == MANY
    assert list(home.parts.iterdir()) == []


def test_the_disk_never_holds_everything_twice(
    make_home: MakeHome, small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {f"d/{number}": bytes([number]) * 100 for number in range(30)}
    home = make_home(contents)
    arriving = home.receive()
    most = 0
    keep = staging.Staging._keep

    def measure(self: staging.Staging, remaining: int) -> None:
        nonlocal most
        used = sum(path.stat().st_blocks and path.stat().st_size for path in _files(home.parts))
        most = max(most, used)
        keep(self, remaining)

    monkeypatch.setattr(staging.Staging, "_keep", measure)
    home.publish(arriving)
    assert most <= 3000 + 2 * 100 + 2000  # the files, two batches, the manifest
    assert found_in(home.inbox) == contents


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_where_there_are_no_hard_links_files_get_their_names_too(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    home = make_home(MANY)
    arriving = home.receive()
    (home.inbox / "a.txt").touch()
    home.publish(arriving)
    assert found_in(home.inbox) == {
        "a (1).txt" if name == "a.txt" else name: content for name, content in MANY.items()
    } | {"a.txt": b""}


# Crashes. Every call that changes something is the last one once; then the process starts again.

_CALLS = (
    *("open", "pwrite", "fsync", "ftruncate", "link", "unlink", "mkdir", "rename", "replace"),
    *("utime", "fchmod", "rmdir"),
)


@pytest.fixture
def lazy_disk(small_batches: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk: what a power cut takes is said by the test."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(staging, "_sync_file_system", lambda _: True)
    monkeypatch.setattr(Database, "checkpoint", lambda _: None)


class Crasher:
    """Raises CrashError instead of the n-th call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.left = at
        for name in _CALLS:
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))
        for owner, name in (
            (Journal, "save_staging"),
            (Journal, "save_publications"),
            (Journal, "save_manifest"),
            (Database, "checkpoint"),
            (staging, "_sync_file_system"),
        ):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            self.left -= 1
            if self.left < 0:
                raise CrashError
            return real(*args, **options)

        return call


def _crash_at(home: Home, arriving: ArrivingSet, at: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Publish, and say whether the process died; then it is not going to do anything more."""
    with monkeypatch.context() as patch:
        Crasher(patch, at)
        try:
            home.publish(arriving)
        except CrashError:
            return True
    return False


def _is_saved(home: Home) -> None:
    """Finish after a crash, and look that everything is there once and nothing else."""
    arriving = home.start()
    if not arriving.is_publishing:  # then nothing of it was touched
        assert arriving.stored.total() == len(space_of(home.contents))
    home.publish(arriving)
    taken = {"a.txt": b"theirs"} if "a.txt" in home.contents else {"report.pdf": b"theirs"}
    (name,) = taken
    numbered = name.replace(".", " (1).")
    wanted = {numbered if one == name else one: home.wanted()[one] for one in home.wanted()}
    assert found_in(home.inbox) == wanted | taken
    assert list(home.parts.iterdir()) == []
    assert all(path.stat().st_nlink == 1 for path in _files(home.inbox))


def _ready(home: Home) -> ArrivingSet:
    arriving = home.receive()
    (home.inbox / next(iter(home.contents))).write_bytes(b"theirs")
    return arriving


_SETS = pytest.mark.parametrize(
    ("contents", "left_out"),
    [
        pytest.param(ONE, frozenset(), id="one file"),
        pytest.param(FEW, frozenset(), id="few"),
        pytest.param(MANY, frozenset(), id="many"),
        pytest.param(MANY, frozenset({1, 4}), id="some left out"),
    ],
)


@_SETS
def test_a_crash_at_any_step_loses_nothing_and_doubles_nothing(
    make_home: MakeHome,
    lazy_disk: None,
    monkeypatch: pytest.MonkeyPatch,
    contents: Mapping[str, bytes],
    left_out: frozenset[int],
) -> None:
    at = 0
    did_crash = True
    while did_crash:
        home = make_home(contents, left_out)
        did_crash = _crash_at(home, _ready(home), at, monkeypatch)
        _is_saved(home)
        _is_saved(home)  # and once more, since nobody may have been told
        home.end()
        at += 1
    assert at > 12


def test_crashes_while_it_recovers_lose_nothing_either(
    make_home: MakeHome, lazy_disk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(60):
        random, home = Random(seed), make_home(MANY)
        arriving = _ready(home)
        for _ in range(6):
            _crash_at(home, arriving, random.randrange(25), monkeypatch)
            home.end()
            arriving = home.start()
        _is_saved(home)
        home.end()


@_SETS
def test_a_power_cut_that_takes_the_newest_records_loses_nothing(
    make_home: MakeHome,
    lazy_disk: None,
    monkeypatch: pytest.MonkeyPatch,
    contents: Mapping[str, bytes],
    left_out: frozenset[int],
) -> None:
    """All that the files are is on the disk, and of the journal only what was checkpointed."""
    at = 0
    did_crash = True
    while did_crash:
        home = make_home(contents, left_out)
        on_disk = home.path / "on disk"

        def checkpoint_and_keep(database: Database, on_disk: Path = on_disk) -> None:
            _copy(database.path, on_disk)

        arriving = _ready(home)
        checkpoint_and_keep(home.databases[-1])
        with monkeypatch.context() as patch:
            patch.setattr(Database, "checkpoint", checkpoint_and_keep)
            did_crash = _crash_at(home, arriving, at, monkeypatch)
        home.end()
        for suffix in ("", "-wal", "-shm"):
            (home.path / f"ocft.sqlite3{suffix}").unlink(missing_ok=True)
        on_disk.rename(home.path / "ocft.sqlite3")
        _is_saved(home)
        home.end()
        at += 1


def _copy(database: Path, copy: Path) -> None:
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as one, closing(sqlite3.connect(copy)) as other:
        one.backup(other)


@pytest.mark.parametrize("at", range(8, 60, 4))
def test_what_somebody_removed_in_the_meantime_is_not_called_saved(
    make_home: MakeHome,
    small_batches: None,
    lazy_disk: None,
    monkeypatch: pytest.MonkeyPatch,
    at: int,
) -> None:
    home = make_home(MANY)
    _crash_at(home, home.receive(), at, monkeypatch)
    arriving = home.start()
    for path in _files(home.parts):
        path.unlink()
    if arriving.is_publishing:
        try:
            home.publish(arriving)
        except DigestMismatchError:
            assert list(home.parts.iterdir()) == []
            assert home.start().stored.pairs() == []
        else:
            assert found_in(home.inbox) == MANY
