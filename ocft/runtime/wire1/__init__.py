"""The pumps of wire 1.0."""

from ocft.runtime.wire1.receiving import ReceivePump, stored_chunks
from ocft.runtime.wire1.sending import SendPump

__all__ = ["ReceivePump", "SendPump", "stored_chunks"]
