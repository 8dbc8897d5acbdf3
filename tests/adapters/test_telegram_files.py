"""Files of messages, on their way down."""

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest

from ocft.channels import IncomingFile
from ocft.errors import ChannelClosedError, ChannelError
from ocft_telegram import TelegramChannel
from tests.adapters.telegram_world import World, hear, in_real_time, world
from tests.emulators.telegram import Fault

pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")
CONTENT = bytes(range(256)) * 4000


async def upload(
    here: World, bob: TelegramChannel, content: Any = CONTENT, name: str = "a b.bin"
) -> IncomingFile:
    """Let a person upload a file; return what Bob hears of it."""
    here.server.say(
        here.server.add_person("Ann"), here.bob, "see this", file=content, file_name=name
    )
    (text,) = await hear(bob)
    assert text.text == "see this"
    return text.files[0]


async def fetch(file: IncomingFile) -> bytes:
    sink = io.BytesIO(b"before")
    sink.seek(0, io.SEEK_END)
    await file.fetch(sink)
    return sink.getvalue().removeprefix(b"before")


@in_real_time
async def test_a_persons_upload_is_downloaded_when_it_is_wanted() -> None:
    async with world() as here, await here.open(here.bob) as bob:
        file = await upload(here, bob)
        assert (file.name, file.size) == ("a b.bin", len(CONTENT))
        assert here.server.counters.requests["getFile"] == 0
        assert await fetch(file) == CONTENT
        assert await fetch(file) == CONTENT  # again, from the beginning
        assert await fetch(await upload(here, bob, b"", "empty.txt")) == b""


@pytest.mark.parametrize(
    "fault", [Fault.TRUNCATED, Fault.RESET, Fault.BAD_GATEWAY, Fault.LOST_REQUEST]
)
@in_real_time
async def test_a_download_that_breaks_off_can_be_tried_again(fault: Fault) -> None:
    async with world() as here, await here.open(here.bob) as bob:
        file = await upload(here, bob)
        here.server.faults.next("download", fault)
        with pytest.raises(ChannelError) as raised:
            await fetch(file)
        assert raised.value.retryable
        assert here.bob.token not in str(raised.getrepr(chain=True))
        assert await fetch(file) == CONTENT


@pytest.mark.parametrize("fault", [Fault.WEB_PAGE, Fault.REDIRECT])
@in_real_time
async def test_what_is_no_file_is_not_taken_for_one(fault: Fault) -> None:
    async with world() as here, await here.open(here.bob) as bob:
        for content in (CONTENT, b"x"):
            file = await upload(here, bob, content)
            here.server.faults.next("download", fault)
            with pytest.raises(ChannelError) as raised:
                await fetch(file)
            assert not raised.value.retryable
        page = await upload(here, bob, b"<html>", "page.html")
        assert await fetch(page) == b"<html>"
        here.server.faults.next("download", fault)
        with pytest.raises(ChannelError):
            await fetch(page)


@in_real_time
async def test_an_address_that_has_expired_is_asked_for_again_once() -> None:
    async with world() as here, await here.open(here.bob) as bob:
        file = await upload(here, bob)
        for fault in (Fault.NOT_FOUND, Fault.UNAUTHORIZED):
            here.server.faults.next("download", fault)
            assert await fetch(file) == CONTENT
        assert here.server.counters.requests["getFile"] == 4
        here.server.faults.next("download", Fault.NOT_FOUND, times=2)
        with pytest.raises(ChannelError, match="no more"):
            await fetch(file)
        assert here.server.counters.requests["getFile"] == 6


@in_real_time
async def test_a_file_that_is_too_large_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(download_bytes=1000) as here, await here.open(here.bob) as bob:
        file = await upload(here, bob)
        with pytest.raises(ChannelError, match="too big") as raised:  # says a server of one's own
            await fetch(file)
        assert not raised.value.retryable
        monkeypatch.setattr(bob._downloads, "_largest", 20 * 1024 * 1024)  # Telegram's own
        asked = here.server.counters.requests["getFile"]
        huge = bob._downloads.fetch("id", 20 * 1024 * 1024 + 1, io.BytesIO(), is_page=False)
        with pytest.raises(ChannelError, match="20971520 at most"):
            await huge
        assert here.server.counters.requests["getFile"] == asked


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1, 0])
@in_real_time
async def test_a_size_that_is_not_true_is_noticed(size: int) -> None:
    async with world() as here, await here.open(here.bob) as bob:
        await upload(here, bob)
        file_id = next(iter(here.bob.file_ids))
        sink = io.BytesIO()
        with pytest.raises(ChannelError):
            await bob._downloads.fetch(file_id, size, sink, is_page=False)
        assert len(sink.getvalue()) <= size
        with pytest.raises(ChannelError, match="Wrong file_id"):
            await bob._downloads.fetch("of another bot", 5, sink, is_page=False)


@in_real_time
async def test_a_server_that_gives_paths_on_its_disk_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    async with world() as here, await here.open(here.bob) as bob:
        file = await upload(here, bob)
        for path in (str(secret), "/nowhere/secret", "../../secret"):
            link = here.bob.link
            here.bob.link = lambda *_, path=path: path  # type: ignore[method-assign]
            with pytest.raises(ChannelError, match="--local"):
                await fetch(file)
            here.bob.link = link  # type: ignore[method-assign]


@in_real_time
async def test_closing_ends_downloads() -> None:
    async with world() as here:
        bob = await here.open(here.bob)
        file = await upload(here, bob)
        here.server.faults.next("getFile", Fault.LATE, seconds=0.2)
        fetching = asyncio.create_task(fetch(file))
        await asyncio.sleep(0.05)
        await bob.close()
        with pytest.raises(ChannelError):
            await fetching
        with pytest.raises(ChannelClosedError):
            await bob._downloads._download("http://x", 5, io.BytesIO(), is_page=False)
