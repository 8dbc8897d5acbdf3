"""Text <-> messages: finds ours in whatever the chat delivered, and writes the canonical form.

R-TXT-1 to R-TXT-4: a text is human text (no message), a
:exc:`~ocft.errors.MalformedMessageError`, or messages; nothing else. Work is linear in the text's
length, and the length is checked before anything is decoded. What platforms do to a text on the way
is undone here, once for all of them: Slack sends the emoji back as `:link:` and escapes HTML, emoji
may carry a variation selector, clients wrap lines, people quote and fence, Telegram bots address
each other by a mention or a command.
"""

import binascii
import json
import re
import sys
from collections.abc import Iterator
from typing import Final, Never

from pydantic import ValidationError

from ocft.errors import MalformedMessageError
from ocft.wire.messages import Message

MARKER: Final = "\N{LINK SYMBOL}OCFT:"
MAX_TEXT: Final = 2 * 1024 * 1024
"""Characters of the longest text that is decoded: a 1 MiB chunk needs 1.9 million."""
MAX_MESSAGES_IN_A_TEXT: Final = 16

_WORD = "OCFT:"
# Before the word: the emoji (perhaps with a variation selector), or Slack's name for it.
_EMOJI = ("\N{LINK SYMBOL}", "\N{LINK SYMBOL}\N{VARIATION SELECTOR-16}", ":link:")
# The HTML entities of what our texts are made of. Not html.unescape: it raises on long numbers.
_ENTITY = re.compile(r"&(?:(amp|equals|plus|sol)|#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6}));")
_SURROGATES = range(0xD800, 0xE000)
_NAMED = {"amp": "&", "equals": "=", "plus": "+", "sol": "/"}
_UNBROKEN = re.compile(r"\s*([A-Za-z0-9+/_-]+=*)")
_WRAPPED = re.compile(r"[A-Za-z0-9+/_\s-]+=*")


def encode(message: Message) -> str:
    """Return the message's text: the marker and standard base64 of the UTF-8 JSON."""
    data = message.model_dump_json(exclude_none=True).encode()
    return MARKER + binascii.b2a_base64(data, newline=False).decode("ascii")


def decode(text: str) -> tuple[Message, ...]:
    """Return the messages in a text; none of them means that it is not ours.

    Args:
        text: As the platform delivered it.

    Raises:
        MalformedMessageError: The text carries the marker, but is too long, carries more than
            `MAX_MESSAGES_IN_A_TEXT` messages, or one of them is not valid.
    """
    if _WORD not in text:
        return ()
    if len(text) > MAX_TEXT:
        raise MalformedMessageError(f"a text of {len(text)} characters; {MAX_TEXT} are the most")
    if "&" in text:
        text = _ENTITY.sub(_character_of, text)
    # Splitting at the word is ten times as fast as a search for the whole marker.
    before, *after = text.split(_WORD)
    bodies = []
    for part in after:
        if before.endswith(_EMOJI):
            bodies.append(part)
        before = part
    if len(bodies) > MAX_MESSAGES_IN_A_TEXT:
        raise MalformedMessageError(f"{len(bodies)} messages in one text")
    return tuple(_decode_body(body) for body in bodies)


def _character_of(entity: re.Match[str]) -> str:
    named, decimal, hexadecimal = entity.groups()
    if named:
        return _NAMED[named]
    number = int(decimal) if decimal else int(hexadecimal, 16)
    is_character = 0 < number <= sys.maxunicode and number not in _SURROGATES
    return chr(number) if is_character else entity[0]


def _decode_body(body: str) -> Message:
    """Decode what follows a marker: all of it, or its first word, or its wrapped lines."""
    failure = MalformedMessageError("nothing follows the marker")
    for encoded in _readings(body):
        try:
            return _decode_base64_json(encoded)
        except MalformedMessageError as error:
            failure = error
    raise failure


def _readings(body: str) -> Iterator[str]:
    yield body.strip()
    if word := _UNBROKEN.match(body):
        yield word[1]
    if wrapped := _WRAPPED.match(body):
        yield "".join(wrapped[0].split())


def _decode_base64_json(encoded: str) -> Message:
    encoded = encoded.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = binascii.a2b_base64(encoded + "=" * (-len(encoded) % 4), strict_mode=True)
        # json.loads and not pydantic's parser: that one takes the last of two equal keys, and so
        # would another reader of the same text take the first (hostile case J3).
        # Decoded first, because json.loads takes UTF-16 and lone surrogates from bytes.
        fields = json.loads(
            data.decode(), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant
        )
        return Message.model_validate(fields, by_alias=True, by_name=False)
    except ValidationError as error:
        raise MalformedMessageError(_summary(error)) from None
    except (ValueError, RecursionError) as error:
        raise MalformedMessageError(f"no base64 of UTF-8 JSON ({type(error).__name__})") from None


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("an object has the same key twice")
    return fields


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def _summary(error: ValidationError) -> str:
    """Say which field is wrong and why, without quoting the peer's value."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(step) for step in first["loc"]) or "message"
    return f"{place}: {first['msg']}"
