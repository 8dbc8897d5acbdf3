import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from ocft.errors import MalformedMessageError
from ocft.wire import (
    MAX_DATA,
    MAX_FRAME,
    MAX_NUMBER,
    ControlFrame,
    Data,
    FrameType,
    SealedFrame,
    ack_header,
    control_header,
    data_header,
    pack_data,
    pack_handshake,
    parse_frame,
    split_frame,
    unpack_data,
)
from ocft.wire.varints import pack_varint
from tests.wire.frame_samples import DATAS, HANDSHAKES, SEALED, TAG, datas, filled, numbers

BOMB = zstandard.ZstdCompressor(level=19).compress(bytes(MAX_DATA + 1))
EVERY_FRAME = [
    *SEALED.values(),
    *map(pack_handshake, HANDSHAKES.values()),
    split_frame(pack_handshake(HANDSHAKES["reply"]), 1400)[0],
]


def _refused(frame: bytes) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        parse_frame(frame)
    assert len(str(caught.value)) < 100


def _refused_data(body: bytes) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        unpack_data(body)
    assert len(str(caught.value)) < 100


# Headers


@given(st.binary(min_size=8, max_size=8), numbers, st.binary(min_size=16, max_size=60))
def test_a_sealed_frame_is_its_header_and_the_sealed_part(
    tag: bytes, number: int, sealed: bytes
) -> None:
    for frame_type, header in (
        (FrameType.DATA, data_header(tag, number)),
        (FrameType.ACK, ack_header(tag, number)),
    ):
        expected = SealedFrame(frame_type, tag, number, header, sealed)
        assert parse_frame(header + sealed) == expected


@given(*[st.binary(min_size=size, max_size=size) for size in (8, 16, 50)])
def test_a_control_frame_is_its_header_and_the_sealed_part(
    tag: bytes, salt: bytes, sealed: bytes
) -> None:
    header = control_header(tag, salt)
    assert parse_frame(header + sealed) == ControlFrame(tag, salt, header, sealed)


def test_a_header_of_a_wrong_size_is_not_written() -> None:
    for tag in (b"", bytes(7), bytes(9)):
        with pytest.raises(ValueError, match="8 bytes"):
            data_header(tag, 0)
        with pytest.raises(ValueError, match="8 bytes"):
            control_header(tag, bytes(16))
    with pytest.raises(ValueError, match="16"):
        control_header(TAG, bytes(15))


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b'{"version":"1.0"}', id="wire 1.0"),
        pytest.param(b"\x00" + bytes(60), id="0x00"),
        pytest.param(b"\x1f\x8b" + bytes(60), id="F21-gzip"),
        pytest.param(b"\x24" + bytes(60), id="J11-0x24"),
        pytest.param(b"\x29" + bytes(60), id="J11-0x29"),
        pytest.param(b"\x27" + bytes(MAX_FRAME), id="too long"),
        pytest.param(b"\x27" + TAG, id="no number"),
        pytest.param(b"\x27" + TAG + b"\x80", id="half a number"),
        pytest.param(b"\x27" + TAG + b"\x80\x00" + bytes(16), id="a number in a longer form"),
        pytest.param(b"\x27" + TAG + b"\x01" + bytes(15), id="F13-sealed data cut off"),
        pytest.param(b"\x28" + TAG + b"\x01" + bytes(15), id="F13-a sealed ack cut off"),
        pytest.param(b"\x28" + TAG + b"\x01" + bytes(40_000), id="an ack too long"),
        pytest.param(b"\x26" + TAG + bytes(16) + bytes(15), id="F13-control cut off"),
        pytest.param(b"\x26" + bytes(33_000), id="control too long"),
    ],
)
def test_an_impossible_frame_is_malformed(frame: bytes) -> None:  # R-FRM-1, R-FRM-2
    _refused(frame)


def test_a_frame_of_a_full_mebibyte_is_parsed() -> None:
    frame = data_header(TAG, MAX_NUMBER) + bytes(16) + bytes(1 + 9 + MAX_DATA)
    assert len(frame) <= MAX_FRAME
    assert isinstance(parse_frame(frame), SealedFrame)


@given(st.binary(max_size=80))
@example(b"\x21\xa0")
def test_any_bytes_are_a_frame_or_malformed(data: bytes) -> None:
    for first in (b"", *(bytes([one]) for one in FrameType)):
        try:
            parse_frame(first + data)
        except MalformedMessageError:
            continue


