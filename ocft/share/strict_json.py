"""JSON from outside, without what parsers let pass: repeated keys, NaN, nesting without end."""

import json
from typing import Any, Never

from ocft.errors import MalformedMessageError


def parse_json(data: bytes) -> dict[str, Any]:
    """Return the object that `data` is; its length was limited before.

    Raises:
        MalformedMessageError: It is no JSON, or no object.
    """
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant
        )
    # ValueError: also bad UTF-8 and integers of more than 4,300 digits.
    except (ValueError, RecursionError) as error:
        raise MalformedMessageError("This is not valid JSON.") from error
    if not isinstance(value, dict):
        raise MalformedMessageError("This is no JSON object.")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key comes twice")
    return unique


def _refuse_constant(constant: str) -> Never:
    raise ValueError(f"{constant} is no JSON")
