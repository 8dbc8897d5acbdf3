"""Calls and answers for WebRTC lines, without any line."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast
from unittest import mock

import pytest

from ocft.errors import ChannelClosedError, ChannelError
from ocft.ids import TransferId
from ocft.routes import Body, LineEnd, Lines, OpenToFetch
from ocft.runtime.wire2 import webrtc_calling
from ocft.runtime.wire2.webrtc_answering import Answering
from ocft.runtime.wire2.webrtc_calling import Calling
from ocft.runtime.wire2.webrtc_signals import signal_of
from ocft.testing import run
from ocft.wire import MAX_CALLS, Signal

END = LineEnd("abcd", "p" * 22, bytes(32), (("127.0.0.1", 4000, 0),))
TRANSFER = TransferId("x")


class FakeLine:
    def __init__(self) -> None:
        self.peer: LineEnd | None = None
        self.is_closed = False
        self.is_up = asyncio.Event()

    async def gather(self) -> LineEnd:
        return END

    async def connect(self, peer: LineEnd) -> None:
        self.peer = peer
        await self.is_up.wait()


class FakeLines:
    """Lines of which all is known."""

    def __init__(self) -> None:
        self.made: list[FakeLine] = []

    async def open(self, **_: Any) -> FakeLine:
        self.made.append(FakeLine())
        return self.made[-1]

    async def run(self, work: Awaitable[Any]) -> Any:
        return await work

    def addresses(self) -> list[str]:
        return ["127.0.0.1"]

    def close(self, line: FakeLine) -> None:
        line.is_closed = True

    @property
    def open_ones(self) -> int:
        return sum(not one.is_closed for one in self.made)


def answer(call: int, epoch: int = 1) -> Signal:
    return signal_of(END, transfer_id=TRANSFER, epoch=epoch, call=call)


def calling(lines: FakeLines, say: Callable[[Signal], Awaitable[None]]) -> Calling:
    return Calling(cast("Lines", lines), transfer_id=TRANSFER, epoch=1, say=say)


def test_a_call_is_repeated_until_it_is_answered() -> None:  # R-RTC-4
    said: list[Signal] = []

    async def main() -> None:
        async def say(signal: Signal) -> None:
            said.append(signal)
            if len(said) == 3:
                one.take(answer(1))
                one.take(answer(1))  # a repeat

        lines = FakeLines()
        one = calling(lines, say)
        dialling = asyncio.ensure_future(one.dial())
        await asyncio.sleep(20)
        lines.made[0].is_up.set()
        await dialling
        assert said == [said[0]] * 3
        assert lines.made[0].peer == END

    run(main())


def test_what_answers_another_call_or_epoch_is_nothing() -> None:
    async def main() -> None:
        async def say(signal: Signal) -> None:
            for wrong in (answer(2), answer(1, epoch=2)):
                one.take(wrong)

        lines = FakeLines()
        one = calling(lines, say)
        one.take(answer(1))  # before there was a call
        with pytest.raises(ChannelClosedError, match="does not answer"):
            await one.dial()
        one.take(answer(1))  # too late
        assert lines.open_ones == 0

    run(main())


def test_a_call_that_does_not_leave_leaves_no_line_behind() -> None:
    async def main() -> None:
        lines = FakeLines()
        with pytest.raises(ChannelError):
            await calling(lines, mock.AsyncMock(side_effect=ChannelError("gone"))).dial()
        assert (len(lines.made), lines.open_ones) == (1, 0)

    run(main())


def test_a_call_that_is_given_up_leaves_no_line_behind() -> None:
    async def main() -> None:
        lines = FakeLines()
        dialling = asyncio.ensure_future(calling(lines, mock.AsyncMock()).dial())
        await asyncio.sleep(1)
        dialling.cancel()
        with suppress(asyncio.CancelledError):
            await dialling
        assert (len(lines.made), lines.open_ones) == (1, 0)

    run(main())


def test_an_epoch_has_so_many_calls_and_no_more() -> None:
    async def main() -> None:
        lines = FakeLines()
        one = calling(lines, mock.AsyncMock())
        with mock.patch.object(webrtc_calling, "_WAITS", (0.01,)):
            for _ in range(MAX_CALLS + 1):
                with suppress(ChannelClosedError):
                    await one.dial()
        assert len(lines.made) == MAX_CALLS

    run(main())


class Answerer:
    """Answers calls; what it says is kept."""

    def __init__(self) -> None:
        self.said: list[Signal] = []
        self.hopes: list[float] = []
        self.lines = FakeLines()
        opened = OpenToFetch("id", "token", lambda ranges: Body("", 0, ()), lambda count: None)
        self.answering = Answering(
            cast("Lines", self.lines),
            opened,
            transfer_id=TRANSFER,
            epoch=1,
            say=self._say,
            hope=self.hopes.append,
        )

    async def _say(self, signal: Signal) -> None:
        self.said.append(signal)


def call(number: int, epoch: int = 1) -> Signal:
    return replace_call(answer(number, epoch))


def replace_call(signal: Signal) -> Signal:
    return signal.model_copy(update={"user": "efgh"})


def real(work: Callable[[], Any]) -> None:
    asyncio.run(work())  # addresses are looked up in a thread


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.001)


def test_a_call_is_answered_and_a_repeat_is_answered_the_same() -> None:  # R-RTC-4
    async def main() -> None:
        one = Answerer()
        one.answering.take(call(1))
        await until(lambda: one.said)
        assert one.said[0].call == 1
        assert one.hopes == [25.0]
        await until(lambda: one.lines.made[0].peer)
        assert one.lines.made[0].peer == replace(END, user="efgh")
        one.answering.take(call(1))  # at once: not again
        with mock.patch("ocft.runtime.wire2.webrtc_answering._REPEAT_PAUSE", 0.0):
            one.answering.take(call(1))
        await until(lambda: len(one.said) == 2)
        assert one.said[0] == one.said[1]
        assert len(one.lines.made) == 1
        await one.answering.close()
        assert one.lines.open_ones == 0

    real(main)


def test_a_newer_call_ends_the_line_of_the_one_before() -> None:
    async def main() -> None:
        one = Answerer()
        for number in (1, 2, 3):
            one.answering.take(call(number))
            await until(lambda: one.said and one.said[-1].call == one.answering._call)
        one.answering.take(call(2))  # late
        one.answering.take(call(9, epoch=2))
        await until(lambda: one.lines.open_ones == 1)
        assert (len(one.lines.made), one.answering._call) == (3, 3)
        assert not one.lines.made[2].is_closed
        await one.answering.close()
        assert one.lines.open_ones == 0

    real(main)


def test_a_call_that_names_no_address_to_talk_to_is_not_answered() -> None:  # R-RTC-3
    async def main() -> None:
        one = Answerer()
        nowhere = call(1).model_copy(update={"places": ((bytes([224, 0, 0, 1]), 4000, 0),)})
        one.answering.take(nowhere)
        await until(lambda: one.hopes)
        assert one.hopes == [0.0]  # the channel goes on
        assert one.said == []
        assert one.lines.open_ones == 0

    real(main)


def test_a_line_that_fails_lets_the_channel_go_on() -> None:
    async def main() -> None:
        one = Answerer()
        with mock.patch.object(FakeLine, "connect", side_effect=ChannelClosedError("no way")):
            one.answering.take(call(1))
            await until(lambda: len(one.hopes) == 2)
        assert one.hopes == [25.0, 0.0]
        assert one.lines.open_ones == 0

    real(main)
