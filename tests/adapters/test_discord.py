"""The channel on the stand-in: the contract, what is heard, what is sent, what is refused."""

import asyncio
import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import discord
import pytest

from ocft.channels import Channel
from ocft.errors import (
    ChannelClosedError,
    ChannelError,
    ConfigError,
    DeliveryUnknownError,
    FileRefusedError,
    MessageTooLongError,
    RateLimitedError,
)
from ocft.testing import check_channel
from ocft_discord import ADAPTER, DiscordChannel, posting
from tests.adapters.discord_scene import Bot, Scene, play, until
from tests.emulators.discord import Fault, Permission

MARKER = "\N{LINK SYMBOL}OCFT:"


@contextmanager
def changed(place: Any, name: str, value: Any) -> Iterator[None]:
    kept = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, kept)


def test_importing_the_adapter_imports_no_sdk() -> None:
    code = "import sys, ocft_discord; sys.exit(bool({'discord', 'aiohttp'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_a_missing_sdk_is_explained() -> None:
    code = (
        "import sys; sys.modules['discord'] = None\n"
        "import ocft_discord\n"
        "from ocft.errors import AdapterNotInstalledError\n"
        "try: ocft_discord.DiscordChannel\n"
        "except AdapterNotInstalledError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=30, capture_output=True, text=True
    )
    assert "pip install 'ocft[discord]'" in done.stdout


async def cut(scene: Scene, _: Channel) -> None:
    """End the connections of both bots, by a code after which nothing is resumed."""
    for account in (scene.ada, scene.bob):
        scene.server.drop(account, code=4009, memory=False)


def test_an_own_connection_keeps_the_contract() -> None:
    async def test(scene: Scene) -> None:
        async def open_pair() -> tuple[Channel, Channel]:
            return await scene.open(scene.ada), await scene.open(scene.bob)

        await check_channel(
            open_pair,
            addresses=(str(scene.ada.id), str(scene.bob.id)),
            break_connection=partial(cut, scene),
        )
        assert not scene.server.counters.rate_limited

    play(test)


def test_an_attached_channel_keeps_the_contract() -> None:
    async def test(scene: Scene) -> None:
        async with scene.bot(scene.ada) as ada, scene.bot(scene.bob) as bob:

            async def open_pair() -> tuple[Channel, Channel]:
                room = scene.room.id
                return (
                    await DiscordChannel.attach(ada, channel=room),
                    await DiscordChannel.attach(bob, channel=room),
                )

            await check_channel(
                open_pair,
                addresses=(str(scene.ada.id), str(scene.bob.id)),
                break_connection=partial(cut, scene),
            )

    play(test)


# ---- what is heard


def test_people_and_other_bots_are_heard_and_echoes_edits_webhooks_and_other_rooms_are_not() -> (
    None
):
    async def test(scene: Scene) -> None:
        server = scene.server
        other = server.add_room("other", scene.ada, scene.bob)
        cat = server.add_bot("cat")
        server.join(cat, scene.room)
        bob, ear = await scene.listen(scene.bob)
        await bob.send(str(scene.ada.id), "an echo")
        server.say(scene.ada, other, "in another room")
        server.webhook_says(scene.room, "a webhook")
        hello = server.say(scene.eve, scene.room, "hello")
        await ear.until(1)
        server.edit(hello, "hello, edited")
        server.say(cat, scene.room, "miaow")
        assert await ear.until(2) == ["hello", "miaow"]
        assert [one.author for one in ear.heard] == [str(scene.eve.id), str(cat.id)]

    play(test)


def test_the_mention_before_a_text_is_taken_off() -> None:
    async def test(scene: Scene) -> None:
        _, ear = await scene.listen(scene.bob)
        for form in ("<@{}> ", "<@!{}>"):
            scene.server.say(scene.ada, scene.room, form.format(scene.bob.id) + "text")
        scene.server.say(scene.ada, scene.room, f"<@{scene.ada.id}> text")
        assert await ear.until(3) == ["text", "text", f"<@{scene.ada.id}> text"]

    play(test)


