"""The unmodified python-telegram-bot against the stand-in, behaviour by behaviour."""

import asyncio
import functools
import io
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from telegram import Bot as Sdk
from telegram import InputFile, Message, ReplyParameters, Update
from telegram.constants import UpdateType
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TimedOut,
)
from telegram.ext import Application, ApplicationBuilder, MessageHandler, filters

from tests.emulators.telegram import Bot, Fault, Limits, TelegramServer

# The SDK warns whenever it makes a RetryAfter, until PTB_TIMEDELTA is set.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")

LINK = "\N{LINK SYMBOL}OCFT:abc_-"


def in_real_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@asynccontextmanager
async def world(**limits: Any) -> AsyncGenerator[tuple[TelegramServer, Bot, Bot], None]:
    async with TelegramServer(Limits(speed=50, **limits)) as server:
        yield (
            server,
            server.add_bot("alice_bot", bot_to_bot=True),
            server.add_bot("Bob_bot", bot_to_bot=True),
        )


def sdk(server: TelegramServer, bot: Bot) -> Sdk:
    return Sdk(bot.token, base_url=server.base_url, base_file_url=server.base_file_url)


async def heard(client: Sdk) -> list[Message]:
    """What waits for a bot; several calls, for one offset is not answered twice in full."""
    messages: list[Message] = []
    offset = None
    while updates := await client.get_updates(offset=offset, timeout=0):
        offset = updates[-1].update_id + 1
        messages += [update.message for update in updates if update.message]
    return messages


def bytes_file(content: bytes, name: str = "part.bin") -> InputFile:
    return InputFile(io.BytesIO(content), filename=name, read_file_handle=False)


@in_real_time
async def test_behaviour_1_in_a_group_the_switches_decide_who_hears_whom() -> None:
    async with world() as (server, alice, bob):
        ann = server.add_person("Ann")
        room = server.add_group("OCFT", alice, bob, ann)
        async with sdk(server, alice) as a, sdk(server, bob) as b:
            # Unaddressed: only for those whose Group Privacy is off, or who are admins.
            await a.send_message(room.id, LINK)
            assert await heard(b) == []
            assert server.counters.ignored == {"group privacy is on": 1}
            # Addressed, in any letter case, or by a reply.
            await a.send_message(room.id, f"/ocft@bob_BOT {LINK}")
            (first,) = await heard(b)
            assert (first.text, first.from_user and first.from_user.is_bot) == (
                f"/ocft@bob_BOT {LINK}",
                True,
            )
            await b.send_message(room.id, LINK, reply_parameters=ReplyParameters(first.message_id))
            (reply,) = await heard(a)
            assert reply.reply_to_message
            assert reply.reply_to_message.text == first.text
            # One switch is enough for what is addressed, none is too little.
            alice.bot_to_bot = False
            await a.send_message(room.id, f"/ocft@Bob_bot {LINK}")
            assert len(await heard(b)) == 1
            bob.bot_to_bot = False
            await a.send_message(room.id, f"/ocft@Bob_bot {LINK}")
            assert await heard(b) == []
            # Group Privacy counts as it was when the bot joined.
            bob.bot_to_bot, bob.privacy = True, False
            assert (await b.get_me()).can_read_all_group_messages
            server.say(ann, room, "hello")
            assert await heard(b) == []
            server.leave(room, bob)
            server.join(room, bob)
            server.say(ann, room, "hello")
            assert [message.text for message in await heard(b)][-1] == "hello"
            # A human's command reaches the bot that it names, unless it answers another's message.
            await heard(a)
            server.say(ann, room, "/start@alice_bot")
            server.say(ann, room, "/start@alice_bot", reply_to=server.history(room)[2])
            assert [message.text for message in await heard(a)] == ["/start@alice_bot"]


