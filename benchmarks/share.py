"""`ocft share` and `ocft receive` against a plain, readable HTTP stream of Node.js, disk to disk.

    python benchmarks/share.py             # 100 MB, 1 GiB, 3 GB; three rounds in turn
    python benchmarks/share.py --quick     # 100 MB, two rounds

Over loopback, sender and receiver are processes of their own in both cases. Node's server pipes a
read stream into the answer, its client the answer into a write stream: nothing is sealed, verified
or synced. OCFT's is sealed, verified by its seals and by SHA-256, synced and kept for a restart.
"moving" is from the moment the receiver knows the files to its end, "in all" is the whole command
`ocft receive`. Memory is the peak of a process above that of the same command for one byte.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from direct import GIB, node
from nodes import MB, Table, add_common, scratch


class Command:
    """A command that writes lines of JSON.

    Args:
        home: Its node's home.
        words: What is typed.
    """

    def __init__(self, home: Path, *words: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ocft", "--home", str(home), "--json", *words],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.began = time.monotonic()

    def until(self, event: str) -> dict[str, object]:
        """Return the next event of this name."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if told.get("event") == event:
                return dict(told)
        raise SystemExit(f"no {event}")

    def end(self) -> float:
        """Return the most memory that the process had, in MiB."""
        assert self._process.stdout is not None
        self._process.stdout.read()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        assert self._process.returncode == 0
        self._process.stdout.close()
        return usage.ru_maxrss / 1024


def share(source: Path, folder: Path) -> dict[str, float]:
    """Share a file and receive it; return what was measured."""
    inbox = folder / "inbox"
    sender = Command(folder / "a", "share", str(source), "--once", "--host", "127.0.0.1")
    link = str(sender.until("session_created")["share_url"])
    sender.until("waiting_for_receiver")
    receiver = Command(folder / "b", "receive", link, "-o", str(inbox))
    told = receiver.until("transfer_complete")
    peak = receiver.end()
    seconds = time.monotonic() - receiver.began
    assert (inbox / source.name).stat().st_size == source.stat().st_size
    (inbox / source.name).unlink()
    moving = int(str(told["duration_ms"])) / 1000
    return {"in all": seconds, "moving": moving, "receiver": peak, "sender": sender.end()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common(parser)
    arguments = parser.parse_args()
    sizes, rounds = ([100 * MB], 2) if arguments.quick else ([100 * MB, GIB, 3000 * MB], 3)
    table = Table(as_json=arguments.json)
    with scratch() as folder:
        byte = folder / "byte"
        byte.write_bytes(b"x")
        idle = share(byte, folder)
        for size in sizes:
            source = folder / "file.bin"
            with source.open("wb") as file:
                subprocess.run(["head", "-c", str(size), "/dev/urandom"], stdout=file, check=True)  # noqa: S607
            node(source, folder)  # warms up
            for _ in range(rounds):
                plain, sealed = node(source, folder), share(source, folder)
                table.add(
                    {
                        "size": f"{size / MB:.0f} MB",
                        "node, s": plain,
                        "ocft in all, s": sealed["in all"],
                        "ocft moving, s": sealed["moving"],
                        "speed / node's": plain / sealed["moving"],
                        "in all / node's": plain / sealed["in all"],
                        "sender, MiB above idle": sealed["sender"] - idle["sender"],
                        "receiver, MiB above idle": sealed["receiver"] - idle["receiver"],
                    }
                )


if __name__ == "__main__":
    main()
