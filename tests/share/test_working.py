import asyncio
import threading

import pytest

from ocft.share.working import in_thread
from tests.share.served import run


def test_a_call_works_in_another_thread() -> None:
    async def work() -> None:
        assert await in_thread(threading.get_ident) != threading.get_ident()
        with pytest.raises(ValueError, match="x"):
            await in_thread(int, "x")

    run(work)


def test_a_cancellation_waits_for_the_thread() -> None:
    may_end, has_begun, ended = threading.Event(), threading.Event(), []

    def call() -> None:
        has_begun.set()
        may_end.wait(10)
        ended.append(True)

    async def work() -> None:
        task = asyncio.create_task(in_thread(call))
        while not has_begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]

    run(work)
