"""The parts of wire 2 on a real database, with a clock that is moved by hand or by the loop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocft.events import Event
from ocft.ids import NodeId
from ocft.protocol import Established
from ocft.runtime.wire2 import LiveSession, Sessions, Trust
from ocft.storage import (
    ApprovalStore,
    Database,
    NodeStore,
    PeerStore,
    SessionStore,
    TrustedPeer,
)
from ocft.testing import ManualClock
from tests.runtime.pair import EPOCH
from tests.runtime.sealed_pair import identity_of

ALICE, BOB = NodeId("alice"), NodeId("bob")
ROOT = bytes(range(32))


@dataclass
class Parts:
    """What a node's handshakes need."""

    database: Database
    clock: ManualClock
    trust: Trust
    sessions: Sessions
    store: SessionStore
    said: list[tuple[str, bytes]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    begun: list[tuple[NodeId, LiveSession]] = field(default_factory=list)

    def send(self, address: str, frame: bytes) -> None:
        self.said.append((address, frame))

    def wall_clock(self) -> float:
        return EPOCH + self.clock()

    def taken(self) -> list[bytes]:
        """Return what was sent, and forget it."""
        frames, self.said = [frame for _, frame in self.said], []
        return frames


@contextmanager
def node_parts(
    folder: Path,
    *peers: TrustedPeer,
    name: str = "bob",
    secrets: Callable[[float], tuple[str, ...]] = lambda _: (),
    **flags: Any,
) -> Iterator[Parts]:
    """Open the stores of a node."""
    clock = ManualClock(0.0)

    def wall_clock() -> float:
        return EPOCH + clock()

    with Database(folder / f"{name}.db") as database:
        trust = Trust(
            peers=PeerStore(database),
            nodes=NodeStore(database),
            approvals=ApprovalStore(database),
            secrets=secrets,
            storage_key=identity_of(name).storage_key(),
            allows_wire_1=flags.get("allows_wire_1", True),
            allows_wire_2=flags.get("allows_wire_2", True),
            wall_clock=wall_clock,
        )
        for peer in peers:
            trust.peers.add(peer)
        store = SessionStore(database, identity_of(name).storage_key())
        yield Parts(database, clock, trust, Sessions(store, wall_clock), store)


def established(
    root: bytes = ROOT, *, peer_id: NodeId = ALICE, is_initiator: bool = False, **fields: Any
) -> Established:
    """Return what a handshake leaves behind."""
    return Established(
        peer_id=peer_id,
        identity=identity_of(peer_id).public,
        root=root,
        is_initiator=is_initiator,
        **fields,
    )
