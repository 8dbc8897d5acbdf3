"""Two nodes on the stand-in: sealed files, by text and by attachment, at its own pace."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocft import TransferManager
from ocft.channels import Channel
from ocft.runtime.wire2 import uploads
from ocft.storage import TrustedPeer
from ocft.testing import check_transfers
from ocft.transfers import TransferState
from ocft_telegram import TelegramChannel
from tests.adapters.telegram_world import World, in_real_time, world
from tests.emulators.telegram import Bot, Limits
from tests.runtime.sealed_pair import identity_of

SPEED = 20
REAL = {name: getattr(Limits, name) for name in ("chat_messages", "group_messages", "bot_messages")}
NOISE = random.Random(0).randbytes(5_000_000)
MIB = 1024 * 1024


def at_speed(channel: TelegramChannel) -> TelegramChannel:
    """Let a channel go as much faster as the stand-in's time does."""
    limits = channel.limits
    assert limits.texts_per_second
    assert limits.total_per_second
    channel.limits = replace(
        limits,
        texts_per_second=limits.texts_per_second * SPEED,
        total_per_second=limits.total_per_second * SPEED,
    )
    return channel


@asynccontextmanager
async def node(
    here: World, bot: Bot, channel: Channel, folder: Path, **options: Any
) -> AsyncGenerator[TransferManager]:
    other = here.bob if bot is here.alice else here.alice
    peer = TrustedPeer(
        id=str(other.id), fingerprint=identity_of(other.username or "").public.fingerprint
    )
    async with TransferManager(
        bot_id=str(bot.id),
        channel=channel,
        download_dir=folder / bot.name,
        identity=identity_of(bot.username or ""),
        wires=("2",),
        auto_accept=True,
        trusted_peers=[peer],
        **options,
    ) as manager:
        yield manager


@asynccontextmanager
async def nodes(
    here: World, folder: Path, **options: Any
) -> AsyncGenerator[tuple[TransferManager, TransferManager]]:
    async with here.pair(**options) as pair, AsyncExitStack() as stack:
        a, b = [
            await stack.enter_async_context(node(here, bot, at_speed(channel), folder))
            for bot, channel in zip((here.alice, here.bob), pair, strict=True)
        ]
        yield a, b


async def send(here: World, alice: TransferManager, folder: Path, data: bytes) -> Path:
    """Send a file, and return where it arrived."""
    source = folder / "report.bin"
    source.write_bytes(data)
    await alice.wait(await alice.send_file(str(here.bob.id), source))
    return folder / here.bob.name / "report.bin"


def messages(here: World) -> int:
    return sum(len(room.messages) for room in here.server.rooms)


@in_real_time
async def test_a_small_file_goes_by_text_in_a_private_chat(tmp_path: Path) -> None:
    data = b"a line of a report\n" * 100
    async with world(speed=SPEED, **REAL) as here, nodes(here, tmp_path) as (alice, _):
        assert (await send(here, alice, tmp_path, data)).read_bytes() == data
        assert here.server.counters.requests["sendDocument"] == 0
        assert not here.server.counters.floods
        assert messages(here) <= 12


@in_real_time
async def test_nodes_keep_the_contract(tmp_path: Path) -> None:
    async with world() as here:

        async def open_pair() -> tuple[TelegramChannel, TelegramChannel]:
            return at_speed(await here.open(here.alice)), at_speed(await here.open(here.bob))

        await check_transfers(open_pair, tmp_path, addresses=(str(here.alice.id), str(here.bob.id)))


@pytest.mark.parametrize("is_group", [False, True], ids=["private", "group"])
@in_real_time
async def test_a_large_file_goes_by_attachments(tmp_path: Path, *, is_group: bool) -> None:
    async with world(speed=SPEED, **REAL) as here:
        options: dict[str, Any] = {"max_file_size": MIB, "delete_files_after": True}
        if is_group:
            people = here.server.add_person("Ann")
            room = here.server.add_group("OCFT", here.alice, here.bob, people)
            options["chat"] = room.id
        async with nodes(here, tmp_path, **options) as (alice, _):
            assert (await send(here, alice, tmp_path, NOISE)).read_bytes() == NOISE
            assert here.server.counters.requests["sendDocument"] <= 6
            assert messages(here) <= 20
            assert (here.server.counters.floods, here.server.counters.held) == ({}, 0)
            while any(m.file for room in here.server.rooms for m in here.server.history(room)):
                await asyncio.sleep(0.02)


async def _cut(here: World) -> None:
    """Drop all connections, and wait until somebody has made another one."""
    asked = here.server.counters.requests["getUpdates"]
    here.server.drop_connections()
    async with asyncio.timeout(10):
        while here.server.counters.requests["getUpdates"] == asked:
            await asyncio.sleep(0.01)


@in_real_time
async def test_a_transfer_survives_cut_connections_and_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ocft_telegram import polling

    monkeypatch.setattr(polling, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(polling, "_LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(uploads, "_FIRST_PAUSE", 0.1)
    async with world(speed=SPEED) as here:
        options: dict[str, Any] = {"max_file_size": MIB}
        source = tmp_path / "report.bin"
        source.write_bytes(NOISE)
        async with nodes(here, tmp_path, **options) as (alice, _):
            transfer_id = await alice.send_file(str(here.bob.id), source)
            while not here.server.counters.requests["sendDocument"]:
                await asyncio.sleep(0.01)
            await _cut(here)
        async with nodes(here, tmp_path, **options) as (alice, _):
            for _ in range(5):
                await _cut(here)
            with suppress(KeyError):
                await alice.wait(transfer_id)
            info = alice.get_transfer(transfer_id)
            assert info
            assert info.state is TransferState.COMPLETED
        assert (tmp_path / here.bob.name / "report.bin").read_bytes() == NOISE
        assert len(list((tmp_path / here.bob.name).glob("report*"))) == 1


@in_real_time
async def test_two_bots_that_run_already_exchange_a_file_and_still_answer(tmp_path: Path) -> None:
    from telegram import Update
    from telegram.ext import MessageHandler, filters

    async with world(speed=SPEED) as here, AsyncExitStack() as stack:
        managers = []
        for bot, peer in ((here.alice, here.bob), (here.bob, here.alice)):
            application = await stack.enter_async_context(here.running(bot))

            async def answer(update: Update, _: Any) -> None:
                assert update.message
                await update.message.reply_text(f"you said {update.message.text}")

            application.add_handler(MessageHandler(filters.TEXT, answer))
            channel = TelegramChannel.attach(
                application, meet=[f"@{peer.username}"], max_file_size=MIB
            )
            await stack.enter_async_context(at_speed(channel))
            managers.append(await stack.enter_async_context(node(here, bot, channel, tmp_path)))
        ann = here.server.add_person("Ann")
        sending = asyncio.create_task(send(here, managers[0], tmp_path, NOISE[:2_500_000]))
        longest = 0.0
        while not sending.done():
            start = asyncio.get_running_loop().time()
            here.server.say(ann, here.bob, "hello")
            said = len(here.server.history(ann, here.bob))
            while len(here.server.history(ann, here.bob)) <= said:
                await asyncio.sleep(0.001)
            longest = max(longest, asyncio.get_running_loop().time() - start)
            await asyncio.sleep(0.02)
        assert (await sending).read_bytes() == NOISE[:2_500_000]
        assert here.server.history(ann, here.bob)[-1].text == "you said hello"
        # Between the bots nothing was said but OCFT's own words.
        texts = [m.text for m in here.server.history(here.alice, here.bob)]
        assert not [text for text in texts if text.startswith("you said")]
        assert longest < 1.0
