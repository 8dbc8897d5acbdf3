"""Calls of the Bot API: how long they may take, and what their exceptions mean to the library.

Nothing is tried again here: that is the library's.
"""

import functools
import ssl
from collections.abc import Awaitable
from typing import Final, TypedDict, TypeVar

import httpx
from telegram.error import BadRequest, ChatMigrated

from ocft_telegram.failures import cause_of, failure_of, is_reply_gone

_T = TypeVar("_T")


class Times(TypedDict):
    """Seconds, as the SDK's methods take them."""

    connect_timeout: float
    pool_timeout: float
    read_timeout: float
    write_timeout: float


# Telegram absorbs a wait of up to 8 s, and answers late.
TIMES: Final[Times] = {
    "connect_timeout": 10.0,
    "pool_timeout": 10.0,
    "read_timeout": 30.0,
    "write_timeout": 30.0,
}
TIMES_OF_FILES: Final[Times] = {**TIMES, "read_timeout": 120.0, "write_timeout": 120.0}


@functools.cache
def certificates() -> ssl.SSLContext:
    """Return what servers are checked with; reading it takes 20 ms, so that is done once."""
    return httpx.create_ssl_context()


class Calls:
    """Makes calls with one token.

    Args:
        token: The bot's, which is kept out of all words.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    async def post(self, call: Awaitable[_T]) -> _T:
        """Make a call that posts or removes something.

        Raises:
            ChatMigrated: The group has another id; nothing was done.
            BadRequest: The message to be answered is gone; nothing was done.
            ChannelError: Whatever else went wrong; DeliveryUnknownError: nobody knows.
        """
        try:
            return await call
        except ChatMigrated:
            raise
        except Exception as error:
            if isinstance(error, BadRequest) and is_reply_gone(error):
                raise
            raise failure_of(error, self._token) from cause_of(error, self._token)

    async def look(self, call: Awaitable[_T]) -> _T:
        """Make a call that changes nothing.

        Raises:
            ChatMigrated: The group has another id.
            ChannelError: Whatever else went wrong; it is retryable if nobody answered.
        """
        try:
            return await call
        except ChatMigrated:
            raise
        except Exception as error:  # noqa: BLE001 - and it is raised as something else
            failure = failure_of(error, self._token, posts=False)
            raise failure from cause_of(error, self._token)
