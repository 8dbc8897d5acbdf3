import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ocft.errors import NotEnoughSpaceError, StorageError
from ocft.storage import PartialFile, finish_publication, free_space
from ocft.storage.partial import sync_directory
from ocft.wire import digest_of

CONTENT = b"0123456789" * 100


@pytest.fixture
def part(tmp_path: Path) -> Iterator[PartialFile]:
    with PartialFile.open(tmp_path / "parts" / "xfer_1.part") as part:
        part.write(0, CONTENT)
        yield part


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "a" / "inbox"


def _say_nothing(_: Path) -> None:
    """Announce to nobody."""


def _refuse(number: int) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_pieces_are_written_at_their_places_and_read_back(part: PartialFile) -> None:
    part.write(len(CONTENT) + 10, b"after a hole")
    assert part.read(5, 10) == CONTENT[5:15]
    assert part.read(len(CONTENT), 22) == bytes(10) + b"after a hole"
    assert part.size == len(CONTENT) + 22
    assert part.digest(len(CONTENT)) == digest_of(CONTENT)


def test_reading_past_the_end_gives_what_there_is(part: PartialFile) -> None:
    assert part.read(len(CONTENT) - 3, 10) == CONTENT[-3:]
    assert part.read(10**9, 10) == b""


def test_short_writes_are_continued(part: PartialFile, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, place: whole(fd, data[:7], place))
    part.write(3, b"a longer piece than seven")
    assert part.read(3, 25) == b"a longer piece than seven"


def test_reopening_goes_on_with_what_is_there(part: PartialFile) -> None:
    assert part.is_new
    part.close()
    with PartialFile.open(part.path) as again:
        assert not again.is_new
        assert again.read(0, 10) == CONTENT[:10]


def test_the_folder_is_private_and_the_file_has_the_rights_of_a_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with PartialFile.open(tmp_path / "parts" / "x.part") as part:
            assert stat.S_IMODE(part.path.stat().st_mode) == 0o640
            assert stat.S_IMODE(part.path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(lambda path: path.symlink_to("/etc/passwd"), id="symlink"),
        pytest.param(lambda path: path.symlink_to("nowhere"), id="dangling symlink"),
        pytest.param(os.mkfifo, id="pipe"),
        pytest.param(Path.mkdir, id="folder"),
    ],
)
def test_something_else_in_the_place_of_the_part_file_is_refused(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    path = tmp_path / "x.part"
    plant(path)
    before = path.lstat()
    with pytest.raises(StorageError):
        PartialFile.open(path)
    assert path.lstat() == before
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_below_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        PartialFile.open(tmp_path / "file" / "x.part")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        pytest.param(errno.ENOSPC, NotEnoughSpaceError, id="full"),
        pytest.param(errno.EDQUOT, NotEnoughSpaceError, id="X3-quota"),
        pytest.param(errno.EIO, StorageError, id="X3-io"),
        pytest.param(errno.EFBIG, StorageError, id="larger than the file system can"),
    ],
)
def test_a_disk_that_refuses_a_write_is_a_typed_error(
    part: PartialFile,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    expected: type[StorageError],
) -> None:
    monkeypatch.setattr(os, "pwrite", _refuse(number))
    with pytest.raises(StorageError) as caught:
        part.write(0, b"x")
    assert type(caught.value) is expected


