"""The Telegram adapter and its stand-in together."""

import asyncio
import functools
import os
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from typing import Any
from unittest.mock import patch

from telegram.ext import Application, ApplicationBuilder

from ocft.channels import Channel, IncomingText
from ocft_telegram import TelegramChannel
from tests.emulators.telegram import Bot, Limits, TelegramServer

MARKER = "\N{LINK SYMBOL}OCFT:"
ROOMY = {"chat_messages": 10_000, "group_messages": 10_000, "bot_messages": 10_000}
"""Limits that nothing comes near."""


class World:
    """Alice and Bob, who may write to each other."""

    def __init__(self, server: TelegramServer) -> None:
        self.server = server
        self.alice = server.add_bot("alice_bot", bot_to_bot=True)
        self.bob = server.add_bot("Bob_bot", bot_to_bot=True)

    async def open(self, bot: Bot, **options: Any) -> TelegramChannel:
        """Open a channel of a bot; in private chats, the other one was met."""
        return await TelegramChannel.open(self.options(bot, **options))

    def options(self, bot: Bot, **options: Any) -> dict[str, Any]:
        os.environ[f"TOKEN_{bot.id}"] = bot.token
        other = self.bob if bot is self.alice else self.alice
        given: dict[str, Any] = {"token": f"env:TOKEN_{bot.id}", "api_url": self.server.url}
        if "chat" not in options:
            given["meet"] = [f"@{other.username}"]
        return given | options

    @asynccontextmanager
    async def pair(self, **options: Any) -> AsyncGenerator[tuple[TelegramChannel, TelegramChannel]]:
        async with (
            await self.open(self.alice, **options) as alice,
            await self.open(self.bob, **options) as bob,
        ):
            yield alice, bob

    @asynccontextmanager
    async def running(
        self, bot: Bot
    ) -> AsyncGenerator["Application[Any, Any, Any, Any, Any, Any]"]:
        """Run somebody's bot."""
        application: Application[Any, Any, Any, Any, Any, Any] = (
            ApplicationBuilder()
            .token(bot.token)
            .base_url(self.server.base_url)
            .base_file_url(self.server.base_file_url)
            .build()
        )
        async with application:
            await application.start()
            assert application.updater
            await application.updater.start_polling(
                timeout=30, allowed_updates=["message", "edited_message"]
            )
            yield application
            await application.updater.stop()
            await application.stop()


@asynccontextmanager
async def world(**limits: Any) -> AsyncGenerator[World]:
    speed = limits.pop("speed", 50)
    with patch.dict(os.environ):
        async with TelegramServer(Limits(speed=speed, **{**ROOMY, **limits})) as server:
            yield World(server)


def in_real_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test; it may take 30 seconds, and must leave no task."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def main() -> None:
            async with asyncio.timeout(30):
                await test(*args, **kwargs)
            for _ in range(50):
                if len(asyncio.all_tasks()) == 1:
                    return
                await asyncio.sleep(0.01)
            raise AssertionError(f"tasks are left: {asyncio.all_tasks()}")

        asyncio.run(main())

    return run


async def hear(channel: Channel, count: int = 1) -> list[IncomingText]:
    """Return the next texts, each of them handled."""
    heard: list[IncomingText] = []
    async with aclosing(channel.texts()) as texts:
        async for text in texts:
            if len(heard) == count:
                break  # the last one was handled when this one was asked for
            heard.append(text)
            if len(heard) == count:
                channel._source.handled()  # type: ignore[attr-defined]
                break
    return heard


async def silence(channel: Channel, seconds: float = 0.15) -> None:
    """Check that nothing is heard for a while."""
    try:
        async with asyncio.timeout(seconds):
            (text,) = await hear(channel)
    except TimeoutError:
        return
    raise AssertionError(f"heard {text}")


class Notes(dict[str, str]):
    """Marks in memory."""

    def set(self, key: str, value: str) -> None:
        self[key] = value
