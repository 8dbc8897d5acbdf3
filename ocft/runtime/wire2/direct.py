"""The direct route of a node: where it can be asked, and whom it asks (protocol 2.10)."""

import asyncio
import ipaddress
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pybase64

from ocft.errors import ConfigError
from ocft.ranges import Range
from ocft.routes import (
    LEAST_PORT,
    Body,
    DirectServer,
    Lines,
    Opened,
    OpenToBring,
    OpenToFetch,
    Place,
    PushedConnection,
    WebRtcOptions,
    network_addresses,
    reachable_places,
)
from ocft.wire import MAX_PLACES, DirectTicket

PAUSES: Final = (0.1, 0.3, 1.0, 2.0, 4.0)
"""Seconds after failures that followed one another; then the channel carries the rest."""
_AT_ONCE: Final = 4
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DirectOptions:
    """What may be done around the channel.

    Args:
        listens: Whether peers may connect: to fetch what is sent to them, and to bring what they
            send.
        connects: Whether peers are connected to: to fetch what they send, and to bring what is
            sent to them.
        addresses: Where to listen; None: the private addresses of this machine, or its loopback
            if it has none.
        port: The port; 0: any that is free.
        webrtc: How WebRTC is tried where plain connections are not possible; None: it is not.
    """

    listens: bool = True
    connects: bool = True
    addresses: tuple[str, ...] | None = None
    port: int = 0
    webrtc: WebRtcOptions | None = None

    def __post_init__(self) -> None:
        """Check what peers would not take.

        Raises:
            ConfigError: The port or the addresses cannot be.
        """
        if self.port and not LEAST_PORT <= self.port < 1 << 16:
            raise ConfigError(
                f"The direct route cannot use port {self.port}: peers connect to ports from "
                f"{LEAST_PORT} to 65535 only. 0 is any that is free."
            )
        for address in self.addresses or ():
            try:
                is_any = ipaddress.ip_address(address).is_unspecified
            except ValueError as error:
                raise ConfigError(f"The direct route cannot listen on {address!r}.") from error
            if is_any:
                raise ConfigError(
                    f"Peers cannot connect to {address}. Name the addresses of this machine."
                )
        if self.addresses is not None and not 0 < len(self.addresses) <= MAX_PLACES:
            raise ConfigError(f"The direct route listens on 1 to {MAX_PLACES} addresses.")


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
        self._server = DirectServer(self._addresses, options.port)
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
    ) -> tuple[DirectTicket | None, OpenToFetch]:
        """Let a peer fetch something; call it in a worker thread.

        Args:
            body: See `OpenToFetch`.
            progress: See `OpenToFetch`.

        Returns:
            What the peer is told, None where nothing listens, and what `end` takes.

        Raises:
            OSError: Nothing can be listened to, and there is no other way.
        """
        id_, token = secrets.token_bytes(8), secrets.token_bytes(32)
        opened = OpenToFetch(id_.hex(), text_of(token), body, progress)
        if not self.listens:
            return None, opened
        try:
            return self._ticket(id_, token, opened), opened
        except OSError as error:
            if self.lines is None and not self.connects:
                raise
            _log.warning("nobody can connect to this machine: %s", error)
            return None, opened

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
        """Let nobody fetch or bring it any more."""
        opened.is_over = True
        self._server.close(opened)

    def places_of(self, ticket: DirectTicket) -> list[Place]:
        """Return where a ticket leads that is worth a try; it reads this machine's addresses."""
        places = [(str(ipaddress.ip_address(packed)), port) for packed, port in ticket.places]
        try:
            own = self._addresses()
        except OSError as error:  # so that it is not known whether we are on loopback only
            _log.warning("the addresses of this machine cannot be read: %s", error)
            own = ()
        return reachable_places(places, own)

    async def close(self) -> None:
        """Wait until all that was started has ended, and end the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self.lines is not None:
            await self.lines.stop()
        await asyncio.to_thread(self._server.stop)

    def _addresses(self) -> Sequence[str]:
        addresses = self._options.addresses
        return network_addresses() if addresses is None else addresses

    def _ticket(self, id_: bytes, token: bytes, opened: Opened) -> DirectTicket:
        places = self._server.open(opened)
        packed = tuple((ipaddress.ip_address(text).packed, port) for text, port in places)
        return DirectTicket(id=id_, token=token, places=packed)


def text_of(token: bytes) -> str:
    """Return a token, or a salt, as it stands in a header."""
    return pybase64.urlsafe_b64encode(token).decode("ascii").rstrip("=")
