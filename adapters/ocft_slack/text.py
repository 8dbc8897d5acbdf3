"""What Slack does to texts, and how it is undone; pure.

Nobody has to be addressed here: a post reaches every app in the channel that may read it. So no
prefix is taken off the limit.
"""

import re
from typing import Final

MARKER: Final = "\N{LINK SYMBOL}OCFT:"
_COLON_MARKER: Final = ":link:OCFT:"
_OURS = re.compile("(?:\N{LINK SYMBOL}\N{VARIATION SELECTOR-16}?|:link:)OCFT:")
_LONGEST_POST: Final = 4000
"""Characters. Slack recommends no more, and splits longer posts into several messages."""


def to_slack(text: str) -> str:
    """Return a text as it has to be posted to be shown as it is."""
    # "&" first: the other two bring it along.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def from_slack(text: str) -> str:
    """Return a text as its author wrote it, from what Slack made of it.

    Emoji come back as names between colons; this is undone for our marker only.
    """
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return text.replace(_COLON_MARKER, MARKER)


def looks_like_ocft(text: str) -> bool:
    """Return whether a text, as Slack delivers it or as it was written, is one of ours."""
    return "OCFT:" in text and _OURS.search(text) is not None


def fits_one_post(text: str) -> bool:
    """Return whether a text remains one message when Slack has escaped it."""
    return len(to_slack(text).replace(MARKER, _COLON_MARKER)) <= _LONGEST_POST
