"""What was said while nobody listened, and whether our own post is there."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final

from slack_sdk.web.async_client import AsyncWebClient

from ocft.channels import TokenBucket
from ocft.errors import ChannelError, RateLimitedError
from ocft_slack.calls import answer_of, body_of, sleep_as_told
from ocft_slack.messages import Room, moment, stamp
from ocft_slack.options import SlackOptions
from ocft_slack.text import from_slack

_log = logging.getLogger(__name__)
_PAGE: Final = 200
"""Messages of one call: Slack recommends no more."""
_MOST: Final = 5000
"""Messages that are caught up with at a time; about 20 MB of the longest texts."""
_MOST_PARTS: Final = 20
"""So many times that many are caught up with in all; it takes half an hour to ask for them."""
# 50 calls a minute are allowed (tier 3): 10 at once and one every 2 s are at most 40.
_CALLS_PER_SECOND: Final = 0.5
_CALLS_AT_ONCE: Final = 10


async def find_room(web: AsyncWebClient, options: SlackOptions) -> Room:
    """Find out who we are where the settings lead.

    Raises:
        ChannelError: Slack cannot be reached, or refuses; see `answer_of`.
    """
    who = body_of(await answer_of(web.auth_test()))
    user_id, bot_id = who.get("user_id"), who.get("bot_id")
    if not isinstance(user_id, str):
        raise ChannelError("Slack does not say who this bot is.")
    is_bot = isinstance(bot_id, str)
    return Room(options.channel, options.thread, user_id, bot_id if is_bot else None)


class History:
    """The messages of a room.

    Args:
        web: The client.
        room: The channel, or a thread in it.
    """

    def __init__(self, web: AsyncWebClient, room: Room) -> None:
        self.room = room
        self._web = web
        self._pace = TokenBucket(_CALLS_PER_SECOND, _CALLS_AT_ONCE)
        self._parts: list[int] = []
        """Where parts of the history end that are still to be read, the oldest part last."""
        self._done_to = 0
        """Where the part ended that was read before these; 0: none are left."""

    async def newest(self) -> int:
        """Return when the newest message came; 0: there is none.

        Raises:
            ChannelError: It cannot be read; see `answer_of`.
        """
        messages = _messages(await self._page(limit=1))
        last = messages[0] if messages else {}
        if self.room.thread is not None:  # then the first one is the parent
            return moment(last.get("latest_reply")) or moment(self.room.thread) or 0
        return moment(last.get("ts")) or 0

    async def since(self, at: int) -> tuple[list[dict[str, Any]], bool]:
        """Return the messages after a moment, without replies in other threads.

        If there are very many, these are the oldest of them; the next call, from where these end,
        returns the next ones.

        Returns:
            The messages, oldest first, and whether there are more of them to ask for.

        Raises:
            ChannelError: They cannot be read; see `answer_of`.
        """
        found: list[dict[str, Any]] = []
        latest = self._parts[-1] if self._parts else None
        # Whoever asks for a little more than that would get the same messages for ever.
        start = max(at, self._done_to)
        async with aclosing(self._pages(start, latest=latest)) as pages:
            async for page in pages:
                found += page
                if len(found) <= _MOST:
                    continue
                if self.room.thread is not None:  # where the oldest come first
                    return sorted(found, key=_moment), True
                if len(self._parts) >= _MOST_PARTS:
                    _log.warning(
                        "more than %d messages were missed in %s: the oldest are lost",
                        _MOST * _MOST_PARTS,
                        self.room.channel,
                    )
                    break
                # The newest come first: they are read again when the older ones were handled.
                del found[:_MOST]
                self._parts.append(_moment(found[0]))
        has_later = bool(self._parts)
        self._done_to = self._parts.pop() if has_later else 0
        return sorted(found, key=_moment), has_later

    async def has_own(self, text: str, *, after: int) -> bool:
        """Return whether a text of ours is among the messages after a moment.

        Raises:
            ChannelError: They cannot be read; see `answer_of`.
        """
        seen = 0
        async with aclosing(self._pages(after)) as pages:
            async for page in pages:
                for message in page:
                    if self.room.is_own(message) and from_slack(str(message.get("text"))) == text:
                        return True
                seen += len(page)
                if seen > _MOST:
                    break
        return False

    async def _pages(
        self, at: int, *, latest: int | None = None
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Yield the messages after a moment, up to another one, in Slack's order."""
        bounds: dict[str, Any] = {"oldest": stamp(at)}
        if latest is not None:
            bounds |= {"latest": stamp(latest), "inclusive": True}
        cursor: str | None = None
        while True:
            try:
                page = await self._page(limit=_PAGE, cursor=cursor, **bounds)
            except RateLimitedError as error:
                if cursor is None:
                    raise
                # Some apps may ask for 15 messages a minute: starting again would never end.
                await sleep_as_told(error)
                continue
            messages = _messages(page)
            fresh = [one for one in messages if _moment(one) > at]
            if messages and not fresh and cursor is not None:
                return  # whatever it says about more of them; an empty page is no end
            yield fresh
            metadata = page.get("response_metadata")
            cursor = metadata.get("next_cursor") if isinstance(metadata, dict) else None
            if not page.get("has_more") or not cursor or not isinstance(cursor, str):
                return

    async def _page(self, **arguments: Any) -> Mapping[str, Any]:
        loop = asyncio.get_running_loop()
        while wait := self._pace.wait_before(loop.time()):  # noqa: ASYNC110 - time
            await asyncio.sleep(wait)
        self._pace.take(loop.time())
        room = self.room
        if room.thread is None:
            call = self._web.conversations_history(channel=room.channel, **arguments)
        else:
            call = self._web.conversations_replies(
                channel=room.channel, ts=room.thread, **arguments
            )
        return body_of(await answer_of(call))


def _moment(message: Mapping[str, Any]) -> int:
    return moment(message.get("ts")) or 0


def _messages(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = page.get("messages")
    if not isinstance(messages, list):
        raise ChannelError("Slack's history makes no sense.")
    return [message for message in messages if isinstance(message, dict)]
