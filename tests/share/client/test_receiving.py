"""From a link to files, through a server and over broken connections."""

import asyncio
import io
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ocft.crypto import (
    RECORD,
    SEALED_RECORD,
    ShareKeys,
    make_share_code,
    password_verifier,
    share_keys,
)
from ocft.errors import (
    DigestMismatchError,
    NoSessionError,
    RateLimitedError,
    ServerUnreachableError,
    TransferTimeoutError,
    WrongPasswordError,
)
from ocft.share import (
    DownloadEnded,
    FolderSink,
    ReceiveEvent,
    ReceiveProgress,
    SessionView,
    ShareClient,
    ShareLink,
    StreamSink,
    Waiting,
    receive,
)
from tests.share.cutting_proxy import CuttingProxy
from tests.share.served import Served, random_file, run, sealed_data, serving, share

CODE = make_share_code()


@pytest.fixture(scope="module")
def keys() -> ShareKeys:
    return share_keys(CODE)


@pytest.fixture
def proxy() -> Iterator[CuttingProxy]:
    with CuttingProxy(1) as proxy:
        yield proxy


def link(served: Served) -> ShareLink:
    return ShareLink(served.server.bases[0], CODE)


def ends(served: Served) -> list[tuple[bool | None, str | None]]:
    return [(one.ok, one.code) for one in served.events if isinstance(one, DownloadEnded)]


def named(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".ocft")


def test_a_file_comes_over_connections_that_break(keys: ShareKeys, tmp_path: Path) -> None:
    data = random_file(tmp_path / "file", 6 * RECORD + 5)
    cuts = iter([300_000, 1_500_000, 2_400_000, 1_200_000])
    with CuttingProxy(1, bytes_until_cut=lambda: next(cuts, None)) as proxy:

        async def work() -> None:
            async with serving(public_url=f"http://127.0.0.1:{proxy.port}") as served:
                proxy.target = served.server.port
                share(served.sessions, keys, tmp_path / "file", max_downloads=1)
                received = await receive(link(served), FolderSink(tmp_path / "inbox"))
                assert received.paths == (tmp_path / "inbox" / "file",)
                assert received.paths[0].read_bytes() == data
                assert ends(served) == [(True, None)]
            assert proxy.connections == 5
            # What came again is at most a record for each cut.
            assert proxy.bytes_down < len(data) + 4 * SEALED_RECORD + 64 * 1024

        run(work)


def test_another_run_goes_on_with_the_same_download(keys: ShareKeys, tmp_path: Path) -> None:
    data = random_file(tmp_path / "file", 5 * RECORD)

    async def work() -> None:
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "file", max_downloads=1)
            first: list[int] = []

            def stop_at_two(event: ReceiveEvent) -> None:
                if isinstance(event, ReceiveProgress):
                    first.append(event.bytes_done)
                    if event.bytes_done >= 2 * RECORD:
                        task.cancel()

            sink = FolderSink(tmp_path / "inbox")
            task = asyncio.create_task(receive(link(served), sink, tell=stop_at_two))
            with suppress(asyncio.CancelledError):
                await task
            assert task.cancelled()
            assert named(tmp_path / "inbox") == []
            # Nobody new may come: the one download has begun.
            other = FolderSink(tmp_path / "other")
            with pytest.raises(NoSessionError):
                await receive(link(served), other)
            received = await receive(link(served), FolderSink(tmp_path / "inbox"))
            assert received.bytes_before >= 2 * RECORD
            assert (tmp_path / "inbox" / "file").read_bytes() == data
            assert ends(served) == [(True, None)]

    run(work)


def test_a_password_lets_in_who_has_it(keys: ShareKeys, tmp_path: Path) -> None:
    data = random_file(tmp_path / "file", 10)

    async def work() -> None:
        async with serving() as served:
            verifier = password_verifier("right", keys.id)
            share(served.sessions, keys, tmp_path / "file", verifier=verifier)
            for wrong in ("wrong", None):
                with pytest.raises(WrongPasswordError):
                    await receive(link(served), FolderSink(tmp_path / "inbox"), password=wrong)
            assert named(tmp_path / "inbox") == []
            await receive(link(served), FolderSink(tmp_path / "inbox"), password="right")
            assert (tmp_path / "inbox" / "file").read_bytes() == data

    run(work)


def test_a_session_without_the_password_that_was_given_is_not_believed(
    keys: ShareKeys, tmp_path: Path
) -> None:
    random_file(tmp_path / "file", 10)

    async def work() -> None:
        async with serving() as served:  # by somebody who has the link, but not the password
            share(served.sessions, keys, tmp_path / "file")
            with pytest.raises(WrongPasswordError, match="no password"):
                await receive(link(served), FolderSink(tmp_path / "inbox"), password="right")
            assert list((tmp_path / "inbox").iterdir()) == []

    run(work)


