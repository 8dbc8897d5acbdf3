"""Work that blocks, in a thread that is never left alone."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(call: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Run a call in a worker thread; a cancellation waits until it has ended.

    So nothing is closed, and no lock released, under a thread that still works.
    """
    work = asyncio.ensure_future(asyncio.to_thread(call, *args, **named))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            # Cancelled again and again, it still waits: a thread cannot be stopped.
            await asyncio.wait([work])
        raise
