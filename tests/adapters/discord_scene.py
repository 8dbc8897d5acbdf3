"""The stand-in for Discord with two bots and a person, and channels of ours on it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import discord

from ocft.channels import IncomingText
from ocft_discord import ADAPTER, DiscordChannel
from ocft_discord import connection as connections
from tests.emulators.discord import Account, DiscordServer, Room

PATIENCE = 10.0


class KeptMarks:
    """Marks that outlive a channel."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self.kept.get(key)

    def set(self, key: str, value: str) -> None:
        self.kept[key] = value


class Ear:
    """Reads a channel in the background, as the library does."""

    def __init__(self, channel: DiscordChannel) -> None:
        self.heard: list[IncomingText] = []
        self._new = asyncio.Event()
        self.task = asyncio.create_task(self._read(channel.texts()))

    async def _read(self, texts: AsyncGenerator[IncomingText, None]) -> None:
        async with contextlib.aclosing(texts):
            async for text in texts:
                self.heard.append(text)
                self._new.set()

    async def until(self, count: int) -> list[str]:
        """Wait for some texts; return all."""
        async with asyncio.timeout(PATIENCE):
            while len(self.heard) < count:
                assert not self.task.done(), self.task
                self._new.clear()
                await self._new.wait()
        return self.texts

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.heard]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


class Bot(discord.Client):
    """A bot of somebody else, with a handler of its own."""

    def __init__(self, setup: Callable[["Bot"], Awaitable[None]] | None = None) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True, messages=True, message_content=True),
            guild_ready_timeout=0.02,
        )
        self.channel: DiscordChannel | None = None
        self.own: list[str] = []
        self._setup = setup

    async def setup_hook(self) -> None:
        if self._setup is not None:
            await self._setup(self)

    async def on_message(self, message: discord.Message) -> None:
        if self.channel is not None and self.channel.handle_message(message):
            return
        self.own.append(message.content)


class Scene:
    """A running server with two bots and a person in one room."""

    def __init__(self, server: DiscordServer, opened: contextlib.AsyncExitStack) -> None:
        self.server = server
        self.opened = opened
        self.ada, self.bob = server.add_bot("ada"), server.add_bot("bob")
        self.eve = server.add_person("eve")
        self.room = server.add_room("files", self.ada, self.bob, self.eve)

    def options(self, account: Account, **more: object) -> dict[str, object]:
        """Return a config section; the token is where it belongs."""
        variable = f"OCFT_TEST_{account.name.upper()}"
        os.environ[variable] = account.token
        return {
            "channel": str(self.room.id),
            "token": f"env:{variable}",
            "api_url": self.server.api_url,
            "gateway_url": self.server.gateway_url,
            **more,
        }

    async def open(self, account: Account, **more: object) -> DiscordChannel:
        """Open a channel with its own connection; closed at the end."""
        channel = await ADAPTER.open(account.name, self.options(account, **more))
        assert isinstance(channel, DiscordChannel)
        return await self.opened.enter_async_context(channel)

    async def listen(self, account: Account, **more: object) -> tuple[DiscordChannel, Ear]:
        """Open a channel and read it; return when events come in."""
        channel = await self.open(account, **more)
        ear = self.ear(channel)
        connection = channel._connection
        assert isinstance(connection, connections.Supervised)
        await until(connection._settled.is_set)
        return channel, ear

    def ear(self, channel: DiscordChannel) -> Ear:
        ear = Ear(channel)
        self.opened.push_async_callback(ear.stop)
        return ear

    @contextlib.asynccontextmanager
    async def bot(
        self, account: Account, setup: Callable[[Bot], Awaitable[None]] | None = None
    ) -> AsyncIterator[Bot]:
        """Run somebody's bot."""
        bot = Bot(setup)
        running = asyncio.create_task(bot.start(account.token))
        try:
            async with asyncio.timeout(PATIENCE):
                while not bot.is_ready():
                    assert not running.done(), running.exception()
                    await asyncio.sleep(0.005)
            yield bot
        finally:
            await bot.close()
            await asyncio.gather(running, return_exceptions=True)

    def said(self, room: Room | None = None) -> list[str]:
        """Return what is in the room."""
        return [message.content for message in self.server.history(room or self.room)]


def play(test: Callable[[Scene], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Run a test against a fresh server, 50 times as fast as the platform."""

    async def run() -> None:
        async with DiscordServer(**{"speed": 50, **options}) as server:
            with server.sdk(), _hurry():
                async with asyncio.timeout(30), contextlib.AsyncExitStack() as opened:
                    await test(Scene(server, opened))
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:  # jobs in threads, which cannot be stopped in the middle
            _, left = await asyncio.wait(left, timeout=1)
        assert not left, f"still running: {left}"

    try:
        asyncio.run(run())
    finally:
        for variable in [name for name in os.environ if name.startswith("OCFT_TEST_")]:
            del os.environ[variable]


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


@contextlib.contextmanager
def _hurry() -> Any:
    """Shorten the waits that are meant for the real platform."""

    async def at_once(self: object, shard_id: int | None, *, initial: bool = False) -> None:
        return None

    patched: list[tuple[Any, str, Any]] = [
        (connections, "FIRST_PAUSE", 0.05),
        (connections, "LONGEST_PAUSE", 0.1),
        (connections._Client, "before_identify_hook", at_once),
    ]
    kept = [(place, name, getattr(place, name)) for place, name, _ in patched]
    for place, name, value in patched:
        setattr(place, name, value)
    try:
        yield
    finally:
        for place, name, value in kept:
            setattr(place, name, value)