def test_bytes_that_were_changed_on_the_way_get_no_name(keys: ShareKeys, tmp_path: Path) -> None:
    data = random_file(tmp_path / "file", 2 * RECORD)

    async def work() -> None:
        async with serving() as served:
            session = await served.upload(keys, data)
            assert session
            sealed, _ = sealed_data(keys, data)
            place = served.sessions.find(keys.id).content
            kept = place._pieces  # type: ignore[attr-defined]  # the store of the server
            joined = bytearray(b"".join([*kept, place._last]))  # type: ignore[attr-defined]
            place._last.clear()  # type: ignore[attr-defined]
            assert len(joined) == len(sealed)
            joined[SEALED_RECORD + 100] ^= 1
            kept[:] = [bytes(joined)]
            with pytest.raises(DigestMismatchError):
                await receive(link(served), FolderSink(tmp_path / "inbox"))
            assert named(tmp_path / "inbox") == []
            assert ends(served) == [(False, "DIGEST_MISMATCH")]

    run(work)


def test_nobody_who_puts_files_there_is_a_time_out(keys: ShareKeys, tmp_path: Path) -> None:
    async def work() -> None:
        async with serving() as served:
            await served.make(keys)
            with pytest.raises(TransferTimeoutError):
                await receive(link(served), FolderSink(tmp_path / "inbox"), within=0.1)

    run(work)


def test_a_session_that_is_not_there_is_said_at_once(keys: ShareKeys, tmp_path: Path) -> None:
    async def work() -> None:
        async with serving() as served:
            with pytest.raises(NoSessionError):
                await receive(link(served), FolderSink(tmp_path / "inbox"))

    run(work)


def test_a_server_that_sends_a_byte_now_and_then_keeps_nobody(tmp_path: Path) -> None:
    has_ended = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with suppress(OSError):
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        has_ended.set()

    async def work() -> None:
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        async with server:
            place = ShareLink(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", CODE)
            with pytest.raises(TransferTimeoutError):
                await receive(place, FolderSink(tmp_path / "inbox"), within=0.3)
            await has_ended.wait()

    run(work)


def test_a_pause_that_the_server_wants_is_no_end(
    keys: ShareKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_file(tmp_path / "file", 5)
    look = ShareClient.look
    pauses: list[Waiting] = []

    async def look_too_often(client: ShareClient) -> SessionView:
        if len(pauses) < 2:
            raise RateLimitedError("Too many looks.", retry_after=0.0)
        return await look(client)

    def tell(event: ReceiveEvent) -> None:
        if isinstance(event, Waiting):
            pauses.append(event)

    async def work() -> None:
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "file")
            monkeypatch.setattr(ShareClient, "look", look_too_often)
            await receive(link(served), FolderSink(tmp_path / "inbox"), tell=tell)
            assert named(tmp_path / "inbox") == ["file"]

    run(work)


def test_what_is_a_part_of_something_that_is_gone_is_removed(
    keys: ShareKeys, tmp_path: Path
) -> None:
    random_file(tmp_path / "file", 40 * RECORD)  # more than what is on the way

    async def work() -> None:
        async with serving() as served:
            session = share(served.sessions, keys, tmp_path / "file")

            def end_at_two(event: ReceiveEvent) -> None:
                if isinstance(event, ReceiveProgress) and event.bytes_done >= 2 * RECORD:
                    served.sessions.end(session, "deleted")

            with pytest.raises(NoSessionError):
                await receive(link(served), FolderSink(tmp_path / "inbox"), tell=end_at_two)
            assert list((tmp_path / "inbox").iterdir()) == []

    run(work)


def test_a_live_sender_that_is_gone_is_known_at_once(keys: ShareKeys, tmp_path: Path) -> None:
    random_file(tmp_path / "file", 4 * RECORD)
    told: list[ReceiveEvent] = []

    with CuttingProxy(1, bytes_until_cut=lambda: 2 * SEALED_RECORD) as proxy:

        def hear(event: ReceiveEvent) -> None:
            told.append(event)
            if isinstance(event, ReceiveProgress):
                with suppress(OSError):  # the second time
                    proxy.vanish()

        async def work() -> None:
            async with serving(public_url=f"http://127.0.0.1:{proxy.port}") as served:
                proxy.target = served.server.port
                share(served.sessions, keys, tmp_path / "file")
                for _ in range(2):  # another run knows, too, that this one cannot come back
                    began = time.monotonic()
                    with pytest.raises(ServerUnreachableError):
                        await receive(link(served), FolderSink(tmp_path / "inbox"), tell=hear)
                    assert time.monotonic() - began < 10, "it waited for half a minute"
                assert named(tmp_path / "inbox") == []

        run(work)
    assert any(isinstance(event, Waiting) for event in told)


def test_a_reader_who_has_had_enough_is_no_broken_connection(
    keys: ShareKeys, tmp_path: Path
) -> None:
    class Gone(io.BytesIO):
        def write(self, data: object) -> int:
            raise BrokenPipeError

    random_file(tmp_path / "file", 3 * RECORD)

    async def work() -> None:
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "file")
            with pytest.raises(BrokenPipeError):
                await receive(link(served), StreamSink(Gone()))
            assert ends(served) == [(False, "CANCELLED")]

    run(work)
