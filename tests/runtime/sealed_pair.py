"""Nodes on wire 2 in a chat room, in virtual time; the room remembers, and can be made to lie."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from ocft.channels import Channel, ChannelLimits, FileLimits, IncomingFile, IncomingText
from ocft.crypto import Identity
from ocft.errors import OcftError
from ocft.events import Event
from ocft.ids import NodeId, TransferId
from ocft.runtime import TransferManager
from ocft.storage import TrustedPeer
from ocft.transfers import TransferInfo, TransferState
from ocft.wire import FrameType, decode
from tests.runtime.pair import wall_clock

DELAY = 0.02  # seconds that a text is under way
WIDE = ChannelLimits(max_text=2 * 1024 * 1024)
NARROW = ChannelLimits(max_text=4096)
Ear = Callable[[str, str, str], list[str]]
"""Author, address, text: what arrives instead."""


@cache
def identity_of(name: str) -> Identity:
    """Return a node's keys, the same in all tests."""
    return Identity.generate()


def peer_of(name: str, /, **fields: Any) -> TrustedPeer:
    """Return a peer whose fingerprint is known."""
    fields.setdefault("fingerprint", identity_of(name).public.fingerprint)
    return TrustedPeer(id=name, **fields)


class Room:
    """A chat in which everybody reads everything."""

    def __init__(self, limits: ChannelLimits = WIDE, files: FileLimits | None = None) -> None:
        self.limits = limits
        self.files = files
        self.uploads: list[tuple[str, str, bytes]] = []
        """All native files that were sent: author, name, content."""
        self.take_up: Callable[[bytes], None] = lambda content: None
        """May refuse a native file by raising."""
        self.give_down: Callable[[bytes], bytes] = lambda content: content
        """What is downloaded instead; may raise."""
        self.removed: list[str] = []
        self.said: list[tuple[str, str, str]] = []
        """All that was sent: author, address, text."""
        self.ear: Ear = lambda author, to, text: [text]
        self._here: dict[str, RoomChannel] = {}

    def enter(self, name: str) -> "RoomChannel":
        self._here[name] = channel = RoomChannel(self, name)
        return channel

    def say(self, author: str, to: str, text: str, *files: IncomingFile) -> None:
        """Put a text into the room, from anybody, for anybody; no ear hears it."""
        loop = asyncio.get_running_loop()
        loop.call_later(DELAY, self._deliver, author, to, text, files)

    def upload(self, author: str, to: str, name: str, content: bytes, text: str) -> str:
        """Put a native file into the room."""
        self.take_up(content)
        self.uploads.append((author, name, content))

        async def fetch(sink: BinaryIO) -> None:
            await asyncio.sleep(DELAY)
            sink.write(self.give_down(content))

        self.say(author, to, text, IncomingFile(name, len(content), fetch))
        return f"{name}/{len(self.uploads)}"

    def hear(self, author: str, to: str, text: str) -> None:
        self.said.append((author, to, text))
        for one in self.ear(author, to, text):
            self.say(author, to, one)

    def frames(self, author: str | None = None) -> list[bytes]:
        """Return the frames that were sent, by one node or by all."""
        return [
            one
            for who, _, text in self.said
            if author in (None, who)
            for one in decode(text)
            if isinstance(one, bytes)
        ]

    def count(self, frame_type: FrameType, author: str | None = None) -> int:
        """Return how many frames of a type were sent."""
        return sum(frame[0] == frame_type for frame in self.frames(author))

    def _deliver(self, author: str, to: str, text: str, files: tuple[IncomingFile, ...]) -> None:
        if channel := self._here.get(to):
            channel.arrived.put_nowait(IncomingText(author, text, files))


class RoomChannel(Channel):
    """One node's end."""

    name = "room"

    def __init__(self, room: Room, node: str) -> None:
        self.limits = room.limits
        self.files = room.files
        self.room = room
        self.node = node
        self.arrived: asyncio.Queue[IncomingText | None] = asyncio.Queue()

    async def send(self, to: str, text: str) -> None:
        self.limits.require_fit(text)
        self.room.hear(self.node, to, text)

    async def send_file(self, to: str, file: BinaryIO, *, name: str, text: str = "") -> str:
        file.seek(0)
        await asyncio.sleep(DELAY)
        return self.room.upload(self.node, to, name, file.read(), text)

    async def delete(self, sent: str) -> None:
        self.room.removed.append(sent)

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        while (text := await self.arrived.get()) is not None:
            yield text

    async def close(self) -> None:
        self.room._here.pop(self.node, None)
        self.arrived.put_nowait(None)


