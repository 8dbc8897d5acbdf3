import asyncio
import sys
from typing import Any

import httpx
import pytest

from ocft.errors import ConfigError, ExtraNotInstalledError
from ocft.share import MemoryStore, Sessions, make_app, open_server
from tests.share.served import PATIENCE, keys_of, run

BASE = "https://files.example.org/share"


def test_a_server_says_where_it_is() -> None:
    async def work() -> None:
        async with open_server(Sessions(), hosts=["127.0.0.1"], public_url=f"{BASE}/") as server:
            assert server.bases == (BASE, f"http://127.0.0.1:{server.port}")

    run(work)


def test_a_proxy_may_leave_the_path_of_the_public_address_on() -> None:
    async def work() -> None:
        async with (
            open_server(Sessions(), public_url=BASE) as server,
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{server.port}",
                headers={"Host": "files.example.org"},
                trust_env=False,
                timeout=PATIENCE,
            ) as client,
        ):
            for path, status in (("/share/health", 200), ("/health", 200), ("/sharehealth", 404)):
                assert (await client.get(path)).status_code == status

    run(work)


def test_a_public_address_that_is_none_leaves_no_port_open() -> None:
    async def work() -> None:
        async with open_server(Sessions()) as server:
            port = server.port
        with pytest.raises(ConfigError):
            async with open_server(Sessions(), port=port, public_url="nonsense"):
                pass
        async with open_server(Sessions(), port=port) as server:
            assert server.port == port

    run(work)


def test_sessions_that_cannot_be_read_leave_no_port_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Sessions) -> None:
        raise PermissionError

    async def work() -> None:
        async with open_server(Sessions()) as server:
            port = server.port
        with monkeypatch.context() as patched:
            patched.setattr(Sessions, "load", fail)
            with pytest.raises(PermissionError):
                async with open_server(Sessions(), port=port):
                    pass
        async with open_server(Sessions(), port=port) as server:
            assert server.port == port

    run(work)


def test_nobody_can_connect_when_it_has_ended() -> None:
    async def work() -> None:
        async with open_server(Sessions()) as server:
            pass
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)

    run(work)


def test_sessions_end_when_the_block_fails() -> None:
    async def work() -> None:
        sessions = Sessions(store=MemoryStore())
        await sessions.make(keys_of().id, expires_in=60)
        with pytest.raises(ZeroDivisionError):
            async with open_server(sessions):
                raise ZeroDivisionError
        assert not sessions.count
        assert sessions.is_closing

    run(work)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        one for one in sys.modules if one.startswith(("starlette", "ocft.share.server.app"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    with pytest.raises(ExtraNotInstalledError, match=r"ocft\[share\]"):
        make_app(Sessions(), BASE)


def test_the_application_runs_in_another_server() -> None:
    async def work() -> None:
        sessions = Sessions(accepts_new=True)
        app = make_app(sessions, BASE)
        told: asyncio.Queue[Any] = asyncio.Queue()
        said: asyncio.Queue[Any] = asyncio.Queue()
        life = asyncio.create_task(app({"type": "lifespan"}, told.get, said.put))
        await told.put({"type": "lifespan.startup"})
        assert (await said.get())["type"] == "lifespan.startup.complete"
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            body = {"id": keys_of().id, "expires_in": 60}
            assert (await client.post("/api/v1/sessions", json=body)).status_code == 201
            assert (await client.get("http://localhost/health")).status_code == 421
        await told.put({"type": "lifespan.shutdown"})
        assert (await said.get())["type"] == "lifespan.shutdown.complete"
        await life
        assert not sessions.count

    run(work)
