"""The client that a channel works with: one of the bot's owner, or one of our own.

Our own only logs in at first, which posting needs. It connects to the gateway when somebody reads:
Discord takes a token away that does so too often.

A client of discord.py can end by one bad event or a failed handshake, so our own is supervised:
another one is made, less and less often, until the channel is closed. What came meanwhile is found
in the channel's history.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import discord

from ocft.channels import TokenBucket
from ocft.errors import ChannelClosedError, ChannelError
from ocft_discord.ears import Ears
from ocft_discord.refusals import explain, is_final, pause_of

_log = logging.getLogger(__name__)

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 120.0
"""Seconds between two clients."""
# Discord takes a token away that identifies 1,000 times in 24 hours. These allow 900.
_IDENTIFIES_PER_SECOND: Final = 700 / 86400
_IDENTIFIES_AT_ONCE: Final = 200
_LONG_LIFE: Final = 60.0
"""Seconds that a client must have lived for the next pause to be short again."""
_PATIENCE: Final = 60.0
"""Seconds for the first connection, and for a client to be there when something is sent."""
_FAREWELL: Final = 2.0
_NO_INTENT: Final = 4014
_FINAL_CODES: Final = frozenset({4004, 4010, 4011, 4012, 4013})
"""Close codes after which the same client would be refused again; 4004: the token."""
_LONGEST_RATE_LIMIT: Final = 30.0
"""Seconds that discord.py may wait by itself, no less than its minimum; more is told to us."""

INTENT_WORDS: Final = (
    "Without the Message Content intent, only texts that mention this bot are readable: "
    "Developer Portal, your application, Bot, Privileged Gateway Intents, Message Content Intent."
)


class Connection(Protocol):
    """What a channel needs of either."""

    failure: ChannelError | None
    """Why nothing will ever come again; None while there is hope."""

    def listen(self) -> None:
        """Begin to hear; twice is fine."""

    async def client(self) -> discord.Client:
        """Return a client that is logged in; raises ChannelError if there is none."""

    def transport(self) -> dict[str, Any]:
        """Return how aiohttp has to connect to reach what the client reaches."""

    async def close(self) -> None:
        """Stop listening, and give back what is ours."""


class Attached:
    """A client that belongs to the bot's owner.

    Args:
        client: It runs already.
        on_message: See `Ears`.
        on_gap: See `Ears`.

    Raises:
        ChannelError: The client does not run yet.
    """

    def __init__(
        self,
        client: discord.Client,
        *,
        on_message: Callable[[discord.Message], None],
        on_gap: Callable[[], None],
    ) -> None:
        self.failure: ChannelError | None = None
        self._client = client
        self._ears = Ears(client, on_message=on_message, on_gap=on_gap)
        if not client.intents.message_content:
            _log.warning(INTENT_WORDS)

    def listen(self) -> None:
        """Do nothing: its owner has connected it."""

    async def client(self) -> discord.Client:
        """Return the client.

        Raises:
            ChannelClosedError: Its owner has closed it.
        """
        if self._client.is_closed():
            raise ChannelClosedError("The bot was closed.")
        return self._client

    def transport(self) -> dict[str, Any]:
        """Return the proxy that its owner gave it, and what that wants to see."""
        http = self._client.http
        return {"proxy": http.proxy, "proxy_auth": http.proxy_auth}

    async def close(self) -> None:
        """Stop listening; the client is not touched."""
        await self._ears.close()


class Supervised:
    """A connection of our own.

    Args:
        token: The bot's token.
        on_message: See `Ears`.
        on_gap: See `Ears`; also called when nothing will ever come again.
    """

    def __init__(
        self,
        token: str,
        *,
        on_message: Callable[[discord.Message], None],
        on_gap: Callable[[], None],
    ) -> None:
        self.failure: ChannelError | None = None
        self.reads_content = True
        """Whether texts that do not mention us are readable; known after `connected`."""
        self._token = token
        self._on_message = on_message
        self._on_gap = on_gap
        self._client: discord.Client | None = None
        self._has_client = asyncio.Event()
        self._logged_in: _Client | None = None
        """A client that has logged in and is not connected yet."""
        self._settled = asyncio.Event()
        """The first connection is there, or has failed."""
        self._first_error: ChannelError | None = None
        self._is_told = False
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Log in.

        Raises:
            ChannelError: Discord cannot be reached, or does not know the token.
        """
        client = self._logged_in = self._make_client()
        try:
            async with asyncio.timeout(_PATIENCE):
                await client.login(self._token)
        except Exception as error:  # noqa: BLE001 - discord.py lets through what aiohttp raises
            self.failure = _explain_end(error) if _is_final_end(error) else None
            await self.close()
            raise _explain_end(error) from None
        except BaseException:
            await self.close()
            raise

    def listen(self) -> None:
        """Begin to connect, again and again if need be; twice is fine."""
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._supervise(), name="ocft discord connection")

    async def connected(self) -> None:
        """Connect for the first time, and wait until that is done.

        Raises:
            ChannelError: The gateway cannot be reached, or does not take us.
        """
        self.listen()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._settled.wait()
        except TimeoutError:
            raise ChannelClosedError("Discord cannot be reached: no answer.") from None
        if self._first_error is not None:
            raise self._first_error

    async def client(self) -> discord.Client:
        """Return the client of the moment; wait for one if there is none.

        Raises:
            ChannelClosedError: There is none, and none came.
            ChannelError: Discord does not know the token any more.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._has_client.wait()
        if self.failure is not None:
            raise ChannelError(str(self.failure))
        if self._client is None:
            raise ChannelClosedError("There is no connection to Discord.")
        return self._client

    def transport(self) -> dict[str, Any]:
        """Return nothing: as discord.py, this uses no proxy that nobody gave it."""
        return {}

    async def close(self) -> None:
        """End the connection. Closing twice is fine."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._logged_in is not None:
            client, self._logged_in = self._logged_in, None
            await _end(client)
        self._client = None
        self._has_client.set()  # whoever waits for a client is told that there is none

    async def _supervise(self) -> None:
        pause = FIRST_PAUSE
        clock = asyncio.get_running_loop().time
        identified = TokenBucket(_IDENTIFIES_PER_SECOND, _IDENTIFIES_AT_ONCE)
        while self.failure is None:
            began = clock()
            try:
                await self._live()
                error: Exception = ConnectionResetError("closed by Discord")
            except Exception as ended:  # noqa: BLE001 - discord.py ends by whatever a bad event raises
                error = ended
            if _lacks_intent(error) and self.reads_content:
                self.reads_content = False
                _log.warning(INTENT_WORDS)
                continue
            self._note(error)
            if self.failure is None:
                if clock() - began >= _LONG_LIFE:
                    pause = FIRST_PAUSE
                identified.take(began)
                told = pause_of(explain(error))  # who is banned for a while makes it longer
                await asyncio.sleep(max(pause, told, identified.wait_before(clock())))
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _live(self) -> None:
        """Let one client live."""
        client, self._logged_in = self._logged_in, None
        # Not again by itself: it would log each try, and not survive all of them.
        if client is not None:
            life = client.connect(reconnect=False)
        else:
            client = self._make_client()
            life = client.start(self._token, reconnect=False)
        running = asyncio.create_task(life, name="ocft discord client")
        try:
            await asyncio.shield(running)
        finally:
            self._client = None
            if not self._closed:
                self._has_client.clear()
            await _end(client, running)

    def _make_client(self) -> "_Client":
        return _Client(self._hook, reads_content=self.reads_content)

    def _hook(self, client: "_Client") -> None:
        client.ears = Ears(client, on_message=self._on_message, on_gap=self._connected)
        self._client = client
        self._has_client.set()

    def _connected(self) -> None:
        if self._is_told:
            _log.info("Discord is connected again")
        self._is_told = False
        self._settled.set()
        self._on_gap()

    def _note(self, error: Exception) -> None:
        explained = _explain_end(error)
        if _is_final_end(error):
            self.failure = explained
            self._has_client.set()
        if not self._settled.is_set():
            self._first_error = explained
            self._settled.set()
        # Once is enough: the log of a night without network is short.
        level = logging.DEBUG if self._is_told else logging.WARNING
        _log.log(level, "the connection to Discord ended: %s", explained)
        self._is_told = True
        self._on_gap()


