"""Texts from a bot that somebody else runs: a handler before all of its own."""

import asyncio
import logging
from collections import deque
from typing import Any, Final

from telegram import Update
from telegram.ext import Application, ApplicationHandlerStop, BaseHandler

from ocft.channels import IncomingText, Marks
from ocft_telegram.incoming import Ear
from ocft_telegram.rooms import Room
from ocft_telegram.sources import unless_set
from ocft_telegram.text import looks_like_ocft

AnyApplication = Application[Any, Any, Any, Any, Any, Any]

_GROUP: Final = -1_000_000  # of handlers; lower ones come first
_MOST_WAITING: Final = 4096
_MOST_WAITING_OF_PEOPLE: Final = 512

_log = logging.getLogger(__name__)


class Tap:
    """Hears what a bot's application hears, and keeps OCFT's texts from its other handlers.

    The application confirms a message to Telegram when it has fetched it: what waits here when the
    process ends is lost, and the peer sends it again.

    Args:
        application: The bot's; its owner starts and stops it.
        room: Which messages are for us.
        ear: Reads them.
    """

    def __init__(self, application: AnyApplication, room: Room, ear: Ear) -> None:
        self._application = application
        self._ear = ear
        self._waiting: deque[IncomingText] = deque()
        self._has_come = asyncio.Event()
        self._closed = asyncio.Event()
        self.dropped = 0
        """Texts for which there was no room."""
        self._handler = _Handler(room, self._take)
        application.add_handler(self._handler, group=_GROUP)

    def remember_in(self, marks: Marks) -> None:
        """Do nothing: how far is read is known to the application."""

    async def head(self) -> IncomingText | None:
        """Wait for a text, as `Source` says."""
        while not self._closed.is_set():
            if self._waiting:
                return self._waiting[0]
            self._has_come.clear()
            await unless_set(self._closed, self._has_come.wait())
        return None

    def handled(self) -> None:
        """Take the head off."""
        self._waiting.popleft()

    def rest(self) -> None:
        """Do nothing: what waits, waits."""

    async def close(self) -> None:
        """Take the handler out; the application goes on."""
        self._closed.set()
        if self._handler in self._application.handlers.get(_GROUP, ()):
            self._application.remove_handler(self._handler, group=_GROUP)

    async def _take(self, update: Update, _context: object) -> None:
        message = update.message
        if message is None or self._closed.is_set():
            return
        incoming = self._ear.hear(message)
        if incoming is None:
            return
        is_ocft = looks_like_ocft(incoming.text)
        # What people say is no use to a reader that is behind, and leaves room for what is.
        if len(self._waiting) < (_MOST_WAITING if is_ocft else _MOST_WAITING_OF_PEOPLE):
            self._waiting.append(incoming)
            self._has_come.set()
        else:
            self.dropped += 1
            _log.debug("no room for a text; %d were dropped", self.dropped)
        if is_ocft:
            raise ApplicationHandlerStop


class _Handler(BaseHandler[Update, Any, None]):
    """Takes new messages of a room, and leaves everything else to others."""

    def __init__(self, room: Room, callback: Any) -> None:
        super().__init__(callback, block=True)  # so that it can stop the others
        self._room = room

    def check_update(self, update: object) -> bool:
        """Say whether an update is a new message of the room; edits are none."""
        try:
            return (
                isinstance(update, Update)
                and update.message is not None
                and self._room.takes(update.message)
            )
        except Exception as error:  # noqa: BLE001 - the bot of somebody else must not suffer
            _log.debug("an update that makes no sense was left alone: %s", type(error).__name__)
            return False
