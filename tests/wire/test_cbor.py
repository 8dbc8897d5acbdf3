import tracemalloc
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.errors import MalformedMessageError
from ocft.wire import decode_cbor, encode_cbor

_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.text(max_size=30)
    | st.binary(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=30), inner),
    max_leaves=12,
)


def _decode(data: bytes) -> object:
    return decode_cbor(data, max_bytes=100_000, max_items=1000)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


@given(_values)
def test_decoding_undoes_encoding(value: object) -> None:
    if _depth(value) <= 8:
        assert _decode(encode_cbor(value)) == value


def test_keys_are_in_the_order_of_their_bytes() -> None:
    """RFC 8949 section 4.2.1; for texts the same as the shorter ones first."""
    names = ["z", "aa", "", "b" * 23, "b" * 24, "a" * 256]
    keys = encode_cbor(dict.fromkeys(names, 0))
    order = sorted(names, key=encode_cbor)
    assert list(cbor2.loads(keys)) == order == sorted(names, key=lambda name: (len(name), name))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("", id="nothing"),
        pytest.param("1800", id="a number longer than it has to be"),
        pytest.param("1900ff", id="two bytes for one"),
        pytest.param("5801ff", id="a length longer than it has to be"),
        pytest.param("980100", id="a list's length longer than it has to be"),
        pytest.param("18", id="a number that is cut off"),
        pytest.param("1b00000001", id="a long number that is cut off"),
        pytest.param("43aabb", id="bytes that are cut off"),
        pytest.param("8201", id="a list that is cut off"),
        pytest.param("a16161", id="a map that is cut off"),
        pytest.param("0000", id="two items"),
        pytest.param("5fff", id="bytes of indefinite length"),
        pytest.param("7f6161ff", id="a text of indefinite length"),
        pytest.param("9fff", id="a list of indefinite length"),
        pytest.param("bfff", id="a map of indefinite length"),
        pytest.param("ff", id="a break"),
        pytest.param("1c", id="a reserved length"),
        pytest.param("c11a514b67b0", id="a tag: time"),
        pytest.param("c249010000000000000000", id="a tag: a big number"),
        pytest.param("d81d00", id="a tag: a shared reference"),
        pytest.param("d8641903e8", id="a tag: date"),
        pytest.param("f93c00", id="J7-a half"),
        pytest.param("fa3f800000", id="J7-a float"),
        pytest.param("fb3ff0000000000000", id="J7-a double"),
        pytest.param("f7", id="undefined"),
        pytest.param("f0", id="a simple value"),
        pytest.param("f818", id="a longer simple value"),
        pytest.param("f8ff", id="the last simple value"),
        pytest.param("a2616100616101", id="J3-the same key twice"),
        pytest.param("a2616200616100", id="keys out of order"),
        pytest.param("a10000", id="a number as key"),
        pytest.param("a1416100", id="bytes as key"),
        pytest.param("a18000", id="a list as key"),
        pytest.param("a1a000", id="a map as key"),
        pytest.param("a1f600", id="null as key"),
        pytest.param("61ff", id="no UTF-8"),
        pytest.param("63eda080", id="half of a surrogate pair"),
        pytest.param("62c080", id="an overlong character"),
        pytest.param("81" * 9 + "00", id="J5-nine lists"),
        pytest.param("81" * 50_000 + "00", id="J5-depth"),
        pytest.param("a16161" * 30_000 + "00", id="J5-depth of maps"),
        pytest.param("9bffffffffffffffff", id="a list of 2^64"),
        pytest.param("bb7fffffffffffffff", id="a map of 2^63"),
        pytest.param("9a00ffffff" + "00" * 1000, id="a list longer than the bytes"),
        pytest.param("5bffffffffffffffff00", id="bytes of 2^64"),
        pytest.param("99" + "03e8" + "00" * 1000, id="J17-too many items"),
    ],
)
def test_other_forms_are_malformed(data: str) -> None:  # R-FRM-2
    with pytest.raises(MalformedMessageError) as caught:
        _decode(bytes.fromhex(data))
    assert len(str(caught.value)) < 100


def test_eight_containers_inside_each_other_are_not_too_deep() -> None:
    assert _decode(b"\x81" * 8 + b"\x00") == [[[[[[[[0]]]]]]]]


def test_a_size_is_checked_before_anything_is_decoded() -> None:
    with pytest.raises(MalformedMessageError, match="11 bytes"):
        decode_cbor(b"\xff" * 11, max_bytes=10, max_items=1)


def test_the_worst_bytes_cost_bounded_memory() -> None:
    for pattern in (b"\x80", b"\x81", b"\x9a\x00\x0f\xff\x00", b"\xa0", b"\xba\x00\x0f\xff\x00"):
        data = (pattern * 100_000)[:100_000]
        tracemalloc.start()
        with pytest.raises(MalformedMessageError):
            _decode(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 200_000


@given(st.binary(max_size=60))
def test_any_bytes_are_canonical_or_malformed(data: bytes) -> None:
    try:
        value = _decode(data)
    except MalformedMessageError:
        return
    assert encode_cbor(value) == data


@given(_values, st.data())
def test_damaged_cbor_is_canonical_or_malformed(value: object, data: st.DataObject) -> None:
    packed = bytearray(encode_cbor(value))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place : place + 1] = data.draw(st.binary(max_size=3))
    try:
        decoded = _decode(bytes(packed))
    except MalformedMessageError:
        return
    assert encode_cbor(decoded) == packed
