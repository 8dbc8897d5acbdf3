"""Hundreds of bad days on wire 2, most of them with somebody who attacks (threat-model.md).

`OCFT_SEALED_SCHEDULES=10000 pytest tests/simulation` plays more schedules, `OCFT_SEED=N
OCFT_SEALED_SCHEDULES=1` replays one, and `python -m tests.simulation.play --sealed FROM TO` goes on
after one that ends badly.
"""

import os
import tempfile
from pathlib import Path

import pytest

from tests.simulation.sealed import play_sealed

FIRST = int(os.environ.get("OCFT_SEED", "0"))
COUNT = int(os.environ.get("OCFT_SEALED_SCHEDULES", "200"))
_BLOCK = 25


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, _BLOCK))
def test_no_sealed_schedule_ends_badly(first: int) -> None:
    for seed in range(first, min(first + _BLOCK, FIRST + COUNT)):
        with tempfile.TemporaryDirectory() as folder:
            play_sealed(seed, Path(folder))


@pytest.mark.parametrize("seed", [366, 733, 1472, 4147, 4544, 4725, 5514, 7834])
def test_what_ended_badly_once_does_not_any_more(seed: int, tmp_path: Path) -> None:
    play_sealed(seed, tmp_path)
