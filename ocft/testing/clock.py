"""A clock that moves when it is told to."""


class ManualClock:
    """Time for tests of what takes a clock: call it for the time, `advance` to let it pass.

    Args:
        start: Seconds that it shows at first.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: `seconds` is negative; this clock never goes back.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._now += seconds
