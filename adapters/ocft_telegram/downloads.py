"""Files of messages, downloaded in pieces; the SDK's own way holds all of a file in memory."""

from http import HTTPStatus
from typing import BinaryIO, Final
from urllib.parse import quote

import httpx
from telegram import Bot

from ocft.errors import ChannelClosedError, ChannelError, RateLimitedError
from ocft_telegram.calls import TIMES, Calls, certificates
from ocft_telegram.failures import cause_of, words_of

_PIECE: Final = 256 * 1024  # bytes
_TIMES: Final = httpx.Timeout(30.0, connect=10.0)
_MOST_CONNECTIONS: Final = 8
_WEB_PAGE: Final = "text/html"
# Telegram answers 404 for an address that has expired; 401, 403 and 410 would mean the same.
_EXPIRED: Final = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.GONE,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
)


class Downloads:
    """Downloads what hangs on the bot's messages.

    Args:
        bot: Whose messages.
        calls: Makes calls.
        largest: Bytes of the largest file that the server gives; None: it says so itself.
    """

    def __init__(self, bot: Bot, calls: Calls, *, largest: int | None) -> None:
        self._bot = bot
        self._calls = calls
        self._largest = largest
        self._client: httpx.AsyncClient | None = None
        self._is_closed = False

    async def fetch(self, file_id: str, size: int, sink: BinaryIO, *, is_page: bool) -> None:
        """Download a file into another one, at its place.

        Args:
            file_id: This bot's id of it.
            size: Its bytes, by Telegram's word.
            sink: Where it goes.
            is_page: Whether a web page is what was sent.

        Raises:
            ChannelClosedError: It broke off; another try may help.
            ChannelError: It cannot be had.
        """
        if self._largest is not None and size > self._largest:
            raise ChannelError(
                f"The file has {size} bytes, and Telegram gives a bot {self._largest} at most."
            )
        for _ in range(2):  # the address may have expired meanwhile: then there is another one
            if await self._download(await self._address(file_id), size, sink, is_page=is_page):
                return
        raise ChannelError("Telegram has the file no more.")

    async def close(self) -> None:
        """Close the connections; downloads under way break off."""
        self._is_closed = True
        if self._client is not None:
            await self._client.aclose()

    async def _address(self, file_id: str) -> str:
        file = await self._calls.look(self._bot.get_file(file_id, **TIMES))
        base = f"{self._bot.base_file_url}/"
        # The SDK leaves a path as it is if there happens to be such a file here.
        path = (file.file_path or "/").removeprefix(base)
        if path.startswith("/") or ".." in path:
            raise ChannelError(
                "The Bot API server gives a path on its disk and not a file: it runs with "
                "--local, which OCFT cannot use."
            )
        return base + quote(path)

    async def _download(self, address: str, size: int, sink: BinaryIO, *, is_page: bool) -> bool:
        """Return False if there is nothing at that address."""
        if self._is_closed:
            raise ChannelClosedError("The channel telegram was closed.")
        if self._client is None:
            limits = httpx.Limits(max_connections=_MOST_CONNECTIONS)
            # No redirects: the address holds the token, and Telegram sends nobody elsewhere.
            self._client = httpx.AsyncClient(
                timeout=_TIMES, limits=limits, verify=certificates(), follow_redirects=False
            )
        token = self._bot.token
        try:
            # A compressed answer could grow to any size here.
            headers = {"Accept-Encoding": "identity"}
            async with self._client.stream("GET", address, headers=headers) as answer:
                if answer.status_code in _EXPIRED:
                    return False
                _check(answer, size, is_page=is_page)
                left = size
                async for piece in answer.aiter_raw(_PIECE):
                    left -= len(piece)
                    if left < 0:
                        raise ChannelError(f"The file has more than the {size} bytes it should.")
                    sink.write(piece)
        except (httpx.HTTPError, httpx.StreamError, RuntimeError) as error:
            words = words_of(error, token)
            raise ChannelClosedError(f"The download broke off: {words}.") from cause_of(
                error, token
            )
        if left:
            raise ChannelClosedError(f"The download broke off, {left} of {size} bytes before.")
        return True


def _check(answer: httpx.Response, size: int, *, is_page: bool) -> None:
    """Refuse what is no file, before anything is written.

    Raises:
        RateLimitedError: Telegram wants a pause.
        ChannelClosedError: Another try may help.
        ChannelError: It may not.
    """
    status = answer.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        told = answer.headers.get("Retry-After", "")
        seconds = float(told) if told.isdecimal() else 1.0
        raise RateLimitedError("Telegram wants a pause before downloads.", retry_after=seconds)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ChannelClosedError(f"Telegram does not give the file now: status {status}.")
    if status != HTTPStatus.OK:
        raise ChannelError(f"Telegram does not give the file: status {status}.")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise ChannelError("The file came compressed, which nobody asked for.")
    if answer.headers.get("Content-Type", "").startswith(_WEB_PAGE) and not is_page:
        raise ChannelError("A web page came instead of the file; is there a login in between?")
    told = answer.headers.get("Content-Length", "")
    if told.isdigit() and int(told) != size:
        raise ChannelError(f"The file has {told} bytes, and should have {size}.")