@given(st.sampled_from(EVERY_FRAME), st.data())
def test_a_damaged_frame_is_a_frame_or_malformed(frame: bytes, data: st.DataObject) -> None:
    damaged = bytearray(frame)
    place = data.draw(st.integers(0, len(frame) - 1))
    damaged[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        parse_frame(bytes(damaged))
    except MalformedMessageError:
        return


# Data


@given(data=datas, compress=st.booleans())
def test_data_comes_back(*, data: Data, compress: bool) -> None:
    body = pack_data(data, compress=compress)
    assert unpack_data(body) == data
    plain = pack_data(data, compress=False)
    assert len(body) <= len(plain)
    assert plain == bytes([2 * data.wants_ack]) + pack_varint(data.offset) + data.data


def test_data_is_compressed_only_where_that_is_smaller() -> None:
    assert len(pack_data(Data(0, bytes(MAX_DATA)), compress=True)) < 100
    for small in DATAS.values():
        assert pack_data(small, compress=True)[0] & 1 == 0


def test_more_than_a_frame_holds_is_not_packed() -> None:
    for data in (Data(0, bytes(MAX_DATA + 1)), Data(MAX_NUMBER, b"x"), Data(-1, b"x")):
        with pytest.raises(ValueError, match="number"):
            pack_data(data, compress=False)


def _frame_of(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


def _unsized(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(content)


def _wide(log: int) -> bytes:
    """Return a frame that asks for a window of 2^log bytes."""
    parameters = zstandard.ZstdCompressionParameters(
        window_log=log, write_content_size=False, enable_ldm=True
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(b"data " * 100) + compressor.flush()


def test_a_frame_that_does_not_state_its_size_is_unpacked() -> None:
    assert unpack_data(b"\x01\x00" + _unsized(b"a" * 1000)) == Data(0, b"a" * 1000)
    assert unpack_data(b"\x01\x00" + _wide(23)) == Data(0, b"data " * 100)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00", id="no offset"),
        pytest.param(b"\x00\x80", id="half an offset"),
        pytest.param(b"\x00\x80\x00x", id="an offset in a longer form"),
        pytest.param(b"\x04\x00x", id="an unknown flag"),
        pytest.param(b"\x80\x00x", id="the last flag"),
        pytest.param(b"\x00" + b"\xff" * 8 + b"\x7fx", id="beyond 2^63"),
        pytest.param(b"\x00\x00" + bytes(MAX_DATA + 1), id="more than a frame holds"),
        pytest.param(b"\x01\x00", id="nothing, compressed"),
        pytest.param(b"\x01\x00plain", id="not compressed"),
        pytest.param(b"\x01\x00\x1f\x8b\x08\x00", id="F21-gzip"),
        pytest.param(b"\x01\x00" + _frame_of(b""), id="an empty zstd frame"),
        pytest.param(b"\x01\x00" + _frame_of(b"a" * 99)[:-1], id="F13-cut off"),
        pytest.param(b"\x01\x00" + _frame_of(b"a" * 99) + b"\0", id="bytes left over"),
        pytest.param(b"\x01\x00" + _frame_of(b"a" * 99) * 2, id="two zstd frames"),
        pytest.param(b"\x01\x00\x50\x2a\x4d\x18\x04\x00\x00\x00abcd", id="a skippable frame"),
        pytest.param(b"\x01\x00" + BOMB, id="O17-bomb"),
        pytest.param(b"\x01\x00" + _unsized(bytes(MAX_DATA + 1)), id="O17-bomb of no stated size"),
        pytest.param(b"\x01\x00" + _wide(24), id="A9-window of 16 MiB"),
        pytest.param(b"\x01\x00" + _wide(27), id="A9-window of 128 MiB"),
        pytest.param(
            b"\x01\x00\x28\xb5\x2f\xfd\xe0" + b"\xff" * 7 + b"\x7f" + bytes(20),
            id="O17-2^63 stated",
        ),
        pytest.param(b"\x01\x00\x28\xb5\x2f\xfd\x21\x07\x04" + bytes(20), id="A9-dictionary"),
    ],
)
def test_impossible_data_is_malformed(body: bytes) -> None:  # R-FRM-2, R-FRM-4
    _refused_data(body)


@given(st.binary(max_size=60), st.integers(0, 3))
def test_any_bytes_are_data_or_malformed(data: bytes, flags: int) -> None:
    for body in (data, bytes([flags, 0]) + data, bytes([flags, 0]) + b"\x28\xb5\x2f\xfd" + data):
        try:
            unpacked = unpack_data(body)
        except MalformedMessageError:
            continue
        assert unpack_data(pack_data(unpacked, compress=False)) == unpacked


@given(st.data())
def test_damaged_zstd_is_data_or_malformed(data: st.DataObject) -> None:
    damaged = bytearray(_frame_of(filled(200) + bytes(200)))
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place : place + 1] = data.draw(st.binary(max_size=2))
    try:
        unpacked = unpack_data(b"\x01\x00" + bytes(damaged))
    except MalformedMessageError:
        return
    assert 0 < len(unpacked.data) <= MAX_DATA


def test_what_is_sealed_or_a_files_is_not_shown() -> None:  # case K13
    for frame in (parse_frame(SEALED["DATA"]), parse_frame(SEALED["CONTROL"])):
        assert "sealed" not in repr(frame)
    assert "secret" not in repr(Data(0, b"secret"))
