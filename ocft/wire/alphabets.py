"""Bytes <-> letters: the two alphabets that a frame's text is written in (protocol 2.1).

base64url is safe on every platform; cjk15 carries 2.5 times as many bytes where a platform counts
characters. Both are strict: every text that decodes is the one text that the encoder writes for
those bytes. cjk15's letters are whole pages of 256 code points that no platform was found to touch:
no emoji, nothing invisible or right to left, no case, stable under NFC and NFKC.
"""

import re
import unicodedata
from enum import Enum
from typing import Final

import pybase64

from ocft.errors import MalformedMessageError
from ocft.wire.frame_types import MAX_FRAME

CJK15_LETTERS: Final = "\u3400-\u4bff\u4e00-\u9dff\u9f00\uac00-\uc3ff"
"""The letters of cjk15 as the inside of a regular expression's class."""

_ODD = "\u9f00"
_NO_LETTER = 0xFF
_HIGH_BYTES = (*range(0x4E, 0x9E), *range(0x34, 0x4C), *range(0xAC, 0xC4))
_TO_HIGH_BYTE = bytes(_HIGH_BYTES[page & 127] for page in range(256))
_TO_PAGE = bytes(
    _HIGH_BYTES.index(high) if high in _HIGH_BYTES else _NO_LETTER for high in range(256)
)
_TO_TOP_DIGIT = bytes(b"01"[high >> 7] for high in range(256))
_FROM_TOP_DIGIT = bytes(0x80 if digit == ord("1") else 0 for digit in range(256))
_WORD = 16  # bits
_LAST = 15  # bits of the last letter
# The last letter of a base64 text whose spare bits are zero, by the letters in its last group.
_LAST_LETTERS = {2: re.compile(r"[AQgw]\Z"), 3: re.compile(r"[AEIMQUYcgkosw048]\Z")}


class Alphabet(Enum):
    """What a frame is written in; a text's first letter after the marker tells which."""

    BASE64URL = "base64url"
    CJK15 = "cjk15"

    def encode(self, data: bytes) -> str:
        """Return the letters for some bytes, without a marker."""
        if self is Alphabet.CJK15:
            return _encode_cjk15(data)
        return pybase64.b64encode_as_string(data, b"-_").rstrip("=")

    def decode(self, text: str) -> bytes:
        """Return the bytes for some letters (R-FRM-2).

        Args:
            text: What `encode` gave: no white space, no padding. Decomposed Hangul is composed.

        Raises:
            MalformedMessageError: The encoder does not write such a text.
        """
        if self is Alphabet.BASE64URL:
            return _decode_base64url(text)
        try:
            return _decode_cjk15(text)
        except MalformedMessageError:
            composed = unicodedata.normalize("NFC", text)
            if composed == text:
                raise
            return _decode_cjk15(composed)


def capacity(alphabet: Alphabet, max_text: int, *, marker_cost: int, letter_cost: int) -> int:
    """Return how long a frame can be: one of that many bytes, and every shorter one, fits a text.

    Args:
        alphabet: What the frame is written in.
        max_text: The longest text, in the platform's units (characters, UTF-16 units, bytes).
        marker_cost: Units of the marker.
        letter_cost: Units of a letter of cjk15: 1 where characters are counted, 3 for UTF-8.
            base64url's letters always cost 1.

    Returns:
        Bytes, at most `MAX_FRAME`; 0 where not even one byte fits.
    """
    room = max(0, max_text - marker_cost)
    if alphabet is Alphabet.BASE64URL:
        return min(room * 3 // 4, MAX_FRAME)
    # An odd length costs a letter more than the even one above it.
    return min(2 * _most_words(room // letter_cost - 1), MAX_FRAME)


def _decode_base64url(text: str) -> bytes:
    # pybase64 takes both alphabets at once, padding, and any spare bits.
    if "+" in text or "/" in text or text.endswith("="):
        raise MalformedMessageError("no base64url")
    rest = len(text) % 4
    if rest in _LAST_LETTERS and not _LAST_LETTERS[rest].search(text, len(text) - 1):
        raise MalformedMessageError("no canonical base64url")
    try:
        return pybase64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        raise MalformedMessageError("no base64url") from None


def _encode_cjk15(data: bytes) -> str:
    is_odd = len(data) % 2
    words = data + b"\0" if is_odd else data
    letters = bytearray()
    while words:
        count = len(words) // 2
        high = words[1::2]
        letters += _letters(words[0::2], high)
        # Linear: a base that is a power of two needs no division.
        tops = int(high.translate(_TO_TOP_DIGIT), 2)
        if count <= _LAST:
            letters += _letters(bytes([tops & 0xFF]), bytes([tops >> 8]))
            break
        words = tops.to_bytes(2 * _words_for(count), "little")
    return letters.decode("utf-16-le") + (_ODD if is_odd else "")


def _letters(low: bytes, high: bytes) -> bytearray:
    letters = bytearray(2 * len(low))
    letters[0::2] = low
    letters[1::2] = high.translate(_TO_HIGH_BYTE)
    return letters


def _decode_cjk15(text: str) -> bytes:
    is_odd = text.endswith(_ODD)
    letters = len(text) - is_odd
    try:
        units = text.encode("utf-16-le")[: 2 * letters]
    except UnicodeEncodeError:
        raise MalformedMessageError("half of a surrogate pair in cjk15") from None
    high = units[1::2].translate(_TO_PAGE)
    # A character beyond the BMP has become two units, whose pages are none of ours.
    if _NO_LETTER in high:
        raise MalformedMessageError("a letter that is not cjk15's")
    if not letters:
        if is_odd:
            raise MalformedMessageError("an odd length of nothing in cjk15")
        return b""
    runs = _runs(letters)
    low = units[0::2]
    # From the last letter back: each run's number holds the top bits of the run before it.
    number = high[-1] << 8 | low[-1]
    end = letters - 1
    for count in reversed(runs):
        if number.bit_length() > count:
            raise MalformedMessageError("spare bits of cjk15 are not zero")
        tops = format(number, f"0{count}b").encode().translate(_FROM_TOP_DIGIT)
        start = end - count
        number = int.from_bytes(_words(low[start:end], high[start:end], tops), "little")
        end = start
    data = number.to_bytes(2 * runs[0], "little")
    if is_odd:
        if data[-1]:
            raise MalformedMessageError("the byte that fills up an odd length is not zero")
        return data[:-1]
    return data


def _words(low: bytes, high: bytes, tops: bytes) -> bytearray:
    words = bytearray(2 * len(low))
    words[0::2] = low
    merged = int.from_bytes(high, "little") | int.from_bytes(tops, "little")
    words[1::2] = merged.to_bytes(len(high), "little")
    return words


def _runs(letters: int) -> list[int]:
    """Return how many words each run has in a text of so many letters, the first run first."""
    words = _most_words(letters)
    if _cjk15_length(words) != letters:
        raise MalformedMessageError("cjk15 has no text of this length")
    runs = [words]
    while runs[-1] > _LAST:
        runs.append(_words_for(runs[-1]))
    return runs


def _most_words(letters: int) -> int:
    """Return how many words so many letters hold at most."""
    # Each word takes 16/15 letters and the rounding of a few runs.
    words = max(0, letters * _LAST // _WORD)
    while words and _cjk15_length(words) > letters:
        words -= 1
    return words


def _cjk15_length(words: int) -> int:
    """Return how many letters so many words take, without the mark of an odd length."""
    length = words
    while words > _LAST:
        words = _words_for(words)
        length += words
    return length + 1 if length else 0


def _words_for(bits: int) -> int:
    return -(-bits // _WORD)
