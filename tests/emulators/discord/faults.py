"""Planned misfortune."""

import random
from dataclasses import dataclass
from enum import Enum, auto

from tests.emulators.discord.things import Account


class Fault(Enum):
    """What goes wrong with a call; behaviours 5, 7 and 10.

    "Applied" faults do what was asked for and lose the answer; the others do nothing.
    """

    ERROR_500 = auto()
    """500, nothing applied. dpy tries again, for 25 s at most."""
    ERROR_503 = auto()
    """503, nothing applied. dpy raises at once. For "connect": the handshake is refused."""
    LOST_ANSWER = auto()
    """Applied, then 502."""
    RESET = auto()
    """Applied, then the connection is reset."""
    SILENCE = auto()
    """Applied, then no answer for as long as the client listens."""
    CHANNEL_RATE = auto()
    """429, code 20028, scope "shared": others wrote too much into the channel."""
    GLOBAL_RATE = auto()
    """429 with "global"."""
    BANNED = auto()
    """429 with an HTML body and without `Via`, as Cloudflare bans an address."""
    AUTOMOD = auto()
    """400, code 200000: automatic moderation rejects the message."""
    ERROR_PAGE = auto()
    """A download answers 200 with a small HTML page."""
    TRUNCATED = auto()
    """A download breaks off in the middle."""


@dataclass(slots=True, eq=False)
class _Planned:
    fault: Fault
    times: int | None
    after: int
    probability: float
    account: Account | None


class Faults:
    """The plans, by call.

    Args:
        chance: Decides about plans that have a probability.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._plans: dict[str, list[_Planned]] = {}

    def next(
        self,
        call: str,
        fault: Fault,
        *,
        times: int | None = 1,
        after: int = 0,
        probability: float = 1.0,
        account: Account | None = None,
    ) -> None:
        """Plan a fault for the next calls.

        Args:
            call: A name that `counters.requests` uses: "create_message", "get_messages",
                "download", "connect" (the gateway's handshake), ...
            fault: What happens.
            times: To how many calls; None = until `clear`.
            after: How many calls go well before.
            probability: Of each call after those, for random misfortune.
            account: Only calls of this bot; "download" and "connect" do not know the caller.
        """
        plan = _Planned(fault, times, after, probability, account)
        self._plans.setdefault(call, []).append(plan)

    def clear(self) -> None:
        """Forget all plans."""
        self._plans.clear()

    def take(self, call: str, account: Account | None = None) -> Fault | None:
        """The fault of a call that happens now, if any; at most one at a time."""
        plans = self._plans.get(call, [])
        for plan in plans:
            if plan.account is not None and plan.account is not account:
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
            return plan.fault
        return None
