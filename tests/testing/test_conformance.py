import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from ocft.channels import Channel, ChannelLimits, IncomingText, MemoryChannel, memory_channels
from ocft.errors import ChannelError, RateLimitedError
from ocft.testing import check_channel, run
from ocft.testing.conformance import CHECKS


class _Wrapped(Channel):
    """A memory channel that a test breaks in one place."""

    name = "wrapped"

    def __init__(self, inner: MemoryChannel) -> None:
        self.inner = inner
        self.limits = inner.limits

    async def send(self, to: str, text: str) -> None:
        await self.inner.send(to, text)

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        texts = self.inner.texts()
        try:
            async for text in texts:
                yield text
        finally:
            await texts.aclose()

    async def close(self) -> None:
        await self.inner.close()


class _ForgetsTheAuthor(_Wrapped):
    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        async for text in super().texts():
            yield IncomingText("somebody", text.text)


class _ReplacesEmoji(_Wrapped):
    async def send(self, to: str, text: str) -> None:
        await super().send(to, text.replace("\N{LINK SYMBOL}", ":link:"))


class _LosesEachTenth(_Wrapped):
    count = 0

    async def send(self, to: str, text: str) -> None:
        self.count += 1
        if self.count % 10:
            await super().send(to, text)


class _Truncates(_Wrapped):
    def __init__(self, inner: MemoryChannel) -> None:
        super().__init__(inner)
        self.limits = ChannelLimits(max_text=500)

    async def send(self, to: str, text: str) -> None:
        self.limits.require_fit(text)
        await super().send(to, text[:499])


class _IgnoresItsLimit(_Wrapped):
    def __init__(self, inner: MemoryChannel) -> None:
        super().__init__(inner)
        self.limits = ChannelLimits(max_text=500)


class _HandlesTooEarly(_Wrapped):
    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        own = self.inner._own
        while not own.closed:
            if not own.texts:
                own.arrived.clear()
                await own.arrived.wait()
                continue
            text = own.texts.popleft()
            own.room.set()
            yield text


class _NeverEnds(_Wrapped):
    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        async for text in super().texts():
            yield text
        await asyncio.Event().wait()


class _EndsAtOnce(_Wrapped):
    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        for text in list(self.inner._own.texts):
            yield text


class _SendsAfterClose(_Wrapped):
    is_closed = False

    async def send(self, to: str, text: str) -> None:
        if not self.is_closed:
            await super().send(to, text)

    async def close(self) -> None:
        self.is_closed = True
        await super().close()


class _DeliversAfterClose(_Wrapped):
    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        waiting = self.inner._own.texts
        async for text in super().texts():
            rest = list(waiting)[1:]
            yield text
            if self.inner._own.closed:
                for late in rest:
                    yield late


class _DropsEmptyTexts(_Wrapped):
    async def send(self, to: str, text: str) -> None:
        if text:
            await super().send(to, text)


class _Swaps(_Wrapped):
    held: str | None = None

    async def send(self, to: str, text: str) -> None:
        if text == "number 3":
            self.held = text
            return
        await super().send(to, text)
        if self.held is not None:
            held, self.held = self.held, None
            await super().send(to, held)


class _Fails(_Wrapped):
    async def send(self, to: str, text: str) -> None:
        raise ChannelError("no permission to write here")


class _IsRateLimited(_Wrapped):
    is_pausing = False

    async def send(self, to: str, text: str) -> None:
        self.is_pausing = not self.is_pausing
        if self.is_pausing:
            raise RateLimitedError("slow down", retry_after=0.3)
        await super().send(to, text)


def _check(broken: Callable[[MemoryChannel], Channel], *, is_ordered: bool = True) -> None:
    async def open_pair() -> tuple[Channel, Channel]:
        alice, bob = memory_channels("alice", "bob")
        return broken(alice), broken(bob)

    run(check_channel(open_pair, is_ordered=is_ordered))


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (_ForgetsTheAuthor, "with its author: the author is 'somebody', not 'alice'"),
        (_ReplacesEmoji, "emoji and base64 arrive unchanged: sent .*:link:"),
        (_LosesEachTenth, "a burst arrives: not within 30"),
        (_Truncates, "longest text arrives .* 499 characters, not 500"),
        (_IgnoresItsLimit, "one above the limit raised no MessageTooLongError"),
        (_HandlesTooEarly, "reader cancelled at work loses nothing: not within 30"),
        (_NeverEnds, r"closing ends a waiting reader: texts\(\) did not end"),
        (_EndsAtOnce, "not within 30|ended"),
        (_SendsAfterClose, "raised no ChannelClosedError"),
        (_DeliversAfterClose, r"closing ends a busy reader: texts came after close\(\)"),
        (_DropsEmptyTexts, "an empty text is refused or arrives: expected ''"),
        (_Swaps, "a burst arrives: sent .* received"),
        (_Fails, "arrives with its author: no permission to write here"),
    ],
)
def test_a_broken_channel_fails_with_a_sentence(
    broken: Callable[[MemoryChannel], Channel], sentence: str
) -> None:
    with pytest.raises(AssertionError, match=sentence):
        _check(broken)


def test_a_sound_channel_passes() -> None:
    _check(_Wrapped)


def test_a_channel_that_asks_for_pauses_passes() -> None:
    _check(_IsRateLimited)


def test_a_channel_may_be_declared_unordered() -> None:
    _check(_Swaps, is_ordered=False)


def test_the_names_of_the_checks_are_unique_sentences() -> None:
    names = [check.__name__ for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(name.count("_") >= 2 for name in names)


def test_both_channels_are_closed_after_a_failed_check() -> None:
    opened: list[MemoryChannel] = []

    async def open_pair() -> tuple[Channel, Channel]:
        alice, bob = memory_channels("alice", "bob")
        opened.extend([alice, bob])
        return _Fails(alice), bob

    with pytest.raises(AssertionError):
        run(check_channel(open_pair))
    assert len(opened) == 2
    assert all(channel._own.closed for channel in opened)
