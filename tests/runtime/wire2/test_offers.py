"""`ocft.runtime.wire2.offers`: refused, asked about, or taken."""

import asyncio
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ocft import TransferState
from ocft.errors import StorageError
from ocft.ids import TransferId
from ocft.runtime.wire2 import FrameReceivePump
from ocft.runtime.wire2.offers import Offers, left_for_others
from ocft.storage import ArrivingSet, TransferRecord
from ocft.testing import run
from ocft.transfers import Direction, TransferInfo
from tests.runtime.hostility import (
    BIG,
    SLOW,
    an_offer,
    befriend,
    befriend_slowly,
    identity_key,
    say,
)
from tests.runtime.pair import wall_clock, write_source
from tests.runtime.sealed_pair import ALICE, BOB, Node, inside, peer_of, pump_of, sealed_nodes


def offers_of(node: Node) -> Offers:
    engine = node.manager._engine
    assert engine is not None
    reception = engine._inbox._reception
    assert reception is not None
    return reception._offers


def test_refusals_are_few_at_a_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"max_file_size": 10}) as (alice, bob):
            inside(alice)
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, b"x"))
            await alice.end_of(transfer_id)
            held = asyncio.Event()
            send = bob.channel.send

            async def hold(to: str, text: str) -> None:
                await held.wait()
                await send(to, text)

            bob.channel.send = hold  # type: ignore[method-assign]
            await say(alice, BOB, *(an_offer() for _ in range(100)))
            assert len(offers_of(bob)._refusals) == 32
            held.set()
            await asyncio.sleep(1)
            assert offers_of(bob)._refusals == set()
            assert bob.manager.list_transfers()[1:] == []

    run(main())


@pytest.mark.parametrize("state", [TransferState.PENDING, TransferState.ACCEPTED])
def test_what_is_left_for_others_says_whether_it_was_decided(state: TransferState) -> None:
    fields: dict[str, Any] = {
        "id": TransferId("xfer_1"),
        "direction": Direction.RECEIVE,
        "state": TransferState.PENDING,
        "peer_id": ALICE,
        "filename": "",
        "size": 1,
        "mime_type": "",
        "digest": "",
        "chunk_size": 0,
        "total_chunks": 0,
    }
    record = left_for_others(TransferRecord(info=TransferInfo(**fields), channel="c"), 3, state)
    assert (record.info.state, record.epoch) == (state, 3)
    assert record.is_decided is (state is TransferState.ACCEPTED)


# What counts, R-LIM-1


def test_what_came_before_a_cancel_counts_as_bytes_of_the_day(tmp_path: Path) -> None:
    async def main() -> None:
        bob_options = {"trusted_peers": [peer_of("alice", bytes_per_day=len(BIG) + 1000)]}
        async with sealed_nodes(tmp_path, None, bob_options, limits=SLOW) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            await alice.manager.cancel_transfer(transfer_id)
            await bob.end_of(transfer_id)
            await asyncio.sleep(1)
            assert bob.parts() == []
            assert bob.info(transfer_id).bytes_done > 0
            again = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            assert (await alice.end_of(again)).state is TransferState.REJECTED

    run(main())


def test_manifests_count_as_bytes_of_the_day_and_need_room(tmp_path: Path) -> None:
    async def main() -> None:
        bob_options = {
            "trusted_peers": [peer_of("alice", bytes_per_day=20_000_000)],
            "auto_accept": False,
        }
        async with sealed_nodes(tmp_path, None, bob_options) as (alice, bob):
            await befriend_slowly(alice, bob, tmp_path)
            large = {"manifest_size": 10_000_000, "size": 10_000_100}
            with mock.patch("ocft.runtime.admission.free_space", return_value=26_000_000):
                no_room = an_offer(ephemeral=identity_key(), **large)
                await say(alice, BOB, no_room)
                assert bob.state(no_room.transfer_id) is None
            offers = [an_offer(ephemeral=identity_key(), **large) for _ in range(2)]
            await say(alice, BOB, offers[0])
            await bob.manager.reject_transfer(offers[0].transfer_id)  # its manifest came
            await say(alice, BOB, offers[1])
            assert bob.state(offers[0].transfer_id) is TransferState.REJECTED
            assert bob.state(offers[1].transfer_id) is None

    run(main())


def test_an_undecided_manifest_is_still_to_come(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"auto_accept": False}) as (alice, bob):
            await befriend_slowly(alice, bob, tmp_path)
            offer = an_offer(ephemeral=identity_key(), manifest_size=5000, size=9000)
            await say(alice, BOB, offer)
            pump = pump_of(bob, offer.transfer_id)
            assert pump.expected_bytes == 5000
            pump.accept()
            assert pump.expected_bytes == 9000

    run(main())


# Faults of our own disk, and kills


def test_an_offer_that_cannot_be_recorded_makes_no_other_one_a_replay(tmp_path: Path) -> None:
    async def main() -> None:  # R-CTL-4
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            soon, earlier = (
                an_offer(ephemeral=identity_key(), offered_at=int(wall_clock() * 1000) + ahead)
                for ahead in (5000, 0)
            )
            with mock.patch.object(ArrivingSet, "open", side_effect=StorageError("no disk")):
                await say(alice, BOB, soon)
            assert bob.state(soon.transfer_id) is None
            for offer in (earlier, soon):
                await say(alice, BOB, offer)
                assert bob.state(offer.transfer_id) is not None

    run(main())


@pytest.mark.parametrize("resumed", [False, True])
def test_a_kill_before_an_automatic_decision_is_made_up_for(
    tmp_path: Path, *, resumed: bool
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            offer = an_offer(ephemeral=identity_key())
            killed = mock.patch.object(FrameReceivePump, "accept", side_effect=ZeroDivisionError)
            if resumed:
                with mock.patch.object(FrameReceivePump, "accept"):
                    await say(alice, BOB, offer)
                pump_of(bob, offer.transfer_id).fail(StorageError("full"), is_resumable=True)
                await bob.end_of(offer.transfer_id)
                offer = offer.model_copy(update={"epoch": 2})
            with killed:
                await say(alice, BOB, offer)
            assert bob.state(offer.transfer_id) is TransferState.PENDING
            await bob.restart()
            assert pump_of(bob, offer.transfer_id).is_undecided
            await say(alice, BOB, offer)
            assert not pump_of(bob, offer.transfer_id).is_undecided

    run(main())


def test_an_offer_that_waits_for_a_person_goes_on_waiting_when_it_is_repeated(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"auto_accept": False}) as (alice, bob):
            await befriend_slowly(alice, bob, tmp_path)
            offer = an_offer(ephemeral=identity_key())
            for _ in range(3):
                await say(alice, BOB, offer)
            assert pump_of(bob, offer.transfer_id).is_undecided

    run(main())