class Node:
    """A node that can be stopped and started again."""

    def __init__(self, room: Room, name: str, folder: Path, **options: Any) -> None:
        self.room = room
        self.name = name
        self.home = folder / name
        self.options: dict[str, Any] = {
            "wires": ("2",),
            "identity": identity_of(name),
            "auto_accept": True,
            **options,
        }
        self.events: list[Event] = []
        self.manager: TransferManager
        self.channel: RoomChannel

    async def start(self, **options: Any) -> None:
        self.options |= options
        self.channel = self.room.enter(self.name)
        self.manager = TransferManager(
            bot_id=self.name,
            channel=self.channel,
            download_dir=self.home,
            wall_clock=wall_clock,
            **self.options,
        )
        self.manager._listeners.tell = self._tell  # type: ignore[method-assign]
        self._listeners_tell = type(self.manager._listeners).tell
        await self.manager.start()

    def _tell(self, event: Event) -> None:
        self.events.append(event)
        self._listeners_tell(self.manager._listeners, event)

    async def stop(self) -> None:
        await self.manager.close()
        await self.channel.close()

    async def restart(self, **options: Any) -> None:
        await self.stop()
        await self.start(**options)

    def info(self, transfer_id: str) -> TransferInfo:
        info = self.manager.get_transfer(transfer_id)
        assert info is not None, f"{self.name} knows no {transfer_id}"
        return info

    def state(self, transfer_id: str) -> TransferState | None:
        info = self.manager.get_transfer(transfer_id)
        return None if info is None else info.state

    def names(self, *without: str) -> list[str]:
        """Return the names of what happened."""
        passing = {"transfer-progress", *without}
        return [one.name for one in self.events if one.name not in passing]

    def ignored(self) -> list[str]:
        """Return why texts changed nothing."""
        return [getattr(one, "reason", "") for one in self.events if one.name == "message-ignored"]

    def tree(self) -> dict[str, bytes]:
        """Return what is in the download folder."""
        return {
            path.relative_to(self.home).as_posix(): path.read_bytes()
            for path in sorted(self.home.rglob("*"))
            if path.is_file() and ".ocft" not in path.relative_to(self.home).parts
        }

    def parts(self) -> list[str]:
        """Return the names of the part files."""
        return sorted(path.name for path in (self.home / ".ocft" / "partial").glob("*"))

    async def until(self, is_true: Callable[[], object], within: float = 600.0) -> None:
        """Wait until something is so."""
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(within):
            while not is_true():
                waited = asyncio.get_running_loop().time() - began
                await asyncio.sleep(0.005 if waited < 5 else 0.1 if waited < 100 else 1.0)

    async def end_of(self, transfer_id: str) -> TransferInfo:
        """Wait until a transfer has ended in whatever way."""
        await self.until(lambda: (state := self.state(transfer_id)) and state.is_final, 20_000)
        with suppress(OcftError):
            await self.manager.wait(transfer_id)
        return self.info(transfer_id)


@asynccontextmanager
async def sealed_nodes(
    folder: Path,
    alice: dict[str, Any] | None = None,
    bob: dict[str, Any] | None = None,
    *,
    limits: ChannelLimits = WIDE,
    files: FileLimits | None = None,
) -> AsyncIterator[tuple[Node, Node]]:
    """Start two nodes that know each other's fingerprints, unless it is said otherwise."""
    room = Room(limits, files)
    nodes = (
        Node(room, "alice", folder, **{"trusted_peers": [peer_of("bob")], **(alice or {})}),
        Node(room, "bob", folder, **{"trusted_peers": [peer_of("alice")], **(bob or {})}),
    )
    for node in nodes:
        await node.start()
    try:
        yield nodes
    finally:
        for node in nodes:
            await node.stop()


def write_files(folder: Path, **files: bytes) -> Path:
    """Make a folder to send; `__` in a name stands for a dot, `_0_` for a slash."""
    top = folder / "source" / "set"
    for name, data in files.items():
        path = top / name.replace("_0_", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return top


def inside(node: Node) -> Any:
    """Return what the node's wire 2 transfers share."""
    sealing = node.manager._sealing
    assert sealing is not None
    return sealing.wire


def pump_of(node: Node, transfer_id: str) -> Any:
    """Return the pump of a live transfer."""
    engine = node.manager._engine
    assert engine is not None
    return engine.fleet.get(TransferId(transfer_id))


BOB, ALICE = NodeId("bob"), NodeId("alice")
