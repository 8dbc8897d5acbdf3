"""Native files, down: streamed to the disk, with the token shown to Slack's own hosts only.

Slack answers whoever may not have a file with a sign-in page and status 200; and it redirects
between its hosts, where HTTP clients drop the token. So redirects are followed by hand.
"""

import logging
from typing import BinaryIO, Final
from urllib.parse import SplitResult, urljoin, urlsplit

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from ocft.channels import IncomingFile
from ocft.errors import ChannelClosedError, ChannelError, RateLimitedError
from ocft_slack.calls import (
    CALL_SECONDS,
    ApiError,
    answer_of,
    body_of,
    retry_after,
    transport,
)
from ocft_slack.messages import HeardFile, read_file

_log = logging.getLogger(__name__)
_PIECE: Final = 256 * 1024
_MOST_REDIRECTS: Final = 3
_SLACKS: Final = ("slack.com", "slack-gov.com")
_WITHOUT_TOKEN: Final = ("slack-edge.com", "slack-files.com")
"""Hosts of Slack's that may serve a file, to whom the token is not shown."""
_AS_IT_IS: Final = {"Accept-Encoding": "identity"}
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_SLOWEST: Final = 32 * 1024  # bytes a second; a download that is slower is given up


class _NotThisAddressError(ChannelError):
    """An address leads to no file (any more); another one may."""


class Downloads:
    """The way in for files.

    Args:
        web: The client; its API's host and the hosts below it may see the token.
        session: Carries the bytes.
    """

    def __init__(self, web: AsyncWebClient, session: aiohttp.ClientSession) -> None:
        self._web = web
        self._session = session
        api = urlsplit(web.base_url)
        self._is_secure = api.scheme == "https"
        home = _host(api)
        self.hosts = tuple(one for one in _SLACKS if _is_within(home, one)) or (home,)
        """Hosts that may see the token, with those below them; with a port if it is unusual."""

    def incoming(self, file: HeardFile, at: int) -> IncomingFile:
        """Return a file as the library takes it.

        In channels that are shared with other workspaces Slack tells only that there is a file.
        Everybody there can make it say so: whether it is worth a call is not known here.

        Args:
            file: The file.
            at: The moment of the message that it hangs on.
        """

        async def fetch(sink: BinaryIO) -> None:
            await self._fetch(file, sink)

        async def ask() -> IncomingFile:
            found = await self._look_up(file.id)
            if found is None or found.size is None or found.url is None:
                raise ChannelError("There is nothing to download.")
            return self.incoming(found, at)

        is_known = file.size is not None and file.url is not None
        return IncomingFile(
            file.name,
            file.size if is_known else None,
            fetch,
            id=f"{at} {file.id}",
            ask=None if is_known else ask,
        )

    async def _look_up(self, file_id: str) -> HeardFile | None:
        """Return what Slack knows of a file; None: there is nothing to download.

        Raises:
            ChannelError: It cannot be asked; see `answer_of`.
        """
        answer = await answer_of(self._web.files_info(file=file_id))
        return read_file(body_of(answer).get("file"))

    async def _fetch(self, file: HeardFile, sink: BinaryIO) -> None:
        try:
            await self._fetch_from(file.url or "", file, sink)
        except _NotThisAddressError as error:
            # Links do not expire by time, but they do when a file is moved or shared anew.
            _log.debug("a file is looked up again: %s", error)
            try:
                again = await self._look_up(file.id)
            except ApiError as refusal:
                raise ChannelError(f"{error} {refusal}") from None
            if again is None or again.url is None or again.size != file.size:
                raise ChannelError(f"{error} It is gone.") from None
            try:
                await self._fetch_from(again.url, file, sink)
            except _NotThisAddressError as final:
                raise ChannelError(str(final)) from None

    async def _fetch_from(self, url: str, file: HeardFile, sink: BinaryIO) -> None:
        timeout = aiohttp.ClientTimeout(
            total=2 * CALL_SECONDS + (file.size or 0) / _SLOWEST, sock_read=CALL_SECONDS
        )
        try:
            for _ in range(_MOST_REDIRECTS + 1):
                async with self._session.get(
                    url,
                    headers=self._headers(url),
                    allow_redirects=False,
                    timeout=timeout,
                    **transport(self._web),
                ) as answer:
                    if answer.status not in _REDIRECTS:
                        _require_file(answer, file)
                        await _save(answer, file, sink)
                        return
                    url = urljoin(url, answer.headers.get("Location", ""))
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, OSError) and not isinstance(
                error, aiohttp.ClientError | ConnectionError | TimeoutError
            ):
                raise  # the disk's
            raise ChannelClosedError(f"A download broke off ({type(error).__name__}).") from None
        except RuntimeError as error:  # the session was closed
            raise ChannelClosedError(f"A download failed ({type(error).__name__}).") from None
        raise _NotThisAddressError("A download was sent from host to host.")

    def _headers(self, url: str) -> dict[str, str]:
        """Return the headers for an address, with the token if its host may see it.

        Raises:
            ChannelError: It is none of Slack's.
        """
        try:
            parts = urlsplit(url)
            host = _host(parts)
        except ValueError:
            raise _NotThisAddressError("A file has no address.") from None
        if parts.scheme != "https" and (self._is_secure or parts.scheme != "http"):
            raise _NotThisAddressError("A file is offered at an unsafe address.")
        if any(_is_within(host, own) for own in self.hosts):
            return {"Authorization": f"Bearer {self._web.token}", **_AS_IT_IS}
        if any(_is_within(host, other) for other in _WITHOUT_TOKEN):
            return dict(_AS_IT_IS)
        raise _NotThisAddressError(f"A file is offered at {host!r}, which is not Slack's.")


def _require_file(answer: aiohttp.ClientResponse, file: HeardFile) -> None:
    match answer.status:
        case 200:
            pass
        case 401 | 403 | 404 | 410:
            raise _NotThisAddressError(f"A file is not there (status {answer.status}).")
        case 429:
            pause = retry_after(answer.headers)
            raise RateLimitedError(f"Slack asks for a pause of {pause:g} s.", retry_after=pause)
        case status if status >= 500:  # noqa: PLR2004 - the server's own failures
            raise ChannelClosedError(f"A download failed (status {status}).")
        case status:
            raise ChannelError(f"A download failed (status {status}).")
    if answer.content_type == "text/html" and not file.is_page:
        raise _NotThisAddressError(
            "Slack sent a sign-in page instead of a file: the app may lack the scope files:read."
        )


async def _save(answer: aiohttp.ClientResponse, file: HeardFile, sink: BinaryIO) -> None:
    size = 0
    async for piece in answer.content.iter_chunked(_PIECE):
        size += len(piece)
        if size > (file.size or 0):
            raise ChannelClosedError(f"A file is longer than the {file.size} bytes it should have.")
        sink.write(piece)
    if size != file.size:
        raise ChannelClosedError(f"A file has {size} bytes instead of {file.size}.")


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    return host if parts.port in (None, usual) else f"{host}:{parts.port}"


def _is_within(host: str, domain: str) -> bool:
    return host == domain or host.endswith("." + domain)
