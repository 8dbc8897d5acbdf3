"""How many texts wire 2 needs for 1 MB of random bytes, against how many could not be fewer.

    python benchmarks/messages.py            # the table in benchmarks/README.md
    python benchmarks/messages.py --quick    # fewer seeds

A channel of 4,096 UTF-16 units, a text a second and side, in virtual time. The least is the bytes
of the byte space (manifest and file) by what one text carries in the alphabet in use, rounded up.
Texts of both directions are counted, those that are lost too, until a minute after the end. A pair
of nodes that has never met sends twice: the first transfer has the handshake and the probe of the
dense alphabet in it, the second one neither.
"""

import math
import statistics
from pathlib import Path

from nodes import MB, Table, chat, open_nodes, parse_arguments, payload_of, scratch, write_random

from ocft import ChannelLimits, TextUnit
from ocft.storage import Collected, SourceSet
from ocft.testing import Faults, run
from ocft.wire import pack_manifest

TELEGRAM = chat(4096, TextUnit.UTF16_UNITS, 1.0)
AT_ONCE = ChannelLimits(max_text=4096, unit=TextUnit.UTF16_UNITS)
CASES = (
    ("no loss", TELEGRAM, Faults(delay=(0.3, 0.3))),
    ("no loss, no rate limit", AT_ONCE, Faults(delay=(0.3, 0.3))),
    # Held back for 1 to 3 s, so that as many texts overtake.
    ("5 % loss, 10 % reordered", TELEGRAM, Faults(loss=0.05, reordering=0.1, delay=(0.3, 1.0))),
    (
        "5 % loss, 10 % reordered, no rate limit",
        AT_ONCE,
        Faults(loss=0.05, reordering=0.1, delay=(0.3, 1.0)),
    ),
)


def space_of(path: Path) -> int:
    """Return the bytes of the byte space of a transfer of one file."""
    manifest, _ = SourceSet.describe([Collected(path, path.name)])
    return len(pack_manifest(manifest)) + path.stat().st_size


async def count(
    folder: Path, limits: ChannelLimits, faults: Faults, seed: int
) -> list[dict[str, int]]:
    """Return the texts of the first and of a later transfer, by kind, and the least."""
    rows = []
    async with open_nodes(folder, limits=limits, faults=faults, seed=seed) as nodes:
        for number in range(2):
            path = write_random(folder / f"{number}.bin", MB, seed=2 * seed + number)
            nodes.counts.clear()
            await nodes.transfer(path, is_chat=True)
            least = math.ceil(space_of(path) / payload_of(limits)[0])
            rows.append({**nodes.counts, "all": nodes.counts.total(), "least": least})
    return rows


def main() -> None:
    """Print a row for each kind of channel and transfer."""
    arguments = parse_arguments(__doc__)
    table = Table(as_json=arguments.json)
    for name, limits, faults in CASES:
        firsts, laters = [], []
        for seed in range((3 if arguments.quick else 15) if faults.loss else 1):
            with scratch() as folder:
                first, later = run(count(folder, limits, faults, seed))
            firsts.append(first)
            laters.append(later)
        for kind, rows in (("first, with handshake", firsts), ("later", laters)):
            ratios = [row["all"] / row["least"] for row in rows]
            table.add(
                {
                    "channel": name,
                    "transfer": kind,
                    "least": rows[0]["least"],
                    **{
                        one: statistics.median(row.get(one, 0) for row in rows)
                        for one in ("data", "acks", "control", "handshake", "all")
                    },
                    "min": min(ratios),
                    "median": statistics.median(ratios),
                    "max": max(ratios),
                    "goal": 1.35 if faults.loss else 1.1,
                }
            )


if __name__ == "__main__":
    main()
