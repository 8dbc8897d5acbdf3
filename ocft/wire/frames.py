"""Frames: the header that is read before anything is opened, and what DATA and ACK frames hold.

A sealed frame is its header and the sealed part. The header is the associated data of the seal
(protocol 2.5), therefore it is kept as the bytes that came.
"""

from dataclasses import dataclass, field
from typing import Final

import zstandard

from ocft.errors import MalformedMessageError
from ocft.wire.acks import MAX_ACK
from ocft.wire.bundles import BundleNote, parse_bundle_note
from ocft.wire.fragments import Fragment, parse_fragment
from ocft.wire.frame_types import MAX_FRAME, TAG_SIZE, FrameType
from ocft.wire.handshake import Finish, Hello, Pair, Reply, parse_handshake
from ocft.wire.varints import MAX_NUMBER, pack_varint, unpack_varint

MAX_DATA: Final = 1 << 20
"""Bytes of the files that one DATA frame carries at most (R-FRM-4)."""

SALT_SIZE: Final = 16
SEAL_SIZE: Final = 16
"""Bytes that sealing adds: AES-256-GCM's tag."""

_MAX_CONTROL = 32 * 1024  # as long as what travels in fragments (R-FRM-3)
_COMPRESSED = 1
_WANTS_ACK = 2
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_LEVEL = 3
_MAX_WINDOW = 8 << 20  # R-FRM-4; RFC 8878 section 3.1.1.1.2 recommends it to all decoders


@dataclass(frozen=True, slots=True)
class SealedFrame:
    """A DATA or ACK frame, not opened."""

    type: FrameType
    tag: bytes
    """Whose it is: the epoch's data tag or ack tag."""
    number: int
    header: bytes = field(repr=False)
    """The associated data of the seal."""
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ControlFrame:
    """A CONTROL frame, not opened."""

    tag: bytes
    """Whose it is: the session's tag for this direction."""
    salt: bytes
    header: bytes = field(repr=False)
    """The associated data of the seal."""
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Data:
    """What a DATA frame holds: bytes at a place in the byte space."""

    offset: int
    data: bytes = field(repr=False)
    wants_ack: bool = False
    """The sender asks for an ack at once."""


def data_header(tag: bytes, number: int) -> bytes:
    """Return the header of a DATA frame; the sealed part follows it."""
    return _sealed_header(FrameType.DATA, tag, number)


def ack_header(tag: bytes, number: int) -> bytes:
    """Return the header of an ACK frame; the sealed part follows it."""
    return _sealed_header(FrameType.ACK, tag, number)


def control_header(tag: bytes, salt: bytes) -> bytes:
    """Return the header of a CONTROL frame; the sealed part follows it."""
    if (len(tag), len(salt)) != (TAG_SIZE, SALT_SIZE):
        raise ValueError("a tag has 8 bytes, a salt 16")
    return bytes((FrameType.CONTROL,)) + tag + salt


def parse_frame(
    frame: bytes,
) -> SealedFrame | ControlFrame | Fragment | Hello | Reply | Finish | Pair | BundleNote:
    """Return what can be read of a frame without a key.

    Args:
        frame: One of `decode`'s, or of `Assembler.add`.

    Raises:
        MalformedMessageError: It has no known type, or not the form of its type (R-FRM-1, R-FRM-2).
    """
    if not 0 < len(frame) <= MAX_FRAME:
        raise MalformedMessageError(f"a frame of {len(frame)} bytes; {MAX_FRAME} are the most")
    match frame[0]:
        case FrameType.DATA | FrameType.ACK:
            return _parse_sealed(frame)
        case FrameType.CONTROL:
            return _parse_control(frame)
        case FrameType.FRAGMENT:
            return parse_fragment(frame)
        case FrameType.HELLO | FrameType.REPLY | FrameType.FINISH | FrameType.PAIR:
            return parse_handshake(frame)
        case FrameType.BUNDLE:
            return parse_bundle_note(frame)
        case _:
            raise MalformedMessageError("a frame of no known type")


def pack_data(data: Data, *, compress: bool) -> bytes:
    """Return the body of a DATA frame, to be sealed.

    Args:
        data: At most `MAX_DATA` bytes, which end below 2^63.
        compress: Whether to try; the bytes stay as they are where that is not smaller.
    """
    if len(data.data) > MAX_DATA or data.offset + len(data.data) > MAX_NUMBER:
        raise ValueError("too many bytes for a frame, or beyond what can be numbered")
    content = data.data
    flags = _WANTS_ACK if data.wants_ack else 0
    if compress:
        # A new one each time: compressors must not be shared by threads, and cost 15 us.
        compressed = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(content)
        if len(compressed) < len(content):
            content = compressed
            flags |= _COMPRESSED
    return b"".join((bytes((flags,)), pack_varint(data.offset), content))


def unpack_data(body: bytes) -> Data:
    """Return what an opened DATA frame says.

    Raises:
        MalformedMessageError: An unknown flag, too many bytes, or no sound zstd frame (R-FRM-4).
    """
    if not body or body[0] & ~(_COMPRESSED | _WANTS_ACK):
        raise MalformedMessageError("data with unknown flags")
    offset, place = unpack_varint(body, 1)
    content = body[place:]
    if len(content) > MAX_DATA:
        raise MalformedMessageError("more data than one frame carries")
    if body[0] & _COMPRESSED:
        content = _decompress(content)
    if offset + len(content) > MAX_NUMBER:
        raise MalformedMessageError("data beyond what can be numbered")
    return Data(offset, content, wants_ack=bool(body[0] & _WANTS_ACK))


def _sealed_header(frame_type: FrameType, tag: bytes, number: int) -> bytes:
    if len(tag) != TAG_SIZE:
        raise ValueError("a tag has 8 bytes")
    return bytes((frame_type,)) + tag + pack_varint(number)


def _parse_sealed(frame: bytes) -> SealedFrame:
    number, place = unpack_varint(frame, 1 + TAG_SIZE)
    if len(frame) - place < SEAL_SIZE:
        raise MalformedMessageError("a sealed frame that is cut off")
    frame_type = FrameType(frame[0])
    if frame_type is FrameType.ACK and len(frame) - place - SEAL_SIZE > MAX_ACK:
        raise MalformedMessageError("an ack longer than acks are")
    return SealedFrame(frame_type, frame[1 : 1 + TAG_SIZE], number, frame[:place], frame[place:])


def _parse_control(frame: bytes) -> ControlFrame:
    place = 1 + TAG_SIZE + SALT_SIZE
    if not place + SEAL_SIZE <= len(frame) <= _MAX_CONTROL:
        raise MalformedMessageError("a control frame that is cut off or too long")
    return ControlFrame(
        tag=frame[1 : 1 + TAG_SIZE],
        salt=frame[1 + TAG_SIZE : place],
        header=frame[:place],
        sealed=frame[place:],
    )


def _decompress(content: bytes) -> bytes:
    if not content.startswith(_ZSTD_MAGIC):  # a skippable frame, for one
        raise MalformedMessageError("no zstd")
    try:
        # Of a frame that states its size the library allocates that much, whatever limit it is
        # given (cases O17, A9).
        stated = zstandard.frame_content_size(content)
        if stated > MAX_DATA:
            raise MalformedMessageError("compressed data of more than one frame")
        unpacked = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompress(
            content, max_output_size=MAX_DATA, allow_extra_data=False
        )
    except zstandard.ZstdError:
        raise MalformedMessageError("no sound zstd") from None
    if not unpacked:
        raise MalformedMessageError("nothing, compressed")
    return unpacked
