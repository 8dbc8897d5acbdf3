import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocft.errors import DigestMismatchError, JournalError, NotEnoughSpaceError, StorageError
from ocft.ids import TransferId
from ocft.ranges import RangeSet
from ocft.storage import ArrivingSet, Database, Journal
from ocft.storage import arriving as module
from tests.storage.incoming_sets import ID, found_in, manifest_of, record_of, space_of

CONTENTS = {"a": bytes(range(40)), "d/b": b"", "d/c": bytes(range(100, 130))}
SPACE = space_of(CONTENTS)
RECORD = record_of(CONTENTS)
MANIFEST = manifest_of(CONTENTS)
M = RECORD.manifest_size
END = len(SPACE)
Open = Callable[[], ArrivingSet]


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    return tmp_path / "inbox" / ".ocft"


@pytest.fixture
def open_set(journal: Journal, parts: Path) -> Iterator[Open]:
    """Open the set, as often as the process is restarted."""
    journal.add(RECORD)
    with ExitStack() as stack:

        def open_it() -> ArrivingSet:
            arriving = ArrivingSet.open(journal, RECORD, parts)
            stack.callback(arriving.close)
            return arriving

        yield open_it


def _write(arriving: ArrivingSet, first: int, end: int) -> None:
    arriving.write(first, SPACE[first:end])


def _store(arriving: ArrivingSet, first: int, end: int) -> None:
    _write(arriving, first, end)
    arriving.sync(arriving.take_unsynced(), 1.0)


def _done(journal: Journal) -> int:
    record = journal.get(ID)
    assert record is not None
    return record.info.bytes_done


def test_bytes_count_when_they_are_synced_and_recorded(open_set: Open, journal: Journal) -> None:
    arriving = open_set()  # R-ARQ-1
    _write(arriving, M - 5, M + 10)
    assert arriving.stored.pairs() == []
    assert arriving.written.pairs() == [(M - 5, M + 10)]
    assert (arriving.unsynced_bytes, arriving.has_unsynced) == (15, True)
    assert (journal.synced(ID), _done(journal)) == ([], 0)
    ranges = arriving.take_unsynced()
    assert ranges == [(M - 5, M + 10)]
    assert (arriving.unsynced_bytes, arriving.has_unsynced) == (0, False)
    assert arriving.stored.pairs() == []
    _write(arriving, M + 20, M + 25)  # while the worker syncs
    arriving.sync(ranges, 7.0)
    assert arriving.stored.pairs() == journal.synced(ID) == [(M - 5, M + 10)]
    assert arriving.bytes_stored == _done(journal) == 10  # the manifest is no file
    assert arriving.unsynced_bytes == 5
    record = journal.get(ID)
    assert record is not None
    assert record.info.updated_at == 7.0


def test_the_disk_has_it_before_the_journal_says_so(
    open_set: Open, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    arriving = open_set()
    _write(arriving, 0, 10)
    seen: list[object] = []
    monkeypatch.setattr(
        "ocft.storage.partial.sync_descriptor", lambda _: seen.append(journal.synced(ID))
    )
    arriving.sync(arriving.take_unsynced(), 1.0)
    assert seen == [[]]
    assert journal.synced(ID) == [(0, 10)]
    arriving.sync([], 2.0)  # nothing to do costs nothing
    assert len(seen) == 1


def test_the_manifest_is_behind_the_content(open_set: Open, parts: Path) -> None:
    arriving = open_set()
    _write(arriving, 0, END)
    assert (parts / f"{ID}.part").read_bytes() == SPACE[M:] + SPACE[:M]


def test_what_came_twice_stays_as_it_was_first(open_set: Open) -> None:  # C6
    arriving = open_set()
    _store(arriving, 10, 20)
    arriving.write(5, b"\xff" * 5 + SPACE[10:15])
    arriving.write(0, b"\xee" * 30)
    arriving.write(0, b"\xdd" * 30)
    expected = b"\xee" * 5 + b"\xff" * 5 + SPACE[10:20] + b"\xee" * 10
    assert arriving._part is not None
    assert arriving._part.read(RECORD.info.size, 30) == expected
    assert arriving.take_unsynced() == [(0, 10), (20, 30)]


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        pytest.param(END, 1, id="behind the end"),
        pytest.param(END - 1, 2, id="C2-past the end"),
        pytest.param(-1, 2, id="C2-before the start"),
        pytest.param(2**63, 1, id="O3"),
        pytest.param(0, END + 1, id="more than all"),
    ],
)
def test_nothing_is_written_outside_the_byte_space(
    open_set: Open, parts: Path, offset: int, length: int
) -> None:
    arriving = open_set()
    with pytest.raises(StorageError):
        arriving.write(offset, bytes(length))
    assert (parts / f"{ID}.part").stat().st_size == 0
    assert arriving.written.pairs() == []


