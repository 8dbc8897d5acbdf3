"""Texts and files on their way to Telegram, and what can go wrong."""

import asyncio
import io
import tempfile
from contextlib import suppress
from typing import Any

import pytest
from telegram.error import BadRequest, NetworkError, RetryAfter, TimedOut

from ocft.errors import (
    ChannelClosedError,
    ChannelError,
    DeliveryUnknownError,
    FileRefusedError,
    MessageTooLongError,
    RateLimitedError,
)
from ocft_telegram import calls, channel
from tests.adapters.telegram_world import MARKER, hear, in_real_time, silence, world
from tests.emulators.telegram import Fault

# The SDK warns whenever it makes a RetryAfter, until PTB_TIMEDELTA is set.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")


@in_real_time
async def test_a_bot_is_written_to_by_its_number_or_its_name() -> None:
    async with world() as here, here.pair() as (alice, bob):
        await alice.send(str(here.bob.id), "by number")
        await alice.send("@bob_bot", "by name")
        assert [(text.author, text.text) for text in await hear(bob, 2)] == [
            (str(here.alice.id), "by number"),
            (str(here.alice.id), "by name"),
        ]
        for nonsense in ("bob_bot", "-5", "*", "", "@x", "9" * 30, "\N{DEVANAGARI DIGIT ONE}"):
            with pytest.raises(ChannelError, match="no address"):
                await alice.send(nonsense, "x")


@in_real_time
async def test_a_chat_has_one_lane_whatever_it_is_called_by() -> None:
    async with world() as here, here.pair() as (alice, _):
        number = str(here.bob.id)
        await alice.send("@BOB_bot", "x")
        assert alice.lane(number) == alice.lane("@bob_bot") == alice.lane("@BOB_bot")
        assert alice.lane(number) != alice.lane("123")
        room = here.server.add_group("OCFT", here.alice)
        async with await here.open(here.alice, chat=room.id) as group:
            assert group.lane(number) == group.lane("*")


@in_real_time
async def test_a_bot_that_was_never_met_is_not_found_and_it_is_told_what_helps() -> None:
    async with world() as here:
        async with await here.open(here.alice, meet=[]) as alice:
            with pytest.raises(ChannelError, match=r"channels\.telegram\.meet") as refused:
                await alice.send(str(here.bob.id), "x")
            assert not refused.value.retryable
        # An unknown name among them disturbs nobody.
        async with await here.open(here.alice, meet=["@nobody_bot", "@bob_bot"]) as alice:
            await alice.send(str(here.bob.id), "x")


@in_real_time
async def test_peers_that_cannot_be_looked_up_now_are_looked_up_later() -> None:
    async with world() as here, await here.open(here.alice) as alice:
        here.server.faults.next("getChat", Fault.ERROR_500)
        with pytest.raises(ChannelError, match="does not find"):
            await alice.send(str(here.bob.id), "x")
        await alice.send(str(here.bob.id), "x")


@in_real_time
async def test_texts_are_sent_as_they_are() -> None:
    async with world() as here, here.pair() as (alice, bob):
        for text in ("*not* _markdown_ <b>nor HTML</b>", "https://example.org", MARKER + "_-" * 99):
            await alice.send("@bob_bot", text)
            assert [heard.text for heard in await hear(bob)] == [text]
        with pytest.raises(MessageTooLongError):
            await alice.send("@bob_bot", "x" * 4097)
        await alice.send("@bob_bot", "\U0001f600" * 4096)


@in_real_time
async def test_without_the_switch_bots_are_told_which_one() -> None:
    async with world() as here, here.pair() as (alice, _):
        here.bob.bot_to_bot = False
        with pytest.raises(ChannelError, match="Bot-to-Bot Communication Mode"):
            await alice.send("@bob_bot", "x")


