"""A workspace on the stand-in, with bots whose channels are the real adapter's."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import patch

import pytest
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.web.async_client import AsyncWebClient

from ocft.channels import IncomingText
from ocft_slack import SlackChannel
from tests.emulators.slack import App, Limits, SlackServer

PATIENCE = 8.0  # seconds; bounds waits that end at once if all is well
FRAME = "\N{LINK SYMBOL}OCFT:AbC-_0123"
STORED_FRAME = ":link:OCFT:AbC-_0123"


class Memory:
    """Marks that outlive a channel."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self.kept.get(key)

    def set(self, key: str, value: str) -> None:
        self.kept[key] = value


class Reader:
    """Reads a channel and keeps what it said."""

    def __init__(self, channel: SlackChannel) -> None:
        self.channel = channel
        self.heard: list[IncomingText] = []
        self.error: BaseException | None = None
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async with contextlib.aclosing(self.channel.texts()) as texts:
                async for text in texts:
                    self.heard.append(text)
        except Exception as error:  # noqa: BLE001 - whoever waits for a text raises it
            self.error = error

    @property
    def texts(self) -> list[str]:
        return [text.text for text in self.heard]

    async def until(self, count: int) -> list[IncomingText]:
        await until(lambda: len(self.heard) >= count or self.error)
        if self.error:
            raise self.error
        return self.heard

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


class Scene:
    """A server with two bots and a person in one room."""

    def __init__(self, server: SlackServer) -> None:
        self.server = server
        self.alice = server.app("alice")
        self.bob = server.app("bob")
        self.carol = server.person("carol")
        self.room = server.channel("exchange", members=[self.alice, self.bob, self.carol])
        self.stack = contextlib.AsyncExitStack()

    def options(self, **more: Any) -> dict[str, object]:
        return {"channel": self.room.id, "api_url": self.server.api_url, **more}

    def section(self, app: App, **more: Any) -> dict[str, object]:
        """Return a config section; the tokens are where they belong."""
        tokens: dict[str, object] = {}
        for option, token in (("bot_token", app.bot_token), ("app_token", app.app_token)):
            variable = f"OCFT_TEST_{app.name}_{option}".upper()
            os.environ[variable] = token
            tokens[option] = f"env:{variable}"
        return self.options(**tokens, **more)

    async def open(self, app: App, **more: Any) -> SlackChannel:
        """Open a channel that is closed with the scene."""
        channel = await SlackChannel.open(self.section(app, **more))
        self.stack.push_async_callback(channel.close)
        return channel

    async def read(self, app: App, **more: Any) -> Reader:
        """Open a channel and read it; return when events come in."""
        channel = await self.open(app, **more)
        reader = Reader(channel)
        self.stack.push_async_callback(reader.stop)
        await until(lambda: self.server.sockets(app))
        await until(lambda: not channel._backlog.is_behind)
        return reader

    def web(self, app: App) -> AsyncWebClient:
        return AsyncWebClient(token=app.bot_token, base_url=self.server.api_url, retry_handlers=[])

    async def say(self, app: App, text: str, **more: Any) -> str:
        """Post as an app, without OCFT."""
        said = await self.web(app).chat_postMessage(channel=self.room.id, text=text, **more)
        return str(said["ts"])

    async def bot(self, app: App) -> tuple[AsyncWebClient, SocketModeClient, list[str]]:
        """Start a bot that answers nothing, and keeps the types and texts of its events."""
        web = self.web(app)
        socket = SocketModeClient(app_token=app.app_token, web_client=web, ping_interval=0.1)
        seen: list[str] = []

        async def listen(client: Any, request: Any) -> None:
            await client.send_socket_mode_response({"envelope_id": request.envelope_id})
            event = request.payload.get("event") or {}
            seen.append(f"{event.get('type')}:{event.get('text', '')}")

        socket.socket_mode_request_listeners.append(listen)
        async with asyncio.timeout(PATIENCE):
            await socket.connect()  # type: ignore[no-untyped-call]
        self.stack.push_async_callback(_close, socket)
        return web, socket, seen


async def _close(socket: SocketModeClient) -> None:
    await socket.close()  # type: ignore[no-untyped-call]
    await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


def in_scene(scenario: Callable[[Scene], Coroutine[Any, Any, None]], **limits: Any) -> None:
    """Run a scenario; at its end nothing may be left running."""

    async def main() -> None:
        async with SlackServer(limits=Limits(**{"speed": 50, **limits})) as server:
            scene = Scene(server)
            async with scene.stack:
                await scenario(scene)
            await asyncio.sleep(0)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            assert not [task for task in others if "ocft_slack" in repr(task)]

    with patch.dict(os.environ):
        asyncio.run(main())


@pytest.fixture
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    logging.getLogger("slack_sdk").setLevel(logging.CRITICAL)
