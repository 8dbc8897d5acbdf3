"""One queue of texts a channel: paced, fair, control first."""

import asyncio
import io
from collections.abc import AsyncGenerator, Callable
from typing import BinaryIO

import pytest

from ocft.channels import Channel, ChannelLimits, IncomingText
from ocft.errors import (
    ChannelError,
    DeliveryUnknownError,
    MessageTooLongError,
    RateLimitedError,
)
from ocft.runtime.outbox import Outbox
from ocft.testing import run


class Recorder(Channel):
    """Notes what is sent, and when."""

    name = "recorder"

    def __init__(
        self, *, fault: Callable[[str], None] = lambda text: None, **limits: float
    ) -> None:
        self.limits = ChannelLimits(max_text=100, **limits)  # type: ignore[arg-type]
        self.sent: list[tuple[float, str]] = []
        self._fault = fault

    async def send(self, to: str, text: str) -> None:
        await asyncio.sleep(0)
        self._fault(text)
        self.sent.append((asyncio.get_running_loop().time(), text))

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        nothing: list[IncomingText] = []
        for text in nothing:
            yield text

    async def close(self) -> None:
        """Close nothing."""


def make_outbox(channel: Channel) -> Outbox:
    return Outbox(channel, asyncio.get_running_loop().time)


def test_texts_keep_the_pace_of_the_channel() -> None:
    async def main() -> None:
        channel = Recorder(texts_per_second=2, burst=2)
        outbox = make_outbox(channel)
        await asyncio.gather(*(outbox.send("bob", str(n), is_control=False) for n in range(5)))
        assert [round(when, 3) for when, _ in channel.sent] == [0, 0, 0.5, 1, 1.5]

    run(main())


def test_control_goes_before_data_and_each_in_order() -> None:
    async def main() -> None:
        channel = Recorder(texts_per_second=1)
        outbox = make_outbox(channel)
        texts = [("d1", False), ("d2", False), ("c1", True), ("d3", False), ("c2", True)]
        await asyncio.gather(*(outbox.send("bob", t, is_control=c) for t, c in texts))
        assert [text for _, text in channel.sent] == ["d1", "c1", "c2", "d2", "d3"]

    run(main())


def test_a_rate_limit_is_waited_for_and_the_text_is_kept() -> None:
    async def main() -> None:
        limits = [RateLimitedError("slow down", retry_after=37.0)]

        def limit(text: str) -> None:
            if limits:
                raise limits.pop()

        channel = Recorder(fault=limit)
        await make_outbox(channel).send("bob", "text", is_control=True)
        ((when, text),) = channel.sent
        assert text == "text"
        assert when == pytest.approx(37.0, abs=0.01)

    run(main())


@pytest.mark.parametrize(
    "retry_after", [-1.0, float("nan"), 1e9], ids=["X11 -1", "X11 nan", "X11 huge"]
)
def test_a_nonsensical_pause_is_bounded(retry_after: float) -> None:
    async def main() -> None:
        limits = [RateLimitedError("slow down", retry_after=retry_after)]

        def limit(text: str) -> None:
            if limits:
                raise limits.pop()

        channel = Recorder(fault=limit)
        await make_outbox(channel).send("bob", "text", is_control=True)
        assert channel.sent[0][0] <= 3601

    run(main())


@pytest.mark.parametrize("error", [OSError("gone"), MessageTooLongError("too long")])
def test_a_text_that_does_not_leave_is_reported_and_the_next_one_goes(error: Exception) -> None:
    async def main() -> None:
        def fail(text: str) -> None:
            if text == "first":
                raise error

        channel = Recorder(fault=fail)
        outbox = make_outbox(channel)
        expected = MessageTooLongError if isinstance(error, MessageTooLongError) else ChannelError
        with pytest.raises(expected):
            await outbox.send("bob", "first", is_control=False)
        await outbox.send("bob", "second", is_control=False)
        assert [text for _, text in channel.sent] == ["second"]

    run(main())


def test_a_cancelled_sender_gives_its_turn_to_the_next() -> None:
    async def main() -> None:
        channel = Recorder(texts_per_second=1)
        outbox = make_outbox(channel)
        tasks = [
            asyncio.create_task(outbox.send("bob", str(n), is_control=False)) for n in range(4)
        ]
        await asyncio.sleep(0.5)
        tasks[1].cancel()  # paces
        tasks[2].cancel()  # waits for its turn
        await asyncio.wait(tasks)
        await outbox.send("bob", "last", is_control=False)
        assert [text for _, text in channel.sent] == ["0", "3", "last"]

    run(main())


class Chats(Recorder):
    """A platform that counts per chat, and all chats together; it takes files too."""

    def lane(self, to: str) -> str:
        return to

    async def send_file(self, to: str, file: BinaryIO, *, name: str, text: str = "") -> str:
        await asyncio.sleep(10)
        self._fault(name)
        self.sent.append((asyncio.get_running_loop().time(), name))
        return f"{to}/{name}"