class _Client(discord.Client):
    """As small a client as there can be: no caches but the list of servers."""

    ears: Ears | None = None

    def __init__(self, hook: Callable[["_Client"], None], *, reads_content: bool) -> None:
        super().__init__(
            intents=discord.Intents(
                guilds=True, guild_messages=True, message_content=reads_content
            ),
            max_messages=None,
            chunk_guilds_at_startup=False,
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=0.0,  # the list of servers is not waited for
            max_ratelimit_timeout=_LONGEST_RATE_LIMIT,
        )
        self._hook = hook

    async def setup_hook(self) -> None:
        """Listen before the first event can come."""
        self._hook(self)


def point_sdk_at(api_url: str, gateway_url: str) -> None:
    """Let discord.py, in this whole process, talk to another server, such as the stand-in.

    Args:
        api_url: Where its REST interface is, with the version: "http://127.0.0.1:8081/api/v10".
        gateway_url: Where its gateway is: "ws://127.0.0.1:8081/".
    """
    import yarl
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

    Route.BASE = api_url.rstrip("/")
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


async def _end(client: _Client, *running: "asyncio.Task[None]") -> None:
    """End a client whatever state it is in; nothing of it is left."""
    tasks: list[asyncio.Task[Any]] = [*running]
    await _close_quietly(client.close())
    if tasks:
        await asyncio.wait(tasks, timeout=_FAREWELL)
    # discord.py leaves this one behind when it is closed soon after it was ready.
    if (ready := client._connection._ready_task) is not None:  # noqa: SLF001 - there is no other way
        tasks.append(ready)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await _close_quietly(client.http.close())  # a login may have made its session late
    if client.ears is not None:
        await client.ears.close()


async def _close_quietly(closing: Awaitable[None]) -> None:
    try:
        await closing
    except Exception as error:  # noqa: BLE001 - whatever state it was in, it is left
        _log.debug("Discord: something was not closed cleanly: %r", error)


def _lacks_intent(error: Exception) -> bool:
    return isinstance(error, discord.PrivilegedIntentsRequired) or (
        isinstance(error, discord.ConnectionClosed) and error.code == _NO_INTENT
    )


def _is_final_end(error: Exception) -> bool:
    if isinstance(error, discord.ConnectionClosed):
        return error.code in _FINAL_CODES
    return isinstance(error, discord.LoginFailure) or is_final(error)


def _explain_end(error: Exception) -> ChannelError:
    if isinstance(error, discord.LoginFailure) or _is_final_end(error):
        return ChannelError(
            "Discord does not know the token (any more): Developer Portal, your application, Bot, "
            "Reset Token."
        )
    if isinstance(error, discord.ConnectionClosed):
        return ChannelClosedError(f"Discord closed the connection with code {error.code}.")
    return ChannelClosedError(str(explain(error)))
