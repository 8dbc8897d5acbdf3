"""What every channel must do, as checks that run on any implementation; free of pytest.

Each check opens a pair of channels, uses it, and closes it. A check that fails raises
AssertionError with its name and a sentence. Rate limits are honoured, so that a check of a real
platform takes as long as the platform wants.
"""

import asyncio
import contextlib
import string
from collections.abc import Awaitable, Callable
from typing import Final

from ocft.channels import Channel
from ocft.errors import ChannelClosedError, ChannelError, MessageTooLongError
from ocft.testing.ends import (
    BreakConnection,
    End,
    Pair,
    cancel,
    receive,
    require,
    require_same,
    send,
    send_all,
    together,
    until,
)
from ocft.testing.file_checks import FILE_CHECKS

OpenPair = Callable[[], Awaitable[tuple[Channel, Channel]]]
"""Opens two connected channels on which no texts wait."""

# As in wire 1.0: an emoji beyond the basic plane, then base64.
_MARKER = "\N{LINK SYMBOL}OCFT:"
_BASE64 = string.ascii_letters + string.digits + "+/="
_BURST = 20
_PROMPTLY = 2.0  # seconds


async def check_channel(
    open_pair: OpenPair,
    *,
    addresses: tuple[str, str] = ("alice", "bob"),
    authors: tuple[str, str] | None = None,
    is_ordered: bool = True,
    break_connection: BreakConnection | None = None,
    timeout: float = 30.0,  # noqa: ASYNC109 - it bounds each check, not this call
) -> None:
    """Run every check on pairs of channels.

    Args:
        open_pair: Called once a check; the check closes both channels.
        addresses: Where texts for the first and the second channel are sent to.
        authors: What the platform calls their nodes when they wrote; None: the addresses.
        is_ordered: Whether texts must arrive in the order in which they were sent.
        break_connection: Cuts a channel's connection to its platform; None: it has none.
        timeout: Seconds that a check may take.

    Raises:
        AssertionError: A check failed.
    """
    for check in (*CHECKS, *FILE_CHECKS):
        name = check.__name__.replace("_", " ")
        alice, bob = await open_pair()
        first, second = authors or addresses
        ends = End(alice, addresses[0], first), End(bob, addresses[1], second)
        pair = Pair(*ends, is_ordered, break_connection)
        async with alice, bob:
            try:
                async with asyncio.timeout(timeout):
                    await check(pair)
            except TimeoutError as error:
                raise AssertionError(f"{name}: not within {timeout} seconds") from error
            except (AssertionError, ChannelError) as error:
                raise AssertionError(f"{name}: {error}") from error


async def a_text_arrives_with_its_author(pair: Pair) -> None:  # noqa: D103 - the name says it
    await send(pair.alice, pair.bob, "hello bob")
    (received,) = await receive(pair.bob, 1)
    require(received.text == "hello bob", f"sent 'hello bob', received {received.text!r}")
    require(
        received.author == pair.alice.author,
        f"the author is {received.author!r}, not {pair.alice.author!r}",
    )
    own = pair.alice.channel.address
    require(own in (None, received.author), f"it is {received.author!r}, and says it is {own!r}")


async def emoji_and_base64_arrive_unchanged(pair: Pair) -> None:  # noqa: D103
    text = _MARKER + _BASE64
    await send(pair.alice, pair.bob, text)
    (received,) = await receive(pair.bob, 1)
    require(received.text == text, f"sent {text!r}, received {received.text!r}")


async def a_burst_arrives(pair: Pair) -> None:  # noqa: D103
    texts = [f"number {number}" for number in range(_BURST)]
    _, received = await together(send_all(pair.alice, pair.bob, texts), receive(pair.bob, _BURST))
    require_same(texts, received, is_ordered=pair.is_ordered)


async def the_longest_text_arrives_and_a_longer_one_is_refused(pair: Pair) -> None:  # noqa: D103
    limits = pair.alice.channel.limits
    longest = _MARKER + "A" * (limits.max_text - limits.unit.measure(_MARKER))
    with contextlib.suppress(MessageTooLongError):
        await send(pair.alice, pair.bob, longest + "A")
        raise AssertionError("a text one above the limit raised no MessageTooLongError")
    _, (received,) = await together(send(pair.alice, pair.bob, longest), receive(pair.bob, 1))
    require(
        received.text == longest,
        f"the longest text ({limits.max_text} {limits.unit.value}) arrived changed, or the one "
        f"that was refused arrived: {len(received.text)} characters, not {len(longest)}",
    )


async def both_directions_work_at_once(pair: Pair) -> None:  # noqa: D103
    texts = [f"number {number}" for number in range(_BURST)]
    _, (at_bob, at_alice) = await together(
        together(send_all(pair.alice, pair.bob, texts), send_all(pair.bob, pair.alice, texts)),
        together(receive(pair.bob, _BURST), receive(pair.alice, _BURST)),
    )
    require_same(texts, at_bob, is_ordered=pair.is_ordered)
    require_same(texts, at_alice, is_ordered=pair.is_ordered)


