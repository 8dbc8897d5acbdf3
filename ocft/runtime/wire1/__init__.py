"""Wire 1.0 at work: the pumps of its transfers."""

from ocft.runtime.wire1.launch import ChunkLauncher, incoming_record
from ocft.runtime.wire1.receiving import ReceivePump
from ocft.runtime.wire1.sending import SendPump

__all__ = ["ChunkLauncher", "ReceivePump", "SendPump", "incoming_record"]
