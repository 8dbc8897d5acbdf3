"""Warnings about what others send: spaced, or whoever is in the room could fill our log."""

import logging
from collections.abc import Callable
from typing import Final

_PAUSE: Final = 60.0  # seconds between two warnings of one kind


class SpacedLog:
    """Warns of one kind of thing at most once a minute, and says how often it kept silent.

    Args:
        log: Where it warns.
        clock: Seconds on a clock that does not go back.
    """

    def __init__(self, log: logging.Logger, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._last: dict[str, tuple[float, int]] = {}  # by format: when, and how many since

    def warning(self, text: str, *parts: object) -> None:
        """Warn, unless a warning of this kind has just been given.

        Args:
            text: A format of ours, which is the kind: never what others have chosen.
            parts: What stands in it.
        """
        now = self._clock()
        at, left_out = self._last.get(text, (now - _PAUSE, 0))
        if now - at < _PAUSE:
            self._last[text] = at, left_out + 1
            return
        self._last[text] = now, 0
        if left_out:
            text += " (and %d more of this kind)"
            parts = (*parts, left_out)
        self._log.warning(text, *parts)
