"""The stand-in as a whole."""

import asyncio
import logging
import random
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from tests.emulators.slack import sockets
from tests.emulators.slack.api import Api
from tests.emulators.slack.chat import Chat
from tests.emulators.slack.conversations import Conversations
from tests.emulators.slack.counters import Counters
from tests.emulators.slack.events import Events
from tests.emulators.slack.faults import Faults
from tests.emulators.slack.files import Files
from tests.emulators.slack.limits import Limits
from tests.emulators.slack.storage import Storage
from tests.emulators.slack.text import stored
from tests.emulators.slack.timers import Timers
from tests.emulators.slack.world import (
    EVENTS,
    SCOPES,
    App,
    Channel,
    Kind,
    Message,
    Person,
    World,
)

HOST = "127.0.0.1"


class SlackServer:
    """One Slack workspace on 127.0.0.1, from `async with` to its end.

    Args:
        limits: The numbers of the platform, and the speed of its time.
        port: 0 for any free one.
        seed: Of all chance: which socket gets an event, scatter, probable faults.

    Attributes:
        counters: What happened.
        faults: What shall happen.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        port: int = 0,
        seed: int = 0,
    ) -> None:
        limits = limits or Limits()
        chance = random.Random(seed)
        self.counters = Counters()
        self.faults = Faults(chance)
        self._port = port
        self._away_port = 0
        self._stack = AsyncExitStack()
        self._closing = asyncio.Event()
        self._timers = Timers()
        # Closed by the exit of the server; holds the bytes of files until then.
        self._folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        self._world = World(Path(self._folder))
        self._sockets = sockets.Sockets(
            faults=self.faults,
            counters=self.counters,
            limits=limits,
            timers=self._timers,
            chance=chance,
        )
        events = Events(
            world=self._world,
            faults=self.faults,
            counters=self.counters,
            limits=limits,
            timers=self._timers,
            chance=chance,
            deliver=self._sockets.deliver,
        )
        self._world.on_event = events.publish
        self._files = Files(self._world, limits, self._timers, lambda: self.url)
        methods = (
            Chat(self._world, limits, lambda: self.url, self._socket_url).methods()
            | Conversations(self._world, limits).methods()
            | self._files.methods()
        )
        self._api = Api(
            world=self._world,
            methods=methods,
            faults=self.faults,
            counters=self.counters,
            limits=limits,
            closing=self._closing,
        )
        self._storage = Storage(
            api=self._api,
            files=self._files,
            faults=self.faults,
            counters=self.counters,
            other_host=lambda: f"http://localhost:{self._port}",
            away=lambda: f"http://{HOST}:{self._away_port}",
        )

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except OSError:  # the port is taken
            await self._stack.aclose()
            raise
        return self

    async def _start(self) -> None:
        self._port = await self._listen(
            [
                web.route("*", "/api/{method}", self._api.handle),
                web.get(sockets.PATH, self._sockets.handle),
                web.post("/upload/v1/{key}", self._storage.upload),
                web.get("/files-pri/{team}-{file}/download/{name}", self._storage.download),
                web.get("/files-pri/{team}-{file}/{name}", self._storage.download),
            ],
            self._port,
        )
        self._away_port = await self._listen([web.get("/{path:.*}", self._storage.away)], 0)

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        self._timers.close()
        self._sockets.close()
        await self._stack.aclose()

    async def _listen(self, routes: Iterable[web.RouteDef], port: int) -> int:
        """Serve routes until the exit, and return the port."""
        app = web.Application(logger=logging.getLogger(__name__))
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, HOST, port).start()
        return int(runner.addresses[0][1])

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://{HOST}:{self._port}"

    @property
    def api_url(self) -> str:
        """The `base_url` of slack-sdk's web clients; Socket Mode follows from it."""
        return f"{self.url}/api/"

    @property
    def file_hosts(self) -> tuple[str, str]:
        """The hosts, with ports, that play Slack's: a client may show them its token."""
        return f"{HOST}:{self._port}", f"localhost:{self._port}"

    # The world

    def app(
        self, name: str, *, scopes: Iterable[str] = SCOPES, events: Iterable[str] = EVENTS
    ) -> App:
        """Install an app; its `scopes` and `events` are sets that may be changed later."""
        return self._world.add_app(name, scopes, events)

    def person(self, name: str) -> Person:
        """Let a human join the workspace."""
        return self._world.add_person(name)

    def channel(
        self, name: str, *, members: Iterable[App | Person] = (), private: bool = False
    ) -> Channel:
        """Open a channel."""
        kind: Kind = "group" if private else "channel"
        return self._world.add_channel(name, kind, {member.user_id for member in members})

    def direct(self, app: App, person: Person) -> Channel:
        """The direct conversation of an app with a human."""
        return self._world.direct(app.user_id, person.user_id)

    def invite(self, channel: Channel, member: App | Person) -> None:
        """Make somebody a member."""
        channel.members.add(member.user_id)

    def remove(self, channel: Channel, member: App | Person) -> None:
        """End somebody's membership."""
        channel.members.discard(member.user_id)

    def say(
        self,
        channel: Channel,
        text: str = "",
        *,
        by: Person,
        file: Path | None = None,
        file_name: str | None = None,
        thread_ts: str | None = None,
    ) -> Message:
        """Post as a human.

        Args:
            channel: Where.
            text: As typed; it is altered as Slack does.
            by: Who.
            file: Shared with the text.
            file_name: Its name in Slack; by default that of `file`.
            thread_ts: Of the parent, for a reply.
        """
        text = stored(text, links=True)
        more: dict[str, Any] = {}
        if thread_ts:
            channel.messages[thread_ts]["thread_ts"] = more["thread_ts"] = thread_ts
        if file is None:
            return self._world.post(channel, by, text, **more)
        return self._files.share_as_person(channel, by, file, file_name or file.name, text, **more)

    def edit(self, channel: Channel, message: Message, text: str) -> None:
        """Change a message as its author; apps get `message_changed`."""
        self._world.edit(channel, message, stored(text, links=True))

    def delete(self, channel: Channel, message: Message) -> None:
        """Delete a message as its author; apps get `message_deleted`."""
        self._world.delete(channel, message)

    def history(self, channel: Channel) -> list[Message]:
        """All that is stored in a channel, oldest first, thread replies too."""
        return list(channel.messages.values())

    def file_path(self, file_id: str) -> Path:
        """Where the bytes of a file are."""
        return self._world.files[file_id].path

    def file_ids(self) -> list[str]:
        """The completed files that were not deleted."""
        files = self._world.files.values()
        return [file.id for file in files if file.completed and not file.deleted]

    def refuse_uploads(self, error: str) -> None:
        """Refuse all uploads, as an administrator can: `file_uploads_disabled`; "" allows them."""
        self._files.refusal = error

    def watch(self, call: Callable[[Channel, Message], None]) -> None:
        """Call for every event that is published, with its channel."""
        publish = self._world.on_event

        def both(event: Message, channel: Channel) -> None:
            publish(event, channel)
            call(channel, event)

        self._world.on_event = both

    # Socket Mode

    def sockets(self, app: App) -> int:
        """How many connections an app has open."""
        return self._sockets.count(app)

    def cut_sockets(self, app: App | None = None, *, memory: bool = True) -> None:
        """Reset connections; without memory their unacknowledged events are lost."""
        self._sockets.cut(app, memory=memory)

    def disconnect_sockets(self, app: App | None = None, reason: str = "refresh_requested") -> None:
        """Say `disconnect` and close.

        Args:
            app: Whose connections; None = all.
            reason: "refresh_requested", "link_disabled", "too_many_websockets", or "warning",
                which is followed by "refresh_requested" and the end 10 seconds later.
        """
        self._sockets.disconnect(app, reason)

    def freeze_sockets(self, app: App | None = None) -> None:
        """Keep connections open in silence: no events, no pongs."""
        self._sockets.freeze(app)

    def _socket_url(self, app: App) -> str:
        ticket = self._sockets.new_ticket(app)
        return f"ws://{HOST}:{self._port}{sockets.PATH}?ticket={ticket}&app_id={app.app_id}"
