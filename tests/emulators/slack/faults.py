"""Planned misfortune."""

import random
from dataclasses import dataclass
from enum import Enum, auto

from tests.emulators.slack.world import App


class Fault(Enum):
    """What can go wrong; the comment says where it may be planned."""

    # Any method, "upload" or "download", before anything is applied:
    ERROR_500 = auto()
    RATE_LIMITED = auto()  # 429 with Retry-After `seconds`, though no window is full (behaviour 7)
    SLACK_ERROR = auto()  # HTTP 200 with `ok: false` and `error`; not for downloads
    SILENCE = auto()  # no answer until the client goes away
    # Any method or "upload", after it was applied (behaviour 8):
    LOST_ANSWER = auto()  # the connection is closed
    RESET = auto()  # the connection is reset
    LATE_ANSWER = auto()  # the answer comes `seconds` later
    NOT_JSON = auto()
    # "download" (behaviour 10):
    SIGN_IN_PAGE = auto()  # 200 with HTML, as without a token
    REDIRECT = auto()  # to another host of Slack, which wants the token too
    REDIRECT_AWAY = auto()  # to a host outside of Slack, which must not see the token
    REDIRECT_LOOP = auto()
    GONE = auto()  # 404
    TRUNCATED = auto()  # the connection is reset after half of the bytes
    SHORT = auto()  # a complete answer of half of the bytes
    ALTERED = auto()  # one byte differs
    # "event", for the next event of an app:
    LOST = auto()  # in history only (behaviour 5)
    DUPLICATED = auto()  # a second time, same event_id (behaviour 5)
    DELAYED = auto()  # `seconds` later, so that others overtake (behaviour 5)
    MALFORMED = auto()  # five broken envelopes before the good one
    CHANGED_COPY = auto()  # followed by a message_changed of it (behaviour 3)
    DELETED_COPY = auto()  # followed by a message_deleted of it (behaviour 3)
    FILE_STUB = auto()  # files as {"id", "mode": "file_access", ...} only (behaviour 10)
    NO_SUBTYPE = auto()  # file_share missing (behaviour 10)
    # "socket", for the next WebSocket handshake (behaviour 4):
    DEAD_URL = auto()  # 404


@dataclass(slots=True, eq=False)
class Planned:
    """One plan.

    Attributes:
        fault: What happens.
        seconds: For faults that wait or tell a wait.
        error: For `SLACK_ERROR`.
        times: How often it still happens; None = always.
        after: How many chances it still lets pass.
        probability: Of each chance.
        app: Only for this app; None = all.
    """

    fault: Fault
    seconds: float
    error: str
    times: int | None
    after: int
    probability: float
    app: App | None


class Faults:
    """The plans, by method name or "upload", "download", "event", "socket".

    Attributes:
        scatter: Each event is delayed by up to so many real seconds, which shuffles them
            (behaviour 5).
    """

    def __init__(self, chance: random.Random) -> None:
        self.scatter = 0.0
        self._chance = chance
        self._plans: dict[str, list[Planned]] = {}

    def next(
        self,
        where: str,
        fault: Fault,
        *,
        times: int | None = 1,
        after: int = 0,
        probability: float = 1.0,
        app: App | None = None,
        seconds: float = 1.0,
        error: str = "fatal_error",
    ) -> None:
        """Plan a fault for the next chances at a place.

        Args:
            where: A method ("chat.postMessage"), "upload", "download", "event" or "socket".
            fault: What shall happen.
            times: How often; None = until `clear`.
            after: How many chances pass before.
            probability: Of each chance after those, for random misfortune.
            app: Only for this app.
            seconds: Real seconds for `LATE_ANSWER` and `DELAYED`; told ones for `RATE_LIMITED`.
            error: For `SLACK_ERROR`.
        """
        plan = Planned(fault, seconds, error, times, after, probability, app)
        self._plans.setdefault(where, []).append(plan)

    def clear(self) -> None:
        """Forget all plans."""
        self._plans.clear()
        self.scatter = 0.0

    def take(self, where: str, app: App | None) -> Planned | None:
        """The fault that happens now, if any; at most one at a time."""
        plans = self._plans.get(where, [])
        for plan in plans:
            if plan.app is not None and plan.app is not app:
                continue
            if plan.after:
                plan.after -= 1
                continue
            if plan.probability < 1 and self._chance.random() >= plan.probability:
                continue
            if plan.times is not None:
                plan.times -= 1
                if not plan.times:
                    plans.remove(plan)
            return plan
        return None
