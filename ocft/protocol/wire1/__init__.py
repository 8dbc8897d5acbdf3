"""Wire 1.0: JSON messages, numbered chunks, one at a time; kept for the nodes that exist."""

from ocft.protocol.wire1.outputs import Output, PublishFile, ReadChunk, Send, WriteChunk
from ocft.protocol.wire1.receiver import Receiver
from ocft.protocol.wire1.sender import Sender
from ocft.protocol.wire1.states import RECEIVER, SENDER, ReceiverInput, SenderInput

__all__ = [
    "RECEIVER",
    "SENDER",
    "Output",
    "PublishFile",
    "ReadChunk",
    "Receiver",
    "ReceiverInput",
    "Send",
    "Sender",
    "SenderInput",
    "WriteChunk",
]
