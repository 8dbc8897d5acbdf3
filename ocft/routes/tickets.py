"""What somebody who has a ticket may do at our port: fetch something, or bring something."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from ocft.ranges import Range

if TYPE_CHECKING:
    from ocft.routes.http_pushed import PushedConnection

FORMER_SECONDS: Final = 5.0
"""For a connection that is ended by a newer one to let go."""


@dataclass(frozen=True, slots=True)
class Body:
    """What answers a request, or is brought."""

    salt: str
    """What the receiver needs to open it."""
    size: int
    """Bytes of all pieces."""
    pieces: Iterable[memoryview | bytes]


def nothing() -> None:
    """End no connection: there is none."""


@dataclass(slots=True, eq=False)
class Opened:
    """Something that may be used by who has its token, by one at a time."""

    method: ClassVar[bytes]

    id: str
    token: str = field(repr=False)
    is_over: bool = field(default=False, init=False)
    busy: threading.Lock = field(default_factory=threading.Lock, init=False)
    end_former: Callable[[], None] = field(default=nothing, init=False, repr=False)
    """Ends the connection that uses it; any thread may call it."""


@dataclass(slots=True, eq=False)
class OpenToFetch(Opened):
    """Bytes that a peer may fetch."""

    method: ClassVar[bytes] = b"GET"

    body: Callable[[Sequence[Range]], Body | None]
    """Called in a thread; gives what these ranges need, or None when that cannot be now."""
    progress: Callable[[int], None]
    """Called in a thread with the bytes that left since the last time, and with 0 at the end of
    an answer."""


@dataclass(slots=True, eq=False)
class OpenToBring(Opened):
    """Bytes that a peer may bring."""

    method: ClassVar[bytes] = b"POST"

    came: "Callable[[PushedConnection], None]"
    """Called in a thread with the connection of a peer that has the token; who takes it closes
    it."""
