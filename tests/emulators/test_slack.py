import asyncio
import contextlib
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from tests.emulators.slack import App, Channel, Fault, Limits, SlackServer
from tests.emulators.slack.text import pieces, stored

PATIENCE = 5.0  # seconds; bounds waits that end at once if all is well
FRAME = "\N{LINK SYMBOL}OCFT:abc+/="
STORED_FRAME = ":link:OCFT:abc+/="


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    logging.getLogger("slack_sdk").setLevel(logging.CRITICAL)


class Workspace:
    """A server with two bots in one room."""

    def __init__(self, server: SlackServer) -> None:
        self.server = server
        self.alice = server.app("alice")
        self.bob = server.app("bob")
        self.carol = server.person("carol")
        self.room = server.channel("exchange", members=[self.alice, self.bob, self.carol])

    def web(self, app: App, **options: Any) -> AsyncWebClient:
        options.setdefault("retry_handlers", [])
        return AsyncWebClient(token=app.bot_token, base_url=self.server.api_url, **options)

    @contextlib.asynccontextmanager
    async def ear(self, app: App, *, deaf: int = 0) -> AsyncIterator["Ear"]:
        ear = Ear(app, self.web(app), deaf)
        async with asyncio.timeout(PATIENCE):
            await ear.client.connect()  # type: ignore[no-untyped-call]
            await until(lambda: self.server.sockets(app) > 0)
        try:
            yield ear
        finally:
            await ear.client.close()  # type: ignore[no-untyped-call]
            await asyncio.sleep(0)


