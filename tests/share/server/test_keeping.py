"""What a server keeps of its sessions, when the disk is slow or refuses (R-SHR-15)."""

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import NoneType
from typing import Any

import pytest

from ocft.share import DiskStore, Limits, Sessions
from ocft.share.server.contents import StoredContent
from ocft.share.server.disk_store import DiskPlace
from ocft.share.server.refusals import Conflict, NoSpace
from tests.share.served import Served, at, keys_of, run, sealed_data, serving


def refuse(*_arguments: object) -> None:
    raise OSError(28, "No space left on device")


async def put_all(served: Served, data: bytes) -> dict[str, str]:
    """Upload everything, but do not say that it is complete."""
    keys = keys_of()
    headers = await served.make(keys)
    sealed, salt = sealed_data(keys, data)
    assert (await served.patch(keys, headers, sealed, salt=salt)).status_code == 204
    put = await served.client.put(f"{at(keys)}/manifest", content=bytes(50), headers=headers)
    assert put.status_code == 204
    return headers


def test_a_session_that_cannot_be_kept_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with serving(store=DiskStore(tmp_path)) as served:
            monkeypatch.setattr(os, "fsync", refuse)
            body = {"id": keys_of().id, "expires_in": 60}
            answer = await served.client.post("/api/v1/sessions", json=body)
            assert answer.status_code == 507
            assert served.sessions.count == 0

    run(work)


def test_what_cannot_be_kept_is_not_said_to_be_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        keys = keys_of()
        async with serving(store=DiskStore(tmp_path)) as served:
            headers = await put_all(served, b"data")
            with monkeypatch.context() as patched:
                patched.setattr(os, "fsync", refuse)
                answer = await served.client.post(f"{at(keys)}/complete", headers=headers)
                assert answer.status_code == 507
            assert (await served.client.get(at(keys))).json()["state"] == "waiting"
            assert "SessionReady" not in served.kinds()
            again = await served.client.post(f"{at(keys)}/complete", headers=headers)
            assert again.status_code == 204

    run(work)


def test_an_upload_whose_beginning_cannot_be_kept_has_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        keys = keys_of()
        async with serving(store=DiskStore(tmp_path)) as served:
            headers = await served.make(keys)
            await served.patch(keys, headers, bytes(700), salt=bytes(16), length=1000)
            with monkeypatch.context() as patched:
                patched.setattr(os, "fsync", refuse)
                other = bytes(15) + b"1"
                answer = await served.patch(keys, headers, bytes(10), salt=other, length=500)
                assert answer.status_code == 507
            head = await served.client.head(f"{at(keys)}/content", headers=headers)
            assert head.headers["upload-offset"] == "0"
            assert "ocft-salt" not in head.headers
            assert served.sessions.room.used == 0

    run(work)


def test_what_a_sender_was_told_is_synced_outlives_a_loss_of_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        keys = keys_of()
        sessions = Sessions(store=DiskStore(tmp_path))
        session, _ = await sessions.make(keys.id, expires_in=60)
        await sessions.keeper.begin(session, 3000, bytes(16))
        assert session.stored is not None
        session.stored.append(bytes(1000))
        await sessions.keeper.sync(session)
        session.stored.append(bytes(500))
        monkeypatch.setattr("ocft.share.server.disk_store._boot", lambda: "another")
        again = Sessions(store=DiskStore(tmp_path))
        again.load()
        content = again.find(keys.id).stored
        assert content is not None
        assert content.stored == again.room.used == 1000

    run(work)


def test_an_upload_is_synced_before_it_is_acknowledged(tmp_path: Path) -> None:
    async def work() -> None:
        keys = keys_of()
        async with serving(store=DiskStore(tmp_path)) as served:
            headers = await served.make(keys)
            await served.patch(keys, headers, bytes(700), salt=bytes(16), length=1000)
            [path] = tmp_path.rglob("session.json")
            assert json.loads(path.read_text())["synced"] == 700

    run(work)


