"""The gateway: a WebSocket that tells bots what happens; behaviours 2, 4, 10 and 12."""

import asyncio
import contextlib
import json
from typing import Any, Final

from aiohttp import WSMessage, WSMsgType, web

from tests.emulators.discord import payloads
from tests.emulators.discord.cdn import Cdn
from tests.emulators.discord.counters import Counters
from tests.emulators.discord.faults import Faults
from tests.emulators.discord.sessions import Close, Session, Socket
from tests.emulators.discord.things import Account, Event, Message
from tests.emulators.discord.wire import reset
from tests.emulators.discord.world import World
from tests.emulators.windows import Window

GUILDS: Final = 1 << 0
GUILD_MESSAGES: Final = 1 << 9
DIRECT_MESSAGES: Final = 1 << 12
MESSAGE_CONTENT: Final = 1 << 15
_MOST_INTENTS: Final = 1 << 26

HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT, MEMBERS = 1, 2, 3, 4, 6, 7, 8
INVALID_SESSION, HELLO, HEARTBEAT_ACK = 9, 10, 11


class _Refused(Exception):  # noqa: N818 - no error of ours
    """The client must go, with this close code."""

    def __init__(self, code: int) -> None:
        self.code = code


class Gateway:
    """All sessions of all bots.

    Args:
        world: Tells what happens.
        cdn: Makes links for attachments.
        faults: Plans for "connect".
        counters: Counts handshakes and deliveries.
    """

    def __init__(self, world: World, cdn: Cdn, faults: Faults, counters: Counters) -> None:
        self.url = ""
        self.sessions: dict[str, Session] = {}
        self._world, self._cdn, self._faults, self._counters = world, cdn, faults, counters
        self._sockets: set[Socket] = set()
        self._identifies: dict[int, Window] = {}
        world.listeners.append(self._tell)

    # ---- what a test does to connections

    def of(self, account: Account) -> list[Session]:
        """The sessions of a bot."""
        return [s for s in self.sessions.values() if s.account is account]

    def drop(self, account: Account, *, code: int | None, memory: bool) -> None:
        """End a bot's connections; without a code by a reset, without a close frame."""
        for session in self.of(account):
            if session.socket is not None:
                if code is None:
                    reset(session.socket.transport)
                else:
                    session.socket.close(code)
                session.socket = None
            if not memory:
                self._forget(session)

    def invalidate(self, account: Account) -> None:
        """Tell a bot that its session is over (op 9, false)."""
        for session in self.of(account):
            if session.socket is not None:
                session.socket.send(INVALID_SESSION, data=False)
            self._forget(session)

    def ask_to_reconnect(self, account: Account) -> None:
        """Ask a bot to connect again and resume (op 7)."""
        for session in self.of(account):
            if session.socket is not None:
                session.socket.send(RECONNECT)

    def mute(self, account: Account) -> None:
        """Write nothing more into a bot's connections, as if the network had swallowed them."""
        for session in self.of(account):
            if session.socket is not None:
                session.socket.muted = True

    def close(self) -> None:
        """End all connections."""
        for socket in self._sockets:
            socket.close(1001)

    def _forget(self, session: Session) -> None:
        self.sessions.pop(session.id, None)
        session.socket = None

    # ---- connections

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One WebSocket, from HELLO to its end."""
        self._counters.requests["connect"] += 1
        if self._faults.take("connect") is not None or request.transport is None:
            return web.Response(status=503)
        ws = web.WebSocketResponse(max_msg_size=1 << 20, timeout=1.0)
        await ws.prepare(request)
        socket = Socket(request.transport)
        self._sockets.add(socket)
        writer = asyncio.create_task(_write(ws, socket))
        interval = self._world.limits.heartbeat_seconds
        socket.send(HELLO, {"heartbeat_interval": int(interval * 1000), "_trace": []})
        try:
            await self._read(ws, socket, patience=2 * interval)
        except _Refused as refused:
            socket.close(refused.code)
            await writer
        finally:
            self._sockets.discard(socket)
            for session in self.sessions.values():
                if session.socket is socket:
                    session.socket = None
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await writer
        return ws

    async def _read(self, ws: web.WebSocketResponse, socket: Socket, patience: float) -> None:
        limits = self._world.limits
        sends = Window(limits.gateway_sends, limits.gateway_seconds / self._world.speed)
        session: Session | None = None
        while True:
            try:
                message: WSMessage = await ws.receive(timeout=patience)
            except TimeoutError:
                raise _Refused(4009) from None  # no heartbeat
            if message.type is not WSMsgType.TEXT:
                return
            if sends.take():
                raise _Refused(4008)
            op, data = _parsed(message.data, limits.gateway_bytes)
            if op == HEARTBEAT:
                socket.send(HEARTBEAT_ACK)
            elif op in (IDENTIFY, RESUME):
                if session is not None:
                    raise _Refused(4005)
                take = self._identify if op == IDENTIFY else self._resume
                session = take(socket, data)
            elif session is None:
                raise _Refused(4003)
            elif op not in (PRESENCE, VOICE, MEMBERS):
                raise _Refused(4001)

    def _identify(self, socket: Socket, data: Any) -> Session:
        world, limits = self._world, self._world.limits
        account = world.bot_of(data["token"])
        if account is None:
            raise _Refused(4004)
        if account.id not in self._identifies:
            seconds = limits.identify_seconds / world.speed
            self._identifies[account.id] = Window(limits.identifies, seconds)
        if self._identifies[account.id].take():
            world.reset_token(account)
            raise _Refused(4004)
        intents = data.get("intents")
        if not isinstance(intents, int) or not 0 <= intents < _MOST_INTENTS:
            raise _Refused(4013)
        if intents & MESSAGE_CONTENT and not account.message_content:
            raise _Refused(4014)
        session = Session(account, intents, limits.replay, socket=socket)
        self.sessions[session.id] = session
        guilds = [g for g in world.guilds.values() if account.id in g.members]
        session.dispatch(
            "READY",
            {
                "v": 10,
                "user": payloads.user(account),
                "guilds": [{"id": str(g.id), "unavailable": True} for g in guilds],
                "session_id": session.id,
                "resume_gateway_url": self.url,
                "application": {
                    "id": str(account.id),
                    "flags": payloads.application(account)["flags"],
                },
            },
        )
        for guild in guilds:
            self._give(session, Event("GUILD_CREATE", guild, only=account))
        return session

    def _resume(self, socket: Socket, data: Any) -> Session | None:
        account = self._world.bot_of(data["token"])
        if account is None:
            raise _Refused(4004)
        session = self.sessions.get(data["session_id"])
        if session is not None and session.account is account:
            if session.resume(socket, data["seq"] or 0):
                return session
            self._forget(session)
        socket.send(INVALID_SESSION, data=False)
        return None

    # ---- events

    def _tell(self, event: Event) -> None:
        heard: set[int] = set()
        for session in self.sessions.values():
            heard.add(session.account.id)
            if event.only in (None, session.account):
                self._give(session, event)
        if event.message is not None and event.name == "MESSAGE_CREATE":
            members = (event.room.parent or event.room).rights if event.room else {}
            for id_ in members.keys() - heard:
                if self._world.accounts[id_].is_bot:
                    self._counters.undelivered["no session"] += 1

    def _give(self, session: Session, event: Event) -> None:
        reason = self._obstacle(session, event)
        if reason is None:
            self._counters.delivered[event.name] += 1
            session.dispatch(event.name, self._payload(session, event))
        elif event.name == "MESSAGE_CREATE":
            self._counters.undelivered[reason] += 1

    def _obstacle(self, session: Session, event: Event) -> str | None:
        account, guild = session.account, event.guild
        if guild is not None and event.only is None and account.id not in guild.members:
            return "no room"
        if event.message is None:
            return None if session.intents & GUILDS and guild is not None else "no intent"
        if event.room is not None and not self._world.sees(account, event.room):
            return "no room"
        needed = DIRECT_MESSAGES if guild is None else GUILD_MESSAGES
        return None if session.intents & needed else "no intent"

    def _payload(self, session: Session, event: Event) -> Any:
        account = session.account
        if event.message is not None:
            return self._message(session, event.name, event.message)
        if event.room is not None:
            return payloads.room(event.room, account)
        assert event.guild is not None
        if event.name == "GUILD_DELETE":
            return {"id": str(event.guild.id)}
        threads = [
            room
            for room in self._world.rooms.values()
            if room.guild is event.guild and room.parent is not None and not room.archived
        ]
        return payloads.guild(event.guild, account, threads)

    def _message(self, session: Session, name: str, message: Message) -> payloads.Json:
        account, guild = session.account, message.room.guild
        where: payloads.Json = {} if guild is None else {"guild_id": str(guild.id)}
        if name == "MESSAGE_DELETE":
            return {"id": str(message.id), "channel_id": str(message.room.id)} | where
        full = may_read(account, message, switched_on=bool(session.intents & MESSAGE_CONTENT))
        if not full:
            self._counters.undelivered["no content"] += 1
        fields = payloads.message(message, self._world.accounts, self._cdn.link, full=full)
        if guild is not None and not message.webhook:
            where["member"] = payloads.member(message.author, with_user=False)
        if message.nonce is not None and message.author is account:
            where["nonce"] = message.nonce
        return fields | where


def may_read(account: Account, message: Message, *, switched_on: bool) -> bool:
    """Whether a bot gets a message's content, attachments and embeds; behaviour 4.

    Without the intent that is so for its own messages, direct messages, and those that ping it.
    """
    own = message.author is account or message.room.guild is None
    return switched_on or own or account.id in message.mentions


def _parsed(text: str, most: int) -> tuple[int, Any]:
    try:
        payload = json.loads(text)
        op, data = payload["op"], payload["d"]
    except (ValueError, TypeError, KeyError):
        raise _Refused(4002) from None
    if len(text) > most or (op in (IDENTIFY, RESUME) and not isinstance(data, dict)):
        raise _Refused(4002)
    return op, data


async def _write(ws: web.WebSocketResponse, socket: Socket) -> None:
    while True:
        item = await socket.outbox.get()
        if isinstance(item, Close):
            await ws.close(code=item.code)
            return
        if not socket.muted:
            with contextlib.suppress(ConnectionError):
                await ws.send_str(item)
