"""The updates that wait for one bot (behaviours 8, 9 and 10)."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from tests.emulators.telegram.answers import ApiError
from tests.emulators.telegram.counters import Counters
from tests.emulators.telegram.limits import Clock, Limits

_ONLY_ON_REQUEST = {"chat_member", "message_reaction", "message_reaction_count"}
_IMPATIENT_SECONDS = 0.5  # the same offset within this: one update only
_TERMINATED = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)
_WEBHOOK = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)


@dataclass
class _Waiting:
    update: dict[str, Any]
    size: int
    expires: float

    @property
    def id(self) -> int:
        number: int = self.update["update_id"]
        return number


class UpdateQueue:
    """At least once, in order, and confirmed only by a later offset.

    Args:
        first_id: `update_id` of the first update.
        limits: The platform's numbers.
        clock: Time.
        counters: Where unwanted and expired updates are counted.
    """

    def __init__(self, first_id: int, limits: Limits, clock: Clock, counters: Counters) -> None:
        self.webhook = ""
        self.allowed: list[str] = []
        self._limits = limits
        self._clock = clock
        self._counters = counters
        self._next_id = first_id
        self._waiting: deque[_Waiting] = deque()
        self._given: deque[dict[str, Any]] = deque(maxlen=limits.poll_updates)
        self._repeats: list[dict[str, Any]] = []
        self._poll: asyncio.Future[bool] | None = None
        self._last_offset: int | None = None
        self._last_poll = 0.0

    def __len__(self) -> int:
        """Updates that are not confirmed and not expired."""
        self._expire()
        return len(self._waiting)

    def put(self, kind: str, content: dict[str, Any]) -> None:
        """Add an update, if the bot wants its kind; `allowed_updates` sticks."""
        wanted = kind in self.allowed if self.allowed else kind not in _ONLY_ON_REQUEST
        if not wanted:
            self._counters.ignored[f"{kind} is not in allowed_updates"] += 1
            return
        update = {"update_id": self._next_id, kind: content}
        self._next_id += 1
        self._waiting.append(
            _Waiting(
                update,
                len(json.dumps(update)),
                self._clock() + self._clock.real(self._limits.update_seconds),
            )
        )
        self._wake(conflict=False)

    def repeat(self, count: int = 1) -> None:
        """Hand out the last updates once more, though they were confirmed (behaviour 8)."""
        self._repeats = list(self._given)[-count:]
        self._wake(conflict=False)

    def drop_all(self) -> None:
        """Forget everything that waits."""
        self._waiting.clear()

    async def poll(
        self, *, offset: int, limit: int, seconds: float, allowed: list[str] | None
    ) -> list[dict[str, Any]]:
        """One getUpdates.

        Args:
            offset: Confirms everything before it; negative: keep only so many.
            limit: Most updates to hand out.
            seconds: How long to wait for one; real seconds.
            allowed: Kinds wanted from now on; empty for the default, None for no change.

        Raises:
            ApiError: Another poll came while this one waited, or a webhook is set.
        """
        if self.webhook:
            raise ApiError(409, _WEBHOOK)
        if allowed is not None:
            self.allowed = allowed
        self._wake(conflict=True)
        if offset == self._last_offset and self._clock() < self._last_poll + _IMPATIENT_SECONDS:
            limit = 1
        self._last_offset, self._last_poll = offset, self._clock()
        self._confirm(offset)
        batch = self._batch(limit)
        if batch or not seconds:
            return batch
        poll = self._poll = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                conflict = await poll
        except TimeoutError:
            return []
        finally:
            if self._poll is poll:
                self._poll = None
        if conflict:
            raise ApiError(409, _TERMINATED)
        return self._batch(limit)

    def _wake(self, *, conflict: bool) -> None:
        if self._poll and not self._poll.done():
            self._poll.set_result(conflict)
        self._poll = None

    def _confirm(self, offset: int) -> None:
        if offset > self._next_id:
            return  # from the future, or of another life of this server: believed by nobody
        if offset < 0:
            offset = self._next_id + offset
        while self._waiting and self._waiting[0].id < offset:
            self._waiting.popleft()

    def _batch(self, limit: int) -> list[dict[str, Any]]:
        self._expire()
        batch, self._repeats = self._repeats, []
        size = 0
        for waiting in self._waiting:
            size += waiting.size
            if len(batch) >= limit or (batch and size > self._limits.poll_bytes):
                break
            batch.append(waiting.update)
            self._given.append(waiting.update)
        return batch

    def _expire(self) -> None:
        while self._waiting and self._waiting[0].expires <= self._clock():
            self._waiting.popleft()
            self._counters.expired += 1
