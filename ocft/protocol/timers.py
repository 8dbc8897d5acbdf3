"""How long to wait for an answer: an estimate that learns, and back-off when it was too short.

Time is a number of seconds on the caller's clock; nothing here reads one.
"""

from dataclasses import dataclass

_FIRST_TIMEOUT = 3.0  # seconds; chat platforms answer in 0.3 to 2
_SHORTEST_TIMEOUT = 1.0  # RFC 6298 section 2.4
_LONGEST_TIMEOUT = 60.0  # RFC 6298 section 2.5 allows a cap of 60 s or more
_MOST_DOUBLINGS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a transfer waits before it gives up; all in seconds.

    Args:
        decision: For the receiver's owner to accept or refuse an offer.
        idle: For the next sign of the peer once the transfer is accepted.
        total: For the whole transfer; None for as long as it takes.
    """

    decision: float = 3600.0
    idle: float = 900.0
    total: float | None = None


class RetransmissionTimer:
    """The wait before something is sent again (RFC 6298, R-TIM-1), doubled each time in vain.

    A repeat never feeds the estimate: its answer may belong to the first copy (Karn's rule).

    Args:
        longest: Seconds of the longest wait.
    """

    def __init__(self, *, longest: float = _LONGEST_TIMEOUT) -> None:
        self._longest = longest
        self._smoothed: float | None = None
        self._variation = 0.0
        self._doublings = 0

    @property
    def smoothed(self) -> float | None:
        """Seconds of the smoothed round trip; None when none was measured."""
        return self._smoothed

    @property
    def timeout(self) -> float:
        """Seconds to wait for the next answer."""
        if self._smoothed is None:
            estimate = _FIRST_TIMEOUT
        else:
            estimate = self._smoothed + max(4 * self._variation, 0.1)
        return min(max(estimate, _SHORTEST_TIMEOUT) * 2.0**self._doublings, self._longest)

    def answered(self, round_trip: float | None) -> None:
        """Take in an answer.

        Args:
            round_trip: Seconds that it took, or None when it cannot be told (a repeat).
        """
        self._doublings = 0
        if round_trip is None:
            return
        if self._smoothed is None:
            self._smoothed = round_trip
            self._variation = round_trip / 2
        else:
            self._variation += 0.25 * (abs(self._smoothed - round_trip) - self._variation)
            self._smoothed += 0.125 * (round_trip - self._smoothed)

    def expired(self) -> None:
        """Note that a wait was in vain; the next one is twice as long."""
        self._doublings = min(self._doublings + 1, _MOST_DOUBLINGS)
