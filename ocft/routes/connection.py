"""Sockets on the direct route, and how long they are waited for."""

import socket
import time
from typing import Final

from ocft.errors import ChannelClosedError

LONGEST_HEAD: Final = 16 * 1024
"""Bytes of a request's, or an answer's, first lines."""
IDLE_SECONDS: Final = 30.0
"""Without a byte, in the middle of an answer."""
_FRAME_SECONDS: Final = 120.0
"""For one frame, of 1 MiB: who is slower than a chat need not be waited for."""
_SENT_SECONDS: Final = 60.0
"""Without a byte being taken."""
_AT_ONCE: Final = 256 * 1024  # bytes, each of which may take that long


class DirectConnection:
    """One connection to a sender, whoever made it. All but `cut` is called in a worker thread.

    Args:
        connection: A connected socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        self._socket = connection
        self._rest = memoryview(b"")
        self._left = 0

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
        until = time.monotonic() + _FRAME_SECONDS
        try:
            while buffer:
                left = until - time.monotonic()
                if left <= 0:
                    raise ChannelClosedError("The direct connection is too slow.")
                self._socket.settimeout(min(left, IDLE_SECONDS))
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


def shut_down(connection: socket.socket) -> None:
    """End a connection, whoever reads or writes in whichever thread."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def send_whole(connection: socket.socket, data: memoryview | bytes) -> None:
    """Send bytes, however slowly they are taken, as long as they are.

    Raises:
        OSError: The connection broke, or nothing was taken for a minute.
    """
    view = memoryview(data)
    connection.settimeout(_SENT_SECONDS)
    while view:
        view = view[connection.send(view[:_AT_ONCE]) :]
