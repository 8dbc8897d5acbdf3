"""Messages on their way from Telegram, into a channel with a connection of its own."""

import asyncio
import io
import logging
from contextlib import aclosing
from typing import Any

import pytest
from telegram import Bot, Message

from ocft.errors import ChannelError
from ocft_telegram import polling
from ocft_telegram.downloads import Downloads
from ocft_telegram.incoming import Ear
from ocft_telegram.rooms import PrivateChats
from tests.adapters.telegram_world import MARKER, Notes, hear, in_real_time, silence, world
from tests.emulators.telegram import Fault

pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")


@in_real_time
async def test_people_and_bots_are_heard_and_edits_and_other_rooms_are_not() -> None:
    async with world() as here:
        ann = here.server.add_person("Ann")
        room = here.server.add_group("OCFT", here.alice, here.bob, ann)
        other = here.server.add_group("other", here.alice, here.bob, ann)
        for group in (room, other):
            here.server.set_status(group, here.bob, "administrator")
        async with await here.open(here.bob) as private, await here.open(here.alice) as alice:
            here.server.say(ann, room, "in a group")
            said = here.server.say(ann, here.bob, "in private")
            await alice.send("@bob_bot", "from a bot")
            heard = await hear(private, 2)
            assert [(text.author, text.text) for text in heard] == [
                (str(ann.id), "in private"),
                (str(here.alice.id), "from a bot"),
            ]
            here.server.edit(said, "edited")
            await silence(private)
        async with await here.open(here.bob, chat=room.id) as group_channel:
            here.server.say(ann, other, "in another group")
            here.server.say(ann, here.bob, "in private")
            said = here.server.say(ann, room, "here")
            here.server.edit(said, "edited")
            here.server.join(room, here.server.add_person("Tom"))
            here.server.say(ann, room, "and here")
            heard = await hear(group_channel, 2)
            # An edit before it was fetched is in the first text already: there is no older one.
            assert [text.text for text in heard][-1] == "and here"
            await silence(group_channel)


@in_real_time
async def test_what_was_not_handled_comes_again_after_a_restart_and_the_rest_does_not() -> None:
    async with world() as here:
        ann, marks = here.server.add_person("Ann"), Notes()
        for number in range(4):
            here.server.say(ann, here.bob, str(number))
        first = await here.open(here.bob)
        first.remember_in(marks)
        async with aclosing(first.texts()) as texts:
            assert (await anext(texts)).text == "0"
            assert (await anext(texts)).text == "1"  # so "0" was handled, and "1" was not
        await first.close()
        assert len(here.bob.updates) == 4  # Telegram knows of nothing: it was not asked again
        async with await here.open(here.bob) as second:
            second.remember_in(marks)
            assert [text.text for text in await hear(second, 3)] == ["1", "2", "3"]
            assert len(here.bob.updates) == 3
            await silence(second)
            assert len(here.bob.updates) == 0


@in_real_time
async def test_a_crash_repeats_texts_and_loses_none() -> None:
    async with world() as here:
        ann = here.server.add_person("Ann")
        for number in range(3):
            here.server.say(ann, here.bob, str(number))
        async with await here.open(here.bob) as first:
            assert len(await hear(first, 2)) == 2
        async with await here.open(here.bob) as second:  # without marks, as after a crash
            assert [text.text for text in await hear(second, 3)] == ["0", "1", "2"]


@pytest.mark.parametrize("mark", ["", "x", "5", "5 x", "99999999999 5", "-1 1", "1 1 1"])
@in_real_time
async def test_a_mark_that_is_old_or_broken_is_ignored(mark: str) -> None:
    async with world() as here:
        here.server.say(here.server.add_person("Ann"), here.bob, "hello")
        async with await here.open(here.bob) as bob:
            bob.remember_in(Notes({f"next update of {here.bob.id}": mark}))
            assert [text.text for text in await hear(bob)] == ["hello"]


@in_real_time
async def test_updates_that_come_twice_are_taken_once() -> None:
    async with world() as here, await here.open(here.bob) as bob:
        ann = here.server.add_person("Ann")
        for number in range(3):
            here.server.say(ann, here.bob, str(number))
        assert len(await hear(bob, 3)) == 3
        here.server.repeat_updates(here.bob, 3)
        await silence(bob)
        here.server.say(ann, here.bob, "new")
        assert [text.text for text in await hear(bob)] == ["new"]
        assert bob._source.dropped == 3  # type: ignore[attr-defined]


