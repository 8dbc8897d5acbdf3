"""A real server in a thread, and senders that put sealed files there, honest or not."""

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from ocft.crypto import (
    RECORD,
    SEALED_RECORD,
    RecordOpener,
    RecordSealer,
    format_octets,
    make_salt,
    make_share_code,
    open_manifest,
    password_verifier,
    record_count,
    seal_manifest,
    sealed_size,
    share_keys,
)
from ocft.share import Limits, MemoryStore, Sessions, open_server

FREE: Final = Limits(made_a_minute=0, joined_a_minute=0, looked_a_minute=0)
P: Final = bytes(range(32))


@dataclass(frozen=True)
class Shared:
    """A session that a test made."""

    base: str
    code: str
    id: str
    key: bytes
    sender_key: str
    files: dict[str, bytes]

    def delete(self) -> None:
        """End it."""
        sender = {"Authorization": f"Bearer {self.sender_key}"}
        httpx.delete(f"{self.base}/api/v1/sessions/{self.id}", headers=sender).raise_for_status()

    def arrived(self) -> tuple[dict[str, Any], bytes]:
        """Return manifest and content of what the page sent, opened."""
        at = f"{self.base}/api/v1/sessions/{self.id}"
        token = httpx.post(f"{at}/downloads", json={}).raise_for_status().json()["token"]
        receiver = {"Authorization": f"Bearer {token}"}
        sealed = httpx.get(f"{at}/manifest", headers=receiver).raise_for_status().content
        manifest = json.loads(open_manifest(self.key, self.id, sealed))
        response = httpx.get(f"{at}/content", headers=receiver).raise_for_status()
        count = record_count(sum(one["size"] for one in manifest["files"]))
        salt = response.headers["OCFT-Salt"]
        opener = RecordOpener(self.key, self.id, _octets(salt), count)
        pieces = [
            response.content[i * SEALED_RECORD : (i + 1) * SEALED_RECORD] for i in range(count)
        ]
        return manifest, b"".join(opener.open(i, piece) for i, piece in enumerate(pieces))


class Server:
    """A server that answers on this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.base = f"http://127.0.0.1:{port}"

    def share(
        self,
        files: dict[str, bytes] | None,
        *,
        password: str | None = None,
        max_downloads: int | None = None,
        sender: str = "Ada",
        note: str = "",
        change: Callable[[dict[str, Any]], None] | None = None,
        damaged: int | None = None,
    ) -> Shared:
        """Make a session; with files, put them there.

        Args:
            files: What is in it; None: a page shall put it there.
            password: What protects it.
            max_downloads: How many there may be.
            sender: Who it says it is from.
            note: What it says.
            change: Makes the manifest a wrong one.
            damaged: The number of a record that arrives changed.
        """
        code = make_share_code()
        keys = share_keys(code)
        secret = None
        if password is not None:
            verifier = password_verifier(password, keys.id)
            secret = {"p": format_octets(P), "verifier": format_octets(verifier)}
        key = keys.key(P if password is not None else b"")
        made = httpx.post(
            f"{self.base}/api/v1/sessions",
            json={
                "id": keys.id,
                "expires_in": 600,
                "max_downloads": max_downloads,
                "password": secret,
            },
        ).raise_for_status()
        sender_key = made.json()["sender_key"]
        shared = Shared(self.base, code, keys.id, key, sender_key, files or {})
        if files is not None:
            self._put(shared, sender, note, change, damaged)
        return shared

    def _put(
        self,
        shared: Shared,
        sender: str,
        note: str,
        change: Callable[[dict[str, Any]], None] | None,
        damaged: int | None,
    ) -> None:
        content = b"".join(shared.files.values())
        count, salt = record_count(len(content)), make_salt()
        sealer = RecordSealer(shared.key, shared.id, salt, count)

        def records() -> Iterator[
            bytes
        ]:  # one after another: at once would be copied again and again
            for i in range(count):
                one = sealer.seal(i, content[i * RECORD : (i + 1) * RECORD])
                yield bytes([one[0] ^ 1]) + one[1:] if i == damaged else one

        manifest: dict[str, Any] = {
            "v": 1,
            "from": sender,
            "note": note,
            "files": [
                {"name": name, "size": len(data), "digest": hashlib.sha256(data).hexdigest()}
                for name, data in shared.files.items()
            ],
        }
        if change is not None:
            change(manifest)
        at = f"{self.base}/api/v1/sessions/{shared.id}"
        own = {"Authorization": f"Bearer {shared.sender_key}"}
        upload = {
            **own,
            "Content-Type": "application/octet-stream",
            "Content-Length": str(sealed_size(len(content))),
            "Upload-Offset": "0",
            "Upload-Length": str(sealed_size(len(content))),
            "OCFT-Salt": format_octets(salt),
        }
        httpx.patch(
            f"{at}/content", headers=upload, content=records(), timeout=30
        ).raise_for_status()
        packed = seal_manifest(shared.key, shared.id, json.dumps(manifest).encode())
        httpx.put(f"{at}/manifest", headers=own, content=packed).raise_for_status()
        httpx.post(f"{at}/complete", headers=own).raise_for_status()


@contextmanager
def serving(*, port: int = 0, public_url: str | None = None) -> Iterator[Server]:
    """Serve within a block.

    Args:
        port: 0 for one that is free.
        public_url: What browsers call it, if not by its address.
    """
    loop = asyncio.new_event_loop()
    started: list[int] = []
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        sessions = Sessions(store=MemoryStore(), limits=FREE, accepts_new=True)
        options: dict[str, Any] = {"port": port, "public_url": public_url, "grace_seconds": 1}
        async with open_server(sessions, hosts=["127.0.0.1"], **options) as server:
            started.append(server.port)
            ready.set()
            await over.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(20)
    assert started, "the server did not start"
    try:
        yield Server(started[0])
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(20)


def _octets(text: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
