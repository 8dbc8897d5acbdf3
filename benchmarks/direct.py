"""The direct route against a plain, readable HTTP stream of Node.js, disk to disk, over loopback.

    python benchmarks/direct.py             # 1 GiB, three rounds in turn
    python benchmarks/direct.py --quick     # 100 MB, two rounds
    python benchmarks/direct.py --size 10000 --rounds 1     # 10 GB

Sender and receiver are processes of their own in both cases. Node's server pipes a read stream into
the answer, its client the answer into a write stream: nothing is sealed, verified or synced. OCFT's
nodes trust each other and meet on the local channel; theirs is sealed, hashed on both sides, synced
and recorded. "in all" begins before the sender has hashed the file, "moving" with the accept;
"first byte" is the time from when the receiver has the offer, and so accepts it, to the first frame
of the file.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

from nodes import MB, Table, add_common, scratch

from ocft import DirectOptions, TransferManager, TrustedPeer
from ocft.channels import find_adapter
from ocft.ranges import Range
from ocft.runtime.wire2.direct_records import RecordReader

Take = Callable[[int, memoryview, memoryview], None]
GIB = 1 << 30
SERVER = """
const http = require('http'), fs = require('fs');
const server = http.createServer((_, answer) => {
  answer.setHeader('Content-Length', fs.statSync(process.argv[1]).size);
  fs.createReadStream(process.argv[1]).pipe(answer);
}).listen(0, '127.0.0.1', () => console.log(server.address().port));
"""
CLIENT = """
const http = require('http'), fs = require('fs');
http.get({host: '127.0.0.1', port: process.argv[1]}, answer =>
  answer.pipe(fs.createWriteStream(process.argv[2])).on('finish', () => process.exit(0)));
"""


def node(source: Path, folder: Path) -> float:
    """Return the seconds that Node.js takes, from the start of its client to its end."""
    target = folder / "node.bin"
    server = subprocess.Popen(
        ["node", "-e", SERVER, str(source)],  # noqa: S607 - the one that is installed
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        began = time.monotonic()
        subprocess.run(["node", "-e", CLIENT, port, str(target)], check=True)  # noqa: S607
        return time.monotonic() - began
    finally:
        server.kill()
        server.wait()
        target.unlink(missing_ok=True)


PLAIN = DirectOptions(addresses=("127.0.0.1",))


async def run_node(
    home: Path, name: str, source: Path | None, options: DirectOptions = PLAIN
) -> None:
    """Be one of the nodes: the sender if there is a source."""
    other = "bob" if name == "alice" else "alice"
    spool = {"spool": str(home / "spool")}
    async with await find_adapter("local").open(name, spool) as channel:
        manager = TransferManager(
            bot_id=name,
            secret="between us",  # noqa: S106
            channel=channel,
            download_dir=home / name,
            trusted_peers=[TrustedPeer(id=other, secret="between us")],  # noqa: S106
            auto_accept=True,
            max_file_size=1 << 40,
            direct=options,
        )
        started: list[float] = []
        manager.on("transfer-started", lambda _: started.append(time.monotonic()))
        ended = asyncio.Event()
        manager.on("transfer-completed", lambda _: ended.set())
        offered: list[float] = []
        manager.on("offer-received", lambda _: offered.append(time.monotonic()))
        first_frames = note_first_frame()
        late: list[float] = []
        async with manager:
            watching = asyncio.create_task(watch(late))
            idle = peak()
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            if source is not None:
                await asyncio.to_thread(sys.stdin.readline)
                began = time.monotonic()
                await manager.wait(await manager.send_file(other, source))
                now = time.monotonic()
                report = {"in all": now - began, "moving": now - started[0]}
            else:
                await ended.wait()
                await asyncio.sleep(0.5)
                report = {"first byte": first_frames[0] - offered[0]}
            watching.cancel()
            report["late"] = sorted(late)[int(len(late) * 0.99)] * 1000
            sys.stdout.write(json.dumps(report | {"above idle": peak() - idle}) + "\n")


def note_first_frame() -> list[float]:
    """Return a list into which the moment goes when the first whole frame of a file has come."""
    moments: list[float] = []
    read_into = RecordReader.read

    def read(reader: RecordReader, ranges: Sequence[Range], take: Take) -> None:
        def taking(offset: int, data: memoryview, buffer: memoryview) -> None:
            if not moments and len(data) > MB:  # not the manifest
                moments.append(time.monotonic())
            take(offset, data, buffer)

        read_into(reader, ranges, taking)

    mock.patch.object(RecordReader, "read", read).start()
    return moments


async def watch(late: list[float]) -> None:
    """Note, every 5 ms, by how many seconds a handler of the bot would be called late."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(0.005)
        late.append(max(0.0, time.monotonic() - began - 0.005))


def peak() -> float:
    """Return the most memory that this process had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ocft(source: Path, script: str = __file__) -> dict[str, float]:
    """Return what two nodes report that a script begins."""
    with scratch() as home:
        processes = [
            subprocess.Popen(
                [sys.executable, script, "--node", str(home), name, *extra],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for name, extra in (("bob", []), ("alice", [str(source)]))
        ]
        reports: list[dict[str, float]] = []
        for one in processes:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        sender = processes[1]
        assert sender.stdin is not None
        sender.stdin.write("go\n")
        sender.stdin.flush()
        for one in processes:
            assert one.stdout is not None
            reports.append(json.loads(one.stdout.readline()))
            one.wait()
        received = home / "bob" / source.name
        assert received.stat().st_size == source.stat().st_size
        return reports[1] | {
            "receiver": reports[0]["above idle"],
            "first byte": reports[0]["first byte"],
            "late": max(one["late"] for one in reports),
        }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common(parser)
    parser.add_argument("--size", type=int, help="millions of bytes")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--node", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.node:
        home, name, *source = arguments.node
        asyncio.run(run_node(Path(home), name, Path(source[0]) if source else None))
        return
    size, rounds = (100 * MB, 2) if arguments.quick else (GIB, 3)
    size = arguments.size * MB if arguments.size else size
    rounds = arguments.rounds or rounds
    table = Table(as_json=arguments.json)
    with scratch() as folder:
        source = folder / "file.bin"
        subprocess.run(
            ["head", "-c", str(size), "/dev/urandom"],  # noqa: S607
            stdout=source.open("wb"),
            check=True,
        )
        node(source, folder)  # warms up
        for _ in range(rounds):
            plain, sealed = node(source, folder), ocft(source)
            table.add(
                {
                    "size": f"{size / MB:.0f} MB",
                    "node, s": plain,
                    "ocft in all, s": sealed["in all"],
                    "ocft moving, s": sealed["moving"],
                    "speed / node's": plain / sealed["moving"],
                    "in all / node's": plain / sealed["in all"],
                    "first byte, ms": sealed["first byte"] * 1000,
                    "sender, MiB above idle": sealed["above idle"],
                    "receiver, MiB above idle": sealed["receiver"],
                }
            )


if __name__ == "__main__":
    main()
