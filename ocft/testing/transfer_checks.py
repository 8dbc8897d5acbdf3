"""What two nodes must be able to do over any channel, as checks free of pytest."""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from ocft.channels import Channel
from ocft.errors import OcftError
from ocft.runtime import TransferManager
from ocft.storage import TrustedPeer
from ocft.testing.conformance import OpenPair
from ocft.transfers import TransferState

_AT_ONCE: Final = 10
_SIZE: Final = 30_000  # bytes of each file
_SECRET: Final = "of the checks only"  # noqa: S105


async def check_transfers(
    open_pair: OpenPair,
    folder: Path,
    *,
    addresses: tuple[str, str] = ("alice", "bob"),
    timeout: float = 120.0,  # noqa: ASYNC109 - it bounds each check, not this call
) -> None:
    """Let two nodes send files to each other over pairs of channels.

    Args:
        open_pair: Called once a check; the check closes both channels.
        folder: Where the nodes are made; empty.
        addresses: What the platform calls the first and the second channel's account.
        timeout: Seconds that a check may take.

    Raises:
        AssertionError: A check failed.
    """
    for check in TRANSFER_CHECKS:
        name = check.__name__.replace("_", " ")
        home = folder / check.__name__
        try:
            async with asyncio.timeout(timeout):
                await check(open_pair, home, addresses)
        except TimeoutError as error:
            raise AssertionError(f"{name}: not within {timeout} seconds") from error
        except OcftError as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error


async def ten_transfers_at_once_arrive(  # noqa: D103 - the name says it
    open_pair: OpenPair, home: Path, addresses: tuple[str, str]
) -> None:
    async with AsyncExitStack() as stack:
        alice, bob = await _nodes(stack, await open_pair(), home, addresses)
        contents = [random.Random(n).randbytes(_SIZE) for n in range(_AT_ONCE)]  # noqa: S311
        await asyncio.gather(
            *(_send(alice, home, f"{n}.bin", content) for n, content in enumerate(contents))
        )
        _require_all(bob, {f"{n}.bin": content for n, content in enumerate(contents)})


async def a_stop_in_the_middle_loses_nothing(  # noqa: D103
    open_pair: OpenPair, home: Path, addresses: tuple[str, str]
) -> None:
    content = random.Random(1).randbytes(10 * _SIZE)  # noqa: S311
    async with AsyncExitStack() as stack:
        alice, bob = await _nodes(stack, await open_pair(), home, addresses)
        has_begun = asyncio.Event()
        bob.on("transfer-accepted", lambda _: has_begun.set())
        sending = await alice.send_file("bob", _write(home, "whole.bin", content))
        await has_begun.wait()
    async with AsyncExitStack() as stack:
        alice, bob = await _nodes(stack, await open_pair(), home, addresses)
        info = await alice.wait(sending)
        if info.state is not TransferState.COMPLETED:
            raise AssertionError(f"after a restart the transfer is {info.state.value}")
        _require_all(bob, {"whole.bin": content})


TransferCheck = Callable[[OpenPair, Path, tuple[str, str]], Awaitable[None]]
TRANSFER_CHECKS: Final[tuple[TransferCheck, ...]] = (
    ten_transfers_at_once_arrive,
    a_stop_in_the_middle_loses_nothing,
)
"""The checks, in the order in which they run."""


async def _nodes(
    stack: AsyncExitStack,
    channels: tuple[Channel, Channel],
    home: Path,
    addresses: tuple[str, str],
) -> tuple[TransferManager, TransferManager]:
    names = "alice", "bob"
    nodes: list[TransferManager] = []
    for channel in channels:
        await stack.enter_async_context(channel)
    for number, channel in enumerate(channels):
        other = 1 - number
        peer = TrustedPeer(id=names[other], secret=_SECRET, address=addresses[other])
        node = TransferManager(
            bot_id=names[number],
            secret=_SECRET,
            download_dir=home / names[number],
            channel=channel,
            auto_accept=True,
            trusted_peers=[peer],
            wires=("2",),
        )
        nodes.append(await stack.enter_async_context(node))
    return nodes[0], nodes[1]


async def _send(node: TransferManager, home: Path, name: str, content: bytes) -> None:
    path = await asyncio.to_thread(_write, home, name, content)
    await node.wait(await node.send_file("bob", path))


def _write(home: Path, name: str, content: bytes) -> Path:
    path = home / "source" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _require_all(node: TransferManager, files: dict[str, bytes]) -> None:
    """Require that a node has these files, each once, and nothing else."""
    came = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in node.download_dir.iterdir()
        if path.is_file()
    }
    expected = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    if came != expected:
        raise AssertionError(f"expected {sorted(expected)}, came {sorted(came)}, or other bytes")
