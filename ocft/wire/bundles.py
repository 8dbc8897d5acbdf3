"""Bundles: many DATA frames in one native file of the platform (protocol 2.9).

The file is opaque: frames one after the other, each behind its length. The text that comes with it
says whose epoch it belongs to, so that nobody downloads what cannot be for him.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from ocft.errors import MalformedMessageError
from ocft.wire.frame_types import MAX_FRAME, TAG_SIZE, FrameType
from ocft.wire.varints import pack_varint, unpack_varint

LENGTH_SIZE: Final = 4
"""Bytes before each frame of a bundle: its length, big-endian."""
MAX_BUNDLE: Final = 1 << 30
"""Bytes of the largest bundle (R-BUN-2), as much as any platform takes in one file."""


@dataclass(frozen=True, slots=True)
class BundleNote:
    """What the text beside a native file says about it. Not sealed: the frames are (R-BUN-1)."""

    tag: bytes
    """Whose it is: the epoch's data tag."""
    size: int
    """Bytes of the file."""


def pack_bundle_note(note: BundleNote) -> bytes:
    """Return the frame that goes with a bundle, as text."""
    return bytes((FrameType.BUNDLE,)) + note.tag + pack_varint(note.size)


def parse_bundle_note(frame: bytes) -> BundleNote:
    """Return what a BUNDLE frame says.

    Raises:
        MalformedMessageError: It is cut off, longer than it should be, or names an empty or a
            huge file.
    """
    size, place = unpack_varint(frame, 1 + TAG_SIZE)
    if place != len(frame) or not 0 < size <= MAX_BUNDLE:
        raise MalformedMessageError("a bundle's note that is not one")
    return BundleNote(frame[1 : 1 + TAG_SIZE], size)


def write_bundled(file: BinaryIO, frame: bytes) -> None:
    """Append a frame to a bundle."""
    file.write(len(frame).to_bytes(LENGTH_SIZE, "big"))
    file.write(frame)


def bundled_frames(file: BinaryIO) -> Iterator[bytes]:
    """Yield the frames of a bundle, from the file's place on; one at a time in memory.

    Raises:
        MalformedMessageError: A length that no frame has, or the file ends within a frame.
    """
    while length_bytes := file.read(LENGTH_SIZE):
        length = int.from_bytes(length_bytes, "big")
        if len(length_bytes) < LENGTH_SIZE or not 0 < length <= MAX_FRAME:
            raise MalformedMessageError("a bundle with a frame of no possible length")
        frame = file.read(length)
        if len(frame) < length:
            raise MalformedMessageError("a bundle that ends within a frame")
        yield frame
