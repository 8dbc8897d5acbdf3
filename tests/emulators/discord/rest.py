"""The REST interface: every call is counted, authorised, paced and broken by faults here."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from tests.emulators.discord import payloads
from tests.emulators.discord.counters import Counters
from tests.emulators.discord.faults import Fault, Faults
from tests.emulators.discord.rates import UNIT, Rates, Refusal, bucket_headers
from tests.emulators.discord.things import Account, Room
from tests.emulators.discord.wire import break_off, drain, stay_silent
from tests.emulators.discord.world import World

_VIA: Final = {"Via": "1.1 stand-in"}
"""dpy takes a 429 without it for a ban; behaviour 5."""
_FAULT_SECONDS: Final = 0.3
"""What planned 429s ask for, before `speed`."""
_BAN_PAGE: Final = "<!doctype html><title>Access denied | discord.com</title>error code: 1015"
_COUNTED_INVALID: Final = (401, 403)


class ApiError(Exception):
    """A refusal as Discord words it."""

    def __init__(
        self, status: int, code: int, message: str, errors: payloads.Json | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code = status, code
        self.body = payloads.error(code, message, errors)

    @classmethod
    def form(cls, field: str, code: str, message: str) -> "ApiError":
        """400 with code 50035, about one field."""
        errors = {field: {"_errors": [{"code": code, "message": message}]}}
        return cls(400, 50035, "Invalid Form Body", errors)


@dataclass(frozen=True, slots=True)
class Call:
    """A request of a known bot. `place` is the room that the path names."""

    request: web.Request
    me: Account
    place: Room | None

    @property
    def room(self) -> Room:
        """The room that the path names.

        Raises:
            ApiError: There is none.
        """
        if self.place is None:
            raise ApiError(404, 10003, "Unknown Channel")
        return self.place


Handler = Callable[[Call], Awaitable[Any]]


class Rest:
    """Turns handlers into routes.

    Args:
        world: Has the accounts and rooms.
        faults: Plans by the calls' names.
        counters: Counts calls, refusals and 429.
        ending: Set when the server ends.
    """

    def __init__(
        self, world: World, faults: Faults, counters: Counters, ending: asyncio.Event
    ) -> None:
        self._world, self._faults, self._counters, self._ending = world, faults, counters, ending
        self._rates = Rates(world.limits, world.speed)

    def route(self, method: str, path: str, name: str, handler: Handler) -> web.RouteDef:
        """A route of the API: `name` is what counters and faults call it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            return await self._answer(name, handler, request)

        return web.route(method, f"/api/v10{path}", answer)

    async def _answer(
        self, name: str, handler: Handler, request: web.Request
    ) -> web.StreamResponse:
        self._counters.requests[name] += 1
        if self._rates.banned():
            return await self._ban(request)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        me = self._world.bot_of(token) if scheme == "Bot" else None
        if me is None:
            self._rates.count_invalid()
            self._counters.errors[0] += 1
            await drain(request)
            return _reply(401, payloads.error(0, "401: Unauthorized"))
        place = self._world.rooms.get(int(request.match_info.get("channel", "0")))
        return await self._paced(name, handler, Call(request, me, place))

    async def _paced(self, name: str, handler: Handler, call: Call) -> web.StreamResponse:
        bucket = self._rates.bucket(call.me, name, call.place)
        refusal = self._rates.take(call.me, name, call.place)
        fault = None if refusal else self._faults.take(name, call.me)
        if fault is Fault.CHANNEL_RATE:
            refusal = self._rates.channel_refusal(_FAULT_SECONDS / self._world.speed)
        elif fault is Fault.GLOBAL_RATE:
            refusal = Refusal("global", _FAULT_SECONDS / self._world.speed, scope="global")
        if refusal is not None:
            await drain(call.request)
            return self._too_many(refusal, bucket_headers(bucket, name))
        if fault is Fault.BANNED:
            return await self._ban(call.request)
        if fault in (Fault.ERROR_500, Fault.ERROR_503, Fault.AUTOMOD):
            await drain(call.request)
            return _early(fault)
        status, body = await self._handled(handler, call)
        return await self._late(
            fault, call.request, _reply(status, body, bucket_headers(bucket, name))
        )

    async def _late(
        self, fault: Fault | None, request: web.Request, reply: web.Response
    ) -> web.StreamResponse:
        match fault:
            case Fault.LOST_ANSWER:
                return _reply(502, payloads.error(0, "502: Bad Gateway"))
            case Fault.RESET:
                return break_off(request)
            case Fault.SILENCE:
                return await stay_silent(request, self._ending)
            case _:
                return reply

    async def _handled(self, handler: Handler, call: Call) -> tuple[int, Any]:
        try:
            body = await handler(call)
        except ApiError as refused:
            await drain(call.request)
            self._counters.errors[refused.code] += 1
            if refused.status in _COUNTED_INVALID:
                self._rates.count_invalid()
            return refused.status, refused.body
        return (204, None) if body is None else (200, body)

    def _too_many(self, refusal: Refusal, headers: dict[str, str]) -> web.Response:
        self._counters.rate_limited[refusal.reason] += 1
        if refusal.scope != "shared":
            self._rates.count_invalid()
        seconds = max(1, math.ceil(refusal.seconds * UNIT)) / UNIT
        body = {
            "message": "You are being rate limited.",
            "retry_after": seconds,
            "global": refusal.scope == "global",
        }
        if refusal.code is not None:
            body["code"] = refusal.code
            body["message"] = "The write action on the channel has hit the write rate limit."
        headers |= {
            # The header knows whole seconds only; the body is exact.
            "Retry-After": str(math.ceil(seconds)),
            "X-RateLimit-Scope": refusal.scope,
        }
        if refusal.scope == "global":
            headers["X-RateLimit-Global"] = "true"
        return _reply(429, body, headers)

    async def _ban(self, request: web.Request) -> web.Response:
        self._counters.rate_limited["banned"] += 1
        await drain(request)
        return web.Response(status=429, text=_BAN_PAGE, content_type="text/html")


def _early(fault: Fault) -> web.Response:
    if fault is Fault.AUTOMOD:
        text = "Message was blocked by automatic moderation"
        return _reply(400, payloads.error(200000, text))
    status = 500 if fault is Fault.ERROR_500 else 503
    return _reply(status, payloads.error(0, f"{status}: Server Error"))


def _reply(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    """An answer whose type is exactly application/json: dpy parses nothing else; behaviour 1."""
    headers = _VIA | (headers or {})
    if body is None:
        return web.Response(status=status, headers=headers)
    data = json.dumps(body).encode()
    return web.Response(status=status, body=data, headers=headers, content_type="application/json")
