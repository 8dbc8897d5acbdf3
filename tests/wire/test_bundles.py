"""Bundles: frames in native files, and the note beside one (protocol 2.9)."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.errors import MalformedMessageError
from ocft.wire import (
    MAX_BUNDLE,
    MAX_FRAME,
    Alphabet,
    BundleNote,
    bundled_frames,
    decode,
    encode_frame,
    pack_bundle_note,
    parse_frame,
    write_bundled,
)

TAG = bytes(range(8))


@given(st.binary(min_size=8, max_size=8), st.integers(1, MAX_BUNDLE))
def test_a_note_comes_back_from_a_text(tag: bytes, size: int) -> None:
    note = BundleNote(tag, size)
    (frame,) = decode(encode_frame(pack_bundle_note(note), Alphabet.BASE64URL))
    assert isinstance(frame, bytes)
    assert parse_frame(frame) == note


@pytest.mark.parametrize(
    "frame",
    [
        b"\x29" + TAG,
        b"\x29" + TAG[:5],
        b"\x29" + TAG + b"\x00",
        b"\x29" + TAG + b"\x05\x00",
        b"\x29" + TAG + b"\x85\x00",
        pack_bundle_note(BundleNote(TAG, MAX_BUNDLE + 1)),
    ],
    ids=["no size", "cut off", "an empty file", "more than a note", "a long number", "too large"],
)
def test_a_note_of_another_form_is_refused(frame: bytes) -> None:  # R-BUN-2
    with pytest.raises(MalformedMessageError):
        parse_frame(frame)


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=10))
def test_frames_come_back_from_a_bundle(frames: list[bytes]) -> None:
    file = io.BytesIO()
    for frame in frames:
        write_bundled(file, frame)
    file.seek(0)
    assert list(bundled_frames(file)) == frames


@given(st.binary(max_size=60))
def test_any_bytes_are_frames_or_malformed(data: bytes) -> None:
    try:
        frames = list(bundled_frames(io.BytesIO(data)))
    except MalformedMessageError:
        return
    assert sum(4 + len(frame) for frame in frames) == len(data)


@pytest.mark.parametrize(
    "data",
    [b"\x00\x00", (5).to_bytes(4, "big") + b"1234", bytes(4), (MAX_FRAME + 1).to_bytes(4, "big")],
    ids=["half a length", "half a frame", "an empty frame", "a frame that is too long"],
)
def test_what_is_no_frame_ends_a_bundle(data: bytes) -> None:  # R-BUN-2
    good = io.BytesIO()
    write_bundled(good, b"a frame")
    frames = bundled_frames(io.BytesIO(good.getvalue() + data))
    assert next(frames) == b"a frame"
    with pytest.raises(MalformedMessageError):
        next(frames)


def test_a_huge_length_reads_nothing() -> None:
    class Counting(io.BytesIO):
        longest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.longest = max(self.longest, size or 0)
            return super().read(size)

    file = Counting(b"\xff\xff\xff\xff" + bytes(100))
    with pytest.raises(MalformedMessageError):
        list(bundled_frames(file))
    assert file.longest == 4