def test_events_that_come_twice_or_backwards_are_heard_once_each() -> None:
    async def test(scene: Scene) -> None:
        server = scene.server
        _, ear = await scene.listen(scene.bob)
        server.redeliver(server.say(scene.ada, scene.room, "0"))
        await ear.until(1)
        server.hold(scene.bob)
        for number in range(1, 6):
            server.redeliver(server.say(scene.ada, scene.room, str(number)))
        server.release(scene.bob, backwards=True)
        await ear.until(6)
        server.say(scene.ada, scene.room, "6")
        assert await ear.until(7) == ["0", "5", "4", "3", "2", "1", "6"]

    play(test)


def test_without_the_intent_only_what_mentions_the_bot_is_heard(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(scene: Scene) -> None:
        scene.bob.message_content = False
        ada = await scene.open(scene.ada)
        _, ear = await scene.listen(scene.bob)
        scene.server.say(scene.eve, scene.room, "hidden")
        await ada.send(str(scene.bob.id), "seen")
        await ada.send_file(str(scene.bob.id), io.BytesIO(b"data"), name="a.bin", text="a file")
        assert await ear.until(2) == ["seen", "a file"]
        assert [file.size for file in ear.heard[1].files] == [4]
        assert caplog.text.count("Message Content Intent") == 1

    play(test)


# ---- attached to a bot


def test_an_attached_bot_keeps_its_handlers_and_does_not_see_our_texts() -> None:
    async def test(scene: Scene) -> None:
        async def setup(bot: Bot) -> None:
            bot.channel = await DiscordChannel.attach(bot, channel=scene.room.id)

        async with scene.bot(scene.bob, setup) as bob:
            assert bob.channel is not None
            ear = scene.ear(bob.channel)
            other = scene.server.add_room("other", scene.ada, scene.bob)
            ada = await scene.open(scene.ada)
            await ada.send(str(scene.bob.id), MARKER + "eyJ2Ijo=")
            scene.server.say(scene.eve, scene.room, "hello")
            scene.server.say(scene.eve, other, MARKER + "elsewhere")
            assert await ear.until(2) == [MARKER + "eyJ2Ijo=", "hello"]
            await until(lambda: len(bob.own) == 2)
            assert bob.own == ["hello", MARKER + "elsewhere"]
            await bob.channel.close()
            scene.server.say(scene.eve, scene.room, "still here")
            await until(lambda: len(bob.own) == 3)
            assert not bob.is_closed()
            await asyncio.wait([ear.task])
            assert len(ear.heard) == 2

    play(test)


def test_a_client_that_does_not_run_yet_is_refused_with_advice() -> None:
    async def main() -> None:
        client = discord.Client(intents=discord.Intents.none())
        with pytest.raises(ChannelError, match="setup_hook"):
            await DiscordChannel.attach(client, channel=1)

    asyncio.run(main())


def test_commands_of_a_bot_still_work() -> None:
    from discord.ext import commands

    async def test(scene: Scene) -> None:
        bot = commands.Bot(
            "!",
            intents=discord.Intents(guilds=True, messages=True, message_content=True),
            guild_ready_timeout=0.02,
        )
        asked: list[str] = []

        @bot.command()
        async def ping(context: Any) -> None:
            asked.append(str(context.author))

        running = asyncio.create_task(bot.start(scene.bob.token))
        try:
            await until(bot.is_ready)
            channel = await DiscordChannel.attach(bot, channel=scene.room.id)
            ear = scene.ear(channel)
            scene.server.say(scene.eve, scene.room, "!ping")
            await until(lambda: asked)
            assert await ear.until(1) == ["!ping"]
            await channel.close()
        finally:
            await bot.close()
            await asyncio.gather(running, return_exceptions=True)

    play(test)


# ---- what is sent


def test_a_text_pings_its_peer_and_nobody_else() -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada)
        await ada.send(str(scene.bob.id), f"@everyone <@{scene.eve.id}> hello")
        await ada.send("*", f"<@{scene.eve.id}> all")
        first, second = scene.server.history(scene.room)
        assert (first.mentions, second.mentions) == ([scene.bob.id], [])
        assert first.flags == 1 << 2 | 1 << 12  # no previews, no sound
        assert ada.lane(str(scene.bob.id)) == ada.lane("*") == str(scene.room.id)

    play(test)


