"""The direct route of a node: where it can be asked, and whom it asks (protocol 2.10)."""

import asyncio
import ipaddress
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import pybase64

from ocft.ranges import Range
from ocft.routes import Body, DirectServer, Opened, Place, own_addresses, reachable_places
from ocft.wire import DirectTicket

_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class DirectOptions:
    """What may be done around the channel.

    Args:
        listens: Whether peers may fetch what is sent to them.
        connects: Whether files are fetched from peers.
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
        self.turns = asyncio.Semaphore(_AT_ONCE)
        """How many transfers are fetched at the same time."""

    @property
    def connects(self) -> bool:
        """Whether files are fetched from peers."""
        return self._options.connects

    @property
    def listens(self) -> bool:
        """Whether peers may fetch."""
        return self._options.listens

    def open(
        self,
        body: Callable[[Sequence[Range]], Body | None],
        progress: Callable[[int], None],
    ) -> tuple[DirectTicket, Opened]:
        """Let a peer fetch something; call it in a worker thread.

        Args:
            body: See `Opened`.
            progress: See `Opened`.

        Returns:
            What the peer is told, and what `end` takes.

        Raises:
            OSError: Nothing can be listened to.
        """
        if self._server is None:
            addresses = self._options.addresses
            self._server = DirectServer(
                own_addresses() if addresses is None else addresses, self._options.port
            )
        id_, token = secrets.token_bytes(8), secrets.token_bytes(32)
        opened = Opened(id_.hex(), text_of(token), body, progress)
        places = self._server.open(opened)
        packed = tuple((ipaddress.ip_address(text).packed, port) for text, port in places)
        return DirectTicket(id=id_, token=token, places=packed), opened

    def end(self, opened: Opened) -> None:
        """Let nobody fetch it any more."""
        if self._server is not None:
            self._server.close(opened)

    async def close(self) -> None:
        """End everything."""
        if self._server is not None:
            await asyncio.to_thread(self._server.stop)


def places_of(ticket: DirectTicket) -> list[Place]:
    """Return where a ticket leads that is worth a try; it reads the addresses of this machine."""
    places = [(str(ipaddress.ip_address(packed)), port) for packed, port in ticket.places]
    return reachable_places(places, own_addresses())


def text_of(token: bytes) -> str:
    """Return a token, or a salt, as it stands in a header."""
    return pybase64.urlsafe_b64encode(token).decode("ascii").rstrip("=")