def test_what_is_older_is_never_written_after_what_is_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, at_once, most = os.fsync, [0], [0]

    def slow(descriptor: int) -> None:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.01)
        write(descriptor)
        at_once[0] -= 1

    async def work() -> None:
        sessions = Sessions(store=DiskStore(tmp_path))
        session, _ = await sessions.make(keys_of().id, expires_in=60)
        monkeypatch.setattr(os, "fsync", slow)
        saving = []
        for number in range(8):
            session.whole = number
            saving.append(asyncio.ensure_future(sessions.keeper.save(session)))
            await asyncio.sleep(0)
        await asyncio.gather(*saving)
        assert most == [1]
        [path] = tmp_path.rglob("session.json")
        assert json.loads(path.read_text())["whole"] == 7

    run(work)


def test_a_disk_that_is_slow_to_sync_holds_up_nobody_who_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()

    def stuck(_descriptor: int) -> None:
        may_end.wait(10)

    async def work() -> None:
        keys = keys_of()
        async with serving(store=DiskStore(tmp_path)) as served:
            await served.upload(keys, b"data")
            granted = await served.join(keys)
            first = await served.client.get(f"{at(keys)}/content", headers=granted["headers"])
            assert first.status_code == 200
            monkeypatch.setattr(os, "fsync", stuck)
            others = [served.sessions.make(f"{'a' * 25}{one}", expires_in=9) for one in "aeimquy4"]
            making = asyncio.gather(*others, return_exceptions=True)
            try:
                async with asyncio.timeout(5):
                    answer = await served.client.get(
                        f"{at(keys)}/content", headers=granted["headers"]
                    )
                assert answer.status_code == 200
                assert not making.done()
            finally:
                may_end.set()
                await making

    run(work)


def test_a_manifest_that_comes_after_its_session_takes_no_room() -> None:
    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            headers = await served.make(keys)

            async def manifest() -> AsyncIterator[bytes]:
                yield bytes(1000)
                deleted = await served.client.delete(at(keys), headers=headers)
                assert deleted.status_code == 204
                yield bytes(1000)

            place = f"{at(keys)}/manifest"
            answer = await served.client.put(place, content=manifest(), headers=headers)
            assert answer.status_code == 404
            assert served.sessions.room.used == 0

    run(work)


@pytest.mark.parametrize("is_begun", [False, True])
def test_what_ends_while_an_upload_writes_is_removed_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_begun: bool
) -> None:
    """A folder that is removed under a writer would be half there until the next start."""
    order = []
    slow = DiskPlace.save if not is_begun else StoredContent.append
    owner: Any = StoredContent if is_begun else DiskPlace

    async def work() -> None:
        keys = keys_of()
        async with serving(store=DiskStore(tmp_path)) as served:
            headers = await served.make(keys)
            loop, has_begun, may_end = (
                asyncio.get_running_loop(),
                asyncio.Event(),
                threading.Event(),
            )

            def write(*arguments: Any) -> None:
                loop.call_soon_threadsafe(has_begun.set)
                may_end.wait(10)
                slow(*arguments)
                order.append("written")

            def remove(place: DiskPlace) -> None:
                order.append("removed")
                removed(place)

            removed = DiskPlace.remove
            monkeypatch.setattr(owner, slow.__name__, write)
            monkeypatch.setattr(DiskPlace, "remove", remove)
            uploading = asyncio.ensure_future(
                served.patch(keys, headers, bytes(700), salt=bytes(16), length=1000)
            )
            await has_begun.wait()
            assert (await served.client.delete(at(keys), headers=headers)).status_code == 204
            await asyncio.sleep(0.05)  # in which it would be removed
            may_end.set()
            assert (await uploading).status_code == 404
            while len(order) < 2:
                await asyncio.sleep(0.01)
            assert order == ["written", "removed"]
            assert served.sessions.room.used == 0
            assert not served.sessions.room._promised
        assert list(tmp_path.iterdir()) == []

    run(work)


