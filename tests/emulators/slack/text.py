"""What Slack does to a text before it is stored (behaviour 2)."""

import re
import unicodedata

# Names that differ from the Unicode name; the others are close enough to it for a stand-in.
_EMOJI = {
    "\N{LINK SYMBOL}": "link",
    "\N{THUMBS UP SIGN}": "+1",
    "\N{PARTY POPPER}": "tada",
    "\N{PAPERCLIP}": "paperclip",
    "\N{HEAVY BLACK HEART}": "heart",
    "\N{WHITE HEAVY CHECK MARK}": "white_check_mark",
    "\N{SMILING FACE WITH OPEN MOUTH AND SMILING EYES}": "smile",
}
_EMOJI_PATTERN = re.compile("([\u2600-\u27bf\U0001f300-\U0001faff])\ufe0f?")

# Control sequences stay: <@U1>, <#C1|name>, <!here>, <https://...|label>.
_CONTROL = r"<(?:@[UW]\w+|#C\w+|![^<>]+|(?:https?://|mailto:)[^<>\s]+)(?:\|[^<>]*)?>"
_ESCAPE = re.compile(_CONTROL + r"|&(?:amp|lt|gt);|[&<>]")
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LINK = re.compile(
    _CONTROL + r"|(https?://[^\s<>|]+)|(?<![\w@./])((?:[\w-]+\.)+(?:com|net|org|io|dev)\b)"
)


def stored(text: str, *, links: bool) -> str:
    """The text as it is stored and delivered.

    Args:
        text: As it was posted.
        links: Whether bare addresses become links; not with `parse="none"`.
    """
    text = _EMOJI_PATTERN.sub(_colon_form, text)
    text = _ESCAPE.sub(lambda found: _ESCAPED.get(found[0], found[0]), text)
    return _LINK.sub(_linked, text) if links else text


def _colon_form(found: re.Match[str]) -> str:
    name = _EMOJI.get(found[1], unicodedata.name(found[1], "question"))
    return ":" + name.lower().replace(" ", "_") + ":"


def _linked(found: re.Match[str]) -> str:
    url, domain = found[1], found[2]
    if url:
        return f"<{url}>"
    return f"<http://{domain}|{domain}>" if domain else found[0]


def pieces(text: str, *, longest: int, piece: int) -> list[str]:
    """A text as the messages that it becomes; one, if it is not longer than `longest`."""
    if len(text) <= longest:
        return [text]
    return [text[start : start + piece] for start in range(0, len(text), piece)]


def block_texts(blocks: object) -> list[str]:
    """All `text` strings within blocks, in order."""
    if isinstance(blocks, list):
        return [text for block in blocks for text in block_texts(block)]
    if not isinstance(blocks, dict):
        return []
    return [
        text
        for key, value in blocks.items()
        for text in ([value] if key == "text" and isinstance(value, str) else block_texts(value))
    ]
