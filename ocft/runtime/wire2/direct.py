"""The direct route of a node: where it can be asked, and whom it asks (protocol 2.10)."""

import asyncio
import ipaddress
import secrets
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pybase64

from ocft.ranges import Range
from ocft.routes import (
    Body,
    DirectServer,
    Opened,
    OpenToBring,
    OpenToFetch,
    Place,
    PushedConnection,
    own_addresses,
    reachable_places,
)
from ocft.wire import DirectTicket

PAUSES: Final = (0.1, 0.3, 1.0, 2.0, 4.0)
"""Seconds after failures that followed one another; then the channel carries the rest."""
_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class DirectOptions:
    """What may be done around the channel.

    Args:
        listens: Whether peers may connect: to fetch what is sent to them, and to bring what they
            send.
        connects: Whether peers are connected to: to fetch what they send, and to bring what is
            sent to them.
        addresses: Where to listen; None: the private addresses of this machine and its loopback.
        port: The port; 0: any that is free.
    """

    listens: bool = True
    connects: bool = True
    addresses: tuple[str, ...] | None = None
    port: int = 0


class Direct:
    """What the transfers of a manager share.

    Args:
        options: What may be done.
    """

    def __init__(self, options: DirectOptions) -> None:
        self._options = options
        self._server: DirectServer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.turns = asyncio.Semaphore(_AT_ONCE)
        """How many transfers are fetched, or brought by their senders, at the same time."""
        self.push_turns = asyncio.Semaphore(_AT_ONCE)
        """How many are brought to their receivers at the same time."""

    @property
    def connects(self) -> bool:
        """Whether peers are connected to."""
        return self._options.connects

    @property
    def listens(self) -> bool:
        """Whether peers may connect."""
        return self._options.listens

    def open_to_fetch(
        self,
        body: Callable[[Sequence[Range]], Body | None],
        progress: Callable[[int], None],
    ) -> tuple[DirectTicket, Opened]:
        """Let a peer fetch something; call it in a worker thread.

        Args:
            body: See `OpenToFetch`.
            progress: See `OpenToFetch`.

        Returns:
            What the peer is told, and what `end` takes.

        Raises:
            OSError: Nothing can be listened to.
        """
        id_, token = secrets.token_bytes(8), secrets.token_bytes(32)
        opened = OpenToFetch(id_.hex(), text_of(token), body, progress)
        return self._ticket(id_, token, opened), opened

    def open_to_bring(
        self, came: Callable[[PushedConnection], None]
    ) -> tuple[DirectTicket, Opened]:
        """Let a peer bring something; call it in a worker thread.

        Args:
            came: See `OpenToBring`.

        Returns:
            What the peer is told, and what `end` takes.

        Raises:
            OSError: Nothing can be listened to.
        """
        id_, token = secrets.token_bytes(8), secrets.token_bytes(32)
        opened = OpenToBring(id_.hex(), text_of(token), came)
        return self._ticket(id_, token, opened), opened

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something run until it ends by itself; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self, opened: Opened) -> None:
        """Let nobody fetch it any more."""
        if self._server is not None:
            self._server.close(opened)

    async def close(self) -> None:
        """Wait until all that was started has ended, and end the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._server is not None:
            await asyncio.to_thread(self._server.stop)

    def _ticket(self, id_: bytes, token: bytes, opened: Opened) -> DirectTicket:
        if self._server is None:
            addresses = self._options.addresses
            self._server = DirectServer(
                own_addresses() if addresses is None else addresses, self._options.port
            )
        places = self._server.open(opened)
        packed = tuple((ipaddress.ip_address(text).packed, port) for text, port in places)
        return DirectTicket(id=id_, token=token, places=packed)


def places_of(ticket: DirectTicket) -> list[Place]:
    """Return where a ticket leads that is worth a try; it reads the addresses of this machine."""
    places = [(str(ipaddress.ip_address(packed)), port) for packed, port in ticket.places]
    return reachable_places(places, own_addresses())


def text_of(token: bytes) -> str:
    """Return a token, or a salt, as it stands in a header."""
    return pybase64.urlsafe_b64encode(token).decode("ascii").rstrip("=")
