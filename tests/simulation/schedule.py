"""One schedule: a transfer, its faults, and what must be true in the end."""

import asyncio
import contextlib
import logging
import math
import random
from dataclasses import dataclass
from pathlib import Path

from ocft.errors import OcftError
from ocft.events import ChunkReceived, ChunkSent
from ocft.ids import NodeId, TransferId
from ocft.testing import Faults, run
from ocft.transfers import Direction, TransferState
from tests.simulation.disk import watched_storage
from tests.simulation.reference import ReferenceNode
from tests.simulation.world import Link, OurNode, note_tasks_of, wall_clock_ms

_END_OF_TIME = 40_000.0  # virtual seconds; patience ends long before
NAME = "report.bin"


@dataclass
class Plan:
    """What a seed decides."""

    seed: int
    chance: random.Random
    size: int
    faults: Faults
    kills: int
    power_cuts: int
    has_small_disk: bool
    keeps_texts: bool
    sender_is_ours: bool
    receiver_is_ours: bool

    @classmethod
    def draw(cls, seed: int) -> "Plan":
        chance = random.Random(seed)
        pair = chance.choice(["ours", "ours", "ours", "to 1.x", "from 1.x"])
        is_kind = chance.random() < 0.3  # to texts: then nothing may be sent twice
        rate = 0.0 if is_kind else chance.choice([0.0, 0.02, 0.1, 0.25])
        with_ours = pair == "ours"

        def some(probability: float) -> float:
            return rate * chance.random() if chance.random() < probability else 0.0

        faults = Faults(
            loss=some(0.6),
            duplication=some(0.6),
            reordering=some(0.5),
            damage=some(0.4) / 2,
            truncation=some(0.3) / 2,
            delay=(0.0, chance.choice([0.0, 0.2] if is_kind else [0.0, 0.2, 2.0])),
        )
        return cls(
            seed=seed,
            chance=chance,
            size=chance.choice([0, 1, 1024, 1025, chance.randrange(1, 30_000)]),
            faults=faults,
            kills=chance.choice([0, 1, 1, 2, 5]),
            power_cuts=chance.choice([0, 0, 0, 1]) if with_ours else 0,
            has_small_disk=chance.random() < 0.1,
            keeps_texts=is_kind or chance.random() < 0.5,
            sender_is_ours=pair != "from 1.x",
            receiver_is_ours=pair != "to 1.x",
        )

    @property
    def loses_nothing(self) -> bool:
        """Whether only processes suffer, not texts, and nothing is so slow that it seems lost."""
        is_kind = self.faults == Faults(delay=self.faults.delay) and self.faults.delay[1] < 1
        return is_kind and self.keeps_texts and not self.power_cuts


class BadEndError(AssertionError):
    """A schedule ended as none may."""


def play(seed: int, folder: Path) -> None:
    """Play the schedule of a seed.

    Raises:
        BadEndError: What must never happen happened; the message holds the seed.
    """
    plan = Plan.draw(seed)
    logging.disable(logging.CRITICAL)
    try:
        with watched_storage():
            run(_Schedule(plan, folder).play())
    except Exception as error:
        raise BadEndError(f"seed {seed}: {type(error).__name__}: {error}; {plan}") from error
    finally:
        logging.disable(logging.NOTSET)