def test_a_chat_that_has_to_wait_does_not_hold_up_another_one() -> None:
    async def main() -> None:
        channel = Chats(texts_per_second=1)
        outbox = make_outbox(channel)
        sends = [("bob", "b1"), ("bob", "b2"), ("carol", "c1"), ("carol", "c2")]
        await asyncio.gather(*(outbox.send(to, text, is_control=False) for to, text in sends))
        assert [(round(when), text) for when, text in channel.sent] == [
            (0, "b1"),
            (0, "c1"),
            (1, "b2"),
            (1, "c2"),
        ]

    run(main())


def test_all_chats_together_keep_a_pace_of_their_own() -> None:
    async def main() -> None:
        channel = Chats(total_per_second=2)
        outbox = make_outbox(channel)
        await asyncio.gather(*(outbox.send(str(n), str(n), is_control=False) for n in range(5)))
        assert [round(when, 3) for when, _ in channel.sent] == [0, 0.5, 1, 1.5, 2]

    run(main())


@pytest.mark.parametrize("is_global", [False, True])
def test_a_pause_for_the_whole_account_holds_all_chats_and_another_one_does_not(
    is_global: bool,  # noqa: FBT001
) -> None:
    async def main() -> None:
        pauses = [RateLimitedError("slow down", retry_after=30, is_global=is_global)]

        def limit(text: str) -> None:
            if text == "b1" and pauses:
                raise pauses.pop()

        channel = Chats(fault=limit, texts_per_second=1)
        outbox = make_outbox(channel)

        async def later(to: str, text: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            await outbox.send(to, text, is_control=True)

        # One after the pause began, one that waited for its chat's pace already.
        await asyncio.gather(
            later("bob", "b1", 0.5),
            later("carol", "c1", 0),
            later("carol", "c2", 0),
            later("dave", "d1", 2),
            outbox.send_file("erin", io.BytesIO(b"content"), name="f", text=""),
            later("erin", "e1", 3),
        )
        when = {text: round(at) for at, text in channel.sent}
        expected = {"c1": 0, "f": 10, "b1": 30}
        others = (30, 30, 30) if is_global else (1, 2, 3)
        assert when == expected | dict(zip(("c2", "d1", "e1"), others, strict=True))

    run(main())


def test_files_are_removed_at_the_pace_of_texts_from_the_first_one_on() -> None:
    async def main() -> None:
        channel = Chats(texts_per_second=1)
        outbox = make_outbox(channel)
        pauses = [RateLimitedError("slow down", retry_after=30)]

        async def delete(sent: str) -> None:
            if sent == "f2" and pauses:
                raise pauses.pop()
            channel.sent.append((asyncio.get_running_loop().time(), sent))

        channel.delete = delete  # type: ignore[method-assign]
        await outbox.send("", "a text", is_control=True)
        await asyncio.gather(*(outbox.delete(sent) for sent in ("f1", "f2", "f3")))
        assert [(round(when), sent) for when, sent in channel.sent] == [
            (0, "a text"),
            (1, "f1"),
            (32, "f2"),
            (33, "f3"),
        ]

    run(main())


def test_texts_leave_while_a_file_is_on_its_way() -> None:
    async def main() -> None:
        channel = Chats(texts_per_second=1)
        outbox = make_outbox(channel)
        file = outbox.send_file("bob", io.BytesIO(b"content"), name="f", text="")
        upload = asyncio.create_task(file)
        await asyncio.sleep(0)
        await outbox.send("bob", "a text", is_control=True)
        assert await upload == "bob/f"
        assert [(round(when), text) for when, text in channel.sent] == [(1, "a text"), (10, "f")]

    run(main())


def test_a_file_waits_as_long_as_the_platform_wants_and_goes_again() -> None:
    async def main() -> None:
        refusals = [RateLimitedError("slow down", retry_after=30)]

        def limit(text: str) -> None:
            if refusals:
                raise refusals.pop()

        channel = Chats(fault=limit)
        outbox = make_outbox(channel)
        await outbox.send_file("bob", io.BytesIO(b"content"), name="f", text="")
        assert [(round(when), text) for when, text in channel.sent] == [(50, "f")]

    run(main())


def test_a_text_that_may_have_left_counts_as_one_that_has() -> None:
    async def main() -> None:
        def lose_the_answer(text: str) -> None:
            raise DeliveryUnknownError(f"no answer to {text}")

        await make_outbox(Recorder(fault=lose_the_answer)).send("bob", "hello", is_control=True)

    run(main())


def test_lanes_of_chats_that_were_left_are_forgotten() -> None:
    async def main() -> None:
        outbox = make_outbox(Chats())
        for number in range(1000):
            await outbox.send(str(number), "hello", is_control=True)
        assert len(outbox._lanes) <= 256

    run(main())
