"""A node whose files go around the channel, in a process of its own; it counts what comes.

Started by `test_direct.py`, as `node_process` is by `test_kill.py`.
"""

import asyncio
import os
from pathlib import Path
from unittest import mock

from ocft import DirectOptions, TransferManager, TrustedPeer
from ocft.channels import open_local
from ocft.routes.connection import DirectConnection

SECRET = "between us"


def run_node(name: str, folder: Path, direct: DirectOptions, source: Path | None) -> None:
    """Run a node until both have the file: alice sends it."""
    _count_into(folder / "came")
    asyncio.run(_run(name, folder, direct, source))


def _count_into(path: Path) -> None:
    """Append how many bytes came, each time before they are used."""
    counted = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    read_into = DirectConnection.read_into

    def counting(connection: DirectConnection, buffer: memoryview) -> None:
        read_into(connection, buffer)
        os.write(counted, f"{len(buffer)}\n".encode())

    mock.patch.object(DirectConnection, "read_into", counting).start()


async def _run(name: str, folder: Path, direct: DirectOptions, source: Path | None) -> None:
    peer = {"alice": "bob", "bob": "alice"}[name]
    async with await open_local(name, {"spool": str(folder / "spool")}) as channel:
        manager = TransferManager(
            wires=("2",),
            bot_id=name,
            secret=SECRET,
            channel=channel,
            download_dir=folder / name,
            trusted_peers=[TrustedPeer(id=peer, secret=SECRET)],
            auto_accept=True,
            max_file_size=1 << 40,
            direct=direct,
        )
        async with manager:
            if source is not None and not manager.list_transfers():
                await manager.send_file(peer, source)
            while not (transfers := manager.list_transfers()):
                await asyncio.sleep(0.01)
            await manager.wait(transfers[0].id)
            (folder / f"{name}.done").touch()
            while not (folder / f"{peer}.done").exists():
                await asyncio.sleep(0.01)
