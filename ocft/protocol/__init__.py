"""The machines: one side of one transfer each, without I/O and without a clock."""

from ocft.protocol.machine import Machine, Notify
from ocft.protocol.plan import DEFAULT_CHUNK_SIZE, MAX_CHUNK_SIZE, ChunkPlan, chunk_size_for
from ocft.protocol.states import Table, next_state
from ocft.protocol.timers import Patience
from ocft.protocol.wire1 import (
    Output,
    PublishFile,
    ReadChunk,
    Receiver,
    Send,
    Sender,
    WriteChunk,
)

__all__ = [
    "DEFAULT_CHUNK_SIZE",
    "MAX_CHUNK_SIZE",
    "ChunkPlan",
    "Machine",
    "Notify",
    "Output",
    "Patience",
    "PublishFile",
    "ReadChunk",
    "Receiver",
    "Send",
    "Sender",
    "Table",
    "WriteChunk",
    "chunk_size_for",
    "next_state",
]
