"""`ocft.runtime.trust_watch`: which transfers need a trust, and what its end leaves."""

import asyncio
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from ocft import TransferState, TrustedPeer
from ocft.errors import JournalError, TrustExpiredError
from ocft.runtime.trust_watch import TrustWatch
from ocft.runtime.wire2 import Trust
from ocft.storage import PeerStore
from ocft.testing import run
from ocft.transfers import Direction, TransferInfo
from tests.runtime.pair import EPOCH, wall_clock, write_source
from tests.runtime.sealed_pair import ALICE, Node, identity_of, inside, peer_of, sealed_nodes

INCOMING = TransferInfo(
    id="xfer_1",  # type: ignore[arg-type]  # as it comes
    direction=Direction.RECEIVE,
    state=TransferState.PENDING,
    peer_id=ALICE,
    filename="f",
    size=1,
    mime_type="",
    digest="",
    chunk_size=0,
    total_chunks=0,
    started_at=0.0,
    updated_at=0.0,
    wire="2",
)


def watch_of(node: Node) -> TrustWatch:
    engine = node.manager._engine
    assert engine is not None
    return engine.trust_watch


@pytest.mark.parametrize(
    ("peer", "direction", "wire", "has_ended"),
    [
        (TrustedPeer(id="alice"), Direction.RECEIVE, "2", False),
        (TrustedPeer(id="alice", expires_at=EPOCH), Direction.RECEIVE, "2", True),
        (TrustedPeer(id="alice", expires_at=EPOCH), Direction.SEND, "2", True),
        (TrustedPeer(id="alice", expires_at=EPOCH), Direction.RECEIVE, "1.0", True),
        (TrustedPeer(id="alice", expires_at=EPOCH), Direction.SEND, "1.0", True),
        (TrustedPeer(id="carol"), Direction.RECEIVE, "2", True),
        (TrustedPeer(id="carol"), Direction.RECEIVE, "1.0", False),  # strangers may be accepted
        (TrustedPeer(id="carol"), Direction.SEND, "2", False),  # and sent to
    ],
)
def test_what_needs_trust_needs_it_now(
    tmp_path: Path, peer: TrustedPeer, direction: Direction, wire: str, *, has_ended: bool
) -> None:
    async def main() -> None:  # R-LIM-1
        async with sealed_nodes(tmp_path, None, {"trusted_peers": [peer]}) as (_, bob):
            info = replace(INCOMING, direction=direction, wire=wire)
            watch = watch_of(bob)
            assert watch.has_ended(info) is has_ended
            if has_ended:
                with pytest.raises(TrustExpiredError):
                    watch.require(info)
            else:
                watch.require(info)

    run(main())


def test_a_proof_is_trust_that_can_be_renewed_until_it_is_revoked(tmp_path: Path) -> None:
    secrets = [("s",)]

    async def main() -> None:  # R-HSK-3
        options = {"trusted_peers": [], "secrets": lambda _: secrets[0]}
        async with sealed_nodes(tmp_path, None, options) as (_, bob):
            trust: Trust = inside(bob).trust
            watch = watch_of(bob)
            assert watch.has_ended(INCOMING)
            assert not trust.may_be_renewed(ALICE)
            trust.pin(ALICE, identity_of("alice").public, "s")
            assert not watch.has_ended(INCOMING)
            secrets[0] = ("another",)
            assert watch.has_ended(INCOMING)
            assert trust.may_be_renewed(ALICE)
            trust.nodes.forget(ALICE)
            assert not trust.may_be_renewed(ALICE)

    run(main())


def test_a_look_that_fails_is_not_the_last_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        options = {"trusted_peers": [], "auto_accept": False}
        async with sealed_nodes(tmp_path, None, options) as (alice, bob):
            bob.manager.peers.add(peer_of("alice", expires_at=EPOCH + 5))
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await bob.until(lambda: bob.state(transfer_id))
            with mock.patch.object(PeerStore, "all", side_effect=JournalError("locked")):
                await asyncio.sleep(15)
            assert "locked" in caplog.text
            assert bob.state(transfer_id) is TransferState.PENDING
            info = await bob.end_of(transfer_id)
            assert info.error_code == "TRUST_EXPIRED"
            assert wall_clock() < EPOCH + 21

    run(main())


def test_not_to_know_the_peers_at_the_start_ends_no_watch(tmp_path: Path) -> None:
    async def main() -> None:
        options = {"trusted_peers": [], "auto_accept": False}
        async with sealed_nodes(tmp_path, None, options) as (alice, bob):
            bob.manager.peers.add(peer_of("alice", expires_at=EPOCH + 60))
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await bob.until(lambda: bob.state(transfer_id))
            alice.room.ear = lambda author, to, text: []
            await bob.stop()
            await asyncio.sleep(60)
            with mock.patch.object(PeerStore, "all", side_effect=JournalError("locked")):
                await bob.start()
                await asyncio.sleep(5)
            assert bob.state(transfer_id) is TransferState.PENDING
            await asyncio.sleep(10)
            assert bob.info(transfer_id).error_code == "TRUST_EXPIRED"

    run(main())


@pytest.mark.parametrize("wait", [0.0, 10.0])
def test_a_revocation_ends_also_what_waits_for_its_turn(tmp_path: Path, wait: float) -> None:
    """The peer is a stranger then, and strangers can be sent to."""

    async def main() -> None:  # R-LIM-1
        wires = ("1.0", "2")
        options = {"wires": wires, "trusted_peers": []}
        asks = {"wires": wires, "auto_accept": False}
        async with sealed_nodes(tmp_path, options, asks) as (alice, bob):
            alice.manager.peers.add(peer_of("bob"))
            source = write_source(tmp_path)
            ids = [await alice.manager.send_file("bob", source) for _ in range(18)]
            await asyncio.sleep(wait)
            alice.manager.revoke("bob")
            await asyncio.sleep(60)
            assert {alice.info(one).error_code for one in ids} <= {"TRUST_EXPIRED", "CANCELLED"}
            assert not any(alice.info(one).is_resumable for one in ids)
            assert not [one for one in bob.manager.list_transfers() if not one.state.is_final]

    run(main())
