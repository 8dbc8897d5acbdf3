"""Calls of the Web API: made once, and every way in which they fail told apart.

slack-sdk would repeat a call whose answer was lost, which posts a text twice; so its own repeats
are off in the clients that are made here, and what is repeated is decided where it is known
whether that does harm.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Mapping
from typing import Any, Final

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from ocft.errors import (
    ChannelClosedError,
    ChannelError,
    DeliveryUnknownError,
    FileRefusedError,
    MessageTooLongError,
    RateLimitedError,
)

CALL_SECONDS: Final = 30.0
"""Longest time for one call."""
_UNSAID_RETRY_AFTER: Final = 30.0  # seconds, where a 429 does not say
_LONGEST_RETRY_AFTER: Final = 3600.0

_BAD_TOKEN: Final = frozenset(
    {
        "account_inactive",
        "invalid_auth",
        "not_allowed_token_type",
        "not_authed",
        "token_expired",
        "token_revoked",
    }
)
_RATE_LIMITED: Final = frozenset({"rate_limited", "ratelimited"})
_TOO_LONG: Final = frozenset({"msg_blocks_too_long", "msg_too_long"})
# What was asked for may have been done before it went wrong.
_UNKNOWN: Final = frozenset(
    {"fatal_error", "internal_error", "request_timeout", "service_unavailable"}
)
_FILE_REFUSED: Final = {
    "blocked_file_type": "Slack blocks files of this kind.",
    "file_type_not_allowed": "The workspace does not allow files of this kind.",
    "file_upload_size_restricted": "The workspace does not allow files of this size.",
    "file_uploads_disabled": "The workspace does not allow uploads.",
    "file_uploads_except_images_disabled": "The workspace allows uploads of images only.",
    "storage_limit_reached": "The workspace has no room for files any more.",
}
_REMEDIES: Final = {
    "cannot_dm_bot": "Bots cannot write to bots directly: use a channel.",
    "channel_not_found": "It does not exist, or it is private and the bot is not in it.",
    "is_archived": "The channel is archived.",
    "message_limit_exceeded": "The workspace has reached its limit of messages.",
    "missing_scope": "See `ocft doctor --via slack` for the scopes that the app needs.",
    "not_in_channel": "Invite the bot: /invite @its-name in the channel.",
    "thread_not_found": "The message whose thread was to be used is not there.",
}


class ApiError(ChannelError):
    """Slack said no.

    Args:
        word: Slack's word for it.
    """

    def __init__(self, word: str) -> None:
        remedy = _REMEDIES.get(word, "")
        super().__init__(f"Slack refuses: {word}. {remedy}".rstrip())
        self.word = word


class TokenError(ApiError):
    """A token is not good, or not good any more."""


def make_client(
    token: str | None, session: aiohttp.ClientSession, *, like: AsyncWebClient | str
) -> AsyncWebClient:
    """Return a client whose calls are made once and whose logger prints no token.

    Args:
        token: The bot token.
        session: Makes its connections.
        like: A client of the user's, whose addresses and proxies it takes over; or the API's
            address.
    """
    # slack-sdk logs answers at debug level, and some of them are as good as a token.
    logger = logging.getLogger("ocft_slack.sdk")
    logger.setLevel(logging.WARNING)
    if isinstance(like, str):
        return AsyncWebClient(
            token=token, base_url=like, session=session, retry_handlers=[], logger=logger
        )
    client = AsyncWebClient(
        token=token,
        base_url=like.base_url,
        ssl=like.ssl,
        proxy=like.proxy,
        session=session,
        headers=dict(like.headers),
        retry_handlers=[],
        logger=logger,
    )
    client.default_params = dict(like.default_params)
    return client


def make_session() -> aiohttp.ClientSession:
    """Return the session of a channel; whoever makes it closes it."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_SECONDS))


def transport(web: AsyncWebClient) -> dict[str, Any]:
    """Return how aiohttp has to connect to reach what a client reaches."""
    return {"proxy": web.proxy, "ssl": web.ssl if web.ssl is not None else True}


async def answer_of(
    call: Awaitable[AsyncSlackResponse], *, is_repeatable: bool = True
) -> AsyncSlackResponse:
    """Wait for a call, and tell apart how it fails.

    Args:
        call: What a method of the client returned.
        is_repeatable: Whether doing it twice does no harm. Otherwise a call of which nobody knows
            whether it was done raises DeliveryUnknownError.

    Raises:
        RateLimitedError: Slack asks for a pause.
        TokenError: The token is not good.
        MessageTooLongError: The text is too long.
        FileRefusedError: The workspace does not take the file.
        DeliveryUnknownError: It may have been done, or not.
        ChannelClosedError: It was not done, or does not matter, and can be tried again.
        ApiError: Slack refused for another reason.
    """
    unknown = ChannelClosedError if is_repeatable else DeliveryUnknownError
    # From here on `from None`: aiohttp's errors hold addresses, and some of these are secret.
    try:
        return await call
    except SlackApiError as error:
        raise _refusal(error.response, unknown) from None
    except aiohttp.ClientConnectorError as error:
        raise ChannelClosedError(f"Slack cannot be reached ({type(error).__name__}).") from None
    except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
        raise unknown(f"Slack's answer was lost ({type(error).__name__}).") from None
    except (SlackClientError, AttributeError, RuntimeError, TypeError, ValueError) as error:
        # How slack-sdk stumbles over answers that are no JSON, or a session that was closed.
        raise unknown(f"Slack's answer makes no sense ({type(error).__name__}).") from None


def body_of(answer: AsyncSlackResponse) -> Mapping[str, Any]:
    """Return what an answer says."""
    return answer.data if isinstance(answer.data, dict) else {}


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a 429 asks for."""
    told = next((headers[name] for name in headers if name.lower() == "retry-after"), "")
    try:
        seconds = float(told)
    except ValueError:
        return _UNSAID_RETRY_AFTER
    return seconds if math.isfinite(seconds) else _UNSAID_RETRY_AFTER


def _refusal(response: Any, unknown: type[ChannelError]) -> ChannelError:
    # Mostly slack-sdk's response, but aiohttp's where the body was no JSON.
    status = getattr(response, "status_code", None) or getattr(response, "status", 0)
    data = getattr(response, "data", None)
    word = data.get("error") if isinstance(data, dict) else None
    if status == 429 or word in _RATE_LIMITED:  # noqa: PLR2004 - Too Many Requests
        pause = retry_after(getattr(response, "headers", None) or {})
        return RateLimitedError(f"Slack asks for a pause of {pause:g} s.", retry_after=pause)
    if not isinstance(word, str) or word in _UNKNOWN:
        return unknown(f"Slack failed (status {status}, {word or 'no reason given'}).")
    if word in _BAD_TOKEN:
        return TokenError(word)
    if word in _TOO_LONG:
        return MessageTooLongError(f"Slack refuses: {word}.")
    if word in _FILE_REFUSED:
        return FileRefusedError(_FILE_REFUSED[word])
    return ApiError(word[:100])


async def sleep_as_told(error: RateLimitedError) -> None:
    """Wait for as long as Slack asked for; after an hour it may be asked again."""
    await asyncio.sleep(min(max(error.retry_after, 0), _LONGEST_RETRY_AFTER))
