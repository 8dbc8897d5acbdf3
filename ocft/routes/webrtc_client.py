"""The receiver's end of a WebRTC line: asks for ranges, and reads the answer into buffers."""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from ocft.errors import ChannelClosedError
from ocft.ranges import Range
from ocft.routes.http_words import range_header
from ocft.routes.webrtc_lines import Lines

if TYPE_CHECKING:
    from ocft.routes.webrtc_line import Line

WINDOW: Final = 4 * 1024 * 1024
"""Bytes that may be under way and not taken yet (R-RTC-5)."""
_SAID_EVERY: Final = WINDOW // 4
_MOST_MESSAGES: Final = 1024  # of which the window is made: the small ones are few
_ANSWER_SECONDS: Final = 75.0  # as for HTTP
_IDLE_SECONDS: Final = 30.0
_FILL_SECONDS: Final = 120.0  # for one frame, however it drips, as for HTTP
_HEAD: Final = re.compile(r"give ([A-Za-z0-9_-]{22}) ([0-9]{1,19})")


class LineClient:
    """A line to a sender. `ask` and `read_into` are called in a worker thread.

    Args:
        lines: Where the line is at work.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._line: Line | None = None
        self._changed = threading.Condition()
        self._arrived: deque[memoryview] = deque()
        self._head: str | None = None
        self._asks = False
        self._is_over = False
        self._held = 0  # bytes that arrived and were not taken
        self._left = 0  # bytes of the answer that were not taken
        self._taken = 0
        self._said = 0

    def use(self, line: "Line") -> None:
        """Take the line, whose `heard` and `ended` are ours."""
        self._line = line

    def heard(self, message: str | bytes) -> None:
        """Take in a message, on the loop of the lines."""
        with self._changed:
            if self._is_over:
                return
            if isinstance(message, str):
                is_right = self._asks and self._head is None
                self._head = message
            else:
                self._held += len(message)
                self._arrived.append(memoryview(message))
                is_right = self._held <= WINDOW and len(self._arrived) <= _MOST_MESSAGES
            if not is_right:
                self._is_over = True
                self._arrived.clear()
            self._changed.notify()

    def ended(self) -> None:
        """Take in that the line is over."""
        with self._changed:
            self._is_over = True
            self._changed.notify()

    cut = ended

    def ask(self, ranges: Sequence[Range]) -> tuple[str, int]:
        """Ask for some bytes; return the salt and the size of the answer.

        Raises:
            ChannelClosedError: The line broke, or what answers is not what was meant.
        """
        with self._changed:
            if self._held or self._left or self._is_over:
                raise ChannelClosedError("The WebRTC connection was cut.")
            self._head, self._asks = None, True
            self._taken = self._said = 0
        self._say(f"get {range_header(ranges)}")
        with self._changed:
            self._wait_for(lambda: self._head is not None, _ANSWER_SECONDS)
            found = _HEAD.fullmatch(self._head or "")
            self._asks = False
            if found is None:
                raise ChannelClosedError("The peer does not give what it was asked for.")
            self._left = int(found[2])
            return found[1], self._left

    def read_into(self, buffer: memoryview) -> None:
        """Fill a buffer with what comes next.

        Raises:
            ChannelClosedError: The answer ends before, or the line broke.
        """
        if len(buffer) > self._left:
            raise ChannelClosedError("The peer's answer is cut off.")
        until = time.monotonic() + _FILL_SECONDS
        while buffer:
            left = until - time.monotonic()
            if left <= 0:
                raise ChannelClosedError("The WebRTC connection is too slow.")
            with self._changed:
                self._wait_for(lambda: bool(self._arrived), min(left, _IDLE_SECONDS))
                first = self._arrived.popleft()
                if len(first) > len(buffer):
                    self._arrived.appendleft(first[len(buffer) :])
                    first = first[: len(buffer)]
                self._held -= len(first)
            buffer[: len(first)] = first
            buffer = buffer[len(first) :]
            self._left -= len(first)
            self._taken += len(first)
            if self._taken - self._said >= _SAID_EVERY:
                self._said = self._taken
                self._say(f"took {self._taken}")

    def close(self) -> None:
        """Close the line."""
        self.cut()
        line, self._line = self._line, None
        if line is not None:
            self._lines.close(line)

    def _say(self, text: str) -> None:
        line = self._line
        if line is None:
            raise ChannelClosedError("The WebRTC connection was cut.")
        self._lines.wait_for(line.send(text), _IDLE_SECONDS)

    def _wait_for(self, is_there: Callable[[], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not is_there():
            if self._is_over:
                raise ChannelClosedError("The WebRTC connection was cut.")
            left = until - time.monotonic()
            if left <= 0:
                raise ChannelClosedError("Nothing comes over the WebRTC connection.")
            self._changed.wait(left)
