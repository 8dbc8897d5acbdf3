"""The Slack channel against the stand-in: native files."""

import asyncio
import io
import tracemalloc
from pathlib import Path
from typing import BinaryIO

import pytest

from ocft.channels import IncomingFile, IncomingText
from ocft.errors import (
    ChannelClosedError,
    ChannelError,
    DeliveryUnknownError,
    FileRefusedError,
    RateLimitedError,
)
from ocft_slack import SlackChannel, uploads
from tests.adapters.slack_scene import FRAME, Memory, Reader, Scene, _no_proxy, in_scene, until
from tests.emulators.slack import Fault

__all__ = ["_no_proxy"]
pytestmark = pytest.mark.usefixtures("_no_proxy")

DATA = bytes(range(256)) * 400


async def share(channel: SlackChannel, data: bytes = DATA, text: str = FRAME) -> str:
    return await channel.send_file("*", io.BytesIO(data), name="ocft-1.bin", text=text)


async def fetched(file: IncomingFile) -> bytes:
    sink = io.BytesIO()
    await file.fetch(sink)
    return sink.getvalue()


async def one_file(reader: Reader, number: int = 1) -> IncomingFile:
    heard: IncomingText = (await reader.until(number))[number - 1]
    (file,) = heard.files
    return file


def test_a_file_arrives_with_its_text() -> None:
    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)
        source = io.BytesIO(DATA)
        source.read(100)  # wherever it is: all of it is sent
        await alice.send_file("*", source, name="ocft-1.bin", text=FRAME)
        file = await one_file(bob)
        assert bob.texts == [FRAME]
        assert (file.name, file.size) == ("ocft-1.bin", len(DATA))
        assert await fetched(file) == DATA
        sink = io.BytesIO(b"before")
        sink.seek(6)
        await file.fetch(sink)
        assert sink.getvalue() == b"before" + DATA
        calls = its.server.counters.requests
        assert calls["files.info"] == 0
        assert calls["files.completeUploadExternal"] == 1

    in_scene(scenario)


def test_a_person_can_share_a_file_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"<html>a page of my own</html>")

    async def scenario(its: Scene) -> None:
        bob = await its.read(its.bob)
        its.server.say(its.room, "look", by=its.carol, file=tmp_path / "x", file_name="über/ö.html")
        file = await one_file(bob)
        assert (file.name, bob.texts) == ("über/ö.html", ["look"])
        assert bob.heard[0].author == its.carol.user_id
        assert await fetched(file) == b"<html>a page of my own</html>"

    in_scene(scenario)


@pytest.mark.parametrize("fault", [Fault.NO_SUBTYPE, Fault.LOST])
def test_a_file_is_found_however_slack_tells_of_it(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocft_slack.catching_up._LOOK_EVERY", 0.1)

    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)
        its.server.faults.next("event", fault, app=its.bob)
        await share(alice)
        assert await fetched(await one_file(bob)) == DATA

    in_scene(scenario)


def test_a_file_of_which_only_the_id_is_told_is_looked_up_by_who_wants_it() -> None:
    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)
        its.server.faults.next("event", Fault.FILE_STUB, app=its.bob)
        # Whoever is in a channel with other workspaces can say so: it must not stop the reading.
        its.server.faults.next("files.info", Fault.RATE_LIMITED, seconds=1000, app=its.bob)
        await share(alice)
        stub = await one_file(bob)
        await alice.send("*", "next")
        await bob.until(2)
        assert stub.size is None
        assert its.server.counters.requests["files.info"] == 0
        with pytest.raises(RateLimitedError) as caught:
            await stub.known()
        assert caught.value.retry_after == 1000
        file = await stub.known()
        assert (file.name, file.size, file.id) == ("ocft-1.bin", len(DATA), stub.id)
        assert await fetched(file) == DATA
        assert its.server.counters.requests["files.info"] == 2

    in_scene(scenario)


def test_a_file_that_cannot_be_looked_up_cannot_be_had() -> None:
    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)
        its.server.faults.next("event", Fault.FILE_STUB, app=its.bob)
        its.server.faults.next("files.info", Fault.SLACK_ERROR, error="file_not_found", app=its.bob)
        file_id = await share(alice)
        stub = await one_file(bob)
        with pytest.raises(ChannelError, match="file_not_found"):
            await stub.known()
        await alice.delete(file_id)
        with pytest.raises(ChannelError) as caught:
            await stub.known()
        assert not caught.value.retryable

    in_scene(scenario)


# Downloads that go wrong


