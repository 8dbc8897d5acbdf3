"""Work in a thread of its own: the shared ones are few, and syncing needs one of them."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

from ocft.errors import ChannelClosedError


async def in_own_thread(work: Callable[[], None], name: str) -> None:
    """Do something that takes long, and raise what it raises.

    Args:
        work: It goes on if the caller is cancelled: have another way to end it.
        name: What the thread is called.

    Raises:
        ChannelClosedError: There are too many threads.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: BaseException | None) -> None:
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as problem:  # noqa: BLE001 - it is raised where it is awaited
            error = problem
        with suppress(RuntimeError):  # the event loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, error)

    start_thread(threading.Thread(target=run, name=name, daemon=True))
    await done


def start_thread(thread: threading.Thread) -> None:
    """Start a thread that serves a connection.

    Raises:
        ChannelClosedError: There are too many threads: the channel needs none.
    """
    try:
        thread.start()
    except RuntimeError as error:
        raise ChannelClosedError("There are too many threads for another connection.") from error
