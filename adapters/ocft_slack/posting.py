"""Puts texts into the room, each of them once, also when Slack's answer is lost."""

import asyncio
import logging
from typing import Final

from slack_sdk.web.async_client import AsyncWebClient

from ocft.errors import ChannelClosedError, ChannelError, DeliveryUnknownError, MessageTooLongError
from ocft_slack.backlog import Backlog
from ocft_slack.calls import answer_of, body_of
from ocft_slack.history import History
from ocft_slack.messages import Room, moment
from ocft_slack.text import fits_one_post, to_slack

_log = logging.getLogger(__name__)
_LOOKS: Final = (0.0, 1.5)
"""Seconds to wait before each look into the history for a text that may have been posted."""


class Posting:
    """The way out for texts.

    Args:
        web: The client.
        room: Where they go.
        history: Where it is looked up whether one got there.
        backlog: Knows the newest message of the room.
    """

    def __init__(self, web: AsyncWebClient, room: Room, history: History, backlog: Backlog) -> None:
        self._web = web
        self._room = room
        self._history = history
        self._backlog = backlog

    async def post(self, text: str) -> None:
        """Post a text as one message.

        Raises:
            MessageTooLongError: It would become several messages.
            DeliveryUnknownError: It may be there, and the history does not tell.
            ChannelError: It was not posted; see `answer_of`.
        """
        if not text:
            raise ChannelError("Slack posts no empty texts.")
        if not fits_one_post(text):
            raise MessageTooLongError("Slack would make several messages of this text.")
        newest = self._backlog.newest
        call = self._web.chat_postMessage(
            channel=self._room.channel,
            thread_ts=self._room.thread,
            text=to_slack(text),
            mrkdwn=False,
            parse="none",
            unfurl_links=False,
            unfurl_media=False,
        )
        try:
            answer = await answer_of(call, is_repeatable=False)
        except DeliveryUnknownError as error:
            await self._resolve(text, newest, error)
            return
        self._backlog.newest = max(self._backlog.newest, moment(body_of(answer).get("ts")) or 0)

    async def _resolve(self, text: str, after: int, doubt: DeliveryUnknownError) -> None:
        """Return if a text is in the history, raise if it is not."""
        for pause in _LOOKS:
            await asyncio.sleep(pause)
            try:
                if await self._history.has_own(text, after=after):
                    _log.info("%s, but the text is there", doubt)
                    return
            except ChannelError as error:
                raise DeliveryUnknownError(f"{doubt} Nor does the history tell: {error}") from None
        raise ChannelClosedError(f"{doubt} The text was not posted.")
