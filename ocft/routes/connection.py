"""A connection to a sender, whoever made it: ranges are asked for, and come as one long answer."""

import abc
import socket
from collections.abc import Sequence
from typing import Final

from ocft.errors import ChannelClosedError
from ocft.ranges import Range

LONGEST_HEAD: Final = 16 * 1024
"""Bytes of a request's, or an answer's, first lines."""
IDLE_SECONDS: Final = 30.0
"""Without a byte, in the middle of an answer."""


class DirectConnection(abc.ABC):
    """One connection to a sender. All but `cut` is called in a worker thread.

    Args:
        connection: A connected socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        self._socket = connection
        self._rest = memoryview(b"")
        self._left = 0

    @abc.abstractmethod
    def ask(self, ranges: Sequence[Range]) -> tuple[str, int]:
        """Ask for some bytes; return the salt and the size of what comes.

        Raises:
            ChannelClosedError: The connection broke, or what answers is not what was meant.
        """

    def read_into(self, buffer: memoryview) -> None:
        """Fill a buffer with what comes next.

        Raises:
            ChannelClosedError: The answer ends before, or the connection broke.
        """
        if len(buffer) > self._left:
            raise ChannelClosedError("The peer's answer is cut off.")
        self._left -= len(buffer)
        taken = min(len(self._rest), len(buffer))
        if taken:
            buffer[:taken] = self._rest[:taken]
            self._rest = self._rest[taken:]
            buffer = buffer[taken:]
        try:
            while buffer:
                count = self._socket.recv_into(buffer)
                if not count:
                    raise ChannelClosedError("The direct connection was cut.")
                buffer = buffer[count:]
        except OSError as error:
            raise ChannelClosedError(f"The direct connection broke: {error}") from error

    def cut(self) -> None:
        """End it, whoever reads; calling it twice is fine."""
        shut_down(self._socket)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _begin(self, trailing: bytes, size: int) -> None:
        """Let an answer be read, of which some has come together with its head."""
        self._rest = memoryview(trailing)
        self._left = size
        self._socket.settimeout(IDLE_SECONDS)


def shut_down(connection: socket.socket) -> None:
    """End a connection, whoever reads or writes in whichever thread."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
