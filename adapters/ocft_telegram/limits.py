"""Telegram's limits, and what of them OCFT uses.

Nobody publishes exact figures: they differ from chat to chat and change. The documented ones are
in core.telegram.org/bots/faq (looked up in 2026): about one message a second in a chat, short
bursts allowed; 20 a minute in a group; about 30 a second in all chats together.
"""

from typing import Final

from ocft.channels import ChannelLimits, FileLimits
from ocft_telegram.text import LONGEST_PREFIX, MAX_TEXT

DEFAULT_SHARE: Final = 0.8
LEAST_SHARE: Final = 0.25
"""With less, one text would be more than may go in five seconds."""

MOST_DOWNLOADED: Final = 20 * 1024 * 1024
"""Bytes of the largest file that Telegram's own server gives to a bot (bots/api#getfile)."""
MOST_OF_OWN_SERVER: Final = 2000 * 1024 * 1024
"""Bytes of the largest file that a Bot API server of one's own takes."""
DEFAULT_FILE: Final = 19 * 1024 * 1024
"""Bytes; below 20 MiB and below 20 million, whichever Telegram means."""
_AT_ONCE: Final = 3  # uploads; equal sizes wait for one another there, and more than 5 s is refused

# Messages in seconds: "about one a second, short bursts", read strictly; and those of a group.
_CHAT: Final = (5, 5.0)
_GROUP: Final = (20, 60.0)
_ALL: Final = (30, 1.0)


def _rate(window: tuple[int, float], share: float, burst: int) -> float:
    """Texts a second that keep burst + rate * seconds within the share of a window."""
    most, seconds = window
    return (most * share - burst) / seconds


def private_limits(share: float) -> ChannelLimits:
    """Return the limits of private chats, each of which is a lane.

    Args:
        share: Fraction of Telegram's limits that may be used.
    """
    return ChannelLimits(
        max_text=MAX_TEXT,
        texts_per_second=_rate(_CHAT, share, 1),
        burst=1,
        total_per_second=_rate(_ALL, share, 1),
    )


def group_limits(share: float) -> ChannelLimits:
    """Return the limits of a group.

    Args:
        share: Fraction of Telegram's limits that may be used.
    """
    # Two at once, where five seconds have room for that: an answer, and what it leads to.
    burst = 2 if _rate(_CHAT, share, 2) >= _rate(_GROUP, share, 2) else 1
    return ChannelLimits(
        max_text=MAX_TEXT - LONGEST_PREFIX,
        texts_per_second=min(_rate(_GROUP, share, burst), _rate(_CHAT, share, burst)),
        burst=burst,
        total_per_second=_rate(_ALL, share, 1),
    )


def file_limits(max_size: int | None) -> FileLimits:
    """Return the limits of native files.

    Args:
        max_size: Bytes, where the owner knows better; None: Telegram's own server.
    """
    size = max_size or DEFAULT_FILE
    return FileLimits(max_size=size, ceiling=size, at_once=_AT_ONCE)