def test_a_failed_sync_is_never_followed_by_one_that_succeeds(
    part: PartialFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocft.storage.partial.sync_descriptor", _refuse(errno.EIO))
    with pytest.raises(StorageError):
        part.sync()
    monkeypatch.undo()
    with pytest.raises(StorageError):
        part.sync()


def test_a_closed_part_file_is_a_typed_error_and_closes_again(part: PartialFile) -> None:
    part.close()
    part.close()
    for use in (lambda: part.write(0, b"x"), lambda: part.read(0, 1), part.sync):
        with pytest.raises(StorageError):
            use()


def test_discarding_removes_the_file_and_can_be_repeated(part: PartialFile) -> None:
    part.discard()
    part.discard()
    assert not part.path.exists()


# Publishing


def test_the_published_file_has_its_name_and_the_part_file_is_gone(
    part: PartialFile, inbox: Path
) -> None:
    announced: list[Path] = []
    path = part.publish(inbox, "report.pdf", announce=announced.append)
    assert path == inbox / "report.pdf"
    assert announced == [path]
    assert path.read_bytes() == CONTENT
    assert path.stat().st_nlink == 1
    assert not part.path.exists()


@pytest.mark.parametrize(
    "occupy",
    [
        pytest.param(lambda path: path.write_text("mine"), id="file"),
        pytest.param(lambda path: path.touch(), id="empty file"),
        pytest.param(Path.mkdir, id="N25-directory"),
        pytest.param(os.mkfifo, id="N25-FIFO"),
        pytest.param(lambda path: path.symlink_to("nowhere"), id="dangling symlink"),
        pytest.param(lambda path: path.symlink_to("/etc/passwd"), id="symlink"),
    ],
)
@pytest.mark.parametrize("has_links", [True, False])
@pytest.mark.parametrize("is_late", [False, True])
def test_whatever_has_the_name_already_stays_as_it_is(
    part: PartialFile,
    inbox: Path,
    monkeypatch: pytest.MonkeyPatch,
    occupy: Callable[[Path], None],
    *,
    has_links: bool,
    is_late: bool,
) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", _refuse(errno.EPERM))
    inbox.mkdir(parents=True)
    taken = inbox / "report.pdf"

    def occupy_late(path: Path) -> None:  # after the look at what is there: the link decides
        if is_late and path == taken:
            occupy(taken)

    if not is_late:
        occupy(taken)
    path = part.publish(inbox, "report.pdf", announce=occupy_late)
    assert path == inbox / "report (1).pdf"
    assert path.read_bytes() == CONTENT
    assert not stat.S_ISREG(taken.lstat().st_mode) or taken.read_bytes() in {b"", b"mine"}
    assert sorted(entry.name for entry in inbox.iterdir()) == ["report (1).pdf", "report.pdf"]


@pytest.mark.parametrize(
    "number", [errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EACCES]
)
def test_a_file_system_without_hard_links_will_do(
    part: PartialFile, inbox: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", _refuse(number))
    path = part.publish(inbox, "x", announce=_say_nothing)
    assert path.read_bytes() == CONTENT
    assert not part.path.exists()


def test_a_reservation_that_cannot_be_used_is_taken_back(
    part: PartialFile, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", _refuse(errno.EPERM))
    monkeypatch.setattr(Path, "replace", _refuse(errno.EIO))
    with pytest.raises(StorageError):
        part.publish(inbox, "x", announce=_say_nothing)
    assert list(inbox.iterdir()) == []
    assert part.path.read_bytes() == CONTENT


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EROFS, errno.ENOSPC, errno.EIO])
def test_a_folder_that_cannot_be_used_leaves_the_part_file(
    part: PartialFile, inbox: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", _refuse(number))
    with pytest.raises(StorageError):
        part.publish(inbox, "x", announce=_say_nothing)
    monkeypatch.undo()
    assert part.publish(inbox, "x", announce=_say_nothing).read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_where_the_folder_should_be_is_a_storage_error(  # case N27
    part: PartialFile, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError):
        part.publish(tmp_path / name, "x", announce=_say_nothing)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("wire_name", "expected"),
    [
        pytest.param("../x", "x", id="N1"),
        pytest.param("/etc/passwd", "passwd", id="N3"),
        pytest.param("a/../../x", "x", id="N5"),
        pytest.param("\uff0e\uff0e\uff0fx", "_\uff0e\uff0e_x", id="N7"),
        pytest.param("a\0b", "ab", id="N9"),
        pytest.param("\x1b]0;t\x07", "]0;t", id="N11"),
        pytest.param("a\u200bb", "ab", id="N13"),
        pytest.param("COM1", "_COM1", id="N15"),
        pytest.param("x. ", "x", id="N17"),
        pytest.param("\udcff", "file", id="N19"),
        pytest.param("-rf", "_-rf", id="N21"),
        pytest.param("xfer_1.part", "xfer_1.part", id="N27"),
        pytest.param("x" * 5000, "x" * 200, id="too long"),
    ],
)
def test_a_hostile_name_lands_inside_the_folder(
    part: PartialFile, inbox: Path, wire_name: str, expected: str
) -> None:
    assert part.publish(inbox, wire_name, announce=_say_nothing) == inbox / expected
    assert [path.name for path in inbox.iterdir()] == [expected]


def test_renaming_takes_the_place_of_what_is_there(part: PartialFile, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    part.rename(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert not part.path.exists()
    with pytest.raises(StorageError):
        part.write(0, b"closed")


def test_a_part_file_that_was_replaced_is_not_renamed(part: PartialFile, tmp_path: Path) -> None:
    part.path.unlink()
    part.path.touch()
    with pytest.raises(StorageError, match="replaced"):
        part.rename(tmp_path / "x")


def test_a_folder_full_of_the_same_name_is_a_storage_error(
    part: PartialFile, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocft.storage.partial.MAX_CONFLICTS", 3)
    inbox.mkdir(parents=True)
    for name in ("x", "x (1)", "x (2)"):
        (inbox / name).touch()
    with pytest.raises(StorageError, match="3 files"):
        part.publish(inbox, "x", announce=_say_nothing)


def test_a_part_file_that_someone_replaced_is_not_published(part: PartialFile, inbox: Path) -> None:
    for replacement in (None, b"another file"):
        part.path.unlink(missing_ok=True)
        if replacement is not None:
            part.path.write_bytes(replacement)
        with pytest.raises(StorageError, match="removed or replaced"):
            part.publish(inbox, "x", announce=_say_nothing)
        assert list(inbox.iterdir()) == []


# After a crash


def test_a_publication_is_finished_after_the_link(part: PartialFile, tmp_path: Path) -> None:
    announced = tmp_path / "report.pdf"
    os.link(part.path, announced)
    assert finish_publication(part.path, announced)
    assert announced.read_bytes() == CONTENT
    assert not part.path.exists()
    assert not finish_publication(part.path, announced)


@pytest.mark.parametrize(
    "occupy",
    [
        pytest.param(lambda _part, _announced: None, id="nothing"),
        pytest.param(lambda _part, announced: announced.write_bytes(CONTENT), id="the same bytes"),
        pytest.param(lambda part, announced: announced.symlink_to(part), id="a symlink to it"),
    ],
)
def test_a_file_of_someone_else_is_not_taken_for_ours(
    part: PartialFile, tmp_path: Path, occupy: Callable[[Path, Path], None]
) -> None:
    occupy(part.path, tmp_path / "report.pdf")
    assert not finish_publication(part.path, tmp_path / "report.pdf")
    assert part.path.read_bytes() == CONTENT


# Disks


def test_free_space_is_that_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    assert free_space(tmp_path / "not" / "yet") > 0
    assert free_space(tmp_path) > 0


def test_a_path_that_cannot_be_one_has_no_free_space() -> None:
    with pytest.raises(StorageError):
        free_space(Path("/" + "x" * 5000))


def test_a_folder_that_cannot_be_synced_is_left_at_that(tmp_path: Path) -> None:
    sync_directory(tmp_path / "nothing")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems close what fsync waits for")
def test_syncing_names_the_file_in_its_folder_once(
    part: PartialFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("ocft.storage.partial.sync_directory", synced.append)
    part.sync()
    part.sync()
    assert synced == [part.path.parent]