def test_no_bytes_are_no_change(open_set: Open) -> None:
    arriving = open_set()
    for offset in (0, M, END):
        arriving.write(offset, b"")
    assert not arriving.has_unsynced


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, NotEnoughSpaceError), (errno.EIO, StorageError)],
)
def test_what_the_disk_refuses_is_not_there(
    open_set: Open, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[StorageError]
) -> None:
    arriving = open_set()

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refuse)
        with pytest.raises(expected):
            _write(arriving, M, M + 10)
    assert arriving.written.pairs() == []
    _store(arriving, M, M + 10)
    assert arriving.stored.pairs() == [(M, M + 10)]


def test_a_sync_that_fails_counts_nothing(
    open_set: Open, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    arriving = open_set()
    _store(arriving, 0, 10)
    _write(arriving, 20, 30)
    ranges = arriving.take_unsynced()
    _write(arriving, 40, 50)

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(StorageError):
            arriving.sync(ranges, 1.0)
    assert arriving.written.pairs() == [(0, 10), (40, 50)]
    assert arriving.stored.pairs() == journal.synced(ID) == [(0, 10)]
    with pytest.raises(StorageError):  # the kernel would say that all is well now
        arriving.sync(arriving.take_unsynced(), 1.0)
    assert open_set().stored.pairs() == [(0, 10)]


def test_a_journal_that_refuses_leaves_the_bytes_for_the_next_sync(
    open_set: Open, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    arriving = open_set()
    _write(arriving, 20, 30)
    ranges = arriving.take_unsynced()
    _write(arriving, 25, 40)

    def refuse(*_: object) -> None:
        raise JournalError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add_synced", refuse)
        with pytest.raises(JournalError):
            arriving.sync(ranges, 1.0)
    assert arriving.stored.pairs() == []
    assert arriving.unsynced_bytes == 20
    arriving.sync(arriving.take_unsynced(), 1.0)
    assert journal.synced(ID) == [(20, 40)]


@pytest.mark.parametrize("transfer_id", ["../x", "", "a/b", "x" * 65, "."])
def test_a_transfer_id_that_is_none_makes_no_path(  # case J15
    journal: Journal, parts: Path, transfer_id: str
) -> None:
    record = replace(RECORD, info=replace(RECORD.info, id=TransferId(transfer_id)))
    with pytest.raises(StorageError):
        ArrivingSet.open(journal, record, parts)
    assert not parts.exists()


# Restarts


def test_a_restart_goes_on_with_what_is_recorded(open_set: Open) -> None:
    arriving = open_set()
    _store(arriving, 0, M + 10)
    _write(arriving, M + 10, M + 20)
    again = open_set()
    assert again.stored.pairs() == again.written.pairs() == [(0, M + 10)]
    assert again.bytes_stored == 10
    assert not again.is_publishing


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, []),
        (15, [(M, M + 15)]),
        (70, [(M, M + 20), (M + 30, END)]),
        (70 + 5, [(0, 5), (M, M + 20), (M + 30, END)]),
        (70 + M, [(0, M + 20), (M + 30, END)]),
        (70 + M + 9, [(0, M + 20), (M + 30, END)]),
    ],
)
def test_what_is_behind_the_end_of_the_part_file_is_not_there(
    open_set: Open, journal: Journal, parts: Path, length: int, expected: list[tuple[int, int]]
) -> None:
    arriving = open_set()
    _store(arriving, 0, M + 20)
    _store(arriving, M + 30, END)
    os.truncate(parts / f"{ID}.part", length)
    again = open_set()
    assert again.stored.pairs() == again.written.pairs() == journal.synced(ID) == expected
    assert _done(journal) == again.bytes_stored
    _write(again, 0, END)
    again.sync(again.take_unsynced(), 1.0)
    assert again.publish(MANIFEST, (), parts.parent)


def test_a_part_file_that_is_gone_means_that_nothing_is_stored(  # like case R19
    open_set: Open, journal: Journal, parts: Path
) -> None:
    _store(open_set(), 0, END)
    (parts / f"{ID}.part").unlink()
    assert open_set().stored.pairs() == journal.synced(ID) == []
    assert _done(journal) == 0


