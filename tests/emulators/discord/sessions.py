"""What the gateway remembers of a client: its session and its events; behaviour 2."""

import asyncio
import json
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.discord.things import Account


@dataclass(frozen=True, slots=True)
class Close:
    """Put into an outbox: close the socket with a code."""

    code: int


@dataclass(eq=False, slots=True)
class Socket:
    """A connection: what waits to be written, and whether anything is written at all.

    Attributes:
        muted: The connection is dead without either side having been told; behaviour 7.
    """

    transport: asyncio.BaseTransport
    outbox: asyncio.Queue[str | Close] = field(default_factory=asyncio.Queue)
    muted: bool = False

    def send(self, op: int, data: Any = None) -> None:
        """Write a payload that is no event."""
        self.outbox.put_nowait(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    def close(self, code: int) -> None:
        """Close, without writing what still waits."""
        while not self.outbox.empty():
            self.outbox.get_nowait()
        self.outbox.put_nowait(Close(code))


@dataclass(eq=False, slots=True)
class Session:
    """One IDENTIFY of a bot. It outlives its sockets.

    Attributes:
        held: Events that a test holds back, to release them later in another order.
    """

    account: Account
    intents: int
    replay: int
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    sequence: int = 0
    socket: Socket | None = None
    held: list[tuple[str, Any]] | None = None
    events: deque[tuple[int, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.events = deque(maxlen=self.replay)

    def dispatch(self, name: str, data: Any) -> None:
        """Send an event now, or at the next RESUME."""
        if self.held is None:
            self._write(name, data)
        else:
            self.held.append((name, data))

    def release(self, *, backwards: bool) -> None:
        """Send what was held back."""
        held, self.held = self.held or [], None
        for name, data in reversed(held) if backwards else held:
            self.dispatch(name, data)

    def resume(self, socket: Socket, sequence: int) -> bool:
        """Go on with another socket after an event; False when that is no longer possible."""
        first = self.events[0][0] if self.events else self.sequence + 1
        if not first - 1 <= sequence <= self.sequence:
            return False
        if self.socket is not None:
            self.socket.close(4000)
        self.socket = socket
        for number, text in self.events:
            if number > sequence:
                socket.outbox.put_nowait(text)
        self._write("RESUMED", {})
        return True

    def _write(self, name: str, data: Any) -> None:
        self.sequence += 1
        text = json.dumps({"op": 0, "s": self.sequence, "t": name, "d": data})
        self.events.append((self.sequence, text))
        if self.socket is not None:
            self.socket.outbox.put_nowait(text)
