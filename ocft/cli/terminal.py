"""Words and numbers as people read and write them; pure functions."""

import math
import re
from collections.abc import Sequence

from ocft.errors import ConfigError

_UNITS = ("KB", "MB", "GB", "TB")  # of 1024, as in wire 1.0's tools
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?B|[KMGT])?", re.IGNORECASE | re.ASCII)
_LARGEST = 2.0**63  # bytes
_MINUTE, _HOUR = 60, 3600


def printable(text: str) -> str:
    r"""Return a text that only shows: what could move, hide or turn other text is spelled out.

    For everything that comes from a peer. Controls, terminal escapes, bidi marks, zero-width
    characters and lone surrogates become `\x1b`, `\u202e`, ...
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else _spelled(character) for character in text
    )


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def format_size(size: int) -> str:
    """Return a number of bytes as people say it: "1.4 MB"."""
    if size < 1024:  # noqa: PLR2004 - a kilobyte
        return f"{size} bytes" if size != 1 else "1 byte"
    value = size / 1024
    for unit in _UNITS[:-1]:
        if value < 1023.95:  # noqa: PLR2004 - above, it would read "1024.0"
            return f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} {_UNITS[-1]}"


def parse_size(text: str) -> int:
    """Return the bytes that a size like "100MB", "1.5 GB", "500k" or "4096" means.

    Raises:
        ConfigError: It is no size, or less than one byte.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is no size. Write for example 100MB, 1.5GB, 500KB or 4096.")
    unit = (match[2] or "").upper().rstrip("B")
    size = float(match[1]) * 1024.0 ** (" KMGT".index(unit) if unit else 0)
    if not 1 <= size < _LARGEST:
        raise ConfigError(f"{text!r} is not possible: from one byte to 8 million TB.")
    return math.floor(size)


def format_duration(seconds: float) -> str:
    """Return a duration as people say it: "45 s", "12 min", "3 h", "2 days"."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 48 * _HOUR:
        return f"{seconds / _HOUR:.0f} h"
    return f"{seconds / (24 * _HOUR):.0f} days"


def format_moment(at: float) -> str:
    """Return a moment in local time, to the minute."""
    from datetime import datetime

    try:
        return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):  # trust can be extended beyond the year 9999
        return "the end of the calendar" if at > 0 else "the beginning of the calendar"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines of aligned columns under their heads, each printable."""
    lines = [[printable(cell) for cell in line] for line in (heads, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
