"""The Slack channel against the stand-in: texts, connections, catching up, and attaching."""

import asyncio
import contextlib
import logging
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from ocft.channels import Channel, TokenBucket, find_adapter
from ocft.errors import (
    AdapterNotInstalledError,
    ChannelClosedError,
    ChannelError,
    ConfigError,
    DeliveryUnknownError,
    MessageTooLongError,
    RateLimitedError,
)
from ocft.testing import check_channel
from ocft_slack import ADAPTER, SlackChannel, backlog, catching_up, sockets
from ocft_slack.calls import TokenError
from ocft_slack.messages import Heard
from ocft_slack.options import read_options
from tests.adapters.slack_scene import (
    FRAME,
    PATIENCE,
    Memory,
    Reader,
    Scene,
    _no_proxy,
    in_scene,
    until,
)
from tests.emulators.slack import Fault, Limits, SlackServer

__all__ = ["_no_proxy"]
pytestmark = pytest.mark.usefixtures("_no_proxy")


# The adapter


def test_the_adapter_is_found_and_imports_no_sdk() -> None:
    assert find_adapter("slack") is ADAPTER
    code = "import sys, ocft_slack; print({'slack_sdk', 'aiohttp'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_a_missing_sdk_is_named_with_its_cure() -> None:
    code = (
        "import sys, asyncio; sys.modules['slack_sdk'] = None\n"
        "import ocft_slack\n"
        "try: asyncio.run(ocft_slack.ADAPTER.open('me', {}))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.startswith(AdapterNotInstalledError.__name__)
    assert "pip install 'ocft[slack]'" in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "channels.slack.channel"),
        ({"channel": "general"}, "channels.slack.channel"),
        ({"channel": "C012", "chanel": 1}, "channels.slack.chanel is no setting"),
        ({"channel": "C012", "thread": "yesterday"}, "channels.slack.thread"),
        ({"channel": "C012", "share": 2}, "channels.slack.share"),
        ({"channel": "C012", "api_url": "http://example.com/api/"}, "channels.slack.api_url"),
        ({"channel": "C012", "bot_token": "xoxb-secret"}, "channels.slack.bot_token"),
        ({"channel": "C012"}, "set OCFT_SLACK_BOT_TOKEN"),
        ({"channel": "C012", "bot_token": "env:A"}, "set OCFT_SLACK_APP_TOKEN"),
        ({"channel": "C012", "bot_token": "env:A", "app_token": "env:A"}, "begins with xapp-"),
    ],
)
def test_a_wrong_setting_is_named_and_never_shown(
    options: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A", "xoxb-secret")
    monkeypatch.delenv("OCFT_SLACK_BOT_TOKEN", raising=False)
    monkeypatch.delenv("OCFT_SLACK_APP_TOKEN", raising=False)
    with pytest.raises(ConfigError) as caught:
        asyncio.run(SlackChannel.open(options))
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_channel_opens_from_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(its: Scene) -> None:
        monkeypatch.setenv("OCFT_SLACK_BOT_TOKEN", its.alice.bot_token)
        monkeypatch.setenv("OCFT_SLACK_APP_TOKEN", its.alice.app_token)
        async with await ADAPTER.open("me", its.options(delete_files_after=True)) as channel:
            assert isinstance(channel, SlackChannel)
            assert (channel.removes_files, channel.address) == (True, its.alice.user_id)

    in_scene(scenario)


def test_it_keeps_the_contract() -> None:
    async def main() -> None:
        async with SlackServer(limits=Limits(speed=200)) as server:
            scene = Scene(server)

            async def pair() -> tuple[Channel, Channel]:
                scene.room = server.channel("", members=[scene.alice, scene.bob])
                return await scene.open(scene.alice), await scene.open(scene.bob)

            ids = scene.alice.user_id, scene.bob.user_id

            async def cut(_: Channel) -> None:
                server.cut_sockets(memory=False)

            await check_channel(pair, addresses=ids, is_ordered=False, break_connection=cut)
            await scene.stack.aclose()

    asyncio.run(main())


def test_an_attached_channel_keeps_the_contract() -> None:
    async def main() -> None:
        async with SlackServer(limits=Limits(speed=200)) as server:
            scene = Scene(server)
            bots = [await scene.bot(app) for app in (scene.alice, scene.bob)]

            async def pair() -> tuple[Channel, Channel]:
                room = server.channel("", members=[scene.alice, scene.bob])
                one, other = [
                    await SlackChannel.attach(web, room.id, socket_client=socket)
                    for web, socket, _ in bots
                ]
                return one, other

            async def cut(_: Channel) -> None:
                server.cut_sockets(memory=False)

            ids = scene.alice.user_id, scene.bob.user_id
            await check_channel(pair, addresses=ids, is_ordered=False, break_connection=cut)
            await scene.stack.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5, 0.8, 1.0])
