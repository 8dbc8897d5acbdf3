"""Two processes, one file, a hundred `kill -9`."""

import multiprocessing
import random
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from ocft.wire import digest_of
from tests.e2e.node_process import CHUNK, run_node

KILLS = 100
_PATIENCE = 60.0  # seconds, many times what the test takes


def test_a_transfer_survives_a_hundred_kills(tmp_path: Path) -> None:
    chance = random.Random(1)
    source = tmp_path / "report.bin"
    source.write_bytes(chance.randbytes(500 * CHUNK + 17))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.e2e.node_process"])

    def start(name: str) -> ForkServerProcess:
        peer, file = ("bob", source) if name == "alice" else ("alice", None)
        process = context.Process(target=run_node, args=(name, peer, tmp_path, file))
        process.start()
        return process

    logs = {name: tmp_path / f"{name}.log" for name in ("alice", "bob")}
    nodes = {name: start(name) for name in logs}
    for number in range(KILLS):
        # Every kill hits a transfer that has moved on since the one before, at a random moment.
        goal = _lines(logs["bob"]) + chance.randrange(5)
        _wait_until(partial(_has_come_to, goal, logs["bob"], nodes["bob"]))
        time.sleep(chance.random() * 0.01)
        victim = chance.choice(["alice", "bob"]) if number % 10 else "both"
        for name in nodes if victim == "both" else [victim]:
            nodes[name].kill()
            nodes[name].join()
            nodes[name] = start(name)
    for node in nodes.values():
        node.join(_PATIENCE)
        assert node.exitcode == 0

    arrived = [path for path in (tmp_path / "bob").iterdir() if path.is_file()]
    assert [path.name for path in arrived] == ["report.bin"]
    assert digest_of(arrived[0].read_bytes()) == digest_of(source.read_bytes())
    assert list((tmp_path / "bob" / ".ocft" / "partial").iterdir()) == []
    stored = logs["bob"].read_text().splitlines()
    assert len(stored) == len(set(stored)), "a chunk was stored twice"
    sent = logs["alice"].read_text().splitlines()
    # Chunks that were under way when a side died are the only ones that go again.
    assert len(sent) - len(set(sent)) <= KILLS


def _has_come_to(goal: int, log: Path, node: ForkServerProcess) -> bool:
    return _lines(log) >= goal or not node.is_alive()


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "the transfer stands still"
        time.sleep(0.002)
