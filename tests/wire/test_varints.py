import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.errors import MalformedMessageError
from ocft.wire import MAX_NUMBER
from ocft.wire.varints import pack_varint, unpack_varint


@given(st.integers(0, MAX_NUMBER), st.binary(max_size=4), st.binary(max_size=4))
def test_a_number_comes_back_from_anywhere(number: int, before: bytes, after: bytes) -> None:
    packed = pack_varint(number)
    assert unpack_varint(before + packed + after, len(before)) == (
        number,
        len(before) + len(packed),
    )


@pytest.mark.parametrize(
    ("number", "packed"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (300, "ac02"),
        (MAX_NUMBER, "ffffffffffffffff7f"),
    ],
)
def test_numbers_are_leb128(number: int, packed: str) -> None:
    assert pack_varint(number).hex() == packed


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param("", id="nothing"),
        pytest.param("80", id="cut off"),
        pytest.param("8000", id="longer than it has to be"),
        pytest.param("ff8000", id="longer than it has to be, by one"),
        pytest.param("ffffffffffffffffff01", id="2^63 and more"),
        pytest.param("80" * 1000 + "01", id="a thousand bytes"),
    ],
)
def test_other_forms_are_malformed(packed: str) -> None:  # R-FRM-2
    with pytest.raises(MalformedMessageError):
        unpack_varint(bytes.fromhex(packed), 0)


@pytest.mark.parametrize("number", [-1, MAX_NUMBER + 1])
def test_what_is_no_number_of_the_wire_is_not_packed(number: int) -> None:
    with pytest.raises(ValueError, match="no number"):
        pack_varint(number)


@given(st.binary(max_size=12))
def test_any_bytes_are_a_shortest_number_or_malformed(data: bytes) -> None:
    try:
        number, place = unpack_varint(data, 0)
    except MalformedMessageError:
        return
    assert pack_varint(number) == data[:place]