@in_real_time
async def test_behaviour_1_a_private_chat_of_bots_needs_both_switches_and_has_two_views() -> None:
    async with world() as (server, alice, bob), sdk(server, alice) as a, sdk(server, bob) as b:
        with pytest.raises(BadRequest, match="Chat not found"):
            await a.send_message(bob.id, LINK)
        sent = await a.send_message("@bob_bot", LINK)
        (got,) = await heard(b)
        assert (sent.chat.id, got.chat.id, got.chat.type) == (bob.id, alice.id, "private")
        assert sent.message_id != got.message_id  # each account counts its own
        await b.send_message(alice.id, "ok", reply_parameters=ReplyParameters(got.message_id))
        (answer,) = await heard(a)
        assert answer.reply_to_message
        assert answer.reply_to_message.message_id == sent.message_id
        bob.bot_to_bot = False
        with pytest.raises(BadRequest, match=r"(?i)^user_bot_to_bot_disabled$"):
            await a.send_message("@bob_bot", LINK)


@in_real_time
async def test_behaviour_2_texts_are_cleaned_and_measured_in_code_points() -> None:
    async with world() as (server, alice, _), sdk(server, alice) as a:
        ann = server.add_person("Ann")
        room = server.add_group("OCFT", alice, ann)

        async def stored(text: str) -> str | None:
            return (await a.send_message(room.id, text)).text

        assert await stored(" \n\ta\r\nb\0c \n") == "a\nb c"
        assert await stored("\u2028x\u0333a\u030a\u200e\u200f\u200ey") == "xa\u200c\u200c\u200ey"
        assert await stored("\U0001f600" * 4096) == "\U0001f600" * 4096
        for text, error in (
            ("x" * 4097, "Message is too long"),
            ("\u20ac" * 11_000, "Text is too long"),
            (" \t\n", "Message text is empty"),
        ):
            with pytest.raises(BadRequest, match=error):
                await a.send_message(room.id, text)
        with pytest.raises(BadRequest, match="caption is too long"):
            await a.send_document(room.id, b"x", caption="x" * 1025)
        entities = (await a.send_message(room.id, "\U0001f600 /x/ /go@alice_bot")).entities
        assert [(e.type, e.offset, e.length) for e in entities] == [("bot_command", 7, 13)]


@in_real_time
async def test_behaviours_3_and_4_names_are_cleaned_and_ids_belong_to_one_bot(
    tmp_path: Path,
) -> None:
    content = bytes(range(256)) * 1000
    async with world() as (server, alice, bob), sdk(server, alice) as a, sdk(server, bob) as b:
        sent = await a.send_document(
            "@bob_bot",
            bytes_file(content, "..a:b\N{SMILE}\u2014\u00fc?.tar.gz"),
            disable_content_type_detection=True,
        )
        (got,) = await heard(b)
        assert sent.document
        assert got.document
        assert (got.document.file_name, got.document.file_size) == ("a b\u00fc .tar.gz", 256_000)
        assert got.document.file_unique_id == sent.document.file_unique_id
        assert got.document.file_id != sent.document.file_id
        with pytest.raises(BadRequest, match=r"(?i)wrong file_id"):
            await b.get_file(sent.document.file_id)
        file = await b.get_file(got.document.file_id)
        assert file.file_path
        assert file.file_path.endswith("documents/file_0.gz")
        assert await file.download_to_drive(tmp_path / "got") == tmp_path / "got"
        assert (tmp_path / "got").read_bytes() == content
        # Sent again by its id, without its bytes.
        again = await b.send_document(alice.id, got.document.file_id)
        assert again.document
        assert again.document.file_id == got.document.file_id
        # What looks like a video becomes one, unless that is forbidden.
        assert (await a.send_document("@bob_bot", bytes_file(b"x", "x.mp4"))).video
        server.advance(3600)
        with pytest.raises(InvalidToken):  # the SDK's word for a link that is no more
            await file.download_as_bytearray()


@in_real_time
async def test_behaviour_5_sizes() -> None:
    async with (
        world(upload_bytes=300_000, download_bytes=100_000) as (server, alice, bob),
        sdk(server, alice) as a,
        sdk(server, bob) as b,
    ):
        await a.send_document("@bob_bot", bytes_file(bytes(100_001)))
        (got,) = await heard(b)
        assert got.document
        with pytest.raises(BadRequest, match="File is too big"):
            await b.get_file(got.document.file_id)
        with pytest.raises(BadRequest, match="File must be non-empty"):
            await a.send_document("@bob_bot", bytes_file(b""))
        with pytest.raises(NetworkError, match="413"):
            await a.send_document("@bob_bot", bytes_file(bytes(300_000)))
        assert len(server.history(alice, bob)) == 1


