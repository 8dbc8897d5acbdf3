"""How often content is fetched: a download counts when it is whole (R-SHR-14)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ocft.crypto import SEALED_RECORD, ShareKeys
from ocft.share import DiskStore, DownloadEnded, SessionEnded, Sessions
from ocft.share.server.downloads import ContentAnswer
from tests.share.served import FREE, Served, at, keys_of, random_file, run, serving, share

SIZE = 24 << 20  # bytes; more than all buffers between here and there


async def begin(served: Served, keys: ShareKeys, headers: dict[str, str]) -> None:
    """Fetch the beginning, break off, and wait until the server has seen that."""
    session = served.sessions.find(keys.id)
    async with served.client.stream("GET", f"{at(keys)}/content", headers=headers) as answer:
        assert answer.status_code == 200
        await anext(answer.aiter_raw())
    while any(one.answers for one in session):
        await asyncio.sleep(0.01)


async def left(served: Served, keys: ShareKeys) -> Any:
    """Return how many downloads are left, or 404."""
    answer = await served.client.get(at(keys))
    return answer.json()["downloads_left"] if answer.status_code == 200 else answer.status_code


async def fetch(served: Served, keys: ShareKeys, headers: dict[str, str], start: int = 0) -> int:
    """Fetch the rest; the status."""
    more = {"Range": f"bytes={start}-"} if start else {}
    answer = await served.client.get(f"{at(keys)}/content", headers=headers | more)
    return answer.status_code


async def say(served: Served, keys: ShareKeys, granted: dict[str, Any], **said: Any) -> None:
    """Give a receipt."""
    done = f"{at(keys)}/downloads/{granted['download']}/done"
    answer = await served.client.post(done, headers=granted["headers"], json=said)
    assert answer.status_code == 204


def test_who_broke_off_goes_on_and_nobody_else_begins_meanwhile(tmp_path: Path) -> None:
    random_file(tmp_path / "one", SIZE)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "one", max_downloads=1)
            first, second = await served.join(keys), await served.join(keys)
            await begin(served, keys, first["headers"])
            assert await fetch(served, keys, second["headers"]) == 404
            assert await left(served, keys) == 404
            assert await fetch(served, keys, first["headers"], SEALED_RECORD) == 206
            await say(served, keys, first, ok=True)
            assert served.events[-1] == SessionEnded(keys.id, "used-up")

    run(work)


def test_a_download_that_nobody_goes_on_with_is_given_back(tmp_path: Path) -> None:
    random_file(tmp_path / "one", SIZE)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            session = share(served.sessions, keys, tmp_path / "one", max_downloads=1)
            crashed = await served.join(keys)
            await begin(served, keys, crashed["headers"])
            served.clock.now += FREE.resume_seconds - 1
            served.sessions.sweep()
            assert session.downloads_left == 0
            served.clock.now += 2
            served.sessions.sweep()
            assert DownloadEnded(keys.id, crashed["download"], None, None) in served.events
            assert await left(served, keys) == 1
            assert len(await served.download(keys)) == SIZE
            assert await left(served, keys) == 404

    run(work)


def test_who_says_that_all_arrived_is_counted(tmp_path: Path) -> None:
    random_file(tmp_path / "one", SIZE)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "one", max_downloads=2)
            granted = await served.join(keys)
            await begin(served, keys, granted["headers"])
            await say(served, keys, granted, ok=True)
            assert await left(served, keys) == 1

    run(work)


def test_what_left_to_nobody_is_not_counted(tmp_path: Path) -> None:
    random_file(tmp_path / "one", 1000)

    async def work() -> None:
        sessions = Sessions()
        session = share(sessions, keys_of(), tmp_path / "one", max_downloads=1)
        download, _ = sessions.let_in(session)
        length = session.content.length
        assert length is not None
        has_gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await has_gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:  # as servers do: what cannot be sent is dropped
            if message.get("body"):
                has_gone.set()
                await asyncio.sleep(0.01)

        answer = ContentAnswer(sessions, session, download, start=0, length=length, is_part=False)
        with pytest.raises(ConnectionAbortedError):
            await answer({"type": "http", "method": "GET"}, receive, send)
        assert (session.whole, session.downloads_left) == (0, 0)
        sessions.spoil(session)
        await sessions.close()

    run(work)


def test_a_receiver_that_fails_gives_its_download_back_at_once(tmp_path: Path) -> None:
    random_file(tmp_path / "one", SIZE)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "one", max_downloads=2)
            granted = await served.join(keys)
            await begin(served, keys, granted["headers"])
            await say(served, keys, granted, ok=False, code="NO_SPACE")
            assert await left(served, keys) == 2

    run(work)


def test_who_gives_a_download_back_is_sent_no_more_of_it(tmp_path: Path) -> None:
    random_file(tmp_path / "one", SIZE)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            session = share(served.sessions, keys, tmp_path / "one", max_downloads=1)
            granted = await served.join(keys)
            place, headers = f"{at(keys)}/content", granted["headers"]
            async with served.client.stream("GET", place, headers=headers) as answer:
                pieces = answer.aiter_raw()
                await anext(pieces)
                await say(served, keys, granted, ok=False)
                assert session.downloads_left == 1  # somebody else may have it now
                with pytest.raises(httpx.RemoteProtocolError):
                    async for _ in pieces:
                        pass
            assert session.whole == 0

    run(work)


def test_a_receipt_counts_once(tmp_path: Path) -> None:
    random_file(tmp_path / "one", 1000)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "one")
            granted = await served.join(keys)
            await fetch(served, keys, granted["headers"])
            done = f"{at(keys)}/downloads/{granted['download']}/done"
            both_came, statuses = asyncio.Barrier(2), []

            async def receipt() -> AsyncIterator[bytes]:
                yield b'{"ok": '
                await asyncio.sleep(0.1)  # both were let in before either of them ends
                await both_came.wait()
                yield b"true}"

            async def send() -> None:
                kind = {"Content-Type": "application/json"}
                answer = await served.client.post(
                    done, headers=granted["headers"] | kind, content=receipt()
                )
                statuses.append(answer.status_code)

            await asyncio.gather(send(), send())
            assert sorted(statuses) == [204, 404]
            assert served.sessions.counts["done"] == 1
            assert served.kinds().count("DownloadEnded") == 1

    run(work)


@pytest.mark.parametrize("said", [{"ok": False, "code": "UNSEAL"}, {}])
def test_what_left_whole_counts_whatever_the_receiver_says(
    tmp_path: Path, said: dict[str, Any]
) -> None:
    random_file(tmp_path / "one", 1000)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "one", max_downloads=2)
            granted = await served.join(keys)
            for _ in range(2):  # the second time is for what was lost on the way
                assert await fetch(served, keys, granted["headers"]) == 200
            if said:
                await say(served, keys, granted, **said)
            served.clock.now += FREE.resume_seconds + 1
            served.sessions.sweep()
            assert await left(served, keys) == 1

    run(work)


@pytest.mark.parametrize("part", ["whole", "begun"])
def test_what_counts_outlives_a_restart(tmp_path: Path, part: str) -> None:
    granted: dict[str, Any] = {}
    keys = keys_of()

    async def before() -> None:
        async with serving(store=DiskStore(tmp_path), keeps_sessions=True) as served:
            await served.upload(keys, bytes(SIZE), max_downloads=2)
            granted.update(await served.join(keys))
            if part == "whole":
                assert await fetch(served, keys, granted["headers"]) == 200
            else:
                await begin(served, keys, granted["headers"])

    async def after() -> None:
        async with serving(store=DiskStore(tmp_path)) as served:
            assert await left(served, keys) == 1
            assert await fetch(served, keys, granted["headers"], SEALED_RECORD) == 206
            await say(served, keys, granted, ok=False)
            assert await left(served, keys) == 1  # either way all of it left by now

    run(before)
    run(after)


def test_a_transfer_that_takes_long_is_not_given_up(tmp_path: Path) -> None:
    random_file(tmp_path / "one", SIZE)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            session = share(served.sessions, keys, tmp_path / "one", max_downloads=1)
            headers = (await served.join(keys))["headers"]
            place = f"{at(keys)}/content"
            async with served.client.stream("GET", place, headers=headers) as answer:
                pieces = answer.aiter_raw()
                size = len(await anext(pieces))
                served.clock.now += 10 * FREE.resume_seconds
                served.sessions.sweep()
                assert len(list(session)) == 1
                size += sum([len(piece) async for piece in pieces])
            assert size > SIZE

    run(work)


def test_who_only_came_in_takes_nothing_from_others_after_a_restart(tmp_path: Path) -> None:
    keys = keys_of()

    async def before() -> None:
        async with serving(store=DiskStore(tmp_path), keeps_sessions=True) as served:
            await served.upload(keys, b"data", max_downloads=1)
            await served.join(keys)

    async def after() -> None:
        async with serving(store=DiskStore(tmp_path)) as served:
            assert await left(served, keys) == 1
            assert await served.download(keys) == b"data"

    run(before)
    run(after)
