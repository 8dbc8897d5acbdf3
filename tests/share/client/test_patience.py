"""`ocft.share.client.patience`: how long a client tries, in virtual time."""

import asyncio
import time
from itertools import pairwise

import pytest

from ocft.errors import RateLimitedError, ServerUnreachableError
from ocft.share.client.patience import Patience, Waiting, patiently
from ocft.testing import run


@pytest.fixture(autouse=True)
def _steady(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: asyncio.get_running_loop().time())


def test_a_connection_that_comes_back_is_used() -> None:
    tries = []

    async def ask() -> str:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) < 5:
            raise ServerUnreachableError("gone")
        return "answer"

    assert run(patiently(ask, None)) == "answer"
    pauses = [round(later - one, 3) for one, later in pairwise(tries)]
    assert pauses == [0.1, 0.2, 0.4, 0.8]


def test_after_half_a_minute_it_is_enough() -> None:
    async def ask() -> None:
        raise ServerUnreachableError("gone")

    async def work() -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(ServerUnreachableError):
            await patiently(ask, None)
        return asyncio.get_running_loop().time() - began

    assert 30 <= run(work()) < 34


def test_a_pause_beyond_the_deadline_is_not_waited_for() -> None:
    async def ask() -> None:
        raise RateLimitedError("slow down", retry_after=60)

    async def work() -> float:
        began = asyncio.get_running_loop().time()
        with pytest.raises(RateLimitedError):
            await patiently(ask, began + 10)
        return asyncio.get_running_loop().time() - began

    assert run(work()) == 0


def test_a_server_that_asks_for_no_pause_again_and_again_is_given_up() -> None:
    async def work() -> float:
        began, patience = asyncio.get_running_loop().time(), Patience()
        error = RateLimitedError("slow down", retry_after=0)
        for _ in range(30):
            await patience.pause(error)
        with pytest.raises(RateLimitedError):
            await patience.pause(error)
        return asyncio.get_running_loop().time() - began

    assert run(work()) == pytest.approx(15)


def test_where_nobody_can_come_back_it_is_enough_much_sooner() -> None:
    def seconds(error: ServerUnreachableError, *, is_live: bool) -> float:
        async def ask() -> None:
            raise error

        async def work() -> float:
            began = asyncio.get_running_loop().time()
            with pytest.raises(ServerUnreachableError):
                await patiently(ask, None, Patience(is_live=is_live))
            return asyncio.get_running_loop().time() - began

        return run(work())

    refused = ServerUnreachableError("nobody listens", is_refused=True)
    assert seconds(refused, is_live=True) < 2
    assert seconds(refused, is_live=False) >= 30  # a service may start anew
    assert seconds(ServerUnreachableError("broke"), is_live=True) >= 30  # a cable may be cut


def test_a_wait_is_told_with_how_long_it_is_at_most_but_not_a_short_one() -> None:
    told: list[Waiting] = []
    tries = []

    async def ask() -> None:
        tries.append(0)
        if len(tries) < 6:
            raise ServerUnreachableError("gone")

    async def work() -> None:
        await patiently(ask, None, Patience(told.append))

    run(work())
    assert [(wait.reason, round(wait.seconds, 1)) for wait in told] == [
        ("gone", 29.9),
        ("gone", 29.7),
        ("gone", 29.3),
        ("gone", 28.5),
    ]


def test_a_pause_that_the_server_wants_is_told() -> None:
    told: list[Waiting] = []

    async def work() -> None:
        await Patience(told.append).pause(RateLimitedError("slow down", retry_after=7))

    run(work())
    assert told == [Waiting("slow down", 7)]
