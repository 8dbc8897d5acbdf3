import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ocft.errors import DigestMismatchError, StorageError
from ocft.ids import TransferId
from ocft.storage import (
    Database,
    IncomingFile,
    Journal,
    StoredPiece,
    TransferRecord,
    hand_over,
    remove_orphans,
)
from ocft.wire import digest_of

MakeRecord = Callable[..., TransferRecord]
ID = TransferId("xfer_1")
CONTENT = bytes(range(50))
WHOLE = digest_of(CONTENT)
Open = Callable[[], IncomingFile]


class CrashError(BaseException):
    """The process dies here."""


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    return tmp_path / "inbox" / ".ocft"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


@pytest.fixture
def open_incoming(journal: Journal, make_record: MakeRecord, parts: Path) -> Iterator[Open]:
    """Open the incoming file, as often as the process is restarted."""
    journal.add(make_record(content=CONTENT))
    with ExitStack() as stack:

        def open_it() -> IncomingFile:
            incoming = IncomingFile.open(journal, ID, parts, len(CONTENT))
            stack.callback(incoming.close)
            return incoming

        yield open_it


def _store(incoming: IncomingFile, *indexes: int, at: float = 1.0) -> None:
    """Store chunks of 10 bytes."""
    for index in indexes:
        data = CONTENT[10 * index : 10 * index + 10]
        incoming.store(10 * index, data, digest_of(data), at)


def _sync(incoming: IncomingFile) -> None:
    incoming.sync(incoming.begin_sync())


def _record(journal: Journal) -> TransferRecord:
    record = journal.get(ID)
    assert record is not None
    return record


def _crash(*_: object, **__: object) -> None:
    raise CrashError


def test_a_piece_is_journalled_when_store_returns(open_incoming: Open, journal: Journal) -> None:
    incoming = open_incoming()
    _store(incoming, 1, at=7.0)
    assert incoming.ranges == [(10, 20)]
    assert incoming.bytes_stored == 10
    assert journal.unsynced(ID) == [StoredPiece(10, 20, digest_of(CONTENT[10:20]))]
    assert (_record(journal).info.bytes_done, _record(journal).info.updated_at) == (10, 7.0)


def test_unsynced_bytes_and_their_age_are_known(open_incoming: Open) -> None:
    incoming = open_incoming()
    assert (incoming.unsynced_bytes, incoming.oldest_unsynced_at) == (0, None)
    _store(incoming, 0, at=5.0)
    _store(incoming, 1, at=6.0)
    assert (incoming.unsynced_bytes, incoming.oldest_unsynced_at) == (20, 5.0)
    pieces = incoming.begin_sync()
    _store(incoming, 2, at=8.0)  # while the worker syncs
    incoming.sync(pieces)
    assert (incoming.unsynced_bytes, incoming.oldest_unsynced_at) == (10, 8.0)


def test_a_synced_piece_is_on_the_disk_before_the_journal_says_so(
    open_incoming: Open, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    incoming = open_incoming()
    _store(incoming, 0, 1)
    seen: list[object] = []
    monkeypatch.setattr(
        "ocft.storage.partial.sync_descriptor", lambda _: seen.append(("fsync", journal.synced(ID)))
    )
    monkeypatch.setattr(Database, "checkpoint", lambda _: seen.append(("log", journal.synced(ID))))
    _sync(incoming)
    assert seen == [("fsync", []), ("log", [(0, 20)])]


def test_a_repeated_piece_changes_nothing(open_incoming: Open, journal: Journal) -> None:  # C6
    incoming = open_incoming()
    _store(incoming, 0, 0)
    _sync(incoming)
    incoming.store(0, b"x" * 10, digest_of(b"x" * 10), 2.0)
    assert incoming.unsynced_bytes == 0
    assert _record(journal).info.bytes_done == 10
    assert open_incoming().ranges == [(0, 10)]


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        pytest.param(45, 10, id="C2-past the end"),
        pytest.param(-1, 10, id="C2-before the start"),
        pytest.param(5, 10, id="C14-over a stored piece"),
        pytest.param(2**63, 1, id="O3"),
    ],
)
def test_a_piece_out_of_place_is_refused_before_it_is_written(
    open_incoming: Open, parts: Path, offset: int, length: int
) -> None:
    incoming = open_incoming()
    _store(incoming, 0)
    with pytest.raises(StorageError):
        incoming.store(offset, b"x" * length, digest_of(b"x" * length), 1.0)
    assert (parts / "xfer_1.part").read_bytes() == CONTENT[:10]
    assert incoming.ranges == [(0, 10)]