def test_the_pace_stays_below_the_limit_of_the_channel(share: float) -> None:
    limits = read_options({"channel": "C012", "share": share}).limits
    assert limits.texts_per_second is not None
    bucket = TokenBucket(limits.texts_per_second, limits.burst)
    now, times = 0.0, []
    while now < 200:
        now += bucket.wait_before(now)
        bucket.take(now)
        times.append(now)
    busiest = max(sum(start <= one < start + 40 for one in times) for start in times)
    assert busiest <= max(40 * share, 1)


# Texts


def test_what_slack_does_to_texts_is_undone() -> None:
    async def scenario(its: Scene) -> None:
        alice, bob = await its.open(its.alice), await its.read(its.bob)
        said = [FRAME, "a && b < c > d &amp; <@U1> <!here> https://x.dev ü 漢", "x" * 3900]
        for text in said:
            await alice.send("*", text)
        heard = await bob.until(3)
        assert [one.text for one in heard] == said
        assert {one.author for one in heard} == {its.alice.user_id}
        assert its.server.history(its.room)[0]["text"].startswith(":link:OCFT:")

    in_scene(scenario)


def test_a_text_that_would_be_split_is_refused() -> None:
    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        for text in ("x" * 3901, "&" * 1000):  # each & takes five characters
            with pytest.raises(MessageTooLongError):
                await alice.send("*", text)
        its.server.faults.next("chat.postMessage", Fault.SLACK_ERROR, error="msg_too_long")
        with pytest.raises(MessageTooLongError):
            await alice.send("*", "short")
        assert not its.server.history(its.room)

    in_scene(scenario)


def test_echoes_edits_deletions_webhooks_and_other_rooms_are_dropped() -> None:
    async def scenario(its: Scene) -> None:
        other = its.server.channel("other", members=[its.alice, its.bob, its.carol])
        bob = await its.read(its.bob)
        await bob.channel.send("*", "my own")
        its.server.say(other, "elsewhere", by=its.carol)
        edited = its.server.say(its.room, "typo", by=its.carol)
        its.server.edit(its.room, edited, "edited " + FRAME)
        its.server.delete(its.room, edited)
        hook = {"type": "message", "subtype": "bot_message", "bot_id": "B0HOOK", "text": FRAME}
        forge(its, hook)
        forge(its, {"type": "message", "user": "USLACKBOT", "ts": "1.000001", "hidden": True})
        its.server.say(its.room, "last", by=its.carol)
        assert [one.text for one in await bob.until(2)] == ["typo", "last"]

    in_scene(scenario)


def test_broken_and_doubled_events_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def scenario(its: Scene) -> None:
        bob = await its.read(its.bob)
        its.server.faults.next("event", Fault.MALFORMED, app=its.bob)
        await its.say(its.alice, "one")
        its.server.faults.next("event", Fault.DUPLICATED, app=its.bob)
        await its.say(its.alice, "two")
        its.server.faults.next("event", Fault.CHANGED_COPY, app=its.bob)
        await its.say(its.alice, "three")
        shapes: list[Any] = [
            None,
            [],
            {"type": []},
            {"type": "message", "subtype": {}},
            {"files": 1},
        ]
        for broken in shapes:
            forge(its, broken)
        forge(its, {"type": "message", "channel": its.room.id, "text": "x" * 300_000})
        await its.say(its.alice, "four")
        assert [one.text for one in await bob.until(4)] == ["one", "two", "three", "four"]

    in_scene(scenario)
    assert not caplog.records


def forge(its: Scene, event: Any) -> None:
    """Send all apps an event that nobody caused."""
    if isinstance(event, dict) and event.get("type") == "message":
        event = {"channel": its.room.id, **event}
    for app in (its.alice, its.bob):
        its.server._sockets.deliver(app, {"type": "event_callback", "event": event})


