"""The stand-in as a whole: real sockets around the world."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from aiohttp import web

from tests.emulators.discord.cdn import Cdn
from tests.emulators.discord.counters import Counters
from tests.emulators.discord.directory import Directory
from tests.emulators.discord.faults import Faults
from tests.emulators.discord.gateway import Gateway
from tests.emulators.discord.limits import Limits
from tests.emulators.discord.messages import Messages
from tests.emulators.discord.rest import Rest
from tests.emulators.discord.things import Account
from tests.emulators.discord.world import World


class DiscordServer(World):
    """Discord's REST interface, gateway and CDN on one port of 127.0.0.1.

    To be entered with `async with`; what the methods of `World` do may be done before and within.

    Args:
        port: 0 for any.
        limits: The platform's numbers.
        speed: What the lengths of the platform's windows are divided by.
        seed: Of the faults that have a probability.

    Attributes:
        faults: Planned misfortune.
        counters: What happened.
        url: "http://127.0.0.1:PORT", while the server runs.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        limits: Limits | None = None,
        speed: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(limits=limits, speed=speed)
        self.url = ""
        self.counters = Counters()
        self.faults = Faults(random.Random(seed))
        self._port = port
        self._ending = asyncio.Event()
        self._cdn = Cdn(self, self.faults, self.counters, self._ending)
        self._gateway = Gateway(self, self._cdn, self.faults, self.counters)
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=2.0)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = self._cdn.url = f"http://{host}:{port}"
        self._gateway.url = self.gateway_url
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._gateway.close()
        await self._runner.cleanup()
        self.remove_files()

    @property
    def api_url(self) -> str:
        """What `discord.http.Route.BASE` must be."""
        return f"{self.url}/api/v10"

    @property
    def gateway_url(self) -> str:
        """What `discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY` must be."""
        return f"ws{self.url.removeprefix('http')}/"

    @contextmanager
    def sdk(self) -> Iterator[None]:
        """Point discord.py, in this whole process, at this server for a while."""
        import yarl
        from discord.gateway import DiscordWebSocket
        from discord.http import Route

        kept = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
        Route.BASE = self.api_url
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(self.gateway_url)
        try:
            yield
        finally:
            Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = kept

    # ---- trouble with connections; behaviours 2, 7 and 10

    def drop(self, account: Account, *, code: int | None = None, memory: bool = True) -> None:
        """End a bot's gateway connections.

        Args:
            account: The bot.
            code: The close code (4000 and 4009 make dpy resume); None: a TCP reset.
            memory: Whether RESUME still works; else the events until the next READY are lost.
        """
        self._gateway.drop(account, code=code, memory=memory)

    def invalidate(self, account: Account) -> None:
        """Tell a bot that its session is over; dpy identifies again after 5 s."""
        self._gateway.invalidate(account)

    def ask_to_reconnect(self, account: Account) -> None:
        """Ask a bot to connect again, as Discord does every few hours; nothing is lost."""
        self._gateway.ask_to_reconnect(account)

    def mute(self, account: Account) -> None:
        """Let a bot's connections go dead without a sign; a new one works, and RESUME too."""
        self._gateway.mute(account)

    def revoke(self, account: Account) -> None:
        """Make a bot's token worthless: 401, and close code 4004."""
        self.reset_token(account)
        self._gateway.drop(account, code=4004, memory=False)

    def hold(self, account: Account) -> None:
        """Keep a bot's events back until `release`."""
        for session in self._gateway.of(account):
            session.held = session.held or []

    def release(self, account: Account, *, backwards: bool = False) -> None:
        """Send the events that were kept back, newest first if wanted."""
        for session in self._gateway.of(account):
            session.release(backwards=backwards)

    def malformed(self, account: Account) -> None:
        """Send a bot a MESSAGE_CREATE without its fields: it ends dpy's `Client.start`."""
        for session in self._gateway.of(account):
            session.dispatch("MESSAGE_CREATE", {"id": str(self.new_id())})

    def connected(self, account: Account) -> bool:
        """Whether a bot has a session with an open socket."""
        return any(session.socket is not None for session in self._gateway.of(account))

    def expire_urls(self) -> None:
        """Make all attachment links that were given so far worthless; behaviour 9."""
        self._cdn.expire_all()

    def _app(self) -> web.Application:
        rest = Rest(self, self.faults, self.counters, self._ending)
        people, texts = Directory(self), Messages(self, self._cdn, self.counters)
        room, guild = "/channels/{channel:[0-9]+}", "/guilds/{guild:[0-9]+}"
        message = room + "/messages/{message:[0-9]+}"
        user = "/{user:[0-9]+}"
        app = web.Application()
        app.add_routes(
            [
                rest.route("GET", "/users/@me", "get_current_user", people.me),
                rest.route("GET", "/users/@me/guilds", "get_my_guilds", people.my_guilds),
                rest.route("POST", "/users/@me/channels", "create_dm", people.direct),
                rest.route("GET", "/users" + user, "get_user", people.user),
                rest.route(
                    "GET", "/oauth2/applications/@me", "get_application", people.application
                ),
                rest.route("GET", guild, "get_guild", people.guild),
                rest.route("GET", guild + "/channels", "get_channels", people.guild_channels),
                rest.route("GET", guild + "/members" + user, "get_member", people.guild_member),
                rest.route("GET", room, "get_channel", people.channel),
                rest.route("PATCH", room, "edit_channel", people.edit_channel),
                rest.route("POST", room + "/typing", "typing", people.typing),
                rest.route("POST", room + "/threads", "start_thread", people.start_thread),
                rest.route("POST", message + "/threads", "start_thread", people.start_thread),
                rest.route("POST", room + "/messages", "create_message", texts.create),
                rest.route("GET", room + "/messages", "get_messages", texts.history),
                rest.route("GET", message, "get_message", texts.get),
                rest.route("PATCH", message, "edit_message", texts.edit),
                rest.route("DELETE", message, "delete_message", texts.delete),
                web.get("/attachments/{room}/{id:[0-9]+}/{name}", self._cdn.download),
                web.get("/media-proxy/{rest:.*}", self._cdn.proxy),
                web.get("/", self._gateway.handle),
            ]
        )
        return app
