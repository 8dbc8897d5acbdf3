"""`ocft.runtime.fetching`: downloads that are tried again."""

import asyncio
import io
import math
from typing import BinaryIO

import pytest

from ocft.channels import IncomingFile
from ocft.errors import ChannelClosedError, ChannelError, RateLimitedError
from ocft.runtime.fetching import fetch, sized
from ocft.testing import run


async def fetched(*errors: ChannelError) -> tuple[bytes, float]:
    """Fetch a file after some failures; return it, and how long that took."""
    left = list(errors)

    async def get(sink: BinaryIO) -> None:
        sink.write(b"abc")
        if left:
            raise left.pop(0)
        sink.write(b"def")

    sink, clock = io.BytesIO(), asyncio.get_running_loop().time
    began = clock()
    await fetch(IncomingFile("name", 6, get), sink)
    return sink.getvalue(), clock() - began


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (ChannelClosedError("broken"), 2),
        (RateLimitedError("wait", retry_after=77), 77),
        (RateLimitedError("wait", retry_after=0), 2),
        (RateLimitedError("wait", retry_after=-1), 2),
        (RateLimitedError("wait", retry_after=math.nan), 2),
    ],
)
def test_what_may_help_is_tried_again_after_the_pause_that_was_asked_for(
    error: ChannelError, seconds: float
) -> None:
    content, waited = run(fetched(error))
    assert content == b"abcdef"
    assert waited == pytest.approx(seconds)


@pytest.mark.parametrize(
    "errors",
    [
        [ChannelError("gone")],
        [RateLimitedError("wait", retry_after=math.inf)],
        [ChannelClosedError("broken")] * 3,
    ],
)
def test_what_does_not_help_is_raised(errors: list[ChannelError]) -> None:
    with pytest.raises(ChannelError) as raised:
        run(fetched(*errors))
    assert raised.value is errors[-1]


def stub(*answers: IncomingFile | ChannelError) -> IncomingFile:
    """Return a file of which nothing is told but what the platform then answers."""
    left = list(answers)

    async def ask() -> IncomingFile:
        answer = left.pop(0)
        if isinstance(answer, ChannelError):
            raise answer
        return answer

    return IncomingFile("F1", None, nothing, ask=ask)


async def nothing(_: BinaryIO) -> None:
    """Download no bytes."""


def test_a_size_that_was_not_told_is_asked_for_until_there_is_an_answer() -> None:
    file = IncomingFile("photo.jpg", 6, nothing)
    assert run(sized(file)) == (file, 6)
    assert run(sized(stub(ChannelClosedError("broken"), file))) == (file, 6)
    with pytest.raises(ChannelError, match="does not say"):
        run(sized(IncomingFile("F1", None, nothing)))
    with pytest.raises(ChannelError, match="gone"):
        run(sized(stub(ChannelError("gone"), file)))
