"""Channels carry texts; adapters make them. The contract is in `ocft.channels.base`."""

from ocft.channels.base import (
    Adapter,
    Channel,
    ChannelLimits,
    FileLimits,
    Finding,
    IncomingFile,
    IncomingText,
    Marks,
    TextUnit,
)
from ocft.channels.callback import CallbackChannel, SendText
from ocft.channels.credentials import find_credential
from ocft.channels.discovery import adapter_names, find_adapter
from ocft.channels.local import LocalChannel, open_local
from ocft.channels.memory import MemoryChannel, memory_channels
from ocft.channels.pacing import TokenBucket

__all__ = [
    "Adapter",
    "CallbackChannel",
    "Channel",
    "ChannelLimits",
    "FileLimits",
    "Finding",
    "IncomingFile",
    "IncomingText",
    "LocalChannel",
    "Marks",
    "MemoryChannel",
    "SendText",
    "TextUnit",
    "TokenBucket",
    "adapter_names",
    "find_adapter",
    "find_credential",
    "memory_channels",
    "open_local",
]
