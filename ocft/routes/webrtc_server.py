"""The sender's end of a WebRTC line: answers what is asked for, as fast as it is taken."""

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ocft.errors import ChannelClosedError, OcftError
from ocft.routes.http_words import parse_ranges
from ocft.routes.tickets import FORMER_SECONDS, Body, OpenToFetch, nothing
from ocft.routes.webrtc_client import WINDOW
from ocft.routes.webrtc_lines import Lines

if TYPE_CHECKING:
    from ocft.routes.webrtc_line import Line

_IDLE_SECONDS: Final = 60.0  # without a byte being taken, or a further question
_LONGEST_QUESTION: Final = 16 * 1024
_AT_ONCE: Final = 128 * 1024  # bytes that are handed over together
_TOOK: Final = re.compile(r"took ([0-9]{1,19})")

_log = logging.getLogger(__name__)


class LineServer:
    """Serves one line. `run` is for a worker thread.

    Args:
        lines: Where the line is at work.
        opened: What may be fetched.
    """

    def __init__(self, lines: Lines, opened: OpenToFetch) -> None:
        self._lines = lines
        self._opened = opened
        self._changed = threading.Condition()
        self._question: str | None = None
        self._is_over = False
        self._sent = 0  # bytes of this answer
        self._taken = 0

    def heard(self, message: str | bytes) -> None:
        """Take in a message, on the loop of the lines."""
        with self._changed:
            if not isinstance(message, str) or len(message) > _LONGEST_QUESTION:
                self._is_over = True
            elif found := _TOOK.fullmatch(message):
                taken = int(found[1])
                self._is_over |= not self._taken <= taken <= self._sent
                self._taken = taken
            else:
                self._is_over |= self._question is not None
                self._question = message
            self._changed.notify()

    def ended(self) -> None:
        """Take in that the line is over."""
        with self._changed:
            self._is_over = True
            self._changed.notify()

    def run(self, line: "Line") -> None:
        """Answer questions until the line ends."""
        try:
            while True:
                self._answer(line, self._next_question())
        except OcftError as error:
            _log.debug("webrtc: a line ended: %s", error)

    def _next_question(self) -> str:
        with self._changed:
            self._wait_for(lambda: self._question is not None)
            question, self._question = self._question or "", None
            self._sent = self._taken = 0
            return question

    def _answer(self, line: "Line", question: str) -> None:
        verb, _, header = question.partition(" ")
        ranges = parse_ranges(header.encode("ascii", "replace")) if verb == "get" else None
        opened = self._opened
        if ranges is None:
            raise ChannelClosedError("The peer asked for what is no range.")
        opened.end_former()  # who asks here has lost the connection that had it
        if not opened.busy.acquire(timeout=FORMER_SECONDS):
            self._say(line, "busy")
            return
        opened.end_former = self.ended
        try:
            body = opened.body(ranges)
            if body is None:
                self._say(line, "nothing")
                return
            self._give(line, body)
        finally:
            opened.end_former = nothing
            opened.busy.release()

    def _give(self, line: "Line", body: Body) -> None:
        self._say(line, f"give {body.salt} {body.size}")
        try:
            for piece in body.pieces:
                self._send(line, memoryview(piece))
        finally:
            self._opened.progress(0)

    def _send(self, line: "Line", piece: memoryview) -> None:
        while piece:
            with self._changed:
                self._wait_for(lambda: self._sent - self._taken < WINDOW)
                room = min(WINDOW - (self._sent - self._taken), _AT_ONCE)
                self._sent += len(piece[:room])
            self._say(line, bytes(piece[:room]))  # what is a view now is written over soon
            self._opened.progress(len(piece[:room]))
            piece = piece[room:]

    def _say(self, line: "Line", message: str | bytes) -> None:
        if self._opened.is_over:
            raise ChannelClosedError("This transfer has ended.")
        self._lines.wait_for(line.send(message), _IDLE_SECONDS)

    def _wait_for(self, is_so: Callable[[], bool]) -> None:
        until = time.monotonic() + _IDLE_SECONDS
        while not is_so() or self._is_over:
            left = until - time.monotonic()
            if self._is_over or left <= 0:
                raise ChannelClosedError("The WebRTC connection was cut.")
            self._changed.wait(left)
