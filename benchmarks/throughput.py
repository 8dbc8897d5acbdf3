"""Both wires over the memory channel, both ends in one process, against what their parts cost.

    python benchmarks/throughput.py            # the tables in benchmarks/README.md
    python benchmarks/throughput.py --quick    # one round of 20 MB

From `send_file` to verified files on a real disk, journal and fsync included. Every ratio is of two
measurements of the same process, taken in turn, since machines are noisy. Files are a megabyte of
random bytes, repeated; 48 KiB in a text. The parts are what both ends cannot do without:

- Wire 2: SHA-256 of the file before the offer and before it gets its name, AES-256-GCM and base64
  there and back, with the engine's own libraries, of bytes that are in memory.
- Wire 1.0: SHA-256 of each chunk and of the whole file at both ends, JSON and base64 there and
  back, with the standard library, of a file that is read.

Each size and wire runs in a process of its own, for its peak memory.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pybase64
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nodes import MB, Table, add_common, open_nodes, scratch, write_random

CHUNK = 48 * 1024
PIECE = 1 << 20  # bytes that the engine hashes at a time
HEADER = bytes(14)
GOAL_MB_PER_SECOND = 150
GOAL_OF_PARTS = 0.4


def time_parts_of_2(size: int) -> float:
    """Return the seconds that wire 2's parts take."""
    cipher = AESGCM(bytes(32))
    piece = (bytes(range(256)) * (PIECE // 256))[: min(PIECE, size)]
    chunk = piece[:CHUNK]
    start = time.perf_counter()
    for _ in range(2):
        running = hashlib.sha256()
        for place in range(0, size, PIECE):
            running.update(piece if size - place >= PIECE else piece[: size - place])
    for number, place in enumerate(range(0, size, CHUNK)):
        data = chunk if size - place >= CHUNK else chunk[: size - place]
        nonce = number.to_bytes(12)
        text = pybase64.urlsafe_b64encode(cipher.encrypt(nonce, data, HEADER)).decode("ascii")
        cipher.decrypt(nonce, pybase64.urlsafe_b64decode(text), HEADER)
    return time.perf_counter() - start


def time_parts_of_1(path: Path) -> float:
    """Return the seconds that wire 1.0's parts take."""
    start = time.perf_counter()
    whole = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(PIECE), b""):
            whole.update(piece)
    received = hashlib.sha256()
    with path.open("rb") as file:
        for index, chunk in enumerate(iter(lambda: file.read(CHUNK), b"")):
            payload = {
                "index": index,
                "data": base64.b64encode(chunk).decode(),
                "hash": hashlib.sha256(chunk).hexdigest(),
            }
            message = {"version": "1.0", "type": "chunk", "transferId": "xfer_000000000000"}
            text = base64.b64encode(json.dumps({**message, "payload": payload}).encode()).decode()
            decoded = json.loads(base64.b64decode(text, validate=True))
            data = base64.b64decode(decoded["payload"]["data"], validate=True)
            assert hashlib.sha256(data).hexdigest() == decoded["payload"]["hash"]
            received.update(data)
    assert received.digest() == whole.digest()
    return time.perf_counter() - start


async def time_transfer(path: Path, folder: Path, wire: str) -> float:
    """Return the seconds from `send_file` until both know that the file is there."""
    async with open_nodes(folder, wires=[wire]) as nodes:
        return await nodes.transfer(path)


def measure(size: int, rounds: int, wires: list[str]) -> dict[str, float]:
    """Measure one size in this process: of one wire, or of both in turn."""
    seconds: dict[str, list[float]] = {wire: [] for wire in wires}
    of_parts: dict[str, list[float]] = {wire: [] for wire in wires}
    for number in range(rounds):
        for wire in wires:
            with scratch() as folder:
                path = write_random(folder / "file.bin", size)
                parts = time_parts_of_2(size) if wire == "2" else time_parts_of_1(path)
                taken = asyncio.run(time_transfer(path, folder, wire))
            if number or rounds == 1:  # the first round warms up: imports, page cache
                seconds[wire].append(taken)
                of_parts[wire].append(parts / taken)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux
    row = {"peak_mb": peak * 1024 / MB}
    for wire in wires:
        row[f"seconds of {wire}"] = statistics.median(seconds[wire])
        row[f"parts of {wire}"] = statistics.median(of_parts[wire])
        row[f"worst of {wire}"] = min(of_parts[wire])
    if len(wires) > 1:
        faster = [old / new for new, old in zip(*(seconds[wire] for wire in wires), strict=True)]
        row["faster"], row["least faster"] = statistics.median(faster), min(faster)
    return row


def measure_apart(size_mb: int, rounds: int, *wires: str) -> dict[str, float]:
    """Measure in a new process."""
    command = [sys.executable, __file__, "--size", str(size_mb * MB), "--rounds", str(rounds)]
    command += ["--wires", *wires]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    row: dict[str, float] = json.loads(output)
    return row


def main() -> None:
    """Print one row a wire and size, then the two wires against one another."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common(parser)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--wires", nargs="+", default=["2", "1.0"], help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=6)
    arguments = parser.parse_args()
    if arguments.size is not None:
        print(json.dumps(measure(arguments.size, arguments.rounds, arguments.wires)))
        return
    sizes = {20: 1} if arguments.quick else {10: arguments.rounds, 100: arguments.rounds, 1000: 1}
    table = Table(as_json=arguments.json)
    for wire in arguments.wires:
        for size_mb, rounds in sizes.items():
            row = measure_apart(size_mb, rounds, wire)
            taken, of_parts = row[f"seconds of {wire}"], row[f"parts of {wire}"]
            table.add(
                {
                    "wire": wire,
                    "file": f"{size_mb} MB",
                    "seconds": taken,
                    "MB/s": size_mb / taken,
                    "speed / speed of the parts": of_parts,
                    "worst": row[f"worst of {wire}"],
                    "parts alone, MB/s": size_mb / taken / of_parts,
                    "peak memory, MB": row["peak_mb"],
                }
            )
    if len(arguments.wires) > 1:
        size_mb = max(min(sizes), 100 if 100 in sizes else 0)
        row = measure_apart(size_mb, sizes[size_mb], *arguments.wires)
        speed = size_mb / row["seconds of 2"]
        table.add(
            {
                "in turn": f"{size_mb} MB",
                "wire 2, MB/s": speed,
                "wire 1.0, MB/s": size_mb / row["seconds of 1.0"],
                "wire 2 / wire 1.0": row["faster"],
                "worst": row["least faster"],
                "goal": 2.0,
                "goal, MB/s": max(GOAL_MB_PER_SECOND, GOAL_OF_PARTS * speed / row["parts of 2"]),
            }
        )


if __name__ == "__main__":
    main()
