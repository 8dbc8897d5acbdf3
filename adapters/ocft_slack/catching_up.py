"""Finds what events did not bring, and keeps how far the room was read.

Slack does not repeat what is said while no connection is open, and loses events now and then. So
the history is read after every connection, every few minutes, and after a restart from where the
room was read last.
"""

import asyncio
import contextlib
import logging
from typing import Final

from ocft.channels import Marks
from ocft.errors import ChannelError, OcftError, RateLimitedError
from ocft_slack.backlog import Backlog
from ocft_slack.calls import TokenError, sleep_as_told
from ocft_slack.history import History
from ocft_slack.messages import Heard, moment, stamp

_log = logging.getLogger(__name__)
_LOOK_EVERY: Final = 300.0
"""Seconds between looks into the history that nothing asked for."""
_OVERLAP: Final = 30_000_000
"""Microseconds of the history that are read again, since events and pages come out of order."""
_SAVE_EVERY: Final = 1.0  # seconds between durable notes of how far the room was read, when busy
_FIRST_PAUSE: Final = 1.0  # seconds after a look that failed
_LONGEST_PAUSE: Final = 60.0


class CatchUp:
    """Fills the backlog from the history.

    Args:
        history: Of the room.
        backlog: Where messages go.
        begin: What came up to this moment was never asked for; None: the history cannot be read.
    """

    def __init__(self, history: History, backlog: Backlog, *, begin: int | None) -> None:
        self._history = history
        self._backlog = backlog
        self._can_look_back = begin is not None
        self._begin = begin or 0
        self._is_due = asyncio.Event()
        self._marks: Marks | None = None
        self._saved_to = 0
        self._save_at = 0.0
        backlog.read_to = backlog.newest = self._begin
        self.fall_behind()

    def remember_in(self, marks: Marks) -> None:
        """Go on where the room was read last, as far as the marks tell."""
        self._marks = marks
        last = moment(marks.get(self._mark))
        if last is not None:
            self._saved_to = last
            self._backlog.read_to = self._begin = max(last - _OVERLAP, 0)
        elif self._can_look_back:
            # Should this process end before it has handled anything, the next one begins here.
            marks.set(self._mark, stamp(self._begin))

    def fall_behind(self) -> None:
        """Note that messages may be missing until the history was read."""
        self._backlog.is_behind = self._can_look_back
        self._is_due.set()

    async def run(self) -> None:
        """Read the history whenever something may be missing, and now and then.

        Raises:
            TokenError: The token is not good any more.
        """
        pause = 0.0
        while self._can_look_back:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._is_due.wait()
            # Otherwise what is read now would push out what comes live.
            await self._backlog.has_room.wait()
            self._is_due.clear()
            self._backlog.has_overflowed = False
            try:
                await self._look()
            except TokenError:
                raise
            except RateLimitedError as error:
                self.fall_behind()
                await sleep_as_told(error)
            except ChannelError as error:
                if not pause:
                    _log.warning("the history of a Slack channel cannot be read now: %s", error)
                self.fall_behind()
                pause = min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
                await asyncio.sleep(pause)
            else:
                pause = 0.0

    def note_progress(self, *, is_last: bool = False) -> None:
        """Keep how far the room was read: durably, hence not for each of many texts."""
        now = asyncio.get_running_loop().time()
        is_time = is_last or self._backlog.is_empty or now >= self._save_at
        done = self._backlog.done_to
        if self._marks is None or not is_time or done <= self._saved_to:
            return
        try:
            self._marks.set(self._mark, stamp(done))
        except OcftError as error:
            _log.warning("how far a Slack channel was read cannot be noted: %s", error)
            return
        self._saved_to = done
        self._save_at = now + _SAVE_EVERY

    async def _look(self) -> None:
        start = max(self._backlog.read_to - _OVERLAP, self._begin)
        messages, has_more = await self._history.since(start)
        read = (self._history.room.read(one, is_event=False) for one in messages)
        self._backlog.add_read(
            (one for one in read if isinstance(one, Heard)),
            read_to=max((moment(one.get("ts")) or 0 for one in messages), default=0),
        )
        if has_more:
            self._is_due.set()
        elif not self._is_due.is_set():
            self._backlog.is_behind = False
            if self._backlog.is_empty:
                self.note_progress()

    @property
    def _mark(self) -> str:
        room = self._history.room
        return f"read {room.channel} {room.thread or ''}".rstrip()