@in_real_time
async def test_a_pause_that_telegram_asks_for_is_told_as_it_was() -> None:
    async with world() as here, here.pair() as (alice, _):
        here.server.faults.next("sendMessage", Fault.FLOOD, seconds=17)
        with pytest.raises(RateLimitedError) as asked:
            await alice.send("@bob_bot", "x")
        assert asked.value.retry_after == 17
        assert asked.value.is_global  # it does not say that it means this chat only
        here.server.faults.next("sendDocument", Fault.FLOOD, seconds=3)
        with pytest.raises(RateLimitedError) as asked:
            await alice.send_file("@bob_bot", io.BytesIO(b"x"), name="x.bin")
        assert asked.value.retry_after == 3
        assert here.server.counters.requests["sendMessage"] == 1  # nobody tried again


def test_pauses_are_read_in_every_form_in_which_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    from ocft_telegram.failures import failure_of

    for value in ("0", "1"):
        monkeypatch.setenv("PTB_TIMEDELTA", value)
        failure = failure_of(RetryAfter(12), "1:a")
        assert isinstance(failure, RateLimitedError)
        assert failure.retry_after == 12
    failure = failure_of(BadRequest("Too Many Requests: retry after 8"), "1:a")
    assert isinstance(failure, RateLimitedError)
    assert (failure.retry_after, failure.is_global) == (8, True)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.ERROR_500, DeliveryUnknownError),
        (Fault.BAD_GATEWAY, DeliveryUnknownError),
        (Fault.LOST_REQUEST, DeliveryUnknownError),
        (Fault.LOST_ANSWER, DeliveryUnknownError),
        (Fault.RESET, DeliveryUnknownError),
        (Fault.LATE, DeliveryUnknownError),
        (Fault.UNAUTHORIZED, ChannelError),
    ],
)
@in_real_time
async def test_a_lost_answer_is_no_failure_and_no_success(
    monkeypatch: pytest.MonkeyPatch, fault: Fault, error: type[ChannelError]
) -> None:
    for times in (calls.TIMES, calls.TIMES_OF_FILES):
        monkeypatch.setitem(times, "read_timeout", 0.2)
    async with world() as here, here.pair() as (alice, _):
        await alice.send("@bob_bot", "goes well")
        here.server.faults.next("sendMessage", fault, seconds=0.5)
        with pytest.raises(error) as raised:
            await alice.send("@bob_bot", "does not")
        assert type(raised.value) is error
        here.server.faults.next("sendDocument", fault, seconds=0.5)
        with pytest.raises(error) as raised:
            await alice.send_file("@bob_bot", io.BytesIO(b"x" * 1000), name="x.bin")
        assert type(raised.value) is error
        assert here.alice.token not in repr(raised.getrepr(chain=True))


@in_real_time
async def test_without_a_connection_nothing_was_sent_for_sure() -> None:
    async with world() as here, here.pair() as (alice, _):
        await here.server.go_down()
        await asyncio.sleep(0.05)  # until the SDK's pool knows
        with pytest.raises(ChannelClosedError, match="no connection") as raised:
            await alice.send("@bob_bot", "x")
        assert raised.value.retryable
        with pytest.raises(ChannelClosedError):
            await alice.send_file("@bob_bot", io.BytesIO(b"x"), name="x.bin")
        await here.server.come_back()
        await alice.send("@bob_bot", "x")


def test_a_full_pool_of_connections_means_that_nothing_was_sent() -> None:
    import httpx

    from ocft_telegram.failures import failure_of

    causes: dict[Exception, type[ChannelError]] = {
        httpx.PoolTimeout("x"): ChannelClosedError,
        httpx.ConnectTimeout("x"): ChannelClosedError,
        httpx.ReadTimeout("x"): DeliveryUnknownError,
        httpx.WriteTimeout("x"): DeliveryUnknownError,
    }
    for cause, expected in causes.items():
        error = TimedOut()
        error.__cause__ = cause
        assert type(failure_of(error, "1:a")) is expected
    unread = NetworkError("Unknown error in HTTP implementation: OSError()")
    unread.__cause__ = OSError(5, "Input/output error")
    assert type(failure_of(unread, "1:a")) is ChannelError


