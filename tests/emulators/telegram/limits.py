"""Telegram's numbers, and the clock that they are measured with."""

import time
from dataclasses import dataclass

_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What the platform allows; the defaults are the documented or observed numbers.

    Windows of time are divided by `speed`; what a client asks for (a long poll's timeout) and what
    it is told (`retry_after`) are real seconds.

    Attributes:
        text_characters: Code points of a text after cleaning.
        caption_characters: The same of a caption.
        text_bytes: Bytes of a text as it comes in.
        parameter_bytes: Bytes of all parameters of one request, files excluded.
        upload_bytes: Bytes of one request with files. The exact figure behind "50 MB" is not
            published: this is the stricter reading.
        download_bytes: The largest file that getFile serves.
        chat_messages: Messages to one chat in `chat_seconds`: about one a second, short bursts.
        chat_seconds: See `chat_messages`.
        group_messages: Messages of one bot to one group in `group_seconds`.
        group_seconds: See `group_messages`.
        bot_messages: Messages of one bot to all chats in `bot_seconds`.
        bot_seconds: See `bot_messages`.
        hold_seconds: Waits up to this are absorbed: the answer comes late, as 200.
        queued_messages: Messages waiting for one chat, above which everything is refused.
        active_uploads: Uploads of one bot in progress, above which everything is refused.
        overload_seconds: `retry_after` of those refusals.
        same_size_bytes: Uploads larger than this and of equal size are spaced ...
        same_size_seconds: ... by 1e-7 s a byte, at least and at most this ...
        same_size_backlog: ... and refused when the line is longer than this many seconds.
        poll_seconds: The longest long poll; real seconds.
        poll_updates: Most updates in one answer.
        poll_bytes: Most bytes in one answer, roughly.
        update_seconds: How long an update waits for its bot.
        link_seconds: How long the path of getFile works.
        speed: How many times faster than the platform the windows pass.
    """

    text_characters: int = 4096
    caption_characters: int = 1024
    text_bytes: int = 32_768
    parameter_bytes: int = _MEBIBYTE
    upload_bytes: int = 50_000_000
    download_bytes: int = 20 * _MEBIBYTE
    chat_messages: int = 5
    chat_seconds: float = 5.0
    group_messages: int = 20
    group_seconds: float = 60.0
    bot_messages: int = 30
    bot_seconds: float = 1.0
    hold_seconds: float = 8.0
    queued_messages: int = 310
    active_uploads: int = 100
    overload_seconds: float = 60.0
    same_size_bytes: int = 100_000
    same_size_seconds: tuple[float, float] = (0.2, 0.9)
    same_size_backlog: float = 5.0
    poll_seconds: int = 50
    poll_updates: int = 100
    poll_bytes: int = 4 * _MEBIBYTE
    update_seconds: float = 86_400.0
    link_seconds: float = 3_600.0
    speed: float = 1.0


class Clock:
    """Runs with real time, and can be put forward (behaviour 10).

    Args:
        speed: See `Limits.speed`.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._skipped = 0.0

    def __call__(self) -> float:
        """Seconds for measuring."""
        return time.monotonic() + self._skipped

    def date(self) -> int:
        """Seconds since 1970, whole: Telegram's `date` (behaviour 11)."""
        return int(time.time() + self._skipped)

    def real(self, seconds: float) -> float:
        """How long a window of the platform lasts here."""
        return seconds / self._speed

    def advance(self, seconds: float) -> None:
        """Put the clock forward by this many seconds of this clock."""
        self._skipped += seconds