class _Schedule:
    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.chance = plan.chance
        self.link = Link(keeps_texts=plan.keeps_texts)
        self.data = self.chance.randbytes(plan.size)
        self.source = folder / "source" / NAME
        self.source.parent.mkdir()
        self.source.write_bytes(self.data)
        self.alice = OurNode("alice", "bob", folder / "alice", self.chance)
        self.bob = OurNode("bob", "alice", folder / "bob", self.chance)
        self.reference: ReferenceNode | None = None
        self.transfer_id: TransferId | None = None

    async def play(self) -> None:
        ours = [
            node
            for node, is_ours in (
                (self.alice, self.plan.sender_is_ours),
                (self.bob, self.plan.receiver_is_ours),
            )
            if is_ours
        ]
        note_tasks_of(ours)
        if self.plan.has_small_disk and self.plan.receiver_is_ours:
            self.bob.machine.space = self.chance.randrange(self.plan.size + 1)
        for node in ours:
            node.boot(self.link, self.plan.faults)
        helper = None
        if len(ours) == 1:
            helper = asyncio.create_task(
                self._run_reference("bob" if ours[0] is self.alice else "alice")
            )
            await asyncio.sleep(0)
        if self.plan.sender_is_ours:
            await self._send(self.alice)
        await self._misfortunes(ours)
        await self._wait_for_ends(ours)
        self._judge(ours)
        if helper is not None:
            helper.cancel()
            await asyncio.gather(helper, return_exceptions=True)
        for node in ours:
            if node.manager is not None and node.channel is not None:
                await node.manager.close()
                await node.channel.close()

    async def _send(self, node: OurNode) -> None:
        assert node.manager is not None
        work = node.run(lambda: asyncio.ensure_future(node.manager.send_file("bob", self.source)))
        self.transfer_id = await work

    async def _run_reference(self, name: str) -> None:
        """Run a 1.x node; its user sends again what did not arrive in ten minutes."""
        other = NodeId({"alice": "bob", "bob": "alice"}[name])
        end = self.link.end(name)
        secrets = {"alice": "secret-of-alice", "bob": "secret-of-bob"}
        node = self.reference = ReferenceNode(
            node_id=NodeId(name),
            secret=secrets[name],
            send_text=end.send,
            now_ms=wall_clock_ms,
            known_secrets=secrets,
        )

        async def read() -> None:
            async for incoming in end.texts():
                await node.handle(incoming.text)

        reading = asyncio.create_task(read())
        try:
            while name == "alice" and not self.bob.files():
                await node.send_file(other, NAME, self.data)
                await asyncio.sleep(600)
            await reading
        finally:
            reading.cancel()

    async def _misfortunes(self, ours: list[OurNode]) -> None:
        deaths = ["kill"] * self.plan.kills + ["power"] * self.plan.power_cuts
        self.chance.shuffle(deaths)
        for death in deaths:
            node = self.chance.choice(ours)
            if death == "kill" and self.chance.random() < 0.7:
                node.machine.steps_to_live = self.chance.randrange(1, 60)
                for _ in range(200):
                    await asyncio.sleep(self.chance.choice([0.001, 0.1, 1.0]))
                    if node.machine.is_dead or self._has_ended(node):
                        break
            else:
                await asyncio.sleep(self.chance.choice([0.0, 0.01, 0.3, 3.0]))
            await node.die(self.link, of_power=death == "power")
            await asyncio.sleep(self.chance.choice([0.0, 1.0, 20.0, 200.0]))
            if node is self.bob and self.chance.random() < 0.5:
                node.machine.space = None
            node.boot(self.link, self.plan.faults)
            if node is self.alice and self.transfer_id is None:
                await self._send(node)
        if self.plan.has_small_disk:
            await asyncio.sleep(self.chance.choice([1.0, 100.0]))
            self.bob.machine.space = None
            await self._resume_what_failed()

    async def _resume_what_failed(self) -> None:
        for node in (self.bob, self.alice):
            if node.manager is None:
                continue
            for info in node.manager.get_resumable_transfers():
                with contextlib.suppress(OcftError):
                    await node.run(
                        lambda m=node.manager, i=info.id: asyncio.ensure_future(
                            m.resume_transfer(i)
                        )
                    )

    def _has_ended(self, node: OurNode) -> bool:
        return all(info.state.is_final for info in node.transfers())

    async def _wait_for_ends(self, ours: list[OurNode]) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < _END_OF_TIME:
            await asyncio.sleep(5)
            if any(node.machine.is_dead for node in ours):
                raise AssertionError("a machine died by itself")
            if not all(self._has_ended(node) for node in ours):
                continue
            if self.plan.has_small_disk and any(
                node.manager is not None and node.manager.get_resumable_transfers() for node in ours
            ):
                await self._resume_what_failed()
            elif self.plan.sender_is_ours or self.bob.files():
                return
        states = {node.name: node.transfers() for node in ours}
        raise AssertionError(f"no end: {states}")

    def _judge(self, ours: list[OurNode]) -> None:
        for node in ours:
            if node.failures:
                raise AssertionError(f"{node.name} failed: {node.failures!r}")
        files = self._arrived()
        if any(data != self.data for data in files.values()):
            raise AssertionError("a wrong byte")
        if len(files) > 1:
            raise AssertionError(f"two files: {sorted(files)}")
        sent = self._state(self.alice, Direction.SEND) if self.plan.sender_is_ours else None
        if sent is TransferState.COMPLETED and not files:
            raise AssertionError("the sender believes in a file that is not there")
        is_rough = self.plan.faults.damage or self.plan.faults.truncation
        if not files and not is_rough:
            infos = self.alice.transfers() + self.bob.transfers()
            raise AssertionError(f"the file did not arrive: {infos}")
        if self.plan.loses_nothing:
            self._judge_waste()

    def _judge_waste(self) -> None:
        """On a channel that loses nothing, what is stored is never sent to a node that is up."""
        if self.reference is not None and len(set(self.reference.stored)) < len(
            self.reference.stored
        ):
            raise AssertionError(f"a 1.x node got chunks twice: {self.reference.stored}")
        stored: dict[int, float] = {}
        for event in self.bob.events:
            if isinstance(event, ChunkReceived):
                stored.setdefault(event.index, event.at)
        # When both died, an accept and a chunk may have crossed.
        allowed = min(len(self.alice.absences), len(self.bob.absences))
        for event in self.alice.events:
            if isinstance(event, ChunkSent) and event.at > stored.get(event.index, math.inf):
                was_down = any(down <= event.at <= up for down, up in self.bob.absences)
                allowed -= not was_down
                if allowed < 0:
                    raise AssertionError(f"chunk {event.index} was stored and sent again")

    def _arrived(self) -> dict[str, bytes]:
        if self.plan.receiver_is_ours:
            return self.bob.files()
        assert self.reference is not None
        return self.reference.saved

    def _state(self, node: OurNode, direction: Direction) -> TransferState | None:
        for info in node.transfers():
            if info.direction is direction:
                return info.state
        return None
