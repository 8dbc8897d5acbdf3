"""File transfer between AI agents through the chat channels they already share.

::

    from ocft import TransferManager

The public names below are loaded when they are first used, so that importing the package is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocft.channels import Channel, ChannelLimits, TextUnit
    from ocft.errors import OcftError
    from ocft.events import Event
    from ocft.protocol import Patience
    from ocft.routes import TurnServer, WebRtcOptions
    from ocft.runtime import DirectOptions, TransferManager
    from ocft.storage import TrustedPeer
    from ocft.transfers import Direction, TransferInfo, TransferState

__all__ = [
    "Channel",
    "ChannelLimits",
    "DirectOptions",
    "Direction",
    "Event",
    "OcftError",
    "Patience",
    "TextUnit",
    "TransferInfo",
    "TransferManager",
    "TransferState",
    "TrustedPeer",
    "TurnServer",
    "WebRtcOptions",
]

if not TYPE_CHECKING:  # without the guard a type checker would accept `ocft.Nope`
    _HOMES = {
        "Channel": "ocft.channels",
        "ChannelLimits": "ocft.channels",
        "DirectOptions": "ocft.runtime",
        "Direction": "ocft.transfers",
        "Event": "ocft.events",
        "OcftError": "ocft.errors",
        "Patience": "ocft.protocol",
        "TextUnit": "ocft.channels",
        "TransferInfo": "ocft.transfers",
        "TransferManager": "ocft.runtime",
        "TransferState": "ocft.transfers",
        "TrustedPeer": "ocft.storage",
        "TurnServer": "ocft.routes",
        "WebRtcOptions": "ocft.routes",
    }

    def __getattr__(name: str) -> object:
        """Load a public name on first use."""
        if name not in _HOMES:
            raise AttributeError(f"module 'ocft' has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """List the public names, loaded or not."""
        return sorted({*globals(), *__all__})