@in_real_time
async def test_cut_connections_lost_answers_and_an_outage_lose_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(polling, "_LONGEST_PAUSE", 0.1)
    caplog.set_level(logging.INFO, logger="ocft_telegram")
    async with world() as here, await here.open(here.bob) as bob:
        ann, said = here.server.add_person("Ann"), []

        async def disturb() -> None:
            for number in range(20):
                if number % 4 == 0:
                    here.server.drop_connections()
                if number % 4 == 1:
                    here.server.faults.next("getUpdates", Fault.LOST_ANSWER)
                if number % 4 == 2:
                    here.server.faults.next("getUpdates", Fault.BAD_GATEWAY)
                if number == 11:
                    await here.server.go_down()
                    await asyncio.sleep(0.3)
                    await here.server.come_back()
                here.server.say(ann, here.bob, str(number))
                said.append(str(number))
                await asyncio.sleep(0.02)

        disturbing = asyncio.create_task(disturb())
        heard = await hear(bob, 20)
        await disturbing
        assert [text.text for text in heard] == said
        told = [record for record in caplog.records if record.levelno == logging.WARNING]
        again = [record for record in caplog.records if "answers again" in record.message]
        assert told
        assert len(told) - len(again) in (0, 1)
        assert here.bob.token not in caplog.text
        assert "<html>" not in caplog.text


@in_real_time
async def test_a_single_refusal_ends_nothing_and_a_revoked_token_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polling, "_FIRST_PAUSE", 0.01)
    async with world() as here, await here.open(here.bob) as bob:
        ann = here.server.add_person("Ann")
        for fault in (Fault.UNAUTHORIZED, Fault.NOT_FOUND, Fault.CONFLICT, Fault.ERROR_500):
            here.server.faults.next("getUpdates", fault, times=2)
            here.server.say(ann, here.bob, fault.name)
            assert [text.text for text in await hear(bob)] == [fault.name]
        old = here.server.new_token(here.bob)
        here.server.say(ann, here.bob, "lost")
        with pytest.raises(ChannelError, match="BotFather") as ended:
            await hear(bob)
        assert not ended.value.retryable
        assert old not in str(ended.getrepr(chain=True))


@in_real_time
async def test_a_pause_is_kept_before_the_next_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "_FIRST_PAUSE", 0.01)
    async with world() as here, await here.open(here.bob) as bob:
        here.server.faults.next("getUpdates", Fault.FLOOD, seconds=1)
        here.server.say(here.server.add_person("Ann"), here.bob, "hello")
        start = asyncio.get_running_loop().time()
        await hear(bob)
        assert asyncio.get_running_loop().time() - start >= 1
        assert here.server.counters.requests["getUpdates"] == 2


@in_real_time
async def test_a_second_program_with_the_token_is_told_once_and_outlived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(polling, "_FIRST_PAUSE", 0.02)
    async with world() as here, await here.open(here.bob) as bob:
        here.bob.updates.webhook = "https://example.org"
        hearing = asyncio.create_task(hear(bob))
        async with asyncio.timeout(10):
            while here.server.counters.requests["getUpdates"] < 4:  # refused again and again
                await asyncio.sleep(0.01)
        here.bob.updates.webhook = ""
        here.server.say(here.server.add_person("Ann"), here.bob, "hello")
        assert [text.text for text in await hearing] == ["hello"]
        told = [one for one in caplog.records if one.name.startswith("ocft_telegram")]
        assert [one.levelno for one in told].count(logging.WARNING) == 1
        assert "webhook" in told[0].message


@in_real_time
async def test_updates_that_nobody_can_read_do_not_stop_the_others() -> None:
    async with world() as here, await here.open(here.bob) as bob:
        ann = here.server.add_person("Ann")
        here.server.add_malformed_update(here.bob)
        here.server.say(ann, here.bob, "one")
        many: list[Any] = [{}, {"chat": 5}, {"message_id": "x", "date": 1e99}, [], "text", 7, None]
        for nonsense in many:
            here.bob.updates.put("message", nonsense)
        here.bob.updates.put("poll", {"id": 5})
        here.server.say(ann, here.bob, "two")
        assert [text.text for text in await hear(bob, 2)] == ["one", "two"]
        here.bob.updates._repeats = [5, None, {"message": {}}, {"update_id": "7"}]  # type: ignore[list-item]
        here.server.say(ann, here.bob, "three")
        assert [text.text for text in await hear(bob)] == ["three"]


