"""What discord.py's exceptions mean, said in the library's errors.

The words of an error are Discord's; they never hold the token.
"""

from typing import Final

import aiohttp
import discord

from ocft.errors import (
    ChannelClosedError,
    ChannelError,
    DeliveryUnknownError,
    FileRefusedError,
    MessageTooLongError,
    RateLimitedError,
)

UNKNOWN_MESSAGE: Final = 10008
"""Discord's code for a message that is gone."""

_UNAUTHORIZED: Final = 401
_TOO_LARGE: Final = 413
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_MISSING_PERMISSIONS: Final = 50013
_BAD_FORM: Final = 50035
_FILE_CODES: Final = frozenset({40005, 50045})
_BAN_SECONDS: Final = 600.0
"""Who is banned for too many bad requests must be silent this long; documented."""
_LONGEST_PAUSE: Final = 3600.0
"""Seconds after which Discord is asked again, whatever it said."""
_ADVICE: Final = {
    10003: "There is no such channel",
    50001: "The bot cannot see the channel: give it View Channel there",
    50007: "Bots cannot write to bots directly: use a channel of a server",
    _MISSING_PERMISSIONS: "The bot may not do this in the channel: see `ocft doctor --via discord`",
    200000: "AutoMod rejected the text: exempt the bot's role or the channel",
    200001: "AutoMod rejected the text: exempt the bot's role or the channel",
}

NETWORK_ERRORS: Final = (aiohttp.ClientError, OSError, TimeoutError)
"""What discord.py lets through when the connection breaks."""


def is_unsent(error: Exception) -> bool:
    """Return whether a request that failed like this has surely done nothing."""
    if isinstance(error, discord.HTTPException):
        return error.status < _SERVER_ERROR
    # A ChannelError is ours; RuntimeError: the session was closed before the request began.
    unsent = aiohttp.ClientConnectorError | discord.RateLimited | ChannelError | RuntimeError
    return isinstance(error, unsent)


def is_worth_a_repeat(error: Exception) -> bool:
    """Return whether the same request, at once, may go well; discord.py repeats some itself."""
    if isinstance(error, discord.HTTPException):
        return error.status >= _SERVER_ERROR
    return isinstance(error, (*NETWORK_ERRORS, RuntimeError))


def explain(error: Exception) -> ChannelError:
    """Return the library's error for one of a request that is not tried again."""
    if isinstance(error, ChannelError):
        return error
    if isinstance(error, discord.RateLimited):
        return RateLimitedError("Discord asks for a pause.", retry_after=error.retry_after)
    if isinstance(error, discord.HTTPException):
        return _explain_answer(error)
    if is_unsent(error):
        return ChannelClosedError(f"Discord cannot be reached ({_kind(error)}).")
    return DeliveryUnknownError(f"The connection to Discord broke ({_kind(error)}).")


def explain_upload(error: Exception) -> ChannelError:
    """Return the same for a file: where texts pass, what is missing is the right to attach."""
    if isinstance(error, discord.HTTPException) and error.code == _MISSING_PERMISSIONS:
        return FileRefusedError("The bot may not attach files in this channel (Attach Files).")
    return explain(error)


def explain_question(error: Exception) -> ChannelError:
    """Return the same for a request that can be made again without harm: there is no doubt."""
    explained = explain(error)
    if isinstance(explained, DeliveryUnknownError):
        return ChannelClosedError(str(explained))
    return explained


def pause_of(explained: ChannelError) -> float:
    """Return the seconds that Discord asked for; 0: it did not ask."""
    if not isinstance(explained, RateLimitedError) or not explained.retry_after > 0:
        return 0.0
    return min(explained.retry_after, _LONGEST_PAUSE)


def is_final(error: Exception) -> bool:
    """Return whether nothing can be asked of Discord any more: the token is worth nothing."""
    return isinstance(error, discord.HTTPException) and error.status == _UNAUTHORIZED


def _explain_answer(error: discord.HTTPException) -> ChannelError:
    said = _ADVICE.get(error.code) or f"Discord refuses: {error.status}, {error.text[:200]}"
    words = f"{said} (code {error.code})."
    if error.status == _TOO_MANY:
        return RateLimitedError(
            "Discord asks for a pause.",
            retry_after=_retry_after(error),
            is_global=_is_global(error),
        )
    if error.status == _UNAUTHORIZED:
        return ChannelError("Discord does not know the token (any more): make a new one.")
    if error.status == _TOO_LARGE or error.code in _FILE_CODES:
        return FileRefusedError("Discord takes no file of this size here.")
    if error.code == _BAD_FORM and "content" in error.text:
        return MessageTooLongError(words)
    if error.status >= _SERVER_ERROR:
        return DeliveryUnknownError(words)
    return ChannelError(words)


def _retry_after(error: discord.HTTPException) -> float:
    try:
        return float(error.response.headers["Retry-After"])
    except (KeyError, ValueError):
        return _BAN_SECONDS


def _is_global(error: discord.HTTPException) -> bool:
    """Return whether a 429 is for the whole bot, or, as that of a ban, for this address."""
    headers = error.response.headers
    return (
        headers.get("X-RateLimit-Scope") == "global"
        or "X-RateLimit-Global" in headers
        or "Via" not in headers
    )


def _kind(error: Exception) -> str:
    # Not its words: some have the whole request in them.
    return type(error).__name__