@pytest.mark.parametrize(
    ("fault", "is_retryable"),
    [
        (Fault.ERROR_500, True),
        (Fault.TRUNCATED, True),
        (Fault.SHORT, True),
        (Fault.SIGN_IN_PAGE, False),
        (Fault.GONE, False),
        (Fault.REDIRECT_AWAY, False),
        (Fault.REDIRECT_LOOP, False),
    ],
)
def test_a_download_that_fails_says_whether_it_may_be_tried_again(
    fault: Fault,
    is_retryable: bool,  # noqa: FBT001 - of a table
) -> None:
    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)
        await share(alice)
        file = await one_file(bob)
        # At the second address too: one that is gone is asked for anew once.
        its.server.faults.next("download", fault, times=1 if is_retryable else 2)
        with pytest.raises(ChannelError) as caught:
            await fetched(file)
        assert caught.value.retryable == is_retryable
        assert its.server.counters.requests["files.info"] == (not is_retryable)
        its.server.faults.clear()
        assert await fetched(file) == DATA
        assert not its.server.counters.leaked_tokens

    in_scene(scenario)


@pytest.mark.parametrize("fault", [Fault.SIGN_IN_PAGE, Fault.GONE, Fault.REDIRECT_AWAY])
def test_an_address_that_leads_nowhere_is_asked_for_anew_once(fault: Fault) -> None:
    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)
        await share(alice)
        file = await one_file(bob)
        its.server.faults.next("download", fault)
        assert await fetched(file) == DATA

    in_scene(scenario)


def test_a_redirect_is_followed_with_the_token_among_slacks_hosts() -> None:
    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)
        bob.channel._downloads.hosts = its.server.file_hosts
        await share(alice)
        file = await one_file(bob)
        its.server.faults.next("download", Fault.REDIRECT)
        assert await fetched(file) == DATA
        assert its.server.counters.requests["download"] == 2

    in_scene(scenario)


@pytest.mark.parametrize(
    ("base_url", "url", "has_token"),
    [
        ("https://slack.com/api/", "https://files.slack.com/x", True),
        ("https://slack.com/api/", "https://files-origin.slack.com/x", True),
        ("https://www.slack.com/api/", "https://files.slack.com/x", True),
        ("https://slack-gov.com/api/", "https://files.slack-gov.com/x", True),
        ("https://slack.com/api/", "https://a.slack-edge.com/x", False),
        ("https://slack.com/api/", "https://slack-files.com/x", False),
        ("https://slack.com/api/", "https://files.slack.com:444/x", None),
        ("https://slack.com/api/", "http://files.slack.com/x", None),
        ("https://slack.com/api/", "https://files.slack.com.evil.org/x", None),
        ("https://slack.com/api/", "https://evilslack.com/x", None),
        ("https://slack.com/api/", "https://slack.com@evil.org/x", None),
        ("https://slack.com/api/", "file:///etc/passwd", None),
        ("https://slack.com/api/", "https://[", None),
        ("http://127.0.0.1:80/api/", "http://127.0.0.1/x", True),
        ("http://127.0.0.1:81/api/", "http://127.0.0.1:82/x", None),
    ],
)
def test_the_token_is_shown_to_slacks_own_hosts_only(
    base_url: str,
    url: str,
    has_token: bool | None,  # noqa: FBT001 - of a table
) -> None:
    from ocft_slack.calls import make_client, make_session
    from ocft_slack.downloads import Downloads

    async def main() -> None:
        async with make_session() as session:
            downloads = Downloads(make_client("xoxb-1", session, like=base_url), session)
            if has_token is None:
                with pytest.raises(ChannelError):
                    downloads._headers(url)
            else:
                assert ("Authorization" in downloads._headers(url)) == has_token

    asyncio.run(main())


def test_a_longer_file_than_was_told_is_cut_off() -> None:
    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)
        file_id = await share(alice)
        file = await one_file(bob)
        with its.server.file_path(file_id).open("ab") as stored:
            stored.write(b"more")
        its.server._world.files[file_id].size += 4
        sink = io.BytesIO()
        with pytest.raises(ChannelClosedError):
            await file.fetch(sink)
        assert len(sink.getvalue()) <= len(DATA)

    in_scene(scenario)


def test_a_full_disk_is_not_mistaken_for_the_network() -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)
        await share(alice)
        with pytest.raises(OSError, match="No space"):
            await (await one_file(bob)).fetch(Full())

    in_scene(scenario)


def test_a_pause_for_downloads_is_told() -> None:
    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)
        await share(alice)
        file = await one_file(bob)
        its.server.faults.next("download", Fault.RATE_LIMITED, seconds=9)
        with pytest.raises(RateLimitedError) as caught:
            await fetched(file)
        assert caught.value.retry_after == 9

    in_scene(scenario)


# Uploads that go wrong


@pytest.mark.parametrize(
    "word",
    [
        "file_upload_size_restricted",
        "file_uploads_disabled",
        "file_uploads_except_images_disabled",
        "file_type_not_allowed",
        "storage_limit_reached",
    ],
)
def test_a_workspace_that_takes_no_such_file_refuses_it(word: str) -> None:
    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        its.server.refuse_uploads(word)
        with pytest.raises(FileRefusedError):
            await share(alice)

    in_scene(scenario)


