from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocft.errors import JournalError, UnknownTransferError
from ocft.ids import NodeId, TransferId
from ocft.ranges import RangeSet
from ocft.storage import Database, Journal, Request, RequestKind, StoredPiece, TransferRecord
from ocft.transfers import Direction, TransferInfo, TransferState

MakeRecord = Callable[..., TransferRecord]
ONE = TransferId("xfer_1")
TWO = TransferId("xfer_2")
NOWHERE = TransferId("xfer_?")
_EMPTY_RECORD = TransferRecord(
    info=TransferInfo(
        id=ONE,
        direction=Direction.RECEIVE,
        state=TransferState.TRANSFERRING,
        peer_id=NodeId("alice"),
        filename="x",
        size=60,
        mime_type="",
        digest="",
        chunk_size=5,
        total_chunks=12,
    ),
    channel="local",
)
ALL_FINAL = [state for state in TransferState if state.is_final]


def _ids(records: list[TransferRecord]) -> list[str]:
    return [record.info.id for record in records]


def _bytes_done(journal: Journal) -> int:
    record = journal.get(ONE)
    assert record is not None
    return record.info.bytes_done


def test_an_id_is_added_once(journal: Journal, make_record: MakeRecord) -> None:
    first = make_record()
    assert journal.add(first)
    assert not journal.add(replace(first, channel="another"))
    assert journal.get(ONE) == first


def test_saving_replaces_the_row_and_keeps_its_pieces(
    journal: Journal, make_record: MakeRecord
) -> None:
    record = make_record()
    journal.add(record)
    journal.add_unsynced(ONE, 0, 10, "d", 2.0)
    changed = replace(record, owes_final_ack=True, info=replace(record.info, bytes_done=10))
    journal.save(changed)
    assert journal.get(ONE) == changed
    assert journal.unsynced(ONE) == [StoredPiece(0, 10, "d")]


def test_saving_an_older_record_does_not_lose_the_announced_path(
    journal: Journal, make_record: MakeRecord
) -> None:
    record = make_record()
    journal.add(record)
    journal.save_publishing(ONE, "/srv/x")
    journal.save(record)
    assert journal.get(ONE) == replace(record, publishing="/srv/x")


def test_progress_is_saved_alone(journal: Journal, make_record: MakeRecord) -> None:
    record = make_record()
    journal.add(record)
    journal.save_progress(ONE, 30, 5.0)
    info = replace(record.info, bytes_done=30, updated_at=5.0)
    assert journal.get(ONE) == replace(record, info=info)


def test_an_unknown_transfer_is_none(journal: Journal) -> None:
    assert journal.get(NOWHERE) is None
    assert journal.get(TransferId("\udcff")) is None


def test_records_come_in_the_order_of_their_start(
    journal: Journal, make_record: MakeRecord
) -> None:
    for transfer_id, started_at in [("b", 2.0), ("c", 3.0), ("a", 2.0), ("d", 1.0)]:
        journal.add(make_record(transfer_id, started_at=started_at))
    assert _ids(journal.records()) == ["d", "b", "a", "c"]


def test_records_can_be_those_of_one_channel(journal: Journal, make_record: MakeRecord) -> None:
    journal.add(make_record("a", channel="local:bob"))
    journal.add(make_record("b", channel="local:carol"))
    assert _ids(journal.records(channel="local:carol")) == ["b"]
    assert journal.records(channel="nobody") == []


def test_unfinished_records_have_something_left_to_do(
    journal: Journal, make_record: MakeRecord
) -> None:
    for state in TransferState:
        journal.add(make_record(state.value, state=state))
    journal.add(make_record("owes", state=TransferState.COMPLETED, owes_final_ack=True))
    assert _ids(journal.records(unfinished_only=True)) == [
        "pending",
        "accepted",
        "transferring",
        "completing",
        "owes",
    ]


def test_removing_takes_pieces_and_requests_along(
    journal: Journal, make_record: MakeRecord
) -> None:
    record = make_record()
    journal.add(record)
    journal.add_unsynced(ONE, 0, 10, "d", 2.0)
    journal.add_unsynced(ONE, 10, 20, "e", 2.0)
    journal.mark_synced(ONE, [StoredPiece(0, 10, "d")])
    journal.ask(ONE, RequestKind.CANCEL)
    journal.remove(ONE)
    journal.remove(ONE)
    journal.add(record)
    assert (journal.unsynced(ONE), journal.synced(ONE)) == ([], [])
    assert journal.take_requests(record.channel) == []


