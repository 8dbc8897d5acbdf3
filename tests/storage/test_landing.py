import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ocft.errors import (
    ChannelHeldError,
    DigestMismatchError,
    NotEnoughSpaceError,
    StorageError,
    UnsafeNameError,
)
from ocft.storage import Landing, LandingFile

ONE = {"report.pdf": b"0123456789" * 5}
EMPTY = {"nothing": b""}
MANY = {
    "zero": b"",
    "a.txt": b"alpha",
    "top/b.txt": b"beta",
    "top/deep/empty": b"",
    "top/deep/c": bytes(range(100)),
    "top/.hidden": b"h",
    "last/empty": b"",
}
SETS = pytest.mark.parametrize("contents", [ONE, EMPTY, MANY], ids=["one", "empty", "many"])


class CrashError(BaseException):
    """The process dies here."""


class Receiver:
    """Someone who receives, with a process that can die."""

    def __init__(self, inbox: Path, contents: Mapping[str, bytes], record: int = 10) -> None:
        self.inbox = inbox
        self.home = inbox / ".ocft" / "share-id"
        self.record = record
        self.contents = contents
        self.space = b"".join(contents.values())
        self.open: list[Landing] = []

    def files(self, *, with_digests: bool = True) -> list[LandingFile]:
        return [
            LandingFile(name, len(data), hashlib.sha256(data).digest() if with_digests else None)
            for name, data in self.contents.items()
        ]

    def start(self, *, with_digests: bool = True) -> Landing:
        """Start the process; the one before is dead."""
        self.kill()
        landing = Landing(self.inbox, "id", record=self.record)
        landing.acquire()
        self.open.append(landing)
        landing.begin(self.files(with_digests=with_digests))
        return landing

    def receive(self, landing: Landing, records: int = 10**9) -> None:
        """Receive what is missing, or only some records of it."""
        for _ in range(records):
            if landing.is_named or landing.position >= len(self.space):
                return
            first = landing.position
            landing.write(memoryview(self.space)[first : first + self.record])

    def kill(self) -> None:
        for landing in self.open:
            landing.close()  # writes nothing, as a death does
        self.open.clear()

    def found(self) -> dict[str, bytes]:
        """Return all files of the folder, other than those that have no names yet."""
        return {
            path.relative_to(self.inbox).as_posix(): path.read_bytes()
            for path in sorted(self.inbox.rglob("*"))
            if path.is_file() and ".ocft" not in path.parts
        }


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(contents: Mapping[str, bytes], record: int = 10) -> Receiver:
        made.append(Receiver(tmp_path / "inbox", contents, record))
        return made[-1]

    yield make
    for one in made:
        one.kill()


Make = Callable[..., Receiver]


@SETS
@pytest.mark.parametrize("record", [1, 3, 10, 1000])
def test_what_came_has_its_names_and_nothing_else_stays(
    receiver: Make, contents: dict[str, bytes], record: int
) -> None:
    bob = receiver(contents, record)
    landing = bob.start()
    bob.receive(landing)
    paths = landing.publish()
    assert bob.found() == contents
    tops = dict.fromkeys(name.partition("/")[0] for name in contents)
    assert paths == [bob.inbox / top for top in tops]
    assert not (bob.inbox / ".ocft").exists()


@SETS
@pytest.mark.parametrize("record", [1, 3, 10])
def test_a_receiver_that_dies_after_each_record_gets_none_twice(
    receiver: Make, contents: dict[str, bytes], record: int
) -> None:
    bob = receiver(contents, record)
    for first in range(0, len(bob.space), record):
        landing = bob.start()
        assert landing.position == first
        bob.receive(landing, 1)
    landing = bob.start()
    assert landing.position == len(bob.space)
    assert landing.publish() != []
    assert bob.found() == contents


def test_the_digests_are_those_of_the_files_also_after_a_restart(receiver: Make) -> None:
    bob = receiver(MANY)
    bob.receive(bob.start(with_digests=False), 4)
    landing = bob.start(with_digests=False)
    bob.receive(landing)
    landing.publish()
    assert landing.digests == [file.digest for file in bob.files()]


@pytest.mark.parametrize("where", ["data", "sum"])
def test_what_a_power_cut_spoilt_comes_again(receiver: Make, where: str) -> None:
    bob = receiver({"a": bytes(range(30)), "b": bytes(range(30, 60))})
    bob.receive(bob.start(), 5)
    bob.kill()
    path, place = (bob.home / "files" / "b", 5) if where == "data" else (bob.home / "sums", 13)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\0\0\0")
    landing = bob.start()
    assert landing.position == 30
    bob.receive(landing)
    landing.publish()
    assert bob.found() == bob.contents


