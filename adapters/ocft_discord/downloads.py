"""Fetching attachments: in pieces, from Discord's own servers only, and without the token.

An attachment's address is signed and valid for about a day; after that the message is asked for
another one, once.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

import aiohttp
import discord
import yarl
from discord.http import Route

from ocft.channels import IncomingFile
from ocft.errors import ChannelClosedError, ChannelError, RateLimitedError
from ocft_discord.refusals import explain_question

_log = logging.getLogger(__name__)

_HOSTS: Final = frozenset({"https://cdn.discordapp.com", "https://media.discordapp.net"})
_API_HOST: Final = "discord.com"
_PIECE: Final = 256 * 1024
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
_MOST_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_BROKEN: Final = (aiohttp.ClientError, TimeoutError, ConnectionError, RuntimeError)
"""Of the network; not every OSError, for the disk may be full."""
_GONE: Final = frozenset({401, 403, 404, 410})
_OK: Final = 200
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_PAGE: Final = "text/html"


class _ExpiredError(Exception):
    """An address leads nowhere, or not any more."""


class Downloads:
    """Fetches what hangs on messages.

    Args:
        client: Returns a client that is logged in; raises ChannelError if there is none.
        transport: Returns how aiohttp has to connect.
    """

    def __init__(
        self,
        client: Callable[[], Awaitable[discord.Client]],
        transport: Callable[[], dict[str, Any]],
    ) -> None:
        self._client = client
        self._transport = transport
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False

    def files_of(self, message: discord.Message) -> tuple[IncomingFile, ...]:
        """Return what hangs on a message."""
        room, message_id = message.channel.id, message.id
        return tuple(
            IncomingFile(
                one.filename, one.size, self._fetcher(room, message_id, one), id=str(one.id)
            )
            for one in message.attachments
        )

    async def close(self) -> None:
        """Break off what is under way. Closing twice is fine."""
        self._is_closed = True
        if self._session is not None:
            await self._session.close()

    def _fetcher(
        self, room: int, message_id: int, attachment: discord.Attachment
    ) -> Callable[[BinaryIO], Awaitable[None]]:
        async def fetch(sink: BinaryIO) -> None:
            try:
                await self._download(attachment.url, attachment, sink)
            except _ExpiredError:
                fresh = await self._fresh_url(room, message_id, attachment.id)
                try:
                    await self._download(fresh, attachment, sink)
                except _ExpiredError:
                    raise ChannelError("The attachment is gone.") from None

        return fetch

    async def _fresh_url(self, room: int, message_id: int, attachment_id: int) -> str:
        client = await self._client()
        try:
            message = await client.get_partial_messageable(room).fetch_message(message_id)
        except discord.NotFound:
            raise ChannelError("The attachment is gone, with its message.") from None
        except Exception as error:  # noqa: BLE001 - discord.py lets through what aiohttp raises
            raise explain_question(error) from None
        for one in message.attachments:
            if one.id == attachment_id:
                return one.url
        raise ChannelError("The attachment was taken from its message.")

    async def _download(self, url: str, attachment: discord.Attachment, sink: BinaryIO) -> None:
        if self._is_closed:
            raise ChannelClosedError("The channel was closed.")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()
            )
        try:
            target = yarl.URL(url, encoded=True)  # as it was signed
            for _ in range(1 + _MOST_REDIRECTS):
                _require_host(target)
                async with self._session.get(
                    target,
                    allow_redirects=False,
                    headers={"Accept-Encoding": "identity"},
                    **self._transport(),
                ) as answer:
                    if answer.status not in _REDIRECTS:
                        return await _take(answer, attachment, sink)
                    target = target.join(yarl.URL(answer.headers.get("Location", "")))
        except ValueError:
            raise ChannelError("An attachment has no proper address.") from None
        except _BROKEN as error:
            # Not the error's words: the address lets everybody read.
            raise ChannelClosedError(f"A download broke off ({type(error).__name__}).") from None
        raise ChannelError("A download is sent from one place to the next.")


def _require_host(target: yarl.URL) -> None:
    allowed = set(_HOSTS)
    api = urlsplit(Route.BASE)
    if api.netloc != _API_HOST:  # the owner's own server, such as the stand-in
        allowed.add(f"{api.scheme}://{api.netloc}")
    if str(target.origin()) not in allowed:
        raise ChannelError(f"An attachment leads to another host: {target.host!r}.")


async def _take(
    answer: aiohttp.ClientResponse, attachment: discord.Attachment, sink: BinaryIO
) -> None:
    if answer.status in _GONE:
        raise _ExpiredError
    if answer.status == _TOO_MANY:
        raise RateLimitedError("Downloads are too many.", retry_after=_retry_after(answer))
    if answer.status >= _SERVER_ERROR:
        raise ChannelClosedError(f"A download failed: status {answer.status}.")
    if answer.status != _OK:
        raise ChannelError(f"A download failed: status {answer.status}.")
    is_page = (attachment.content_type or "").startswith(_PAGE)
    if answer.content_type == _PAGE and not is_page:
        raise ChannelClosedError("A page came instead of the file.")
    left = attachment.size
    async for piece in answer.content.iter_chunked(_PIECE):
        left -= len(piece)
        if left < 0:
            raise ChannelError(f"A file has more than the {attachment.size} bytes it should have.")
        sink.write(piece)
    if left:
        raise ChannelClosedError(f"A download ended {left} bytes too early.")


def _retry_after(answer: aiohttp.ClientResponse) -> float:
    try:
        return float(answer.headers["Retry-After"])
    except (KeyError, ValueError):
        return 1.0
