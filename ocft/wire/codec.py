"""Text <-> messages and frames: finds ours in what the chat delivered, writes the canonical form.

R-TXT-1 to R-TXT-4: a text is human text (no message), a
:exc:`~ocft.errors.MalformedMessageError`, or messages; nothing else. Work is linear in the text's
length, and the length is checked before anything is decoded. What platforms do to a text on the way
is undone here, once for all of them: Slack sends the emoji back as `:link:` and escapes HTML, emoji
may carry a variation selector, clients wrap lines, people quote and fence, Telegram bots address
each other by a mention or a command.

A message of wire 1.0 comes out as a `Message`, a frame of wire 2 as the frame's bytes (R-FRM-1).
"""

import binascii
import json
import re
import sys
from collections.abc import Iterator
from typing import Final, Never

from pydantic import ValidationError

from ocft.errors import MalformedMessageError
from ocft.wire.alphabets import CJK15_LETTERS, Alphabet
from ocft.wire.frame_types import MAX_FRAME, FrameType
from ocft.wire.frames import parse_frame
from ocft.wire.messages import Message
from ocft.wire.models import summary

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
# Hangul also as a platform would decompose it; the alphabet composes it again.
_CJK15 = re.compile(rf"\s*([{CJK15_LETTERS}\u1100-\u11ff]+)")
_FIRST_BYTES = frozenset(FrameType)
_WITH_MAP = (FrameType.HELLO, FrameType.REPLY, FrameType.FINISH, FrameType.PAIR)
_MAP = 5  # the top three bits of CBOR's maps
# What base64 of each of these begins with: most texts of wire 2 are one frame and nothing else.
_FIRST_LETTERS = tuple({Alphabet.BASE64URL.encode(bytes([first]))[0] for first in _FIRST_BYTES})


def encode(message: Message) -> str:
    """Return the message's text: the marker and standard base64 of the UTF-8 JSON."""
    data = message.model_dump_json(exclude_none=True).encode()
    return MARKER + binascii.b2a_base64(data, newline=False).decode("ascii")


def encode_frame(frame: bytes, alphabet: Alphabet) -> str:
    """Return a frame's text: the marker and the frame in one of the two alphabets."""
    return MARKER + alphabet.encode(frame)


def decode(text: str) -> tuple[Message | bytes, ...]:
    """Return the messages and frames in a text; none of them means that it is not ours.

    A frame says nothing about its length. Where other words follow it, they could be its wrapped
    lines: then both readings are returned, of which at most one can be opened or put together.

    Args:
        text: As the platform delivered it.

    Returns:
        In their order; bytes are one frame, for `parse_frame`.

    Raises:
        MalformedMessageError: The text carries the marker, but is too long, carries more than
            `MAX_MESSAGES_IN_A_TEXT` messages, or one of them is not valid.
    """
    if _WORD not in text:
        return ()
    if len(text) > MAX_TEXT:
        raise MalformedMessageError(f"a text of {len(text)} characters; {MAX_TEXT} are the most")
    if (frame := _lone_frame(text)) is not None:
        return (frame,)
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
    return tuple(one for body in bodies for one in _decode_body(body))


def _lone_frame(text: str) -> bytes | None:
    """Return the frame of a text that nobody has touched; the rest of this module is slower."""
    if not text.startswith(MARKER) or not text.startswith(_FIRST_LETTERS, len(MARKER)):
        return None
    try:
        frame = Alphabet.BASE64URL.decode(text[len(MARKER) :])
    except MalformedMessageError:
        return None
    return frame if _is_frame(frame) else None


def _character_of(entity: re.Match[str]) -> str:
    named, decimal, hexadecimal = entity.groups()
    if named:
        return _NAMED[named]
    number = int(decimal) if decimal else int(hexadecimal, 16)
    is_character = 0 < number <= sys.maxunicode and number not in _SURROGATES
    return chr(number) if is_character else entity[0]


def _decode_body(body: str) -> tuple[Message | bytes, ...]:
    """Decode what follows a marker: all of it, or its first word, or its wrapped lines."""
    if dense := _CJK15.match(body):
        return (_checked_frame(Alphabet.CJK15.decode(dense[1])),)
    failure = MalformedMessageError("nothing follows the marker")
    frames: list[bytes] = []
    for encoded in _readings(body):
        try:
            data = _decode_base64(encoded)
            if data.startswith(b"{"):
                return (_decode_json(data),)
            # Decoded again: frames are strict about what wire 1.0 lets pass (R-FRM-2).
            letters = encoded.rstrip("=").replace("+", "-").replace("/", "_")
            frame = _checked_frame(Alphabet.BASE64URL.decode(letters))
            if frame not in frames:
                frames.append(frame)
        except MalformedMessageError as error:
            failure = error
    if not frames:
        raise failure
    if len(frames) > 1:
        # Of two readings of a handshake only one is right, and that one can be told from here.
        frames = [frame for frame in frames if _can_be_parsed(frame)] or frames[:1]
    return tuple(frames)


def _readings(body: str) -> Iterator[str]:
    yield body.strip()
    if word := _UNBROKEN.match(body):
        yield word[1]
    if wrapped := _WRAPPED.match(body):
        yield "".join(wrapped[0].split())


def _decode_base64(encoded: str) -> bytes:
    encoded = encoded.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return binascii.a2b_base64(encoded + "=" * (-len(encoded) % 4), strict_mode=True)
    except ValueError as error:
        raise MalformedMessageError(f"no base64 ({type(error).__name__})") from None


def _checked_frame(frame: bytes) -> bytes:
    if not _is_frame(frame):
        raise MalformedMessageError("neither a message of wire 1.0 nor a frame of wire 2")
    return frame


def _is_frame(data: bytes) -> bool:
    """Say whether some bytes begin like a frame; JSON's `"` is a type of frame too."""
    if not 1 < len(data) <= MAX_FRAME or data[0] not in _FIRST_BYTES:
        return False
    return data[0] not in _WITH_MAP or data[1] >> 5 == _MAP


def _can_be_parsed(frame: bytes) -> bool:
    try:
        parse_frame(frame)
    except MalformedMessageError:
        return False
    return True


def _decode_json(data: bytes) -> Message:
    try:
        # json.loads and not pydantic's parser: that one takes the last of two equal keys, and so
        # would another reader of the same text take the first (hostile case J3).
        # Decoded first, because json.loads takes UTF-16 and lone surrogates from bytes.
        fields = json.loads(
            data.decode(), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant
        )
        return Message.model_validate(fields, by_alias=True, by_name=False)
    except ValidationError as error:
        raise MalformedMessageError(summary(error)) from None
    except (ValueError, RecursionError) as error:
        raise MalformedMessageError(f"no UTF-8 JSON ({type(error).__name__})") from None


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("an object has the same key twice")
    return fields


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")