def forged(**fields: Any) -> Any:
    """Return a message as its fields say; what is not said is as it should be."""
    given: dict[str, Any] = {
        "message_id": 5,
        "date": 1,
        "chat": {"id": 7, "type": "private"},
        "from": {"id": 7, "is_bot": True, "first_name": "Bob"},
        "text": f"{MARKER}abc",
    }
    raw = {key: value for key, value in (given | fields).items() if value is not None}
    bot = Bot("1:a")
    ear = Ear(PrivateChats(bot), Downloads(bot, None, largest=None), own_id=1)  # type: ignore[arg-type]
    return ear.hear(Message.de_json(raw, bot))


def test_forged_messages_are_dropped() -> None:
    assert forged().author == "7"
    assert forged(**{"from": None}) is None
    assert forged(**{"from": {"id": 1, "is_bot": True, "first_name": "me"}}) is None
    assert forged(**{"from": {"id": "7", "is_bot": True, "first_name": "Bob"}}) is None
    assert forged(sender_chat={"id": -5, "type": "channel", "title": "T"}) is None
    assert forged(chat={"id": -5, "type": "group", "title": "T"}) is None
    assert forged(text=None) is None
    assert forged(text=5) is None
    assert forged(text=None, caption="with a sticker, say").text == "with a sticker, say"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"document": {"file_name": "a.txt"}}, "a.txt"),
        ({"document": {}}, "unique"),
        ({"video": {"width": 1, "height": 1, "duration": 1}}, "unique.mp4"),
        ({"audio": {"duration": 1, "file_name": "song.mp3"}}, "song.mp3"),
        ({"voice": {"duration": 1}}, "unique.ogg"),
        ({"video_note": {"length": 1, "duration": 1}}, "unique.mp4"),
        (
            {
                "animation": {"width": 1, "height": 1, "duration": 1},
                "document": {"file_name": "cat.gif"},
            },
            "cat.gif",
        ),
    ],
)
def test_whatever_a_person_uploads_is_a_file(fields: dict[str, Any], name: str) -> None:
    about = {"file_id": "id", "file_unique_id": "unique", "file_size": 9}
    heard = forged(text=None, **{kind: about | more for kind, more in fields.items()})
    ((file,), text) = heard.files, heard.text
    assert (file.name, file.size, text) == (name, 9, "")


def test_of_a_photo_the_largest_size_is_taken_and_a_file_without_a_size_is_not() -> None:
    sizes = [
        {"file_id": "id", "file_unique_id": f"u{n}", "width": n, "height": n, "file_size": n}
        for n in (1, 2, 3)
    ]
    (file,) = forged(text=None, photo=sizes).files
    assert (file.name, file.size) == ("u3.jpg", 3)
    unsized = {"file_id": "id", "file_unique_id": "unique"}
    assert forged(text=None, document=unsized) is None
    assert forged(document=unsized | {"file_size": -1}).files == ()
    assert forged(document=unsized | {"file_size": "9"}).files == ()


@in_real_time
async def test_tokens_are_in_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    async with world() as here:
        ann = here.server.add_person("Ann")
        async with here.pair() as (alice, bob):
            await alice.send("@bob_bot", "x")
            here.server.say(ann, here.bob, "with a file", file=b"content")
            for text in await hear(bob, 2):
                for file in text.files:
                    await file.fetch(io.BytesIO())
            here.server.faults.next("sendMessage", Fault.BAD_GATEWAY)
            with pytest.raises(ChannelError):
                await alice.send("@bob_bot", "x")
        assert "getUpdates" in caplog.text
        for bot in (here.alice, here.bob):
            assert bot.token not in caplog.text
        assert "<token>" in caplog.text
    for name in ("httpx", "telegram.Bot"):
        assert not logging.getLogger(name).filters
