"""A node that speaks wire 2, on a channel on which somebody listens."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from ocft.channels import Channel, IncomingText
from ocft.crypto import Identity
from ocft.errors import OcftError
from ocft.events import EVENTS
from ocft.runtime import TransferManager
from ocft.storage import TrustedPeer
from ocft.testing import Faults
from ocft.transfers import Direction, TransferState
from tests.simulation.disk import Killed
from tests.simulation.payloads import Payload
from tests.simulation.shelf import FILES, Shelf, answer
from tests.simulation.world import PATIENCE, Link, OurNode, wall_clock

ResultT = TypeVar("ResultT")


@cache
def identity_of(name: str) -> Identity:
    """Return the keys of a node: the same in all schedules."""
    return Identity.from_bytes(random.Random(name).randbytes(128))


class Ear(Protocol):
    """Hears every text that leaves, and may have its way with it."""

    def hear(self, author: str, to: str, text: str) -> list[tuple[float, str]]:
        """Return what goes on instead: texts, each after some seconds."""


class TappedChannel(Channel):
    """Another channel, with somebody on the line."""

    name = "link"

    def __init__(self, inner: Channel, author: str, ear: Ear, shelf: Shelf | None) -> None:
        self.limits = inner.limits
        self.files = FILES if shelf is not None else None
        self._shelf = shelf
        self._inner = inner
        self._author = author
        self._ear = ear
        self._late: set[asyncio.Task[None]] = set()

    async def send(self, to: str, text: str) -> None:
        self.limits.require_fit(text)
        for delay, passed in self._ear.hear(self._author, to, text):
            if delay:
                task = asyncio.create_task(self._send_late(delay, to, passed))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
            else:
                await self._inner.send(to, passed)

    async def _send_late(self, delay: float, to: str, text: str) -> None:
        await asyncio.sleep(delay)
        await self._inner.send(to, text)

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        async for text in self._inner.texts():
            yield text if self._shelf is None else self._shelf.delivered(text)

    async def send_file(self, to: str, file: BinaryIO, *, name: str, text: str = "") -> str:
        assert name.startswith("ocft-")
        assert self._shelf is not None
        label, is_lost = await self._shelf.put(file)
        await self.send(to, text + label)
        return answer(label, is_lost=is_lost)

    async def close(self) -> None:
        for task in self._late:
            task.cancel()
        await self._inner.close()


class SealedNode(OurNode):
    """A node of ours on wire 2, and the owner who decides for it."""

    def __init__(
        self,
        name: str,
        home: Path,
        chance: random.Random,
        *,
        ear: Ear,
        wires: tuple[str, ...],
        secret: str,
        peers: list[TrustedPeer],
        auto_accept: bool,
        shelf: Shelf | None,
    ) -> None:
        super().__init__(name, "", home, chance)
        self.shelf = shelf
        self.ear = ear
        self.wires = wires
        self.secret = secret
        self.given_peers = peers
        self.auto_accept = auto_accept
        self.identity = identity_of(name)
        self.pending_since: dict[str, float] = {}
        self.asked: set[str] = set()
        """Transfers that the owner was asked about, and accepted."""

    @property
    def is_up(self) -> bool:
        """Whether a process of it runs."""
        return self.manager is not None and not self.machine.is_dead

    def _open_channel(self, link: Link, faults: Faults) -> Channel:
        channel = super()._open_channel(link, faults)
        return TappedChannel(channel, self.name, self.ear, self.shelf)

    def _make_manager(self) -> TransferManager:
        manager = TransferManager(
            wires=self.wires,
            identity=self.identity,
            bot_id=self.name,
            secret=self.secret,
            download_dir=self.home,
            channel=self.channel,
            trusted_peers=self.given_peers,
            auto_accept=self.auto_accept,
            patience=PATIENCE,
            chunk_size=1024,
            wall_clock=wall_clock,
        )
        for name in EVENTS:
            if name not in ("transfer-progress", "message-ignored"):
                manager.on(name, self.events.append)
        return manager

    async def call(self, function: Callable[[TransferManager], Awaitable[ResultT]]) -> ResultT:
        """Await something as this process; it may be killed meanwhile."""
        manager = self.manager
        if manager is None:
            raise Killed
        work: Any = self.run(lambda: asyncio.ensure_future(function(manager)))
        try:
            result: ResultT = await work
        except asyncio.CancelledError:
            if self.machine.is_dead or self.manager is not manager:
                raise Killed from None
            raise
        return result

    async def resume(self, transfer_id: str) -> None:
        """Go on with a transfer that failed."""
        await self.call(lambda manager: manager.resume_transfer(transfer_id))

    async def decide(self, payloads: dict[str, Payload], after: float) -> None:
        """Accept what waits for a decision and has waited long enough.

        Args:
            payloads: What honest nodes send, by transfer; nothing else is ever accepted.
            after: Virtual seconds that the owner takes.
        """
        now = asyncio.get_running_loop().time()
        for info in self.transfers():
            if info.direction is not Direction.RECEIVE or info.state is not TransferState.PENDING:
                continue
            payload = payloads.get(info.id)
            since = self.pending_since.setdefault(info.id, now)
            if payload is None or now < since + after:
                continue
            only = payload.only if info.wire == "2" else None

            async def accept(
                manager: TransferManager, id_: str = info.id, only: frozenset[str] | None = only
            ) -> None:
                await manager.accept_transfer(id_, only=only)

            was_asked = info.id in self.asked
            self.asked.add(info.id)
            try:
                await self.call(accept)
            except Killed:
                pass  # it may have recorded the decision; if not, it is asked again
            except OcftError:  # the list of files has not come yet; it may end up not being asked
                if not was_asked:
                    self.asked.discard(info.id)

    def tree(self) -> dict[str, bytes]:
        """Return what is in the download folder, by relative name."""
        return {
            path.relative_to(self.home).as_posix(): path.read_bytes()
            for path in sorted(self.home.rglob("*"))
            if path.is_file() and ".ocft" not in path.relative_to(self.home).parts
        }
