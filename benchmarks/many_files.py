"""10,000 files of 1 KiB as one transfer, against one file of as many bytes.

    python benchmarks/many_files.py            # the tables in benchmarks/README.md
    python benchmarks/many_files.py --quick    # 1,000 files

Twice: over the memory channel, in seconds of the wall clock, both kinds in turn; and through a chat
of 4,096 UTF-16 units with a text a second, in virtual time and in texts. From `send_file` until
both know that the files have their names; collecting, hashing, and bringing all of them to the disk
are included. The bytes are random. A pair's handshake is in it.

What the disk costs is shown beside it: a program that only reads, hashes, writes and syncs the same
files. Nothing is removed before the end: where many files were removed, ext4 takes up to 0.5 ms to
make a new one for some minutes. So do not run it twice in a row in the same place (TMPDIR).
"""

import asyncio
import hashlib
import os
import random
import statistics
import time
from pathlib import Path

from nodes import Table, chat, open_nodes, parse_arguments, scratch, write_random

from ocft import TextUnit
from ocft.testing import Faults, run

CHAT = chat(4096, TextUnit.UTF16_UNITS, 1.0)
SIZE = 1024
ROUNDS = 4
GOAL = 2.0


def make_many(folder: Path, count: int) -> Path:
    """Make a folder of small files, all different, a hundred in a folder."""
    chance = random.Random(1)
    for number in range(count):
        path = folder / "many" / f"part-{number // 100:03}" / f"file-{number % 100:02}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(SIZE))
    return folder / "many"


async def over_memory(folder: Path, path: Path) -> float:
    """Transfer over the memory channel."""
    async with open_nodes(folder) as nodes:
        return await nodes.transfer(path)


async def over_chat(folder: Path, path: Path) -> tuple[float, int]:
    """Transfer through a chat, and count the texts."""
    faults = Faults(delay=(0.3, 0.3))
    async with open_nodes(folder, limits=CHAT, faults=faults) as nodes:
        return await nodes.transfer(path), nodes.counts.total()


def time_copy(source: Path, target: Path) -> float:
    """Return the seconds that a program needs that only reads, hashes, writes and syncs files."""
    start = time.perf_counter()
    for path in sorted(source.rglob("*") if source.is_dir() else [source]):
        if path.is_file():
            copy = target / path.relative_to(source.parent)
            copy.parent.mkdir(parents=True, exist_ok=True)
            data = path.read_bytes()
            hashlib.sha256(data).digest()
            copy.write_bytes(data)
    os.sync()
    return time.perf_counter() - start


def measure(folder: Path, count: int, *, is_chat: bool) -> dict[str, float]:
    """Measure both kinds, and copies of them."""
    row: dict[str, float] = {}
    paths = {"many": make_many(folder, count), "one": write_random(folder / "one", count * SIZE)}
    for kind, path in paths.items():
        if is_chat:
            row[kind], row[f"texts of {kind}"] = run(over_chat(folder / f"{kind} sent", path))
        else:
            os.sync()
            row[kind] = asyncio.run(over_memory(folder / f"{kind} sent", path))
            row[f"copy of {kind}"] = time_copy(path, folder / f"{kind} copied")
    row["ratio"] = row["many"] / row["one"]
    return row


def main() -> None:
    """Print a row for each channel."""
    arguments = parse_arguments(__doc__)
    count = 1000 if arguments.quick else 10_000
    table = Table(as_json=arguments.json)
    with scratch() as folder:
        rows = []
        for number in range(2 if arguments.quick else ROUNDS):
            (folder / str(number)).mkdir()
            rows.append(measure(folder / str(number), count, is_chat=False))
        del rows[0]  # it warmed up
        (folder / "chat").mkdir()
        chatted = measure(folder / "chat", count, is_chat=True)
    middle = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    table.add(
        {
            "memory channel": "s",
            f"{count} files": middle["many"],
            "one file": middle["one"],
            "ratio": middle["ratio"],
            "worst": max(row["ratio"] for row in rows),
            "goal": GOAL,
            "files copied": middle["copy of many"],
            "one file copied": middle["copy of one"],
            "transfer / copy": statistics.median(row["many"] / row["copy of many"] for row in rows),
        }
    )
    table.add(
        {
            "chat": "virtual s",
            f"{count} files": chatted["many"],
            "one file": chatted["one"],
            "ratio": chatted["ratio"],
            "goal": GOAL,
            "texts": chatted["texts of many"],
            "texts, one file": chatted["texts of one"],
        }
    )


if __name__ == "__main__":
    main()
