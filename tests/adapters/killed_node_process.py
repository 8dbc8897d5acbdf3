"""A node on a chat platform's stand-in, in a process of its own, that may be killed at any time.

Started by `test_kills.py`; the processes are forked from a server that has imported this module and
the SDKs, so that a start costs milliseconds.
"""

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ocft_discord.channel
import ocft_slack.channel
import ocft_telegram.channel
from ocft import TransferManager, TrustedPeer
from ocft.channels import Channel, find_adapter
from ocft.errors import ChannelClosedError
from ocft.protocol.wire2 import acks, sender
from ocft.runtime import fetching
from ocft.runtime.wire2 import uploads
from ocft_discord import connection
from ocft_slack import sockets
from ocft_telegram import polling

__all__ = ["PEERS", "Node", "ocft_discord", "ocft_slack", "ocft_telegram", "run_node"]

PEERS = {"alice": "bob", "bob": "alice"}
_PAUSES: tuple[tuple[Any, str, float], ...] = (
    (polling, "_FIRST_PAUSE", 0.05),
    (polling, "_LONGEST_PAUSE", 0.2),
    (connection, "FIRST_PAUSE", 0.05),
    (connection, "LONGEST_PAUSE", 0.2),
    (sockets, "_FIRST_PAUSE", 0.05),
    (sockets, "_LONGEST_PAUSE", 0.2),
    (uploads, "_FIRST_PAUSE", 0.05),
    (uploads, "_LONGEST_PAUSE", 0.2),
    (fetching, "_PAUSE", 0.05),
    (acks, "_BUNDLE_DELAY", 0.5),
    (sender, "_BUNDLE_PROBE_WAIT", 1.0),
)
"""Waits that are meant for the real platform, and what they are here; seconds."""


@dataclass(frozen=True)
class Node:
    """What a process is told; `source` is sent unless it is on its way already."""

    name: str
    platform: str
    section: dict[str, Any]
    environment: dict[str, str]
    peer_address: str
    folder: Path
    source: Path | None
    speed: float


def run_node(node: Node) -> None:
    """Run a node until both have the file."""
    os.environ.update(node.environment)
    for place, what, seconds in _PAUSES:
        assert hasattr(place, what)
        setattr(place, what, seconds)

    async def at_once(self: object, shard_id: int | None, *, initial: bool = False) -> None:
        return None

    connection._Client.before_identify_hook = at_once  # type: ignore[method-assign]
    asyncio.run(_run(node))


async def _opened(node: Node) -> Channel:
    """Open the channel, as whoever starts a bot anew does when it could not log in."""
    while True:
        try:
            return await find_adapter(node.platform).open(node.name, node.section)
        except ChannelClosedError:
            await asyncio.sleep(0.05)


async def _run(node: Node) -> None:
    peer = TrustedPeer(id=PEERS[node.name], secret="between us", address=node.peer_address)
    async with await _opened(node) as channel:
        limits = channel.limits
        channel.limits = replace(
            limits,
            texts_per_second=(limits.texts_per_second or 1) * node.speed,
            total_per_second=limits.total_per_second and limits.total_per_second * node.speed,
        )
        async with TransferManager(
            wires=("2",),
            bot_id=node.name,
            secret="between us",
            download_dir=node.folder / node.name,
            channel=channel,
            auto_accept=True,
            trusted_peers=[peer],
        ) as manager:
            if node.source is not None and not manager.list_transfers():
                await manager.send_file(peer.id, node.source)
            while not (transfers := manager.list_transfers()):
                await asyncio.sleep(0.01)
            await manager.wait(transfers[0].id)
            # Its last word may be lost, and then the peer asks again.
            (node.folder / f"{node.name}.done").write_text(str(len(manager.list_transfers())))
            while not (node.folder / f"{peer.id}.done").exists():
                await asyncio.sleep(0.01)