def test_nodes_can_meet_in_a_thread() -> None:
    async def scenario(its: Scene) -> None:
        parent = its.server.say(its.room, "files here please", by=its.carol)
        thread, memory = parent["ts"], Memory()
        alice = await its.open(its.alice, thread=thread)
        bob = await its.open(its.bob, thread=thread)
        bob.remember_in(memory)
        await alice.send("*", "while nobody listens")
        reader = Reader(bob)
        await reader.until(1)
        its.server.say(its.room, "outside", by=its.carol)
        its.server.say(its.room, "inside", by=its.carol, thread_ts=thread)
        await reader.until(2)  # two people's words at one moment have no order
        await alice.send("*", "last")
        await reader.until(3)
        assert reader.texts == ["while nobody listens", "inside", "last"]
        replies = [one for one in its.server.history(its.room) if one.get("thread_ts") == thread]
        assert len(replies) == 4
        await reader.stop()

    in_scene(scenario)


# Sending when something goes wrong


def test_a_pause_is_told_as_slack_told_it() -> None:
    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        its.server.faults.next("chat.postMessage", Fault.RATE_LIMITED, seconds=17)
        with pytest.raises(RateLimitedError) as caught:
            await alice.send("*", "hello")
        assert caught.value.retry_after == 17
        assert its.server.counters.requests["chat.postMessage"] == 1

    in_scene(scenario)


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.RESET, Fault.NOT_JSON])
def test_a_text_whose_answer_is_lost_is_found_and_not_posted_twice(fault: Fault) -> None:
    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        await alice.send("*", FRAME)
        its.server.faults.next("chat.postMessage", fault)
        await alice.send("*", FRAME)  # the same again: the earlier one proves nothing
        assert len(its.server.history(its.room)) == 2

    in_scene(scenario)


def test_a_text_that_was_not_posted_can_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocft_slack.posting._LOOKS", (0.0, 0.01))

    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        await alice.send("*", FRAME)
        its.server.faults.next("chat.postMessage", Fault.ERROR_500)
        with pytest.raises(ChannelClosedError) as caught:
            await alice.send("*", FRAME)
        assert caught.value.retryable
        its.server.faults.next("chat.postMessage", Fault.LOST_ANSWER)
        its.server.faults.next("conversations.history", Fault.ERROR_500)
        with pytest.raises(DeliveryUnknownError):
            await alice.send("*", FRAME)

    in_scene(scenario)


@pytest.mark.parametrize("word", ["not_in_channel", "is_archived", "what_is_this"])
def test_a_refusal_is_told_by_its_word(word: str) -> None:
    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        its.server.faults.next("chat.postMessage", Fault.SLACK_ERROR, error=word)
        with pytest.raises(ChannelError, match=word) as caught:
            await alice.send("*", "hello")
        assert not caught.value.retryable

    in_scene(scenario)


# Connections


@pytest.mark.parametrize("reason", ["refresh_requested", "warning"])
def test_a_connection_is_replaced_without_a_gap(reason: str) -> None:
    async def scenario(its: Scene) -> None:
        bob = await its.read(its.bob)
        calls = its.server.counters.requests
        before = calls["conversations.history"]
        its.server.disconnect_sockets(its.bob, reason)
        for number in range(10):
            await its.say(its.alice, f"number {number}")
            await asyncio.sleep(0.01)
        await bob.until(10)
        assert sorted(bob.texts) == sorted(f"number {number}" for number in range(10))
        assert calls["apps.connections.open"] == 2
        assert calls["conversations.history"] > before

    in_scene(scenario)


def test_what_was_said_while_cut_off_is_caught_up_with(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(its: Scene) -> None:
        bob = await its.read(its.bob)
        await its.say(its.alice, "before")
        await bob.until(1)
        its.server.faults.next("socket", Fault.DEAD_URL, app=its.bob, times=2)
        its.server.cut_sockets(its.bob, memory=False)
        for number in range(30):
            await its.say(its.alice, f"number {number}")
        await bob.until(31)
        assert bob.texts == ["before", *(f"number {number}" for number in range(30))]
        assert its.server.counters.undelivered["no socket"] >= 1

    in_scene(scenario)
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == 1
    assert "ticket" not in told[0]


def test_a_silent_connection_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_HEARTBEAT", 0.2)

    async def scenario(its: Scene) -> None:
        bob = await its.read(its.bob)
        its.server.freeze_sockets(its.bob)
        await its.say(its.alice, "into the silence")
        assert (await bob.until(1))[0].text == "into the silence"

    in_scene(scenario)


def test_an_event_that_got_lost_is_found_by_a_later_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catching_up, "_LOOK_EVERY", 0.1)

    async def scenario(its: Scene) -> None:
        bob = await its.read(its.bob)
        its.server.faults.next("event", Fault.LOST, app=its.bob)
        await its.say(its.alice, "lost")
        assert (await bob.until(1))[0].text == "lost"
        assert its.server.counters.undelivered["fault"] == 1

    in_scene(scenario)


