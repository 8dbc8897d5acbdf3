"""A channel that uses a bot which somebody else runs."""

import asyncio
import io
import logging
from typing import Any

import pytest
from telegram import Bot as Sdk
from telegram import Update
from telegram.ext import Application, ApplicationHandlerStop, Defaults, MessageHandler, filters

from ocft.errors import ChannelClosedError, ConfigError
from ocft_telegram import TelegramChannel, tap
from tests.adapters.telegram_world import MARKER, hear, in_real_time, silence, world

AnyApplication = Application[Any, Any, Any, Any, Any, Any]
EDIT = "edited: "


class Listener:
    """The bot's own handlers, and what they saw."""

    def __init__(self, application: AnyApplication) -> None:
        self.seen: list[str] = []
        application.add_handler(MessageHandler(filters.ALL, self._see))

    async def _see(self, update: Update, _: Any) -> None:
        edited = "" if update.message else EDIT
        assert update.effective_message
        self.seen.append(edited + (update.effective_message.text or "a file"))

    async def until(self, count: int) -> list[str]:
        while len(self.seen) < count:
            await asyncio.sleep(0.005)
        return self.seen


@in_real_time
async def test_its_handlers_see_everything_but_the_texts_of_ocft() -> None:
    async with world() as here, here.running(here.bob) as application:
        listener = Listener(application)
        ann = here.server.add_person("Ann")
        async with TelegramChannel.attach(application) as bob, await here.open(here.alice) as alice:
            said = here.server.say(ann, here.bob, "hello")
            await alice.send("@bob_bot", f"{MARKER}abc")
            await alice.send_file("@bob_bot", io.BytesIO(b"x"), name="x.bin", text=f"{MARKER}def")
            here.server.edit(said, f"{MARKER}edited")
            here.server.say(ann, here.bob, "", file=b"from a person", file_name="x.txt")
            await alice.send("@bob_bot", "from a bot")
            assert await listener.until(4) == [
                "hello",
                f"{EDIT}{MARKER}edited",
                "a file",
                "from a bot",
            ]
            heard = await hear(bob, 5)
            assert [text.text for text in heard] == [
                "hello",
                f"{MARKER}abc",
                f"{MARKER}def",
                "",
                "from a bot",
            ]
            sink = io.BytesIO()
            await heard[3].files[0].fetch(sink)
            assert sink.getvalue() == b"from a person"
            await silence(bob)


@in_real_time
async def test_closing_takes_the_handler_out_and_leaves_the_bot_running() -> None:
    async with world() as here, here.running(here.bob) as application:
        listener = Listener(application)
        before = dict(application.handlers)
        bob = TelegramChannel.attach(application, meet=["@alice_bot"])
        assert application.handlers != before
        await bob.send(str(here.alice.id), "hello")
        await bob.close()
        await bob.close()
        assert application.handlers == before
        with pytest.raises(ChannelClosedError):
            await bob.send("@alice_bot", "x")
        here.server.say(here.server.add_person("Ann"), here.bob, f"{MARKER}abc")
        assert await listener.until(1) == [f"{MARKER}abc"]
        assert (await application.bot.get_me()).id == here.bob.id
        assert await hear(bob) == []


@in_real_time
async def test_a_group_and_private_chats_can_be_attached_to_one_bot() -> None:
    async with world() as here, here.running(here.bob) as application:
        listener = Listener(application)
        room = here.server.add_group("OCFT", here.alice, here.bob)
        other = here.server.add_group("other", here.alice, here.bob)
        async with (
            TelegramChannel.attach(application) as private,
            TelegramChannel.attach(application, chat=room.id) as group,
            await here.open(here.alice, chat=room.id) as alice,
        ):
            await alice.send(str(here.bob.id), f"{MARKER}group")
            here.server.post(other, here.alice, text=f"/ocft@bob_bot {MARKER}other")
            here.server.say(here.server.add_person("Ann"), here.bob, f"{MARKER}private")
            assert [text.text for text in await hear(private)] == [f"{MARKER}private"]
            assert [text.text for text in await hear(group)] == [f"{MARKER}group"]
            # What is said in other rooms is none of ours, whatever it looks like.
            assert await listener.until(1) == [f"/ocft@bob_bot {MARKER}other"]


@in_real_time
async def test_the_owners_defaults_change_no_text() -> None:
    async with world() as here, await here.open(here.bob) as bob:
        application = (
            Application.builder()
            .token(here.alice.token)
            .base_url(here.server.base_url)
            .defaults(Defaults(parse_mode="HTML", allow_sending_without_reply=True))
            .build()
        )
        async with application, TelegramChannel.attach(application) as alice:
            await alice.send("@bob_bot", "<b>a&b</b>")
            await alice.send_file("@bob_bot", io.BytesIO(b"x"), name="x", text="<i>")
            assert [text.text for text in await hear(bob, 2)] == ["<b>a&b</b>", "<i>"]


