"""What an exception of the SDK means for what was to be done; none of its words has the token."""

import datetime as dt
import re
from typing import Final

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from ocft.errors import (
    ChannelClosedError,
    ChannelError,
    DeliveryUnknownError,
    FileRefusedError,
    MessageTooLongError,
    RateLimitedError,
)

_LONGEST_WORDS: Final = 200
_TOKEN: Final = re.compile(r"\d+:[\w-]{30,}")
_TOO_MANY: Final = re.compile(r"retry after (\d+)")
# Before anything was sent. A proxy that refuses is among them.
_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_REPLY_IS_GONE: Final = (
    "replied not found",
    "reply message not found",
    "replied message not found",
)


def _pause(seconds: float) -> RateLimitedError:
    # Telegram tells how long, and not whether it means the chat or the bot. Who goes on
    # elsewhere may be banned for it, so nothing goes anywhere.
    return RateLimitedError("Telegram asks for a pause.", retry_after=seconds, is_global=True)


def pause_of(error: RetryAfter) -> float:
    """Return the seconds that Telegram asks for; PTB_TIMEDELTA decides about their type."""
    pause = error.retry_after
    return pause.total_seconds() if isinstance(pause, dt.timedelta) else float(pause)


def words_of(error: BaseException, token: str) -> str:
    """Return what an exception says, short, in one line and without the token."""
    # An HTML page of the server in front of the API says nothing, at length.
    words = str(error).partition(". Parsing the server response")[0] or type(error).__name__
    words = _TOKEN.sub("<token>", words.replace(token, "<token>"))
    words = " ".join(words.split()).rstrip(".: ")
    return words if len(words) <= _LONGEST_WORDS else f"{words[:_LONGEST_WORDS]} ..."


def cause_of(error: BaseException, token: str) -> BaseException | None:
    """Return the exception to name as the cause, unless a traceback would show the token."""
    seen: BaseException | None = error
    while seen is not None:
        if token in str(seen) or token in repr(seen):
            return None
        seen = seen.__cause__ or seen.__context__
    return error


def is_reply_gone(error: BadRequest) -> bool:
    """Say whether the message that was to be answered is no more; nothing was sent."""
    return any(words in str(error).lower() for words in _REPLY_IS_GONE)


def failure_of(error: Exception, token: str, *, posts: bool = True) -> ChannelError:  # noqa: PLR0911 - a table
    """Return what an exception of a call means.

    Args:
        error: What the SDK raised, of whatever class.
        token: The bot's, which must not be in any words.
        posts: Whether the call posts a message; a call that only looks can be made again.

    Returns:
        DeliveryUnknownError for a post without an answer; nobody can ask Telegram about it.
    """
    words = words_of(error, token)
    match error:
        case RetryAfter():
            return _pause(pause_of(error))
        case BadRequest():
            return _refusal(words)
        case Forbidden():
            return ChannelError(f"Telegram does not allow it: {words}.")
        case InvalidToken() | EndPointNotFound():
            return ChannelError(
                "Telegram does not accept the bot's token: look at @BotFather whether it was "
                "revoked."
            )
        case ChatMigrated():
            return ChannelError(f"The group has another id now: {error.new_chat_id}.")
        case TelegramError():
            return _broken(error, words, posts=posts)
        case _:
            # What Telegram answered could not be read: but it did answer.
            return _unknown(words, posts=posts)


def _refusal(words: str) -> ChannelError:  # noqa: PLR0911 - a table
    lower = words.lower()
    if "too long" in lower:
        return MessageTooLongError(f"Telegram says: {words}.")
    if told := _TOO_MANY.search(lower):
        return _pause(float(told[1]))
    if "bot_to_bot" in lower:
        return ChannelError(
            "Bots may not write to each other here: both owners switch on Bot-to-Bot "
            "Communication Mode at @BotFather."
        )
    if any(word in lower for word in ("non-empty", "too big", "too large", "send documents")):
        return FileRefusedError(f"Telegram does not take the file: {words}.")
    if "temporarily" in lower:
        return ChannelClosedError(f"Telegram cannot do it now: {words}.")
    if "chat not found" in lower:
        return ChannelError(
            "Telegram does not find the chat. A bot is found by its number only after it was met: "
            "name it in channels.telegram.meet, or write to its @name first."
        )
    return ChannelError(f"Telegram refused it: {words}.")


def _broken(error: TelegramError, words: str, *, posts: bool) -> ChannelError:
    """What went wrong on the way; `BadRequest`, also a NetworkError to the SDK, is not here."""
    cause = error.__cause__
    if isinstance(cause, _NOT_SENT):
        return ChannelClosedError(f"There is no connection to Telegram: {words}.")
    if "(413)" in words or "too large" in words.lower():
        return FileRefusedError("The file is larger than Telegram takes.")
    if isinstance(error, NetworkError) and words.startswith("Unknown error in HTTP"):
        if isinstance(cause, RuntimeError):
            return ChannelClosedError("The bot's connection to Telegram was shut down.")
        # Reading the file failed, so that the request was never whole.
        return ChannelError(f"It could not be sent: {words}.")
    return _unknown(words, posts=posts)


def _unknown(words: str, *, posts: bool) -> ChannelError:
    if posts:
        return DeliveryUnknownError(f"Telegram did not say whether it took it: {words}.")
    return ChannelClosedError(f"Telegram did not answer: {words}.")
