"""Planned faults: what a network and a busy platform do, at a chosen moment."""

import enum
from dataclasses import dataclass


class Fault(enum.Enum):
    """What goes wrong with a request."""

    ERROR_500 = "500 as JSON; nothing was done"
    BAD_GATEWAY = "502 as an HTML page; nothing was done"
    UNAUTHORIZED = "401 once, though the token is good (behaviour 9)"
    NOT_FOUND = "404; for a download: the file is gone"
    CONFLICT = "409, as if another poller had come"
    FLOOD = "429 with `seconds` as retry_after"
    LOST_REQUEST = "connection closed without an answer; nothing was done"
    LOST_ANSWER = "done, then connection closed without an answer (behaviour 7)"
    RESET = "done, then connection reset (behaviour 7)"
    LATE = "done, and answered after `seconds` (behaviour 7)"
    SILENCE = "done, and never answered (behaviour 7)"
    TRUNCATED = "a download that breaks off in the middle"
    WEB_PAGE = "a download that is answered by a login page, as 200"
    REDIRECT = "a download that is sent to another host"
    DAMAGED = "a download with a block of zeros"


@dataclass
class Planned:
    """One fault to come.

    Attributes:
        method: Method of the Bot API, lower case, or `download`.
        fault: What happens.
        skip: Requests that still go well before it.
        times: Requests that it hits.
        seconds: See the fault.
        bot_id: Whose requests; None for everybody's.
    """

    method: str
    fault: Fault
    skip: int
    times: int
    seconds: float
    bot_id: int | None


class Faults:
    """The plan; faults of one method happen in the order in which they were planned."""

    def __init__(self) -> None:
        self._plan: list[Planned] = []

    @property
    def left(self) -> int:
        """Planned faults that did not happen yet."""
        return sum(planned.times for planned in self._plan)

    def next(
        self,
        method: str,
        fault: Fault,
        *,
        times: int = 1,
        skip: int = 0,
        seconds: float = 0.0,
        bot_id: int | None = None,
    ) -> None:
        """Plan a fault of the next requests.

        Args:
            method: `sendMessage`, `getUpdates`, ..., or `download` for the download of a file.
            fault: What happens.
            times: How many requests it hits.
            skip: How many requests go well before.
            seconds: Real seconds, for LATE and FLOOD.
            bot_id: Whose requests; anybody's by default.
        """
        self._plan.append(Planned(method.lower(), fault, skip, times, seconds, bot_id))

    def take(self, method: str, bot_id: int) -> Planned | None:
        """The fault that hits this request."""
        for planned in self._plan:
            if planned.method != method.lower() or planned.bot_id not in (None, bot_id):
                continue
            if planned.skip:
                planned.skip -= 1
                return None
            planned.times -= 1
            if not planned.times:
                self._plan.remove(planned)
            return planned
        return None
