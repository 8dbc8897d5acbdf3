"""A link between two nodes, in simulated time: what it costs to bring files over it."""

import heapq
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ocft.wire import Data, TransferOffer
from tests.protocol.wire2.nodes import Alice, Bob, Sealed, Text

NEVER = math.inf


def _always(_: Text) -> bool:
    return False


@dataclass
class Link:
    """Carries texts, one at a time from each side, each after a delay.

    Args:
        alice: Who sends.
        bob: Who receives.
        pace: Seconds that a text takes to leave.
        delay: Seconds from leaving to arriving.
        disk: Seconds that syncing takes.
        is_lost: Whether a text never arrives.
        lateness: Seconds that a text takes longer.
    """

    alice: Alice
    bob: Bob
    pace: float = 0.001
    delay: float = 0.2
    disk: float = 0.0
    is_lost: Callable[[Text], bool] = _always
    lateness: Callable[[Text], float] = lambda _: 0.0
    now: float = 0.0
    texts: list[Text] = field(default_factory=list)
    """All that left, in order."""
    _under_way: list[tuple[float, int, Text]] = field(default_factory=list)
    _free_at: dict[str, float] = field(default_factory=lambda: {"alice": 0.0, "bob": 0.0})
    _sync_at: float = NEVER

    def run(self, until: float = NEVER) -> None:
        """Go on until both have ended and nothing is under way."""
        steps = 0
        while self.now < until:
            steps += 1
            assert steps < 20_000, "they never stop"
            self._do_all_now()
            following = self._next_moment()
            if following == NEVER:
                return
            self.now = min(max(self.now, following), until)
            self.alice.wake(self.now)
            self.bob.wake(self.now)

    def _do_all_now(self) -> None:
        is_busy = True
        while is_busy:
            is_busy = False
            while self._under_way and self._under_way[0][0] <= self.now:
                _, _, text = heapq.heappop(self._under_way)
                (self.bob if text.is_for_bob else self.alice).take(text.body, self.now)
                is_busy = True
            if self.bob.unsynced and self._sync_at == NEVER:
                self._sync_at = self.now + self.disk
            if self._sync_at <= self.now:
                self._sync_at = NEVER
                self.bob.sync(self.now)
                is_busy = True
            while self.bob.jobs:
                self.bob.work(self.now)
                is_busy = True
            for name, side in (("alice", self.alice), ("bob", self.bob)):
                if self._free_at[name] <= self.now and side.draw(self.now):
                    # It takes its turn; the next one waits until the channel is free again.
                    self._free_at[name] = self.now + self.pace
                    self._leave(side.leave(self.now))
                    is_busy = True

    def _leave(self, text: Text | None) -> None:
        if text is None:
            return
        self.texts.append(text)
        if not self.is_lost(text):
            at = self.now + self.delay + self.lateness(text)
            heapq.heappush(self._under_way, (at, text.salt, text))

    def _next_moment(self) -> float:
        moments = [self._sync_at]
        if self._under_way:
            moments.append(self._under_way[0][0])
        for name, side in (("alice", self.alice), ("bob", self.bob)):
            if side.draw(self.now):
                moments.append(self._free_at[name])
            else:
                moments.append(side.deadline)
        return min(moments)

    @property
    def frames(self) -> list[Sealed]:
        """The data frames that left."""
        return [
            text.body
            for text in self.texts
            if isinstance(text.body, Sealed) and isinstance(text.body.body, Data)
        ]

    @property
    def counts(self) -> Counter[str]:
        """How many texts of each kind left."""
        return Counter(kind_of(text) for text in self.texts)


def kind_of(text: Text) -> str:
    """Return the kind of a text."""
    if isinstance(text.body, Sealed):
        return "data" if isinstance(text.body.body, Data) else "ack"
    return "offer" if isinstance(text.body, TransferOffer) else text.body.kind


def data_of(text: Text) -> Data | None:
    """Return what a data frame holds."""
    if isinstance(text.body, Sealed) and isinstance(text.body.body, Data):
        return text.body.body
    return None
