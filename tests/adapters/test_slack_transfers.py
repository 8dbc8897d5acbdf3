"""Two nodes over the stand-in for Slack, each with the real adapter: files arrive."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocft import TransferManager, TrustedPeer
from ocft.channels import Channel
from ocft.crypto import Identity
from ocft.testing import check_transfers
from ocft_slack import SlackChannel
from tests.adapters.slack_scene import Scene, _no_proxy, in_scene, until
from tests.emulators.slack import App, Fault

__all__ = ["_no_proxy"]
pytestmark = pytest.mark.usefixtures("_no_proxy")

MIB = 1 << 20
SPEED = 50
NOISE = random.Random(0).randbytes(5 * MIB + 4321)


def hasten(channel: SlackChannel) -> None:
    """Let a channel send as fast as the stand-in's time passes."""
    rate = channel.limits.texts_per_second
    assert rate is not None
    channel.limits = replace(channel.limits, texts_per_second=rate * SPEED)


class Nodes:
    """Alice and bob, who know each other."""

    def __init__(self, scene: Scene, folder: Path, **options: Any) -> None:
        self.scene = scene
        self.folder = folder
        self.options = options
        self.keys = {name: Identity.generate() for name in ("alice", "bob")}
        self.apps = {"alice": scene.alice, "bob": scene.bob}

    async def channel(self, name: str) -> SlackChannel:
        channel = await self.scene.open(self.apps[name], **self.options)
        hasten(channel)
        return channel

    def manager(self, name: str, channel: SlackChannel, **options: Any) -> TransferManager:
        other = "bob" if name == "alice" else "alice"
        app: App = self.apps[other]
        peer = TrustedPeer(
            id=other,
            address=app.user_id,
            secret=f"secret of {other}",
            fingerprint=self.keys[other].public.fingerprint if "wires" not in options else None,
        )
        return TransferManager(
            bot_id=name,
            channel=channel,
            secret=f"secret of {name}",
            identity=self.keys[name],
            trusted_peers=[peer],
            auto_accept=True,
            download_dir=self.folder / name,
            **options,
        )

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[tuple[TransferManager, ...]]:
        alice = self.manager("alice", await self.channel("alice"), **options)
        bob = self.manager("bob", await self.channel("bob"), **options)
        async with alice, bob:
            yield alice, bob


async def send(nodes: Nodes, alice: TransferManager, data: bytes) -> None:
    source = nodes.folder / "report.bin"
    source.write_bytes(data)
    await alice.wait(await alice.send_file("bob", source))
    assert (nodes.folder / "bob" / "report.bin").read_bytes() == data


def test_nodes_keep_the_contract(tmp_path: Path) -> None:
    async def scenario(its: Scene) -> None:
        async def open_pair() -> tuple[Channel, Channel]:
            pair = await its.open(its.alice), await its.open(its.bob)
            for channel in pair:
                hasten(channel)
            return pair

        ids = its.alice.user_id, its.bob.user_id
        await check_transfers(open_pair, tmp_path, addresses=ids)

    in_scene(scenario, speed=SPEED)


def test_a_small_file_goes_sealed_by_text(tmp_path: Path) -> None:
    async def scenario(its: Scene) -> None:
        nodes = Nodes(its, tmp_path)
        async with nodes.running() as (alice, _):
            await send(nodes, alice, b"the secret of the house" * 100)
        said = [message["text"] for message in its.server.history(its.room)]
        assert all(text.startswith(":link:OCFT:") for text in said)
        assert not its.server.file_ids()
        assert not its.server.counters.rate_limited

    in_scene(scenario, speed=SPEED)


def test_megabytes_go_sealed_by_attachment_in_few_messages(tmp_path: Path) -> None:
    async def scenario(its: Scene) -> None:
        nodes = Nodes(its, tmp_path, max_file_size=MIB)
        async with nodes.running() as (alice, _):
            await send(nodes, alice, NOISE)
        assert len(its.server.file_ids()) in (6, 7)
        assert len(its.server.history(its.room)) < 30
        assert not its.server.counters.rate_limited
        assert not its.server.counters.errors

    in_scene(scenario, speed=SPEED)


def test_files_are_deleted_afterwards_if_that_is_wanted(tmp_path: Path) -> None:
    async def scenario(its: Scene) -> None:
        nodes = Nodes(its, tmp_path, max_file_size=MIB, delete_files_after=True)
        async with nodes.running() as (alice, _):
            await send(nodes, alice, NOISE[: 2 * MIB])
            await until(lambda: not its.server.file_ids())
        assert not [one for one in its.server.history(its.room) if one.get("files")]

    in_scene(scenario, speed=SPEED)


def test_a_file_arrives_though_everything_goes_wrong(tmp_path: Path) -> None:
    async def scenario(its: Scene) -> None:
        nodes = Nodes(its, tmp_path, max_file_size=MIB)
        faults = its.server.faults
        faults.scatter = 0.02
        faults.next("event", Fault.DUPLICATED, times=None, probability=0.2)
        faults.next("event", Fault.FILE_STUB, times=None, probability=0.3)
        faults.next("chat.postMessage", Fault.LOST_ANSWER, times=2, after=2)
        faults.next("files.completeUploadExternal", Fault.LOST_ANSWER, after=1)
        faults.next("download", Fault.TRUNCATED, after=1)
        faults.next("upload", Fault.RESET, after=2)
        async with nodes.running() as (alice, _):
            await send(nodes, alice, NOISE[: 3 * MIB])

    in_scene(scenario, speed=SPEED)


def test_a_file_arrives_though_connections_are_cut(tmp_path: Path) -> None:
    async def scenario(its: Scene) -> None:
        async def cut() -> None:
            for app in (its.bob, its.alice, its.bob):
                await asyncio.sleep(0.04)
                its.server.cut_sockets(app, memory=False)

        nodes = Nodes(its, tmp_path, max_file_size=MIB // 2)
        async with nodes.running() as (alice, _), asyncio.TaskGroup() as group:
            group.create_task(cut())
            await send(nodes, alice, NOISE)
        assert not its.server.counters.rate_limited

    in_scene(scenario, speed=SPEED)


def test_a_node_that_speaks_only_the_old_wire_is_served_by_text(tmp_path: Path) -> None:
    async def scenario(its: Scene) -> None:
        nodes = Nodes(its, tmp_path)
        async with nodes.running(wires=("1.0",)) as (alice, _):
            await send(nodes, alice, NOISE[:10_000])
        assert not its.server.file_ids()

    in_scene(scenario, speed=SPEED)


def test_a_file_arrives_through_a_bot_that_runs(tmp_path: Path) -> None:
    async def scenario(its: Scene) -> None:
        nodes = Nodes(its, tmp_path)
        web, socket, seen = await its.bot(its.bob)
        bobs = await SlackChannel.attach(web, its.room.id, socket_client=socket, max_file_size=MIB)
        alices = await its.open(its.alice, max_file_size=MIB)
        for channel in (alices, bobs):
            hasten(channel)
        async with bobs, nodes.manager("alice", alices) as alice, nodes.manager("bob", bobs):
            await send(nodes, alice, NOISE[:MIB])
        assert seen == []

    in_scene(scenario, speed=SPEED)