@in_real_time
async def test_behaviour_6_waits_are_absorbed_and_longer_ones_are_told() -> None:
    async with world(chat_messages=100) as (server, alice, bob), sdk(server, alice) as a:
        room = server.add_group("OCFT", alice, bob)
        for number in range(20):
            await a.send_message(room.id, str(number))
        assert (server.counters.held, server.counters.floods) == (0, {})
        with pytest.raises(RetryAfter) as told:
            await a.send_message(room.id, "one too many")
        assert told.value.retry_after == 2  # 60 s / 50, rounded up
        with pytest.raises(RetryAfter):
            await a.send_message(room.id, "impatient")
        assert (server.counters.floods, server.counters.early) == ({"sendMessage": 2}, 1)
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{server.base_url}{alice.token}/sendMessage",
                json={"chat_id": room.id, "text": "x"},
            ) as raw,
        ):
            assert raw.status == 429
            retry_after = (await raw.json())["parameters"]["retry_after"]
            assert raw.headers["Retry-After"] == str(retry_after)


@in_real_time
async def test_behaviour_6_a_short_wait_is_a_late_answer_and_equal_sizes_are_spaced() -> None:
    async with world(chat_messages=1) as (server, alice, _), sdk(server, alice) as a:
        start = server.clock()
        await a.send_message("@bob_bot", "now")  # 5 s / 50 apart
        await a.send_message("@bob_bot", "soon")
        assert server.clock() - start > 0.09
        assert (server.counters.held, server.counters.refused) == (1, {})
    async with (
        world(same_size_seconds=(5, 5), same_size_backlog=6) as (server, alice, _),
        sdk(server, alice) as a,
    ):
        start = server.clock()
        parts = [a.send_document("@bob_bot", bytes_file(bytes(100_001))) for _ in range(3)]
        results = await asyncio.gather(*parts, return_exceptions=True)
        assert server.clock() - start > 0.09
        assert sorted(type(result).__name__ for result in results) == [
            "Message",
            "Message",
            "RetryAfter",
        ]


@in_real_time
@pytest.mark.parametrize(
    ("fault", "error", "done"),
    [
        (Fault.ERROR_500, NetworkError, False),
        (Fault.BAD_GATEWAY, NetworkError, False),
        (Fault.LOST_REQUEST, NetworkError, False),
        (Fault.LOST_ANSWER, NetworkError, True),
        (Fault.RESET, NetworkError, True),
        (Fault.LATE, TimedOut, True),
        (Fault.SILENCE, TimedOut, True),
    ],
)
async def test_behaviour_7_a_failed_call_may_have_been_done(
    fault: Fault, error: type[Exception], *, done: bool
) -> None:
    async with world() as (server, alice, bob), sdk(server, alice) as a:
        server.faults.next("sendMessage", fault, skip=1, seconds=0.3)
        await a.send_message("@bob_bot", "goes well")
        with pytest.raises(error):
            await a.send_message("@bob_bot", "does not", read_timeout=0.1)
        assert len(server.history(alice, bob)) == 1 + done
        assert server.faults.left == 0


@in_real_time
async def test_behaviour_8_updates_wait_until_a_later_offset_confirms_them() -> None:
    async with world() as (server, alice, _), sdk(server, alice) as a:
        ann = server.add_person("Ann")
        for number in range(3):
            server.say(ann, alice, str(number))
        first = await a.get_updates(limit=2, timeout=0)
        assert [update.message and update.message.text for update in first] == ["0", "1"]
        offset = first[-1].update_id + 1
        server.faults.next("getUpdates", Fault.LOST_ANSWER)
        with pytest.raises(NetworkError):
            await a.get_updates(offset=offset, timeout=0)
        (third,) = await a.get_updates(offset=offset, timeout=0)
        assert (third.update_id, (await a.get_webhook_info()).pending_update_count) == (offset, 1)
        # A long poll ends with the first update.
        poll = asyncio.create_task(a.get_updates(offset=offset + 1, timeout=30))
        await asyncio.sleep(0.05)
        said = server.say(ann, alice, "at last")
        (fourth,) = await poll
        assert fourth.message
        assert fourth.message.message_id == said.ids[alice.id]
        # The same again, though confirmed.
        server.repeat_updates(alice, 2)
        repeated = await a.get_updates(offset=offset + 2, timeout=0)
        assert [update.update_id for update in repeated] == [offset, offset + 1]


