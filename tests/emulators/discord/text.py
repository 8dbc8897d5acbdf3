"""What Discord does to texts and file names."""

import re
import secrets
import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

_MENTION: Final = re.compile(r"<@!?(\d{1,20})>")
_COMBINING_RUN: Final = 150


def clean(content: str) -> str:
    """The stored form of a content: trimmed, without control characters; behaviour 3.

    U+202E goes, U+200B stays, and runs of combining marks are cut. Discord does not tell the whole
    list, so a client must not rely on anything but ASCII.
    """
    kept: list[str] = []
    marks = 0
    for character in content:
        marks = marks + 1 if unicodedata.combining(character) else 0
        control = unicodedata.category(character) == "Cc" and character not in "\n\t"
        if control or character == "\u202e" or marks > _COMBINING_RUN:
            continue
        kept.append(character)
    return "".join(kept).strip()


def mentioned(content: str, allowed: Mapping[str, Any] | None) -> list[int]:
    """The users that a content mentions and may ping, in order of their first mention.

    Args:
        content: The message's text.
        allowed: Its `allowed_mentions`; None allows all.
    """
    found = list(dict.fromkeys(int(match) for match in _MENTION.findall(content)))
    if allowed is None or "users" in allowed.get("parse", ()):
        return found
    named = {int(user) for user in allowed.get("users", ())}
    return [user for user in found if user in named]


def file_name(name: str) -> tuple[str, str | None]:
    """A stored file name, and the stem it had when it was changed (`title`); behaviour 9."""
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    kept = re.sub(r"[^A-Za-z0-9_.-]", "", re.sub(r"\s", "_", folded)).strip("._")
    stored = kept or secrets.token_hex(8)
    return stored, None if stored == name else PurePosixPath(name).stem
