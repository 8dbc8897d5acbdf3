"""Frames into texts and back: alphabets, fragments, and what one text carries.

It knows the channel's limits and nothing of keys, peers or transfers.
"""

import logging
from collections.abc import Callable
from typing import Final

from ocft.channels import ChannelLimits
from ocft.errors import MessageTooLongError
from ocft.runtime.outbox import Outbox
from ocft.wire import (
    MARKER,
    MAX_FRAME,
    SEAL_SIZE,
    Alphabet,
    Assembler,
    Fragment,
    FrameType,
    capacity,
    encode_frame,
    split_frame,
)

DEFAULT_FRAME_DATA: Final = 48 * 1024
"""Bytes of a file in one frame where the text could be longer: the best of speed and memory."""

_log = logging.getLogger(__name__)
_OVERHEAD: Final = 1 + 8 + 9 + SEAL_SIZE + 1 + 9  # a DATA frame without its bytes
_LETTER: Final = "\u4e00"
_NEVER_CUT: Final = (FrameType.DATA, FrameType.ACK)


class Post:
    """The way of frames through one channel.

    Args:
        outbox: The channel's queue.
        limits: What the channel carries.
        clock: Seconds on a clock that does not go back.
    """

    def __init__(self, outbox: Outbox, limits: ChannelLimits, clock: Callable[[], float]) -> None:
        self._outbox = outbox
        self._limits = limits
        self._clock = clock
        self._max_text = limits.max_text
        self._assembler = Assembler()
        self._capacities: dict[Alphabet, int] = {}

    @property
    def is_narrow(self) -> bool:
        """Whether a text holds less than we would like to put into a frame."""
        return self._capacity(Alphabet.BASE64URL) < DEFAULT_FRAME_DATA + _OVERHEAD

    @property
    def is_dense_better(self) -> bool:
        """Whether the dense alphabet would carry more (R-FRM-5)."""
        dense = self._capacity(Alphabet.CJK15)
        return self.is_narrow and dense > self._capacity(Alphabet.BASE64URL)

    def frame_room(self, alphabet: Alphabet) -> int:
        """Return the bytes of the longest body of a DATA frame, flags and offset included."""
        room = min(self._capacity(alphabet), DEFAULT_FRAME_DATA + _OVERHEAD)
        return room - (_OVERHEAD - 10)

    def data_room(self, alphabet: Alphabet) -> int:
        """Return the bytes of a file that one frame carries, without compression.

        Raises:
            MessageTooLongError: The channel cannot carry a single byte.
        """
        room = min(self._capacity(alphabet) - _OVERHEAD, DEFAULT_FRAME_DATA)
        if room < 1:
            raise MessageTooLongError(
                f"The channel carries texts of {self._limits.max_text} "
                f"{self._limits.unit.value}; that is too little for a single byte."
            )
        return room

    async def send(
        self, address: str, frame: bytes, *, is_control: bool, alphabet: Alphabet | None = None
    ) -> None:
        """Send a frame, in fragments if it has to be.

        Args:
            address: The peer's address on the channel.
            frame: The frame.
            is_control: Whether it goes before the data that waits.
            alphabet: How to write it; None is base64url.

        Raises:
            MessageTooLongError: The channel cannot carry it. Later frames of data and acks will
                be shorter; what else did not fit has been tried in shorter pieces.
            ChannelError: It did not leave.
        """
        alphabet = alphabet or Alphabet.BASE64URL
        is_whole = frame[0] in _NEVER_CUT
        while True:
            room = self._capacity(alphabet)
            pieces = [frame] if is_whole or len(frame) <= room else split_frame(frame, room)
            text = ""
            try:
                for piece in pieces:
                    text = encode_frame(piece, alphabet)
                    await self._outbox.send(address, text, is_control=is_control)
            except MessageTooLongError:
                self._note_too_long(text)
                if is_whole:
                    raise  # its bytes go again, in shorter ones
            else:
                return

    def _note_too_long(self, text: str) -> None:
        """Make later texts an eighth shorter than this one (R-ARQ-12), unless they are already."""
        length = self._limits.unit.measure(text)
        if length <= self._max_text:
            self._max_text = length - max(1, length // 8)
            self._capacities.clear()
            _log.warning("the channel carries less than it says; now %d", self._max_text)

    def assemble(self, author: str, fragment: Fragment) -> bytes | None:
        """Take in a fragment; return the frame that it completes.

        Raises:
            MalformedMessageError: The pieces make no frame.
        """
        return self._assembler.add(author, fragment, self._clock())

    def _capacity(self, alphabet: Alphabet) -> int:
        known = self._capacities.get(alphabet)
        if known is None:
            known = self._capacities[alphabet] = self._computed(alphabet)
        return known

    def _computed(self, alphabet: Alphabet) -> int:
        measure = self._limits.unit.measure
        return min(
            capacity(
                alphabet,
                self._max_text,
                marker_cost=measure(MARKER),
                letter_cost=measure(_LETTER),
            ),
            MAX_FRAME,
        )