def test_a_revoked_token_ends_the_reading_for_good() -> None:
    async def scenario(its: Scene) -> None:
        bob = await its.read(its.bob)
        its.bob.active = False
        its.server.cut_sockets(its.bob)
        with pytest.raises(TokenError) as caught:
            await bob.until(1)
        assert not caught.value.retryable
        with pytest.raises(TokenError):
            await bob.channel.send("*", "hello")

    in_scene(scenario)


def test_a_bad_token_is_said_at_once() -> None:
    async def scenario(its: Scene) -> None:
        its.bob.bot_token, right = "xoxb-other", its.bob.bot_token
        its.server._world.apps[1].bot_token = right
        its.bob.active = False
        with pytest.raises(TokenError):
            await its.open(its.bob)

    in_scene(scenario)


def test_too_many_messages_at_once_are_left_to_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MOST_WAITING", 10)

    async def scenario(its: Scene) -> None:
        channel = await its.open(its.bob)
        reading = channel.texts()
        first = asyncio.create_task(anext(reading))
        await until(lambda: its.server.sockets(its.bob))
        for number in range(60):
            its.server.say(its.room, f"number {number}", by=its.carol)
        assert (await first).text == "number 0"
        await until(lambda: channel._backlog.has_overflowed)
        assert len(channel._backlog._waiting) <= 60
        texts = ["number 0"]
        async with asyncio.timeout(PATIENCE):
            while len(texts) < 60:
                texts.append((await anext(reading)).text)
        assert texts == [f"number {number}" for number in range(60)]
        await reading.aclose()

    in_scene(scenario)


# Restarts


def test_a_restart_goes_on_where_the_last_one_ended() -> None:
    async def scenario(its: Scene) -> None:
        memory = Memory()
        first = await its.open(its.bob)
        first.remember_in(memory)
        await its.say(its.alice, "one")
        reader = Reader(first)
        await reader.until(1)
        await reader.stop()
        await first.close()
        await its.say(its.alice, "two, while it is down")
        second = await its.open(its.bob)
        second.remember_in(memory)
        again = Reader(second)
        await until(lambda: "two, while it is down" in again.texts)
        # What came shortly before is read again, since Slack keeps no order.
        assert again.texts == ["one", "two, while it is down"]
        await again.stop()

    in_scene(scenario)


def test_a_node_that_never_read_anything_finds_its_place_again() -> None:
    async def scenario(its: Scene) -> None:
        memory = Memory()
        await its.say(its.alice, "long before")
        first = await its.open(its.bob)
        first.remember_in(memory)
        await first.close()
        await its.say(its.alice, "meanwhile")
        second = await its.open(its.bob)
        second.remember_in(memory)
        reader = Reader(second)
        await until(lambda: reader.heard)
        assert reader.texts[-1] == "meanwhile"
        await reader.stop()

    in_scene(scenario)


def test_what_is_not_handled_is_not_noted_as_handled() -> None:
    async def scenario(its: Scene) -> None:
        memory = Memory()
        channel = await its.open(its.bob)
        channel.remember_in(memory)
        async with contextlib.aclosing(channel.texts()) as texts:
            one = await its.say(its.alice, "one")
            await anext(texts)
        assert all(mark < one for mark in memory.kept.values())
        reader = Reader(channel)
        await reader.until(1)
        await until(lambda: list(memory.kept.values()) == [one])
        await reader.stop()

    in_scene(scenario)


def test_many_pages_of_history_are_read_in_order() -> None:
    async def scenario(its: Scene) -> None:
        channel = await its.open(its.bob)
        for number in range(450):
            its.server.say(its.room, f"number {number}", by=its.carol)
        reader = Reader(channel)
        await reader.until(450)
        assert reader.texts == [f"number {number}" for number in range(450)]
        await reader.stop()

    in_scene(scenario, history_page=100)


def in_small_parts(monkeypatch: pytest.MonkeyPatch, *, parts: int) -> None:
    """Catch up with 10 messages at a time, without a pause."""
    for name, value in {
        "_PAGE": 4,
        "_MOST": 10,
        "_MOST_PARTS": parts,
        "_CALLS_PER_SECOND": 1000.0,
    }.items():
        monkeypatch.setattr(f"ocft_slack.history.{name}", value)


