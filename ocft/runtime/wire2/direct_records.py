"""Frames on the direct route: 1 MiB each, sealed and opened in buffers that are used again."""

import mmap
import os
import queue
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pybase64

from ocft.crypto import RecordCipher, direct_key
from ocft.errors import MalformedMessageError
from ocft.ranges import Range
from ocft.routes import Body, Client
from ocft.runtime.wire2.direct import text_of
from ocft.storage import PAGE
from ocft.wire import (
    LENGTH_SIZE,
    MAX_DATA,
    MAX_FRAME,
    SEAL_SIZE,
    data_header,
    pack_varint,
    unpack_varint,
)

_SALT: Final = 16
_BUFFERS: Final = 6  # of 1 MiB, between the socket and the disk
_MOST_HEADER: Final = 32  # bytes before the sealed part


def make_body(
    ranges: Sequence[Range], *, data_key: bytes, tag: bytes, read: Callable[[int, int], bytes]
) -> Body:
    """Return the answer to a request.

    Args:
        ranges: What is wanted.
        data_key: The epoch's.
        tag: The epoch's data tag.
        read: Gives bytes of the byte space, by offset and length.
    """
    salt = os.urandom(_SALT)
    size = sum(
        LENGTH_SIZE + len(data_header(tag, number)) + _body_size(first, end) + SEAL_SIZE
        for number, (first, end) in enumerate(_pieces(ranges))
    )
    return Body(text_of(salt), size, _sealed(ranges, direct_key(data_key, salt), tag, read))


def _sealed(
    ranges: Sequence[Range], key: bytes, tag: bytes, read: Callable[[int, int], bytes]
) -> Iterator[memoryview]:
    cipher = RecordCipher(key)
    out = bytearray(LENGTH_SIZE + MAX_FRAME)
    view = memoryview(out)
    for number, (first, end) in enumerate(_pieces(ranges)):
        header = data_header(tag, number)
        body = b"".join((b"\x00", pack_varint(first), read(first, end - first)))
        place = LENGTH_SIZE + len(header)
        stop = place + len(body) + SEAL_SIZE
        view[:LENGTH_SIZE] = (stop - LENGTH_SIZE).to_bytes(LENGTH_SIZE, "big")
        view[LENGTH_SIZE:place] = header
        cipher.seal_into(header, body, view[place:stop])
        yield view[:stop]


def _pieces(ranges: Sequence[Range]) -> Iterator[Range]:
    for first, end in ranges:
        for start in range(first, end, MAX_DATA):
            yield start, min(end, start + MAX_DATA)


def _body_size(first: int, end: int) -> int:
    return 1 + len(pack_varint(first)) + end - first


class RecordReader:
    """Takes in the answers of one connection, and hands the bytes on in another thread's buffers.

    Args:
        connection: To the sender.
        data_key: The epoch's.
        tag: The epoch's data tag.
    """

    def __init__(self, client: Client, *, data_key: bytes, tag: bytes) -> None:
        self._client = client
        self._data_key = data_key
        self._tag = tag
        self._sealed = memoryview(bytearray(MAX_FRAME))
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        for _ in range(_BUFFERS):
            self._free.put(memoryview(mmap.mmap(-1, PAGE + MAX_FRAME)))

    def give_back(self, buffer: memoryview) -> None:
        """Let a buffer be used again."""
        self._free.put(buffer)

    def read(
        self, ranges: Sequence[Range], take: Callable[[int, memoryview, memoryview], None]
    ) -> None:
        """Ask for ranges and read them, in a thread.

        Args:
            ranges: What is wanted.
            take: Called with an offset, its bytes, and the buffer that is to be given back.

        Raises:
            ChannelClosedError: The connection broke.
            MalformedMessageError: The answer is not what was asked for.
            UnsealError: It is not from the peer.
        """
        salt, size = self._client.ask(ranges)
        key = direct_key(self._data_key, _salt_of(salt))
        cipher = RecordCipher(key)
        for first, end in _pieces(ranges):
            length = memoryview(bytearray(LENGTH_SIZE))
            self._client.read_into(length)
            expected = data_header(self._tag, cipher.number)
            frame = int.from_bytes(length, "big")
            if frame != len(expected) + _body_size(first, end) + SEAL_SIZE:
                raise MalformedMessageError("a frame of another length than was asked for")
            sealed = self._sealed[:frame]
            self._client.read_into(sealed)
            if bytes(sealed[: len(expected)]) != expected:
                raise MalformedMessageError("a frame of something else")
            buffer = self._free.get()
            # So that the bytes themselves begin with a page, and need no cache on their way to
            # the disk: `UncachedWriter`.
            begin = PAGE - (1 + len(pack_varint(first)))
            body = buffer[begin : begin + frame - len(expected) - SEAL_SIZE]
            try:
                cipher.open_into(expected, sealed[len(expected) :], body)
                offset, place = unpack_varint(bytes(body[:_MOST_HEADER]), 1)
                _require(body[0] == 0 and offset == first)
            except BaseException:
                self.give_back(buffer)
                raise
            size -= LENGTH_SIZE + frame
            take(first, body[place:], buffer)
        if size:
            raise MalformedMessageError("more than was asked for")


def _require(is_as_asked: bool) -> None:  # noqa: FBT001 - the only thing it is told
    if not is_as_asked:
        raise MalformedMessageError("other bytes than were asked for")


def _salt_of(text: str) -> bytes:
    try:
        salt = pybase64.urlsafe_b64decode(text + "==")
    except ValueError:
        salt = b""
    if len(salt) != _SALT or text_of(salt) != text:
        raise MalformedMessageError("an answer without a salt")
    return salt
