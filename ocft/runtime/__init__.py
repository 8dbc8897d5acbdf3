"""Where the machines meet clock, files and channels."""

from ocft.runtime.launch import outgoing_record
from ocft.runtime.manager import DEFAULT_MAX_FILE_SIZE, TransferManager

__all__ = ["DEFAULT_MAX_FILE_SIZE", "TransferManager", "outgoing_record"]