@in_real_time
async def test_behaviour_9_the_older_poller_the_lost_token_and_the_update_nobody_can_parse() -> (
    None
):
    async with world() as (server, alice, _), sdk(server, alice) as a, sdk(server, alice) as twin:
        older = asyncio.create_task(twin.get_updates(timeout=30))
        await asyncio.sleep(0.05)
        assert await a.get_updates(timeout=0) == ()
        with pytest.raises(Conflict):
            await older
        assert server.counters.conflicts == 1
        server.add_malformed_update(alice)
        with pytest.raises((TypeError, AttributeError, KeyError, ValueError)):
            await a.get_updates(timeout=0)
        server.faults.next("getUpdates", Fault.UNAUTHORIZED)
        with pytest.raises(InvalidToken):
            await a.get_updates(timeout=0)
        await a.get_me()
        server.new_token(alice)
        with pytest.raises(InvalidToken):
            await a.get_me()


@in_real_time
async def test_behaviour_10_updates_expire_and_allowed_updates_stick() -> None:
    async with world() as (server, alice, _), sdk(server, alice) as a:
        ann = server.add_person("Ann")
        said = server.say(ann, alice, "old")
        server.advance(86_400)
        server.say(ann, alice, "new")
        assert [message.text for message in await heard(a)] == ["new"]
        assert server.counters.expired == 1
        server.edit(said, "edited")
        (update,) = await a.get_updates(timeout=0, allowed_updates=[UpdateType.MESSAGE])
        assert update.edited_message
        assert update.edited_message.text == "edited"
        server.edit(said, "edited again")
        assert len(await a.get_updates(offset=update.update_id + 1, timeout=0)) == 0


@in_real_time
async def test_behaviour_11_all_shapes_of_requests() -> None:
    async with world() as (server, alice, bob), aiohttp.ClientSession() as http:

        async def call(method: str, verb: str = "POST", **body: Any) -> Any:
            url = f"{server.base_url}{alice.token}/{method}"
            async with http.request(verb, url, **body) as answer:
                return await answer.json()

        me = (await call("GETME", "GET"))["result"]
        assert (me["is_bot"], me["username"]) == (True, "alice_bot")
        fields = {"chat_id": "@bob_bot", "text": LINK}
        shapes: list[dict[str, Any]] = [{"json": fields}, {"data": fields}, {"params": fields}]
        for body in shapes:
            sent = (await call("sendMessage", **body))["result"]
            assert (sent["text"], sent["chat"]["id"]) == (LINK, bob.id)
            assert abs(sent["date"] - server.clock.date()) < 5
        form = aiohttp.FormData(fields | {"document": "attach://a"})
        form.add_field("a", b"bytes", filename="a.bin")
        sent = (await call("sendDocument", data=form))["result"]
        assert sent["document"]["file_size"] == 5
        broken = await call("sendMessage", data=b"chat_id=1&text=%ED%A0%80")
        assert broken["error_code"] == 400
        assert "Request Entity Too Large" in json.dumps(
            await call("sendMessage", data=io.BytesIO(b"text=" + b"x" * (1 << 20)))
        )
        async with sdk(server, alice) as a:
            with pytest.raises(EndPointNotFound):
                await a.do_api_request("sendRichMessage")
        async with http.get(f"{server.base_url}nonsense/getMe") as answer:
            assert answer.status == 404


