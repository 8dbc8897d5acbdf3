"""The native files that transfers have left in the chat."""

from dataclasses import replace

from ocft.storage import Database, Journal, SentFiles
from ocft.transfers import TransferState
from tests.storage.conftest import MakeRecord


def test_only_those_of_transfers_that_are_over_for_good_are_to_be_removed(
    database: Database, make_record: MakeRecord
) -> None:
    journal, files = Journal(database), SentFiles(database, "telegram")
    for name, state, is_resumable in (
        ("over", TransferState.COMPLETED, False),
        ("going", TransferState.TRANSFERRING, False),
        ("failed", TransferState.FAILED, True),
        ("cancelled", TransferState.CANCELLED, False),
    ):
        record = make_record(name)
        journal.add(
            replace(record, info=replace(record.info, state=state, is_resumable=is_resumable))
        )
        files.add(record.info.id, f"message of {name}")
    files.add(make_record("forgotten").info.id, "message of forgotten")
    assert files.of_ended() == ["message of over", "message of cancelled", "message of forgotten"]
    files.remove("message of over")
    assert files.of_ended() == ["message of cancelled", "message of forgotten"]
    assert SentFiles(database, "slack").of_ended() == []
