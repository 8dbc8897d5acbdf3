"""One schedule of wire 2: trust is made, files are sent, all goes wrong, somebody attacks."""

import asyncio
import contextlib
import logging
import random
import secrets
from pathlib import Path
from typing import Any, Final
from unittest import mock

from ocft.crypto import format_fingerprint, make_pairing_code
from ocft.errors import (
    NotEnoughSpaceError,
    OcftError,
    PeerTooOldError,
    TrustError,
    WrongStateError,
)
from ocft.storage import TrustedPeer
from ocft.testing import run
from ocft.transfers import Direction, TransferState
from ocft.wire import Message, decode
from tests.simulation.attacker import Attacker
from tests.simulation.disk import Killed, watched_storage
from tests.simulation.judge import (
    VerdictError,
    judge_ended,
    judge_files,
    judge_memory,
    judge_no_change,
    judge_secrecy,
    judge_stores,
    snapshot,
)
from tests.simulation.payloads import Payload
from tests.simulation.schedule import BadEndError
from tests.simulation.sealed_node import SealedNode, identity_of
from tests.simulation.sealed_plan import Job, Power, SealedPlan, Trust
from tests.simulation.shelf import Shelf, small_bundles
from tests.simulation.waste import Waste
from tests.simulation.world import Link, note_tasks_of

_END_OF_TIME = 40_000.0  # virtual seconds; patience ends long before
_TICK = 3.0
_MOST_PAIRINGS = 40
_SECRETS = {"alice": "secret-of-alice", "bob": "secret-of-bob"}
_OTHER = {"alice": "bob", "bob": "alice"}

_WITH_FILES: Final = 4  # the remainder of their seeds


def play_sealed(seed: int, folder: Path) -> None:
    """Play the schedule of a seed.

    Raises:
        BadEndError: What must never happen happened; the message holds the seed.
    """
    plan = SealedPlan.draw(seed)
    for name in ("alice", "bob", "mallory"):
        identity_of(name)  # not from the seed
    logging.disable(logging.CRITICAL)
    try:
        with watched_storage(), _seeded_secrets(seed), small_bundles():
            run(_SealedSchedule(plan, folder).play())
    except Exception as error:
        raise BadEndError(f"seed {seed}: {type(error).__name__}: {error}; {plan}") from error
    finally:
        logging.disable(logging.NOTSET)


@contextlib.contextmanager
def _seeded_secrets(seed: int) -> Any:
    """Make ids, salts and codes the same each time; keys stay random, and move nothing."""
    chance = random.Random(seed + 2)
    with (
        mock.patch.object(secrets, "token_bytes", chance.randbytes),
        mock.patch.object(secrets, "randbelow", chance.randrange),
        mock.patch.object(secrets, "choice", chance.choice),
    ):
        yield


def _shelf_of(plan: SealedPlan) -> Shelf | None:
    """Return the native files of a schedule; a fifth of them has some."""
    if plan.seed % 5 != _WITH_FILES:
        return None
    chance = random.Random(plan.seed + 3)
    trouble = 0.0 if plan.is_kind else chance.choice([0.0, 0.05, 0.3])
    return Shelf(chance, trouble=trouble, limit=chance.choice([500, 4000, 6000, 9000]))


