"""Whole transfers between two nodes over the stand-in: sealed, by text and by attachment."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocft import TransferManager
from ocft.channels import Channel
from ocft.testing import check_transfers
from ocft_discord import DiscordChannel
from tests.adapters.discord_scene import Bot, Scene, play
from tests.emulators.discord import Account
from tests.runtime.sealed_pair import identity_of, peer_of

SPEED = 50
MIB = 1 << 20
NOISE = random.Random(0).randbytes(30 * MIB)


def hurried(channel: DiscordChannel) -> DiscordChannel:
    """Let a channel use the rates of a stand-in whose windows are that much shorter."""
    limits = channel.limits
    channel.limits = replace(
        limits,
        texts_per_second=(limits.texts_per_second or 1) * SPEED,
        total_per_second=(limits.total_per_second or 1) * SPEED,
    )
    return channel


@contextlib.asynccontextmanager
async def node(
    folder: Path, me: Account, peer: Account, channel: DiscordChannel, **options: Any
) -> AsyncIterator[TransferManager]:
    options = {"wires": ("2",), "identity": identity_of(me.name), **options}
    known = {"fingerprint": options.pop("fingerprint")} if "fingerprint" in options else {}
    async with TransferManager(
        bot_id=me.name,
        channel=hurried(channel),
        download_dir=folder / me.name,
        auto_accept=True,
        trusted_peers=[peer_of(peer.name, address=str(peer.id), secret="s", **known)],
        **options,
    ) as manager:
        yield manager


async def send(alice: TransferManager, folder: Path, data: bytes) -> None:
    source = folder / "report.bin"
    source.write_bytes(data)
    transfer_id = await alice.send_file("bob", source)
    await asyncio.wait_for(alice.wait(transfer_id), 25)


def test_nodes_keep_the_contract(tmp_path: Path) -> None:
    async def test(scene: Scene) -> None:
        async def open_pair() -> tuple[Channel, Channel]:
            return hurried(await scene.open(scene.ada)), hurried(await scene.open(scene.bob))

        ids = str(scene.ada.id), str(scene.bob.id)
        await check_transfers(open_pair, tmp_path, addresses=ids)

    play(test, speed=SPEED)


def test_a_small_file_goes_by_text(tmp_path: Path) -> None:
    async def test(scene: Scene) -> None:
        ada, bob = scene.ada, scene.bob
        async with (
            node(tmp_path, ada, bob, await scene.open(ada)) as alice,
            node(tmp_path, bob, ada, await scene.open(bob)),
        ):
            await send(alice, tmp_path, b"numbers " * 100)
            assert (tmp_path / "bob" / "report.bin").read_bytes() == b"numbers " * 100
        assert not any(m.attachments for m in scene.server.history(scene.room))
        assert not scene.server.counters.rate_limited

    play(test, speed=SPEED)


def test_a_large_file_goes_by_attachments_in_few_messages_and_is_removed(tmp_path: Path) -> None:
    async def test(scene: Scene) -> None:
        ada, bob = scene.ada, scene.bob
        async with (
            node(tmp_path, ada, bob, await scene.open(ada, delete_files_after=True)) as alice,
            node(tmp_path, bob, ada, await scene.open(bob)),
        ):
            await send(alice, tmp_path, NOISE)
            assert (tmp_path / "bob" / "report.bin").read_bytes() == NOISE
            assert scene.server.counters.requests["create_message"] <= 16
            assert scene.server.counters.requests["download"] <= 4
            async with asyncio.timeout(10):
                while scene.server.files:
                    await asyncio.sleep(0.01)
        assert not scene.server.counters.rate_limited
        assert scene.server.counters.leaked_tokens == 0

    play(test, speed=SPEED)


def test_a_limit_that_shrinks_in_the_middle_is_found_out(tmp_path: Path) -> None:
    async def test(scene: Scene) -> None:
        ada, bob = scene.ada, scene.bob
        async with (
            node(tmp_path, ada, bob, await scene.open(ada)) as alice,
            node(tmp_path, bob, ada, await scene.open(bob)),
        ):
            scene.server.attachment_bytes = 3 * MIB
            await send(alice, tmp_path, NOISE[: 8 * MIB])
            assert (tmp_path / "bob" / "report.bin").read_bytes() == NOISE[: 8 * MIB]
            assert scene.server.counters.errors[40005]

    play(test, speed=SPEED)


def test_connections_that_drop_in_the_middle_do_no_harm(tmp_path: Path) -> None:
    async def test(scene: Scene) -> None:
        ada, bob = scene.ada, scene.bob
        async with (
            node(tmp_path, ada, bob, await scene.open(ada, max_file_size=MIB)) as alice,
            node(tmp_path, bob, ada, await scene.open(bob)) as bobs,
        ):

            async def drop() -> None:
                for number in range(12):
                    await asyncio.sleep(0.05)
                    account = (ada, bob)[number % 2]
                    scene.server.drop(account, code=4000, memory=number % 3 == 0)

            dropping = asyncio.create_task(drop())
            await send(alice, tmp_path, NOISE[: 8 * MIB])
            await dropping
            assert (tmp_path / "bob" / "report.bin").read_bytes() == NOISE[: 8 * MIB]
            assert len(bobs.list_transfers()) == 1

    play(test, speed=SPEED)


def test_a_bot_with_ocft_attached_answers_its_people_at_once_meanwhile(tmp_path: Path) -> None:
    async def test(scene: Scene) -> None:
        ada, bob = scene.ada, scene.bob

        async def setup(bot: Bot) -> None:
            bot.channel = await DiscordChannel.attach(bot, channel=scene.room.id)

        async with scene.bot(bob, setup) as bot:
            assert bot.channel is not None
            async with (
                node(tmp_path, ada, bob, await scene.open(ada)) as alice,
                node(tmp_path, bob, ada, bot.channel),
            ):
                sending = asyncio.create_task(send(alice, tmp_path, NOISE[: 12 * MIB]))
                waits = []
                clock = asyncio.get_running_loop().time
                while not sending.done():
                    began, count = clock(), len(bot.own)
                    scene.server.say(scene.eve, scene.room, "hello")
                    while len(bot.own) == count:
                        await asyncio.sleep(0.001)
                    waits.append(clock() - began)
                    await asyncio.sleep(0.02)
                await sending
            await bot.channel.close()
            # Both nodes, the stand-in and this test share one event loop here.
            assert sorted(waits)[int(len(waits) * 0.9)] < 0.25
            assert set(bot.own) == {"hello"}

    play(test, speed=SPEED)


def test_a_node_of_wire_1_is_served_by_text(tmp_path: Path) -> None:
    async def test(scene: Scene) -> None:
        ada, bob = scene.ada, scene.bob
        old: dict[str, Any] = {"wires": ("1.0",), "secret": "s", "fingerprint": None}
        async with (
            node(tmp_path, ada, bob, await scene.open(ada), **old) as one,
            node(tmp_path, bob, ada, await scene.open(bob), **old),
        ):
            await send(one, tmp_path, NOISE[:5000])
            assert (tmp_path / "bob" / "report.bin").read_bytes() == NOISE[:5000]
        assert not any(m.attachments for m in scene.server.history(scene.room))

    play(test, speed=SPEED)
