"""A bot behind a proxy: what OCFT downloads goes the same way."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import yarl

from ocft.errors import ChannelError
from ocft_discord import DiscordChannel
from tests.adapters.discord_scene import Bot, Scene, play

# Of aiohttp: it wants to get rid of what discord.py uses for this.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SHOWN = b"Proxy-Authorization: Basic Ym90Om9mIG1pbmU="


class Proxy:
    """Passes plain HTTP on for those who show who they are."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        """The paths."""

    async def serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        head = await client.readuntil(b"\r\n\r\n")
        target = yarl.URL(head.split()[1].decode(), encoded=True)
        if SHOWN not in head:
            answers.write(b"HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n")
            answers.close()
            return
        self.asked.append(target.path)
        assert target.host is not None
        server, requests = await asyncio.open_connection(target.host, target.port)
        requests.write(head)
        await asyncio.gather(_pipe(client, requests), _pipe(server, answers))


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while piece := await source.read(65536):
            sink.write(piece)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.close()


@asynccontextmanager
async def proxied(scene: Scene) -> AsyncIterator[tuple[Proxy, Bot]]:
    """Run somebody's bot, which reaches Discord through a proxy."""
    proxy = Proxy()
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]

    async def setup(bot: Bot) -> None:
        bot.http.proxy = f"http://127.0.0.1:{port}"
        bot.http.proxy_auth = aiohttp.BasicAuth("bot", "of mine")
        bot.channel = await DiscordChannel.attach(bot, channel=scene.room.id)
        scene.opened.push_async_callback(bot.channel.close)

    async with listener, scene.bot(scene.bob, setup) as bot:
        yield proxy, bot
        assert bot.channel is not None
        await bot.channel.close()


def test_downloads_use_the_proxy_of_the_attached_client() -> None:
    async def test(scene: Scene) -> None:
        async with proxied(scene) as (proxy, bot):
            assert bot.channel is not None
            ear = scene.ear(bot.channel)
            scene.server.say(scene.eve, scene.room, file=b"0123456789", name="notes.txt")
            await ear.until(1)
            sink = io.BytesIO()
            await ear.heard[0].files[0].fetch(sink)
            assert sink.getvalue() == b"0123456789"
            assert scene.server.counters.requests["download"] == 1
            assert [path for path in proxy.asked if path.endswith("notes.txt")]

            bot.http.proxy_auth = aiohttp.BasicAuth("somebody", "else")
            with pytest.raises(ChannelError, match="407"):
                await ear.heard[0].files[0].fetch(io.BytesIO())

    play(test)