def test_an_empty_file_or_one_without_the_scope_is_refused() -> None:
    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        with pytest.raises(FileRefusedError):
            await share(alice, b"")
        its.alice.scopes -= {"files:write"}
        with pytest.raises(FileRefusedError, match="files:write"):
            await share(alice)

    in_scene(scenario)


@pytest.mark.parametrize("place", ["files.getUploadURLExternal", "upload"])
@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.LOST_ANSWER, Fault.RESET])
def test_an_upload_that_broke_off_was_not_sent(place: str, fault: Fault) -> None:
    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        its.server.faults.next(place, fault)
        with pytest.raises(ChannelClosedError) as caught:
            await share(alice)
        assert caught.value.retryable
        assert not its.server.history(its.room)
        await share(alice)
        await until(lambda: len(its.server.history(its.room)) == 1)

    in_scene(scenario)


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.NOT_JSON, Fault.ERROR_500])
def test_a_file_whose_answer_is_lost_is_shared_once(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_LOOKS", (0.0, 0.01, 0.01))

    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        its.server.faults.next("files.completeUploadExternal", fault)
        file_id = await share(alice)
        await until(lambda: its.server.history(its.room))
        await asyncio.sleep(0.05)
        assert len(its.server.history(its.room)) == 1
        assert its.server.file_ids() == [file_id]

    in_scene(scenario)


def test_a_share_that_nobody_can_look_up_stays_unknown() -> None:
    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        its.server.faults.next("files.completeUploadExternal", Fault.LOST_ANSWER)
        its.server.faults.next("files.info", Fault.ERROR_500)
        with pytest.raises(DeliveryUnknownError):
            await share(alice)

    in_scene(scenario)


@pytest.mark.parametrize("place", ["files.getUploadURLExternal", "files.completeUploadExternal"])
def test_a_pause_for_uploads_is_told(place: str) -> None:
    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        its.server.faults.next(place, Fault.RATE_LIMITED, seconds=21)
        with pytest.raises(RateLimitedError) as caught:
            await share(alice)
        assert caught.value.retry_after == 21

    in_scene(scenario)


# Afterwards


def test_a_file_is_deleted_with_its_message_and_twice_is_fine() -> None:
    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)
        file_id = await share(alice)
        file = await one_file(bob)
        await alice.delete(file_id)
        assert not its.server.history(its.room)
        assert not its.server.file_ids()
        await alice.delete(file_id)
        with pytest.raises(ChannelError) as caught:
            await fetched(file)
        assert not caught.value.retryable

    in_scene(scenario)


def test_others_handlers_do_not_see_the_files_of_ocft(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"human")

    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        web, socket, seen = await its.bot(its.bob)
        channel = await SlackChannel.attach(web, its.room.id, socket_client=socket)
        reader = Reader(channel)
        await share(alice)
        await reader.until(1)
        its.server.say(its.room, "mine", by=its.carol, file=tmp_path / "x")
        await until(lambda: len(seen) == 2)
        assert seen == ["message:mine", "file_shared:"]
        await reader.stop()
        await channel.close()

    in_scene(scenario)


def test_a_large_file_is_never_whole_in_memory(tmp_path: Path) -> None:
    size = 24 << 20
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)

    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)

        tracemalloc.start()
        with (tmp_path / "large").open("rb") as source:
            await alice.send_file("*", source, name="ocft-1.bin", text=FRAME)
        file = await one_file(bob)
        with (tmp_path / "copy").open("wb") as sink:
            await file.fetch(sink)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (tmp_path / "copy").stat().st_size == size
        assert peak < 8 << 20

    in_scene(scenario)


def test_the_loop_is_not_held_up_by_a_download() -> None:
    class Sink(io.BytesIO):
        largest = 0

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.largest = max(self.largest, len(data))
            return super().write(data)

    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)
        await share(alice, bytes(3 << 20))
        sink = Sink()
        await (await one_file(bob)).fetch(sink)
        assert sink.largest <= 1 << 20

    in_scene(scenario)


def test_a_closed_channel_sends_no_file() -> None:
    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        await alice.close()
        file: BinaryIO = io.BytesIO(b"x")
        with pytest.raises(ChannelClosedError):
            await alice.send_file("*", file, name="x")
        with pytest.raises(ChannelClosedError):
            await alice.delete("F012")

    in_scene(scenario)


def test_an_upload_that_comes_again_after_a_restart_is_known_by_its_name() -> None:
    async def scenario(its: Scene) -> None:
        marks = Memory()
        ids: list[str] = []
        alice = await its.open(its.alice)
        for _ in range(2):
            bob = await its.open(its.bob)
            bob.remember_in(marks)
            reader = Reader(bob)
            if not ids:
                await until(lambda: its.server.sockets(its.bob))
                await alice.send_file("*", io.BytesIO(b"abc"), name="a.bin", text="one")
            ids.append((await reader.until(1))[0].files[0].id)
            await reader.stop()
            await bob.close()
        assert ids[0] == ids[1] != ""

    in_scene(scenario)