# The manifest, and what is not wanted


def test_the_manifest_is_there_when_all_of_it_is_stored(open_set: Open) -> None:
    arriving = open_set()
    _store(arriving, 0, M - 1)
    assert arriving.manifest_bytes() is None
    _write(arriving, M - 1, M)
    assert arriving.manifest_bytes() is None
    arriving.sync(arriving.take_unsynced(), 1.0)
    assert arriving.manifest_bytes() == SPACE[:M]


def test_another_manifest_than_the_offered_one_is_refused(open_set: Open) -> None:
    arriving = open_set()
    arriving.write(0, bytes(M))
    arriving.sync(arriving.take_unsynced(), 1.0)
    with pytest.raises(DigestMismatchError):
        arriving.manifest_bytes()


def test_files_that_are_not_wanted_count_as_stored(open_set: Open, journal: Journal) -> None:
    arriving = open_set()  # R-ARQ-3
    _store(arriving, 0, M)
    _write(arriving, M, M + 5)
    arriving.mark_have([(M, M + 40), (M + 40, M + 40)], 3.0)
    arriving.mark_have([(M, M + 40)])
    assert arriving.stored.pairs() == journal.synced(ID) == [(0, M + 40)]
    assert _done(journal) == 40
    arriving.write(M + 10, b"x" * 10)
    arriving.sync(arriving.take_unsynced(), 4.0)
    assert arriving.stored.pairs() == [(0, M + 40)]
    record = journal.get(ID)
    assert record is not None
    assert record.info.updated_at == 4.0


def test_what_is_not_wanted_at_the_end_survives_a_restart(open_set: Open, parts: Path) -> None:
    arriving = open_set()
    arriving.mark_have([(M + 40, END)])
    _store(arriving, 0, M + 40)
    again = open_set()
    assert again.stored.pairs() == [(0, END)]
    assert again.publish(MANIFEST, {2}, parts.parent)
    assert found_in(parts.parent) == {"a": CONTENTS["a"], "d/b": b""}


def test_what_is_not_wanted_needs_no_bytes_in_the_part_file(open_set: Open) -> None:
    open_set().mark_have([(M + 40, END)])
    assert open_set().stored.pairs() == [(M + 40, END)]


def test_bytes_that_are_missing_are_kept_waiting_for(open_set: Open, parts: Path) -> None:
    arriving = open_set()
    _store(arriving, 0, END - 1)
    with pytest.raises(DigestMismatchError, match="69 of 70"):
        arriving.publish(MANIFEST, (), parts.parent)
    with pytest.raises(DigestMismatchError):
        arriving.publish(manifest_of({"a": b"x"}), (), parts.parent)
    _store(arriving, END - 1, END)
    arriving.publish(MANIFEST, (), parts.parent)
    assert found_in(parts.parent) == CONTENTS


def test_other_content_is_never_saved_and_is_forgotten(  # case R9
    open_set: Open, journal: Journal, parts: Path
) -> None:
    arriving = open_set()
    _store(arriving, 0, END - 1)
    arriving.write(END - 1, b"\xff")
    arriving.sync(arriving.take_unsynced(), 1.0)
    with pytest.raises(DigestMismatchError, match="not those that were offered"):
        arriving.publish(MANIFEST, (), parts.parent)
    assert found_in(parts.parent) == {}
    assert list(parts.iterdir()) == []
    assert not arriving.is_publishing
    again = open_set()
    assert (again.stored.pairs(), _done(journal)) == ([], 0)
    _store(again, 0, END)
    again.publish(MANIFEST, (), parts.parent)
    assert found_in(parts.parent) == CONTENTS


def test_once_the_files_get_their_names_nothing_is_stored_any_more(
    open_set: Open, parts: Path
) -> None:
    arriving = open_set()
    _store(arriving, 0, END)
    paths = arriving.publish(MANIFEST, (), parts.parent)
    assert paths == [parts.parent / "a", parts.parent / "d"]
    for one in (arriving, open_set()):
        assert one.is_publishing
        assert one.stored.pairs() == [(0, END)]
        assert one.manifest_bytes() == SPACE[:M]
        one.write(5, b"x" * 20)
        one.mark_have([(M, END)])
        assert not one.has_unsynced
        assert one.publish(MANIFEST, (), parts.parent) == paths
        assert list(parts.iterdir()) == []
    assert found_in(parts.parent) == CONTENTS


