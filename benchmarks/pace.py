"""How long 1 MB of random bytes takes through the limits of real chats, wire 1.0 against wire 2.

    python benchmarks/pace.py            # the tables in benchmarks/README.md
    python benchmarks/pace.py --quick    # one seed, two channels

In virtual time: a text is under way for 0.3 s, each side has the rate to itself and keeps to it.
The nodes have never met, so wire 2's handshake is in its time. From `send_file` until both know
that the file is there; medians over the seeds. The floor is the texts that the bytes fill in wire
2, at the channel's rate.
"""

import math
import statistics

from nodes import MB, Table, chat, open_nodes, parse_arguments, payload_of, scratch, write_random

from ocft import ChannelLimits, TextUnit
from ocft.testing import Faults, run

DELAY = 0.3  # seconds
# Limits as platforms state them, 2026-08. What Slack counts is not documented: both are shown.
PLATFORMS = {
    "Telegram chat: 4,096 UTF-16 units, 1/s": chat(4096, TextUnit.UTF16_UNITS, 1.0),
    "Telegram group: 4,096 UTF-16 units, 20/min": chat(4096, TextUnit.UTF16_UNITS, 1 / 3),
    "Discord: 2,000 code points, 5 per 5 s": chat(2000, TextUnit.CODE_POINTS, 1.0, burst=5),
    "Slack: 4,000 UTF-8 bytes, 1/s": chat(4000, TextUnit.UTF8_BYTES, 1.0),
    "Slack: 4,000 code points, 1/s": chat(4000, TextUnit.CODE_POINTS, 1.0),
}


async def time_one(limits: ChannelLimits, wire: str, loss: float, seed: int) -> float:
    """Return the virtual seconds of one transfer."""
    faults = Faults(loss=loss, delay=(DELAY, DELAY))
    with scratch() as folder:
        path = write_random(folder / "file.bin", MB, seed=seed)
        async with open_nodes(
            folder, wires=[wire], limits=limits, faults=faults, seed=seed
        ) as nodes:
            return await nodes.transfer(path)


def main() -> None:
    """Print a row for each platform and rate of loss."""
    arguments = parse_arguments(__doc__)
    table = Table(as_json=arguments.json)
    for name, limits in list(PLATFORMS.items())[: 2 if arguments.quick else None]:
        payload, alphabet = payload_of(limits)
        assert limits.texts_per_second is not None
        floor = (math.ceil(MB / payload) - limits.burst) / limits.texts_per_second
        for loss in (0.0, 0.01, 0.05):
            seeds = range(1 if arguments.quick or not loss else 5)
            old, new = (
                [run(time_one(limits, wire, loss, seed)) for seed in seeds] for wire in ("1.0", "2")
            )
            ratios = [one / other for one, other in zip(new, old, strict=True)]
            table.add(
                {
                    "channel": name,
                    "alphabet": alphabet,
                    "loss": f"{loss:.0%}",
                    "wire 1.0 s": statistics.median(old),
                    "wire 2 s": statistics.median(new),
                    "wire 2 / 1.0": statistics.median(ratios),
                    "worst": max(ratios),
                    "floor s": floor,
                }
            )


if __name__ == "__main__":
    main()
