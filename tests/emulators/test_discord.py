"""The stand-in for Discord, spoken to by the real discord.py and by plain HTTP."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest

from tests.emulators.discord import (
    Account,
    DiscordServer,
    Fault,
    Limits,
    Message,
    Permission,
    Room,
)

PATIENCE = 8.0


class Client(discord.Client):
    """A bot whose messages wait in a queue, and that identifies again without a pause."""

    def __init__(self, **options: Any) -> None:
        intents = options.pop("intents", None) or discord.Intents(
            guilds=True, messages=True, message_content=True
        )
        super().__init__(
            intents=intents,
            max_messages=None,
            chunk_guilds_at_startup=False,
            guild_ready_timeout=0.02,
            allowed_mentions=discord.AllowedMentions.none(),
            **options,
        )
        self.heard: asyncio.Queue[discord.Message] = asyncio.Queue()
        self.readies = self.resumes = 0

    async def on_message(self, message: discord.Message) -> None:
        self.heard.put_nowait(message)

    async def on_ready(self) -> None:
        self.readies += 1

    async def on_resumed(self) -> None:
        self.resumes += 1

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        return

    async def hear(self) -> discord.Message:
        return await asyncio.wait_for(self.heard.get(), PATIENCE)

    def room(self, room: Room) -> discord.TextChannel:
        found = self.get_channel(room.id)
        assert isinstance(found, discord.TextChannel)
        return found


class Scene:
    """A running server with two bots and a person in one room."""

    def __init__(self, server: DiscordServer) -> None:
        self.server = server
        self.ada, self.bob = server.add_bot("ada"), server.add_bot("bob")
        self.eve = server.add_person("eve")
        self.room = server.add_room("files", self.ada, self.bob, self.eve)

    @contextlib.asynccontextmanager
    async def client(self, account: Account, **options: Any) -> AsyncIterator[Client]:
        client = Client(**options)
        running = asyncio.create_task(client.start(account.token))
        try:
            async with asyncio.timeout(PATIENCE):
                while not client.readies:
                    assert not running.done(), running.exception()
                    await asyncio.sleep(0.005)
            yield client
        finally:
            await client.close()
            await asyncio.gather(running, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def http(self, account: Account | None = None) -> AsyncIterator[aiohttp.ClientSession]:
        headers = {"Authorization": f"Bot {account.token}"} if account else {}
        async with aiohttp.ClientSession(headers=headers) as session:
            yield session

    @property
    def posts(self) -> str:
        return f"{self.server.api_url}/channels/{self.room.id}/messages"


def play(test: Callable[[Scene], Awaitable[None]], **options: Any) -> None:
    """Run a test against a fresh server, 50 times as fast as the platform."""

    async def run() -> None:
        async with DiscordServer(**{"speed": 50, **options}) as server:
            with server.sdk():
                await asyncio.wait_for(_coroutine(test, Scene(server)), 30)

    asyncio.run(run())


async def _coroutine(test: Callable[[Scene], Awaitable[None]], scene: Scene) -> None:
    await test(scene)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


def code(error: pytest.ExceptionInfo[discord.HTTPException]) -> tuple[int, int]:
    return error.value.status, error.value.code


def test_bots_log_in_and_hear_each_other_and_people() -> None:  # behaviours 1 and 2
    async def test(scene: Scene) -> None:
        async with scene.client(scene.ada) as ada, scene.client(scene.bob) as bob:
            assert ada.user is not None
            assert ada.application_flags.gateway_message_content_limited
            sent = await ada.room(scene.room).send("  a frame\n")
            heard = await bob.hear()
            assert (heard.id, heard.content, heard.author.id) == (sent.id, "a frame", scene.ada.id)
            assert (await ada.hear()).id == sent.id
            scene.server.say(scene.eve, scene.room, "hello", file=b"data", name="my file.txt")
            heard = await bob.hear()
            assert await heard.attachments[0].read() == b"data"
            assert [m.content for m in scene.server.people_messages] == ["hello"]
            here = await ada.fetch_channel(scene.room.id)
            assert isinstance(here, discord.TextChannel)
            assert here.permissions_for(here.guild.me).attach_files
            assert not scene.server.counters.rate_limited

    play(test)


def test_direct_messages_reach_people_and_no_bots() -> None:  # behaviour 1
    async def test(scene: Scene) -> None:
        async with scene.client(scene.ada) as ada:
            eve = await ada.fetch_user(scene.eve.id)
            await eve.send("psst")
            direct = scene.server.direct(scene.ada, scene.eve)
            scene.server.say(scene.eve, direct, "what?")
            await ada.hear()
            heard = await ada.hear()
            assert isinstance(heard.channel, discord.DMChannel)
            with pytest.raises(discord.HTTPException) as error:
                await (await ada.fetch_user(scene.bob.id)).create_dm()
            assert code(error) == (400, 50007)

    play(test)


def test_threads_are_rooms_of_their_own() -> None:  # behaviour 1
    async def test(scene: Scene) -> None:
        async with scene.client(scene.ada) as ada, scene.client(scene.bob) as bob:
            kind = discord.ChannelType.public_thread
            thread = await ada.room(scene.room).create_thread(name="ocft", type=kind)
            await thread.send("in the thread")
            heard = await bob.hear()
            assert isinstance(heard.channel, discord.Thread)
            await thread.edit(archived=True)
            assert scene.server.rooms[thread.id].archived
            await thread.send("again")
            assert not scene.server.rooms[thread.id].archived

    play(test)


def test_texts_are_limited_trimmed_and_cleaned() -> None:  # behaviour 3
    async def test(scene: Scene) -> None:
        async with scene.client(scene.ada) as ada:
            room = ada.room(scene.room)
            assert len((await room.send("\U0001f517" * 2000)).content) == 2000
            with pytest.raises(discord.HTTPException, match="2000 or fewer") as error:
                await room.send("x" * 2001)
            assert code(error) == (400, 50035)
            with pytest.raises(discord.HTTPException) as error:
                await room.send(" \n ")
            assert code(error) == (400, 50006)
            assert (await room.send("\ta\x00\u202e\u200bb ")).content == "a\u200bb"

    play(test)


def test_content_is_withheld_without_the_intent_unless_mentioned() -> None:  # behaviour 4
    async def test(scene: Scene) -> None:
        scene.bob.message_content = False
        quiet = discord.Intents(guilds=True, messages=True)
        async with scene.client(scene.ada) as ada, scene.client(scene.bob, intents=quiet) as bob:
            room = ada.room(scene.room)
            await room.send("hidden", file=discord.File(io.BytesIO(b"x"), "a.bin"))
            heard = await bob.hear()
            assert (heard.content, heard.attachments) == ("", [])
            ping = discord.AllowedMentions(users=[discord.Object(scene.bob.id)])
            await room.send(f"<@{scene.bob.id}> seen", allowed_mentions=ping)
            assert (await bob.hear()).content == f"<@{scene.bob.id}> seen"
            await room.send(f"<@{scene.bob.id}> not pinged")
            assert (await bob.hear()).content == ""
            told = [m.content async for m in bob.room(scene.room).history(oldest_first=True)]
            assert told == ["", f"<@{scene.bob.id}> seen", ""]
        with pytest.raises(discord.PrivilegedIntentsRequired):
            async with Client() as refused:  # start() alone leaves its HTTP session open
                await refused.start(scene.bob.token)

    play(test)


def test_the_sdk_stays_below_the_rates_and_plain_http_does_not() -> None:  # behaviour 5
    async def test(scene: Scene) -> None:
        counters = scene.server.counters
        async with scene.client(scene.ada) as ada, scene.http(scene.bob) as http:
            await asyncio.gather(*(ada.room(scene.room).send(str(n)) for n in range(12)))
            assert [m.content for m in scene.server.history(scene.room)] == [
                str(n) for n in range(12)
            ]
            assert not counters.rate_limited
            wait, remaining = 0.0, ""
            while not wait:
                async with http.post(scene.posts, json={"content": "x"}) as answer:
                    if answer.status == 429:
                        wait = (await answer.json())["retry_after"]
                        assert "Via" in answer.headers
                    else:
                        remaining = answer.headers["X-RateLimit-Remaining"]
            assert remaining == "0"
            assert 0 < wait <= 0.5
            await asyncio.sleep(wait)
            async with http.post(scene.posts, json={"content": "x"}) as answer:
                assert answer.status == 200
            assert counters.rate_limited == {"bucket": 1}

    play(test, speed=10)


def test_planned_429s_are_waited_for_and_a_ban_is_raised() -> None:  # behaviour 5
    async def test(scene: Scene) -> None:
        async with scene.client(scene.ada) as ada:
            scene.server.faults.next("create_message", Fault.CHANNEL_RATE, times=2)
            await ada.room(scene.room).send("late")
            assert scene.server.counters.rate_limited == {"channel": 2}
            scene.server.faults.next("create_message", Fault.BANNED)
            with pytest.raises(discord.HTTPException) as error:
                await ada.room(scene.room).send("banned")
            assert error.value.status == 429

    play(test)


def test_all_senders_share_a_channels_write_limit() -> None:  # behaviour 5
    async def test(scene: Scene) -> None:
        async with scene.http(scene.ada) as ada, scene.http(scene.bob) as bob:
            for http in (ada, bob):
                async with http.post(scene.posts, json={"content": "x"}) as answer:
                    assert answer.status == 200
            async with ada.post(scene.posts, json={"content": "x"}) as answer:
                assert (await answer.json())["code"] == 20028
                assert answer.headers["X-RateLimit-Scope"] == "shared"

    play(test, limits=Limits(channel_writes=2))


def test_too_many_invalid_requests_ban_the_address() -> None:
    async def test(scene: Scene) -> None:
        async with scene.http() as nobody, scene.http(scene.ada) as ada:
            for _ in range(3):
                async with nobody.get(scene.posts) as answer:
                    assert answer.status == 401
            async with ada.get(scene.posts) as answer:
                assert (answer.status, "Via" in answer.headers) == (429, False)

    play(test, limits=Limits(invalid_requests=3))


def test_an_enforced_nonce_returns_the_first_message() -> None:  # behaviour 6
    async def test(scene: Scene) -> None:
        async with scene.client(scene.ada) as ada:
            room = ada.room(scene.room)
            first = await room.send("once", nonce="frame-1")
            again = await room.send("once", nonce="frame-1")
            assert first.id == again.id
            assert len(scene.server.history(scene.room)) == 1
            assert scene.server.counters.deduplicated == 1
            await first.delete()
            with pytest.raises(discord.NotFound):
                await room.send("once", nonce="frame-1")

    play(test)


def test_lost_answers_do_not_double_messages() -> None:  # behaviour 7
    async def test(scene: Scene) -> None:
        faults = scene.server.faults
        async with scene.client(scene.ada) as ada:
            room = ada.room(scene.room)
            faults.next("create_message", Fault.LOST_ANSWER)
            await room.send("after a 502")  # dpy waits for 1 s
            faults.next("create_message", Fault.RESET)
            with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
                await room.send("after a reset", nonce="n")
            await room.send("after a reset", nonce="n")
            faults.next("create_message", Fault.SILENCE)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(room.send("silence", nonce="s"), 0.2)
            faults.next("create_message", Fault.ERROR_503)
            with pytest.raises(discord.DiscordServerError):
                await room.send("never")
            said = [m.content for m in scene.server.history(scene.room)]
            assert said == ["after a 502", "after a reset", "silence"]

    play(test)


def test_files_are_kept_whole_and_limited_in_size_and_number(tmp_path: Path) -> None:  # 8 and 9
    async def test(scene: Scene) -> None:
        path = tmp_path / "part"
        path.write_bytes(bytes(range(256)) * 4096)
        async with scene.client(scene.ada) as ada, scene.client(scene.bob) as bob:
            room = ada.room(scene.room)
            await room.send(file=discord.File(path, "_ocft é 1?.bin"))
            heard = (await bob.hear()).attachments[0]
            assert (heard.filename, heard.title) == ("ocft_e_1.bin", "_ocft é 1?")
            assert await heard.read() == path.read_bytes()
            scene.server.attachment_bytes = 1000
            with pytest.raises(discord.HTTPException) as error:
                await room.send(file=discord.File(path, "large.bin"))
            assert code(error) == (413, 40005)
            files = [discord.File(io.BytesIO(b"x"), f"{n}.bin") for n in range(11)]
            with pytest.raises(discord.HTTPException) as error:
                await room.send(files=files)
            assert error.value.status == 400
            assert len(scene.server.files) == 1
            assert not scene.server.counters.rate_limited
            scene.server.deny(scene.ada, scene.room, Permission.ATTACH_FILES)
            with pytest.raises(discord.Forbidden):
                await room.send(file=discord.File(io.BytesIO(b"x"), "a.bin"))

    play(test)


def test_links_expire_and_die_with_their_message() -> None:  # behaviour 9
    async def test(scene: Scene) -> None:
        said = scene.server.say(scene.eve, scene.room, file=b"0123456789")
        async with scene.client(scene.ada) as ada, scene.http() as http:
            message = await ada.room(scene.room).fetch_message(said.id)
            old = message.attachments[0].url
            scene.server.expire_urls()
            async with http.get(old) as answer:
                assert (answer.status, await answer.read() != b"0123456789") == (404, True)
            message = await ada.room(scene.room).fetch_message(said.id)
            fresh = message.attachments[0].url
            assert fresh != old
            async with http.get(fresh, headers={"Range": "bytes=3-"}) as answer:
                assert (answer.status, await answer.read()) == (206, b"3456789")
            scene.server.faults.next("download", Fault.TRUNCATED)
            with pytest.raises(aiohttp.ClientPayloadError):
                async with http.get(fresh) as answer:
                    await answer.read()
            scene.server.faults.next("download", Fault.ERROR_PAGE)
            async with http.get(fresh) as answer:
                assert answer.content_type == "text/html"
            scene.server.delete(said)
            async with http.get(fresh) as answer:
                assert answer.status == 404
        assert scene.server.counters.leaked_tokens == 0

    play(test)


@pytest.mark.parametrize("close_code", [None, 4000, 4009])
def test_a_dropped_socket_is_resumed_without_a_gap(close_code: int | None) -> None:  # 10
    async def test(scene: Scene) -> None:
        server = scene.server
        async with scene.client(scene.bob) as bob:
            server.say(scene.eve, scene.room, "before")
            await bob.hear()
            server.drop(scene.bob, code=close_code)
            server.say(scene.eve, scene.room, "meanwhile")
            assert (await bob.hear()).content == "meanwhile"
            await until(lambda: bob.resumes == 1)
            server.ask_to_reconnect(scene.bob)
            await until(lambda: bob.resumes == 2)
            assert bob.heard.empty()

    play(test)


def test_a_forgotten_session_loses_the_gap_that_history_has() -> None:  # 10 and 11
    async def test(scene: Scene) -> None:
        server = scene.server
        async with scene.client(scene.bob) as bob:
            seen = server.say(scene.eve, scene.room, "before")
            await bob.hear()
            server.drop(scene.bob, code=4000, memory=False)
            for n in range(120):
                server.say(scene.eve, scene.room, str(n))
            await until(lambda: bob.readies == 2)
            server.invalidate(scene.bob)
            await until(lambda: bob.readies == 3)
            assert bob.heard.empty()
            after = discord.Object(seen.id)
            history = bob.room(scene.room).history(limit=None, after=after, oldest_first=True)
            assert [m.content async for m in history] == [str(n) for n in range(120)]
        assert server.counters.undelivered == {"no session": 241}  # ada was never there

    play(test)


def test_a_muted_socket_is_given_up_and_resumed() -> None:  # behaviour 7
    async def test(scene: Scene) -> None:
        async with scene.client(scene.bob, heartbeat_timeout=0.3) as bob:
            scene.server.mute(scene.bob)
            scene.server.say(scene.eve, scene.room, "swallowed")
            assert (await bob.hear()).content == "swallowed"
            assert bob.resumes == 1

    play(test, limits=Limits(heartbeat_seconds=0.1))


def test_what_ends_the_sdks_client() -> None:  # behaviours 2 and 10
    async def ended(scene: Scene, cause: Callable[[], None]) -> BaseException | None:
        client = Client()
        running = asyncio.create_task(client.start(scene.bob.token))
        await until(lambda: client.readies == 1 or running.done())
        cause()
        await asyncio.wait([running], timeout=PATIENCE)
        await client.close()
        return running.exception()

    async def test(scene: Scene) -> None:
        server = scene.server
        error = await ended(scene, lambda: server.malformed(scene.bob))
        assert isinstance(error, KeyError)
        server.faults.next("connect", Fault.ERROR_503)
        error = await ended(scene, lambda: None)
        assert isinstance(error, AttributeError)
        error = await ended(scene, lambda: server.revoke(scene.bob))
        assert isinstance(error, discord.ConnectionClosed)
        assert error.code == 4004
        with pytest.raises(discord.LoginFailure):
            async with Client() as refused:
                await refused.start("not a token")

    play(test)


def test_webhooks_edits_deletions_and_repeats_are_told() -> None:  # behaviour 12
    async def test(scene: Scene) -> None:
        server, changes = scene.server, asyncio.Queue[Any]()

        class Watcher(Client):
            async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
                changes.put_nowait(event.data["content"])

            async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
                changes.put_nowait(event.message_id)

        watcher = Watcher()
        running = asyncio.create_task(watcher.start(scene.bob.token))
        await until(lambda: watcher.readies == 1)
        hooked = server.webhook_says(scene.room, "not a peer")
        heard = await watcher.hear()
        assert heard.webhook_id == heard.author.id == hooked.author.id
        said = server.say(scene.eve, scene.room, "one")
        server.redeliver(said)
        assert [(await watcher.hear()).id for _ in range(2)] == [said.id, said.id]
        server.edit(said, "two")
        server.delete(said)
        assert [await changes.get(), await changes.get()] == ["two", said.id]
        server.hold(scene.bob)
        late: list[Message] = [server.say(scene.eve, scene.room, str(n)) for n in range(3)]
        server.release(scene.bob, backwards=True)
        told = [(await watcher.hear()).id for _ in range(3)]
        assert told == [m.id for m in reversed(late)]
        await watcher.close()
        await running

    play(test)


def test_a_bot_without_rights_is_told_so_and_hears_nothing() -> None:
    async def test(scene: Scene) -> None:
        server = scene.server
        async with scene.client(scene.ada) as ada, scene.client(scene.bob) as bob:
            server.deny(scene.bob, scene.room, Permission.VIEW_CHANNEL)
            await ada.room(scene.room).send("private")
            with pytest.raises(discord.Forbidden) as error:
                await bob.fetch_channel(scene.room.id)
            assert code(error) == (403, 50001)
            assert bob.heard.empty()
            assert server.counters.undelivered["no room"] == 1
            server.deny(scene.ada, scene.room, Permission.SEND_MESSAGES)
            with pytest.raises(discord.Forbidden) as error:
                await ada.room(scene.room).send("x")
            assert code(error) == (403, 50013)
            server.faults.next("create_message", Fault.AUTOMOD)
            with pytest.raises(discord.HTTPException) as refused:
                await ada.room(scene.room).send("x")
            assert code(refused) == (400, 200000)

    play(test)