def test_a_piece_that_the_disk_refused_is_not_stored(
    open_incoming: Open, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    incoming = open_incoming()

    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(StorageError):
        _store(incoming, 0)
    assert incoming.ranges == []
    assert journal.unsynced(ID) == []


@pytest.mark.parametrize("transfer_id", ["../x", "", "a/b", "x" * 65, "a\n", "\u0661", "."])
def test_a_transfer_id_that_is_none_makes_no_path(  # case J15
    journal: Journal, parts: Path, transfer_id: str
) -> None:
    with pytest.raises(StorageError):
        IncomingFile.open(journal, TransferId(transfer_id), parts, 10)
    assert not parts.exists()


# Restarts


def test_after_a_kill_everything_that_was_stored_is_there(open_incoming: Open) -> None:
    incoming = open_incoming()
    _store(incoming, 0, 1)
    _sync(incoming)
    _store(incoming, 3)
    restarted = open_incoming()
    assert restarted.ranges == [(0, 20), (30, 40)]
    assert restarted.bytes_stored == 30


@pytest.mark.parametrize(
    "lose",
    [
        pytest.param(lambda part: part.write(20, bytes(20)), id="zeros"),
        pytest.param(lambda part: part.write(20, b"garbage!" * 3), id="garbage"),
        pytest.param(lambda part: part.truncate(20), id="never written"),
        pytest.param(lambda part: part.truncate(25), id="half of a piece"),
    ],
)
def test_a_power_cut_costs_only_what_was_not_synced(
    open_incoming: Open, journal: Journal, lose: Callable[[object], None], inbox: Path
) -> None:
    incoming = open_incoming()
    _store(incoming, 0, 1)
    _sync(incoming)
    _store(incoming, 2, 3)
    lose(incoming._part)
    restarted = open_incoming()
    assert restarted.ranges == [(0, 20)]
    assert journal.unsynced(ID) == []
    assert _record(journal).info.bytes_done == 20
    _store(restarted, 2, 3, 4)
    assert restarted.finish(WHOLE, inbox, "x").read_bytes() == CONTENT


def test_a_power_cut_keeps_the_unsynced_pieces_that_made_it(
    open_incoming: Open, journal: Journal
) -> None:
    incoming = open_incoming()
    _store(incoming, 0, 1, 2)
    incoming._part.write(10, bytes(10))
    restarted = open_incoming()
    assert restarted.ranges == [(0, 10), (20, 30)]
    assert restarted.unsynced_bytes == 0
    assert journal.synced(ID) == [(0, 10), (20, 30)]
    assert _record(journal).info.bytes_done == 20


def test_a_piece_of_zeros_is_a_piece_like_any_other(  # case C12
    journal: Journal, make_record: MakeRecord, parts: Path
) -> None:
    journal.add(make_record("zeros", content=bytes(20)))
    for size in (20, 20):
        incoming = IncomingFile.open(journal, TransferId("zeros"), parts, size)
        incoming.store(0, bytes(10), digest_of(bytes(10)), 1.0)
        incoming.close()
    assert journal.synced(TransferId("zeros")) == [(0, 10)]


def test_a_part_file_that_is_gone_means_that_nothing_is_stored(  # like case R19
    open_incoming: Open, journal: Journal, parts: Path
) -> None:
    incoming = open_incoming()
    _store(incoming, 0)
    _sync(incoming)
    _store(incoming, 1)
    (parts / "xfer_1.part").unlink()
    assert open_incoming().ranges == []
    assert (journal.synced(ID), journal.unsynced(ID)) == ([], [])
    assert _record(journal).info.bytes_done == 0


def test_ranges_behind_the_end_of_the_part_file_are_dropped(
    open_incoming: Open, journal: Journal
) -> None:
    incoming = open_incoming()
    _store(incoming, 0, 3)
    _sync(incoming)
    incoming._part.truncate(35)
    assert open_incoming().ranges == [(0, 10)]
    assert journal.synced(ID) == [(0, 10)]


def test_a_part_file_that_is_too_long_is_cut(open_incoming: Open, inbox: Path) -> None:
    incoming = open_incoming()
    _store(incoming, *range(5))
    incoming._part.write(len(CONTENT), b"a tail of nobody")
    assert open_incoming().finish(WHOLE, inbox, "x").read_bytes() == CONTENT


def test_a_journal_that_lost_everything_means_that_nothing_is_stored(  # case R19
    open_incoming: Open, journal: Journal
) -> None:
    _store(open_incoming(), *range(5))
    journal.forget_pieces(ID)
    assert open_incoming().ranges == []


# Finishing


def test_a_whole_file_gets_its_name(open_incoming: Open, journal: Journal, inbox: Path) -> None:
    incoming = open_incoming()
    _store(incoming, 4, 2, 0, 1, 3)
    path = incoming.finish(WHOLE, inbox, "../../report.pdf")
    assert path == inbox / "report.pdf"
    assert path.read_bytes() == CONTENT
    assert list((inbox / ".ocft").iterdir()) == []
    assert incoming.unsynced_bytes == 0
    assert _record(journal).publishing == str(path)
    assert _record(journal).info.bytes_done == 50


def test_an_empty_file_gets_its_name(  # case O1
    journal: Journal, make_record: MakeRecord, parts: Path, inbox: Path
) -> None:
    journal.add(make_record("empty"))
    incoming = IncomingFile.open(journal, TransferId("empty"), parts, 0)
    assert incoming.finish(digest_of(b""), inbox, "x").read_bytes() == b""


def test_a_file_with_a_hole_is_not_finished_and_keeps_what_it_has(
    open_incoming: Open, inbox: Path
) -> None:
    incoming = open_incoming()
    _store(incoming, 0, 1, 3, 4)
    with pytest.raises(DigestMismatchError, match="40 of 50"):
        incoming.finish(WHOLE, inbox, "x")
    _store(incoming, 2)
    assert incoming.finish(WHOLE, inbox, "x").read_bytes() == CONTENT


def test_other_content_is_never_saved_and_is_forgotten(  # case R9
    open_incoming: Open, journal: Journal, inbox: Path
) -> None:
    incoming = open_incoming()
    _store(incoming, *range(5))
    with pytest.raises(DigestMismatchError):
        incoming.finish(digest_of(b"another"), inbox, "x")
    assert [path.name for path in inbox.iterdir()] == [".ocft"]
    assert _record(journal).info.bytes_done == 0
    assert open_incoming().ranges == []


def test_bytes_that_rot_on_the_disk_are_noticed(open_incoming: Open, inbox: Path) -> None:
    incoming = open_incoming()
    _store(incoming, *range(5))
    _sync(incoming)
    incoming._part.write(25, b"\xff")
    with pytest.raises(DigestMismatchError):
        incoming.finish(WHOLE, inbox, "x")


def test_a_folder_that_refuses_keeps_what_is_stored(open_incoming: Open, tmp_path: Path) -> None:
    incoming = open_incoming()
    _store(incoming, *range(5))
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        incoming.finish(WHOLE, tmp_path / "file", "x")
    assert open_incoming().finish(WHOLE, tmp_path / "folder", "x").read_bytes() == CONTENT


def test_discarding_leaves_nothing(open_incoming: Open, journal: Journal, parts: Path) -> None:
    incoming = open_incoming()
    _store(incoming, 0, 1)
    pieces = incoming.begin_sync()
    incoming.discard()
    incoming.discard()
    assert list(parts.iterdir()) == []
    assert (journal.unsynced(ID), _record(journal).info.bytes_done) == ([], 0)
    with pytest.raises(StorageError):  # a worker that was late
        incoming.sync(pieces)
    assert journal.synced(ID) == []


# Crashes while finishing


def test_a_crash_before_the_link_finishes_again_under_the_same_name(
    open_incoming: Open, journal: Journal, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incoming = open_incoming()
    _store(incoming, *range(5))
    monkeypatch.setattr(os, "link", _crash)
    with pytest.raises(CrashError):
        incoming.finish(WHOLE, inbox, "x")
    monkeypatch.undo()
    restarted = open_incoming()
    assert restarted.recover(_record(journal)) is None
    assert restarted.finish(WHOLE, inbox, "x") == inbox / "x"


def test_a_crash_between_link_and_removal_saves_one_file(
    open_incoming: Open, journal: Journal, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incoming = open_incoming()
    _store(incoming, *range(5))
    monkeypatch.setattr(Path, "unlink", _crash)
    with pytest.raises(CrashError):
        incoming.finish(WHOLE, inbox, "x")
    monkeypatch.undo()
    assert (inbox / "x").stat().st_nlink == 2
    assert open_incoming().recover(_record(journal)) == inbox / "x"
    assert (inbox / "x").read_bytes() == CONTENT
    assert (inbox / "x").stat().st_nlink == 1
    assert list((inbox / ".ocft").iterdir()) == []


@pytest.mark.parametrize("restarts", [1, 2])
def test_a_crash_after_the_removal_finds_the_file_again(
    open_incoming: Open, journal: Journal, inbox: Path, restarts: int
) -> None:
    incoming = open_incoming()
    _store(incoming, *range(5))
    path = incoming.finish(WHOLE, inbox, "x")
    for _ in range(restarts - 1):  # one that dies before it can say what it has found
        open_incoming()
    assert open_incoming().recover(_record(journal)) == path
    assert path.read_bytes() == CONTENT
    assert list((inbox / ".ocft").iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", CONTENT[:-1], CONTENT[:-1] + b"x"])
def test_a_file_that_is_not_ours_is_not_found_again(
    open_incoming: Open, journal: Journal, inbox: Path, content: bytes | None
) -> None:
    open_incoming()
    if content is not None:
        (inbox / "x").write_bytes(content)
    (inbox / ".ocft" / "xfer_1.part").unlink()
    journal.save_publishing(ID, str(inbox / "x"))
    assert open_incoming().recover(_record(journal)) is None
    assert not (inbox / "x").exists() or (inbox / "x").read_bytes() == content


def test_an_equal_file_of_someone_else_is_not_ours_while_the_part_file_is_there(
    open_incoming: Open, journal: Journal, inbox: Path
) -> None:
    incoming = open_incoming()
    _store(incoming, *range(5))
    (inbox / "x").write_bytes(CONTENT)
    journal.save_publishing(ID, str(inbox / "x"))
    restarted = open_incoming()
    assert restarted.recover(_record(journal)) is None
    assert restarted.finish(WHOLE, inbox, "x") == inbox / "x (1)"


def test_nothing_is_recovered_when_nothing_was_announced(
    open_incoming: Open, journal: Journal
) -> None:
    assert open_incoming().recover(_record(journal)) is None


# Two threads, two transfers


def test_pieces_can_be_stored_while_a_worker_syncs(open_incoming: Open, journal: Journal) -> None:
    incoming = open_incoming()
    is_done = threading.Event()
    failures: list[BaseException] = []

    def sync_often() -> None:
        try:
            while not is_done.is_set():
                _sync(incoming)
        except StorageError as error:
            failures.append(error)

    worker = threading.Thread(target=sync_often)
    worker.start()
    for place in range(50):
        data = CONTENT[place : place + 1]
        incoming.store(place, data, digest_of(data), 1.0)
    is_done.set()
    worker.join()
    _sync(incoming)
    assert failures == []
    assert journal.synced(ID) == [(0, 50)]
    assert journal.unsynced(ID) == []


def test_a_later_transfer_goes_on_with_what_an_earlier_one_stored(
    open_incoming: Open, journal: Journal, make_record: MakeRecord, parts: Path, inbox: Path
) -> None:
    earlier, later = open_incoming(), TransferId("xfer_2")
    _store(earlier, 0, 1)
    _sync(earlier)
    _store(earlier, 2)
    pieces = earlier.begin_sync()
    journal.add(make_record("xfer_2", content=CONTENT))
    hand_over(journal, parts, ID, later)
    earlier.sync(pieces)  # was under way
    earlier.discard()
    incoming = IncomingFile.open(journal, later, parts, len(CONTENT))
    assert incoming.ranges == [(0, 30)]
    _store(incoming, 3, 4)
    assert incoming.finish(WHOLE, inbox, "x").read_bytes() == CONTENT
    assert _record(journal).info.bytes_done == 0


def test_a_crash_in_the_middle_of_handing_over_costs_bytes_but_never_makes_wrong_ones(
    open_incoming: Open,
    journal: Journal,
    make_record: MakeRecord,
    inbox: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = inbox / ".ocft"
    earlier, later = open_incoming(), TransferId("xfer_2")
    _store(earlier, 0, 1)
    _sync(earlier)
    _store(earlier, 2)
    journal.add(make_record("xfer_2", content=CONTENT))
    monkeypatch.setattr(Journal, "hand_over", _crash)
    with pytest.raises(CrashError):
        hand_over(journal, parts, ID, later)
    monkeypatch.undo()
    assert open_incoming().ranges == []
    incoming = IncomingFile.open(journal, later, parts, len(CONTENT))
    assert incoming.ranges == []
    _store(incoming, *range(5))
    assert incoming.finish(WHOLE, inbox, "x").read_bytes() == CONTENT


@pytest.mark.parametrize("transfer_id", ["../x", "", "a/b"])
def test_nothing_is_handed_over_by_an_id_that_is_none(  # case J15
    journal: Journal, parts: Path, transfer_id: str
) -> None:
    for earlier, later in ((transfer_id, "xfer_1"), ("xfer_1", transfer_id)):
        with pytest.raises(StorageError):
            hand_over(journal, parts, TransferId(earlier), TransferId(later))


def test_handing_over_nothing_is_fine(
    journal: Journal, make_record: MakeRecord, parts: Path
) -> None:
    journal.add(make_record("xfer_2", content=CONTENT))
    hand_over(journal, parts, ID, TransferId("xfer_2"))
    with IncomingFile.open(journal, TransferId("xfer_2"), parts, 50)._part as part:
        assert part.size == 0


def test_what_no_transfer_goes_on_with_is_removed(tmp_path: Path) -> None:
    remove_orphans(tmp_path / "nothing", [])
    for name in ("a", "b"):
        (tmp_path / f"{name}.part").touch()
        (tmp_path / f"{name}.files" / "top").mkdir(parents=True)
        (tmp_path / f"{name}.files" / "top" / "x").touch()
    (tmp_path / "c.files").touch()
    (tmp_path / "d.files").symlink_to(tmp_path / "b.files")
    (tmp_path / "other").touch()
    remove_orphans(tmp_path, [TransferId("b")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.files", "b.part", "other"]
    assert (tmp_path / "b.files" / "top" / "x").exists()