@pytest.mark.parametrize("is_broken", [False, True])
def test_after_a_long_absence_the_history_is_read_in_parts_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch,
    is_broken: bool,  # noqa: FBT001 - of a table
) -> None:
    in_small_parts(monkeypatch, parts=20)
    monkeypatch.setattr(catching_up, "_FIRST_PAUSE", 0.01)

    async def scenario(its: Scene) -> None:
        channel, memory = await its.open(its.bob), Memory()
        channel.remember_in(memory)
        for number in range(57):
            its.server.say(its.room, f"number {number}", by=its.carol)
        if is_broken:
            for call in (1, 7, 9, 20):
                its.server.faults.next("conversations.history", Fault.ERROR_500, after=call)
        held: list[int] = []
        add_read = channel._backlog.add_read

        def note(messages: Iterable[Heard], *, read_to: int) -> None:
            together = list(messages)
            held.append(len(together))
            add_read(together, read_to=read_to)

        monkeypatch.setattr(channel._backlog, "add_read", note)
        reader = Reader(channel)
        await reader.until(57)
        await until(lambda: not channel._backlog.is_behind)
        assert reader.texts == [f"number {number}" for number in range(57)]
        assert max(held) <= 10 + 4
        newest = its.server.history(its.room)[-1]["ts"]
        await until(lambda: list(memory.kept.values()) == [newest])
        await reader.stop()

    in_scene(scenario, history_page=4)


def test_who_was_away_for_too_long_is_told_once_that_something_is_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    in_small_parts(monkeypatch, parts=2)
    monkeypatch.setattr(catching_up, "_OVERLAP", 0)  # or a second look would find as much again

    async def scenario(its: Scene) -> None:
        channel = await its.open(its.bob)
        for number in range(57):
            its.server.say(its.room, f"number {number}", by=its.carol)
        reader = Reader(channel)
        await until(lambda: "number 56" in reader.texts and not channel._backlog.is_behind)
        assert reader.texts == [f"number {number}" for number in range(57 - len(reader.texts), 57)]
        assert 2 * 10 < len(reader.texts) < 3 * 10 + 4
        await reader.stop()

    in_scene(scenario, history_page=4)
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(told) == 1
    assert "more than 20 messages were missed" in told[0]


def test_a_pause_between_pages_of_history_loses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(error: RateLimitedError) -> None:
        pauses.append(error.retry_after)

    monkeypatch.setattr("ocft_slack.history.sleep_as_told", sleep)

    async def scenario(its: Scene) -> None:
        channel = await its.open(its.bob)
        for number in range(50):
            its.server.say(its.room, f"number {number}", by=its.carol)
        place = "conversations.history"
        its.server.faults.next(place, Fault.RATE_LIMITED, after=1, seconds=60)
        reader = Reader(channel)
        await reader.until(50)
        assert pauses == [60]
        await reader.stop()

    in_scene(scenario, history_page=15)


def test_without_the_scope_for_history_texts_come_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(its: Scene) -> None:
        word = "missing_scope"
        its.server.faults.next("conversations.history", Fault.SLACK_ERROR, error=word)
        bob = await its.read(its.bob)
        bob.channel.remember_in(Memory())
        await its.say(its.alice, "one")
        await bob.until(1)
        its.server.cut_sockets(its.bob)
        await until(lambda: its.server.sockets(its.bob))
        assert its.server.counters.requests["conversations.history"] == 1

    in_scene(scenario)
    assert "may not read the history" in caplog.text


# Attached to a bot


def test_a_bot_sees_everything_but_what_is_ocfts() -> None:
    async def scenario(its: Scene) -> None:
        alice = await its.open(its.alice)
        web, socket, seen = await its.bot(its.bob)
        mine: list[Any] = []

        async def my_own(client: Any, message: dict[str, Any], raw: str | None = None) -> None:
            mine.append(message)

        socket.message_listeners.append(my_own)
        channel = await SlackChannel.attach(web, its.room.id, socket_client=socket)
        reader = Reader(channel)
        its.server.say(its.room, "hello bot", by=its.carol)
        await alice.send("*", FRAME)
        await channel.send("*", FRAME + "mine")
        its.server.say(its.room, "bye bot", by=its.carol)
        await until(lambda: "message:bye bot" in seen)
        assert seen == ["message:hello bot", "message:bye bot"]
        await reader.until(3)
        assert reader.texts == ["hello bot", FRAME, "bye bot"]
        assert its.server.counters.redelivered["bob"] == 0
        await reader.stop()
        await channel.close()
        await alice.send("*", FRAME + "after")
        await until(lambda: len(seen) == 3)
        assert "OCFT:" in seen[-1]
        assert socket.message_listeners == [my_own]
        assert await socket.is_connected()

    in_scene(scenario)


