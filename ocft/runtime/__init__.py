"""Where the machines meet clock, files and channels."""

from ocft.runtime.manager import DEFAULT_MAX_FILE_SIZE, TransferManager
from ocft.runtime.outbox import Outbox
from ocft.runtime.outgoing import Outgoing, outgoing_files
from ocft.runtime.sharing import Drive, Sharing

__all__ = [
    "DEFAULT_MAX_FILE_SIZE",
    "Drive",
    "Outbox",
    "Outgoing",
    "Sharing",
    "TransferManager",
    "outgoing_files",
]