@pytest.mark.parametrize("to", ["bob", "", "-1", "0", "1" * 21, "@everyone", "\u0661"])
def test_an_address_is_a_users_id(to: str) -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada)
        with pytest.raises(ChannelError, match="no address"):
            await ada.send(to, "text")

    play(test)


def test_the_longest_text_fits_with_the_longest_mention() -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada)
        longest = "\N{LINK SYMBOL}" * ada.limits.max_text
        await ada.send("9" * 20, longest)
        assert [len(text) for text in scene.said()] == [2000]
        with pytest.raises(MessageTooLongError):
            await ada.send(str(scene.bob.id), longest + "x")

    play(test)


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.LOST_ANSWER, Fault.SILENCE])
def test_a_lost_answer_does_not_double_a_text(fault: Fault) -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada)
        scene.server.faults.next("create_message", fault)
        with changed(posting, "PATIENCE", 0.3 if fault is Fault.SILENCE else 60):
            await ada.send("*", "once")
        assert scene.said() == ["once"]
        await ada.send("*", "once")  # the same words again are another text
        assert scene.said() == ["once", "once"]

    play(test)


def test_a_server_that_is_down_for_a_moment_is_asked_again() -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada)
        scene.server.faults.next("create_message", Fault.ERROR_503)
        await ada.send("*", "at last")
        assert scene.said() == ["at last"]

    play(test)


def test_an_answer_that_stays_lost_is_said_so() -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada)
        scene.server.faults.next("create_message", Fault.RESET, times=None)
        with changed(posting, "_PAUSES", (0.0, 0.0)), pytest.raises(DeliveryUnknownError):
            await ada.send("*", "perhaps")
        assert scene.said() == ["perhaps"]

    play(test)


def test_a_text_that_was_deleted_before_its_repeat_was_sent() -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada)
        scene.server.faults.next("create_message", Fault.RESET)
        with changed(posting, "_PAUSES", (0.3,)):
            sending = asyncio.create_task(ada.send("*", "short life"))
            await until(scene.said)
            scene.server.delete(scene.server.history(scene.room)[0])
            await sending
        assert scene.said() == []

    play(test)


@pytest.mark.parametrize("fault", [Fault.CHANNEL_RATE, Fault.GLOBAL_RATE])
def test_a_short_429_is_obeyed(fault: Fault) -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada)
        scene.server.faults.next("create_message", fault, times=2)
        await ada.send("*", "late")
        assert scene.said() == ["late"]
        assert scene.server.counters.rate_limited.total() == 2

    play(test)


@pytest.mark.parametrize(
    ("fault", "is_global"), [(Fault.CHANNEL_RATE, False), (Fault.GLOBAL_RATE, True)]
)
def test_a_429_that_does_not_end_tells_whether_it_is_for_the_whole_bot(
    fault: Fault, *, is_global: bool
) -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada)
        scene.server.faults.next("create_message", fault, times=5)  # discord.py's tries
        with pytest.raises(RateLimitedError) as error:
            await ada.send("*", "not now")
        assert error.value.is_global is is_global
        assert scene.said() == []

    play(test)


def test_a_ban_is_a_long_pause() -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada)
        scene.server.faults.next("create_message", Fault.BANNED)
        with pytest.raises(RateLimitedError) as error:
            await ada.send("*", "not now")
        assert (error.value.retry_after, error.value.is_global) == (600, True)
        assert scene.said() == []

    play(test)


def test_a_429_while_there_is_a_doubt_is_waited_for_with_the_same_nonce() -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada)
        scene.server.faults.next("create_message", Fault.RESET)
        scene.server.faults.next("create_message", Fault.BANNED, after=1)
        scene.server.faults.next("create_message", Fault.BANNED, after=2)
        with changed(posting, "PATIENCE", 1000), changed(asyncio, "sleep", _no_sleep):
            await ada.send("*", "once")
        assert scene.said() == ["once"]

    play(test)


_sleep = asyncio.sleep


async def _no_sleep(delay: float, result: Any = None) -> Any:
    return await _sleep(min(delay, 0.01), result)