@in_real_time
async def test_behaviour_12_migration_and_replies_to_nothing() -> None:
    async with world() as (server, alice, bob), sdk(server, alice) as a:
        room = server.add_group("OCFT", alice, bob, supergroup=False)
        sent = await a.send_message(room.id, LINK)
        await a.delete_message(room.id, sent.message_id)
        with pytest.raises(BadRequest, match="Message to be replied not found"):
            await a.send_message(room.id, LINK, reply_parameters=ReplyParameters(sent.message_id))
        new = server.migrate(room)
        with pytest.raises(ChatMigrated) as migrated:
            await a.send_message(room.id, LINK)
        assert migrated.value.new_chat_id == new.id
        await a.send_message(new.id, LINK)
        assert [message.text for message in server.history(new)][-1] == LINK


@in_real_time
async def test_a_bot_learns_where_it_stands() -> None:
    async with world() as (server, alice, bob), sdk(server, alice) as a:
        ann = server.add_person("Ann")
        room = server.add_group("OCFT", alice, bob, ann, forum=True)
        assert (await a.get_chat("@bob_bot")).id == bob.id
        assert (await a.get_chat(room.id)).is_forum
        for status in ("administrator", "restricted", "member"):
            server.set_status(room, alice, status)
            assert (await a.get_chat_member(room.id, alice.id)).status == status
        topic = server.add_topic(room, "files")
        sent = await a.send_message(room.id, LINK, message_thread_id=topic)
        assert sent.message_thread_id == topic
        edited = await a.edit_message_text("other", room.id, sent.message_id)
        assert isinstance(edited, Message)
        with pytest.raises(BadRequest, match="not modified"):
            await a.edit_message_text("other", room.id, sent.message_id)
        with pytest.raises(Forbidden, match="initiate conversation"):
            await a.send_message(ann.id, "hello")
        server.say(ann, alice, "", file=b"from a person", file_name="photo.png")
        await a.send_message(ann.id, "hello")
        assert server.people_messages[0].file
        server.block(ann, alice)
        with pytest.raises(Forbidden, match="blocked"):
            await a.send_message(ann.id, "hello")
        server.leave(room, alice, kicked=True)
        with pytest.raises(Forbidden, match="kicked"):
            await a.send_message(room.id, LINK)


@in_real_time
async def test_an_application_polls_through_cut_connections_and_an_outage() -> None:
    async with world() as (server, alice, bob):
        texts: asyncio.Queue[str | None] = asyncio.Queue()

        async def enqueue(update: Update, _: Any) -> None:
            assert update.message
            await texts.put(update.message.text)

        application: Application[Any, Any, Any, Any, Any, Any] = (
            ApplicationBuilder()
            .token(bob.token)
            .base_url(server.base_url)
            .base_file_url(server.base_file_url)
            .build()
        )
        application.add_handler(MessageHandler(filters.UpdateType.MESSAGE & filters.TEXT, enqueue))
        async with application, sdk(server, alice) as a:
            await application.start()
            assert application.updater
            await application.updater.start_polling(timeout=30)
            for number in range(3):
                if number == 1:
                    server.drop_connections()
                    await asyncio.sleep(0.05)  # until the SDK's pool knows
                if number == 2:
                    await server.go_down()
                    with pytest.raises(NetworkError):
                        await a.get_me()
                    await server.come_back()
                await a.send_message("@bob_bot", str(number))
                assert await asyncio.wait_for(texts.get(), 5) == str(number)
            assert server.counters.conflicts == 0
            await application.updater.stop()
            await application.stop()


@in_real_time
async def test_downloads_break_off_are_damaged_or_gone() -> None:
    async with world() as (server, alice, bob), sdk(server, alice) as a, sdk(server, bob) as b:
        await a.send_document("@bob_bot", bytes_file(b"x" * 200_000))
        (got,) = await heard(b)
        assert got.document
        file = await b.get_file(got.document.file_id)
        for fault in (Fault.TRUNCATED, Fault.RESET, Fault.NOT_FOUND):
            server.faults.next("download", fault)
            with pytest.raises((NetworkError, InvalidToken)):
                await file.download_as_bytearray()
        server.faults.next("download", Fault.DAMAGED)
        assert 0 in await file.download_as_bytearray()
        assert await file.download_as_bytearray() == b"x" * 200_000
