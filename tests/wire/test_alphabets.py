import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocft.errors import MalformedMessageError
from ocft.wire import MAX_FRAME, Alphabet, capacity
from tests.wire.frame_samples import filled

BASE64URL, CJK15 = Alphabet.BASE64URL, Alphabet.CJK15
LETTERS = [
    chr(page << 8 | low)
    for page in (*range(0x4E, 0x9E), *range(0x34, 0x4C), *range(0xAC, 0xC4))
    for low in range(256)
]
ODD = "\u9f00"


def _naive_cjk15(data: bytes) -> str:
    """Protocol 2.1, word by word."""
    is_odd = len(data) % 2 == 1
    data += b"\0" * is_odd
    text = ""
    words = [int.from_bytes(data[at : at + 2], "little") for at in range(0, len(data), 2)]
    while words:
        text += "".join(LETTERS[word & 0x7FFF] for word in words)
        number = int("".join(str(word >> 15) for word in words), 2)
        if len(words) <= 15:
            text += LETTERS[number]
            break
        count = -(-len(words) // 16)
        words = [number >> 16 * place & 0xFFFF for place in range(count)]
    return text + ODD * is_odd


def _refused(alphabet: Alphabet, text: str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        alphabet.decode(text)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("alphabet", Alphabet)
@given(st.binary(max_size=600))
@example(b"")
@example(b"\x00")
@example(b"\xff" * 513)
def test_decoding_undoes_encoding(alphabet: Alphabet, data: bytes) -> None:
    assert alphabet.decode(alphabet.encode(data)) == data


@pytest.mark.parametrize("alphabet", Alphabet)
def test_every_length_comes_back(alphabet: Alphabet) -> None:
    for size in (*range(1200), 7500, 8191, 8192, 8193, 61_408):
        data = filled(size)
        assert alphabet.decode(alphabet.encode(data)) == data


@given(st.binary(max_size=1200))
def test_cjk15_is_what_the_protocol_says(data: bytes) -> None:
    assert CJK15.encode(data) == _naive_cjk15(data)


def test_cjk15_carries_15_bits_a_letter() -> None:
    assert len(CJK15.encode(bytes(7500))) == 4001
    assert len(BASE64URL.encode(bytes(3000))) == 4000


def test_no_platform_has_a_reason_to_touch_a_letter_of_cjk15() -> None:
    for letter in (*LETTERS, ODD):
        assert unicodedata.category(letter) == "Lo"
        assert unicodedata.bidirectional(letter) == "L"
        assert unicodedata.normalize("NFKC", letter) == letter
        assert letter.upper() == letter.lower() == letter.strip() == letter
        assert len(letter.encode("utf-16-le")) == 2


@given(st.binary(max_size=600))
def test_cjk15_is_read_when_hangul_was_decomposed(data: bytes) -> None:
    assert CJK15.decode(unicodedata.normalize("NFD", CJK15.encode(data))) == data


@given(st.text(st.sampled_from("AQgwB-_+/= "), max_size=12))
def test_base64url_has_one_text_for_the_same_bytes(text: str) -> None:
    try:
        data = BASE64URL.decode(text)
    except MalformedMessageError:
        return
    assert BASE64URL.encode(data) == text


@given(st.text(st.sampled_from([*LETTERS[:3], *LETTERS[-3:], LETTERS[0x7FFE], ODD]), max_size=40))
def test_cjk15_has_one_text_for_the_same_bytes(text: str) -> None:
    try:
        data = CJK15.decode(text)
    except MalformedMessageError:
        return
    assert CJK15.encode(data) == text


@pytest.mark.parametrize("alphabet", Alphabet)
@given(st.text())
def test_any_text_is_bytes_or_malformed(alphabet: Alphabet, text: str) -> None:
    try:
        data = alphabet.decode(text)
    except MalformedMessageError:
        return
    assert alphabet.encode(data) in (text, unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Q", id="one letter"),
        pytest.param("QUJDR", id="one letter more"),
        pytest.param("QR", id="F11-spare bits"),
        pytest.param("QUJ", id="F11-spare bits of two bytes"),
        pytest.param("QQ==", id="padding"),
        pytest.param("QUI=", id="padding of two bytes"),
        pytest.param("QQ==QQ", id="padding inside"),
        pytest.param("QU JD", id="F7-space"),
        pytest.param("QUJD\n", id="F7-line end"),
        pytest.param("++++", id="F9-standard alphabet"),
        pytest.param("-_//", id="F9-both alphabets"),
        pytest.param("QUJ\u0414", id="a letter of another script"),
        pytest.param("QUJ\ud800", id="half of a surrogate pair"),
    ],
)
def test_base64url_is_strict(text: str) -> None:
    _refused(BASE64URL, text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A", id="another letter"),
        pytest.param(LETTERS[0] + "\u9e00", id="the page after the last"),
        pytest.param(LETTERS[0] + "\u4dff", id="the page before the first"),
        pytest.param(LETTERS[0] + "\U00020000", id="beyond the BMP"),
        pytest.param(LETTERS[0] + "\ud800", id="half of a surrogate pair"),
        pytest.param(LETTERS[0], id="an impossible length"),
        pytest.param(LETTERS[0] * 17, id="an impossible length of two runs"),
        pytest.param(LETTERS[0] * 19, id="another one"),
        pytest.param(ODD, id="the mark of an odd length alone"),
        pytest.param(LETTERS[0] + ODD + LETTERS[0], id="the mark inside"),
        pytest.param(LETTERS[0] * 2 + ODD * 2, id="the mark twice"),
        pytest.param(LETTERS[0] + LETTERS[2], id="a spare bit"),
        pytest.param(LETTERS[0] * 17 + LETTERS[2], id="a spare bit of the second run"),
        pytest.param(LETTERS[0x100] + LETTERS[0] + ODD, id="the filling byte"),
        pytest.param(LETTERS[0] + LETTERS[1] + ODD, id="the filling byte's top bit"),
    ],
)
def test_cjk15_is_strict(text: str) -> None:
    _refused(CJK15, text)


@pytest.mark.parametrize("alphabet", Alphabet)
@pytest.mark.parametrize(("marker_cost", "letter_cost"), [(6, 1), (7, 1), (9, 3), (0, 1)])
def test_what_fits_by_its_capacity_fits_and_hardly_more_would(
    alphabet: Alphabet, marker_cost: int, letter_cost: int
) -> None:
    cost = letter_cost if alphabet is CJK15 else 1
    for max_text in (*range(700), 2000, 4000, 4096, 12_000, 32_768, 40_000):
        size = capacity(alphabet, max_text, marker_cost=marker_cost, letter_cost=letter_cost)
        for shorter in range(max(0, size - 3), size + 1):
            length = len(alphabet.encode(bytes(shorter)))
            assert not shorter or marker_cost + cost * length <= max_text
        # An odd length costs a letter more in cjk15, hence 3.
        assert marker_cost + cost * len(alphabet.encode(bytes(size + 3))) > max_text


def test_no_capacity_is_above_the_longest_frame() -> None:
    for alphabet in Alphabet:
        assert capacity(alphabet, 1 << 22, marker_cost=6, letter_cost=1) == MAX_FRAME
        assert capacity(alphabet, 3, marker_cost=6, letter_cost=1) == 0


def test_cjk15_is_worse_than_base64url_where_bytes_are_counted() -> None:
    in_bytes = {
        alphabet: capacity(alphabet, 4000, marker_cost=9, letter_cost=3) for alphabet in Alphabet
    }
    assert in_bytes[CJK15] < in_bytes[BASE64URL]
