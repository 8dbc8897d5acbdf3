"""The library's checks of a channel, on the real SDK and the stand-in."""

import asyncio
import os
import subprocess
import sys
from functools import partial
from typing import Any

import pytest
from telegram.ext import Application

from ocft.channels import Channel, find_adapter
from ocft.errors import AdapterNotInstalledError
from ocft.testing import check_channel
from ocft_telegram import ADAPTER, TelegramChannel
from tests.adapters.telegram_world import World, hear, in_real_time, world


def test_importing_the_adapter_imports_no_sdk() -> None:
    code = (
        "import sys, ocft_telegram; ocft_telegram.ADAPTER.name; "
        "print({'telegram', 'httpx', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_the_adapter_is_found_by_its_name() -> None:
    assert find_adapter("telegram") is ADAPTER


def test_a_missing_sdk_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "telegram.ext", None)

    async def main() -> None:
        with pytest.raises(AdapterNotInstalledError, match=r"pip install 'ocft\[telegram\]'"):
            await ADAPTER.open("me", {})
        assert ADAPTER.check
        with pytest.raises(AdapterNotInstalledError):
            await ADAPTER.check({})

    asyncio.run(main())


async def cut(here: World, _: Channel) -> None:
    here.server.drop_connections()
    await asyncio.sleep(0.05)  # until the SDK's pool knows, so that no send has an unknown end


@in_real_time
async def test_private_chats_keep_the_contract() -> None:
    async with world() as here:

        async def open_pair() -> tuple[TelegramChannel, TelegramChannel]:
            here.alice.updates.drop_all()
            here.bob.updates.drop_all()
            return await here.open(here.alice), await here.open(here.bob)

        await check_channel(
            open_pair,
            addresses=(str(here.alice.id), str(here.bob.id)),
            break_connection=partial(cut, here),
        )


@in_real_time
async def test_a_group_keeps_the_contract() -> None:
    async with world() as here:
        room = here.server.add_group("OCFT", here.alice, here.bob)

        async def open_pair() -> tuple[TelegramChannel, TelegramChannel]:
            here.alice.updates.drop_all()
            here.bob.updates.drop_all()
            alice, bob = [await here.open(bot, chat=room.id) for bot in (here.alice, here.bob)]
            # As in a handshake, which comes before all files: each has heard the other.
            await alice.send(str(here.bob.id), "hello")
            await bob.send(str(here.alice.id), "hello")
            assert [len(await hear(one)) for one in (alice, bob)] == [1, 1]
            return alice, bob

        await check_channel(
            open_pair,
            addresses=(str(here.alice.id), str(here.bob.id)),
            break_connection=partial(cut, here),
        )


@in_real_time
async def test_a_bot_that_somebody_runs_keeps_the_contract() -> None:
    async with world() as here, here.running(here.alice) as one, here.running(here.bob) as two:
        applications = (one, two)
        bots = (here.alice, here.bob)

        async def open_pair() -> tuple[TelegramChannel, TelegramChannel]:
            await _quiet(here, *applications)
            names = [f"@{bot.username}" for bot in bots]
            pair = [TelegramChannel.attach(app, meet=names, share=1.0) for app in applications]
            return pair[0], pair[1]

        # Each of the two is asked to meet itself, too, which no bot can.
        await check_channel(
            open_pair,
            addresses=(str(here.alice.id), str(here.bob.id)),
            break_connection=partial(cut, here),
        )
        assert not any(application.handlers for application in applications)


async def _quiet(here: World, *applications: "Application[Any, Any, Any, Any, Any, Any]") -> None:
    """Wait until nothing is under way."""
    while any(len(bot.updates) for bot in (here.alice, here.bob)) or not all(
        application.update_queue.empty() for application in applications
    ):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.02)


@in_real_time
async def test_opening_by_the_record_needs_only_a_token() -> None:
    async with world() as here:
        os.environ["OCFT_TELEGRAM_TOKEN"] = here.alice.token
        async with await ADAPTER.open("any id", {"api_url": here.server.url}) as channel:
            assert (channel.name, channel.everyone, channel.limits.max_text) == (
                "telegram",
                None,
                4096,
            )
