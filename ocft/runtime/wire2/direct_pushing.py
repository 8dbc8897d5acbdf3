"""Brings the files of one transfer to a receiver that can be reached, while we cannot (R-DIR-7)."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from ocft.errors import ChannelError, OcftError
from ocft.ranges import Range
from ocft.routes import Body, Place, PushConnection, connect
from ocft.runtime.wire2.direct import PAUSES, Direct, text_of
from ocft.runtime.wire2.own_thread import in_own_thread
from ocft.wire import DirectTicket

_log = logging.getLogger(__name__)


class Pushing:
    """Brings what the receiver wants.

    Args:
        direct: The node's direct route.
        ticket: The receiver's.
        body: Gives what the wanted ranges need, or None when it is over; called in a thread.
        progress: Called in a thread with the bytes that left, and with 0 at the end of a request.
    """

    def __init__(
        self,
        direct: Direct,
        ticket: DirectTicket,
        *,
        body: Callable[[Sequence[Range]], Body | None],
        progress: Callable[[int], None],
    ) -> None:
        self._ticket = ticket
        self._direct = direct
        self._body = body
        self._progress = progress
        self._stopped = asyncio.Event()
        self._connection: PushConnection | None = None
        self.is_over = False
        """Whether nothing is tried any more."""

    def stop(self) -> None:
        """End it, from the event loop; `run` returns soon."""
        self._stopped.set()
        if self._connection is not None:
            self._connection.cut()

    async def run(self) -> None:
        """Bring until the receiver has all, or it cannot be done; then the channel carries it."""
        try:
            async with self._direct.push_turns:
                await self._run()
        except OcftError as error:  # of the files: whose `body` it is knows it already
            _log.info("bringing directly: %s", error)
        finally:
            self.is_over = True

    async def _run(self) -> None:
        places = await asyncio.to_thread(self._direct.places_of, self._ticket)
        failures = 0
        while places and failures < len(PAUSES) and not self._stopped.is_set():
            has_brought = False

            def progress(count: int) -> None:
                nonlocal has_brought
                has_brought = has_brought or count > 0
                self._progress(count)

            try:
                await self._bring_to(places, progress)
            except ChannelError as error:
                _log.info("bringing directly: %s", error)
            else:
                return
            failures = 0 if has_brought else failures + 1
            if failures:
                await self._pause(PAUSES[failures - 1])

    async def _bring_to(self, places: list[Place], progress: Callable[[int], None]) -> None:
        made, place = await connect(places)
        if self._stopped.is_set():
            made.close()
            return
        connection = PushConnection(
            made,
            place=place,
            ticket_id=self._ticket.id.hex(),
            token=text_of(self._ticket.token),
        )
        self._connection = connection
        try:
            await in_own_thread(partial(self._bring, connection, progress), "ocft-direct-push")
        finally:
            self._connection = None
            connection.cut()
            connection.close()

    def _bring(self, connection: PushConnection, progress: Callable[[int], None]) -> None:
        wanted = connection.bring(None, progress)
        while not self._stopped.is_set() and (body := self._body(wanted)) is not None:
            wanted = connection.bring(body, progress)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return
