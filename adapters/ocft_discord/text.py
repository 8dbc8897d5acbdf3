"""Texts as Discord wants and shows them. Pure.

What Discord does to a text beyond that (it trims it, and nothing else as long as it is ASCII and
one emoji) is undone by the library's codec.
"""

import re
from typing import Final

MAX_PREFIX: Final = len("<@> ") + 20
"""Code points of the longest mention: an id has at most 20 digits."""

_MARKER: Final = re.compile(
    r"(?:\N{LINK SYMBOL}\N{VARIATION SELECTOR-16}?|:link:|&#(?:128279|x1f517);)OCFT:", re.IGNORECASE
)
_USER_ID: Final = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)


def is_user_id(address: str) -> bool:
    """Return whether an address can be a user's id."""
    return _USER_ID.fullmatch(address) is not None


def mention(user_id: str) -> str:
    """Return what stands before a text for somebody.

    Discord shows a text to a bot without the intent MESSAGE_CONTENT only if it mentions that bot.
    """
    return f"<@{user_id}> "


def without_mention(text: str, user_id: int) -> str:
    """Return a text without the mention of a user before it, if there is one."""
    for form in (f"<@{user_id}>", f"<@!{user_id}>"):
        if text.startswith(form):
            return text[len(form) :].lstrip()
    return text


def looks_like_ocft(text: str) -> bool:
    """Return whether a text seems to be one of OCFT's: no bot's owner wants to see it."""
    return _MARKER.search(text) is not None