def test_pruning_removes_the_oldest_of_those_that_are_over(
    journal: Journal, make_record: MakeRecord
) -> None:
    for number, state in enumerate(ALL_FINAL):
        journal.add(make_record(state.value, state=state, updated_at=100.0 - number))
    journal.add(make_record("running", updated_at=0.0))
    journal.add(
        make_record("resumable", state=TransferState.FAILED, is_resumable=True, updated_at=0.0)
    )
    journal.prune(keep=2)
    newest = [state.value for state in ALL_FINAL[:2]]
    assert sorted(_ids(journal.records())) == sorted([*newest, "running", "resumable"])
    journal.prune(keep=0)
    assert sorted(_ids(journal.records())) == ["resumable", "running"]


# Stored bytes


def test_a_piece_is_progress_in_the_same_commit(journal: Journal, make_record: MakeRecord) -> None:
    record = make_record()
    journal.add(record)
    journal.add_unsynced(ONE, 10, 20, "d", 7.0)
    assert journal.get(ONE) == replace(
        record, info=replace(record.info, bytes_done=10, updated_at=7.0)
    )


def test_a_piece_of_an_unknown_transfer_is_refused(journal: Journal) -> None:
    with pytest.raises(JournalError):
        journal.add_unsynced(NOWHERE, 0, 10, "d", 1.0)


def test_a_piece_that_is_written_again_counts_once_and_stays_unsynced(
    journal: Journal, make_record: MakeRecord
) -> None:
    journal.add(make_record())
    journal.add_unsynced(ONE, 0, 10, "before", 1.0)
    journal.add_unsynced(ONE, 0, 10, "after", 1.0)
    journal.mark_synced(ONE, [StoredPiece(0, 10, "before")])
    assert _bytes_done(journal) == 10
    assert journal.unsynced(ONE) == [StoredPiece(0, 10, "after")]
    assert journal.synced(ONE) == []


def test_a_piece_that_was_forgotten_while_it_was_synced_stays_forgotten(
    journal: Journal, make_record: MakeRecord
) -> None:
    journal.add(make_record())
    journal.add_unsynced(ONE, 0, 10, "d", 1.0)
    pieces = journal.unsynced(ONE)
    journal.forget_pieces(ONE)
    journal.mark_synced(ONE, pieces)
    assert (journal.unsynced(ONE), journal.synced(ONE)) == ([], [])


def test_dropped_pieces_and_ranges_are_no_progress_any_more(
    journal: Journal, make_record: MakeRecord
) -> None:
    journal.add(make_record())
    for first in (0, 10, 30, 40, 60):
        journal.add_unsynced(ONE, first, first + 10, "d", 1.0)
    journal.mark_synced(ONE, [StoredPiece(first, first + 10, "d") for first in (0, 10, 30)])
    journal.drop_unsynced(ONE, [StoredPiece(60, 70, "d"), StoredPiece(40, 50, "another")])
    assert _bytes_done(journal) == 40
    journal.drop_synced(ONE, [(0, 20)])
    assert _bytes_done(journal) == 20
    assert (journal.unsynced(ONE), journal.synced(ONE)) == ([StoredPiece(40, 50, "d")], [(30, 40)])
    journal.forget_pieces(ONE)
    assert _bytes_done(journal) == 0


def test_pieces_of_one_transfer_are_not_those_of_another(
    journal: Journal, make_record: MakeRecord
) -> None:
    journal.add(make_record("xfer_1"))
    journal.add(make_record("xfer_2"))
    journal.add_unsynced(ONE, 0, 10, "d", 1.0)
    journal.add_unsynced(TWO, 10, 20, "d", 1.0)
    journal.mark_synced(ONE, journal.unsynced(ONE))
    journal.mark_synced(TWO, journal.unsynced(TWO))
    journal.forget_pieces(TWO)
    assert (journal.synced(ONE), journal.synced(TWO)) == ([(0, 10)], [])


def test_what_is_handed_over_is_the_other_transfers_progress(
    journal: Journal, make_record: MakeRecord
) -> None:
    journal.add(make_record("xfer_1"))
    journal.add(make_record("xfer_2"))
    for first in (0, 10, 30):
        journal.add_unsynced(ONE, first, first + 10, "d", 1.0)
    journal.mark_synced(ONE, [StoredPiece(0, 10, "d"), StoredPiece(10, 20, "d")])
    journal.hand_over(ONE, TWO)
    assert (journal.synced(ONE), journal.unsynced(ONE), _bytes_done(journal)) == ([], [], 0)
    assert (journal.synced(TWO), journal.unsynced(TWO)) == ([(0, 20)], [StoredPiece(30, 40, "d")])
    later = journal.get(TWO)
    assert later is not None
    assert later.info.bytes_done == 30


def test_a_piece_that_was_handed_over_while_it_was_synced_is_not_forgotten(
    journal: Journal, make_record: MakeRecord
) -> None:
    journal.add(make_record("xfer_1"))
    journal.add(make_record("xfer_2"))
    journal.add_unsynced(ONE, 0, 10, "d", 1.0)
    pieces = journal.unsynced(ONE)
    journal.hand_over(ONE, TWO)
    journal.mark_synced(ONE, pieces)
    assert (journal.synced(ONE), journal.unsynced(TWO)) == ([], pieces)