def test_a_manifest_is_room_too() -> None:
    async def work() -> None:
        keys = keys_of()
        async with serving(limits=Limits(bytes_in_total=1000)) as served:
            headers = await served.make(keys)
            place = f"{at(keys)}/manifest"
            for size in (600, 300):
                answer = await served.client.put(place, content=bytes(size), headers=headers)
                assert answer.status_code == 204
                assert served.sessions.room.used == size
            large = await served.client.put(place, content=bytes(2000), headers=headers)
            assert large.status_code == 507
            assert served.sessions.room.used == 300
            await served.client.delete(at(keys), headers=headers)
            assert served.sessions.room.used == 0

    run(work)


def test_a_removal_that_takes_long_is_waited_for(tmp_path: Path) -> None:
    async def work() -> None:
        sessions = Sessions(store=DiskStore(tmp_path))
        for one in "aei":
            await sessions.make(f"{'a' * 25}{one}", expires_in=60)
        await sessions.close()
        assert list(tmp_path.iterdir()) == []

    run(work)


def test_a_place_that_cannot_be_made_is_no_room(tmp_path: Path) -> None:
    async def work() -> None:
        sessions = Sessions(store=DiskStore(tmp_path / "s"))
        (tmp_path / "s").rmdir()
        with pytest.raises(NoSpace):
            await sessions.make(keys_of().id, expires_in=60)

    run(work)


def slowed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each sync take a while."""
    write = os.fsync

    def slow(descriptor: int) -> None:
        time.sleep(0.02)
        write(descriptor)

    monkeypatch.setattr(os, "fsync", slow)


def test_what_ends_while_it_is_written_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowed_down(monkeypatch)

    async def work() -> None:
        sessions = Sessions(store=DiskStore(tmp_path))
        for one in "aeimquy4":
            session, _ = await sessions.make(f"{'a' * 25}{one}", expires_in=60)
            saving = [asyncio.ensure_future(sessions.keeper.save(session)) for _ in range(3)]
            await asyncio.sleep(0.01)
            sessions.end(session, "deleted")
            await asyncio.gather(*saving)
        await sessions.close()
        assert list(tmp_path.iterdir()) == []

    run(work)


def test_of_manifests_that_come_at_once_one_is_kept_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowed_down(monkeypatch)

    async def work() -> None:
        sessions = Sessions(store=DiskStore(tmp_path))
        session, _ = await sessions.make(keys_of().id, expires_in=60)
        await asyncio.gather(
            *(sessions.put_manifest(session, bytes(size)) for size in (100, 200, 300))
        )
        assert sessions.room.used == len(await sessions.keeper.manifest(session)) == 300

    run(work)


def test_nothing_changes_any_more_once_a_session_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowed_down(monkeypatch)

    async def work() -> None:
        sessions = Sessions(store=DiskStore(tmp_path))
        session, _ = await sessions.make(keys_of().id, expires_in=60)
        await sessions.put_manifest(session, b"first")
        await sessions.keeper.begin(session, 4, bytes(16))
        assert session.stored is not None
        session.stored.append(b"data")
        late = [
            sessions.complete(session),
            sessions.put_manifest(session, b"second"),
            sessions.keeper.begin(session, 9, bytes(16)),
        ]
        holds = asyncio.ensure_future(sessions.keeper.save(session))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(late[1])  # waits, and so does what comes after it
        await asyncio.sleep(0)
        ends = await asyncio.gather(late[0], second, late[2], holds, return_exceptions=True)
        assert [type(one) for one in ends] == [NoneType, Conflict, Conflict, NoneType]
        assert await sessions.keeper.manifest(session) == b"first"
        assert session.stored.is_complete
        assert sessions.room.used == 5

    run(work)
