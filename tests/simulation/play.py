"""Plays schedules until one ends badly: `python -m tests.simulation.play [--sealed] FROM TO`."""

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.simulation.schedule import BadEndError, play
from tests.simulation.sealed import play_sealed


def main() -> int:
    """Play, and print the seeds that end badly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("end", type=int)
    parser.add_argument("--sealed", action="store_true", help="wire 2 instead of 1.0")
    parser.add_argument("--trace", action="store_true", help="where it went wrong")
    options = parser.parse_args()
    began, bad = time.monotonic(), 0
    for seed in range(options.first, options.end):
        with tempfile.TemporaryDirectory() as folder:
            try:
                (play_sealed if options.sealed else play)(seed, Path(folder))
            except BadEndError as error:
                bad += 1
                print(error, flush=True)  # noqa: T201 - a command
                if options.trace:
                    traceback.print_exc()
    seconds = time.monotonic() - began
    print(f"{options.end - options.first} schedules, {bad} bad, {seconds:.0f} s")  # noqa: T201
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
