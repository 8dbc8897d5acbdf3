"""What a text is on Telegram: how long, how addressed to a bot, and how one of OCFT's looks.

A text goes without a parse mode and arrives as it was sent: what Telegram replaces or removes
(control characters, some combining marks, blanks at both ends) is in no text of OCFT.
"""

import re
from typing import Final

MAX_TEXT: Final = 4096
"""Code points of a text (core.telegram.org/bots/api#sendmessage; measured, not UTF-16 units)."""
MAX_CAPTION: Final = 1024
"""Code points of what is said with a file (core.telegram.org/bots/api#senddocument)."""
LONGEST_USERNAME: Final = 32
_COMMAND: Final = "/ocft@"
LONGEST_PREFIX: Final = len(_COMMAND) + LONGEST_USERNAME + len(" ")
"""Code points that addressing a bot in a group costs at most."""

_MARKER: Final = "\N{LINK SYMBOL}OCFT:"
_USERNAME: Final = re.compile(rf"@[A-Za-z][A-Za-z0-9_]{{2,{LONGEST_USERNAME - 1}}}")
_ADDRESSED: Final = re.compile(
    rf"\s*{_COMMAND}[A-Za-z0-9_]{{1,{LONGEST_USERNAME}}}(?:\s|$)", re.IGNORECASE
)


def is_username(address: str) -> bool:
    """Say whether an address is a bot's name, with the @."""
    return _USERNAME.fullmatch(address) is not None


def prefix_for(username: str) -> str:
    """Return what makes a text in a group reach a bot, whatever its Group Privacy.

    Args:
        username: The bot's, without the @.
    """
    return f"{_COMMAND}{username} "


def without_prefix(text: str) -> str:
    """Return the text that was sent, if it was addressed to a bot."""
    addressed = _ADDRESSED.match(text)
    return text[addressed.end() :] if addressed else text


def looks_like_ocft(text: str) -> bool:
    """Say whether a text is one of OCFT's, which the handlers of a bot need not see."""
    return without_prefix(text).lstrip().startswith(_MARKER)
