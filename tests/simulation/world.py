"""Two nodes, a bad channel between them, and everything that can happen to them, from one seed.

The real manager, machines and storage run on an event loop in virtual time. What goes wrong is
drawn from the seed, so that a seed replays its schedule.
"""

import asyncio
import contextvars
import random
from collections import deque
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from ocft.channels import Channel, ChannelLimits, IncomingText
from ocft.events import Event
from ocft.ids import NodeId
from ocft.protocol import Patience
from ocft.runtime import TransferManager
from ocft.storage import TrustedPeer
from ocft.testing import Faults, FaultyChannel
from ocft.transfers import TransferInfo
from tests.simulation.disk import Machine, current_machine, power_cut, run_on

EPOCH = 1_800_000_000.0
_SECRETS = {"alice": "secret-of-alice", "bob": "secret-of-bob"}
_LIMITS = ChannelLimits(max_text=100_000)
PATIENCE = Patience(decision=1800.0, idle=900.0)


def wall_clock() -> float:
    """Return the virtual time as seconds since the epoch."""
    return EPOCH + asyncio.get_running_loop().time()


def wall_clock_ms() -> int:
    """Return the virtual time as milliseconds since the epoch."""
    return int(wall_clock() * 1000)


class Link:
    """The platform between the nodes.

    Args:
        keeps_texts: Whether texts wait for a node that is down, as a chat with history does.
        limits: What one text may be, and how often texts may go.
    """

    def __init__(self, *, keeps_texts: bool, limits: ChannelLimits = _LIMITS) -> None:
        self.keeps_texts = keeps_texts
        self.limits = limits
        self.waiting: dict[str, deque[IncomingText]] = {}
        self.arrived: dict[str, asyncio.Event] = {}
        self.is_up: dict[str, bool] = {}

    def end(self, node: str) -> "LinkEnd":
        """Return a node's end; a restarted node gets another one."""
        self.waiting.setdefault(node, deque())
        self.arrived[node] = asyncio.Event()
        self.is_up[node] = True
        return LinkEnd(self, node)

    def put(self, author: str, to: str, text: str) -> None:
        """Bring a text to a node, if it is there or texts wait for it."""
        if self.is_up.get(to, False) or self.keeps_texts:
            self.waiting.setdefault(to, deque()).append(IncomingText(author, text))
            if to in self.arrived:
                self.arrived[to].set()

    def go_down(self, node: str) -> None:
        self.is_up[node] = False
        if not self.keeps_texts:
            self.waiting[node].clear()


class LinkEnd(Channel):
    """One node's end of the link; texts are forgotten when the next one is asked for."""

    name = "link"

    def __init__(self, link: Link, node: str) -> None:
        self.limits = link.limits
        self._link = link
        self._node = node
        self._is_closed = False

    async def send(self, to: str, text: str) -> None:
        self._link.put(self._node, to, text)

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        waiting, arrived = self._link.waiting[self._node], self._link.arrived[self._node]
        while not self._is_closed:
            if waiting:
                yield waiting[0]
                waiting.popleft()
            else:
                arrived.clear()
                await arrived.wait()

    async def close(self) -> None:
        self._is_closed = True
        self._link.arrived[self._node].set()


class OurNode:
    """A place with a disk, on which one process of ours after the other lives and dies."""

    def __init__(self, name: str, peer: str, home: Path, chance: random.Random) -> None:
        self.name = NodeId(name)
        self.peer = NodeId(peer)
        self.home = home
        self.chance = chance
        self.machine = Machine(name, chance)
        self.manager: TransferManager | None = None
        self.channel: Channel | None = None
        self.events: list[Event] = []
        self.failures: list[BaseException] = []
        """What tasks raised, other than being killed."""
        self.absences: list[tuple[float, float]] = []
        """When no process was there, in seconds since the epoch."""
        self._tasks: set[asyncio.Task[Any]] = set()
        home.mkdir(parents=True)

    def boot(self, link: Link, faults: Faults) -> None:
        """Start a process on what is on the disk."""
        if self.machine.died_at is not None:
            self.absences.append((EPOCH + self.machine.died_at, wall_clock()))
        self.machine = Machine(self.name, self.chance, space=self.machine.space)
        self.channel = self._open_channel(link, faults)
        contextvars.copy_context().run(self._start)

    def _open_channel(self, link: Link, faults: Faults) -> Channel:
        return FaultyChannel(link.end(self.name), seed=self.chance, faults=faults)

    def _start(self) -> None:
        run_on(self.machine)
        self.manager = self._make_manager()
        self.manager._start()

    def _make_manager(self) -> TransferManager:
        assert self.channel is not None
        manager = TransferManager(
            wires=("1.0",),
            bot_id=self.name,
            secret=_SECRETS[self.name],
            download_dir=self.home,
            channel=self.channel,
            trusted_peers=[TrustedPeer(id=self.peer, secret=_SECRETS[self.peer])],
            patience=PATIENCE,
            chunk_size=1024,
            wall_clock=wall_clock,
        )
        for name in ("chunk-sent", "chunk-received"):
            manager.on(name, self.events.append)
        return manager

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Note a task of this process."""
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not self.machine.is_dead:
            self.failures.append(error)

    async def die(self, link: Link, *, of_power: bool) -> None:
        """Stop at once, as a kill or a power cut does."""
        self.machine.die()
        link.go_down(self.name)
        manager, self.manager = self.manager, None
        assert manager is not None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if manager._opened is not None:
            connection = manager._opened.database._connection
            if of_power:
                with power_cut(self.home / ".ocft" / "journal.db"):
                    connection.close()
                self.machine.lose_power()
            else:
                connection.close()
        manager._lock.release()
        self.manager = None

    def run(self, function: Any, *args: Any) -> Any:
        """Call something as this process."""

        def call() -> Any:
            run_on(self.machine)
            return function(*args)

        return contextvars.copy_context().run(call)

    def files(self) -> dict[str, bytes]:
        """Return what is in the download folder, by name."""
        return {path.name: path.read_bytes() for path in self.home.iterdir() if path.is_file()}

    def transfers(self) -> list[TransferInfo]:
        """Return all transfers that the process knows."""
        return self.manager.list_transfers() if self.manager is not None else []


def note_tasks_of(nodes: list[OurNode]) -> None:
    """Make the running loop tell each node about the tasks that its process makes."""

    def factory(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
        machine = current_machine()
        for node in nodes:
            if node.machine is machine:
                node.adopt(task)
        return task

    asyncio.get_running_loop().set_task_factory(factory)
