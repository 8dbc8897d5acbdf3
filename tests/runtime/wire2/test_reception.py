"""`ocft.runtime.wire2.reception`: whose a frame is, whether it may be, and what it is for."""

import asyncio
from pathlib import Path
from unittest import mock

import pytest

from ocft import TransferState
from ocft.ids import NodeId, TransferId
from ocft.runtime.wire2 import Ignored, Reception
from ocft.testing import run
from ocft.wire import (
    FrameType,
    OfferAgain,
    TransferDone,
    TransferReject,
    TransferStop,
    Welcome,
    parse_frame,
    split_frame,
)
from tests.runtime.hostility import (
    an_offer,
    befriend,
    identity_key,
    say,
    session_of,
)
from tests.runtime.pair import DATA, EPOCH, write_source
from tests.runtime.sealed_pair import ALICE, BOB, Node, inside, pump_of, sealed_nodes


def reception_of(node: Node) -> Reception:
    engine = node.manager._engine
    assert engine is not None
    reception = engine._inbox._reception
    assert reception is not None
    return reception


def test_an_answer_says_why_a_frame_changed_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            take = reception_of(bob).take
            unknown = TransferId("xfer_unknown")
            session = session_of(alice, BOB)
            for message in (
                OfferAgain(transfer_id=unknown, epoch=1),
                TransferReject(transfer_id=unknown, epoch=1, code="X"),
                TransferStop(transfer_id=unknown, epoch=1, code="X", is_recoverable=True),
                TransferDone(transfer_id=unknown, epoch=1, manifest_digest=bytes(32)),
            ):
                ignored = await take("alice", session.seal(message))
                assert ignored == Ignored("unknown-transfer", ALICE)
            frame = session.seal(OfferAgain(transfer_id=unknown, epoch=1))
            assert await take("mallory", frame) == Ignored("replay", NodeId("mallory"))
            assert await take("alice", frame) == Ignored("unknown-transfer", ALICE)
            assert await take("alice", frame) == Ignored("replay", ALICE)
            assert await take("alice", session.seal(Welcome(status="ok"))) is None
            sealed = b"\x27" + bytes(8) + b"\x00" + bytes(20)
            assert await take("alice", sealed) == Ignored("unknown-transfer", ALICE)

    run(main())


def test_a_frame_in_pieces_is_taken_as_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            offer = an_offer(ephemeral=identity_key())
            pieces = split_frame(session_of(alice, BOB).seal(offer), 100)
            assert len(pieces) > 1
            for piece in pieces:
                assert bob.manager.get_transfer(offer.transfer_id) is None
                assert await reception_of(bob).take("alice", piece) is None
            assert bob.manager.get_transfer(offer.transfer_id) is not None

    run(main())


def test_when_a_peer_was_seen_is_noted_once_a_minute(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            nodes = inside(bob).trust.nodes
            await asyncio.sleep(100)
            with mock.patch.object(nodes, "saw", wraps=nodes.saw) as saw:
                for _ in range(20):
                    await say(alice, BOB, Welcome(status="ok"))
                assert saw.call_count == 1
                await asyncio.sleep(60)
                await say(alice, BOB, Welcome(status="ok"))
                assert saw.call_count == 2
            node = nodes.find(ALICE)
            assert node.last_seen == pytest.approx(EPOCH + asyncio.get_running_loop().time(), abs=1)

    run(main())


def test_an_ended_transfer_tells_its_end_to_who_asks(tmp_path: Path) -> None:  # R-CTL-2
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await bob.until(
                lambda: pump_of(alice, transfer_id) and pump_of(alice, transfer_id)._offer
            )
            offer = pump_of(alice, transfer_id)._offer
            await alice.end_of(transfer_id)
            await asyncio.sleep(1)
            before = bob.info(transfer_id)
            said = alice.room.count(FrameType.CONTROL, "bob")
            for _ in range(2):
                await say(alice, BOB, offer, offer.model_copy(update={"epoch": offer.epoch + 5}))
                await bob.restart()
            assert alice.room.count(FrameType.CONTROL, "bob") == said + 4
            assert bob.info(transfer_id) == before
            record = bob.manager._journal.get(TransferId(transfer_id))
            assert record is not None
            assert record.epoch == offer.epoch  # what comes after the end changes nothing

    run(main())


def test_an_old_again_does_not_make_a_failed_transfer_go_on(tmp_path: Path) -> None:  # R-CTL-3
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, DATA * 100))
            await alice.until(lambda: pump_of(alice, transfer_id))
            alice.room.ear = lambda author, to, text: []
            info = await alice.end_of(transfer_id)
            assert info.is_resumable
            alice.room.ear = lambda author, to, text: [text]
            record = alice.manager._journal.get(TransferId(transfer_id))
            assert record is not None
            for epoch in (record.epoch - 1, record.epoch + 1):
                if epoch:
                    again = OfferAgain(transfer_id=TransferId(transfer_id), epoch=epoch)
                    await say(bob, ALICE, again)
            assert alice.state(transfer_id) is TransferState.FAILED
            again = OfferAgain(transfer_id=TransferId(transfer_id), epoch=record.epoch)
            await say(bob, ALICE, again)
            await alice.manager.wait(transfer_id)

    run(main())


def test_an_old_offer_does_not_make_a_failed_transfer_go_on(tmp_path: Path) -> None:  # R11
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            offer = an_offer(ephemeral=identity_key(), size=10_000)
            await say(alice, BOB, offer)
            stop = TransferStop(
                transfer_id=offer.transfer_id, epoch=1, code="X", is_recoverable=True
            )
            await say(alice, BOB, stop)
            assert bob.info(offer.transfer_id).is_resumable
            await bob.restart()  # which forgets what it has heard
            for _ in range(2):
                await say(alice, BOB, offer)
                assert bob.state(offer.transfer_id) is TransferState.FAILED
            await say(alice, BOB, offer.model_copy(update={"epoch": 2}))
            assert bob.state(offer.transfer_id) is not TransferState.FAILED

    run(main())


def test_a_frame_without_a_type_is_malformed(tmp_path: Path) -> None:
    async def main() -> None:
        from ocft.errors import MalformedMessageError

        async with sealed_nodes(tmp_path) as (_, bob):
            for frame in (b"", b"\x24x", b"\x20" + bytes(40), b"\x27short"):
                with pytest.raises(MalformedMessageError):
                    await reception_of(bob).take("alice", frame)
                with pytest.raises(MalformedMessageError):
                    parse_frame(frame)

    run(main())
