"""The messages that came and are not handled yet: in order, without repeats, and bounded.

It also knows up to which moment everything was handled, which is what has to survive a restart.
"""

import asyncio
import heapq
import itertools
import logging
from collections.abc import Iterable
from typing import Final

from ocft_slack.messages import Heard

_log = logging.getLogger(__name__)
MOST_WAITING: Final = 1000
"""Messages. What comes beyond them is left to the history."""
_MOST_REMEMBERED: Final = 20_000  # messages that are known as repeats when they come again


class Backlog:
    """The messages that wait.

    Attributes:
        is_behind: Whether the history has to be read before it is sure that nothing is missing.
        has_overflowed: Whether what events bring is left to the history, until that is read.
        read_to: Up to which moment the history was read.
        newest: The moment of the newest message that is known of, our own among them.
        changed: Set when there may be something new to do for the reader.
        has_room: Set while at most half of it is used.
    """

    def __init__(self) -> None:
        self.is_behind = True
        self.has_overflowed = False
        self.read_to = 0
        self.newest = 0
        self.changed = asyncio.Event()
        self.has_room = asyncio.Event()
        self.has_room.set()
        self._waiting: list[tuple[int, int, Heard]] = []
        self._count = itertools.count()  # so that two messages are never compared
        self._current: Heard | None = None
        self._handled_to = 0
        self._seen: dict[int, None] = {}

    def add(self, heard: Heard) -> bool:
        """Take in a message that an event brought; False: there is no room for it."""
        self.newest = max(self.newest, heard.at)
        if self.has_overflowed or len(self._waiting) >= MOST_WAITING:
            # None of those that follow either, to keep their order.
            self.has_overflowed = True
            _log.debug("no room for a message: it is read from the history later")
            return False
        self._put(heard)
        return True

    def add_read(self, messages: Iterable[Heard], *, read_to: int) -> None:
        """Take in what the history has, all of it."""
        for heard in messages:
            self._put(heard)
        self.read_to = max(self.read_to, read_to)
        self.newest = max(self.newest, read_to)

    def first(self) -> Heard | None:
        """Return the oldest message that waits; the same one until `handled` is called."""
        if self._current is None and self._waiting:
            self._current = heapq.heappop(self._waiting)[2]
        return self._current

    def handled(self) -> None:
        """Forget the first one."""
        if self._current is not None:
            self._handled_to = max(self._handled_to, self._current.at)
            self._current = None
        if len(self._waiting) <= MOST_WAITING // 2:
            self.has_room.set()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._current is None and not self._waiting

    @property
    def done_to(self) -> int:
        """Up to which moment everything that is known of was handled."""
        done = max(self._handled_to, self.read_to)
        if self._waiting:
            done = min(done, self._waiting[0][0] - 1)
        if self._current is not None:
            done = min(done, self._current.at - 1)
        return min(done, self.read_to) if self.is_behind else done

    def _put(self, heard: Heard) -> None:
        if heard.at in self._seen:
            return
        self._seen[heard.at] = None
        while len(self._seen) > _MOST_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        heapq.heappush(self._waiting, (heard.at, next(self._count), heard))
        if len(self._waiting) > MOST_WAITING // 2:
            self.has_room.clear()
        self.changed.set()
