"""A server in the test's own loop, with real sockets, and a sender and a receiver for it."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from ocft.crypto import (
    SEALED_RECORD,
    PasswordRun,
    RecordOpener,
    RecordSealer,
    ShareKeys,
    format_octets,
    make_salt,
    make_share_code,
    open_manifest,
    parse_octets,
    record_count,
    seal_manifest,
    share_keys,
)
from ocft.share import (
    Limits,
    Session,
    Sessions,
    ShareEvent,
    ShareManifest,
    ShareServer,
    open_server,
    pack_share_manifest,
    parse_share_manifest,
)
from ocft.storage import Collected, SourceSet

PATIENCE = 20.0  # seconds
FREE = Limits(made_a_minute=0, joined_a_minute=0, looked_a_minute=0)
"""Nothing is counted by the minute."""


@cache
def keys_of(number: int = 0) -> ShareKeys:
    """Return the keys of one of some codes; they are slow to make."""
    assert number >= 0
    return share_keys(make_share_code())


@dataclass
class Clock:
    """Both clocks of a server; they stand still."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Served:
    """A server that runs, and a client of it."""

    sessions: Sessions
    server: ShareServer
    client: httpx.AsyncClient
    clock: Clock
    events: list[ShareEvent] = field(default_factory=list)

    def kinds(self) -> list[str]:
        """Return what happened, without progress."""
        names = [type(event).__name__ for event in self.events]
        return [name for name in names if name != "DownloadProgress"]

    async def join(self, keys: ShareKeys) -> dict[str, Any]:
        """Come in as a receiver; the answer, and headers to go on with."""
        answer = await self.client.post(f"{at(keys)}/downloads", json={})
        assert answer.status_code == 201, answer.text
        granted: dict[str, Any] = answer.json()
        return granted | {"headers": bearer(granted["token"])}

    async def make(self, keys: ShareKeys, **fields: Any) -> dict[str, str]:
        """Make a session; headers of its sender."""
        body = {"id": keys.id, "expires_in": 3600, "max_downloads": None, "password": None}
        answer = await self.client.post("/api/v1/sessions", json=body | fields)
        assert answer.status_code == 201, answer.text
        return bearer(answer.json()["sender_key"])

    async def upload(self, keys: ShareKeys, data: bytes, **fields: Any) -> dict[str, str]:
        """Make a session with one file in it; headers of its sender."""
        headers = await self.make(keys, **fields)
        sealed, salt = sealed_data(keys, data)
        answer = await self.patch(keys, headers, sealed, salt=salt)
        assert answer.status_code == 204, answer.text
        manifest = ShareManifest.model_validate(
            {"v": 1, "from": "a", "files": [{"name": "x", "size": len(data), "digest": None}]}
        )
        packed = seal_manifest(keys.key(), keys.id, pack_share_manifest(manifest))
        answer = await self.client.put(f"{at(keys)}/manifest", content=packed, headers=headers)
        assert answer.status_code == 204, answer.text
        answer = await self.client.post(f"{at(keys)}/complete", headers=headers)
        assert answer.status_code == 204, answer.text
        return headers

    async def patch(
        self,
        keys: ShareKeys,
        headers: dict[str, str],
        data: bytes,
        *,
        salt: bytes,
        offset: int = 0,
        length: int | None = None,
    ) -> httpx.Response:
        """Upload a piece."""
        more = {
            "Upload-Offset": str(offset),
            "Upload-Length": str(offset + len(data) if length is None else length),
            "OCFT-Salt": format_octets(salt),
        }
        return await self.client.patch(f"{at(keys)}/content", content=data, headers=headers | more)

    async def download(self, keys: ShareKeys, *, p: bytes = b"") -> bytes:
        """Come in, read all, and say that it came."""
        granted = await self.join(keys)
        headers = granted["headers"]
        sealed = (await self.client.get(f"{at(keys)}/manifest", headers=headers)).content
        manifest = parse_share_manifest(open_manifest(keys.key(p), keys.id, sealed))
        answer = await self.client.get(f"{at(keys)}/content", headers=headers)
        assert answer.status_code == 200, answer.text
        data = opened(keys, answer, manifest.content_size, p=p)
        done = f"{at(keys)}/downloads/{granted['download']}/done"
        assert (await self.client.post(done, headers=headers, json={"ok": True})).status_code == 204
        return data


def at(keys: ShareKeys) -> str:
    """Return where a session is."""
    return f"/api/v1/sessions/{keys.id}"


def bearer(token: str) -> dict[str, str]:
    """Return the header for a token."""
    return {"Authorization": f"Bearer {token}"}


def sealed_data(keys: ShareKeys, data: bytes) -> tuple[bytes, bytes]:
    """Return sealed content and its salt."""
    salt, count, size = make_salt(), record_count(len(data)), SEALED_RECORD - 16
    sealer = RecordSealer(keys.key(), keys.id, salt, count)
    parts = [sealer.seal(i, data[i * size : (i + 1) * size]) for i in range(count)]
    return b"".join(parts), salt


def opened(keys: ShareKeys, answer: httpx.Response, size: int, *, p: bytes = b"") -> bytes:
    """Return the content of an answer."""
    salt = parse_octets(answer.headers["ocft-salt"], 16)
    count = record_count(size)
    opener = RecordOpener(keys.key(p), keys.id, salt, count)
    place = answer.headers.get("content-range", "bytes 0-").split()[1].partition("-")[0]
    first, data = int(place) // SEALED_RECORD, answer.content
    return b"".join(
        opener.open(first + i, data[i * SEALED_RECORD : (i + 1) * SEALED_RECORD])
        for i in range(count - first)
    )


def share(sessions: Sessions, keys: ShareKeys, *paths: Path, **options: Any) -> Session:
    """Share files as they are."""
    files = [Collected(path=path, name=path.name) for path in paths]
    described, snapshots = SourceSet.describe(files)
    manifest = ShareManifest.of(described.files, sender="somebody")
    sources = list(zip(paths, snapshots, strict=True))
    return sessions.add_live(keys, manifest, sources, **options)


async def prove(served: Served, keys: ShareKeys, verifier: bytes) -> httpx.Response:
    """Prove a password as a receiver that does not look at the server's own proof."""
    run = PasswordRun(verifier, is_receiver=True)
    place = f"{at(keys)}/downloads"
    first = await served.client.post(place, json={"spake": format_octets(run.message)})
    if first.status_code != 401:
        return first
    told = first.json()
    proof = run.finish(parse_octets(told["spake"], 33))
    return await served.client.post(
        place, json={"try": told["try"], "mac": format_octets(proof.mac)}
    )


@asynccontextmanager
async def serving(
    *, limits: Limits = FREE, store: Any = None, accepts_new: bool = True, **options: Any
) -> AsyncIterator[Served]:
    """Run a server."""
    clock, events = Clock(), []  # type: ignore[var-annotated]
    sessions = Sessions(
        store=store,
        limits=limits,
        accepts_new=accepts_new,
        observer=events.append,
        wall=clock,
        steady=clock,
    )
    async with (
        open_server(sessions, grace_seconds=1.0, **options) as server,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=PATIENCE
        ) as client,
    ):
        yield Served(sessions, server, client, clock, events)


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run a test's own coroutine, not for ever."""

    async def within() -> None:
        async with asyncio.timeout(PATIENCE):
            await work()

    asyncio.run(within())


def random_file(path: Path, size: int) -> bytes:
    """Make a file."""
    data = os.urandom(size)
    path.write_bytes(data)
    return data
