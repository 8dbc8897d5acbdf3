"""Wire 1.0 over the memory channel, both ends in one process, against what its parts cost alone.

    python benchmarks/throughput.py            # the table in benchmarks/README.md
    python benchmarks/throughput.py --quick    # one round of 20 MB

Every figure is a ratio of two measurements of the same run, taken in turn, since machines are
noisy. Files are a MiB of random bytes, repeated; chunks 48 KiB. The parts are what both ends cannot
do without, with the standard library: SHA-256 of each chunk and of the whole file at both ends,
JSON and base64 there and back. Each size runs in a process of its own, for its peak memory.
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
import tempfile
import time
from pathlib import Path

CHUNK = 48 * 1024
MB = 1_000_000


def time_parts(path: Path) -> float:
    """Return the seconds that the parts take for a file."""
    start = time.perf_counter()
    whole = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
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


async def time_transfer(path: Path, folder: Path) -> float:
    """Return the seconds from `send_file` to a verified file."""
    from ocft import TransferManager, TrustedPeer
    from ocft.channels import memory_channels

    ends = memory_channels("alice", "bob")
    peers = {"alice": "bob", "bob": "alice"}
    alice, bob = (
        TransferManager(
            bot_id=name,
            secret=f"secret-of-{name}",
            download_dir=folder / name,
            channel=end,
            trusted_peers=[TrustedPeer(id=peers[name], secret=f"secret-of-{peers[name]}")],
            max_file_size=1 << 40,
        )
        for name, end in zip(peers, ends, strict=True)
    )
    async with alice, bob:
        start = time.perf_counter()
        transfer_id = await alice.send_file("bob", path)
        await alice.wait(transfer_id)
        info = await bob.wait(transfer_id)
        seconds = time.perf_counter() - start
    assert info.bytes_done == path.stat().st_size
    return seconds


def measure(size: int, rounds: int) -> dict[str, float]:
    """Measure one size in this process."""
    seconds, ratios = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "file.bin"
        with path.open("wb") as file:
            generator = hashlib.shake_128(b"ocft").digest(1 << 20)
            for number in range(0, size, len(generator)):
                file.write(generator[: min(len(generator), size - number)])
        for number in range(rounds):
            parts = time_parts(path)
            transfer = asyncio.run(time_transfer(path, folder / str(number)))
            seconds.append(transfer)
            ratios.append(parts / transfer)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux
    return {
        "seconds": statistics.median(seconds),
        "ratio": statistics.median(ratios),
        "worst_ratio": min(ratios),
        "peak_mb": peak * 1024 / MB,
    }


def main() -> None:
    """Print one row a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.size is not None:
        print(json.dumps(measure(arguments.size, arguments.rounds)))
        return
    sizes = {20: 1} if arguments.quick else {10: 5, 100: 5, 1000: 1}
    print("| file | seconds | MB/s | speed / speed of the parts | worst | peak memory |")
    print("|---|---|---|---|---|---|")
    for size_mb, rounds in sizes.items():
        command = [sys.executable, __file__, "--size", str(size_mb * MB), "--rounds", str(rounds)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        row = json.loads(output)
        print(
            f"| {size_mb} MB | {row['seconds']:.2f} | {size_mb / row['seconds']:.0f} "
            f"| {row['ratio']:.2f} | {row['worst_ratio']:.2f} | {row['peak_mb']:.1f} MB |"
        )


if __name__ == "__main__":
    main()