class Ear:
    """The real socket client; it does not acknowledge its first `deaf` envelopes."""

    def __init__(self, app: App, web: AsyncWebClient, deaf: int) -> None:
        self.requests: list[SocketModeRequest] = []
        self._deaf = deaf
        self.client = SocketModeClient(app_token=app.app_token, web_client=web, ping_interval=0.1)
        self.client.socket_mode_request_listeners.append(self._hear)

    async def _hear(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        self.requests.append(request)
        if len(self.requests) > self._deaf:
            response = SocketModeResponse(envelope_id=request.envelope_id)
            await client.send_socket_mode_response(response)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [request.payload["event"] for request in self.requests]

    @property
    def texts(self) -> list[str]:
        return [event.get("text", "") for event in self.events]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


def in_workspace(scenario: Callable[[Workspace], Coroutine[Any, Any, None]], **limits: Any) -> None:
    async def run() -> None:
        async with SlackServer(limits=Limits(**{"speed": 50, **limits})) as server:
            await scenario(Workspace(server))
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not [task for task in others if "emulators" in repr(task)]

    asyncio.run(run())


async def error_of(call: Coroutine[Any, Any, Any]) -> str:
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def upload(web: AsyncWebClient, data: bytes, room: Channel, **more: Any) -> str:
    """Upload by the three steps, and return the id."""
    started = await web.files_getUploadURLExternal(filename="x.bin", length=len(data))
    async with (
        aiohttp.ClientSession() as session,
        session.post(started["upload_url"], data=data) as answer,
    ):
        assert (answer.status, await answer.text()) == (200, f"OK - {len(data)}")
    files = [{"id": started["file_id"], "title": "x"}]
    await web.files_completeUploadExternal(files=files, channel_id=room.id, **more)
    return str(started["file_id"])


# Texts


def test_a_text_is_altered_as_slack_does() -> None:
    assert stored(FRAME, links=True) == STORED_FRAME
    assert stored("a & b < c &amp; <@U1>", links=True) == "a &amp; b &lt; c &amp; <@U1>"
    assert stored("see https://x.dev/a", links=True) == "see <https://x.dev/a>"
    assert stored("see x.dev", links=True) == "see <http://x.dev|x.dev>"
    assert stored("see https://x.dev/a", links=False) == "see https://x.dev/a"
    assert [len(piece) for piece in pieces("x" * 4041, longest=4040, piece=4000)] == [4000, 41]


def test_a_long_text_is_split_and_a_very_long_one_cut() -> None:
    async def scenario(its: Workspace) -> None:
        web = its.web(its.alice)
        await web.chat_postMessage(channel=its.room.id, text="x" * 4040)
        assert len(its.server.history(its.room)) == 1
        posted = await web.chat_postMessage(channel=its.room.id, text="y" * 40_001)
        assert posted["response_metadata"] == {"warnings": ["message_truncated"]}
        texts = [message["text"] for message in its.server.history(its.room)]
        assert [len(text) for text in texts] == [4040] + [4000] * 10
        update = web.chat_update(channel=its.room.id, ts=posted["ts"], text="z" * 4001)
        assert await error_of(update) == "msg_too_long"

    in_workspace(scenario)


# Events


def test_every_member_app_gets_a_post_its_author_too() -> None:
    async def scenario(its: Workspace) -> None:
        async with its.ear(its.alice) as alice, its.ear(its.bob) as bob:
            await its.web(its.alice).chat_postMessage(channel=its.room.id, text=FRAME)
            await until(lambda: alice.events and bob.events)
        event = bob.events[0]
        who = await its.web(its.alice).auth_test()
        assert (event["user"], event["bot_id"]) == (who["user_id"], who["bot_id"])
        assert (event["text"], event["channel_type"]) == (STORED_FRAME, "channel")
        assert "subtype" not in event
        assert alice.events == [event]

    in_workspace(scenario)


def test_an_app_that_may_not_hear_hears_nothing_and_it_is_counted() -> None:
    async def scenario(its: Workspace) -> None:
        its.bob.events.discard("message.channels")
        its.alice.scopes.discard("channels:history")
        its.server.app("dan")
        its.server.say(its.room, "hello", by=its.carol)
        reasons = its.server.counters.undelivered
        assert set(reasons) == {"not subscribed", "missing scope", "not a member"}

    in_workspace(scenario)


def test_edits_deletions_and_previews_are_copies_of_a_frame() -> None:
    async def scenario(its: Workspace) -> None:
        async with its.ear(its.bob) as bob:
            message = its.server.say(its.room, FRAME, by=its.carol)
            its.server.edit(its.room, message, FRAME)
            its.server.delete(its.room, message)
            web = its.web(its.alice)
            await web.chat_postMessage(channel=its.room.id, text="https://x.dev")
            await web.chat_postMessage(
                channel=its.room.id, text="https://x.dev", parse="none", unfurl_links=False
            )
            for fault in (Fault.CHANGED_COPY, Fault.DELETED_COPY):
                its.server.faults.next("event", fault, app=its.bob)
                its.server.say(its.room, FRAME, by=its.carol)
            await until(lambda: len(bob.events) == 10)
        assert [event.get("subtype") for event in bob.events] == [
            *(None, "message_changed", "message_deleted"),
            *(None, "message_changed", None),
            *(None, "message_changed", None, "message_deleted"),
        ]

    in_workspace(scenario)


def test_an_event_that_is_not_acknowledged_comes_three_times_again() -> None:
    async def scenario(its: Workspace) -> None:
        async with its.ear(its.bob, deaf=99) as bob:
            its.server.say(its.room, "one", by=its.carol)
            await until(lambda: its.server.counters.undelivered["not acknowledged"])
        assert [request.retry_attempt for request in bob.requests] == [0, 1, 2, 3]
        assert bob.requests[1].retry_reason == "timeout"
        assert len({request.payload["event_id"] for request in bob.requests}) == 1
        assert its.server.counters.redelivered["bob"] == 3

    in_workspace(scenario, ack_seconds=0.05, retry_delays=(0, 0.5, 1))


def test_events_are_lost_without_a_socket_but_are_in_history() -> None:
    async def scenario(its: Workspace) -> None:
        its.server.say(its.room, "one", by=its.carol)
        async with its.ear(its.bob) as bob:
            its.server.faults.next("event", Fault.LOST, app=its.bob)
            its.server.say(its.room, "two", by=its.carol)
            its.server.say(its.room, "three", by=its.carol)
            await until(lambda: bob.texts)
        assert bob.texts == ["three"]
        assert its.server.counters.undelivered["no socket"] == 4  # alice never listens
        history = await its.web(its.bob).conversations_history(channel=its.room.id)
        assert [message["text"] for message in history["messages"]] == ["three", "two", "one"]

    in_workspace(scenario)


def test_events_come_shuffled_doubled_and_broken() -> None:
    async def scenario(its: Workspace) -> None:
        async with its.ear(its.bob) as bob:
            its.server.faults.next("event", Fault.DUPLICATED, app=its.bob)
            its.server.faults.next("event", Fault.MALFORMED, app=its.bob)
            its.server.say(its.room, "twice", by=its.carol)
            its.server.say(its.room, "good", by=its.carol)
            await until(lambda: len(bob.requests) == 2 + 5 + 1)
            assert bob.requests[0].payload == bob.requests[1].payload
            bob.requests.clear()
            its.server.faults.scatter = 0.05
            texts = [str(number) for number in range(20)]
            for text in texts:
                its.server.say(its.room, text, by=its.carol)
            await until(lambda: len(bob.requests) == 20)
            assert bob.texts != texts
            assert sorted(bob.texts, key=int) == texts

    in_workspace(scenario)


def test_one_payload_goes_to_one_socket_of_an_app() -> None:
    async def scenario(its: Workspace) -> None:
        async with its.ear(its.bob) as one, its.ear(its.bob) as other:
            await until(lambda: its.server.sockets(its.bob) == 2)
            for number in range(20):
                its.server.say(its.room, str(number), by=its.carol)
            await until(lambda: len(one.texts) + len(other.texts) == 20)
            assert one.texts
            assert other.texts

    in_workspace(scenario)


# Sockets


def test_a_cut_connection_is_made_anew_and_gets_what_it_had_not_acknowledged() -> None:
    async def scenario(its: Workspace) -> None:
        async with its.ear(its.bob, deaf=1) as bob:
            its.server.say(its.room, "one", by=its.carol)
            await until(lambda: bob.requests)
            its.server.cut_sockets(its.bob)
            await until(lambda: len(bob.requests) == 2)
            assert bob.requests[1].retry_attempt == 1
            its.server.say(its.room, "two", by=its.carol)
            await until(lambda: "two" in bob.texts)

    in_workspace(scenario, ack_seconds=0.4)


def test_a_cut_without_memory_loses_what_was_not_acknowledged() -> None:
    async def scenario(its: Workspace) -> None:
        async with its.ear(its.bob, deaf=1) as bob:
            its.server.say(its.room, "one", by=its.carol)
            await until(lambda: bob.requests)
            its.server.cut_sockets(its.bob, memory=False)
            assert its.server.counters.undelivered["fault"] == 1
            await until(lambda: its.server.sockets(its.bob))
            its.server.say(its.room, "two", by=its.carol)
            await until(lambda: bob.texts == ["one", "two"])
        assert not its.server.counters.redelivered

    in_workspace(scenario)


def test_a_full_hour_of_events_drops_the_rest_and_says_so_once() -> None:
    async def scenario(its: Workspace) -> None:
        async with its.ear(its.bob) as bob:
            for text in "abcde":
                its.server.say(its.room, text, by=its.carol)
            await until(lambda: len(bob.requests) == 4)
        assert [request.payload["type"] for request in bob.requests] == [
            *["event_callback"] * 3,
            "app_rate_limited",
        ]

    in_workspace(scenario, events_per_hour=3)


@pytest.mark.parametrize("reason", ["refresh_requested", "warning", "link_disabled"])
def test_the_client_follows_a_disconnect(reason: str) -> None:
    async def scenario(its: Workspace) -> None:
        async with its.ear(its.bob) as bob:
            its.server.disconnect_sockets(its.bob, reason)
            await until(lambda: its.server.counters.requests["apps.connections.open"] >= 2)
            await until(lambda: its.server.sockets(its.bob) == 1)
            its.server.say(its.room, "one", by=its.carol)
            await until(lambda: bob.texts == ["one"])

    in_workspace(scenario)


def test_a_frozen_connection_is_noticed_by_its_missing_pongs() -> None:
    async def scenario(its: Workspace) -> None:
        async with its.ear(its.bob):
            its.server.freeze_sockets(its.bob)
            await until(lambda: its.server.counters.requests["apps.connections.open"] >= 2)

    in_workspace(scenario)


def test_a_socket_address_works_once_and_a_dead_one_never() -> None:
    async def scenario(its: Workspace) -> None:
        web = its.web(its.bob)
        url = (await web.apps_connections_open(app_token=its.bob.app_token))["url"]
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url) as socket:
                assert (await socket.receive_json())["type"] == "hello"
            its.server.faults.next("socket", Fault.DEAD_URL)
            fresh = (await web.apps_connections_open(app_token=its.bob.app_token))["url"]
            for dead in (url, fresh):
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await session.ws_connect(dead)
        for token, error in [
            ("xapp-bad", "invalid_auth"),
            (its.bob.bot_token, "not_allowed_token_type"),
        ]:
            assert await error_of(web.apps_connections_open(app_token=token)) == error

    in_workspace(scenario)


