"""What Telegram does to texts and file names (behaviours 2 and 3)."""

import re
import unicodedata
from typing import Any

from tests.emulators.telegram.answers import bad_request
from tests.emulators.telegram.limits import Limits

_MAX_ENTITIES = 100

_BLANKED = {code: " " for code in range(0x20) if code not in (0x0A, 0x0D)}
_DELETED = dict.fromkeys((0x0D, *range(0x2028, 0x202F), 0x0333, 0x033F, 0x030A))
_CLEANED = _BLANKED | _DELETED
_MARKS = re.compile("[\u200e\u200f]+(?=[\u200e\u200f])")

_COMMAND = re.compile(r"(?<![\w/<>])/([a-zA-Z0-9_]{1,64})(?:@([a-zA-Z0-9_]{3,32}))?(?![\w/<>@])")
_MENTION = re.compile(r"(?<!\w)@[a-zA-Z0-9_]{2,32}\b")


def clean(text: str) -> str:
    """What is left of a text.

    Raises:
        ApiError: It is no Unicode text.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise bad_request("strings must be encoded in UTF-8") from None
    text = text.translate(_CLEANED)
    text = _MARKS.sub(lambda run: "\u200c" * len(run[0]), text)
    return text.strip(" \n")


def clean_text(text: str, limits: Limits) -> str:
    """The text of a message.

    Raises:
        ApiError: It is too long or empty.
    """
    if len(text.encode(errors="surrogatepass")) > limits.text_bytes:
        raise bad_request("text is too long")
    text = clean(text)
    if not text:
        raise bad_request("message text is empty")
    if len(text) > limits.text_characters:
        raise bad_request("message is too long")
    return text


def clean_caption(text: str, limits: Limits) -> str:
    """The text under a document; may be empty.

    Raises:
        ApiError: It is too long.
    """
    text = clean(text)
    if len(text) > limits.caption_characters:
        raise bad_request("message caption is too long")
    return text


def clean_file_name(name: str) -> str:
    """What is left of a file's name; may be empty."""
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem.strip(". "):
        stem, extension = name, ""
    stem, extension = _clean_part(stem)[:64], _clean_part(extension)[:16]
    name = f"{stem}.{extension}" if extension else stem
    return name.lstrip(". ").rstrip(". ")


def _clean_part(part: str) -> str:
    return "".join(" " if c in "<>:\"/\\|?*&'`" else c for c in part if _stays(c))


def _stays(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    return unicodedata.category(character)[0] in "LN"


def entities(text: str) -> list[dict[str, Any]]:
    """The commands and mentions in a text; offsets count UTF-16 units."""
    found: list[dict[str, Any]] = [
        {"type": kind, "offset": _units(text[: match.start()]), "length": _units(match[0])}
        for kind, pattern in (("bot_command", _COMMAND), ("mention", _MENTION))
        for match in pattern.finditer(text)
    ]
    return sorted(found, key=lambda entity: entity["offset"])[:_MAX_ENTITIES]


def commands(text: str) -> list[str | None]:
    """Whom each command in a text names, in lower case; None for a command without a name."""
    return [match[2] and match[2].lower() for match in _COMMAND.finditer(text)]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
