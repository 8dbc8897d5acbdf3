"""What happens at a session, told to who runs its server."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShareEvent:
    """Something happened."""

    session: str
    """The session's id."""


@dataclass(frozen=True, slots=True)
class ReceiverConnected(ShareEvent):
    """A receiver was let in."""

    download: str
    """Names the receiver's download."""


@dataclass(frozen=True, slots=True)
class DownloadStarted(ShareEvent):
    """Content begins to leave."""

    download: str
    """Which one."""
    offset: int
    """Sealed bytes that the receiver has already."""


@dataclass(frozen=True, slots=True)
class DownloadProgress(ShareEvent):
    """Content left."""

    download: str
    """Which one."""
    sent: int
    """Sealed bytes from the beginning up to here."""


@dataclass(frozen=True, slots=True)
class DownloadEnded(ShareEvent):
    """A download is over."""

    download: str
    """Which one."""
    ok: bool | None
    """What the receiver's receipt says; None: there is none."""
    code: str | None
    """The receiver's error, if it says one."""


@dataclass(frozen=True, slots=True)
class SessionReady(ShareEvent):
    """All that a session shares is there."""


@dataclass(frozen=True, slots=True)
class SessionEnded(ShareEvent):
    """A session is over, and what was stored of it is removed."""

    reason: str
    """`expired`, `used-up`, `deleted`, `source-changed` or `closed`."""


@dataclass(frozen=True, slots=True)
class PasswordLocked(ShareEvent):
    """Too many wrong passwords: nobody gets in any more."""


Observer = Callable[[ShareEvent], None]
"""Called in the event loop; it must not wait."""