def test_an_eleventh_socket_is_sent_away() -> None:
    async def scenario(its: Workspace) -> None:
        web = its.web(its.bob)
        async with contextlib.AsyncExitStack() as stack, aiohttp.ClientSession() as session:
            kinds = []
            for _ in range(11):
                url = (await web.apps_connections_open(app_token=its.bob.app_token))["url"]
                socket = await stack.enter_async_context(session.ws_connect(url))
                kinds.append((await socket.receive_json()).get("reason", "hello"))
        assert kinds == ["hello"] * 10 + ["too_many_websockets"]

    in_workspace(scenario, tier1=20)


# Reading back


def test_history_has_pages_ranges_and_no_replies() -> None:
    async def scenario(its: Workspace) -> None:
        web = its.web(its.bob)
        parent = its.server.say(its.room, "0", by=its.carol)
        for number in range(1, 6):
            its.server.say(its.room, str(number), by=its.carol)
            its.server.say(its.room, f"reply {number}", by=its.carol, thread_ts=parent["ts"])
        bob = {"thread_ts": parent["ts"], "reply_broadcast": True}
        await web.chat_postMessage(channel=its.room.id, text="aloud", **bob)
        texts: list[str] = []
        cursor: str | None = None
        while cursor != "":
            page = await web.conversations_history(
                channel=its.room.id, oldest=parent["ts"], limit=2, cursor=cursor
            )
            texts += [message["text"] for message in page["messages"]]
            cursor = page["response_metadata"]["next_cursor"] if page["has_more"] else ""
        assert texts == ["aloud", "5", "4", "3", "2", "1"]
        page = await web.conversations_history(
            channel=its.room.id, oldest=parent["ts"], inclusive=True, latest=parent["ts"]
        )
        assert [message["reply_count"] for message in page["messages"]] == [6]
        replies = await web.conversations_replies(channel=its.room.id, ts=parent["ts"], limit=3)
        assert [message["text"] for message in replies["messages"]] == ["0", "reply 1", "reply 2"]
        assert replies["has_more"]
        its.server.faults.next(
            "conversations.replies", Fault.SLACK_ERROR, times=None, error="not_allowed_token_type"
        )
        refused = web.conversations_replies(channel=its.room.id, ts=parent["ts"])
        assert await error_of(refused) == "not_allowed_token_type"

    in_workspace(scenario)


