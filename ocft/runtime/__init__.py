"""Where the machines meet clock, files and channels."""

from ocft.runtime.launch import outgoing_record
from ocft.runtime.manager import DEFAULT_MAX_FILE_SIZE, TransferManager
from ocft.runtime.sharing import Drive, Sharing

__all__ = ["DEFAULT_MAX_FILE_SIZE", "Drive", "Sharing", "TransferManager", "outgoing_record"]
