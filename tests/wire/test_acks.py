from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocft.errors import MalformedMessageError, MessageTooLongError
from ocft.ranges import Range
from ocft.wire import MAX_ACK, RangeAck, pack_ack, unpack_ack
from ocft.wire.varints import pack_varint
from tests.wire.frame_samples import ACKS, acks

PLAIN = ACKS["ack"]


def _body(*numbers: int, flags: int = 0) -> bytes:
    return bytes([flags]) + b"".join(map(pack_varint, numbers))


def _below(ranges: tuple[Range, ...], limit: int) -> set[int]:
    return {one for first, end in ranges for one in range(first, end) if one < limit}


@given(acks())
@example(ACKS["ack"])
@example(ACKS["ack, nothing yet"])
@example(ACKS["ack, a hole at the start"])
def test_an_ack_comes_back(ack: RangeAck) -> None:
    assert unpack_ack(pack_ack(ack, room=MAX_ACK)) == ack


def test_an_ack_is_what_the_protocol_says() -> None:
    assert pack_ack(PLAIN, room=100) == _body(42, 250, 10_000, 700, 200, 100, flags=1)


@given(acks(), st.integers(0, 60))
def test_an_ack_that_was_made_to_fit_never_lies_about_a_byte(ack: RangeAck, room: int) -> None:
    """The model is a set: below the limit, what is stored is named, and nothing else (R-ARQ-3)."""
    try:
        body = pack_ack(ack, room=room)
    except MessageTooLongError:
        assert room < 40
        return
    short = unpack_ack(body)
    assert len(body) <= room
    assert short.limit <= ack.limit
    assert _below(short.ranges, short.limit) == _below(ack.ranges, short.limit)
    assert short.ranges == ack.ranges[: len(short.ranges)]
    assert replace(short, limit=ack.limit, ranges=ack.ranges) == ack
    if short.ranges == ack.ranges:
        assert short.limit == ack.limit
    else:
        assert len(body) + 20 > room


@given(acks(), st.integers(0, 3000))
def test_what_is_beyond_the_limit_is_not_named(ack: RangeAck, limit: int) -> None:
    cut = unpack_ack(pack_ack(replace(ack, limit=limit), room=MAX_ACK))
    assert cut.limit == limit
    assert _below(cut.ranges, limit) == _below(ack.ranges, limit)


def test_an_ack_has_4096_ranges_and_its_limit_is_before_the_others() -> None:  # R-ARQ-13
    for first in (0, 1):
        ranges = tuple((2 * number, 2 * number + 1) for number in range(first, 100_000))
        ack = RangeAck(heard=1, delay_ms=0, limit=200_000, ranges=ranges, is_decided=True)
        told = unpack_ack(pack_ack(ack, room=1 << 20))
        assert told.ranges == ranges[:4096]
        assert told.limit == ranges[4096][0]


def test_more_ranges_than_an_ack_has_are_malformed() -> None:  # R-ARQ-13
    assert len(unpack_ack(_body(0, 0, 2**40, 5, *[1] * 2 * 4095)).ranges) == 4096
    with pytest.raises(MalformedMessageError):
        unpack_ack(_body(0, 0, 2**40, 5, *[1] * 2 * 4096))


def test_the_longest_ack_is_one_of_all_holes() -> None:
    far = 1 << 40
    ranges = tuple((far * number, far * number + far // 2) for number in range(1, 4000))
    ack = RangeAck(heard=1, delay_ms=0, limit=far * 4000, ranges=ranges, is_decided=True)
    body = pack_ack(ack, room=1 << 20)
    assert MAX_ACK - 20 <= len(body) <= MAX_ACK
    assert unpack_ack(body).ranges == ranges[: len(unpack_ack(body).ranges)]


def test_numbers_that_do_not_fit_are_too_long() -> None:
    size = len(pack_ack(replace(PLAIN, ranges=()), room=100))
    pack_ack(replace(PLAIN, ranges=()), room=size)
    with pytest.raises(MessageTooLongError):
        pack_ack(replace(PLAIN, ranges=()), room=size - 1)


@pytest.mark.parametrize("ranges", [((0, 5), (5, 6)), ((9, 10), (0, 5)), ((0, 5), (8, 8))])
def test_ranges_in_disorder_are_not_packed(ranges: tuple[Range, ...]) -> None:
    with pytest.raises(ValueError, match="sorted"):
        pack_ack(replace(PLAIN, ranges=ranges), room=100)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00", id="flags only"),
        pytest.param(_body(0, 0, 0), id="no first missing"),
        pytest.param(_body(0, 0, 10, 5, flags=2), id="an unknown flag"),
        pytest.param(_body(0, 0, 10, 5, flags=0x81), id="the last flag"),
        pytest.param(_body(0, 0, 10, 11), id="beyond the limit"),
        pytest.param(_body(0, 0, 10, 5, 1, 5), id="a range across the limit"),
        pytest.param(_body(0, 0, 10, 5, 1), id="a gap without a range"),
        pytest.param(_body(0, 0, 10, 5, 0, 1), id="ranges that touch"),
        pytest.param(_body(0, 0, 10, 5, 1, 0), id="an empty range"),
        pytest.param(_body(0, 0, 2**63 - 1, 5, 2**63 - 1, 2**63 - 1), id="beyond 2^63"),
        pytest.param(_body(0, 0, 10, 5) + b"\x81\x00\x01", id="a number in a longer form"),
        pytest.param(_body(0, 0, 10, 5) + b"\x80", id="F13-cut off"),
        pytest.param(_body(0, 0, 2**40, *[1] * MAX_ACK), id="too long"),
    ],
)
def test_an_impossible_ack_is_malformed(body: bytes) -> None:  # R-FRM-2
    with pytest.raises(MalformedMessageError):
        unpack_ack(body)


@given(st.binary(max_size=40), st.integers(0, 1))
def test_any_bytes_are_an_ack_or_malformed(data: bytes, flags: int) -> None:
    for body in (data, bytes([flags]) + data):
        try:
            ack = unpack_ack(body)
        except MalformedMessageError:
            continue
        assert pack_ack(ack, room=MAX_ACK) == body
