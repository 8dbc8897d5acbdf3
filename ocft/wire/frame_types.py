"""The first byte of a frame, and how long a frame can be (protocol 2.1)."""

from enum import IntEnum
from typing import Final

MAX_FRAME: Final = (1 << 20) + 64
"""Bytes of the longest frame (R-FRM-1): a DATA frame of 1 MiB with its header and seal."""

TAG_SIZE: Final = 8
"""Bytes that say whose a frame is: an epoch's or a session's, for one direction."""


class FrameType(IntEnum):
    """What a frame is. Wire 1.0's JSON begins with `{`, which is none of these."""

    FRAGMENT = 0x20
    HELLO = 0x21
    REPLY = 0x22
    FINISH = 0x23
    PAIR = 0x25
    CONTROL = 0x26
    DATA = 0x27
    ACK = 0x28
    BUNDLE = 0x29
