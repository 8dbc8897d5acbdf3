"""Nodes in processes of their own, killed at random, on connections that break at random.

OCFT_PLATFORM_KILLS=50 makes it fifty of each for each platform, which takes some minutes.
"""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from tests.adapters.killed_node_process import PEERS, Node, run_node
from tests.emulators.stand_ins import STAND_INS, StandIn

SPEED = 50
KILLS = int(os.environ.get("OCFT_PLATFORM_KILLS", "4"))
BREAKS = int(os.environ.get("OCFT_PLATFORM_KILLS", "10"))
BUNDLE = 1 << 18  # bytes of a native file: the smallest that are used
PATIENCE = 60.0  # seconds, many times what a step takes


@pytest.mark.parametrize("platform", STAND_INS)
def test_a_file_arrives_once_though_nodes_die_and_connections_break(
    platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    chance = random.Random(platform)
    # More than can go between two blows, so that all of them fall while it is under way.
    data = chance.randbytes((KILLS + BREAKS) * 3 * BUNDLE + 4321)
    source = tmp_path / "report.bin"
    source.write_bytes(data)
    with STAND_INS[platform](SPEED) as stand_in:
        _send(stand_in, tmp_path, source, chance)
        (arrived,) = [path for path in (tmp_path / "bob").iterdir() if path.is_file()]
        assert (arrived.name, arrived.read_bytes() == data) == ("report.bin", True)
        # One transfer on either side.
        assert {name: (tmp_path / f"{name}.done").read_text() for name in PEERS} == {
            "alice": "1",
            "bob": "1",
        }


def _send(stand_in: StandIn, folder: Path, source: Path, chance: random.Random) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.adapters.killed_node_process"])

    def start(name: str) -> ForkServerProcess:
        node = Node(
            name=name,
            platform=stand_in.name,
            section=stand_in.section(name) | {"max_file_size": BUNDLE},
            environment=stand_in.environment(name),
            peer_address=stand_in.address(PEERS[name]),
            folder=folder,
            source=source if name == "alice" else None,
            speed=SPEED,
        )
        process = context.Process(target=run_node, args=(node,))
        process.start()
        return process

    blows = ["kill"] * KILLS + ["break"] * BREAKS
    chance.shuffle(blows)
    nodes = {name: start(name) for name in PEERS}
    try:
        for blow in blows:
            # Each hits a transfer that has moved on since the one before, at a random moment.
            goal = stand_in.count() + chance.randrange(1, 6)
            _wait_until(lambda goal=goal: stand_in.count() >= goal or _is_over(folder, nodes))  # type: ignore[misc]
            assert not _is_over(folder, nodes), f"over before the last blow: {nodes}"
            time.sleep(chance.random() * 0.05)
            if blow == "break":
                stand_in.cut(chance.choice(list(PEERS)))
                continue
            for name in chance.choice([["alice"], ["bob"], ["alice", "bob"]]):
                nodes[name].kill()
                nodes[name].join()
                assert nodes[name].exitcode == -signal.SIGKILL  # and not that it had ended before
                nodes[name] = start(name)
        for node in nodes.values():
            node.join(PATIENCE)
            assert node.exitcode == 0
    finally:
        for node in nodes.values():
            node.kill()
            node.join()


def _is_over(folder: Path, nodes: dict[str, ForkServerProcess]) -> bool:
    return any(folder.glob("*.done")) or not all(node.is_alive() for node in nodes.values())


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "the transfer stands still"
        time.sleep(0.005)
