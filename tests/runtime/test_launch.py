"""`ocft.runtime.launch`: which wire a transfer travels on."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocft import TrustedPeer
from ocft.errors import PeerTooOldError, TrustExpiredError
from ocft.runtime import outgoing_files
from ocft.runtime.launch import Launcher
from ocft.runtime.wire1 import ReceivePump, SendPump
from ocft.runtime.wire2 import FrameReceivePump, FrameSendPump
from ocft.storage import TransferRecord
from ocft.testing import run
from ocft.transfers import Direction, TransferState
from tests.runtime.pair import EPOCH, wall_clock, write_source
from tests.runtime.sealed_pair import BOB, Node, inside, peer_of, sealed_nodes, write_files

BOTH: dict[str, Any] = {"wires": ("1.0", "2"), "trusted_peers": [TrustedPeer(id="bob")]}


def launcher_of(node: Node) -> Launcher:
    engine = node.manager._engine
    assert engine is not None
    return engine._launcher


async def recorded(alice: Node, *paths: Path, **info: Any) -> TransferRecord:
    outgoing = await outgoing_files(BOB, list(paths), channel="room", wall_clock=wall_clock)
    record = replace(outgoing.record, info=replace(outgoing.record.info, **info))
    replace(outgoing, record=record).add_to(alice.manager._journal)
    return record


async def sent_by(alice: Node, record: TransferRecord) -> type:
    pump = await launcher_of(alice).sending(record)
    await pump.close()
    return type(pump)


def test_what_is_new_goes_by_wire_2_unless_the_peer_is_known_for_1_0(tmp_path: Path) -> None:
    async def main() -> None:  # R-WIR-1
        async with sealed_nodes(tmp_path, BOTH) as (alice, _):
            source = write_source(tmp_path)
            assert await sent_by(alice, await recorded(alice, source)) is FrameSendPump
            inside(alice).trust.remember_as_wire_1(BOB)
            assert await sent_by(alice, await recorded(alice, source)) is SendPump
            inside(alice).trust.remember_as_wire_2(BOB)
            assert await sent_by(alice, await recorded(alice, source)) is FrameSendPump

    run(main())


def test_what_began_in_1_0_goes_on_in_it_unless_a_fingerprint_is_known_now(
    tmp_path: Path,
) -> None:
    async def main() -> None:  # R-WIR-2
        async with sealed_nodes(tmp_path, BOTH | {"trusted_peers": []}) as (alice, _):
            record = await recorded(alice, write_source(tmp_path), wire="1.0", chunk_size=1024)
            assert await sent_by(alice, record) is SendPump
            alice.manager.peers.add(peer_of("bob"))
            assert await sent_by(alice, record) is FrameSendPump

    run(main())


def test_a_set_is_not_for_1_0(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, BOTH) as (alice, _):
            inside(alice).trust.remember_as_wire_1(BOB)
            record = await recorded(alice, write_files(tmp_path, a=b"a", b=b"b"))
            with pytest.raises(PeerTooOldError, match="one by one"):
                await launcher_of(alice).sending(record)

    run(main())


def test_nothing_goes_to_a_peer_whose_trust_has_ended(tmp_path: Path) -> None:
    async def main() -> None:  # R-LIM-1: looked up at every resume
        peers = {"trusted_peers": [peer_of("bob", expires_at=EPOCH + 10)]}
        async with sealed_nodes(tmp_path, peers) as (alice, _):
            record = await recorded(alice, write_source(tmp_path))
            assert await sent_by(alice, record) is FrameSendPump
            await asyncio.sleep(10)
            with pytest.raises(TrustExpiredError):
                await launcher_of(alice).sending(record)

    run(main())


@pytest.mark.parametrize("wire", ["1.0", "2", None])
@pytest.mark.parametrize("direction", list(Direction))
def test_what_is_only_to_be_stopped_is_stopped_in_its_own_wire(
    tmp_path: Path, wire: str | None, direction: Direction
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, BOTH) as (alice, _):
            record = await recorded(
                alice, write_source(tmp_path), wire=wire, direction=direction, chunk_size=1024
            )
            pump = launcher_of(alice).stopping(record)
            kinds: dict[tuple[str, Direction], type] = {
                ("1.0", Direction.SEND): SendPump,
                ("1.0", Direction.RECEIVE): ReceivePump,
                ("2", Direction.SEND): FrameSendPump,
                ("2", Direction.RECEIVE): FrameReceivePump,
            }
            assert isinstance(pump, kinds[wire or "2", direction])
            await pump.close()

    run(main())


@pytest.mark.parametrize("wire", ["1.0", "2"])
def test_what_comes_in_is_received_in_the_wire_it_came_by(tmp_path: Path, wire: str) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, BOTH) as (alice, _):
            record = await recorded(
                alice,
                write_source(tmp_path),
                wire=wire,
                direction=Direction.RECEIVE,
                state=TransferState.PENDING,
                chunk_size=1024,
                digest="00" * 32,
            )
            pump = launcher_of(alice).receiving(record)
            assert isinstance(pump, ReceivePump if wire == "1.0" else FrameReceivePump)
            await pump.close()

    run(main())


def test_a_node_of_1_0_only_sends_everything_in_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, BOTH | {"wires": ("1.0",)}) as (alice, _):
            record = await recorded(alice, write_source(tmp_path))
            assert launcher_of(alice).frames is None
            assert await sent_by(alice, record) is SendPump
            pump = launcher_of(alice).stopping(record)
            assert isinstance(pump, SendPump)

    run(main())
