"""Nothing lost, nothing twice: connections that end, restarts, readers that are too slow."""

import asyncio
import io
import logging

import pytest

from ocft.errors import ChannelError
from ocft_discord import reading
from ocft_discord.read_mark import REMEMBERED, ReadMark
from tests.adapters.discord_scene import KeptMarks, Scene, play, until
from tests.adapters.test_discord import changed
from tests.emulators.discord import Fault, Permission


def numbers(count: int, start: int = 0) -> list[str]:
    return [str(number) for number in range(start, start + count)]


def test_a_mark_knows_what_was_read_also_out_of_order() -> None:
    mark = ReadMark(100)
    for message_id in (105, 103, 103, 99):
        mark.add(message_id)
    assert 103 in mark
    assert 104 not in mark
    again = ReadMark.parse(str(mark))
    assert again is not None
    assert str(again) == str(mark) == "100 103 105"
    for message_id in range(200, 200 + REMEMBERED):
        mark.add(message_id)
    assert 104 in mark
    assert mark.floor == 105
    assert len(str(mark)) < 1000


@pytest.mark.parametrize("text", [None, "", "x", "1 x", "-1", "\u0661", "1.5"])
def test_a_mark_that_makes_no_sense_is_none(text: str | None) -> None:
    assert ReadMark.parse(text) is None


@pytest.mark.parametrize("close_code", [None, 4000, 4009])
@pytest.mark.parametrize("has_memory", [True, False])
def test_what_came_while_the_socket_was_down_is_heard(
    close_code: int | None, *, has_memory: bool
) -> None:
    async def test(scene: Scene) -> None:
        server = scene.server
        _, ear = await scene.listen(scene.bob)
        server.say(scene.eve, scene.room, "0")
        await ear.until(1)
        server.drop(scene.bob, code=close_code, memory=has_memory)
        for number in numbers(250, 1):
            server.say(scene.eve, scene.room, number)
        await ear.until(251)
        await until(lambda: server.connected(scene.bob))
        server.say(scene.eve, scene.room, "251")
        assert await ear.until(252) == numbers(252)

    play(test)


def test_a_session_that_was_invalidated_or_moved_loses_nothing() -> None:
    async def test(scene: Scene) -> None:
        server = scene.server
        _, ear = await scene.listen(scene.bob)
        server.invalidate(scene.bob)
        server.say(scene.eve, scene.room, "0")
        await ear.until(1)
        await until(lambda: server.connected(scene.bob))
        server.ask_to_reconnect(scene.bob)
        server.say(scene.eve, scene.room, "1")
        assert await ear.until(2) == numbers(2)

    play(test)


def test_a_bad_event_and_refused_handshakes_are_survived_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(scene: Scene) -> None:
        server = scene.server
        _, ear = await scene.listen(scene.bob)
        server.faults.next("connect", Fault.ERROR_503, times=2)
        server.faults.next("get_current_user", Fault.ERROR_503)
        server.malformed(scene.bob)
        server.say(scene.eve, scene.room, "meanwhile")
        assert await ear.until(1) == ["meanwhile"]
        await until(lambda: server.connected(scene.bob))
        server.say(scene.eve, scene.room, "after")
        assert await ear.until(2) == ["meanwhile", "after"]

    caplog.set_level(logging.WARNING, logger="ocft_discord")
    play(test)
    told = [r for r in caplog.records if r.name.startswith("ocft_discord")]
    assert [record.levelname for record in told] == ["WARNING"]


def test_who_only_posts_does_not_connect_to_the_gateway() -> None:
    async def test(scene: Scene) -> None:
        # Discord takes a token away that identifies 1,000 times in 24 hours.
        connects = scene.server.counters.requests
        for number in numbers(3):
            ada = await scene.open(scene.ada)
            await ada.send(str(scene.bob.id), number)
            await ada.delete(await ada.send_file("*", io.BytesIO(b"data"), name="a.bin"))
            await ada.close()
            await anext(ada.texts(), None)
        assert len(scene.said()) == 3
        assert connects["connect"] == 0
        bob, ear = await scene.listen(scene.bob)
        await ear.stop()
        again = scene.ear(bob)
        scene.server.say(scene.eve, scene.room, "heard")
        assert await again.until(1) == ["heard"]
        assert connects["connect"] == 1

    play(test)


