"""The direct route of a node: where it can be asked, and whom it asks (protocol 2.10)."""

import asyncio
import ipaddress
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import pybase64

from ocft.ranges import Range
from ocft.routes import (
    Body,
    DirectServer,
    Lines,
    Opened,
    Place,
    WebRtcOptions,
    own_addresses,
    reachable_places,
)
from ocft.wire import DirectTicket

_AT_ONCE: Final = 4
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DirectOptions:
    """What may be done around the channel.

    Args:
        listens: Whether peers may fetch what is sent to them.
        connects: Whether files are fetched from peers.
        addresses: Where to listen; None: the private addresses of this machine and its loopback.
        port: The port; 0: any that is free.
        webrtc: How WebRTC is tried where plain connections are not possible; None: it is not.
    """

    listens: bool = True
    connects: bool = True
    addresses: tuple[str, ...] | None = None
    port: int = 0
    webrtc: WebRtcOptions | None = None


class Direct:
    """What the transfers of a manager share.

    Args:
        options: What may be done.

    Raises:
        AdapterNotInstalledError: WebRTC is to be tried, and the extra `webrtc` is missing.
    """

    def __init__(self, options: DirectOptions) -> None:
        self._options = options
        self.lines: Lines | None = None
        """Where WebRTC is at work; None: it is not tried."""
        if options.webrtc is not None:
            self.lines = Lines(self._addresses, options.webrtc)
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
    ) -> tuple[DirectTicket | None, Opened]:
        """Let a peer fetch something; call it in a worker thread.

        Args:
            body: See `Opened`.
            progress: See `Opened`.

        Returns:
            What the peer is told, None where nothing listens, and what `end` takes.

        Raises:
            OSError: Nothing can be listened to, and WebRTC is not tried.
        """
        id_, token = secrets.token_bytes(8), secrets.token_bytes(32)
        opened = Opened(id_.hex(), text_of(token), body, progress)
        if not self.listens:
            return None, opened
        if self._server is None:
            self._server = DirectServer(self._addresses(), self._options.port)
        try:
            places = self._server.open(opened)
        except OSError as error:
            if self.lines is None:
                raise
            _log.warning("nobody can connect, but by WebRTC: %s", error)
            return None, opened
        packed = tuple((ipaddress.ip_address(text).packed, port) for text, port in places)
        return DirectTicket(id=id_, token=token, places=packed), opened

    def end(self, opened: Opened) -> None:
        """Let nobody fetch it any more."""
        opened.is_over = True
        if self._server is not None:
            self._server.close(opened)

    async def close(self) -> None:
        """End everything."""
        if self.lines is not None:
            await self.lines.stop()
        if self._server is not None:
            await asyncio.to_thread(self._server.stop)

    def _addresses(self) -> Sequence[str]:
        addresses = self._options.addresses
        return own_addresses() if addresses is None else addresses


def places_of(ticket: DirectTicket) -> list[Place]:
    """Return where a ticket leads that is worth a try; it reads the addresses of this machine."""
    places = [(str(ipaddress.ip_address(packed)), port) for packed, port in ticket.places]
    return reachable_places(places, own_addresses())


def text_of(token: bytes) -> str:
    """Return a token, or a salt, as it stands in a header."""
    return pybase64.urlsafe_b64encode(token).decode("ascii").rstrip("=")