def test_metadata_is_stripped_unless_asked_for() -> None:
    async def scenario(its: Workspace) -> None:
        web = its.web(its.alice)
        metadata = {"event_type": "ocft", "event_payload": {"n": 1}}
        await web.chat_postMessage(channel=its.room.id, text="x", metadata=metadata)
        read = [
            (await web.conversations_history(channel=its.room.id, include_all_metadata=all_of_it))[
                "messages"
            ][0]["metadata"]
            for all_of_it in (False, True)
        ]
        assert read == [{"event_type": "ocft"}, metadata]

    in_workspace(scenario)


# Rates and lost answers


def test_a_burst_passes_and_then_each_channel_has_its_own_429() -> None:
    async def scenario(its: Workspace) -> None:
        web = its.web(its.alice)
        other = its.server.channel("other", members=[its.alice])
        for _ in range(5):
            await web.chat_postMessage(channel=its.room.id, text="x")
        with pytest.raises(SlackApiError) as caught:
            await web.chat_postMessage(channel=its.room.id, text="x")
        response = caught.value.response
        assert (response.status_code, response["error"]) == (429, "ratelimited")
        assert response.headers["Retry-After"] == "1"
        await web.chat_postMessage(channel=other.id, text="x")
        await its.web(its.bob).chat_postMessage(channel=its.room.id, text="x")
        patient = its.web(its.alice, retry_handlers=[AsyncRateLimitErrorRetryHandler()])
        await patient.chat_postMessage(channel=its.room.id, text="x")
        assert its.server.counters.rate_limited == {"chat.postMessage": 2}

    in_workspace(scenario, channel_posts=5, channel_post_seconds=5, speed=5)