def _with_manifest(open_set: Open) -> ArrivingSet:
    arriving = open_set()
    _store(arriving, 0, M)
    arriving.verify_on_the_way(len(CONTENTS["a"]))
    return arriving


def test_large_pieces_are_hashed_from_memory_and_small_ones_from_the_disk(
    open_set: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WORTH_DIGESTING", 10)
    arriving = _with_manifest(open_set)
    _write(arriving, M, M + 15)
    assert arriving._digested == 15
    _write(arriving, M + 15, M + 20)
    _write(arriving, M + 20, M + 35)
    assert arriving._digested == 15  # what is before comes first
    arriving.sync(arriving.take_unsynced(), 1.0)
    assert arriving._first_digest() is None
    _store(arriving, M + 35, M + 40)
    assert arriving._first_digest() == MANIFEST.files[0].digest


def test_what_two_threads_write_at_once_is_hashed_from_the_disk(
    open_set: Open, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is there could be other bytes than those that were hashed."""
    monkeypatch.setattr(module, "_WORTH_DIGESTING", 10)
    arriving = _with_manifest(open_set)
    put = ArrivingSet._put
    others: list[bytes] = [SPACE[M : M + 40]]

    def meanwhile(self: ArrivingSet, first: int, data: bytes) -> None:
        if others:
            self.write(first, others.pop())
        put(self, first, data)

    monkeypatch.setattr(ArrivingSet, "_put", meanwhile)
    arriving.write(M, b"x" * 40)
    _store(arriving, M + 40, END)
    with pytest.raises(DigestMismatchError):
        arriving.publish(MANIFEST, (), parts.parent)
    assert not (parts.parent / "a").exists()


def test_discarding_leaves_nothing(open_set: Open, journal: Journal, parts: Path) -> None:
    arriving = open_set()
    _store(arriving, 0, 20)
    _write(arriving, 20, 30)
    ranges = arriving.take_unsynced()
    arriving.discard()
    arriving.discard()
    assert list(parts.iterdir()) == []
    assert (journal.synced(ID), _done(journal)) == ([], 0)
    assert (arriving.stored.pairs(), arriving.written.pairs()) == ([], [])
    with pytest.raises(StorageError):  # a worker that was late
        arriving.sync(ranges, 1.0)
    assert journal.synced(ID) == []


# A model: a byte array, and the set of what was synced.

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, END), st.integers(0, 60)),
        st.tuples(st.just("sync"), st.just(0), st.just(0)),
        st.tuples(st.just("reopen"), st.just(0), st.just(0)),
        st.tuples(st.just("late sync"), st.integers(0, END), st.integers(1, 20)),
    ),
    max_size=40,
)


@settings(max_examples=80)
@given(steps=_STEPS)
def test_writes_repeats_and_restarts_agree_with_a_model(steps: list[tuple[str, int, int]]) -> None:
    with TemporaryDirectory() as folder, Database(Path(folder, "db")) as database:
        journal, parts = Journal(database), Path(folder, "inbox", ".ocft")
        journal.add(RECORD)
        arriving = ArrivingSet.open(journal, RECORD, parts)
        written, stored = set[int](), set[int]()
        for step, first, length in steps:
            if step == "reopen":
                arriving.close()
                arriving = ArrivingSet.open(journal, RECORD, parts)
                written = set(stored)
            elif step == "sync":
                arriving.sync(arriving.take_unsynced(), 1.0)
                stored = set(written)
            else:
                end = min(first + length, END)
                ranges = arriving.take_unsynced() if step == "late sync" else None
                synced = set(written)
                _write(arriving, first, end)
                written |= set(range(first, end))
                if ranges is not None:
                    arriving.sync(ranges, 1.0)
                    stored |= synced
            assert _numbers(arriving.written) == written
            assert _numbers(arriving.stored) == stored
            assert arriving.unsynced_bytes == len(written - stored)
            assert RangeSet(journal.synced(ID)).pairs() == arriving.stored.pairs()
            assert _done(journal) == len([one for one in stored if one >= M])
        _store(arriving, 0, END)
        assert arriving.manifest_bytes() == SPACE[:M]
        arriving.publish(MANIFEST, (), parts.parent)
        assert found_in(parts.parent) == CONTENTS


def _numbers(ranges: RangeSet) -> set[int]:
    return {number for first, end in ranges.pairs() for number in range(first, end)}
