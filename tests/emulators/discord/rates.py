"""Who may call how often; behaviour 5."""

import hashlib
import math
import time
from dataclasses import dataclass, field
from typing import Final

from tests.emulators.discord.limits import Limits
from tests.emulators.discord.things import Account, Room
from tests.emulators.windows import Window

UNIT: Final = 1000
"""Times are told in whole milliseconds, rounded up: who waits for as long never comes too early."""


class Bucket:
    """A window that starts with its first call, as the headers of Discord describe it."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self._start = -math.inf
        self._used = 0

    @property
    def reset_after(self) -> float:
        """Seconds until the whole limit is there again, rounded up to `UNIT`."""
        left = max(0.0, self._start + self._seconds - time.monotonic())
        return math.ceil(left * UNIT) / UNIT

    @property
    def remaining(self) -> int:
        """Calls that are left now."""
        return self.limit - self._used if self.reset_after else self.limit

    def take(self) -> bool:
        """Count a call; False when none is left."""
        if not self.reset_after:
            self._start, self._used = time.monotonic(), 0
        if self._used >= self.limit:
            return False
        self._used += 1
        return True


@dataclass(frozen=True, slots=True)
class Refusal:
    """A 429: why, for how long, and how it looks."""

    reason: str
    seconds: float
    scope: str = "user"
    code: int | None = None


@dataclass(slots=True)
class Rates:
    """The windows of all bots."""

    limits: Limits
    speed: float
    _buckets: dict[tuple[int, str, int], Bucket] = field(default_factory=dict)
    _globals: dict[int, Window] = field(default_factory=dict)
    _writes: dict[int, Window] = field(default_factory=dict)
    _invalid: Window = field(init=False)

    def __post_init__(self) -> None:
        self._invalid = Window(
            self.limits.invalid_requests, self.limits.invalid_seconds / self.speed
        )

    def bucket(self, me: Account, call: str, room: Room | None) -> Bucket:
        """The bucket of a bot's call, one per channel."""
        limits, key = self.limits, (me.id, call, room.id if room else 0)
        if key not in self._buckets:
            number, seconds = limits.other_requests, limits.other_seconds
            if call == "create_message":
                number, seconds = limits.messages, limits.messages_seconds
            self._buckets[key] = Bucket(number, seconds / self.speed)
        return self._buckets[key]

    def take(self, me: Account, call: str, room: Room | None) -> Refusal | None:
        """Count a call, or refuse it."""
        limits, speed = self.limits, self.speed
        if me.id not in self._globals:
            self._globals[me.id] = Window(limits.global_requests, limits.global_seconds / speed)
        if wait := self._globals[me.id].take():
            return Refusal("global", wait, scope="global")
        bucket = self.bucket(me, call, room)
        if not bucket.take():
            return Refusal("bucket", bucket.reset_after)
        if call == "create_message" and room is not None and limits.channel_writes is not None:
            if room.id not in self._writes:
                seconds = limits.channel_writes_seconds / speed
                self._writes[room.id] = Window(limits.channel_writes, seconds)
            if wait := self._writes[room.id].take():
                return self.channel_refusal(wait)
        return None

    def channel_refusal(self, seconds: float) -> Refusal:
        """All senders together wrote too much."""
        return Refusal("channel", seconds, scope="shared", code=20028)

    def banned(self) -> bool:
        """Whether this address sent too many invalid requests."""
        return self._invalid.wait() > 0

    def count_invalid(self) -> None:
        """Note an answer of 401, 403 or 429."""
        self._invalid.take()


def bucket_headers(bucket: Bucket, call: str) -> dict[str, str]:
    """The headers that every answer of a bucket has."""
    wait = bucket.reset_after
    return {
        "X-RateLimit-Limit": str(bucket.limit),
        "X-RateLimit-Remaining": str(bucket.remaining),
        "X-RateLimit-Reset": f"{time.time() + wait:.3f}",
        "X-RateLimit-Reset-After": f"{wait:.3f}",
        "X-RateLimit-Bucket": hashlib.sha256(call.encode()).hexdigest()[:32],
    }