_PLACES = st.integers(0, 11)
_STEPS: st.SearchStrategy[tuple[str, set[int]]] = st.one_of(
    st.tuples(st.just("store"), st.sets(_PLACES, max_size=6)),
    st.tuples(st.just("sync"), st.sets(_PLACES)),
    st.tuples(st.just("drop"), st.sets(_PLACES, max_size=2)),
    st.tuples(st.just("forget"), st.just(set())),
)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(_STEPS, max_size=12))
def test_the_ranges_are_the_set_of_what_was_stored(steps: list[tuple[str, set[int]]]) -> None:
    unsynced: set[int] = set()
    synced: set[int] = set()
    with TemporaryDirectory() as folder, Database(Path(folder) / "db") as database:
        journal = Journal(database)
        journal.add(_EMPTY_RECORD)
        for step, places in steps:
            pieces = [StoredPiece(5 * place, 5 * place + 5, str(place)) for place in places]
            match step:
                case "store":
                    for place in sorted(places - synced):
                        journal.add_unsynced(ONE, 5 * place, 5 * place + 5, str(place), 1.0)
                    unsynced |= places - synced
                case "sync":
                    journal.mark_synced(ONE, pieces)
                    synced |= places & unsynced
                    unsynced -= places
                case "drop":
                    journal.drop_unsynced(ONE, pieces)
                    unsynced -= places
                case _:
                    journal.forget_pieces(ONE)
                    unsynced, synced = set(), set()
        assert {piece.first // 5 for piece in journal.unsynced(ONE)} == unsynced
        ranges = journal.synced(ONE)
        assert ranges == RangeSet((5 * place, 5 * place + 5) for place in synced).pairs()
        assert _bytes_done(journal) == 5 * len(synced | unsynced)


# Requests


def test_requests_are_taken_once_in_their_order(journal: Journal, make_record: MakeRecord) -> None:
    journal.add(make_record("xfer_1"))
    journal.add(make_record("xfer_2"))
    journal.ask(TWO, RequestKind.ACCEPT, "/srv/\udcff")
    journal.ask(ONE, RequestKind.CANCEL)
    journal.ask(TWO, RequestKind.RESUME)
    assert journal.take_requests("local:bob") == [
        Request(TWO, RequestKind.ACCEPT, "/srv/\udcff"),
        Request(ONE, RequestKind.CANCEL),
        Request(TWO, RequestKind.RESUME),
    ]
    assert journal.take_requests("local:bob") == []


def test_requests_wait_for_the_holder_of_their_channel(
    journal: Journal, make_record: MakeRecord
) -> None:
    journal.add(make_record("xfer_1", channel="local:bob"))
    journal.ask(ONE, RequestKind.REJECT, "no")
    assert journal.take_requests("local:carol") == []
    assert journal.take_requests("local:bob") == [Request(ONE, RequestKind.REJECT, "no")]


def test_another_process_can_ask(journal: Journal, make_record: MakeRecord) -> None:
    journal.add(make_record())
    before = journal.database.data_version()
    with Database(journal.database.path) as database:
        Journal(database).ask(ONE, RequestKind.CANCEL)
    assert journal.database.data_version() != before
    assert journal.take_requests("local:bob") == [Request(ONE, RequestKind.CANCEL)]


@pytest.mark.parametrize("transfer_id", [NOWHERE, "\udcff"])
def test_nothing_can_be_asked_about_an_unknown_transfer(
    journal: Journal, transfer_id: TransferId
) -> None:
    with pytest.raises(UnknownTransferError):
        journal.ask(transfer_id, RequestKind.CANCEL)


# Wire 2


def test_synced_ranges_and_the_progress_are_one_commit(
    journal: Journal, make_record: MakeRecord
) -> None:
    journal.add(make_record())
    journal.add_synced(ONE, [(10, 20), (0, 5)], 15, 2.0)
    journal.add_synced(ONE, [(5, 12), (30, 30 + 1)], 21, 3.0)
    assert journal.synced(ONE) == [(0, 20), (30, 31)]
    record = journal.get(ONE)
    assert record is not None
    assert (record.info.bytes_done, record.info.updated_at) == (21, 3.0)
    journal.replace_synced(ONE, [(0, 7)], 7)
    assert (journal.synced(ONE), _bytes_done(journal)) == ([(0, 7)], 7)


def test_synced_ranges_of_no_transfer_are_refused(journal: Journal) -> None:
    with pytest.raises(JournalError):
        journal.add_synced(NOWHERE, [(0, 1)], 1, 1.0)


def _forgotten_before(database: Database) -> dict[str, int]:
    rows = database.query("SELECT id, forgotten_before FROM nodes")
    return {row["id"]: row["forgotten_before"] for row in rows}


def _offered(record: TransferRecord, at: int, **changes: Any) -> TransferRecord:
    return replace(record, offered_at=at, info=replace(record.info, wire="2", **changes))


def test_forgetting_remembers_how_old_a_replay_is(  # R-CTL-4
    journal: Journal, make_record: MakeRecord
) -> None:
    done = TransferState.COMPLETED
    for number, at in enumerate([500, 900, 700, 950]):
        record = make_record(f"x{number}", state=done, updated_at=float(number))
        journal.add(_offered(record, at))
    journal.prune(keep=2)
    assert _forgotten_before(journal.database) == {"alice": 900}
    journal.remove(TransferId("x2"))
    assert _forgotten_before(journal.database) == {"alice": 900}
    journal.remove(TransferId("x3"))
    assert _forgotten_before(journal.database) == {"alice": 950}


def test_forgetting_what_is_no_incoming_offer_of_wire_2_remembers_nothing(
    journal: Journal, make_record: MakeRecord
) -> None:
    journal.add(make_record("old wire"))
    journal.add(_offered(make_record("ours"), 500, direction=Direction.SEND))
    journal.remove(TransferId("old wire"))
    journal.remove(TransferId("ours"))
    journal.remove(NOWHERE)
    assert _forgotten_before(journal.database) == {}
    assert journal.records() == []


def test_the_bytes_of_a_day_are_those_of_transfers_that_took_or_may_take_room(  # R-LIM-1
    journal: Journal, make_record: MakeRecord
) -> None:
    def add(transfer_id: str, bytes_done: int = 0, **changes: Any) -> None:
        record = make_record(transfer_id, content=bytes(10))
        info = replace(record.info, started_at=100.0, bytes_done=bytes_done)
        journal.add(replace(record, info=replace(info, **changes)))

    add("pending", state=TransferState.PENDING)
    add("done", 10, state=TransferState.COMPLETED)
    add("failed later", 1, state=TransferState.FAILED)
    assert journal.received_since(NodeId("alice"), 100.0) == 30
    add("too early", started_at=99.0)
    add("rejected", state=TransferState.REJECTED)
    add("failed at once", state=TransferState.FAILED)
    add("cancelled at once", state=TransferState.CANCELLED)
    add("sent", direction=Direction.SEND)
    add("of another", peer_id=NodeId("bob"))
    assert journal.received_since(NodeId("alice"), 100.0) == 30
    assert journal.received_since(NodeId("nobody"), 0.0) == 0


def test_the_manifest_counts_whatever_became_of_the_files(  # R-LIM-1
    journal: Journal, make_record: MakeRecord
) -> None:
    for number, state in enumerate(TransferState):
        record = make_record(f"x{number}", content=bytes(10), state=state)
        journal.add(replace(record, manifest_size=7, info=replace(record.info, started_at=100.0)))
    count = len(TransferState)
    ended_with_nothing = 3
    expected = 7 * count + 10 * (count - ended_with_nothing)
    assert journal.received_since(NodeId("alice"), 100.0) == expected
    without = journal.received_since(NodeId("alice"), 100.0, without=TransferId("x0"))
    assert without == expected - 17


def test_what_never_began_is_taken_back_as_if_it_had_not_been_offered(  # R-CTL-4
    journal: Journal, make_record: MakeRecord
) -> None:
    journal.add(_offered(make_record(), 500))
    journal.ask(ONE, RequestKind.CANCEL)
    journal.drop(ONE)
    assert journal.get(ONE) is None
    assert _forgotten_before(journal.database) == {}
    assert journal.add(_offered(make_record(), 500))


def test_a_manifest_that_a_kill_left_goes_with_the_next_look(
    journal: Journal, make_record: MakeRecord
) -> None:
    failed = TransferState.FAILED
    rows = {
        "over": make_record("over", state=TransferState.COMPLETED),
        "failed": make_record("failed", state=failed),
        "goes on": make_record("goes on", state=failed, is_resumable=True),
        "live": make_record("live"),
        "sent": _offered(
            make_record("sent", state=TransferState.COMPLETED), 5, direction=Direction.SEND
        ),
    }
    for name, record in rows.items():
        journal.add(record, manifest=name.encode())
    journal.prune()
    assert {name for name in rows if journal.has_manifest(TransferId(name))} == {
        "goes on",
        "live",
        "sent",
    }
    assert len(journal.records()) == len(rows)


def test_how_much_was_taken_is_recorded(journal: Journal, make_record: MakeRecord) -> None:
    record = make_record()
    info = replace(record.info, files_taken=2, bytes_taken=300)
    record = replace(record, info=info, manifest_digest="ab" * 32)
    journal.add(record)
    assert journal.get(ONE) == record
