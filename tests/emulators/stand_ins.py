"""The three stand-ins seen alike: two bots and a person in one room, on a loop in a thread.

Programs in processes of their own talk to them as to the platforms; a test or a benchmark asks
afterwards what was said.
"""

import abc
import asyncio
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from tests.emulators.discord import DiscordServer
from tests.emulators.slack import Limits as SlackLimits
from tests.emulators.slack import SlackServer
from tests.emulators.telegram import Limits as TelegramLimits
from tests.emulators.telegram import TelegramServer

BOTS = ("alice", "bob")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Said:
    """A message that a bot or person posted."""

    author: str
    """The platform's id."""
    text: str
    files: tuple[tuple[str, bytes], ...] = ()
    """Names and contents."""


class StandIn(abc.ABC):
    """One platform, from `with` to its end; "alice" and "bob" are its bots.

    Args:
        speed: How much faster than the platform's its time passes.
    """

    name: ClassVar[str]
    """The adapter's."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"{self.name} stand-in")
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._run(self._open())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # For nodes

    @abc.abstractmethod
    def environment(self, bot: str) -> dict[str, str]:
        """Return the variables with a bot's tokens."""

    @abc.abstractmethod
    def section(self, bot: str, *, in_room: bool = False) -> dict[str, Any]:
        """Return a bot's section of the settings.

        Args:
            bot: Whose.
            in_room: Whether nodes meet in the room where private chats would do, too.
        """

    @abc.abstractmethod
    def address(self, who: str) -> str:
        """Return the account of a bot, or of the person, "ann"."""

    # For tests; each may be called in any thread

    def said(self) -> list[Said]:
        """Return all messages that are there, those of one conversation in their order."""
        return self._call(self._said)

    def count(self) -> int:
        """Return how many messages the bots have posted so far, removed ones too."""
        return self._call(self._count)

    def refusals(self) -> int:
        """Return how many calls were answered by 429."""
        return self._call(self._refusals)

    def upload(self, name: str, content: bytes) -> None:
        """Let the person post a file in the room."""
        self._call(lambda: self._upload(name, content))

    def ask(self, bot: str, text: str) -> float:
        """Let the person say something to a bot; return when that was, by `time.monotonic`."""

        def ask() -> float:
            moment = time.monotonic()
            self._ask(bot, text)
            return moment

        return self._call(ask)

    def cut(self, bot: str) -> None:
        """Break a bot's connection; the platform forgets what was under way to it."""
        self._call(lambda: self._cut(bot))

    def switch_off(self) -> str:
        """Turn off something that alice needs; return what `ocft doctor` has to name."""
        return self._call(self._switch_off)

    # What each of them has

    @abc.abstractmethod
    async def _open(self) -> None:
        """Start the server; `_stack` ends it."""

    @abc.abstractmethod
    def _said(self) -> list[Said]: ...

    @abc.abstractmethod
    def _count(self) -> int: ...

    @abc.abstractmethod
    def _refusals(self) -> int: ...

    @abc.abstractmethod
    def _upload(self, name: str, content: bytes) -> None: ...

    @abc.abstractmethod
    def _ask(self, bot: str, text: str) -> None: ...

    @abc.abstractmethod
    def _cut(self, bot: str) -> None: ...

    @abc.abstractmethod
    def _switch_off(self) -> str: ...

    def _call(self, work: Callable[[], _T]) -> _T:
        async def do() -> _T:
            return work()

        return self._run(do())

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


class TelegramStandIn(StandIn):
    """Telegram: the bots may write to each other, and hear everything in the group."""

    name = "telegram"

    async def _open(self) -> None:
        server = TelegramServer(TelegramLimits(speed=self.speed))
        self.server = await self._stack.enter_async_context(server)
        self._bots = {
            bot: self.server.add_bot(f"{bot}_ocft_bot", bot_to_bot=True, privacy=False)
            for bot in BOTS
        }
        self._ann = self.server.add_person("Ann")
        self.room = self.server.add_group("OCFT", *self._bots.values(), self._ann)

    def environment(self, bot: str) -> dict[str, str]:
        return {"OCFT_TELEGRAM_TOKEN": self._bots[bot].token}

    def section(self, bot: str, *, in_room: bool = False) -> dict[str, Any]:
        if in_room:
            return {"api_url": self.server.url, "chat": self.room.id}
        others = [other.username for name, other in self._bots.items() if name != bot]
        return {"api_url": self.server.url, "meet": [f"@{other}" for other in others]}

    def address(self, who: str) -> str:
        return str(self._ann.id if who == "ann" else self._bots[who].id)

    def _said(self) -> list[Said]:
        return [
            Said(
                str(message.author.id),
                message.text,
                ((message.file.name, message.file.path.read_bytes()),) if message.file else (),
            )
            for room in self.server.rooms
            for message in self.server.history(room)
        ]

    def _count(self) -> int:
        requests = self.server.counters.requests
        return requests["sendMessage"] + requests["sendDocument"]

    def _refusals(self) -> int:
        return self.server.counters.refused[429]

    def _upload(self, name: str, content: bytes) -> None:
        self.server.say(self._ann, self.room, file=content, file_name=name)

    def _ask(self, bot: str, text: str) -> None:
        self.server.say(self._ann, self._bots[bot], text)

    def _cut(self, bot: str) -> None:
        self.server.drop_connections()

    def _switch_off(self) -> str:
        self._bots["bob"].bot_to_bot = False
        return "Bot-to-Bot Communication Mode"


