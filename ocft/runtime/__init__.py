"""Where the machines meet clock, files and channels."""

from ocft.runtime.manager import DEFAULT_MAX_FILE_SIZE, TransferManager
from ocft.runtime.outbox import Outbox
from ocft.runtime.outgoing import Outgoing, outgoing_files
from ocft.runtime.sharing import Drive, Sharing
from ocft.runtime.wire2 import DirectOptions

__all__ = [
    "DEFAULT_MAX_FILE_SIZE",
    "DirectOptions",
    "Drive",
    "Outbox",
    "Outgoing",
    "Sharing",
    "TransferManager",
    "outgoing_files",
]
