"""When the next text may go: a token bucket, and the pauses that a platform demands.

Pure: time is an argument, in seconds on any clock that does not go back.
"""

from typing import Final

LONGEST_HOLD: Final = 3600.0
"""Seconds. A platform that asks for more is asked again after this."""
UNSAID_HOLD: Final = 1.0
"""Seconds to wait for a platform that wants a pause of a length that makes no sense."""

# Seconds. `now + wait` can miss the moment by a rounding error; without this, a caller that
# sleeps and asks again could be told to wait for less than its clock can move.
_SLACK = 1e-6


class TokenBucket:
    """Lets `burst` texts go at once, and `rate` texts a second in the long run.

    The whole state is the moment at which the bucket will be full again.

    Args:
        rate: Texts a second; `math.inf` for a platform that only ever asks for pauses.
        burst: Texts that may go at once after a silence.

    Raises:
        ValueError: `rate` is not above 0, or `burst` is below 1.
    """

    def __init__(self, rate: float, burst: int) -> None:
        if not rate > 0:
            raise ValueError(f"rate must be above 0, not {rate}")
        if burst < 1:
            raise ValueError(f"burst must be at least 1, not {burst}")
        self._interval = 1 / rate
        # How long before it is full the bucket holds one token.
        self._head_start = (burst - 1) * self._interval
        self._full_at: float | None = None

    def wait_before(self, now: float) -> float:
        """Return the seconds until a text may go; 0: now."""
        if self._full_at is None:
            return 0.0
        wait = self._full_at - self._head_start - now
        return wait if wait > _SLACK else 0.0

    def take(self, now: float) -> None:
        """Note that a text went. One that went too early makes the next ones wait longer."""
        start = now if self._full_at is None else max(self._full_at, now)
        self._full_at = start + self._interval

    def hold(self, now: float, seconds: float) -> None:
        """Let nothing go for a while, because the platform said so; then one text, not a burst.

        A pause does not shorten one that was demanded before.

        Args:
            now: Seconds on the caller's clock.
            seconds: The pause, as the platform stated it. Above `LONGEST_HOLD` it is that; zero,
                a negative number or NaN is `UNSAID_HOLD`.
        """
        pause = min(seconds, LONGEST_HOLD) if seconds > 0 else UNSAID_HOLD
        full_at = now + pause + self._head_start
        self._full_at = full_at if self._full_at is None else max(self._full_at, full_at)
