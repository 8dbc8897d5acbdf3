"""Wire 2: handshake and pairing, and the machines of sealed, windowed transfers."""

from ocft.protocol.wire2.handshake import Established, Initiator, Responder
from ocft.protocol.wire2.outputs import (
    PublishFiles,
    ReadManifest,
    ReceiverOutput,
    Say,
    SayAccept,
    SayAck,
    SayAgain,
    SayBundle,
    SayData,
    SayDone,
    SayOffer,
    SayReject,
    SayStop,
    WriteBytes,
)
from ocft.protocol.wire2.pairing import Guesser, Paired, Prover
from ocft.protocol.wire2.receiver import FrameReceiver
from ocft.protocol.wire2.sender import FrameSender

__all__ = [
    "Established",
    "FrameReceiver",
    "FrameSender",
    "Guesser",
    "Initiator",
    "Paired",
    "Prover",
    "PublishFiles",
    "ReadManifest",
    "ReceiverOutput",
    "Responder",
    "Say",
    "SayAccept",
    "SayAck",
    "SayAgain",
    "SayBundle",
    "SayData",
    "SayDone",
    "SayOffer",
    "SayReject",
    "SayStop",
    "WriteBytes",
]