async def a_slow_reader_loses_nothing(pair: Pair) -> None:  # noqa: D103
    texts = [f"number {number}" for number in range(2 * _BURST)]
    _, received = await together(
        send_all(pair.alice, pair.bob, texts), receive(pair.bob, len(texts), pause=0.005)
    )
    require_same(texts, received, is_ordered=pair.is_ordered)


async def a_reader_cancelled_at_work_loses_nothing(pair: Pair) -> None:  # noqa: D103
    # Two texts, so that one is still to come when the reader is cancelled while it has the first.
    texts = ["one", "two"]
    await send_all(pair.alice, pair.bob, texts)
    is_working = asyncio.Event()

    async def read_and_hang() -> None:
        async with contextlib.aclosing(pair.bob.channel.texts()) as reading:
            async for _ in reading:
                is_working.set()
                await asyncio.Event().wait()

    reader = asyncio.create_task(read_and_hang())
    await until(is_working, reader)
    await cancel(reader)
    received = [text.text for text in await receive(pair.bob, 2)]
    require(
        set(received) == set(texts),
        f"a text must come again if its reader was cancelled before it asked for the next one; "
        f"sent {texts}, the next reader got {received}",
    )


async def a_reader_cancelled_while_waiting_loses_nothing(pair: Pair) -> None:  # noqa: D103
    reader = asyncio.create_task(receive(pair.bob, 1))
    await asyncio.sleep(0.05)
    await cancel(reader)
    await send(pair.alice, pair.bob, "for the next reader")
    (received,) = await receive(pair.bob, 1)
    require(received.text == "for the next reader", f"received {received.text!r}")


async def a_connection_that_breaks_loses_nothing(pair: Pair) -> None:  # noqa: D103
    if pair.break_connection is None:
        return
    texts = [f"number {number}" for number in range(_BURST)]
    half = _BURST // 2
    reading = asyncio.create_task(receive(pair.bob, _BURST))
    await send_all(pair.alice, pair.bob, texts[:half])
    await pair.break_connection(pair.bob.channel)
    await send_all(pair.alice, pair.bob, texts[half:])
    require_same(texts, await reading, is_ordered=pair.is_ordered)


async def an_empty_text_is_refused_or_arrives(pair: Pair) -> None:  # noqa: D103
    try:
        await send(pair.alice, pair.bob, "")
    except ChannelError:
        expected = "after it"
    else:
        expected = ""
    await send(pair.alice, pair.bob, "after it")
    (received,) = await receive(pair.bob, 1)
    require(received.text == expected, f"expected {expected!r}, received {received.text!r}")


async def closing_ends_a_waiting_reader(pair: Pair) -> None:  # noqa: D103
    reader = asyncio.create_task(receive(pair.bob, 1))
    await asyncio.sleep(0.05)
    require(not reader.done(), "texts() ended before the channel was closed")
    await pair.bob.channel.close()
    done, _ = await asyncio.wait({reader}, timeout=_PROMPTLY)
    if not done:
        await cancel(reader)
    require(bool(done), f"texts() did not end within {_PROMPTLY} seconds of close()")
    require(reader.result() == [], f"received {reader.result()}, though nothing was sent")


async def closing_ends_a_busy_reader(pair: Pair) -> None:  # noqa: D103
    await send_all(pair.alice, pair.bob, ["one", "two", "three"])
    received = []
    async with contextlib.aclosing(pair.bob.channel.texts()) as reading:
        async for text in reading:
            received.append(text.text)
            await pair.bob.channel.close()
    require(len(received) == 1, f"texts came after close(): {received[1:]}")


async def a_closed_channel_sends_nothing(pair: Pair) -> None:  # noqa: D103
    await pair.alice.channel.close()
    await pair.alice.channel.close()  # twice is fine
    with contextlib.suppress(ChannelClosedError):
        await send(pair.alice, pair.bob, "too late")
        raise AssertionError("send() after close() raised no ChannelClosedError")
    require(await receive(pair.alice, 1) == [], "texts() after close() yielded a text")


CHECKS: Final[tuple[Callable[[Pair], Awaitable[None]], ...]] = (
    a_text_arrives_with_its_author,
    emoji_and_base64_arrive_unchanged,
    a_burst_arrives,
    the_longest_text_arrives_and_a_longer_one_is_refused,
    both_directions_work_at_once,
    a_slow_reader_loses_nothing,
    a_reader_cancelled_at_work_loses_nothing,
    a_reader_cancelled_while_waiting_loses_nothing,
    a_connection_that_breaks_loses_nothing,
    an_empty_text_is_refused_or_arrives,
    closing_ends_a_waiting_reader,
    closing_ends_a_busy_reader,
    a_closed_channel_sends_nothing,
)
"""The checks, in the order in which they run."""
