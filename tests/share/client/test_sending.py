"""`ocft.share.client.sending`: files put into a session, over connections that break."""

import asyncio
import os
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from ocft.crypto import RECORD, SEALED_RECORD, ShareKeys, make_salt, make_share_code, share_keys
from ocft.errors import NotAuthorisedError, ServerRefusedError, SourceChangedError
from ocft.share import ShareClient, SharedFiles, ShareManifest, Upload
from ocft.storage import Collected, SourceSet
from tests.share.cutting_proxy import CuttingProxy
from tests.share.served import FREE, random_file, run, sealed_data, serving


@pytest.fixture(scope="module")
def keys() -> ShareKeys:
    return share_keys(make_share_code())


def files_of(*paths: Path) -> SharedFiles:
    manifest, seen = SourceSet.describe([Collected(one, one.name) for one in paths])
    return SharedFiles(
        manifest, list(zip(paths, seen, strict=True)), ShareManifest.of(manifest.files)
    )


def test_an_upload_goes_on_after_its_connection_broke(keys: ShareKeys, tmp_path: Path) -> None:
    data = random_file(tmp_path / "file", 6 * RECORD + 5)
    with CuttingProxy(1) as proxy:

        async def work() -> None:
            async with serving(public_url=f"http://127.0.0.1:{proxy.port}") as served:
                proxy.target = served.server.port
                cut: set[int] = set()

                def cut_twice(done: int, size: int) -> None:
                    if done // RECORD in {2, 4} - cut:
                        cut.add(done // RECORD)
                        proxy.cut()

                async with ShareClient(served.server.bases[0], keys.id) as client:
                    grant = await client.create(expires_in=60, max_downloads=None, password=None)
                    upload = Upload(client, keys, files_of(tmp_path / "file"), tell=cut_twice)
                    await upload.run(grant.sender_key)
                assert cut == {2, 4}
                assert await served.download(keys) == data

        run(work)


def test_a_sender_that_slept_goes_on(
    keys: ShareKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = random_file(tmp_path / "file", 3 * RECORD)
    read, slept = SourceSet.read, threading.Event()

    async def work() -> None:
        async with serving(limits=replace(FREE, idle_seconds=0.2)) as served:

            def read_slowly(source: SourceSet, offset: int, length: int) -> bytes:
                stored = served.sessions.find(keys.id).stored
                assert stored is not None
                is_last = offset + length == source.size
                # The end of what came is put there when the server has waited for long enough.
                for _ in range(1000 if is_last else 0):
                    if slept.is_set() or stored.stored == 2 * SEALED_RECORD:
                        slept.set()
                        break
                    slept.wait(0.01)
                return read(source, offset, length)

            async with ShareClient(served.server.bases[0], keys.id) as client:
                grant = await client.create(expires_in=60, max_downloads=None, password=None)
                monkeypatch.setattr(SourceSet, "read", read_slowly)
                await Upload(client, keys, files_of(tmp_path / "file")).run(grant.sender_key)
            assert await served.download(keys) == data

    run(work)
    assert slept.is_set()


def test_a_wrong_sender_key_is_told_before_anything_is_sent(
    keys: ShareKeys, tmp_path: Path
) -> None:
    random_file(tmp_path / "file", 10)

    async def work() -> None:
        async with serving() as served:
            await served.make(keys)
            async with ShareClient(served.server.bases[0], keys.id) as client:
                with pytest.raises(NotAuthorisedError):
                    await Upload(client, keys, files_of(tmp_path / "file")).run("x" * 43)
            assert served.sessions.room.used == 0

    run(work)


def test_a_file_that_is_changed_meanwhile_is_not_sent(keys: ShareKeys, tmp_path: Path) -> None:
    random_file(tmp_path / "file", 3 * RECORD)
    files = files_of(tmp_path / "file")
    os.truncate(tmp_path / "file", RECORD)

    async def work() -> None:
        async with serving() as served:
            async with ShareClient(served.server.bases[0], keys.id) as client:
                grant = await client.create(expires_in=60, max_downloads=None, password=None)
                with pytest.raises(SourceChangedError):
                    await Upload(client, keys, files).run(grant.sender_key)
            assert not served.sessions.find(keys.id).is_ready

    run(work)


def test_another_process_goes_on_under_the_same_salt(keys: ShareKeys, tmp_path: Path) -> None:
    data = random_file(tmp_path / "file", 30 * RECORD + 5)
    files = files_of(tmp_path / "file")
    salt = make_salt()
    with CuttingProxy(1) as proxy:

        async def work() -> None:
            async with serving(public_url=f"http://127.0.0.1:{proxy.port}") as served:
                proxy.target = served.server.port

                def stop(done: int, size: int) -> None:
                    if done >= 3 * RECORD:
                        first.cancel()

                async with ShareClient(served.server.bases[0], keys.id) as client:
                    grant = await client.create(expires_in=60, max_downloads=None, password=None)
                    upload = Upload(client, keys, files, salt=salt, tell=stop)
                    first = asyncio.ensure_future(upload.run(grant.sender_key))
                    with suppress(asyncio.CancelledError):
                        await first
                    assert first.cancelled()
                async with ShareClient(served.server.bases[0], keys.id) as client:
                    second = Upload(client, keys, files, salt=salt)
                    before = await second.run(grant.sender_key)
                    assert RECORD <= before < len(data)
                    # Done, but its answer was lost: the next run only finds out.
                    third = Upload(client, keys, files, salt=salt)
                    assert await third.run(grant.sender_key) == len(data)
                assert await served.download(keys) == data
            # What was on its way arrives after we asked what is there: at most a request of four
            # records then goes on in the wrong place, besides the one that was broken off.
            assert proxy.bytes_up < len(data) + 9 * RECORD

        run(work)


def test_another_salt_begins_anew(keys: ShareKeys, tmp_path: Path) -> None:
    data = random_file(tmp_path / "file", RECORD + 5)

    async def work() -> None:
        async with serving() as served:
            headers = await served.make(keys)
            sealed, salt = sealed_data(keys, b"of somebody else")
            assert (await served.patch(keys, headers, sealed, salt=salt)).status_code == 204
            key = headers["Authorization"].removeprefix("Bearer ")
            async with ShareClient(served.server.bases[0], keys.id) as client:
                assert await Upload(client, keys, files_of(tmp_path / "file")).run(key) == 0
            assert await served.download(keys) == data

    run(work)


def test_a_server_without_room_is_not_asked_again_and_again(
    keys: ShareKeys, tmp_path: Path
) -> None:
    random_file(tmp_path / "file", 3 * RECORD)

    async def work() -> None:
        async with serving(limits=replace(FREE, bytes_in_total=2 * RECORD)) as served:
            async with ShareClient(served.server.bases[0], keys.id) as client:
                grant = await client.create(expires_in=60, max_downloads=None, password=None)
                with pytest.raises(ServerRefusedError):
                    await Upload(client, keys, files_of(tmp_path / "file")).run(grant.sender_key)
            assert served.sessions.room.used == 0

    run(work)


def test_room_that_others_take_meanwhile_is_a_refusal_too(keys: ShareKeys, tmp_path: Path) -> None:
    random_file(tmp_path / "file", 8 * RECORD)

    async def work() -> None:
        async with serving(limits=replace(FREE, bytes_in_total=9 * RECORD)) as served:

            def fill(done: int, size: int) -> None:
                if done == 3 * RECORD:
                    session = served.sessions.find(keys.id)
                    served.sessions.room.take(session, 9 * RECORD - served.sessions.room.used)

            async with ShareClient(served.server.bases[0], keys.id) as client:
                grant = await client.create(expires_in=60, max_downloads=None, password=None)
                upload = Upload(client, keys, files_of(tmp_path / "file"), tell=fill)
                with pytest.raises(ServerRefusedError):
                    await upload.run(grant.sender_key)

    run(work)
