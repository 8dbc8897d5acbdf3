"""When the direct route is tried again, and what ends together with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from unittest import mock

from ocft.routes import Client
from ocft.runtime.wire2.direct_receiving import Fetching


class FakeWays:
    """Ways that lead nowhere; notes how long is waited between rounds."""

    def __init__(self) -> None:
        self.most_failures = 5
        self.waited: list[float | None] = []
        self.has_begun = asyncio.Event()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        yield True

    async def begin_round(self) -> None:
        self.has_begun.set()

    async def next(self, failures: int) -> Client:
        await asyncio.Event().wait()
        raise AssertionError(failures)

    async def news_within(self, seconds: float | None) -> None:
        self.waited.append(seconds)

    def stop(self) -> None:
        """End nothing."""

    close = stop


def fetching_over(ways: FakeWays) -> Fetching:
    return Fetching(
        cast("Any", ways),
        data_key=bytes(32),
        tag=b"tag",
        arriving=cast("Any", None),
        missing=lambda: [(0, 1)],
        written=lambda: None,
    )


def test_after_a_round_that_brought_something_it_is_tried_soon() -> None:  # R-DIR-5
    async def main() -> None:
        ways = FakeWays()
        fetching = fetching_over(ways)
        brought = iter((1, 0, 0, 0, 0, 1, 0))

        async def one_round(_: Fetching) -> bool:
            count = next(brought, None)
            fetching._came += count or 0
            return count is None

        with mock.patch.object(Fetching, "_fetch_in_a_round", one_round):
            await fetching.run()
        assert ways.waited == [30.0, 60.0, 120.0, 300.0, 300.0, 30.0, 60.0]

    asyncio.run(main())


def test_who_is_cancelled_keeps_no_thread_waiting_for_the_disk() -> None:
    async def main() -> None:
        ways = FakeWays()
        fetching = fetching_over(ways)
        running = asyncio.create_task(fetching.run())
        await ways.has_begun.wait()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        assert fetching.has_synced.is_set()
        assert fetching._is_stopped

    asyncio.run(main())
