"""`ocft.share.sending`: files put into a session, over connections that break."""

import os
from pathlib import Path

import pytest

from ocft.crypto import RECORD, ShareKeys, make_share_code, share_keys
from ocft.errors import NotAuthorisedError, SourceChangedError
from ocft.share import ShareClient, SharedFiles, ShareManifest, Upload
from ocft.storage import Collected, SourceSet
from tests.share.cutting_proxy import CuttingProxy
from tests.share.served import random_file, run, serving


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
            assert served.sessions.bytes_stored == 0

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
