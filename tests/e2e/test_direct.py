"""Two processes, a file that goes around the channel, and twenty `kill -9`."""

import hashlib
import multiprocessing
import random
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from ocft import DirectOptions
from ocft.runtime.wire2.direct_receiving import MOST_UNSYNCED
from tests.e2e.direct_node_process import run_node

MIB = 1 << 20
SIZE = 192 * MIB + 12_345
KILLS = 20
STEP = SIZE // (2 * KILLS)  # on a fast disk much comes between a look and a kill
LISTENING = DirectOptions(addresses=("127.0.0.1",))
_PATIENCE = 60.0  # seconds, many times what the test takes


@pytest.mark.parametrize("sender", [LISTENING, replace(LISTENING, listens=False)])
def test_twenty_kills_of_either_side_cost_a_window_each_at_most(
    tmp_path: Path, sender: DirectOptions
) -> None:  # R-DIR-5
    """It is fetched, and, where only the sender can connect, brought."""
    chance = random.Random(20)
    source = tmp_path / "source.bin"
    with source.open("wb") as file:
        for _ in range(0, SIZE - 12_345, MIB):
            file.write(chance.randbytes(MIB))
        file.write(chance.randbytes(12_345))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.e2e.direct_node_process"])

    def start(name: str) -> ForkServerProcess:
        direct, file = (sender, source) if name == "alice" else (LISTENING, None)
        process = context.Process(target=run_node, args=(name, tmp_path, direct, file))
        process.start()
        return process

    nodes = {name: start(name) for name in ("alice", "bob")}
    kills = 0
    try:
        for _ in range(KILLS):
            goal = _came(tmp_path) + chance.randrange(MIB, STEP)
            _wait_until(partial(_has_come_to, goal, tmp_path))
            if _is_over(tmp_path):
                break
            time.sleep(chance.random() * 0.01)
            name = chance.choice(["alice", "bob"])
            nodes[name].kill()
            nodes[name].join()
            nodes[name] = start(name)
            kills += 1
        for node in nodes.values():
            node.join(_PATIENCE)
            assert node.exitcode == 0
    finally:
        for node in nodes.values():
            node.kill()
            node.join()
    [arrived] = (one for one in (tmp_path / "bob").iterdir() if one.name != ".ocft")
    assert _digest(arrived) == _digest(source)
    assert kills == KILLS
    assert _came(tmp_path) <= SIZE + MIB + kills * (MOST_UNSYNCED + 8 * MIB)


def _came(folder: Path) -> int:
    try:
        lines = (folder / "came").read_text().split("\n")[:-1]
    except FileNotFoundError:
        return 0
    return sum(int(line) for line in lines)


def _has_come_to(goal: int, folder: Path) -> bool:
    return _came(folder) >= goal or _is_over(folder)


def _is_over(folder: Path) -> bool:
    return any(folder.glob("*.done"))


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
