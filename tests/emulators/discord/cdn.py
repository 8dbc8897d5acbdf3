"""Downloads by signed links; behaviour 9. Whoever has the link may read, no token is asked for."""

import asyncio
import hashlib
import hmac
import math
import secrets
import time

from aiohttp import web

from tests.emulators.discord.counters import Counters
from tests.emulators.discord.faults import Fault, Faults
from tests.emulators.discord.things import Attachment
from tests.emulators.discord.wire import break_off, stay_silent
from tests.emulators.discord.world import World

_PIECE = 64 * 1024


class Cdn:
    """Signs links and serves what they lead to.

    Args:
        world: Has the files.
        faults: Plans for "download".
        counters: Counts downloads and leaked tokens.
        ending: Set when the server ends.
    """

    def __init__(
        self, world: World, faults: Faults, counters: Counters, ending: asyncio.Event
    ) -> None:
        self.url = ""
        self._world, self._faults, self._counters, self._ending = world, faults, counters, ending
        self._key = secrets.token_bytes(16)

    def link(self, file: Attachment) -> str:
        """A fresh link, valid for `Limits.url_seconds`."""
        issued = int(time.time())
        expires = time.time() + self._world.limits.url_seconds / self._world.speed
        query = f"ex={math.ceil(expires):x}&is={issued:x}"
        path = f"/attachments/{file.room_id}/{file.id}/{file.name}"
        return f"{self.url}{path}?{query}&hm={self._sign(path, query)}"

    def expire_all(self) -> None:
        """Make all links that were given so far worthless; a new fetch gives new ones."""
        self._key = secrets.token_bytes(16)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """GET /attachments/CHANNEL/ATTACHMENT/NAME."""
        self._counters.requests["download"] += 1
        self._counters.leaked_tokens += "Authorization" in request.headers
        file = self._world.files.get(int(request.match_info["id"]))
        if file is None or not self._valid(request) or file.name != request.match_info["name"]:
            return web.Response(status=404, text="This content is no longer available.")
        fault = self._faults.take("download")
        if fault in (Fault.ERROR_500, Fault.ERROR_503):
            status = 500 if fault is Fault.ERROR_500 else 503
            return web.Response(status=status, text="Server Error")
        return await self._serve(request, file, fault)

    async def _serve(
        self, request: web.Request, file: Attachment, fault: Fault | None
    ) -> web.StreamResponse:
        match fault:
            case Fault.ERROR_PAGE:
                page = "<!doctype html><title>Discord</title>" + "<p>Something went wrong" * 40
                return web.Response(text=page, content_type="text/html")
            case Fault.SILENCE:
                return await stay_silent(request, self._ending)
            case Fault.RESET | Fault.LOST_ANSWER:
                return break_off(request)
            case Fault.TRUNCATED:
                return await self._half(request, file)
            case _:
                headers = {"Content-Type": "application/octet-stream"}
                return web.FileResponse(file.path, headers=headers, chunk_size=_PIECE)

    async def proxy(self, request: web.Request) -> web.Response:
        """The media proxy re-encodes images and refuses everything else."""
        return web.Response(status=415, text="Unsupported Media Type")

    async def _half(self, request: web.Request, file: Attachment) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": str(file.size)})
        await answer.prepare(request)
        with file.path.open("rb") as data:
            left = file.size // 2
            while left:
                piece = data.read(min(left, _PIECE))
                await answer.write(piece)
                left -= len(piece)
        if request.transport is not None:
            request.transport.close()
        return answer

    def _valid(self, request: web.Request) -> bool:
        expires, issued = request.query.get("ex", ""), request.query.get("is", "")
        signature = self._sign(request.path, f"ex={expires}&is={issued}")
        if not hmac.compare_digest(signature, request.query.get("hm", "")):
            return False
        return int(expires, 16) >= time.time()

    def _sign(self, path: str, query: str) -> str:
        return hmac.new(self._key, f"{path}?{query}".encode(), hashlib.sha256).hexdigest()