class _SealedSchedule:
    def __init__(self, plan: SealedPlan, folder: Path) -> None:
        self.plan = plan
        self.chance = plan.chance
        self.folder = folder
        self.link = Link(keeps_texts=plan.keeps_texts, limits=plan.limits)
        self.attacker = Attacker(plan, self.link, ("alice", "bob"), _SECRETS)
        self.shelf = _shelf_of(plan)
        self.nodes = {name: self._make_node(name) for name in ("alice", "bob")}
        self.jobs: list[tuple[str, Job]] = []
        """What is under way, by transfer."""
        self.waste = Waste(
            self.nodes,
            is_kind=plan.is_kind and not plan.power_cuts,
            is_paced=plan.limits.texts_per_second is not None,
        )
        self._story_error: BaseException | None = None

    def _make_node(self, name: str) -> SealedNode:
        other, trust = _OTHER[name], self.plan.trust
        knows_fingerprint = trust is Trust.FINGERPRINTS or (
            trust is Trust.APPROVAL and name == "alice"
        )
        knows_secret = trust is Trust.SECRETS or (trust is Trust.ONE_SECRET and name == "alice")
        peers = []
        if knows_fingerprint:
            fingerprint = identity_of(other).public.fingerprint
            peers = [TrustedPeer(id=other, fingerprint=fingerprint)]
        elif knows_secret:
            peers = [TrustedPeer(id=other, secret=_SECRETS[other])]
        return SealedNode(
            name,
            self.folder / name,
            self.chance,
            ear=self.attacker,
            wires=self.plan.wires,
            secret=_SECRETS[name],
            peers=peers,
            auto_accept=self.plan.accepts_after is None,
            shelf=self.shelf,
        )

    async def play(self) -> None:
        nodes = list(self.nodes.values())
        note_tasks_of(list(nodes))
        for job in self.plan.jobs:
            job.payload.write(self.folder / "source")
            job.payload.write_owned(self.nodes[job.receiver].home)
        if self.plan.has_small_disk:
            size = sum(map(len, self.plan.jobs[0].payload.files.values()))
            self.nodes[self.plan.jobs[0].receiver].machine.space = self.chance.randrange(size + 500)
        for node in nodes:
            node.boot(self.link, self.plan.faults)
        with self.waste.watched():
            helpers = [asyncio.create_task(self.attacker.run()), asyncio.create_task(self._own())]
            story = asyncio.create_task(self._tell())
            try:
                await self._misfortunes()
                await self._wait_for_ends(story)
            finally:
                for task in (*helpers, story):
                    task.cancel()
                ended = await asyncio.gather(*helpers, story, return_exceptions=True)
        for result in ended:
            if isinstance(result, Exception):
                raise result
        self._judge()
        await self._replay()
        for node in nodes:
            assert node.manager is not None
            assert node.channel is not None
            await node.manager.close()
            await node.channel.close()

    # What honest people do

    async def _tell(self) -> None:
        """Make trust where it has to be made, then send."""
        if self.plan.trust is Trust.PAIRING:
            await self._pair()
        await asyncio.gather(*(self._send(job) for job in self.plan.jobs))

    async def _pair(self) -> None:
        """Show and type codes until both sides trust each other."""
        for _ in range(_MOST_PAIRINGS):
            if all(self._is_paired(one) for one in self.nodes.values()):
                return
            await self._try_to_pair(*self.chance.sample(list(self.nodes.values()), 2))
            await asyncio.sleep(5.0)
        if self.plan.power is not Power.PLATFORM:
            raise VerdictError("no pairing succeeds")

    async def _try_to_pair(self, shows: SealedNode, types: SealedNode) -> None:
        code = make_pairing_code()
        await asyncio.gather(
            shows.call(lambda manager: manager.show_pairing_code(code, within=200.0)),
            types.call(lambda manager: manager.pair(code.text, shows.name, within=150.0)),
            return_exceptions=True,
        )

    def _is_paired(self, node: SealedNode) -> bool:
        return (
            node.is_up
            and node.manager is not None
            and any(peer.id == _OTHER[node.name] for peer in node.manager.peers.all())
        )

    async def _send(self, job: Job) -> None:
        await asyncio.sleep(job.after)
        node = self.nodes[job.sender]
        path = self.folder / "source" / job.payload.root
        while True:
            known = {one.id for one in node.transfers()}
            with contextlib.suppress(Killed):
                id_ = await node.call(lambda m: m.send_file(job.receiver, path))
                self.jobs.append((id_, job))
                return
            while not node.is_up:
                await asyncio.sleep(1.0)
            # Killed in the middle: it may be in the journal, and then it is on its way.
            mine = [
                one
                for one in node.transfers()
                if one.direction is Direction.SEND
                and one.id not in known | {id_ for id_, _ in self.jobs}
                and one.local_path is not None
                and job.payload.root in one.local_path
            ]
            if mine:
                self.jobs.append((mine[0].id, job))
                return

    async def _own(self) -> None:
        """Decide, for each node, as its owner does."""
        while True:
            await asyncio.sleep(_TICK)
            for node in self.nodes.values():
                if not node.is_up:
                    continue
                await node.decide(self._payloads_to(node), self.plan.accepts_after or 0.0)
                if self.plan.trust is Trust.APPROVAL:
                    await self._approve(node)

    async def _approve(self, node: SealedNode) -> None:
        """Approve of the fingerprint that the other person reads out, and of no other."""
        other = _OTHER[node.name]
        fingerprint = identity_of(other).public.fingerprint

        async def approve(manager: Any) -> None:
            for request in manager.trust_requests():
                if request.fingerprint == fingerprint and request.id == other:
                    manager.approve(format_fingerprint(fingerprint))

        with contextlib.suppress(OcftError, Killed):
            await node.call(approve)

    # What goes wrong

    async def _misfortunes(self) -> None:
        plan = self.plan
        deaths = ["kill"] * plan.kills + ["power"] * plan.power_cuts
        self.chance.shuffle(deaths)
        for death in deaths:
            node = self.chance.choice(list(self.nodes.values()))
            if death == "kill" and self.chance.random() < 0.7:
                node.machine.steps_to_live = self.chance.randrange(1, 80)
                for _ in range(200):
                    await asyncio.sleep(self.chance.choice([0.001, 0.1, 1.0]))
                    if node.machine.is_dead or (self._are_all_sent() and self._has_ended(node)):
                        break
            else:
                await asyncio.sleep(self.chance.choice([0.0, 0.01, 0.3, 3.0, 30.0]))
            await node.die(self.link, of_power=death == "power")
            await asyncio.sleep(self.chance.choice([0.0, 1.0, 20.0, 200.0]))
            if self.chance.random() < 0.5:
                node.machine.space = None
            node.boot(self.link, plan.faults)
        if plan.has_small_disk:
            await asyncio.sleep(self.chance.choice([1.0, 100.0]))
            for node in self.nodes.values():
                node.machine.space = None
            await self._resume_what_failed()

    async def _resume_what_failed(self) -> None:
        for node in self.nodes.values():
            if node.manager is None:
                continue
            for info in node.manager.get_resumable_transfers():
                with contextlib.suppress(OcftError):
                    await node.resume(info.id)

    # How it ends

    def _are_all_sent(self) -> bool:
        return len(self.jobs) == len(self.plan.jobs)

    def _has_ended(self, node: SealedNode) -> bool:
        ids = {id_ for id_, _ in self.jobs}
        return all(info.state.is_final for info in node.transfers() if info.id in ids)

    async def _wait_for_ends(self, story: "asyncio.Task[None]") -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < _END_OF_TIME:
            await asyncio.sleep(5)
            if story.done():
                story.result()
            if any(node.machine.is_dead for node in self.nodes.values()):
                raise VerdictError("a machine died by itself")
            for node in self.nodes.values():
                judge_memory(node)
            if self.attacker.is_active or not story.done():
                continue
            if not all(self._has_ended(node) for node in self.nodes.values()):
                continue
            if self.plan.has_small_disk and any(
                node.manager is not None and node.manager.get_resumable_transfers()
                for node in self.nodes.values()
            ):
                await self._resume_what_failed()
                if loop.time() < _END_OF_TIME / 2:
                    continue
            return
        states = {node.name: node.transfers() for node in self.nodes.values()}
        raise VerdictError(f"no end: {states}")

    def _judge(self) -> None:
        plan = self.plan
        self._judge_honesty()
        for id_, job in self.jobs:
            sent = self._state(job.sender, id_)
            received = self._state(job.receiver, id_)
            if sent is TransferState.COMPLETED and received is not TransferState.COMPLETED:
                raise VerdictError(f"the sender believes in files that are not there: {received}")
            if not plan.may_fail and sent is not TransferState.COMPLETED:
                infos = [node.transfers() for node in self.nodes.values()]
                raise VerdictError(f"{id_} did not arrive: {infos}")
        if not self._has_fallen_back():
            judge_secrecy(self.attacker.texts, [job.payload for job in plan.jobs])
        self.waste.judge()

    def _judge_honesty(self) -> None:
        """Nobody but honest people has caused anything."""
        for node in self.nodes.values():
            # Tasks of handshakes, pairings and disks end with what stopped them; others never fail.
            stated = (TrustError, PeerTooOldError, WrongStateError, NotEnoughSpaceError)
            if failures := [one for one in node.failures if not isinstance(one, stated)]:
                raise VerdictError(f"{node.name} failed: {failures!r}")
            honest = {id_: _OTHER[node.name] for id_, _ in self.jobs}
            judge_stores(node, honest, {_OTHER[node.name]}, speaks_wire_1="1.0" in self.plan.wires)
            judge_memory(node)
            judge_files(node, self._payloads_to(node))

    def _has_fallen_back(self) -> bool:
        """Say whether 1.0 was spoken, where silence makes a sender do that (R-WIR-1)."""
        return self.plan.may_fall_back and any(
            isinstance(one, Message) for _, _, text in self.attacker.texts for one in decode(text)
        )

    def _state(self, name: str, id_: str) -> TransferState | None:
        for info in self.nodes[name].transfers():
            if info.id == id_:
                return info.state
        return None

    def _payloads_to(self, node: SealedNode) -> dict[str, Payload]:
        return {id_: job.payload for id_, job in self.jobs if job.receiver == node.name}

    # The recording, again

    async def _replay(self) -> None:
        """Play everything to both nodes again, also after a restart: nothing changes."""
        if self._has_fallen_back() or "1.0" in self.plan.wires:
            return  # 1.0 forgets, and believes strangers
        nodes = list(self.nodes.values())
        await asyncio.sleep(200.0)  # for what is still under way
        if self.chance.random() < 0.7:
            for node in nodes:
                await node.die(self.link, of_power=False)
                node.boot(self.link, self.plan.faults)
            await asyncio.sleep(200.0)
        # What never arrived is new when it comes at last, and may go on with what failed: for one,
        # an `again` that the platform held back. So it counts what was complete before.
        are_complete = all(
            self._state(name, id_) is TransferState.COMPLETED
            for id_, job in self.jobs
            for name in (job.sender, job.receiver)
        )
        before = {node.name: snapshot(node) for node in nodes}
        told = {node.name: len(node.events) for node in nodes}
        texts = self.attacker.texts + self.attacker.own
        if self.chance.random() < 0.3:
            self.chance.shuffle(texts)
        for author, to, text in texts:
            for node in nodes:
                if node.name == to or self.chance.random() < 0.3:
                    self.link.put(author, node.name, text)
            if self.chance.random() < 0.05:
                await asyncio.sleep(self.chance.choice([0.0, 1.0, 20.0]))
        await asyncio.sleep(1000.0)
        self._judge_honesty()
        for node in nodes:
            judge_ended(before[node.name], snapshot(node), f"{node.name}, after replays")
        for node in nodes if are_complete else []:
            judge_no_change(before[node.name], snapshot(node), f"{node.name}, after replays")
            for event in node.events[told[node.name] :]:
                if event.name != "trust-requested":
                    raise VerdictError(f"{node.name} tells after replays: {event}")
