"""Socket Mode: the connection over which Slack delivers events.

slack-sdk's own client closes the old connection before it opens the next one, tries a dead address
for ever and never returns for a bad token. This one keeps the old connection until the new one is
there, asks for a new address each time, and ends only if the token is not good.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, Final, Never

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from ocft.errors import ChannelError, RateLimitedError
from ocft_slack.calls import (
    CALL_SECONDS,
    ApiError,
    TokenError,
    answer_of,
    body_of,
    sleep_as_told,
    transport,
)

_log = logging.getLogger(__name__)
_HEARTBEAT: Final = 15.0  # seconds between pings; a missing answer ends the connection
_HEALTHY: Final = 10.0  # seconds; a connection that lived longer was no failure
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0  # seconds, which keeps far below the limit for new addresses
_LAST_WORDS: Final = 10.0
"""Seconds for which a connection is read that Slack is about to close."""
_RENEWALS: Final = ("refresh_requested", "warning")

Take = Callable[[dict[str, Any]], bool]
"""Takes the payload of an envelope; returns whether it may be acknowledged. It does not raise."""


class SocketMode:
    """Keeps a connection to Slack, for ever.

    Args:
        web: The client.
        session: Carries the connection.
        app_token: The app-level token.
        take: Is given what comes.
        connected: Called whenever a connection was made: what was said before may be missing. It
            is told how many other connections the app has; each event goes to any one of them.
    """

    def __init__(
        self,
        web: AsyncWebClient,
        session: aiohttp.ClientSession,
        app_token: str,
        *,
        take: Take,
        connected: Callable[[int], None],
    ) -> None:
        self._web = web
        self._session = session
        self._app_token = app_token
        self._take = take
        self._connected = connected
        self._readers: set[asyncio.Task[None]] = set()
        self._failures = 0

    async def run(self) -> Never:
        """Connect, read, and connect again.

        Raises:
            TokenError: The token is not good.
        """
        loop = asyncio.get_running_loop()
        try:
            while True:
                connection = await self._next_connection()
                began = loop.time()
                reader = loop.create_task(connection.read(), name="ocft slack socket")
                self._readers.add(reader)
                reader.add_done_callback(self._readers.discard)
                await connection.is_over.wait()
                if connection.was_renewed or loop.time() - began >= _HEALTHY:
                    self._failures = 0
        finally:
            readers = list(self._readers)
            for reader in readers:
                reader.cancel()
            if readers:
                await asyncio.wait(readers)

    def _said_hello(self, connections: int) -> None:
        # Two of them are ours, while one replaces the other.
        self._connected(max(connections - len(self._readers), 0))

    async def _next_connection(self) -> "_Connection":
        has_warned = False
        while True:
            if self._failures:
                await asyncio.sleep(
                    min(_FIRST_PAUSE * 2 ** min(self._failures - 1, 10), _LONGEST_PAUSE)
                )
            self._failures += 1
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    websocket = await self._open()
            except TokenError:
                raise
            except RateLimitedError as error:
                reason = str(error)
                await sleep_as_told(error)
            except ChannelError as error:
                reason = str(error)
            except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:
                # Without its words: they hold the address, which is as good as a token.
                reason = type(error).__name__
            else:
                if has_warned:
                    _log.info("Slack is connected again")
                return _Connection(websocket, self._take, self._said_hello)
            if not has_warned:
                has_warned = True
                _log.warning("Slack cannot be connected (%s); it is tried until it can", reason)

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        try:
            answer = await answer_of(self._web.apps_connections_open(app_token=self._app_token))
        except ApiError as error:
            if error.word in ("missing_scope", "no_permission"):
                raise TokenError(error.word) from None
            raise
        url = body_of(answer).get("url")
        if not isinstance(url, str):
            raise ChannelError("Slack gave no address for Socket Mode.")
        websocket: aiohttp.ClientWebSocketResponse = await self._session.ws_connect(
            url, heartbeat=_HEARTBEAT, **transport(self._web)
        )
        return websocket


class _Connection:
    """One WebSocket.

    Attributes:
        is_over: Set when another one is needed.
        was_renewed: Whether Slack asked for another one, as it does every few hours.
    """

    def __init__(
        self,
        websocket: aiohttp.ClientWebSocketResponse,
        take: Take,
        said_hello: Callable[[int], None],
    ) -> None:
        self.is_over = asyncio.Event()
        self.was_renewed = False
        self._is_greeted = False
        self._websocket = websocket
        self._take = take
        self._said_hello = said_hello
        self._deadline: asyncio.Timeout | None = None

    async def read(self) -> None:
        """Hand on what comes, until the connection ends."""
        try:
            async with asyncio.timeout(None) as self._deadline:
                async for message in self._websocket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        await self._take_text(message.data)
        except (aiohttp.ClientError, OSError) as error:  # or its time is over
            _log.debug("a connection to Slack ended: %s", type(error).__name__)
        finally:
            self.is_over.set()
            await self._websocket.close()

    async def _take_text(self, text: str) -> None:
        try:
            envelope = json.loads(text)
        except (ValueError, RecursionError):
            envelope = None
        if not isinstance(envelope, dict):
            _log.debug("dropped what is no envelope")
            return
        match envelope.get("type"):
            case "hello":
                self._is_greeted = True
                connections = envelope.get("num_connections")
                self._said_hello(connections if isinstance(connections, int) else 0)
            case "disconnect":
                reason = str(envelope.get("reason"))[:40]
                _log.debug("Slack closes a connection: %s", reason)
                self.was_renewed = self._is_greeted and reason in _RENEWALS
                self.is_over.set()
                if self._deadline is not None:
                    self._deadline.reschedule(asyncio.get_running_loop().time() + _LAST_WORDS)
            case _:
                await self._take_envelope(envelope)

    async def _take_envelope(self, envelope: dict[str, Any]) -> None:
        envelope_id, payload = envelope.get("envelope_id"), envelope.get("payload")
        is_taken = self._take(payload if isinstance(payload, dict) else {})
        if is_taken and isinstance(envelope_id, str):
            # Only now: what was not taken comes again.
            await self._websocket.send_str(json.dumps({"envelope_id": envelope_id}))
