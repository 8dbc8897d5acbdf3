"""Hostile cases R3 and X9: a chat that loses texts by a pattern, and verification in masses."""

import itertools
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from ocft.storage import ArrivingSet
from ocft.testing import run
from ocft.transfers import TransferState
from tests.runtime.sealed_pair import sealed_nodes, write_files

CONTENT = bytes(range(256)) * 4000


# Every second text would be each answer: then both sides state that it failed.
@pytest.mark.parametrize("nth", [3, 5, 7])
def test_every_nth_text_is_dropped_and_the_file_is_whole(tmp_path: Path, nth: int) -> None:  # R3
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            counter = itertools.count(1)
            alice.room.ear = lambda author, to, text: [] if next(counter) % nth == 0 else [text]
            folder = write_files(tmp_path, big=CONTENT, small=b"x")
            info = await alice.end_of(await alice.manager.send_file("bob", folder))
            assert info.state is TransferState.COMPLETED
            saved = bob.home / folder.name
            assert (saved / "big").read_bytes() == CONTENT

    run(main())


def test_no_more_files_are_verified_at_once_than_there_are_threads(  # X9
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, most = 0, 0
    lock = threading.Lock()
    real = ArrivingSet.publish

    def counted(self: ArrivingSet, *arguments: Any) -> list[Path]:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        try:
            return real(self, *arguments)
        finally:
            with lock:
                at_once -= 1

    monkeypatch.setattr(ArrivingSet, "publish", counted)

    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, _):
            sources = tmp_path / "many"
            sources.mkdir()
            paths = [sources / f"f{number}" for number in range(40)]
            for path in paths:
                path.write_bytes(path.name.encode())
            ids = [await alice.manager.send_file("bob", path) for path in paths]
            for one in ids:
                assert (await alice.end_of(one)).state is TransferState.COMPLETED

    run(main())
    assert 0 < most <= min(32, (os.cpu_count() or 1) + 4)  # the event loop's own thread pool
