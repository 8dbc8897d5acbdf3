"""A node in a process of its own, over the local channel, that writes down what it does.

Started by `test_kill.py`; the processes are forked from a server that has imported this module, so
that a start costs milliseconds and a hundred of them fit into a test.
"""

import asyncio
import os
from pathlib import Path

from ocft import TransferManager, TrustedPeer
from ocft.channels import open_local
from ocft.events import ChunkReceived, ChunkSent, Event

SECRETS = {"alice": "secret-of-alice", "bob": "secret-of-bob"}
CHUNK = 4096


def run_node(name: str, peer: str, folder: Path, source: Path | None) -> None:
    """Run a node until its transfer is completed; `source` is sent unless it is on its way."""
    asyncio.run(_run(name, peer, folder, source))


async def _run(name: str, peer: str, folder: Path, source: Path | None) -> None:
    log = os.open(folder / f"{name}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(event: Event) -> None:
        if isinstance(event, ChunkSent | ChunkReceived):
            os.write(log, f"{event.name} {event.index}\n".encode())

    channel = await open_local(name, {"spool": str(folder / "spool")})
    manager = TransferManager(
        wires=("1.0",),
        bot_id=name,
        secret=SECRETS[name],
        download_dir=folder / name,
        channel=channel,
        trusted_peers=[TrustedPeer(id=peer, secret=SECRETS[peer])],
        chunk_size=CHUNK,
    )
    manager.on("chunk-sent", note)
    manager.on("chunk-received", note)
    async with channel, manager:
        if source is not None and not manager.list_transfers():
            await manager.send_file(peer, source)
        while not (transfers := manager.list_transfers()):
            await asyncio.sleep(0.01)
        await manager.wait(transfers[0].id)
    os.close(log)
