"""A sliding window: how often something may happen within some seconds."""

import time
from collections import deque
from collections.abc import Callable


class Window:
    """Allows `limit` takes within any `seconds`.

    Args:
        limit: How many takes are allowed; at least 1.
        seconds: Length of the window in seconds of `now`.
        now: The clock.
    """

    def __init__(
        self, limit: int, seconds: float, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._now = now
        # Only allowed takes are kept: a refused one does not lengthen the wait.
        self._taken: deque[float] = deque(maxlen=limit)
        self._limit = limit

    def wait(self) -> float:
        """Seconds until the next take would be allowed, without taking."""
        if len(self._taken) < self._limit:
            return 0.0
        return max(0.0, self._taken[0] + self._seconds - self._now())

    def take(self) -> float:
        """Take one.

        Returns:
            0.0 when it was allowed, and counted; else the seconds to wait, and nothing is counted.
        """
        wait = self.wait()
        if not wait:
            self._taken.append(self._now())
        return wait
