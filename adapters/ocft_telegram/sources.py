"""Where a channel's texts come from, as the channel sees it."""

import asyncio
from collections.abc import Coroutine
from typing import Protocol, TypeVar

from ocft.channels import IncomingText, Marks

_T = TypeVar("_T")


class Source(Protocol):
    """A queue of texts; the first one stays in it until it was handled."""

    def remember_in(self, marks: Marks) -> None:
        """Take the place for what must survive a restart."""

    async def head(self) -> IncomingText | None:
        """Wait for a text and return it; None: it was closed.

        Raises:
            ChannelError: Nothing can be read any more.
        """

    def handled(self) -> None:
        """Take the head off: it was handled."""

    def rest(self) -> None:
        """Note that its reader stops, perhaps for good."""

    async def close(self) -> None:
        """End `head`."""


async def unless_set(event: asyncio.Event, work: Coroutine[object, object, _T]) -> _T | None:
    """Do some work, but stop it when an event is set; None: it was stopped."""
    working = asyncio.create_task(work)
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() and not event.is_set() else None
    finally:
        both = [task for task in (working, waiting) if not task.done()]
        for task in both:
            task.cancel()
        if both:
            await asyncio.wait(both)
        if working.done() and not working.cancelled():
            working.exception()  # so that nobody complains that it was not looked at