@in_real_time
async def test_a_file_goes_up_in_pieces_and_can_be_removed() -> None:
    content = bytes(range(256)) * 4096
    async with world() as here, here.pair(delete_files_after=True) as (alice, bob):
        assert alice.removes_files
        with tempfile.TemporaryFile() as file:
            file.write(content)  # not all of it is on the disk yet, and the place is the end
            sent = await alice.send_file("@bob_bot", file, name="ocft-1.mp4", text=f"{MARKER}ab")
        (got,) = await hear(bob)
        assert (got.text, got.files[0].name, got.files[0].size) == (
            f"{MARKER}ab",
            "ocft-1.mp4",
            len(content),
        )
        sink = io.BytesIO()
        await got.files[0].fetch(sink)
        assert sink.getvalue() == content
        assert len(here.server.history(here.alice, here.bob)) == 1
        await alice.delete(sent)
        await alice.delete(sent)  # gone already
        assert here.server.history(here.alice, here.bob) == []
        for nonsense in ("", "x/y", "5"):
            with pytest.raises(ChannelError, match="nothing that was sent"):
                await alice.delete(nonsense)


@in_real_time
async def test_an_upload_that_is_cut_in_the_middle_was_not_sent_for_sure() -> None:
    async with world() as here, here.pair() as (alice, _):

        class Cut(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell() > 2_000_000:
                    here.server.drop_connections()
                return super().read(size)

        with pytest.raises(ChannelClosedError, match="broke off"):
            await alice.send_file("@bob_bot", Cut(bytes(10_000_000)), name="x.bin")
        assert here.server.history(here.alice, here.bob) == []


@in_real_time
async def test_files_of_a_wrong_size_are_refused() -> None:
    async with world(upload_bytes=2_000_000) as here, here.pair(max_file_size=10**8) as (alice, _):
        for content, why in ((b"", "0 bytes"), (bytes(2_000_001), "larger than Telegram takes")):
            with pytest.raises(FileRefusedError, match=why):
                await alice.send_file("@bob_bot", io.BytesIO(content), name="x.bin")
        with pytest.raises(MessageTooLongError):
            await alice.send_file("@bob_bot", io.BytesIO(b"x"), name="x", text="x" * 1000)
        async with await here.open(here.alice) as narrow:
            with tempfile.TemporaryFile() as file:
                file.truncate(20 * 1024 * 1024)
                with pytest.raises(FileRefusedError, match="19922944"):
                    await narrow.send_file("@bob_bot", file, name="x.bin")
        room = here.server.add_group("OCFT", here.alice)
        here.server.set_status(room, here.alice, "restricted")
        async with await here.open(here.alice, chat=room.id) as group:
            with pytest.raises(FileRefusedError, match="rights"):
                await group.send_file("*", io.BytesIO(b"x"), name="x.bin")


@in_real_time
async def test_in_a_group_a_bot_is_addressed_so_that_its_privacy_does_not_matter() -> None:
    async with world() as here:
        room = here.server.add_group("OCFT", here.alice, here.bob, here.server.add_person("Ann"))
        async with here.pair(chat=room.id) as (alice, bob):
            assert (alice.everyone, alice.limits.max_text) == ("*", 4096 - 39)
            for to in (str(here.bob.id), "@bob_bot"):
                await alice.send(to, MARKER + "a" * (alice.limits.max_text - len(MARKER)))
                (got,) = await hear(bob)
                assert (got.author, len(got.text)) == (str(here.alice.id), 4057)
            assert here.server.counters.requests["getChatMember"] == 1
            await alice.send("*", "unaddressed")
            await silence(bob)
            here.server.set_status(room, here.bob, "administrator")
            await alice.send("*", "unaddressed")
            assert [text.text for text in await hear(bob)] == ["unaddressed"]
            with pytest.raises(ChannelError):
                await alice.send("12345", "nobody has this number")
            with pytest.raises(ChannelError, match="no address"):
                await alice.send("bob", "x")


@in_real_time
async def test_a_file_in_a_group_answers_a_text_of_its_receiver() -> None:
    async with world() as here:
        room = here.server.add_group("OCFT", here.alice, here.bob)
        async with here.pair(chat=room.id) as (alice, bob):

            async def send() -> None:
                await alice.send_file(str(here.bob.id), io.BytesIO(b"content"), name="x.bin")

            await send()  # nothing to answer: only a bot that reads everything hears it
            await silence(bob)
            for _ in range(6):
                await bob.send(str(here.alice.id), f"{MARKER}abc")
            await hear(alice, 6)
            await send()
            (got,) = await hear(bob)
            assert got.files[0].size == 7
            # What was to be answered is gone: an older text does as well.
            texts = [m for m in here.server.history(room) if m.author is here.bob]
            for message in texts[-3:]:
                here.server.delete(message)
            await send()
            assert (await hear(bob))[0].files
            for message in texts:
                here.server.delete(message)
            await send()
            await silence(bob)
            assert here.server.history(room)[-1].file


@in_real_time
async def test_a_group_that_gets_another_id_is_followed() -> None:
    async with world() as here:
        room = here.server.add_group("OCFT", here.alice, here.bob, supergroup=False)
        async with here.pair(chat=room.id) as (alice, bob):
            await alice.send(str(here.bob.id), "before")
            await hear(bob)
            new = here.server.migrate(room)
            await alice.send(str(here.bob.id), "after")
            assert [text.text for text in await hear(bob)] == ["after"]
            assert here.server.history(new)[-1].text == "/ocft@Bob_bot after"
        # With the old id still in the settings.
        async with here.pair(chat=room.id) as (alice, bob):
            await bob.send(str(here.alice.id), "again")
            assert [text.text for text in await hear(alice)] == ["again"]


@in_real_time
async def test_a_group_without_the_bot_cannot_be_opened() -> None:
    async with world() as here:
        room = here.server.add_group("OCFT", here.bob)
        with pytest.raises(ChannelError, match="does not find the chat"):
            await here.open(here.alice, chat=room.id)


@in_real_time
async def test_a_topic_is_written_to_and_others_are_not_heard() -> None:
    async with world() as here:
        room = here.server.add_group("OCFT", here.alice, here.bob, forum=True)
        here.server.set_status(room, here.bob, "administrator")
        topic, other = here.server.add_topic(room, "files"), here.server.add_topic(room, "talk")
        async with here.pair(chat=room.id, thread=topic) as (alice, bob):
            here.server.post(room, here.alice, text="elsewhere", topic=other)
            here.server.post(room, here.alice, text="in general")
            await alice.send(str(here.bob.id), "here")
            assert [text.text for text in await hear(bob)] == ["here"]
            await alice.send_file("*", io.BytesIO(b"x"), name="x.bin")
            assert {m.topic for m in here.server.history(room)[-2:]} == {topic}


@in_real_time
async def test_a_closed_channel_sends_nothing_and_leaves_nothing_open() -> None:
    async with world() as here:
        alice = await here.open(here.alice)
        await alice.close()
        await alice.close()
        with pytest.raises(ChannelClosedError):
            await alice.send("@bob_bot", "x")
        with pytest.raises(ChannelClosedError):
            await alice.send_file("@bob_bot", io.BytesIO(b"x"), name="x")
        with pytest.raises(ChannelClosedError):
            await alice.delete("1/2")


@in_real_time
async def test_closing_ends_what_is_under_way() -> None:
    async with world() as here:
        alice = await here.open(here.alice)
        here.server.faults.next("sendMessage", Fault.LATE, seconds=0.3)
        sending = asyncio.create_task(alice.send("@bob_bot", "x"))
        async with asyncio.timeout(10):
            while not here.server.counters.requests["sendMessage"]:
                await asyncio.sleep(0.01)
        await alice.close()
        async with asyncio.timeout(1):
            with suppress(ChannelError):
                await sending


@in_real_time
async def test_a_token_that_is_not_good_cannot_log_in_and_is_not_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    async with world() as here:
        options: Any = here.options(here.alice)
        old = here.alice.token
        here.server.new_token(here.alice)
        with pytest.raises(ChannelError, match="BotFather") as refused:
            await channel.TelegramChannel.open(options)
        assert not refused.value.retryable
        assert old not in str(refused.getrepr(chain=True, style="long", showlocals=False))
        assert old not in caplog.text
        await here.server.go_down()
        with pytest.raises(ChannelClosedError, match="no connection"):
            await channel.TelegramChannel.open(options)
