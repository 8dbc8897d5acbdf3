"""What every channel must do, as checks that run on any implementation; free of pytest.

Each check opens a pair of channels, uses it, and closes it. A check that fails raises
AssertionError with its name and a sentence. Rate limits are honoured, so that a check of a real
platform takes as long as the platform wants.
"""

import asyncio
import contextlib
import string
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Final, TypeVar

from ocft.channels import Channel, IncomingText
from ocft.errors import ChannelClosedError, ChannelError, MessageTooLongError, RateLimitedError

OpenPair = Callable[[], Awaitable[tuple[Channel, Channel]]]
"""Opens two connected channels on which no texts wait."""

# As in wire 1.0: an emoji beyond the basic plane, then base64.
_MARKER = "\N{LINK SYMBOL}OCFT:"
_BASE64 = string.ascii_letters + string.digits + "+/="
_BURST = 20
_PROMPTLY = 2.0  # seconds

_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(frozen=True, slots=True)
class _End:
    channel: Channel
    address: str
    author: str


@dataclass(frozen=True, slots=True)
class _Pair:
    alice: _End
    bob: _End
    is_ordered: bool


async def check_channel(
    open_pair: OpenPair,
    *,
    addresses: tuple[str, str] = ("alice", "bob"),
    authors: tuple[str, str] | None = None,
    is_ordered: bool = True,
    timeout: float = 30.0,  # noqa: ASYNC109 - it bounds each check, not this call
) -> None:
    """Run every check on pairs of channels.

    Args:
        open_pair: Called once a check; the check closes both channels.
        addresses: Where texts for the first and the second channel are sent to.
        authors: What the platform calls their nodes when they wrote; None: the addresses.
        is_ordered: Whether texts must arrive in the order in which they were sent.
        timeout: Seconds that a check may take.

    Raises:
        AssertionError: A check failed.
    """
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        alice, bob = await open_pair()
        first, second = authors or addresses
        pair = _Pair(_End(alice, addresses[0], first), _End(bob, addresses[1], second), is_ordered)
        async with alice, bob:
            try:
                async with asyncio.timeout(timeout):
                    await check(pair)
            except TimeoutError as error:
                raise AssertionError(f"{name}: not within {timeout} seconds") from error
            except (AssertionError, ChannelError) as error:
                raise AssertionError(f"{name}: {error}") from error


async def a_text_arrives_with_its_author(pair: _Pair) -> None:  # noqa: D103 - the name says it
    await _send(pair.alice, pair.bob, "hello bob")
    (received,) = await _receive(pair.bob, 1)
    _require(received.text == "hello bob", f"sent 'hello bob', received {received.text!r}")
    _require(
        received.author == pair.alice.author,
        f"the author is {received.author!r}, not {pair.alice.author!r}",
    )


async def emoji_and_base64_arrive_unchanged(pair: _Pair) -> None:  # noqa: D103
    text = _MARKER + _BASE64
    await _send(pair.alice, pair.bob, text)
    (received,) = await _receive(pair.bob, 1)
    _require(received.text == text, f"sent {text!r}, received {received.text!r}")


async def a_burst_arrives(pair: _Pair) -> None:  # noqa: D103
    texts = [f"number {number}" for number in range(_BURST)]
    _, received = await _together(
        _send_all(pair.alice, pair.bob, texts), _receive(pair.bob, _BURST)
    )
    _require_same(texts, received, is_ordered=pair.is_ordered)


async def the_longest_text_arrives_and_a_longer_one_is_refused(pair: _Pair) -> None:  # noqa: D103
    limits = pair.alice.channel.limits
    longest = _MARKER + "A" * (limits.max_text - limits.unit.measure(_MARKER))
    with contextlib.suppress(MessageTooLongError):
        await _send(pair.alice, pair.bob, longest + "A")
        raise AssertionError("a text one above the limit raised no MessageTooLongError")
    _, (received,) = await _together(_send(pair.alice, pair.bob, longest), _receive(pair.bob, 1))
    _require(
        received.text == longest,
        f"the longest text ({limits.max_text} {limits.unit.value}) arrived changed, or the one "
        f"that was refused arrived: {len(received.text)} characters, not {len(longest)}",
    )


async def both_directions_work_at_once(pair: _Pair) -> None:  # noqa: D103
    texts = [f"number {number}" for number in range(_BURST)]
    _, (at_bob, at_alice) = await _together(
        _together(_send_all(pair.alice, pair.bob, texts), _send_all(pair.bob, pair.alice, texts)),
        _together(_receive(pair.bob, _BURST), _receive(pair.alice, _BURST)),
    )
    _require_same(texts, at_bob, is_ordered=pair.is_ordered)
    _require_same(texts, at_alice, is_ordered=pair.is_ordered)


async def a_slow_reader_loses_nothing(pair: _Pair) -> None:  # noqa: D103
    texts = [f"number {number}" for number in range(2 * _BURST)]
    _, received = await _together(
        _send_all(pair.alice, pair.bob, texts), _receive(pair.bob, len(texts), pause=0.005)
    )
    _require_same(texts, received, is_ordered=pair.is_ordered)