def test_refusals_are_explained() -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada)
        scene.server.faults.next("create_message", Fault.AUTOMOD)
        with pytest.raises(ChannelError, match="AutoMod"):
            await ada.send("*", "rude")
        scene.server.deny(scene.ada, scene.room, Permission.SEND_MESSAGES)
        with pytest.raises(ChannelError, match="doctor"):
            await ada.send("*", "text")
        scene.server.deny(scene.ada, scene.room, Permission.VIEW_CHANNEL)
        with pytest.raises(ChannelError, match="View Channel"):
            await ada.send("*", "text")

    play(test)


def test_a_channel_that_does_not_exist_cannot_be_opened() -> None:
    async def test(scene: Scene) -> None:
        with pytest.raises(ChannelError, match="no such channel"):
            await scene.open(scene.ada, channel="123")

    play(test)


def test_a_thread_is_a_channel_of_its_own() -> None:
    async def test(scene: Scene) -> None:
        thread = scene.server.add_thread(scene.room, "ocft", scene.ada)
        ada = await scene.open(scene.ada, thread=str(thread.id))
        _, ear = await scene.listen(scene.bob, thread=thread.id)
        scene.server.say(scene.eve, scene.room, "outside")
        scene.server.archive(thread)
        await ada.send(str(scene.bob.id), "inside")
        assert await ear.until(1) == ["inside"]

    play(test)


# ---- files


def test_files_go_up_come_down_and_are_deleted() -> None:
    async def test(scene: Scene) -> None:
        data = bytes(range(256)) * 8192
        ada = await scene.open(scene.ada, delete_files_after=True)
        assert ada.removes_files
        _, ear = await scene.listen(scene.bob)
        file = io.BytesIO(data)
        file.seek(1000)
        sent = await ada.send_file(str(scene.bob.id), file, name="part.bin", text="a note")
        assert not file.closed
        assert await ear.until(1) == ["a note"]
        (received,) = ear.heard[0].files
        assert (received.name, received.size) == ("part.bin", len(data))
        sink = io.BytesIO()
        await received.fetch(sink)
        assert sink.getvalue() == data
        await ada.delete(sent)
        await ada.delete(sent)
        assert scene.said() == []
        with pytest.raises(ChannelError, match="gone"):
            await received.fetch(io.BytesIO())
        with pytest.raises(ChannelError, match="nothing that was sent"):
            await ada.delete("../../1")
        assert scene.server.counters.leaked_tokens == 0

    play(test)


def test_a_lost_answer_does_not_double_a_file() -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada)
        scene.server.faults.next("create_message", Fault.RESET)
        await ada.send_file("*", io.BytesIO(b"x" * 300_000), name="a.bin")
        (message,) = scene.server.history(scene.room)
        assert [file.size for file in message.attachments] == [300_000]

    play(test)


def test_what_discord_does_not_take_is_refused() -> None:
    async def test(scene: Scene) -> None:
        ada = await scene.open(scene.ada, max_file_size=2000)
        scene.server.attachment_bytes = 1000
        await ada.send_file("*", io.BytesIO(b"x" * 1000), name="a.bin")
        for size in (1001, 2001, 0):
            with pytest.raises(FileRefusedError):
                await ada.send_file("*", io.BytesIO(b"x" * size), name="a.bin")
        scene.server.deny(scene.ada, scene.room, Permission.ATTACH_FILES)
        with pytest.raises(FileRefusedError, match="Attach Files"):
            await ada.send_file("*", io.BytesIO(b"x"), name="a.bin")
        assert scene.server.counters.errors[40005] == 1

    play(test)


def test_an_upload_of_a_person_is_offered_and_an_expired_link_is_renewed() -> None:
    async def test(scene: Scene) -> None:
        _, ear = await scene.listen(scene.bob)
        scene.server.say(scene.eve, scene.room, file=b"0123456789", name="notes.txt")
        await ear.until(1)
        (text,) = ear.heard
        assert (text.author, text.text) == (str(scene.eve.id), "")
        scene.server.expire_urls()
        sink = io.BytesIO()
        await text.files[0].fetch(sink)
        assert sink.getvalue() == b"0123456789"
        assert scene.server.counters.requests["download"] == 2

    play(test)