@pytest.mark.parametrize("lost", ["files/a", "files/b", "sums", "files"])
def test_what_was_removed_or_cut_off_comes_again(receiver: Make, lost: str) -> None:
    bob = receiver({"a": bytes(range(30)), "b": bytes(range(30, 60))})
    bob.receive(bob.start(), 5)
    bob.kill()
    path = bob.home / lost
    if path.is_dir():
        for one in path.iterdir():
            one.write_bytes(one.read_bytes()[:7])
    else:
        path.unlink()
    landing = bob.start()
    assert landing.position < 50
    bob.receive(landing)
    landing.publish()
    assert bob.found() == bob.contents


def test_a_record_of_which_only_a_part_was_written_comes_again(receiver: Make) -> None:
    bob = receiver({"a": bytes(range(25)), "b": bytes(range(25, 50))})
    bob.receive(bob.start(), 3)
    bob.kill()
    with (bob.home / "sums").open("r+b") as file:
        file.truncate(9)  # the third one, which goes from one file into the other, was not noted
    landing = bob.start()
    assert landing.position == 20
    assert (bob.home / "files" / "a").stat().st_size == 20
    bob.receive(landing)
    landing.publish()
    assert bob.found() == bob.contents


def test_a_link_in_the_place_of_what_came_is_not_followed(receiver: Make, tmp_path: Path) -> None:
    bob = receiver(ONE)
    bob.receive(bob.start(), 2)
    bob.kill()
    (tmp_path / "secret").write_bytes(bob.space[:20])
    (bob.home / "files" / "report.pdf").unlink()
    (bob.home / "files" / "report.pdf").symlink_to(tmp_path / "secret")
    landing = bob.start()
    assert landing.position == 0
    bob.receive(landing)
    landing.publish()
    assert bob.found() == ONE
    assert (tmp_path / "secret").read_bytes() == bob.space[:20]
    assert not (bob.inbox / "report.pdf").is_symlink()


@pytest.mark.parametrize("resumed", [False, True])
def test_other_bytes_than_announced_get_no_name_and_are_forgotten(
    receiver: Make, *, resumed: bool
) -> None:
    bob = receiver(MANY)
    landing = bob.start()
    bob.receive(landing, 3)
    if resumed:
        landing = bob.start()
    right = bob.space
    bob.space = right[:60] + b"!" + right[61:]
    with pytest.raises(DigestMismatchError):
        bob.receive(landing)
    assert bob.found() == {}
    assert landing.position == 0
    bob.space = right
    landing.begin(bob.files())
    bob.receive(landing)
    landing.publish()
    assert bob.found() == MANY


def test_wrong_bytes_of_unknown_digest_are_for_others_to_find(receiver: Make) -> None:
    bob = receiver(ONE)
    landing = bob.start(with_digests=False)
    bob.space = bob.space[::-1]
    bob.receive(landing)
    landing.publish()
    assert bob.found() == {"report.pdf": bob.space}


def test_what_is_incomplete_gets_no_name(receiver: Make) -> None:
    bob = receiver(MANY)
    landing = bob.start()
    bob.receive(landing, 5)
    with pytest.raises(DigestMismatchError, match="Not all bytes"):
        landing.publish()
    assert bob.found() == {}


def test_what_was_changed_on_the_disk_before_it_got_its_name_is_found(receiver: Make) -> None:
    bob = receiver(ONE)
    landing = bob.start()
    bob.receive(landing)
    os.truncate(bob.home / "files" / "report.pdf", 3)
    with pytest.raises(DigestMismatchError, match="changed"):
        landing.publish()
    assert bob.found() == {}


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../b", "a\\b", ".hidden", "-rf", "CON", "a/\x1b[1A", "a "]
)
def test_a_name_that_cannot_be_saved_as_it_is_writes_nothing(receiver: Make, name: str) -> None:
    bob = receiver({"good": b"good", name: b"bad"})
    with pytest.raises(UnsafeNameError):
        bob.start()
    assert not (bob.home / "files").exists()


def test_nothing_is_replaced_unless_it_is_said(receiver: Make) -> None:
    bob = receiver({"a.txt": b"new", "top/b": b"new", "link": b"new"})
    (bob.inbox / "top").mkdir(parents=True)
    (bob.inbox / "a.txt").write_bytes(b"old")
    (bob.inbox / "top" / "c").write_bytes(b"old")
    (bob.inbox / "link").symlink_to("a.txt")
    landing = bob.start()
    bob.receive(landing)
    paths = landing.publish()
    assert [path.name for path in paths] == ["a (1).txt", "top (1)", "link (1)"]
    assert (bob.inbox / "a.txt").read_bytes() == b"old"
    assert [path.name for path in (bob.inbox / "top").iterdir()] == ["c"]
    assert (bob.inbox / "top (1)" / "b").read_bytes() == b"new"


