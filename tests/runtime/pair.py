"""Two managers on a memory channel in virtual time, and a way to speak to one as its peer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from ocft import Event, TransferManager, TrustedPeer
from ocft.channels import Channel, memory_channels
from ocft.ids import NodeId, TransferId
from ocft.wire import Message, Offer, Payload, decode, digest_of, encode, make_message

EPOCH = 1_800_000_000.0
ALICE, BOB = NodeId("alice"), NodeId("bob")
DATA = bytes(range(256)) * 20


def wall_clock() -> float:
    """Return the virtual time as seconds since the epoch."""
    return EPOCH + asyncio.get_running_loop().time()


def make_manager(name: str, channel: Channel, folder: Path, **options: Any) -> TransferManager:
    """Make a manager that knows its peer's secret."""
    peer = {"alice": "bob", "bob": "alice"}[name]
    options.setdefault("trusted_peers", [TrustedPeer(id=peer, secret=f"secret-of-{peer}")])
    options.setdefault("secret", f"secret-of-{name}")
    options.setdefault("download_dir", folder / name)
    options.setdefault("chunk_size", 1024)
    options.setdefault("wires", ("1.0",))
    return TransferManager(bot_id=name, channel=channel, wall_clock=wall_clock, **options)


@asynccontextmanager
async def two_managers(
    folder: Path, alice: dict[str, Any] | None = None, bob: dict[str, Any] | None = None
) -> AsyncIterator[tuple[TransferManager, TransferManager]]:
    """Connect two managers."""
    ends = memory_channels("alice", "bob")
    first = make_manager("alice", ends[0], folder, **(alice or {}))
    second = make_manager("bob", ends[1], folder, **(bob or {}))
    async with ends[0], ends[1], first, second:
        yield first, second


def write_source(folder: Path, data: bytes = DATA, name: str = "report.bin") -> Path:
    """Write a file to send."""
    path = folder / "source" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


class Peer:
    """Plays alice by hand, against bob's manager."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.heard: list[Message] = []
        self.events: list[Event] = []
        options.setdefault("trusted_peers", [TrustedPeer(id="alice", secret="secret-of-alice")])
        options.setdefault("wires", ("1.0",))
        self.folder = folder / "bob"
        self.bob = TransferManager(
            bot_id="bob",
            secret="secret-of-bob",
            download_dir=self.folder,
            send=self._hear,
            wall_clock=wall_clock,
            **options,
        )
        self._stream = asyncio.create_task(self._listen())

    async def _hear(self, to: str, text: str) -> None:
        self.heard.extend(one for one in decode(text) if isinstance(one, Message))

    async def _listen(self) -> None:
        async for event in self.bob.events():
            self.events.append(event)

    async def __aenter__(self) -> Self:
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.bob.close()
        await self._stream

    async def say(
        self,
        payload: Payload,
        *,
        transfer_id: str = "xfer_1",
        sender: str = "alice",
        recipient: str = "bob",
        author: str = "alice",
        age: float = 0.0,
    ) -> None:
        """Send bob a message and let him answer."""
        message = make_message(
            payload,
            transfer_id=TransferId(transfer_id),
            sender=NodeId(sender),
            recipient=NodeId(recipient),
            timestamp=int((wall_clock() - age) * 1000),
        )
        await self.bob.handle_message(author, encode(message))
        await asyncio.sleep(0.01)

    def payloads(self) -> list[Payload]:
        """Return what bob said, and forget it."""
        said, self.heard = [message.payload for message in self.heard], []
        return said

    def names(self) -> list[str]:
        """Return the names of what happened, and forget it."""
        names, self.events = [event.name for event in self.events], []
        return names


def make_offer(data: bytes = DATA, **changes: Any) -> Offer:
    """Make an offer that bob takes without asking, unless it is changed."""
    fields: dict[str, Any] = {
        "filename": "report.bin",
        "size": len(data),
        "mime_type": "application/octet-stream",
        "hash": digest_of(data),
        "chunk_size": 1024,
        "total_chunks": -(-len(data) // 1024),
        "secret": "secret-of-bob",
    }
    return Offer(**{**fields, **changes})
