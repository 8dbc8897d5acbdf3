"""Connected channels inside one process, for examples, tests and bots that share a program.

Texts are handed over, never copied, and a send that finds room does not wait for the event loop.
Files are copied into memory: they stand in for a platform's attachments.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from typing import BinaryIO, Final

from ocft.channels.base import Channel, ChannelLimits, FileLimits, IncomingFile, IncomingText
from ocft.errors import ChannelClosedError, ChannelError, FileRefusedError

MEMORY_LIMITS: Final = ChannelLimits(max_text=2 * 1024 * 1024)
"""As long as the longest text that is decoded."""


class _Inbox:
    """The texts that wait for one node, and who waits for them or for room."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.texts: deque[IncomingText] = deque()
        self.closed = False
        # Set when something may have changed: who waits clears it and looks again.
        self.arrived = asyncio.Event()
        self.room = asyncio.Event()


class MemoryChannel(Channel):
    """One node's end; made by :func:`memory_channels`.

    Args:
        node_id: This node's address.
        inboxes: Those of all connected nodes, by address, this one's included.
        limits: What this end sends.
        files: What native files it carries; None: none.
    """

    name = "memory"
    everyone = "*"

    def __init__(
        self,
        node_id: str,
        inboxes: Mapping[str, _Inbox],
        *,
        limits: ChannelLimits,
        files: FileLimits | None = None,
    ) -> None:
        self.limits = limits
        self.files = files
        self.address = self._node_id = node_id
        self._inboxes = inboxes
        self._own = inboxes[node_id]

    async def send(self, to: str, text: str) -> None:
        """Put a text into the peer's inbox; wait while that is full."""
        self.limits.require_fit(text)
        if to == self.everyone:
            for node_id in self._inboxes.keys() - {self._node_id}:
                await self._send_to(node_id, IncomingText(self._node_id, text))
        else:
            await self._send_to(to, IncomingText(self._node_id, text))

    async def send_file(self, to: str, file: BinaryIO, *, name: str, text: str = "") -> str:
        """Put a text and a copy of a file into the peer's inbox."""
        self.limits.require_fit(text)
        file.seek(0)
        content = file.read()
        if self.files is None or len(content) > self.files.ceiling:
            raise FileRefusedError(f"this memory channel carries no file of {len(content)} bytes")

        async def fetch(sink: BinaryIO) -> None:
            sink.write(content)

        copy = IncomingFile(name, len(content), fetch)
        await self._send_to(to, IncomingText(self._node_id, text, (copy,)))
        return name

    async def delete(self, sent: str) -> None:
        """Do nothing: what was read is gone already."""

    async def _send_to(self, to: str, text: IncomingText) -> None:
        peer = self._inboxes.get(to)
        if peer is None:
            raise ChannelError(f"no node has the address {to!r} in this process")
        while True:
            if self._own.closed:
                raise ChannelClosedError("this memory channel was closed")
            if peer.closed:
                raise ChannelClosedError(f"{to!r} closed its memory channel")
            if len(peer.texts) < peer.capacity:
                break
            peer.room.clear()
            await peer.room.wait()
        peer.texts.append(text)
        peer.arrived.set()

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        """Yield the texts in the order in which they were sent."""
        own = self._own
        while not own.closed:
            if not own.texts:
                own.arrived.clear()
                await own.arrived.wait()
                continue
            text = own.texts[0]
            yield text
            # Compared, because another reader may have come and gone in between.
            if own.texts and own.texts[0] is text:
                own.texts.popleft()
                own.room.set()

    async def close(self) -> None:
        """End `texts()` and drop what was not read; whoever waits for room is told."""
        self._own.closed = True
        self._own.texts.clear()
        self._own.arrived.set()
        for inbox in self._inboxes.values():
            inbox.room.set()


def memory_channels(
    *node_ids: str,
    limits: ChannelLimits = MEMORY_LIMITS,
    files: FileLimits | None = None,
    capacity: int = 64,
) -> tuple[MemoryChannel, ...]:
    """Return connected channels, one a node, in the order of the ids.

    Args:
        node_ids: The nodes' addresses, each once.
        limits: What each of them carries.
        files: What native files each of them carries; None: none.
        capacity: Texts that wait for a node before its senders have to.

    Raises:
        ValueError: An id is named twice, or `capacity` is below 1.
    """
    if len(set(node_ids)) != len(node_ids):
        raise ValueError(f"each node id may be named once: {node_ids}")
    if capacity < 1:
        raise ValueError(f"capacity must be at least 1, not {capacity}")
    inboxes = {node_id: _Inbox(capacity) for node_id in node_ids}
    return tuple(
        MemoryChannel(node_id, inboxes, limits=limits, files=files) for node_id in node_ids
    )
