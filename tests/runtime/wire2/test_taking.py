"""`ocft.runtime.wire2.taking`: what is here already, with the threads of a real event loop."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

from ocft.runtime.wire2.taking import Taking
from tests.storage.incoming_sets import manifest_of

MANIFEST = manifest_of({"a": b"alpha", "b": b"beta"})
LOOK = "ocft.runtime.wire2.taking.already_have"


def taking(folder: Path, looking: asyncio.Lock, *, is_over: Any = lambda: False) -> Taking:
    around = SimpleNamespace(download_dir=folder, wall_clock=lambda: 1.0)
    return Taking(cast("Any", None), around=cast("Any", around), looking=looking, is_over=is_over)


def test_files_of_the_folder_are_read_for_one_transfer_at_a_time(tmp_path: Path) -> None:
    """Many offers of large files must not make the disk crawl (R-MAN-3)."""
    begun: list[int] = []
    may_end = threading.Event()

    def look(*_: object, **__: object) -> set[int]:
        begun.append(len(begun))
        assert may_end.wait(30)
        return set()

    async def main() -> None:
        looking = asyncio.Lock()
        found = [
            asyncio.create_task(taking(tmp_path, looking).find(MANIFEST, ())) for _ in range(3)
        ]
        while not begun:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert begun == [0]
        may_end.set()
        assert await asyncio.gather(*found) == [(set(), [])] * 3
        assert begun == [0, 1, 2]

    with mock.patch(LOOK, look):
        asyncio.run(main())


def test_looking_ends_when_nothing_of_it_is_needed_any_more(tmp_path: Path) -> None:
    over = threading.Event()

    def look(*_: object, is_over: Any) -> set[int]:
        assert not is_over()
        over.set()
        assert is_over()
        return {0, 1}

    async def main() -> None:
        one = taking(tmp_path, asyncio.Lock(), is_over=over.is_set)
        assert await one.find(MANIFEST, ()) == (set(), [])

    with mock.patch(LOOK, look):
        asyncio.run(main())


def test_what_is_here_whole_need_not_be_sent(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"beta")

    async def main() -> None:
        assert await taking(tmp_path, asyncio.Lock()).find(MANIFEST, ()) == ({1}, [])
        assert await taking(tmp_path, asyncio.Lock()).find(MANIFEST, {1}) == (set(), [])

    asyncio.run(main())


def test_who_waits_in_line_can_leave_it_and_others_go_on(tmp_path: Path) -> None:
    async def main() -> None:
        looking = asyncio.Lock()
        one, other = taking(tmp_path, looking), taking(tmp_path, looking)
        async with looking:
            first = asyncio.create_task(one.find(MANIFEST, ()))
            second = asyncio.create_task(other.find(MANIFEST, ()))
            await asyncio.sleep(0)
            one.leave_line()
            await asyncio.wait([first])
            assert first.cancelled()
        assert await second == (set(), [])
        assert not looking.locked()
        other.leave_line()  # nobody is in it

    with mock.patch(LOOK, return_value=set()):
        asyncio.run(main())


def test_who_is_over_does_not_queue_up(tmp_path: Path) -> None:
    async def main() -> None:
        looking = asyncio.Lock()
        async with looking, asyncio.timeout(5):
            found = await taking(tmp_path, looking, is_over=lambda: True).find(MANIFEST, ())
        assert found == (set(), [])

    asyncio.run(main())
