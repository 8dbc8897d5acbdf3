"""How far a channel has been read. Pure.

Discord's ids grow with time, so one number says what was read, but for two things: events can
overtake one another, and a text whose reader crashed must come again though later ones were read.
So the last ids are remembered one by one.
"""

from bisect import insort
from collections.abc import Iterable
from typing import Final, Self

REMEMBERED: Final = 32
"""Ids that are remembered one by one. A channel's events do not overtake more than a few others."""


class ReadMark:
    """What was read.

    Args:
        floor: This id and all below it were read, or are not for us.
        handled: Single ids above it that were read.
    """

    def __init__(self, floor: int, handled: Iterable[int] = ()) -> None:
        self.floor = floor
        self._handled: list[int] = []
        for message_id in handled:
            self.add(message_id)

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Return the mark that `str` wrote; None for anything else."""
        parts = (text or "").split()
        if not parts or not all(part.isascii() and part.isdecimal() for part in parts):
            return None
        floor, *handled = map(int, parts)
        return cls(floor, handled)

    def __str__(self) -> str:
        return " ".join(map(str, (self.floor, *self._handled)))

    def __contains__(self, message_id: int) -> bool:
        return message_id <= self.floor or message_id in self._handled

    def add(self, message_id: int) -> None:
        """Note that a message was read."""
        if message_id in self:
            return
        insort(self._handled, message_id)
        if len(self._handled) > REMEMBERED:
            self.floor = self._handled.pop(0)