@pytest.mark.parametrize("fault", [Fault.ERROR_PAGE, Fault.TRUNCATED, Fault.RESET, Fault.ERROR_503])
def test_a_download_that_fails_may_be_tried_again(fault: Fault) -> None:
    async def test(scene: Scene) -> None:
        _, ear = await scene.listen(scene.bob)
        scene.server.say(scene.eve, scene.room, file=b"x" * 500_000)
        await ear.until(1)
        # aiohttp itself asks again, once, when the connection breaks before the answer.
        scene.server.faults.next("download", fault, times=2 if fault is Fault.RESET else 1)
        with pytest.raises(ChannelError) as error:
            await ear.heard[0].files[0].fetch(io.BytesIO())
        assert error.value.retryable
        assert scene.server.url not in str(error.value)
        sink = io.BytesIO()
        await ear.heard[0].files[0].fetch(sink)
        assert sink.getvalue() == b"x" * 500_000

    play(test)


@pytest.mark.parametrize(("data", "retryable"), [(b"longer than before", False), (b"s", True)])
def test_a_file_that_was_replaced_by_one_of_another_size_is_refused(
    data: bytes, *, retryable: bool
) -> None:
    async def test(scene: Scene) -> None:
        _, ear = await scene.listen(scene.bob)
        said = scene.server.say(scene.eve, scene.room, file=b"before")
        await ear.until(1)
        scene.server.replace_file(said.attachments[0], data)
        sink = io.BytesIO()
        with pytest.raises(ChannelError) as error:
            await ear.heard[0].files[0].fetch(sink)
        assert error.value.retryable is retryable
        assert len(sink.getvalue()) <= 6

    play(test)


def test_a_disk_that_is_full_is_no_failure_of_the_channel() -> None:
    class Full(io.BytesIO):
        def write(self, data: Any, /) -> int:
            raise OSError(28, "No space left on device")

    async def test(scene: Scene) -> None:
        _, ear = await scene.listen(scene.bob)
        scene.server.say(scene.eve, scene.room, file=b"x")
        await ear.until(1)
        with pytest.raises(OSError, match="No space"):
            await ear.heard[0].files[0].fetch(Full())

    play(test)


# ---- ends


def test_the_token_is_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tokens: list[str] = []

    async def test(scene: Scene) -> None:
        tokens.extend([scene.ada.token, scene.bob.token])
        ada = await scene.open(scene.ada)
        _, ear = await scene.listen(scene.bob)
        scene.server.faults.next("create_message", Fault.RESET)
        await ada.send_file(str(scene.bob.id), io.BytesIO(b"x" * 1000), name="a.bin", text="t")
        await ear.until(1)
        await ear.heard[0].files[0].fetch(io.BytesIO())
        scene.server.malformed(scene.bob)
        await until(lambda: scene.server.counters.requests["connect"] == 2)
        scene.server.revoke(scene.bob)
        await asyncio.wait([ear.task])
        assert tokens[1] not in repr(ear.task.exception())
        assert tokens[0] not in repr(vars(ada))

    play(test)
    assert caplog.records
    assert not [
        record for record in caplog.records for token in tokens if token in str(vars(record))
    ]


def test_a_closed_channel_leaves_nothing_behind_in_whatever_state_it_was() -> None:
    async def test(scene: Scene) -> None:
        for wait in (0.0, 0.001, 0.01, 0.03, 0.1):
            opening = asyncio.create_task(scene.open(scene.ada))
            await asyncio.sleep(wait)
            opening.cancel()
            await asyncio.wait([opening])
            channel = await scene.open(scene.ada)
            ear = scene.ear(channel)
            await asyncio.sleep(wait)
            await channel.close()
            await asyncio.wait([ear.task])
        channel = await scene.open(scene.ada)
        scene.server.faults.next("create_message", Fault.SILENCE)
        sending = asyncio.create_task(channel.send("*", "text"))
        await asyncio.sleep(0.05)
        await channel.close()
        with pytest.raises(ChannelClosedError):
            await sending
        with pytest.raises(ChannelClosedError):
            await channel.delete("1/1")

    play(test)