def test_what_is_said_before_the_gateway_takes_us_is_heard(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(scene: Scene) -> None:
        server = scene.server
        bob = await scene.open(scene.bob)
        server.say(scene.eve, scene.room, "before")
        server.faults.next("connect", Fault.ERROR_503, times=3)
        ear = scene.ear(bob)
        assert await ear.until(1) == ["before"]
        await bob.send("*", "from bob")  # which needs no gateway
        await until(lambda: server.connected(scene.bob))
        server.say(scene.eve, scene.room, "after")
        assert await ear.until(2) == ["before", "after"]

    caplog.set_level(logging.WARNING, logger="ocft_discord")
    play(test)
    told = [r for r in caplog.records if r.name.startswith("ocft_discord")]
    assert [record.levelname for record in told] == ["WARNING"]


def test_a_sender_waits_for_the_next_connection() -> None:
    async def test(scene: Scene) -> None:
        server = scene.server
        ada, _ = await scene.listen(scene.ada)
        server.malformed(scene.ada)
        await until(lambda: not server.connected(scene.ada))
        await asyncio.gather(*(ada.send("*", text) for text in numbers(3)))
        assert sorted(scene.said()) == numbers(3)

    play(test)


def test_a_revoked_token_ends_the_reading_and_the_sending() -> None:
    async def test(scene: Scene) -> None:
        ada, ear = await scene.listen(scene.ada)
        scene.server.revoke(scene.ada)
        await asyncio.wait([ear.task])
        error = ear.task.exception()
        assert isinstance(error, ChannelError)
        assert not error.retryable
        with pytest.raises(ChannelError, match="token"):
            await ada.send("*", "text")
        with pytest.raises(ChannelError, match="token"):
            await anext(ada.texts())

    play(test)


def test_what_came_between_two_lives_is_heard_in_the_second() -> None:
    async def test(scene: Scene) -> None:
        server, marks = scene.server, KeptMarks()
        server.say(scene.eve, scene.room, "before the node was made")
        async with await scene.open(scene.bob) as bob:
            bob.remember_in(marks)
            ear = scene.ear(bob)
            server.say(scene.eve, scene.room, "0")
            await ear.until(1)
            server.say(scene.eve, scene.room, "1")
            await ear.until(2)
            await ear.stop()
        for number in numbers(150, 2):
            server.say(scene.eve, scene.room, number)
        server.webhook_says(scene.room, "nobody")
        async with await scene.open(scene.bob) as bob:
            bob.remember_in(marks)
            ear = scene.ear(bob)
            assert await ear.until(150) == numbers(150, 2)
            await ear.stop()
        async with await scene.open(scene.bob) as bob:
            bob.remember_in(marks)
            server.say(scene.eve, scene.room, "152")
            assert await scene.ear(bob).until(1) == ["152"]

    play(test)


def test_a_node_that_never_read_begins_where_it_was_made() -> None:
    async def test(scene: Scene) -> None:
        marks = KeptMarks()
        scene.server.say(scene.eve, scene.room, "old")
        async with await scene.open(scene.bob) as bob:
            bob.remember_in(marks)
        scene.server.say(scene.eve, scene.room, "new")
        async with await scene.open(scene.bob) as bob:
            bob.remember_in(marks)
            assert await scene.ear(bob).until(1) == ["new"]

    play(test)


def test_own_texts_do_not_make_the_next_catch_up_long() -> None:
    async def test(scene: Scene) -> None:
        marks = KeptMarks()
        async with await scene.open(scene.bob) as bob:
            bob.remember_in(marks)
            ear = scene.ear(bob)
            for number in numbers(300):
                scene.server.say(scene.bob, scene.room, number)
            scene.server.say(scene.eve, scene.room, "hello")
            await ear.until(1)
        assert scene.server.history(scene.room)[0].id < int(
            marks.kept[f"read {scene.room.id}"].split()[0]
        )

    play(test)


def test_a_reader_that_is_too_slow_reads_the_history() -> None:
    async def test(scene: Scene) -> None:
        with changed(reading, "MOST_WAITING", 10):
            bob = await scene.open(scene.bob)
            texts = bob.texts()
            scene.server.say(scene.eve, scene.room, "0")
            assert (await anext(texts)).text == "0"
            gaps = bob._reader._gaps
            for number in numbers(149, 1):
                scene.server.say(scene.eve, scene.room, number)
            await until(lambda: bob._reader._gaps > gaps)  # no more of them fitted
            heard = [(await anext(texts)).text for _ in range(149)]
            assert heard == numbers(149, 1)
            await texts.aclose()

    play(test)


def test_history_that_cannot_be_had_for_a_moment_is_asked_again() -> None:
    async def test(scene: Scene) -> None:
        server = scene.server
        with changed(reading, "_FIRST_PAUSE", 0.02):
            _, ear = await scene.listen(scene.bob)
            server.say(scene.eve, scene.room, "0")
            await ear.until(1)
            server.faults.next("get_messages", Fault.ERROR_503, times=2)
            server.faults.next("get_messages", Fault.RESET)
            server.drop(scene.bob, code=4000, memory=False)
            server.say(scene.eve, scene.room, "1")
            assert await ear.until(2) == numbers(2)

    play(test)


def test_live_texts_are_heard_where_the_history_is_closed() -> None:
    async def test(scene: Scene) -> None:
        scene.server.deny(scene.bob, scene.room, Permission.READ_MESSAGE_HISTORY)
        _, ear = await scene.listen(scene.bob)
        scene.server.say(scene.eve, scene.room, "0")
        assert await ear.until(1) == ["0"]

    play(test)


def test_fifty_drops_in_a_stream_of_texts_lose_none() -> None:
    async def test(scene: Scene) -> None:
        server = scene.server
        _, ear = await scene.listen(scene.bob)
        for number in range(50):
            server.say(scene.ada, scene.room, str(2 * number))
            if number % 5 == 0:
                server.malformed(scene.bob)
            else:
                server.drop(scene.bob, code=4000 if number % 2 else None, memory=number % 3 > 0)
            server.say(scene.ada, scene.room, str(2 * number + 1))
            await until(lambda: server.connected(scene.bob))
        assert sorted(await ear.until(100), key=int) == numbers(100)

    play(test, speed=200)