def test_what_is_to_be_replaced_is_and_the_rest_of_a_folder_stays(receiver: Make) -> None:
    bob = receiver({"a.txt": b"new", "top/deep/b": b"new", "link": b"new"})
    (bob.inbox / "top" / "deep").mkdir(parents=True)
    (bob.inbox / "a.txt").write_bytes(b"old")
    (bob.inbox / "top" / "deep" / "b").write_bytes(b"old")
    (bob.inbox / "top" / "c").write_bytes(b"old")
    (bob.inbox / "other").write_bytes(b"other")
    (bob.inbox / "link").symlink_to("other")
    landing = bob.start()
    bob.receive(landing)
    paths = landing.publish(overwrite=True)
    assert [path.name for path in paths] == ["a.txt", "top", "link"]
    assert not (bob.inbox / "link").is_symlink()
    assert bob.found() == {
        "a.txt": b"new",
        "link": b"new",
        "other": b"other",
        "top/c": b"old",
        "top/deep/b": b"new",
    }


@pytest.mark.parametrize(
    ("path", "is_folder"), [("z", True), ("top", False), ("top/b", True), ("top/deep", False)]
)
def test_a_folder_is_not_replaced_by_a_file_nor_a_file_by_a_folder(
    receiver: Make, path: str, *, is_folder: bool
) -> None:
    bob = receiver({"a": b"new", "top/deep/x": b"new", "top/b": b"new", "z": b"new"})
    place = bob.inbox / path
    place.parent.mkdir(parents=True)
    (bob.inbox / "a").write_bytes(b"old")
    if is_folder:
        place.mkdir()
    else:
        place.write_bytes(b"old")
    landing = bob.start()
    bob.receive(landing)
    before = bob.found()
    with pytest.raises(StorageError, match="not replaced"):
        landing.publish(overwrite=True)
    assert bob.found() == before  # not even the others
    landing.publish()
    assert len(bob.found()) == len(before) + 4


def test_a_folder_that_is_a_link_is_not_written_into(receiver: Make, tmp_path: Path) -> None:
    bob = receiver({"a": b"new", "top/deep/x": b"new"})
    (bob.inbox / "top").mkdir(parents=True)
    (bob.inbox / "a").write_bytes(b"old")
    (tmp_path / "elsewhere").mkdir()
    (bob.inbox / "top" / "deep").symlink_to(tmp_path / "elsewhere")
    landing = bob.start()
    bob.receive(landing)
    with pytest.raises(StorageError, match="not replaced"):
        landing.publish(overwrite=True)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (bob.inbox / "a").read_bytes() == b"old"


STEPS = ("link", "rename", "replace", "mkdir", "unlink", "rmdir", "fsync")


