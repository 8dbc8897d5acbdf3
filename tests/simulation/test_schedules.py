"""A thousand bad days, each from a seed: never a wrong file, never two, never a hang.

`OCFT_SCHEDULES=100000 pytest tests/simulation` plays more schedules,
`OCFT_SEED=N OCFT_SCHEDULES=1` replays one.
"""

import os
import tempfile
from pathlib import Path

import pytest

from tests.simulation.schedule import play

FIRST = int(os.environ.get("OCFT_SEED", "0"))
COUNT = int(os.environ.get("OCFT_SCHEDULES", "1000"))
_BLOCK = 50


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, _BLOCK))
def test_no_schedule_ends_badly(first: int) -> None:
    for seed in range(first, min(first + _BLOCK, FIRST + COUNT)):
        with tempfile.TemporaryDirectory() as folder:
            play(seed, Path(folder))
