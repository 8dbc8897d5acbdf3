"""The HTTP side: the Bot API and its file server on 127.0.0.1."""

import asyncio
import logging
import re
import socket
import struct
import tempfile
from collections.abc import Awaitable
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.emulators.telegram.answers import ApiError, too_many_requests
from tests.emulators.telegram.calls import TooLargeError, read_call
from tests.emulators.telegram.faults import Fault, Faults, Planned
from tests.emulators.telegram.limits import Limits
from tests.emulators.telegram.methods import Methods
from tests.emulators.telegram.things import Bot
from tests.emulators.telegram.world import World

_LOG = logging.getLogger(__name__)
_TOKEN = re.compile(r"\d+:[\w-]{35}")
_PIECE = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST

_REFUSALS = {
    Fault.ERROR_500: (500, "Internal Server Error"),
    Fault.UNAUTHORIZED: (401, "Unauthorized"),
    Fault.NOT_FOUND: (404, "Not Found"),
    Fault.CONFLICT: (409, "Conflict: terminated by other getUpdates request"),
}


class TelegramServer(World):
    """A Bot API server: `async with TelegramServer() as server:`.

    What is scripted is in `World`; here is the network.

    Args:
        limits: The platform's numbers, and how fast its time passes.
        port: Where to listen on 127.0.0.1; 0 for any free port.

    Attributes:
        faults: Faults to plan.
        counters: What happened.
    """

    def __init__(self, limits: Limits | None = None, *, port: int = 0) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="telegram-")
        super().__init__(limits or Limits(), Path(self._folder.name))
        self.faults = Faults()
        self._methods = Methods(self)
        self._port = port
        app = web.Application()
        app.router.add_get(r"/file/bot{token}/{path:.+}", self._serve_file)
        app.router.add_route("*", r"/bot{token}/{method}", self._serve_api)
        # No access log: the paths hold tokens.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        self._site: web.TCPSite | None = None
        self._busy: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await self.come_back()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        busy = list(self._busy)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        await self._runner.cleanup()
        self._folder.cleanup()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """For `ApplicationBuilder.base_url` and `Bot(base_url=)`."""
        return f"{self.url}/bot"

    @property
    def base_file_url(self) -> str:
        """For `ApplicationBuilder.base_file_url` and `Bot(base_file_url=)`."""
        return f"{self.url}/file/bot"

    async def go_down(self) -> None:
        """Refuse connections and cut those that are open; the world keeps its memory."""
        if self._site:
            await self._site.stop()
            self._site = None
        self.drop_connections()

    async def come_back(self) -> None:
        """Listen again, on the same port."""
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await self._site.start()
        self._port = self._site.port

    def drop_connections(self) -> None:
        """Cut all open connections, idle ones too; what is being done is still done."""
        server = self._runner.server
        for connection in server.connections if server else []:
            if isinstance(connection.transport, asyncio.Transport):
                connection.transport.abort()

    def advance(self, seconds: float) -> None:
        """Put the server's clock forward (behaviour 10)."""
        self.clock.advance(seconds)

    def add_malformed_update(self, bot: Bot) -> None:
        """Queue an update that no SDK can parse (behaviour 9)."""
        bot.updates.put("message", {"message_id": 1, "date": "yesterday", "chat": {}})

    def repeat_updates(self, bot: Bot, count: int = 1) -> None:
        """Hand out this bot's last updates once more, confirmed or not (behaviour 8)."""
        bot.updates.repeat(count)

    async def _serve_api(self, request: web.Request) -> web.StreamResponse:
        return await self._guarded(request, self._api(request))

    async def _serve_file(self, request: web.Request) -> web.StreamResponse:
        return await self._guarded(request, self._file(request))

    async def _guarded(
        self, request: web.Request, serving: Awaitable[web.StreamResponse]
    ) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            return await serving
        except ApiError as error:
            if request.transport is None or request.transport.is_closing():
                return web.Response()  # nobody reads this refusal, so it does not count
            self.counters.refused[error.code] += 1
            if error.code == HTTPStatus.CONFLICT:
                self.counters.conflicts += 1
            retry_after = error.parameters.get("retry_after")
            headers = {"Retry-After": str(retry_after)} if retry_after else {}
            return web.json_response(error.body, status=error.code, headers=headers)
        except TooLargeError:
            return self._page(413, "Request Entity Too Large")
        finally:
            self._busy.discard(task)

    async def _api(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        bot = self._bot(request)
        found = self._methods.find(name)
        if found is None:
            self.counters.unknown[name] += 1
            _LOG.warning("the stand-in has no method %s", name)
            raise ApiError(404, "Not Found: method not found")
        name, method = found
        self.counters.requests[name] += 1
        call = await read_call(request, bot, self.limits, self.files)
        try:
            planned = self.faults.take(name, bot.id)
            if planned and (response := self._fail_before(request, planned)):
                return response
            result = await method(call)
            if planned:
                await self._fail_after(request, planned)
        except ApiError as error:
            if error.code == HTTPStatus.TOO_MANY_REQUESTS:
                self.counters.floods[name] += 1
            raise
        finally:
            call.close()
        return web.json_response({"ok": True, "result": result})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        bot = self._bot(request)
        self.counters.requests["download"] += 1
        file, expires = bot.links.get(request.match_info["path"], (None, 0.0))
        if file is None or expires <= self.clock():
            raise ApiError(404, "Not Found")
        planned = self.faults.take("download", bot.id)
        if planned and (response := self._fail_before(request, planned)):
            return response
        fault = planned.fault if planned else None
        answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        answer.content_length = file.size
        await answer.prepare(request)
        left = file.size // 2 if fault in (Fault.TRUNCATED, Fault.RESET) else file.size
        with file.path.open("rb") as source:
            while piece := source.read(min(_PIECE, left)):
                left -= len(piece)
                if fault is Fault.DAMAGED and not left:
                    piece = bytes(len(piece))
                await answer.write(piece)
        if planned:
            if fault is Fault.TRUNCATED:
                self._close(request)
            await self._fail_after(request, planned)
        return answer

    def _bot(self, request: web.Request) -> Bot:
        token = request.match_info["token"]
        bot = next((bot for bot in self.bots if bot.token == token), None)
        if bot is None:
            if _TOKEN.fullmatch(token):
                raise ApiError(401, "Unauthorized")
            raise ApiError(404, "Not Found")
        return bot

    def _fail_before(self, request: web.Request, planned: Planned) -> web.Response | None:
        if refusal := _REFUSALS.get(planned.fault):
            raise ApiError(*refusal)
        if planned.fault is Fault.FLOOD:
            raise too_many_requests(planned.seconds)
        if planned.fault is Fault.BAD_GATEWAY:
            return self._page(502, "Bad Gateway")
        if planned.fault is Fault.WEB_PAGE:
            return self._page(200, "Please log in")
        if planned.fault is Fault.REDIRECT:
            raise web.HTTPFound("http://localhost:9/elsewhere")
        if planned.fault is Fault.LOST_REQUEST:
            self._close(request)
            return web.Response()
        return None

    async def _fail_after(self, request: web.Request, planned: Planned) -> None:
        if planned.fault is Fault.LATE:
            await asyncio.sleep(planned.seconds)
        elif planned.fault is Fault.SILENCE:
            await asyncio.Event().wait()  # until the server stops
        elif planned.fault is Fault.LOST_ANSWER:
            self._close(request)
        elif planned.fault is Fault.RESET:
            self._close(request, reset=True)

    def _close(self, request: web.Request, *, reset: bool = False) -> None:
        transport = request.transport
        if transport is None:
            return
        if reset:
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        else:
            transport.close()

    def _page(self, status: int, words: str) -> web.Response:
        """What the web server in front of the API answers: HTML (behaviour 5)."""
        if status != HTTPStatus.OK:
            self.counters.refused[status] += 1
        title = f"{status} {words}"
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        return web.Response(status=status, text=page, content_type="text/html")
