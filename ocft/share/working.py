"""Work that blocks, in a thread that is never left alone."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(call: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Run a call in a worker thread; a cancellation waits until it has ended.

    So nothing is closed, and no lock released, under a thread that still works.
    """
    return await _ended(asyncio.ensure_future(asyncio.to_thread(call, *args, **named)))


async def in_thread_of(threads: Executor, call: Callable[..., T], *args: object) -> T:
    """Do the same in one of some threads.

    Args:
        threads: Which ones.
        call: What to do.
        args: Its arguments.
    """
    return await _ended(asyncio.get_running_loop().run_in_executor(threads, call, *args))


async def _ended(work: "asyncio.Future[T]") -> T:
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            # Cancelled again and again, it still waits: a thread cannot be stopped.
            await asyncio.wait([work])
        raise
