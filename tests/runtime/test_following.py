"""`ocft.runtime.following`: events from the journal's rows."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ocft.errors import UnknownTransferError
from ocft.events import ApprovalAwaited, Event, TransferCompleted, TransferProgress
from ocft.ids import NodeId, TransferId
from ocft.runtime.following import Following
from ocft.storage import Database, Journal, TransferRecord
from ocft.transfers import Direction, TransferInfo, TransferState

INFO = TransferInfo(
    id=TransferId("xfer_1"),
    direction=Direction.SEND,
    state=TransferState.PENDING,
    peer_id=NodeId("peer"),
    filename="f",
    size=100,
    mime_type="text/plain",
    digest="0" * 64,
    chunk_size=0,
    total_chunks=0,
    local_path="/f",
)


class Driver:
    """The process that drives: it has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.info = INFO
        Journal(self.database).add(TransferRecord(info=INFO, channel="local"))

    def change(self, **changes: object) -> None:
        self.info = replace(self.info, **changes)  # type: ignore[arg-type]
        Journal(self.database).save(TransferRecord(info=self.info, channel="local"))


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    driver = Driver(tmp_path / "journal.db")
    yield driver
    driver.database.close()


@pytest.fixture
def journal(driver: Driver, tmp_path: Path) -> Iterator[Journal]:
    with Database(tmp_path / "journal.db") as database:
        yield Journal(database)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look may tell progress."""
    monkeypatch.setattr("ocft.runtime.following._PROGRESS_SECONDS", 0)


def test_a_transfer_is_told_from_offer_to_end(driver: Driver, journal: Journal) -> None:
    told: list[Event] = []
    following = Following(journal, [INFO.id], told.append)
    assert not following.look()
    driver.change(chunk_size=10, total_chunks=10)
    following.look()
    driver.change(state=TransferState.TRANSFERRING)
    following.look()
    driver.change(bytes_done=50)
    following.look()
    following.look()
    driver.change(state=TransferState.COMPLETED, bytes_done=100)
    assert following.look()
    assert following.look()
    assert [event.name for event in told] == [
        "offer-sent",
        "transfer-started",
        "transfer-progress",
        "transfer-completed",
    ]
    end = told[-1]
    assert isinstance(end, TransferCompleted)
    assert (end.path, end.size, end.digest) == ("/f", 100, "0" * 64)


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (TransferState.COMPLETED, "transfer-completed"),
        (TransferState.FAILED, "transfer-failed"),
        (TransferState.REJECTED, "transfer-rejected"),
        (TransferState.CANCELLED, "transfer-cancelled"),
    ],
)
def test_every_end_is_told_once_whoever_drives(
    driver: Driver, journal: Journal, state: TransferState, name: str
) -> None:
    told: list[Event] = []
    following = Following(journal, [INFO.id], told.append)
    driver.change(state=state)
    assert following.look(ends_only=True)
    for event in told:
        following.take(event)  # our manager says it as well
    assert [event.name for event in told] == [name]


def test_own_events_of_other_transfers_are_left_out(journal: Journal) -> None:
    told: list[Event] = []
    following = Following(journal, [INFO.id], told.append)
    for transfer_id in (INFO.id, TransferId("xfer_2")):
        following.take(
            TransferProgress(transfer_id=transfer_id, peer_id=INFO.peer_id, bytes_done=1, size=2)
        )
    assert [event.transfer_id for event in told] == [INFO.id]


def test_what_was_asked_to_change_has_not_ended_before_it_does(
    driver: Driver, journal: Journal
) -> None:
    told: list[Event] = []
    driver.change(state=TransferState.FAILED, is_resumable=True)
    following = Following(journal, [INFO.id], told.append, asked=[INFO.id])
    assert not following.look()
    assert following.unchanged == [INFO.id]
    driver.change(state=TransferState.PENDING, is_resumable=False)
    assert not following.look()
    assert following.unchanged == []
    driver.change(state=TransferState.FAILED, updated_at=5.0)
    assert following.look()
    assert [event.name for event in told] == ["transfer-failed"]


def test_a_forgotten_transfer_is_an_error(driver: Driver, journal: Journal) -> None:
    with pytest.raises(UnknownTransferError):
        Following(journal, [TransferId("xfer_2")], print)
    following = Following(journal, [INFO.id], print)
    Journal(driver.database).remove(INFO.id)
    with pytest.raises(UnknownTransferError):
        following.look()


def test_that_a_followed_transfers_peer_has_to_approve_us_is_told(journal: Journal) -> None:
    told: list[Event] = []
    following = Following(journal, [INFO.id], told.append)
    for peer in ("peer", "somebody else"):
        following.take(
            ApprovalAwaited(transfer_id=TransferId(""), peer_id=NodeId(peer), fingerprint="aaaa")
        )
    assert [event.peer_id for event in told] == ["peer"]