def test_a_post_is_stored_though_its_answer_is_lost() -> None:
    async def scenario(its: Workspace) -> None:
        for fault in (Fault.LOST_ANSWER, Fault.RESET):
            its.server.faults.next("chat.postMessage", fault)
            with pytest.raises(aiohttp.ClientConnectionError):
                await its.web(its.alice).chat_postMessage(channel=its.room.id, text="once")
        assert len(its.server.history(its.room)) == 2
        # The default handler of the SDK doubles the message.
        its.server.faults.next("chat.postMessage", Fault.LOST_ANSWER)
        careless = its.web(its.alice, retry_handlers=None)
        await careless.chat_postMessage(channel=its.room.id, text="twice")
        assert len(its.server.history(its.room)) == 4

    in_workspace(scenario)


def test_an_answer_comes_too_late_or_never_or_is_none() -> None:
    async def scenario(its: Workspace) -> None:
        hasty = its.web(its.alice, timeout=0.2)
        for fault in (Fault.LATE_ANSWER, Fault.SILENCE):
            its.server.faults.next("chat.postMessage", fault)
            with pytest.raises(TimeoutError):
                await hasty.chat_postMessage(channel=its.room.id, text="x")
        assert len(its.server.history(its.room)) == 1
        its.server.faults.next("chat.postMessage", Fault.ERROR_500)
        its.server.faults.next("chat.postMessage", Fault.NOT_JSON)
        for _ in range(2):
            with pytest.raises((SlackApiError, ValueError, TypeError)):
                await hasty.chat_postMessage(channel=its.room.id, text="x")
        assert len(its.server.history(its.room)) == 2

    in_workspace(scenario)


# Files


def test_a_file_goes_up_in_three_steps_and_comes_down() -> None:
    async def scenario(its: Workspace) -> None:
        data = os.urandom(100_000)
        async with its.ear(its.bob) as bob:
            uploaded = await its.web(its.alice).files_upload_v2(
                content=data, filename="x.bin", channel=its.room.id, initial_comment=FRAME
            )
            await until(lambda: len(bob.events) == 2)
        event, shared = bob.events
        assert (event["subtype"], event["text"]) == ("file_share", STORED_FRAME)
        assert (shared["type"], shared["file_id"]) == ("file_shared", uploaded["file"]["id"])
        url = event["files"][0]["url_private_download"]
        assert event["files"][0]["size"] == len(data)
        async with (
            aiohttp.ClientSession(headers=_bearer(its.bob)) as session,
            session.get(url) as answer,
        ):
            assert await answer.read() == data
        info = await its.web(its.bob).files_info(file=uploaded["file"]["id"])
        shares = info["file"]["shares"]["public"][its.room.id]
        assert shares == [{"ts": event["ts"]}]
        await its.web(its.alice).files_delete(file=uploaded["file"]["id"])
        assert its.server.file_ids() == []

    in_workspace(scenario)


def _bearer(app: App) -> dict[str, str]:
    return {"Authorization": f"Bearer {app.bot_token}"}