@in_real_time
async def test_before_the_bot_is_started_and_after_it_was_stopped_nothing_can_be_sent() -> None:
    async with world() as here:
        application = (
            Application.builder().token(here.alice.token).base_url(here.server.base_url).build()
        )
        alice = TelegramChannel.attach(application)
        async with application:
            await alice.send("@bob_bot", "x")
        with pytest.raises(ChannelClosedError, match="shut down"):
            await alice.send("@bob_bot", "x")
        await alice.close()


@in_real_time
async def test_a_reader_that_is_behind_blocks_nobody_and_holds_no_more_than_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tap, "_MOST_WAITING", 6)
    monkeypatch.setattr(tap, "_MOST_WAITING_OF_PEOPLE", 3)
    async with world() as here, here.running(here.bob) as application:
        listener = Listener(application)
        ann = here.server.add_person("Ann")
        async with TelegramChannel.attach(application) as bob, await here.open(here.alice) as alice:
            for number in range(5):
                here.server.say(ann, here.bob, str(number))
            await listener.until(5)
            for number in range(5):
                await alice.send("@bob_bot", f"{MARKER}{number}")
            here.server.say(ann, here.bob, "last")
            await listener.until(6)
            assert [text.text for text in await hear(bob, 6)] == [
                "0",
                "1",
                "2",
                *(f"{MARKER}{number}" for number in range(3)),
            ]
            assert bob._source.dropped == 5  # type: ignore[attr-defined]


def test_forged_updates_reach_the_owners_handlers_and_raise_nothing() -> None:
    async def main() -> None:
        application = Application.builder().token("1:a").build()
        channel = TelegramChannel.attach(application)
        ((handler,),) = application.handlers.values()
        for content in (
            {"message_id": 5, "date": 1, "chat": {"id": 7, "type": "private"}},
            {"message_id": 5, "date": 1, "chat": {"id": 7, "type": "private"}, "text": 5},
            {"message_id": 5, "date": 1, "chat": {"id": 7, "type": 9}, "text": MARKER},
        ):
            update = Update.de_json({"update_id": 5, "message": content}, Sdk("1:a"))
            if handler.check_update(update):
                await handler.callback(update, None)  # type: ignore[arg-type]
        update = Update.de_json({"update_id": 5, "edited_message": None}, Sdk("1:a"))
        assert not handler.check_update(update)
        assert not handler.check_update("no update")
        with pytest.raises(ApplicationHandlerStop):
            await handler.callback(_text(MARKER + "x"), None)  # type: ignore[arg-type]
        await handler.callback(_text("hello"), None)  # type: ignore[arg-type]
        await channel.close()

    asyncio.run(main())


def _text(text: str) -> Update:
    message = {
        "message_id": 5,
        "date": 1,
        "chat": {"id": 7, "type": "private"},
        "from": {"id": 7, "is_bot": False, "first_name": "Ann"},
        "text": text,
    }
    return Update.de_json({"update_id": 5, "message": message}, Sdk("1:a"))


def test_wrong_options_are_named() -> None:
    application = Application.builder().token("1:a").build()
    with pytest.raises(ConfigError, match=r"channels\.telegram\.chat"):
        TelegramChannel.attach(application, chat=5)
    with pytest.raises(ConfigError, match=r"channels\.telegram\.share"):
        TelegramChannel.attach(application, share=2)
    assert not application.handlers


@in_real_time
async def test_an_attached_bot_does_not_log_its_token_and_is_then_left_as_it_was(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def filters_now() -> list[object]:
        return [logging.getLogger(name).filters[:] for name in ("httpx", "telegram.Bot")]

    async with world() as here, here.running(here.bob) as application:
        before = filters_now()
        async with TelegramChannel.attach(application):
            caplog.set_level(logging.INFO)
            await application.bot.get_me()
            assert "/getMe" in caplog.text
            assert here.bob.token not in caplog.text
            caplog.set_level(logging.WARNING)
        assert filters_now() == before


@in_real_time
async def test_a_download_does_not_log_the_token() -> None:
    records: list[str] = []
    handler = logging.Handler(logging.DEBUG)
    handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("httpx")
    level = logger.level
    logger.addHandler(handler)
    try:
        async with world() as here, here.running(here.bob) as application:
            ann = here.server.add_person("Ann")
            async with TelegramChannel.attach(application) as bob:
                here.server.say(ann, here.bob, "", file=b"from a person", file_name="x.txt")
                (heard,) = await hear(bob, 1)
                logger.setLevel(logging.DEBUG)
                await heard.files[0].fetch(io.BytesIO())
                logger.setLevel(logging.WARNING)
                downloads = [words for words in records if "/file/bot" in words]
                assert downloads
                assert not any(here.bob.token in words for words in downloads)
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


def test_what_is_no_token_is_told_so() -> None:
    application = Application.builder().token("nonsense").build()
    with pytest.raises(ConfigError, match="token"):
        TelegramChannel.attach(application)
