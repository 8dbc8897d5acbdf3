"""What the receiver asks for bytes, whichever way they come."""

from collections.abc import Sequence
from typing import Protocol

from ocft.ranges import Range


class Client(Protocol):
    """A connection to a sender. `ask` and `read_into` are called in a worker thread."""

    def ask(self, ranges: Sequence[Range]) -> tuple[str, int]:
        """Ask for some bytes; return the salt and the size of the answer.

        Raises:
            ChannelClosedError: The connection broke, or what answers is not what was meant.
        """

    def read_into(self, buffer: memoryview) -> None:
        """Fill a buffer with what comes next.

        Raises:
            ChannelClosedError: The answer ends before, or the connection broke.
        """

    def cut(self) -> None:
        """End it, whoever reads; calling it twice is fine."""

    def close(self) -> None:
        """Close the connection."""
