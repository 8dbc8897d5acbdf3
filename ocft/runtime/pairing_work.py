"""Carries out the pairings that other processes of this node ask for, as `ocft pair` does."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from ocft.channels import Channel
from ocft.crypto import PairingCode, parse_pairing_code
from ocft.errors import ConfigError, OcftError, StorageError
from ocft.runtime.wire2 import Pairings
from ocft.storage import PairingRequest, PairingRequests, PairingState, TrustedPeer

_log = logging.getLogger(__name__)
_RECORD_AGAIN_AFTER = 1.0  # seconds


class PairingWork:
    """What one process does for the others of its node.

    Args:
        requests: What is asked for.
        pairings: Carries it out.
        channel: What the texts go through.
    """

    def __init__(self, requests: PairingRequests, pairings: Pairings, channel: Channel) -> None:
        self._requests = requests
        self._pairings = pairings
        self._channel = channel
        self._tasks: dict[int, asyncio.Task[None]] = {}
        requests.give_up_running(channel.name)

    def look(self) -> None:
        """Begin what is new, and stop what was taken back.

        Raises:
            StorageError: The database cannot be read.
        """
        for number, task in list(self._tasks.items()):
            row = self._requests.get(number)
            if row is None or row.state is not PairingState.RUNNING:
                task.cancel()
        for request in self._requests.take(self._channel.name):
            task = asyncio.get_running_loop().create_task(self._carry_out(request))
            self._tasks[request.number] = task
            task.add_done_callback(partial(self._forget, request.number))

    async def close(self) -> None:
        """Stop what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _forget(self, number: int, task: "asyncio.Task[None]") -> None:
        self._tasks.pop(number, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a pairing was lost", exc_info=error)

    async def _carry_out(self, request: PairingRequest) -> None:
        try:
            peer = await self._pair(request, parse_pairing_code(request.code))
        except OcftError as error:
            _log.info("the pairing failed: %s", error)
            await self._record(partial(self._requests.finish, request.number, error=str(error)))
        else:
            await self._record(partial(self._requests.finish_for_good, request.number, peer.id))

    async def _record(self, outcome: Callable[[], None]) -> None:
        """Write down how a pairing ended, until it is written: somebody waits for that."""
        while True:
            try:
                await asyncio.to_thread(outcome)
            except StorageError as error:
                _log.warning("the end of a pairing cannot be recorded now: %s", error)
            else:
                return
            await asyncio.sleep(_RECORD_AGAIN_AFTER)

    async def _pair(self, request: PairingRequest, code: PairingCode) -> TrustedPeer:
        within = max(request.ends_at - self._pairings.wall_clock(), 0.0)
        if request.is_shown:
            return await self._pairings.show(code, name=request.name, within=within)
        address = request.address or self._channel.everyone
        if address is None:
            raise ConfigError(
                "This channel has no address that reaches everybody. Say whom you mean with --to."
            )
        return await self._pairings.type_in(code, to=address, name=request.name, within=within)
