"""Texts from Telegram itself: one long poll after the other, with nothing confirmed too early.

The SDK's own poller confirms what it has fetched whether or not it was handled, ends for good at
the first 401, and never gets past an update that it cannot parse.
"""

import asyncio
import json
import logging
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from telegram import Bot, Message
from telegram.error import Conflict, InvalidToken, NetworkError, RetryAfter, TelegramError
from telegram.request import BaseRequest

from ocft.channels import IncomingText, Marks
from ocft.errors import ChannelError
from ocft_telegram.failures import pause_of, words_of
from ocft_telegram.incoming import Ear
from ocft_telegram.sources import unless_set

POLL_SECONDS: Final = 30
"""How long Telegram may wait for an update; at most 50."""
_GRACE: Final = 10.0  # seconds that the answer may take beyond that
_FIRST_PAUSE: Final = 0.5  # seconds after a failure
_LONGEST_PAUSE: Final = 30.0
_REFUSALS: Final = 5  # in a row, after which the token is dead: a single 401 happens
_MOST_REMEMBERED: Final = 1000  # updates
_LIFE: Final = 24 * 3600.0  # seconds that Telegram keeps an update
_NOTHING_NEW_PAUSE: Final = 1.0  # seconds, when all that came was known

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    update_id: int
    text: IncomingText | None


class Polling:
    """Fetches a bot's messages; an update is confirmed when it was handled, and not before.

    Args:
        bot: The bot.
        request: What the polls go through.
        ear: Reads the messages.
        own_id: The bot's id.
    """

    def __init__(self, bot: Bot, request: BaseRequest, ear: Ear, *, own_id: int) -> None:
        self._bot = bot
        self._request = request
        self._ear = ear
        self._mark = f"next update of {own_id}"
        self._marks: Marks | None = None
        self._offset: int | None = None
        self._kept: int | None = None
        self._waiting: deque[_Waiting] = deque()
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._closed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.dropped = 0
        """Updates that made no sense, or came twice."""

    def remember_in(self, marks: Marks) -> None:
        """Find out how far was read before."""
        self._marks = marks
        offset, _, at = (marks.get(self._mark) or "").partition(" ")
        # After a quiet week Telegram begins anywhere, also before.
        if offset.isdecimal() and at.isdecimal() and 0 <= time.time() - int(at) < _LIFE:
            self._offset = self._kept = int(offset)

    async def head(self) -> IncomingText | None:
        """Wait for a text, as `Source` says."""
        self._idle.clear()
        try:
            while not self._closed.is_set():
                if not self._waiting:
                    await self._refill()
                elif (text := self._waiting[0].text) is not None:
                    return text
                else:
                    self.handled()
            return None
        finally:
            self._idle.set()

    def handled(self) -> None:
        """Take the head off; the next poll confirms it."""
        self._offset = self._waiting.popleft().update_id + 1

    def rest(self) -> None:
        """Keep how far was read; later, the place for that may be closed."""
        if self._marks is not None and self._offset is not None and self._offset != self._kept:
            self._marks.set(self._mark, f"{self._offset} {int(time.time())}")
            self._kept = self._offset

    async def close(self) -> None:
        """End `head`, and the poll that is under way."""
        self._closed.set()
        await self._idle.wait()

    async def _refill(self) -> None:
        self.rest()
        updates = await unless_set(self._closed, self._poll())
        if not updates:
            return
        for update in updates:
            self._take(update)
        if not self._waiting:
            await unless_set(self._closed, asyncio.sleep(_NOTHING_NEW_PAUSE))

    def _take(self, update: Any) -> None:
        update_id = update.get("update_id") if isinstance(update, dict) else None
        if type(update_id) is not int or update_id in self._seen:
            self.dropped += 1
            _log.debug("an update without a number, or known already; %d dropped", self.dropped)
            return
        self._seen[update_id] = None
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)
        text: IncomingText | None = None
        content = update.get("message")
        if content is not None:
            try:
                text = self._ear.hear(Message.de_json(content, self._bot))
            except Exception as error:  # noqa: BLE001 - the SDK raises anything, and the rest must go on
                self.dropped += 1
                _log.debug("update %d cannot be read: %s", update_id, type(error).__name__)
        self._waiting.append(_Waiting(update_id, text))

    async def _poll(self) -> list[Any]:
        """Return the next updates, at least those that were not confirmed; try for ever.

        Raises:
            ChannelError: The token was revoked.
        """
        failures = refusals = 0
        while True:
            try:
                updates = await self._get_updates()
            except TelegramError as error:
                refusals = refusals + 1 if isinstance(error, InvalidToken) else 0
                if refusals >= _REFUSALS:
                    raise ChannelError(
                        "Telegram does not accept the bot's token any more: look at @BotFather "
                        "whether it was revoked."
                    ) from None
                failures += 1
                pause = min(_FIRST_PAUSE * 2 ** min(failures - 1, 10), _LONGEST_PAUSE)
                if isinstance(error, RetryAfter):
                    pause = max(pause_of(error), pause)
                self._tell(error, failures)
                await asyncio.sleep(pause)
            else:
                if failures:
                    _log.info("Telegram answers again")
                return updates if isinstance(updates, list) else []

    def _tell(self, error: TelegramError, failures: int) -> None:
        if isinstance(error, Conflict):
            words = (
                "something else reads this bot's messages, another program with the same token or "
                f"a webhook ({words_of(error, self._bot.token)}); ocft doctor tells more"
            )
        else:
            words = words_of(error, self._bot.token)
        level = logging.WARNING if failures == 1 else logging.DEBUG
        _log.log(level, "Telegram cannot be read now, it is tried again: %s", words)

    async def _get_updates(self) -> Any:
        # Not `Bot.get_updates`: one update that it cannot parse, and it returns none of them.
        fields: dict[str, Any] = {
            "timeout": POLL_SECONDS,
            "allowed_updates": json.dumps(["message"]),  # Telegram remembers what others wanted
        }
        if self._offset is not None:
            fields["offset"] = self._offset
        try:
            return await self._request.post(
                f"{self._bot.base_url}/getUpdates?{urlencode(fields)}",
                read_timeout=POLL_SECONDS + _GRACE,
            )
        except (OSError, RuntimeError, ValueError) as error:
            # Whatever the SDK did not translate is no reason to be deaf from now on.
            raise NetworkError(type(error).__name__) from None