def test_an_upload_is_refused_for_its_length_or_a_second_completion() -> None:
    async def scenario(its: Workspace) -> None:
        web = its.web(its.alice)
        empty = web.files_getUploadURLExternal(filename="x", length=0)
        assert await error_of(empty) == "missing_argument"
        long = web.files_getUploadURLExternal(filename="x", length=1001)
        assert await error_of(long) == "file_upload_size_restricted"
        file_id = await upload(web, b"x" * 1000, its.room)
        again = web.files_completeUploadExternal(files=[{"id": file_id, "title": "x"}])
        assert await error_of(again) == "file_not_found"
        started = await web.files_getUploadURLExternal(filename="x", length=10)
        url = started["upload_url"]
        async with aiohttp.ClientSession() as session:
            for body, status in [(b"x" * 9, 400), (b"x" * 11, 400), (_blocks(), 411)]:
                async with session.post(url, data=body) as answer:
                    assert answer.status == status
            form = aiohttp.FormData()
            form.add_field("file", b"x" * 10, filename="x")
            async with session.post(url, data=form) as answer:
                assert await answer.text() == "OK - 10"
            length = {"Content-Length": "10"}
            async with session.post(url, data=_blocks(), headers=length) as answer:
                assert await answer.text() == "OK - 10"
        its.server.refuse_uploads("file_uploads_disabled")
        refused = web.files_getUploadURLExternal(filename="x", length=10)
        assert await error_of(refused) == "file_uploads_disabled"

    in_workspace(scenario, file_bytes=1000)


async def _blocks() -> AsyncIterator[bytes]:
    yield b"x" * 5
    yield b"x" * 5


def test_a_download_ends_in_a_page_or_elsewhere(tmp_path: Path) -> None:
    async def scenario(its: Workspace) -> None:
        source = tmp_path / "photo.jpg"
        source.write_bytes(b"0123456789")
        message = its.server.say(its.room, "look", by=its.carol, file=source)
        url = message["files"][0]["url_private_download"]
        async with aiohttp.ClientSession() as session:

            async def get(app: App | None, **options: Any) -> tuple[int, str, bytes]:
                headers = _bearer(app) if app else {}
                async with session.get(url, headers=headers, **options) as answer:
                    return answer.status, answer.content_type, await answer.read()

            assert await get(its.bob) == (200, "image/jpeg", b"0123456789")
            dan = its.server.app("dan", scopes=[])
            for app in (None, dan):
                assert (await get(app))[:2] == (200, "text/html")
            faults = its.server.faults
            # The header is lost on the way to another host, as on an Enterprise Grid.
            faults.next("download", Fault.REDIRECT)
            assert (await get(its.bob))[:2] == (200, "text/html")
            faults.next("download", Fault.REDIRECT)
            async with session.get(url, headers=_bearer(its.bob), allow_redirects=False) as hop:
                target = hop.headers["Location"]
            assert hop.status == 302
            assert target.split("/")[2] in its.server.file_hosts
            async with session.get(target, headers=_bearer(its.bob)) as answer:
                assert await answer.read() == b"0123456789"
            faults.next("download", Fault.REDIRECT_AWAY)
            async with session.get(url, headers=_bearer(its.bob), allow_redirects=False) as hop:
                away = hop.headers["Location"]
            assert away.split("/")[2] not in its.server.file_hosts
            async with session.get(away, headers=_bearer(its.bob)) as answer:
                assert its.server.counters.leaked_tokens == 1
            faults.next("download", Fault.REDIRECT_LOOP)
            with pytest.raises(aiohttp.TooManyRedirects):
                await get(its.bob)
            faults.clear()
            faults.next("download", Fault.GONE)
            assert (await get(its.bob))[0] == 404
            faults.next("download", Fault.SHORT)
            assert (await get(its.bob))[2] == b"01234"
            faults.next("download", Fault.ALTERED)
            assert (await get(its.bob))[2] == b"1123456789"
            faults.next("download", Fault.TRUNCATED)
            with pytest.raises(aiohttp.ClientError):
                await get(its.bob)

    in_workspace(scenario)