def test_a_wrong_token_cannot_open() -> None:
    async def test(scene: Scene) -> None:
        options = scene.options(scene.ada)
        scene.server.reset_token(scene.ada)
        with pytest.raises(ChannelError, match="Reset Token") as error:
            await ADAPTER.open("node", options)
        assert not error.value.retryable
        with pytest.raises(ConfigError, match="NOWHERE"):
            await ADAPTER.open("node", {**options, "token": "env:NOWHERE"})

    play(test)


def test_a_server_that_is_not_there_cannot_be_opened() -> None:
    async def test(scene: Scene) -> None:
        options = scene.options(
            scene.ada, api_url="http://127.0.0.1:9/api", gateway_url="ws://127.0.0.1:9"
        )
        with pytest.raises(ChannelClosedError, match="cannot be reached"):
            await ADAPTER.open("node", options)

    play(test)


# ---- what is hostile


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/a.bin",
        "https://cdn.discordapp.com.evil.example/a.bin",
        "https://cdn.discordapp.com@evil.example/a.bin",
        "https://cdn.discordapp.com:444/a.bin",
        "http://cdn.discordapp.com/a.bin",
        "file:///etc/passwd",
        "/a.bin",
        "http://[",
        "",
    ],
)
def test_a_download_goes_to_discord_and_nowhere_else(url: str) -> None:
    async def test(scene: Scene) -> None:
        _, ear = await scene.listen(scene.bob)
        room = await scene.open(scene.bob)
        scene.server.say(scene.eve, scene.room, file=b"x")
        await ear.until(1)
        client = await room._client()
        async for message in client.get_partial_messageable(scene.room.id).history(limit=1):
            message.attachments[0].url = url
            (file,) = room._downloads.files_of(message)
            with pytest.raises(ChannelError) as error:
                await file.fetch(io.BytesIO())
            assert not error.value.retryable
        assert not scene.server.counters.requests["download"]

    play(test)


def test_a_download_follows_no_redirect_to_another_host() -> None:
    from aiohttp import web
    from discord.http import Route

    asked: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": request.query["to"]})

    async def test(scene: Scene) -> None:
        app = web.Application()
        app.add_routes([web.get("/{path}", redirect)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        bob, ear = await scene.listen(scene.bob)
        scene.server.say(scene.eve, scene.room, file=b"x")
        await ear.until(1)
        client = await bob._client()
        (message,) = [
            one async for one in client.get_partial_messageable(scene.room.id).history(limit=1)
        ]
        for to, count in (("https://evil.example/", 1), ("/again?to=/again", 4)):
            message.attachments[0].url = f"http://{host}:{port}/first?to={to}"
            (file,) = bob._downloads.files_of(message)
            with changed(Route, "BASE", f"http://{host}:{port}"), pytest.raises(ChannelError):
                await file.fetch(io.BytesIO())
            assert len(asked) <= count
            asked.clear()
        await runner.cleanup()

    play(test)


def test_a_message_that_cannot_be_read_is_dropped_and_the_next_one_is_read() -> None:
    async def test(scene: Scene) -> None:
        bob = await scene.open(scene.bob)
        take = bob._reader._take

        def stumble(message: discord.Message) -> Any:
            if message.content == "bad":
                raise ValueError("a trap")
            return take(message)

        bob._reader._take = stumble
        ear = scene.ear(bob)
        scene.server.say(scene.eve, scene.room, "bad")
        scene.server.say(scene.eve, scene.room, "good")
        assert await ear.until(1) == ["good"]
        assert bob._reader.dropped == 1

    play(test)


def test_nothing_of_ours_stops_a_bot_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    async def test(scene: Scene) -> None:
        async with scene.bot(scene.bob) as bob:
            channel = await DiscordChannel.attach(bob, channel=scene.room.id)
            hear, failing = channel._connection._ears, ["first"]  # type: ignore[union-attr]
            heard = hear._on_message

            def stumble(message: discord.Message) -> None:
                if message.content in failing:
                    raise RuntimeError("a mistake of ours")
                heard(message)

            hear._on_message = stumble
            ear = scene.ear(channel)
            scene.server.say(scene.eve, scene.room, "first")
            scene.server.say(scene.eve, scene.room, "second")
            await until(lambda: bob.own == ["first", "second"])
            await until(lambda: "second" in ear.texts)
            assert "a mistake of ours" in caplog.text
            await channel.close()

    play(test)
