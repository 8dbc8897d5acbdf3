"""The two ends that checks of channels use, and how they send and receive."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TypeVar

from ocft.channels import Channel, IncomingText
from ocft.errors import DeliveryUnknownError, RateLimitedError

BreakConnection = Callable[[Channel], Awaitable[None]]
"""Cuts the connection of a channel to its platform, from outside."""

_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(frozen=True, slots=True)
class End:
    """One node's channel, where it is reached, and what it is called when it wrote."""

    channel: Channel
    address: str
    author: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two connected ends."""

    alice: End
    bob: End
    is_ordered: bool
    break_connection: BreakConnection | None = None


async def send(sender: End, receiver: End, text: str) -> None:
    """Send a text, as late as the platform wants it."""
    while True:
        try:
            await sender.channel.send(receiver.address, text)
        except RateLimitedError as error:
            await asyncio.sleep(error.retry_after)
        except DeliveryUnknownError:
            return
        else:
            return


async def send_all(sender: End, receiver: End, texts: list[str]) -> None:
    """Send texts, one after the other."""
    for text in texts:
        await send(sender, receiver, text)


async def receive(end: End, count: int, *, pause: float = 0.0) -> list[IncomingText]:
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


async def together(
    first: Coroutine[object, object, _A], second: Coroutine[object, object, _B]
) -> tuple[_A, _B]:
    """Run both at once; the first error ends both and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = group.create_task(first), group.create_task(second)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return tasks[0].result(), tasks[1].result()


async def until(event: asyncio.Event, task: "asyncio.Task[None]") -> None:
    """Wait for an event that a task sets; a task that fails or ends before raises or fails."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    await cancel(waiting)
    if task.done():
        task.result()
        require(event.is_set(), "texts() ended though texts had been sent")


async def cancel(task: "asyncio.Task[object]") -> None:
    """Cancel a task and wait for its end; what it raised is raised."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def require(is_true: bool, sentence: str) -> None:  # noqa: FBT001 - reads like assert
    """Raise an AssertionError with this sentence unless something is so."""
    if not is_true:
        raise AssertionError(sentence)


def require_same(sent: list[str], received: list[IncomingText], *, is_ordered: bool) -> None:
    """Require that all texts came, and in order where that is promised."""
    texts = [text.text for text in received]
    missing = sorted(set(sent) - set(texts))
    require(not missing, f"lost: {missing}")
    if is_ordered:
        require(texts == sent, f"sent {sent}, received {texts}")
