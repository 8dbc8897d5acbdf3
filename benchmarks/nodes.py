"""Two nodes and a channel between them, for the benchmarks beside this file."""

import argparse
import asyncio
import collections
import json
import random
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path

from ocft import Channel, ChannelLimits, TextUnit, TransferManager, TrustedPeer
from ocft.channels import IncomingText, memory_channels
from ocft.channels.memory import MEMORY_LIMITS
from ocft.runtime.outbox import Outbox
from ocft.runtime.wire2.post import Post
from ocft.testing import Faults, FaultyChannel
from ocft.wire import Alphabet, FrameType, decode

MB = 1_000_000
_PEERS = {"alice": "bob", "bob": "alice"}
_QUIET = 60.0  # seconds after the end in which texts are still counted
# All others are of a handshake: only its messages are so long that they need fragments here.
_KINDS = {
    FrameType.DATA: "data",
    FrameType.ACK: "acks",
    FrameType.CONTROL: "control",
}


class CountedChannel(Channel):
    """Another channel; what is sent through this end is counted, also what is lost afterwards."""

    def __init__(self, inner: Channel, counts: collections.Counter[str]) -> None:
        self.name = inner.name
        self.limits = inner.limits
        self._inner = inner
        self._counts = counts

    async def send(self, to: str, text: str) -> None:
        """Count the text and send it."""
        for message in decode(text):
            if isinstance(message, bytes):
                self._counts[_KINDS.get(FrameType(message[0]), "handshake")] += 1
            else:
                self._counts["messages"] += 1
        await self._inner.send(to, text)

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        """Yield what the other channel yields."""
        async with aclosing(self._inner.texts()) as texts:
            async for text in texts:
                yield text

    async def close(self) -> None:
        """Close the other channel."""
        await self._inner.close()


class Nodes:
    """Two nodes that trust each other, alice and bob, and what they said."""

    def __init__(
        self, alice: TransferManager, bob: TransferManager, counts: collections.Counter[str]
    ) -> None:
        self.alice = alice
        self.bob = bob
        self.counts = counts
        """Texts in both directions, by kind."""

    async def transfer(self, *paths: Path, is_chat: bool = False) -> float:
        """Send files from alice to bob.

        Args:
            paths: What `send_file` takes.
            is_chat: Whether to wait a minute for texts that come after the end, to count them.

        Returns:
            Seconds from `send_file` until both know that everything has arrived.
        """
        clock = asyncio.get_running_loop().time
        start = clock()
        transfer_id = await self.alice.send_file("bob", *paths)
        await self.alice.wait(transfer_id)
        info = await self.bob.wait(transfer_id)
        seconds = clock() - start
        assert info.local_path is not None
        assert size_of(Path(info.local_path)) == sum(size_of(path) for path in paths)
        if is_chat:
            await asyncio.sleep(_QUIET)
        return seconds


@asynccontextmanager
async def open_nodes(
    folder: Path,
    *,
    wires: Sequence[str] = ("2",),
    limits: ChannelLimits = MEMORY_LIMITS,
    faults: Faults | None = None,
    seed: int = 0,
) -> AsyncIterator[Nodes]:
    """Open two nodes that have never met, and know each other's secret.

    Args:
        folder: A new folder for both.
        wires: What they speak.
        limits: What their channel carries.
        faults: What it does to the texts, of both sides; None: nothing, and nothing is counted.
        seed: Decides which texts suffer.
    """
    counts: collections.Counter[str] = collections.Counter()
    ends: Sequence[Channel] = memory_channels(*_PEERS, limits=limits)
    if faults is not None:
        chance = random.Random(seed)
        ends = [
            CountedChannel(FaultyChannel(end, seed=chance, faults=faults), counts) for end in ends
        ]
    began = time.time() - asyncio.get_running_loop().time()
    alice, bob = (
        TransferManager(
            bot_id=name,
            secret=f"secret-of-{name}",
            download_dir=folder / name,
            channel=end,
            trusted_peers=[TrustedPeer(id=peer, secret=f"secret-of-{peer}")],
            max_file_size=1 << 40,
            wires=wires,
            wall_clock=lambda: began + asyncio.get_running_loop().time(),
        )
        for (name, peer), end in zip(_PEERS.items(), ends, strict=True)
    )
    async with ends[0], ends[1], alice, bob:
        yield Nodes(alice, bob, counts)


def payload_of(limits: ChannelLimits) -> tuple[int, str]:
    """Return how many bytes of a file one text of wire 2 carries, and in which alphabet."""
    ends = memory_channels("nobody", limits=limits)
    post = Post(Outbox(ends[0], time.monotonic), limits, time.monotonic)
    alphabet = Alphabet.CJK15 if post.is_dense_better else Alphabet.BASE64URL
    return post.data_room(alphabet), alphabet.name.lower()


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size


def write_random(path: Path, size: int, *, seed: int = 0) -> Path:
    """Write a file that nothing can compress: random bytes, from 1 MB on the same ones again."""
    block = random.Random(seed).randbytes(min(size, MB))
    with path.open("wb") as file:
        for start in range(0, size, MB):
            file.write(block[: min(MB, size - start)])
    return path


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder for one measurement."""
    with tempfile.TemporaryDirectory(prefix="ocft-benchmark-") as name:
        yield Path(name)


def chat(max_text: int, unit: TextUnit, rate: float, burst: int = 1) -> ChannelLimits:
    """Return what a chat carries: the longest text, and texts a second."""
    return ChannelLimits(max_text=max_text, unit=unit, texts_per_second=rate, burst=burst)


def parse_arguments(description: str | None) -> argparse.Namespace:
    """Parse what all benchmarks take."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common(parser)
    return parser.parse_args()


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that all benchmarks have."""
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--json", action="store_true", help="print rows as JSON, one a line")


class Table:
    """Prints rows as they come, as Markdown or as JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._columns: list[str] | None = None

    def add(self, row: Mapping[str, object]) -> None:
        """Print a row; the header comes with the first one, and whenever the columns change."""
        if self._as_json:
            print(json.dumps(row), flush=True)
            return
        if list(row) != self._columns:
            self._columns = list(row)
            print("\n| " + " | ".join(row) + " |\n|" + "---|" * len(row))
        print("| " + " | ".join(_shown(value) for value in row.values()) + " |", flush=True)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)
