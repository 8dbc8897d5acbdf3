"""The way of every call: who calls, may they, how often, and what goes wrong."""

import asyncio
import contextlib
import math
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.emulators.slack.calls import (
    Arguments,
    Call,
    Method,
    SlackError,
    need,
    read_arguments,
)
from tests.emulators.slack.counters import Counters
from tests.emulators.slack.faults import Fault, Faults, Planned
from tests.emulators.slack.limits import Limits
from tests.emulators.slack.world import App, World
from tests.emulators.windows import Window


def _unknown(call: Call) -> dict[str, Any]:
    raise SlackError("unknown_method")


_UNKNOWN = Method(_unknown, None)


class Api:
    """Serves `/api/METHOD`.

    Args:
        closing: Set when the server ends; ends every silence.
    """

    def __init__(
        self,
        *,
        world: World,
        methods: Mapping[str, Method],
        faults: Faults,
        counters: Counters,
        limits: Limits,
        closing: asyncio.Event,
    ) -> None:
        self._world = world
        self._methods = methods
        self._faults = faults
        self._counters = counters
        self._limits = limits
        self._closing = closing
        self._windows: dict[tuple[str, ...], Window] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        name = request.match_info["method"]
        self._counters.requests[name] += 1
        try:
            method = self._methods.get(name, _UNKNOWN)
            values = await read_arguments(request)
            app = self.caller(request, values.pop("token", None), of_app=method.of_app)
            call = Call(app, Arguments(values))
            need(app, method.scope)
            if wait := self._wait(name, method, call):
                return self.rate_limited(name, wait)
        except SlackError as error:
            return self._refused(error)
        planned = self._faults.take(name, app)
        if refused := await self.before(request, name, planned):
            return refused
        try:
            answer = {"ok": True} | method.run(call)
        except SlackError as error:
            return self._refused(error)
        scopes = {"X-OAuth-Scopes": ",".join(sorted(app.scopes))}
        if method.scope:
            scopes["X-Accepted-OAuth-Scopes"] = method.scope
        return await self.after(request, planned, web.json_response(answer, headers=scopes))

    def caller(self, request: web.Request, token: object, *, of_app: bool = False) -> App:
        """The app that a request's token belongs to."""
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        token = given if kind == "Bearer" else token
        if not token:
            raise SlackError("not_authed")
        for app in self._world.apps:
            if token in (app.bot_token, app.app_token):
                if not app.active:
                    raise SlackError("account_inactive")
                if (token == app.app_token) is not of_app:
                    raise SlackError("not_allowed_token_type")
                return app
        raise SlackError("invalid_auth")

    def rate_limited(self, name: str, wait: float) -> web.Response:
        """429 with whole seconds (behaviour 7)."""
        self._counters.rate_limited[name] += 1
        seconds = str(max(1, math.ceil(wait)))
        return web.json_response(
            {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": seconds}
        )

    async def before(
        self, request: web.Request, name: str, planned: Planned | None
    ) -> web.Response | None:
        """Faults that keep a request from being applied."""
        match planned.fault if planned else None:
            case Fault.ERROR_500:
                return web.Response(status=500, text="Internal Server Error")
            case Fault.RATE_LIMITED if planned:
                return self.rate_limited(name, planned.seconds)
            case Fault.SLACK_ERROR if planned:
                return self._refused(SlackError(planned.error))
            case Fault.SILENCE:
                while request.transport is not None and not self._closing.is_set():
                    await asyncio.sleep(0.02)
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()  # nobody reads it
        return None

    async def after(
        self, request: web.Request, planned: Planned | None, answer: web.Response
    ) -> web.Response:
        """Faults that hit the answer of an applied request (behaviour 8)."""
        fault = planned.fault if planned else None
        if fault is Fault.LOST_ANSWER and request.transport is not None:
            request.transport.close()
        elif fault is Fault.RESET and request.transport is not None:
            request.transport.abort()
        elif fault is Fault.LATE_ANSWER and planned:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(planned.seconds):
                    await self._closing.wait()
        elif fault is Fault.NOT_JSON:
            return web.Response(text="<html>upstream error</html>", content_type="text/html")
        return answer

    def _refused(self, error: SlackError) -> web.Response:
        self._counters.errors[error.error] += 1
        return web.json_response({"ok": False, "error": error.error} | error.more)

    def _wait(self, name: str, method: Method, call: Call) -> float:
        """Seconds until the call would be allowed; 0.0 when it is, and counted (behaviour 7)."""
        app = call.app.app_id
        if name == "chat.postMessage":
            limits = self._limits
            place = (name, app, call.arguments.text("channel"))
            windows = [
                self._window(place, limits.channel_posts, limits.channel_post_seconds),
                self._window((name, app), limits.workspace_posts, 60),
            ]
        elif method.per_minute is not None:
            windows = [self._window((name, app), method.per_minute, 60)]
        else:
            windows = []
        wait = max((window.wait() for window in windows), default=0.0)
        if not wait:
            for window in windows:
                window.take()
        return wait

    def _window(self, key: tuple[str, ...], limit: int, seconds: float) -> Window:
        if key not in self._windows:
            self._windows[key] = Window(limit, self._limits.real(seconds))
        return self._windows[key]
