"""The WebRTC route against the plain one, disk to disk, over loopback, two processes each.

    python benchmarks/webrtc.py             # 100 MB, three rounds in turn
    python benchmarks/webrtc.py --quick     # 20 MB, two rounds

"late" is by how many milliseconds a handler of the bot is called later than it asked for, the 99th
of a hundred, at the end where that is more.
"""

import argparse
import asyncio
import subprocess
from pathlib import Path

import direct
from nodes import MB, Table, add_common, scratch

from ocft import DirectOptions, WebRtcOptions

WEBRTC = DirectOptions(listens=False, addresses=("127.0.0.1",), webrtc=WebRtcOptions())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common(parser)
    parser.add_argument("--node", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.node:
        home, name, *source = arguments.node
        file = Path(source[0]) if source else None
        asyncio.run(direct.run_node(Path(home), name, file, WEBRTC))
        return
    size, rounds = (20 * MB, 2) if arguments.quick else (100 * MB, 3)
    table = Table(as_json=arguments.json)
    with scratch() as folder:
        source = folder / "file.bin"
        subprocess.run(
            ["head", "-c", str(size), "/dev/urandom"],  # noqa: S607
            stdout=source.open("wb"),
            check=True,
        )
        for _ in range(rounds):
            plain, line = direct.ocft(source), direct.ocft(source, __file__)
            table.add(
                {
                    "size": f"{size / MB:.0f} MB",
                    "plain, s": plain["moving"],
                    "webrtc, s": line["moving"],
                    "webrtc, MB/s": size / MB / line["moving"],
                    "speed / plain": plain["moving"] / line["moving"],
                    "sender, MiB above idle": line["above idle"],
                    "receiver, MiB above idle": line["receiver"],
                    "late, plain": plain["late"],
                    "late, webrtc": line["late"],
                }
            )


if __name__ == "__main__":
    main()