def test_an_attached_channel_catches_up_when_the_bot_reconnects() -> None:
    async def scenario(its: Scene) -> None:
        web, socket, _ = await its.bot(its.bob)
        channel = await SlackChannel.attach(web, its.room.id, socket_client=socket)
        reader = Reader(channel)
        await its.say(its.alice, "one")
        await reader.until(1)
        its.server.cut_sockets(its.bob, memory=False)
        await its.say(its.alice, "two")
        await reader.until(2)
        assert reader.texts == ["one", "two"]
        await reader.stop()
        await channel.close()

    in_scene(scenario)


def test_events_can_be_handed_in_as_bolt_has_them() -> None:
    async def scenario(its: Scene) -> None:
        parent = its.server.say(its.room, "a thread", by=its.carol)
        channel = await SlackChannel.attach(its.web(its.bob), its.room.id)
        reader = Reader(channel)
        event = {"type": "message", "channel": its.room.id, "user": its.alice.user_id}
        event |= {"bot_id": its.alice.bot_id, "text": ":link:OCFT:abcd", "ts": f"{time.time():.6f}"}
        assert channel.handle_event({"type": "event_callback", "event": event})
        human = event | {"user": its.carol.user_id, "text": "hi", "ts": f"{time.time():.6f}"}
        assert not channel.handle_event(human)
        assert not channel.handle_event(event | {"channel": "C0OTHER"})
        thread = await SlackChannel.attach(its.web(its.bob), its.room.id, thread=parent["ts"])
        assert not thread.handle_event(event)  # perhaps another channel's of this process
        await thread.close()
        assert channel.handle_event(event | {"user": its.bob.user_id})  # our own echo
        changed = {"type": "message", "subtype": "message_changed", "channel": its.room.id}
        assert channel.handle_event(changed | {"message": event})
        for broken in ({}, {"event": None}, {"type": "message", "text": []}, {"event": [1]}):
            assert not channel.handle_event(broken)
        await reader.until(2)
        assert reader.texts == ["\N{LINK SYMBOL}OCFT:abcd", "hi"]
        await reader.stop()
        await channel.close()
        assert not channel.handle_event(event)

    in_scene(scenario)


def test_the_bots_client_is_left_as_it_was() -> None:
    async def scenario(its: Scene) -> None:
        web = its.web(its.bob)
        before = dict(vars(web))
        channel = await SlackChannel.attach(web, its.room.id, share=0.5)
        await channel.send("*", "hello")
        await channel.close()
        assert vars(web) == before
        assert (await web.auth_test())["user_id"] == its.bob.user_id

    in_scene(scenario)


# Secrets


def test_tokens_are_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario(its: Scene) -> None:
        words = []
        bob = await its.read(its.bob)
        its.server.faults.next("socket", Fault.DEAD_URL, app=its.bob)
        its.server.cut_sockets(its.bob)
        await its.say(its.alice, FRAME)
        await bob.until(1)
        for fault in (Fault.ERROR_500, Fault.NOT_JSON, Fault.SLACK_ERROR, Fault.LOST_ANSWER):
            its.server.faults.next("files.getUploadURLExternal", fault)
            with pytest.raises(ChannelError) as caught, Path(__file__).open("rb") as file:
                await bob.channel.send_file("*", file, name="x.bin")
            words.append("".join(map(str, (caught.value, caught.value.__cause__))))
        its.bob.active = False
        with pytest.raises(TokenError) as refused:
            await bob.channel.send("*", "hello")
        words.append(str(refused.value))
        logged = [
            record.getMessage() for record in caplog.records if record.name.startswith("ocft")
        ]
        secrets = (its.bob.bot_token, its.bob.app_token, "ticket=", "upload/v1/")
        assert logged
        assert not [one for one in words + logged if any(secret in one for secret in secrets)]

    in_scene(scenario)


def test_closing_leaves_nothing_running() -> None:
    async def scenario(its: Scene) -> None:
        channel = await its.open(its.bob)
        reader = Reader(channel)
        await until(lambda: its.server.sockets(its.bob))
        await channel.close()
        await channel.close()
        await until(lambda: not its.server.sockets(its.bob))
        await asyncio.sleep(0)
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not [name for name in names if name.startswith("ocft slack")]
        await reader.stop()

    in_scene(scenario)
