"""Bundles on their way down (R-BUN-1)."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest

from ocft.channels import IncomingFile
from ocft.runtime.wire2.downloads import Downloads
from ocft.testing import run
from ocft.wire import BundleNote

NOTE = BundleNote(bytes(8), 4)


@pytest.mark.parametrize("over", ["transfer", "epoch"])
def test_what_waits_is_not_downloaded_when_it_is_of_no_use_any_more(
    tmp_path: Path, over: str
) -> None:
    pump: Any = SimpleNamespace(id="xfer", address="alice", has_ended=False, hears=lambda tag: True)
    files: Any = SimpleNamespace(ceiling=99, temporary=lambda: (tmp_path / "x").open("wb+"))
    fetched = []

    async def fetch(sink: BinaryIO) -> None:
        fetched.append(sink)
        await asyncio.sleep(1)

    async def main() -> None:
        downloads = Downloads(files)
        for _ in range(4):
            assert (
                downloads.begin(pump, NOTE, IncomingFile("name", 4, fetch), author="alice") is None
            )
        await asyncio.sleep(0.5)
        pump.has_ended, pump.hears = over == "transfer", lambda tag: over == "transfer"
        await asyncio.sleep(5)
        assert len(fetched) == 2
        await downloads.close()

    run(main())


def test_another_account_than_the_peer_s_does_not_keep_its_files_away(tmp_path: Path) -> None:
    pump: Any = SimpleNamespace(
        id="xfer", address="alice", has_ended=False, hears=lambda tag: False
    )
    files: Any = SimpleNamespace(ceiling=99)

    async def fetch(sink: BinaryIO) -> None:
        raise AssertionError(f"{sink} is of no use")

    async def main() -> None:
        downloads = Downloads(files)
        file = IncomingFile("name", 4, fetch)
        began = [downloads.begin(pump, NOTE, file, author="mallory") for _ in range(20)]
        began += [downloads.begin(pump, NOTE, file, author="alice") for _ in range(15)]
        assert began == [None] + ["busy"] * 19 + [None] * 15
        await downloads.close()

    run(main())


@pytest.mark.parametrize(("size", "is_had"), [(4, True), (5, False), (None, False)])
def test_a_size_that_comes_later_is_compared_before_anything_is_downloaded(
    tmp_path: Path, size: int | None, *, is_had: bool
) -> None:
    pump: Any = SimpleNamespace(id="xfer", address="alice", has_ended=False, hears=lambda tag: True)
    files: Any = SimpleNamespace(ceiling=99, temporary=lambda: (tmp_path / "x").open("wb+"))
    fetched = []

    async def fetch(sink: BinaryIO) -> None:
        fetched.append(sink)

    async def ask() -> IncomingFile:
        return IncomingFile("name", size, fetch)

    async def main() -> None:
        downloads = Downloads(files)
        stub = IncomingFile("F1", None, fetch, ask=ask)
        assert downloads.begin(pump, NOTE, stub, author="alice") is None
        await asyncio.sleep(5)
        assert bool(fetched) is is_had
        for wrong in (BundleNote(bytes(8), 100), BundleNote(bytes(8), 3)):
            told = IncomingFile("name", 4, fetch)
            assert downloads.begin(pump, wrong, told, author="alice") == "malformed"
        await downloads.close()

    run(main())
