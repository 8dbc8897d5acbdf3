"""The addresses that bytes go to and come from (behaviours 9 and 10)."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

from aiohttp import BodyPartReader, web

from tests.emulators.slack.api import Api
from tests.emulators.slack.calls import SlackError, need
from tests.emulators.slack.counters import Counters
from tests.emulators.slack.faults import Fault, Faults
from tests.emulators.slack.files import Files
from tests.emulators.slack.world import File

BLOCK = 1 << 18  # bytes
_SIGN_IN = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body></body></html>"


class Storage:
    """Streams files to and from the disk.

    Args:
        other_host: Address of the same server under another name of Slack's.
        away: Address of a host that is not Slack's.
    """

    def __init__(
        self,
        *,
        api: Api,
        files: Files,
        faults: Faults,
        counters: Counters,
        other_host: Callable[[], str],
        away: Callable[[], str],
    ) -> None:
        self._api = api
        self._files = files
        self._faults = faults
        self._counters = counters
        self._other_host = other_host
        self._away = away

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Take the bytes, raw or as the one part of a form, of the length that was announced."""
        self._counters.requests["upload"] += 1
        planned = self._faults.take("upload", None)
        if refused := await self._api.before(request, "upload", planned):
            return refused
        file = self._files.upload_of(request.match_info["key"])
        if file is None:
            return web.Response(status=404, text="Not Found")
        if request.content_length is None:
            return web.Response(status=411, text="Length Required")
        partial = file.path.with_suffix(".part")
        size = await _save(_body(request), partial, most=file.size)
        if size != file.size:
            partial.unlink()
            return web.Response(status=400, text=f"expected {file.size} bytes")
        partial.replace(file.path)
        file.uploaded = True
        return await self._api.after(request, planned, web.Response(text=f"OK - {size}"))

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Give the bytes, or the sign-in page with status 200 to whom may not have them."""
        self._counters.requests["download"] += 1
        planned = self._faults.take("download", None)
        if refused := await self._api.before(request, "download", planned):
            return refused
        fault = planned.fault if planned else None
        if location := self._redirect(request, fault):
            return web.Response(status=302, headers={"Location": location})
        file = None
        try:
            app = self._api.caller(request, None)
            need(app, "files:read")
            file = self._files.readable(app, request.match_info["file"])
        except SlackError:
            fault = Fault.SIGN_IN_PAGE
        if fault is Fault.SIGN_IN_PAGE:
            return web.Response(text=_SIGN_IN, content_type="text/html")
        if file is None or fault is Fault.GONE:
            return web.Response(status=404, text="<html>404</html>", content_type="text/html")
        return await self._send(request, file, fault)

    async def away(self, request: web.Request) -> web.StreamResponse:
        """Stand for a host outside of Slack, and notice tokens."""
        self._counters.leaked_tokens += "Authorization" in request.headers
        return web.Response(text="<html>elsewhere</html>", content_type="text/html")

    def _redirect(self, request: web.Request, fault: Fault | None) -> str:
        match fault:
            case Fault.REDIRECT:
                return self._other_host() + request.path
            case Fault.REDIRECT_AWAY:
                return self._away() + request.path
            case Fault.REDIRECT_LOOP:
                # The next hop meets the same fault again, without end.
                self._faults.next("download", Fault.REDIRECT_LOOP)
                return self._other_host() + request.path
        return ""

    async def _send(
        self, request: web.Request, file: File, fault: Fault | None
    ) -> web.StreamResponse:
        """Stream; Range is ignored, since support for it is not known."""
        size = file.size // 2 if fault is Fault.SHORT else file.size
        stop = file.size // 2 if fault is Fault.TRUNCATED else size
        response = web.StreamResponse(headers={"Content-Type": self._files.view(file)["mimetype"]})
        response.content_length = size
        await response.prepare(request)
        with file.path.open("rb") as source:
            sent = 0
            while sent < stop:
                block = source.read(min(BLOCK, stop - sent))
                if fault is Fault.ALTERED and not sent:
                    block = bytes([block[0] ^ 1]) + block[1:]
                await response.write(block)
                sent += len(block)
        if fault is Fault.TRUNCATED and request.transport is not None:
            request.transport.abort()
            return response
        await response.write_eof()
        return response


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    """The bytes of a raw body, or of the first part of a form."""
    if request.content_type != "multipart/form-data":
        async for block in request.content.iter_chunked(BLOCK):
            yield block
        return
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader):
            while block := bytes(await part.read_chunk(BLOCK)):
                yield block
            return


async def _save(body: AsyncIterator[bytes], path: Path, *, most: int) -> int:
    """Write to disk, and return how many bytes came; surplus is counted, not kept."""
    size = 0
    with path.open("wb") as target:
        async for block in body:
            size += len(block)
            if size <= most:
                target.write(block)
    return size
