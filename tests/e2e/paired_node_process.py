"""A node of wire 2 in a process of its own, on a narrow channel that loses texts.

Started by `test_pair_and_kill.py`, as `node_process` is by `test_kill.py`.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from ocft import TransferManager
from ocft.channels import Channel, ChannelLimits, IncomingText, open_local
from ocft.crypto import PairingCode, parse_pairing_code
from ocft.errors import PairingFailedError
from ocft.testing import Faults, FaultyChannel

LIMITS = ChannelLimits(max_text=2000)
FAULTS = Faults(loss=0.05, duplication=0.02)


class NarrowChannel(Channel):
    """Another channel, as a chat would carry it, and everything that is said on it.

    Args:
        inner: The channel that carries the texts.
        author: Who writes through it.
        record: The file in which all texts are written down, also those that are lost later.
    """

    limits = LIMITS

    def __init__(self, inner: Channel, author: str, record: Path) -> None:
        self.name = inner.name
        self._inner = inner
        self._author = author
        self._lossy = FaultyChannel(inner, seed=os.getpid(), faults=FAULTS)
        self._record = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def send(self, to: str, text: str) -> None:
        self.limits.require_fit(text)
        os.write(self._record, json.dumps([self._author, to, text]).encode() + b"\n")
        await self._lossy.send(to, text)

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        async for text in self._inner.texts():
            yield text

    async def close(self) -> None:
        await self._lossy.close()
        os.close(self._record)


def make_manager(name: str, folder: Path, channel: Channel) -> TransferManager:
    """Make a node that knows nobody, and takes files of whom it is paired with."""
    return TransferManager(
        wires=("2",), bot_id=name, download_dir=folder / name, channel=channel, auto_accept=True
    )


def run_node(name: str, folder: Path, code: str, source: Path | None) -> None:
    """Run a node until both have the files: alice shows the code and sends, bob types it."""
    asyncio.run(_run(name, folder, parse_pairing_code(code), source))


async def _run(name: str, folder: Path, code: PairingCode, source: Path | None) -> None:
    local = await open_local(name, {"spool": str(folder / "spool")})
    channel = NarrowChannel(local, name, folder / "record")
    peer = {"alice": "bob", "bob": "alice"}[name]
    async with channel, make_manager(name, folder, channel) as manager:
        if not manager.peers.all():
            await _pair(manager, code, shows=source is not None, peer=peer)
        (folder / f"{name}.paired").touch()
        if source is not None and not manager.list_transfers():
            await manager.send_file(peer, source)
        while not (transfers := manager.list_transfers()):
            await asyncio.sleep(0.01)
        await manager.wait(transfers[0].id)
        # Its last word may be lost, and then the peer asks again.
        (folder / f"{name}.done").touch()
        while not (folder / f"{peer}.done").exists():
            await asyncio.sleep(0.01)


async def _pair(manager: TransferManager, code: PairingCode, *, shows: bool, peer: str) -> None:
    if shows:
        await manager.show_pairing_code(code)
        return
    while True:
        try:
            await manager.pair(code.text, peer)
        except PairingFailedError:
            await asyncio.sleep(0.1)
        else:
            return