class DiscordStandIn(StandIn):
    """Discord: a text channel."""

    name = "discord"

    async def _open(self) -> None:
        self.server = await self._stack.enter_async_context(DiscordServer(speed=self.speed))
        self._accounts = {bot: self.server.add_bot(bot) for bot in BOTS}
        self._accounts["ann"] = self.server.add_person("ann")
        self.room = self.server.add_room("files", *self._accounts.values())

    def environment(self, bot: str) -> dict[str, str]:
        return {"OCFT_DISCORD_TOKEN": self._accounts[bot].token}

    def section(self, bot: str, *, in_room: bool = False) -> dict[str, Any]:
        return {
            "channel": str(self.room.id),
            "api_url": self.server.api_url,
            "gateway_url": self.server.gateway_url,
        }

    def address(self, who: str) -> str:
        return str(self._accounts[who].id)

    def _said(self) -> list[Said]:
        return [
            Said(
                str(message.author.id),
                message.content,
                tuple((file.name, file.path.read_bytes()) for file in message.attachments),
            )
            for message in self.server.history(self.room)
        ]

    def _count(self) -> int:
        return self.server.counters.requests["create_message"]

    def _refusals(self) -> int:
        return self.server.counters.rate_limited.total()

    def _upload(self, name: str, content: bytes) -> None:
        self.server.say(self._accounts["ann"], self.room, file=content, name=name)

    def _ask(self, bot: str, text: str) -> None:
        self.server.say(self._accounts["ann"], self.room, text)

    def _cut(self, bot: str) -> None:
        self.server.drop(self._accounts[bot], memory=False)

    def _switch_off(self) -> str:
        self._accounts["alice"].message_content = False
        return "Message Content Intent"


class SlackStandIn(StandIn):
    """Slack: a public channel."""

    name = "slack"

    async def _open(self) -> None:
        server = SlackServer(limits=SlackLimits(speed=self.speed))
        self.server = await self._stack.enter_async_context(server)
        self._apps = {bot: self.server.app(bot) for bot in BOTS}
        self._ann = self.server.person("ann")
        self.room = self.server.channel("exchange", members=[*self._apps.values(), self._ann])

    def environment(self, bot: str) -> dict[str, str]:
        app = self._apps[bot]
        return {"OCFT_SLACK_BOT_TOKEN": app.bot_token, "OCFT_SLACK_APP_TOKEN": app.app_token}

    def section(self, bot: str, *, in_room: bool = False) -> dict[str, Any]:
        return {"channel": self.room.id, "api_url": self.server.api_url}

    def address(self, who: str) -> str:
        return self._ann.user_id if who == "ann" else self._apps[who].user_id

    def _said(self) -> list[Said]:
        return [
            Said(
                message["user"],
                message["text"],
                tuple(
                    (file["name"], self.server.file_path(file["id"]).read_bytes())
                    for file in message.get("files", ())
                    if file.get("mode") != "tombstone"
                ),
            )
            for message in self.server.history(self.room)
        ]

    def _count(self) -> int:
        requests = self.server.counters.requests
        return requests["chat.postMessage"] + requests["files.completeUploadExternal"]

    def _refusals(self) -> int:
        return self.server.counters.rate_limited.total()

    def _upload(self, name: str, content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            path.write_bytes(content)
            self.server.say(self.room, by=self._ann, file=path, file_name=name)

    def _ask(self, bot: str, text: str) -> None:
        self.server.say(self.room, text, by=self._ann)

    def _cut(self, bot: str) -> None:
        self.server.cut_sockets(self._apps[bot], memory=False)

    def _switch_off(self) -> str:
        self._apps["alice"].scopes -= {"files:read"}
        return "files:read"


STAND_INS: dict[str, type[StandIn]] = {
    one.name: one for one in (TelegramStandIn, DiscordStandIn, SlackStandIn)
}
"""All of them, by the names of their adapters."""
