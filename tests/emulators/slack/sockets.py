"""Socket Mode (behaviour 4)."""

import asyncio
import contextlib
import json
import random
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.emulators.slack.counters import Counters
from tests.emulators.slack.faults import Fault, Faults
from tests.emulators.slack.limits import Limits
from tests.emulators.slack.timers import Timers
from tests.emulators.slack.world import App

PATH = "/link/"
_CLOSE = object()


@dataclass(slots=True, eq=False)
class _Socket:
    """One open connection; its queue holds texts to send, or `_CLOSE`."""

    app: App
    request: web.Request
    number: int
    queue: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    frozen: bool = False


@dataclass(slots=True, eq=False)
class _Delivery:
    """One envelope that waits for its acknowledgement."""

    app: App
    payload: Any
    attempt: int
    socket: _Socket
    timer: asyncio.TimerHandle


class Sockets:
    """All connections of all apps."""

    def __init__(
        self,
        *,
        faults: Faults,
        counters: Counters,
        limits: Limits,
        timers: Timers,
        chance: random.Random,
    ) -> None:
        self._faults = faults
        self._counters = counters
        self._limits = limits
        self._timers = timers
        self._chance = chance
        self._tickets: dict[str, App] = {}
        self._open: list[_Socket] = []
        self._waiting: dict[str, _Delivery] = {}
        self._opened = 0

    def count(self, app: App) -> int:
        """Open connections of an app."""
        return len(self._of(app))

    def new_ticket(self, app: App) -> str:
        """The part of a WebSocket URL that can be used once, and soon."""
        ticket = uuid.uuid4().hex
        self._tickets[ticket] = app
        self._timers.after(self._limits.ticket_seconds, lambda: self._expire(ticket))
        return ticket

    def _expire(self, ticket: str) -> None:
        self._tickets.pop(ticket, None)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        app = self._tickets.pop(request.query.get("ticket", ""), None)
        planned = self._faults.take("socket", app) if app else None
        if app is None or (planned and planned.fault is Fault.DEAD_URL):
            raise web.HTTPNotFound
        # Pings are answered by hand, so that a frozen connection does not answer.
        ws = web.WebSocketResponse(autoping=False, timeout=1.0)
        await ws.prepare(request)
        self._opened += 1
        socket = _Socket(app, request, self._opened)
        if self.count(app) >= self._limits.sockets:
            socket.queue.put_nowait(_disconnect("too_many_websockets"))
            socket.queue.put_nowait(_CLOSE)
        else:
            self._open.append(socket)
            socket.queue.put_nowait(self._hello(app))
        warn_after = self._limits.socket_seconds - self._limits.socket_warning_seconds
        renewal = self._timers.after(self._limits.real(warn_after), lambda: self._renew(socket))
        writer = asyncio.create_task(self._write(ws, socket))
        try:
            await self._read(ws, socket)
        finally:
            self._forget(socket)
            self._timers.cancel(renewal)
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await writer
        return ws

    def deliver(self, app: App, payload: Any, attempt: int = 0) -> None:
        """Send a payload over any one connection of the app, and again until it is acknowledged."""
        sockets = self._of(app)
        if not sockets:
            if attempt or self._limits.retry_offline_events:
                self._retry(app, payload, attempt, "no socket")
            else:
                self._counters.undelivered["no socket"] += 1
            return
        socket = self._chance.choice(sockets)
        envelope_id = str(uuid.uuid4())
        envelope = {
            "envelope_id": envelope_id,
            "type": "events_api",
            "payload": payload,
            "accepts_response_payload": False,
            "retry_attempt": attempt,
            "retry_reason": "timeout" if attempt else "",
        }
        timer = self._timers.after(self._limits.ack_seconds, lambda: self._missed(envelope_id))
        self._waiting[envelope_id] = _Delivery(app, payload, attempt, socket, timer)
        socket.queue.put_nowait(json.dumps(envelope))
        self._counters.delivered[app.name] += 1
        if attempt:
            self._counters.redelivered[app.name] += 1

    def cut(self, app: App | None = None, *, memory: bool = True) -> None:
        """Reset connections without a word.

        Args:
            app: Whose; None = all.
            memory: Whether unacknowledged envelopes come again.
        """
        for socket in self._of(app):
            if socket.request.transport is not None:
                socket.request.transport.abort()
            self._forget(socket)
            if not memory:
                for envelope_id, delivery in list(self._waiting.items()):
                    if delivery.socket is socket:
                        self._timers.cancel(delivery.timer)
                        del self._waiting[envelope_id]
                        self._counters.undelivered["fault"] += 1

    def disconnect(self, app: App | None, reason: str) -> None:
        """Say `disconnect` and close; after a `warning` only some seconds later."""
        for socket in self._of(app):
            if reason == "warning":
                self._renew(socket)
            else:
                self._end(socket, reason)

    def freeze(self, app: App | None = None) -> None:
        """Keep connections open, but send and answer nothing any more."""
        for socket in self._of(app):
            socket.frozen = True

    def close(self) -> None:
        """End all connections politely."""
        for socket in self._open[:]:
            socket.frozen = False
            socket.queue.put_nowait(_CLOSE)

    def _of(self, app: App | None) -> list[_Socket]:
        return [socket for socket in self._open if app in (None, socket.app)]

    def _forget(self, socket: _Socket) -> None:
        if socket in self._open:
            self._open.remove(socket)

    def _hello(self, app: App) -> str:
        life = int(self._limits.real(self._limits.socket_seconds))
        return json.dumps(
            {
                "type": "hello",
                "num_connections": self.count(app),
                "connection_info": {"app_id": app.app_id},
                "debug_info": {"host": "stand-in", "approximate_connection_time": life},
            }
        )

    def _renew(self, socket: _Socket) -> None:
        socket.queue.put_nowait(_disconnect("warning"))
        wait = self._limits.real(self._limits.socket_warning_seconds)
        self._timers.after(wait, lambda: self._end(socket, "refresh_requested"))

    def _end(self, socket: _Socket, reason: str) -> None:
        if socket in self._open:
            self._forget(socket)  # nothing new is sent here
            socket.queue.put_nowait(_disconnect(reason))
            socket.queue.put_nowait(_CLOSE)

    async def _write(self, ws: web.WebSocketResponse, socket: _Socket) -> None:
        while (text := await socket.queue.get()) is not _CLOSE:
            if not socket.frozen:
                await ws.send_str(text)
        await ws.close()

    async def _read(self, ws: web.WebSocketResponse, socket: _Socket) -> None:
        async for message in ws:
            if socket.frozen:
                continue
            if message.type is WSMsgType.PING:
                with contextlib.suppress(ConnectionError):
                    await ws.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                self._acknowledged(message.data)

    def _acknowledged(self, text: str) -> None:
        with contextlib.suppress(ValueError, AttributeError):
            delivery = self._waiting.pop(str(json.loads(text).get("envelope_id")), None)
            if delivery is not None:
                self._timers.cancel(delivery.timer)

    def _missed(self, envelope_id: str) -> None:
        delivery = self._waiting.pop(envelope_id)
        self._retry(delivery.app, delivery.payload, delivery.attempt, "not acknowledged")

    def _retry(self, app: App, payload: Any, attempt: int, reason: str) -> None:
        delays = self._limits.retry_delays
        if attempt == len(delays):
            self._counters.undelivered[reason] += 1
            return
        again = attempt + 1
        self._timers.after(
            self._limits.real(delays[attempt]), lambda: self.deliver(app, payload, attempt=again)
        )


def _disconnect(reason: str) -> str:
    return json.dumps({"type": "disconnect", "reason": reason, "debug_info": {"host": "stand-in"}})
