"""What other processes write into the journal is taken up."""

import asyncio
from pathlib import Path

import pytest

from ocft import TransferState
from ocft.runtime import outgoing_files
from ocft.storage import Database, Journal, RequestKind
from ocft.testing import run
from tests.runtime.pair import BOB, DATA, two_managers, wall_clock, write_source


def test_a_transfer_that_another_process_records_is_sent(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_managers(tmp_path, alice={"shares_journal": True}) as (alice, _):
            with Database(tmp_path / "alice" / ".ocft" / "journal.db") as database:
                outgoing = await outgoing_files(
                    BOB, [write_source(tmp_path)], channel="memory", wall_clock=wall_clock
                )
                outgoing.add_to(Journal(database))
            await asyncio.sleep(1)
            await alice.wait(outgoing.record.info.id)

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == DATA


def test_requests_of_other_processes_are_carried_out_once(tmp_path: Path) -> None:
    async def main() -> None:
        options = {"shares_journal": True}
        async with two_managers(tmp_path, alice={"trusted_peers": []}, bob=options) as (alice, bob):
            transfer_id = await alice.send_file("bob", write_source(tmp_path))
            await asyncio.sleep(1)
            with Database(tmp_path / "bob" / ".ocft" / "journal.db") as database:
                Journal(database).ask(transfer_id, RequestKind.ACCEPT)
                Journal(database).ask(transfer_id, RequestKind.ACCEPT)
            await alice.wait(transfer_id)
            await bob.wait(transfer_id)

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == DATA


def test_who_only_sends_leaves_offers_to_the_next_listener(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_managers(tmp_path, bob={"sends_only": True}) as (alice, bob):
            transfer_id = await alice.send_file("bob", write_source(tmp_path))
            await asyncio.sleep(1)
            (info,) = bob.list_transfers()
            assert info.state is TransferState.ACCEPTED
            assert info.bytes_done == 0
            assert alice.get_transfer(transfer_id).state is TransferState.PENDING  # type: ignore[union-attr]
        async with two_managers(tmp_path) as (alice, bob):
            await alice.wait(transfer_id)

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == DATA


def test_a_cancel_of_what_has_ended_is_no_news(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with two_managers(tmp_path, alice={"shares_journal": True}) as (alice, _):
            transfer_id = await alice.send_file("bob", write_source(tmp_path))
            await alice.wait(transfer_id)
            with Database(tmp_path / "alice" / ".ocft" / "journal.db") as database:
                Journal(database).ask(transfer_id, RequestKind.CANCEL)
                await asyncio.sleep(1)
                assert not database.query("SELECT * FROM requests")

    run(main())
    assert caplog.text == ""