async def a_reader_cancelled_at_work_loses_nothing(pair: _Pair) -> None:  # noqa: D103
    # Two texts, so that one is still to come when the reader is cancelled while it has the first.
    texts = ["one", "two"]
    await _send_all(pair.alice, pair.bob, texts)
    is_working = asyncio.Event()

    async def read_and_hang() -> None:
        async with contextlib.aclosing(pair.bob.channel.texts()) as reading:
            async for _ in reading:
                is_working.set()
                await asyncio.Event().wait()

    reader = asyncio.create_task(read_and_hang())
    await _until(is_working, reader)
    await _cancel(reader)
    received = [text.text for text in await _receive(pair.bob, 2)]
    _require(
        set(received) == set(texts),
        f"a text must come again if its reader was cancelled before it asked for the next one; "
        f"sent {texts}, the next reader got {received}",
    )


async def a_reader_cancelled_while_waiting_loses_nothing(pair: _Pair) -> None:  # noqa: D103
    reader = asyncio.create_task(_receive(pair.bob, 1))
    await asyncio.sleep(0.05)
    await _cancel(reader)
    await _send(pair.alice, pair.bob, "for the next reader")
    (received,) = await _receive(pair.bob, 1)
    _require(received.text == "for the next reader", f"received {received.text!r}")


async def an_empty_text_is_refused_or_arrives(pair: _Pair) -> None:  # noqa: D103
    try:
        await _send(pair.alice, pair.bob, "")
    except ChannelError:
        expected = "after it"
    else:
        expected = ""
    await _send(pair.alice, pair.bob, "after it")
    (received,) = await _receive(pair.bob, 1)
    _require(received.text == expected, f"expected {expected!r}, received {received.text!r}")


async def closing_ends_a_waiting_reader(pair: _Pair) -> None:  # noqa: D103
    reader = asyncio.create_task(_receive(pair.bob, 1))
    await asyncio.sleep(0.05)
    _require(not reader.done(), "texts() ended before the channel was closed")
    await pair.bob.channel.close()
    done, _ = await asyncio.wait({reader}, timeout=_PROMPTLY)
    if not done:
        await _cancel(reader)
    _require(bool(done), f"texts() did not end within {_PROMPTLY} seconds of close()")
    _require(reader.result() == [], f"received {reader.result()}, though nothing was sent")


async def closing_ends_a_busy_reader(pair: _Pair) -> None:  # noqa: D103
    await _send_all(pair.alice, pair.bob, ["one", "two", "three"])
    received = []
    async with contextlib.aclosing(pair.bob.channel.texts()) as reading:
        async for text in reading:
            received.append(text.text)
            await pair.bob.channel.close()
    _require(len(received) == 1, f"texts came after close(): {received[1:]}")


async def a_closed_channel_sends_nothing(pair: _Pair) -> None:  # noqa: D103
    await pair.alice.channel.close()
    await pair.alice.channel.close()  # twice is fine
    with contextlib.suppress(ChannelClosedError):
        await _send(pair.alice, pair.bob, "too late")
        raise AssertionError("send() after close() raised no ChannelClosedError")
    _require(await _receive(pair.alice, 1) == [], "texts() after close() yielded a text")


CHECKS: Final[tuple[Callable[[_Pair], Awaitable[None]], ...]] = (
    a_text_arrives_with_its_author,
    emoji_and_base64_arrive_unchanged,
    a_burst_arrives,
    the_longest_text_arrives_and_a_longer_one_is_refused,
    both_directions_work_at_once,
    a_slow_reader_loses_nothing,
    a_reader_cancelled_at_work_loses_nothing,
    a_reader_cancelled_while_waiting_loses_nothing,
    an_empty_text_is_refused_or_arrives,
    closing_ends_a_waiting_reader,
    closing_ends_a_busy_reader,
    a_closed_channel_sends_nothing,
)
"""The checks, in the order in which they run."""


async def _send(sender: _End, receiver: _End, text: str) -> None:
    while True:
        try:
            await sender.channel.send(receiver.address, text)
        except RateLimitedError as error:
            await asyncio.sleep(error.retry_after)
        else:
            return


async def _send_all(sender: _End, receiver: _End, texts: list[str]) -> None:
    for text in texts:
        await _send(sender, receiver, text)


async def _receive(end: _End, count: int, *, pause: float = 0.0) -> list[IncomingText]:
    """Return the next texts without the repeats; fewer if the channel ends before."""
    received: list[IncomingText] = []
    async with contextlib.aclosing(end.channel.texts()) as texts:
        async for text in texts:
            if text not in received:
                received.append(text)
            if len(received) == count:
                break
            await asyncio.sleep(pause)
    return received


async def _together(
    first: Coroutine[object, object, _A], second: Coroutine[object, object, _B]
) -> tuple[_A, _B]:
    """Run both at once; the first error ends both and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = group.create_task(first), group.create_task(second)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return tasks[0].result(), tasks[1].result()


async def _until(event: asyncio.Event, task: "asyncio.Task[None]") -> None:
    """Wait for an event that a task sets; a task that fails or ends before raises or fails."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    await _cancel(waiting)
    if task.done():
        task.result()
        _require(event.is_set(), "texts() ended though texts had been sent")


async def _cancel(task: "asyncio.Task[object]") -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def _require(is_true: bool, sentence: str) -> None:  # noqa: FBT001 - reads like assert
    if not is_true:
        raise AssertionError(sentence)


def _require_same(sent: list[str], received: list[IncomingText], *, is_ordered: bool) -> None:
    texts = [text.text for text in received]
    missing = sorted(set(sent) - set(texts))
    _require(not missing, f"lost: {missing}")
    if is_ordered:
        _require(texts == sent, f"sent {sent}, received {texts}")
