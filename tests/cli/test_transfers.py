"""`ocft.cli.transfers`: lists, ids, and what cannot be done. What can: tests/e2e/test_cli.py."""

from dataclasses import replace
from pathlib import Path

import pytest

from ocft.ids import NodeId, TransferId
from ocft.storage import Database, Journal, RequestKind, TransferRecord
from ocft.transfers import Direction, TransferInfo, TransferState
from tests.cli.conftest import Ocft


@pytest.fixture
def journal(node: Ocft, tmp_path: Path) -> Journal:
    """Some transfers, of which each command can do something with one."""
    with Database(tmp_path / "home" / "state" / "journal.db") as database:
        journal = Journal(database)
        for name, direction, state, resumable in (
            ("offer", Direction.RECEIVE, TransferState.PENDING, False),
            ("moving", Direction.SEND, TransferState.TRANSFERRING, False),
            ("failed", Direction.SEND, TransferState.FAILED, True),
            ("lost", Direction.SEND, TransferState.FAILED, False),
            ("done", Direction.RECEIVE, TransferState.COMPLETED, False),
            ("done\x1b[1A", Direction.RECEIVE, TransferState.COMPLETED, False),
        ):
            info = TransferInfo(
                id=TransferId(f"xfer_{name}"),
                direction=direction,
                state=state,
                peer_id=NodeId("ocft_peer"),
                filename="\u202e\x1b[1A",
                size=10,
                mime_type="text/plain",
                digest="0" * 64,
                chunk_size=1,
                total_chunks=10,
                bytes_done=5,
                is_resumable=resumable,
            )
            journal.add(TransferRecord(info=info, channel="local"))
    return Journal(Database(tmp_path / "home" / "state" / "journal.db"))


def test_the_list_has_what_is_not_over(node: Ocft, journal: Journal) -> None:
    journal.database.close()
    lines = node("transfers").out.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "xfer_offer", "xfer_moving", "xfer_failed"]
    assert "waits for you" in lines[1]
    assert "50 %" in lines[2]
    assert "can be resumed" in lines[3]
    assert len(node("transfers", "--all").out.splitlines()) == 7


@pytest.mark.parametrize(
    "arguments", [["transfers", "--all"], ["cancel", "xfer_"]], ids=["N11", "N11-ids"]
)
def test_a_peers_words_cannot_disturb_the_terminal(
    node: Ocft, journal: Journal, arguments: list[str]
) -> None:
    journal.database.close()
    done = node(*arguments)
    assert all(line.isprintable() for line in (done.out + done.err).splitlines())


def test_json_has_all_that_is_known(node: Ocft, journal: Journal) -> None:
    journal.database.close()
    info = node("transfers", "--json").lines[0]["transfers"][0]
    assert info["direction"] == "receive"
    assert info["state"] == "pending"
    assert info["bytes_done"] == 5


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["accept", "xfer_moving"], "WRONG_STATE"),
        (["accept", "xfer_done"], "WRONG_STATE"),
        (["reject", "xfer_failed"], "WRONG_STATE"),
        (["resume", "xfer_lost"], "WRONG_STATE"),
        (["resume", "xfer_offer"], "WRONG_STATE"),
        (["cancel", "xfer_done"], "WRONG_STATE"),
        (["cancel", "xfer_nope"], "UNKNOWN_TRANSFER"),
        (["cancel", "xfer_"], "UNKNOWN_TRANSFER"),
        (["cancel", ""], "UNKNOWN_TRANSFER"),
        (["cancel", "%"], "UNKNOWN_TRANSFER"),
        (["accept", "xfer_offer", "xfer_nope"], "UNKNOWN_TRANSFER"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_possible_is_said_and_nothing_is_asked(
    node: Ocft, journal: Journal, arguments: list[str], code: str
) -> None:
    done = node("--json", *arguments)
    assert done.status == 1
    assert done.lines == [{"error": done.lines[0]["error"]}]
    assert done.lines[0]["error"]["code"] == code
    assert journal.take_requests("local") == []
    journal.database.close()


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [(["accept", "xfer_off"], RequestKind.ACCEPT), (["resume", "xfer_f"], RequestKind.RESUME)],
)
def test_no_wait_only_records_the_request(
    node: Ocft, journal: Journal, arguments: list[str], kind: RequestKind
) -> None:
    assert node(*arguments, "--no-wait").status == 0
    assert [request.kind for request in journal.take_requests("local")] == [kind]
    journal.database.close()


def test_a_cancel_that_nobody_drives_is_driven_at_once(node: Ocft, journal: Journal) -> None:
    journal.database.close()
    done = node("cancel", "xfer_offer", "xfer_failed", "--json")
    assert done.status == 0
    assert [info["state"] for info in done.lines[-1]["transfers"]] == ["cancelled", "cancelled"]


def test_what_was_done_is_said(node: Ocft, journal: Journal) -> None:
    journal.database.close()
    assert "(10 bytes) was cancelled.\n" in node("cancel", "xfer_failed").err
    assert "(10 bytes) was refused: too large\n" in (
        node("reject", "xfer_offer", "--reason", "too large").err
    )


def test_of_several_files_those_that_were_taken_are_counted(node: Ocft, journal: Journal) -> None:
    record = journal.get(TransferId("xfer_done"))
    assert record is not None
    info = replace(record.info, filename="photos", file_count=4, files_taken=2, bytes_taken=4096)
    journal.save(replace(record, info=info))
    journal.database.close()
    (line,) = [one for one in node("transfers", "--all").out.splitlines() if "photos" in one]
    assert "photos (2 of 4 files)" in line
    assert "4.0 KB" in line
    listed = node("transfers", "--all", "--json").lines[0]["transfers"]
    assert [(one["files_taken"], one["file_count"]) for one in listed if one["files_taken"]] == [
        (2, 4)
    ]


def test_a_reject_that_nobody_drives_is_driven_at_once(node: Ocft, journal: Journal) -> None:
    journal.database.close()
    done = node("reject", "xfer_offer", "--json")
    assert done.status == 0
    assert done.lines[-1]["transfers"][0]["state"] == "rejected"
