"""The few words of HTTP that both ends of the direct route need."""

import re
from collections.abc import Sequence
from typing import Final

from ocft.ranges import Range

SALT_HEADER: Final = "OCFT-Salt"
MOST_RANGES: Final = 256
"""Ranges of one request; what more is missing is asked for afterwards."""

_RANGE = re.compile(r"bytes=([0-9]{1,19}-[0-9]{1,19}(?:,[0-9]{1,19}-[0-9]{1,19})*)")


def range_header(ranges: Sequence[Range]) -> str:
    """Return the `Range` of some bytes (RFC 9110 section 14.2); its ends are inclusive."""
    return "bytes=" + ",".join(f"{first}-{end - 1}" for first, end in ranges)


def parse_ranges(header: bytes) -> list[Range] | None:
    """Return the ranges of a `Range`, sorted and apart; None where it is not like that."""
    found = _RANGE.fullmatch(header.decode("ascii", "replace"))
    if found is None:
        return None
    ranges: list[Range] = []
    for one in found[1].split(","):
        first, _, last = one.partition("-")
        ranges.append((int(first), int(last) + 1))
    before = -1
    for first, end in ranges:
        if not before < first < end:
            return None
        before = end
    return ranges if len(ranges) <= MOST_RANGES else None


def token_of(header: bytes) -> str:
    """Return the token of an `Authorization` header; empty where it has none."""
    kind, _, token = header.decode("ascii", "replace").partition(" ")
    return token if kind.lower() == "bearer" else ""