def die_at(step: int, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    """Let the process die at one of the steps that change something on the disk."""
    steps = count()

    def planted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            is_last = next(steps) == step
            if is_last and not after:
                raise CrashError
            try:
                return real(*arguments, **options)
            finally:
                if is_last:
                    raise CrashError

        return call

    for name in STEPS:
        monkeypatch.setattr(os, name, planted(getattr(os, name)))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("overwrite", [False, True], ids=["keep", "overwrite"])
def test_a_death_at_any_step_of_naming_is_made_up_for(
    receiver: Make, monkeypatch: pytest.MonkeyPatch, *, overwrite: bool, after: bool
) -> None:
    contents = {"a": b"new", "top/b": b"new", "top/deep/c": b"new", "z": b""}
    bob = receiver(contents)
    for step in count():
        bob.inbox.mkdir()
        (bob.inbox / "a").write_bytes(b"old")
        landing = bob.start()
        bob.receive(landing)
        with monkeypatch.context() as planted:
            die_at(step, planted, after=after)
            try:
                landing.publish(overwrite=overwrite)
                died = False
            except CrashError:
                died = True
        expected_digests = [file.digest for file in bob.files()]
        if died and bob.home.exists():
            # Whatever is said the next time: what was begun is ended as it was begun.
            began = (bob.home / "names").exists()
            landing = bob.start()
            bob.receive(landing)
            landing.publish(overwrite=not overwrite)
            replaces = overwrite if began else not overwrite
        else:
            replaces = overwrite
        expected = contents if replaces else {**contents, "a": b"old", "a (1)": b"new"}
        assert bob.found() == expected, step
        assert landing.digests == expected_digests, step
        folders = {path.name for path in bob.inbox.iterdir() if path.is_dir()}
        assert folders <= {"top", ".ocft"}, step
        bob.kill()
        shutil.rmtree(bob.inbox)
        if not died:
            assert step > 20
            return


def test_a_death_while_tidying_up_leaves_nothing_for_ever(
    receiver: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = receiver(ONE)
    landing = bob.start()
    bob.receive(landing)

    def die(path: Path) -> None:
        if not path.exists():
            raise FileNotFoundError
        raise CrashError

    with monkeypatch.context() as planted:
        planted.setattr(shutil, "rmtree", die)
        with pytest.raises(CrashError):
            landing.publish()
    assert bob.found() == ONE
    assert len(list((bob.inbox / ".ocft").iterdir())) == 1
    landing = bob.start()
    assert landing.position == 0
    assert len(list((bob.inbox / ".ocft").iterdir())) == 1
    landing.discard()
    assert [path.name for path in bob.inbox.iterdir()] == ["report.pdf"]


def test_names_that_somebody_else_damaged_are_not_followed(receiver: Make) -> None:
    bob = receiver({"a": b"new"})
    for names in (
        b"{",
        b"[]",
        b'{"names": {"a": "../x"}, "overwrite": true, "digests": [""]}',
        b'{"names": {"b": "b"}, "overwrite": true, "digests": [""]}',
        b'{"names": [], "overwrite": true, "digests": [""]}',
        b'{"names": {"a": "a"}, "overwrite": true, "digests": []}',
        b'{"names": {"a": "a"}, "overwrite": true, "digests": ["x"]}',
        b'{"names": {"a": "a"}}',
    ):
        landing = bob.start()
        bob.receive(landing)
        (bob.home / "names").write_bytes(names)
        with pytest.raises(StorageError, match="damaged"):
            bob.start().publish(overwrite=True)
        (bob.home / "names").unlink()
    assert bob.found() == {}


def test_two_processes_do_not_receive_the_same(receiver: Make) -> None:
    bob = receiver(ONE)
    bob.start()
    with pytest.raises(ChannelHeldError), Landing(bob.inbox, "id", record=10) as second:
        second.acquire()


def test_a_note_is_kept_for_the_owner_until_it_is_forgotten(receiver: Make) -> None:
    bob = receiver(ONE)
    landing = bob.start()
    assert landing.note("token") is None
    landing.keep_note("token", b"one")
    landing.keep_note("token", b"two")
    landing.keep_note("other", b"three")
    landing = bob.start()
    assert (landing.note("token"), landing.note("other")) == (b"two", b"three")
    assert stat.S_IMODE((bob.home / "token.note").stat().st_mode) == 0o600
    assert stat.S_IMODE(bob.home.stat().st_mode) == 0o700
    landing = bob.start()
    landing.forget()
    assert landing.note("token") is landing.note("other") is None


@pytest.mark.parametrize("restarts", [False, True])
def test_files_and_folders_have_the_rights_of_new_ones(receiver: Make, *, restarts: bool) -> None:
    before = os.umask(0o022)
    try:
        bob = receiver({"a": b"1234567890", "top/deep/b": b"12345"})
        landing = bob.start()
        bob.receive(landing, 1)
        landing = bob.start() if restarts else landing
        bob.receive(landing)
        landing.publish()
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in bob.inbox.rglob("*")}
    assert modes == {"a": 0o644, "top": 0o755, "deep": 0o755, "b": 0o644}


def test_a_full_disk_keeps_what_came_before(
    receiver: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = receiver(ONE)
    landing = bob.start()
    bob.receive(landing, 2)

    def refuse(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as planted:
        planted.setattr(os, "pwrite", refuse)
        with pytest.raises(NotEnoughSpaceError):
            bob.receive(landing, 1)
    landing.begin(bob.files())
    assert landing.position == 20
    bob.receive(landing)
    landing.publish()
    assert bob.found() == ONE


def test_many_files_are_brought_to_the_disk(
    receiver: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = receiver({f"d{number % 7}/f{number}": b"%d" % number for number in range(40)})
    landing = bob.start()
    bob.receive(landing)
    landing.publish()
    assert bob.found() == dict(sorted(bob.contents.items()))


def test_what_others_have_in_the_folder_for_part_files_stays(receiver: Make) -> None:
    bob = receiver(ONE)
    (bob.inbox / ".ocft").mkdir(parents=True)
    (bob.inbox / ".ocft" / "other.part").write_bytes(b"other")
    landing = bob.start()
    bob.receive(landing)
    landing.publish()
    assert (bob.inbox / ".ocft" / "other.part").read_bytes() == b"other"
