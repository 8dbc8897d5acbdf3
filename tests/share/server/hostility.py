"""A server of sharing, and strangers who speak to it in bytes, not through a client library."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from ocft.share import Limits, MemoryStore, Sessions, ShareServer, open_server

PATIENCE: Final = 20.0  # seconds; a test that takes longer hangs
SEALED_RECORD: Final = 1_048_592
API: Final = "/api/v1/sessions"
NO_LIMIT: Final = Limits(made_a_minute=0, joined_a_minute=0, looked_a_minute=0)
HEADERS_OF_ALL: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; worker-src 'self'; form-action 'none';"
    " base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass
class Clock:
    """Both clocks of a server, moved by hand."""

    at: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@dataclass(frozen=True)
class Reply:
    """An answer as it was on the wire."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    is_whole: bool = True
    """Whether as many bytes came as were announced."""

    def header(self, name: str) -> str | None:
        values = [value for one, value in self.headers if one == name.lower()]
        assert len(values) <= 1, f"{name} comes {len(values)} times"
        return values[0] if values else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        code: str = self.json["error"]["code"]
        return code


@dataclass(frozen=True)
class Share:
    """A session that is ready, and everything that is secret about it."""

    id: str
    sender_key: str
    salt: str
    content: bytes
    manifest: bytes

    @property
    def path(self) -> str:
        return f"{API}/{self.id}"


@dataclass
class Stranger:
    """Somebody who can reach the server's port."""

    server: ShareServer
    sessions: Sessions
    clock: Clock
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.server.port, limit=64 * 1024
        )
        self.writers.append(writer)
        return reader, writer

    def head(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | Iterable[tuple[str, str]] = (),
        *,
        host: str | None = None,
        length: int | None = None,
    ) -> bytes:
        """Return a request's head, as wrong as the arguments are."""
        rows = [("Host", self.host if host is None else host), ("Connection", "close")]
        rows += headers.items() if isinstance(headers, dict) else headers
        if length is not None:
            rows.append(("Content-Length", str(length)))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in rows)]
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")

    async def ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        host: str | None = None,
    ) -> Reply:
        """Ask once, on a connection of its own."""
        length = len(body) if body or method in {"POST", "PUT", "PATCH"} else None
        data = self.head(method, path, headers, host=host, length=length) + body
        return await self.ask_raw(data, is_head=method == "HEAD")

    async def ask_raw(self, data: bytes, *, is_head: bool = False) -> Reply:
        """Send some bytes and read one answer."""
        reader, writer = await self.connect()
        writer.write(data)
        with suppress(OSError):
            await writer.drain()
        try:
            return await read_reply(reader, is_head=is_head)
        finally:
            writer.close()

    async def post(self, path: str, body: Any, token: str | None = None, **headers: str) -> Reply:
        """Post JSON."""
        rows = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if token is not None:
            rows["Authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.ask("POST", path, rows, data)

    async def make(self, session_id: str | None = None, **more: Any) -> tuple[str, str]:
        """Make a session, and return its id and its sender key."""
        session_id = session_id or new_id()
        made = await self.post(API, {"id": session_id, "expires_in": 3600} | more)
        assert made.status == 201, made
        return session_id, made.json["sender_key"]

    async def put(
        self, share: Share, offset: int, piece: bytes, *, length: int | None = None, **more: str
    ) -> Reply:
        """Upload a piece."""
        headers = {
            "Authorization": f"Bearer {share.sender_key}",
            "Upload-Offset": str(offset),
            "Upload-Length": str(len(share.content) if length is None else length),
            "OCFT-Salt": share.salt,
        } | {name.replace("_", "-"): value for name, value in more.items()}
        return await self.ask("PATCH", f"{share.path}/content", headers, piece)

    async def begin(self, size: int = 1000, **more: Any) -> Share:
        """Make a session into which nothing was put yet."""
        session_id, sender_key = await self.make(**more)
        return Share(session_id, sender_key, text(os.urandom(16)), os.urandom(size), os.urandom(99))

    async def share(self, size: int = 1000, **more: Any) -> Share:
        """Make a session that is ready."""
        share = await self.begin(size, **more)
        assert (await self.put(share, 0, share.content)).status == 204
        auth = {"Authorization": f"Bearer {share.sender_key}"}
        reply = await self.ask("PUT", f"{share.path}/manifest", auth, share.manifest)
        assert reply.status == 204, reply
        assert (await self.ask("POST", f"{share.path}/complete", auth)).status == 204
        return share

    async def join(self, share: Share) -> tuple[str, str]:
        """Return a new download and its token."""
        reply = await self.post(f"{share.path}/downloads", {})
        assert reply.status == 201, reply
        return reply.json["download"], reply.json["token"]

    async def get(self, share: Share, token: str, what: str = "content", **more: str) -> Reply:
        """Fetch the content, or the manifest."""
        headers = {"Authorization": f"Bearer {token}"} | {
            name.replace("_", "-"): value for name, value in more.items()
        }
        return await self.ask("GET", f"{share.path}/{what}", headers)

    async def done(self, share: Share, download: str, token: str) -> Reply:
        """Give a receipt."""
        return await self.post(f"{share.path}/downloads/{download}/done", {"ok": True}, token)


async def read_reply(reader: asyncio.StreamReader, *, is_head: bool = False) -> Reply:
    """Read one answer, or what came of it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    version, status, _ = first.split(" ", 2)
    assert version == "HTTP/1.1"
    rows = []
    for line in lines:
        name, colon, value = line.partition(": ")
        assert colon, f"a line that is no header: {line!r}"
        rows.append((name.lower(), value))
    length = int(dict(rows).get("content-length", "0"))
    if is_head or int(status) in {204, 304}:
        return Reply(int(status), tuple(rows), b"")
    try:
        body = await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        return Reply(int(status), tuple(rows), error.partial, is_whole=False)
    except ConnectionError:
        return Reply(int(status), tuple(rows), b"", is_whole=False)
    return Reply(int(status), tuple(rows), body)


@asynccontextmanager
async def strangers(
    limits: Limits = NO_LIMIT, *, sessions: Sessions | None = None, **options: Any
) -> AsyncIterator[Stranger]:
    """Run a server that takes sessions of anybody, in memory."""
    clock = Clock()
    if sessions is None:
        sessions = Sessions(
            store=MemoryStore(), limits=limits, accepts_new=True, wall=clock, steady=clock
        )
    async with open_server(
        sessions, hosts=["127.0.0.1"], **({"grace_seconds": 0.0} | options)
    ) as server:
        stranger = Stranger(server, sessions, clock)
        try:
            yield stranger
        finally:
            for writer in stranger.writers:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()


def within_patience(work: Callable[[], Awaitable[None]]) -> None:
    """Run a test's asynchronous part."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE):
            await work()

    asyncio.run(bounded())


def new_id() -> str:
    """Return the id of a session that no code is known of."""
    return base64.b32encode(os.urandom(16)).decode().rstrip("=").lower()


def text(data: bytes) -> str:
    """Return octets as the protocol writes them."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