def test_files_of_events_may_be_stubs_or_without_a_subtype(tmp_path: Path) -> None:
    async def scenario(its: Workspace) -> None:
        source = tmp_path / "a.txt"
        source.write_text("a")
        its.bob.events.discard("file_shared")
        async with its.ear(its.bob) as bob:
            its.server.faults.next("event", Fault.FILE_STUB, app=its.bob)
            its.server.faults.next("event", Fault.NO_SUBTYPE, app=its.bob)
            for _ in range(2):
                its.server.say(its.room, by=its.carol, file=source)
            await until(lambda: len(bob.events) == 2)
        stub = bob.events[0]["files"][0]
        assert stub.pop("id")
        assert stub == {"mode": "file_access", "file_access": "check_file_info"}
        assert "subtype" not in bob.events[1]
        assert bob.events[1]["files"][0]["mode"] == "snippet"

    in_workspace(scenario)


def test_a_large_file_is_streamed_both_ways() -> None:
    async def scenario(its: Workspace) -> None:
        size, block = 8 << 20, bytes(1 << 18)

        async def blocks() -> AsyncIterator[bytes]:
            for _ in range(0, size, len(block)):
                yield block

        web = its.web(its.alice)
        started = await web.files_getUploadURLExternal(filename="x.bin", length=size)
        async with aiohttp.ClientSession(headers=_bearer(its.alice)) as session:
            length = {"Content-Length": str(size)}
            async with session.post(started["upload_url"], data=blocks(), headers=length) as answer:
                assert await answer.text() == f"OK - {size}"
            done = await web.files_completeUploadExternal(
                files=[{"id": started["file_id"], "title": "x"}]
            )
            digest = hashlib.sha256()
            async with session.get(done["files"][0]["url_private_download"]) as answer:
                assert answer.content_length == size
                async for part in answer.content.iter_any():
                    digest.update(part)
        assert digest.digest() == hashlib.sha256(bytes(size)).digest()

    in_workspace(scenario)


# By hand


def test_it_starts_by_hand_and_ends_quietly_on_interrupt() -> None:
    command = [sys.executable, "-m", "tests.emulators.slack", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("Messages in"):
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == ("", "")
        assert process.returncode == 0
    assert "export OCFT_SLACK_API=http://127.0.0.1:" in "".join(lines)


# Refusals and arguments


def test_refusals_name_their_reason() -> None:
    async def scenario(its: Workspace) -> None:
        web = its.web(its.alice)
        public = its.server.channel("public")
        private = its.server.channel("private", private=True)
        opened = web.conversations_open(users=its.bob.user_id)
        assert await error_of(opened) == "cannot_dm_bot"
        for channel, error in [
            (public.id, "not_in_channel"),
            (private.id, "channel_not_found"),
            ("C1", "channel_not_found"),
            (its.bob.user_id, "cannot_dm_bot"),
        ]:
            assert await error_of(web.chat_postMessage(channel=channel, text="x")) == error
        await web.conversations_join(channel=public.id)
        await web.chat_postMessage(channel=public.id, text="x")
        its.alice.scopes.discard("chat:write")
        with pytest.raises(SlackApiError) as caught:
            await web.chat_postMessage(channel=its.room.id, text="x")
        assert caught.value.response["needed"] == "chat:write"
        tested = await web.auth_test()
        assert "chat:write" not in tested.headers["X-OAuth-Scopes"].split(",")
        its.alice.active = False
        assert await error_of(web.auth_test()) == "account_inactive"
        its.alice.active = True
        bad = AsyncWebClient(token="xoxb-bad", base_url=its.server.api_url)
        assert await error_of(bad.auth_test()) == "invalid_auth"

    in_workspace(scenario)


def test_arguments_come_as_json_form_or_query_string() -> None:
    async def scenario(its: Workspace) -> None:
        post = its.server.api_url + "chat.postMessage"
        arguments = {"channel": its.room.id, "text": "x"}
        token = {"token": its.alice.bot_token}
        async with aiohttp.ClientSession() as session:
            for call in [
                session.post(post, json=arguments, headers=_bearer(its.alice)),
                session.post(post, data=arguments | token),
                session.post(post, params=arguments, headers=_bearer(its.alice)),
                session.get(post, params=arguments | token),
            ]:
                async with call as answer:
                    assert (await answer.json())["ok"]
            async with session.post(
                post, data=json.dumps([]), headers={"Content-Type": "application/json"}
            ) as answer:
                assert (await answer.json())["error"] == "json_not_object"
        assert len(its.server.history(its.room)) == 4

    in_workspace(scenario)
