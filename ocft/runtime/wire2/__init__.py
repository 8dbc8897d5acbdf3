"""Wire 2 at work: sessions, handshakes, pairings, and the pumps of sealed transfers."""

from ocft.runtime.wire2.direct import Direct, DirectOptions
from ocft.runtime.wire2.handshakes import Handshakes
from ocft.runtime.wire2.launch import FrameLauncher
from ocft.runtime.wire2.native_files import NativeFiles
from ocft.runtime.wire2.pairings import CODE_SECONDS, Pairings
from ocft.runtime.wire2.post import Post
from ocft.runtime.wire2.pump import FramePump, Wire2
from ocft.runtime.wire2.receiving import FrameReceivePump
from ocft.runtime.wire2.reception import Ignored, Reception
from ocft.runtime.wire2.sealing import Sealing
from ocft.runtime.wire2.sending import FrameSendPump
from ocft.runtime.wire2.sessions import LiveSession, Sessions
from ocft.runtime.wire2.tags import Tags
from ocft.runtime.wire2.trust import Secrets, Trust

__all__ = [
    "CODE_SECONDS",
    "Direct",
    "DirectOptions",
    "FrameLauncher",
    "FramePump",
    "FrameReceivePump",
    "FrameSendPump",
    "Handshakes",
    "Ignored",
    "LiveSession",
    "NativeFiles",
    "Pairings",
    "Post",
    "Reception",
    "Sealing",
    "Secrets",
    "Sessions",
    "Tags",
    "Trust",
    "Wire2",
]
