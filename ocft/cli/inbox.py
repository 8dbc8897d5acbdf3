"""`ocft receive` without a link: a page on this machine into which somebody puts files for it."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocft.cli.dialect import Dialect
from ocft.cli.output import Output
from ocft.cli.share_options import draw_qr
from ocft.errors import NoSessionError, StorageError, TransferTimeoutError
from ocft.storage import ChannelLock

if TYPE_CHECKING:
    from ocft.share import Received, ReceiveEvent, Session, ShareEvent, Sink

_EXPIRES_IN: Final = 7 * 24 * 3600  # seconds; the process usually ends long before
_PREFIX: Final = "inbox-"
_LOOK_AGAIN: Final = 0.2  # seconds
_BROKEN: Final = 300.0  # seconds in which an upload that broke off may be gone on with


class Inbox:
    """One inbox, for one delivery.

    What is put there waits sealed in a folder of its own until all is there; then it is received
    as from any other server.

    Args:
        dialect: Where it is told.
        output: Where the link goes.
        hosts: Addresses to be at; None: private ones and loopback.
        port: 0: any that is free.
        public_url: What the link begins with, behind a proxy or tunnel.
        qr: Whether to draw the link; None: if there is room.
    """

    def __init__(
        self,
        dialect: Dialect,
        output: Output,
        *,
        hosts: list[str] | None,
        port: int,
        public_url: str | None,
        qr: bool | None,
    ) -> None:
        self._dialect = dialect
        self._output = output
        self._hosts = hosts
        self._port = port
        self._public_url = public_url
        self._qr = qr
        self._is_ready = asyncio.Event()
        self._is_over = False

    async def run(
        self,
        sink: "Sink",
        tell: "Callable[[ReceiveEvent], None]",
        *,
        within: float | None,
        folder: Path,
    ) -> "Received":
        """Wait for a delivery, and receive it.

        Args:
            sink: Where it goes.
            tell: Told what happens when it is received.
            within: Seconds to wait while nothing comes; None: as long as it takes.
            folder: Where it is kept meanwhile: on the disk that it goes to.

        Raises:
            TransferTimeoutError: Nothing came in time.
            OcftError: The disk refused, or what came is not right.
        """
        from ocft.crypto import make_share_code, share_keys
        from ocft.routes import own_addresses
        from ocft.share import (
            DiskStore,
            Sessions,
            ShareLink,
            open_server,
            receive,
        )

        code = make_share_code()
        keys = await asyncio.to_thread(share_keys, code)
        hosts = self._hosts
        if not hosts:
            hosts = await asyncio.to_thread(own_addresses)
        with _place(folder) as place:
            sessions = Sessions(store=DiskStore(place), observer=self._hear)
            async with open_server(
                sessions, hosts=hosts, port=self._port, public_url=self._public_url
            ) as server:
                session, sender_key = await sessions.make(keys.id, expires_in=_EXPIRES_IN)
                links = [str(ShareLink(base, code, sender_key)) for base in server.bases]
                self._dialect.event(
                    "session_created",
                    session_code=code,
                    upload_url=links[0],
                    upload_urls=links,
                    expires_at=session.expires_at,
                )
                if self._output.keeps_stdout:
                    self._dialect.say(links[0])
                else:
                    self._output.data(links[0])
                if len(links) > 1:
                    self._dialect.say("The same, at other addresses: " + " ".join(links[1:]))
                draw_qr(links[0], wanted=self._qr)
                self._dialect.say("Waiting for files: open the link. Ctrl-C ends it.")
                self._dialect.event("waiting_for_sender")
                await self._until_ready(session, within)
                # The last of the bases is one of our own, whatever proxy may be before them.
                own = ShareLink(server.bases[-1], code)
                return await receive(own, sink, tell=tell)

    async def _until_ready(self, session: "Session", within: float | None) -> None:
        """Wait until everything is there; the time-out runs while nothing comes."""
        waited, before = 0.0, 0
        while not self._is_ready.is_set():
            if self._is_over:
                raise NoSessionError("The inbox expired.")
            there = session.stored.stored if session.stored is not None else 0
            if there != before:
                # Who has begun may lose the connection for a while.
                waited, before, within = 0.0, there, within and max(within, _BROKEN)
            if within is not None and waited >= within:
                raise TransferTimeoutError(f"Nothing came within {within:g} seconds.")
            try:
                async with asyncio.timeout(_LOOK_AGAIN):
                    await self._is_ready.wait()
            except TimeoutError:
                waited += _LOOK_AGAIN

    def _hear(self, event: "ShareEvent") -> None:
        from ocft.share import SessionEnded, SessionReady

        if isinstance(event, SessionReady):
            self._is_ready.set()
        elif isinstance(event, SessionEnded):
            self._is_over = True


@contextmanager
def _place(folder: Path) -> Iterator[Path]:
    """Make a folder for what is put into an inbox, and remove those that a crash left.

    Raises:
        StorageError: The disk refused.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.glob(f"{_PREFIX}*"):
            lock = ChannelLock(left / "lock")
            if lock.try_acquire():  # else it is another process's
                shutil.rmtree(left, ignore_errors=True)
                lock.release()
        place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    except OSError as error:
        raise StorageError(f"{folder} cannot be used: {error.strerror}.") from error
    try:
        with ChannelLock(place / "lock"):
            yield place / "sessions"
    finally:
        shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):  # others may have something there
            folder.rmdir()
