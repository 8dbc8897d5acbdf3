"""Pauses that Discord asks for, and how often a token may identify: what leads to bans."""

import asyncio
from collections.abc import Callable

import discord
import pytest

from ocft.errors import RateLimitedError
from ocft.testing import run
from ocft_discord import connection
from ocft_discord.connection import Supervised
from ocft_discord.reading import Reader

DAY = 24 * 3600.0
Fail = Callable[[], Exception]


async def asked_at(fail: Fail, seconds: float) -> list[float]:
    """Read a history that fails for a while; return when it was asked for."""
    clock, asked = asyncio.get_running_loop().time, []
    began = clock()

    async def client() -> discord.Client:
        asked.append(clock() - began)
        raise fail()

    reader = Reader(1, client, lambda message: None)
    texts = reader.texts(lambda: None)
    task = asyncio.ensure_future(anext(texts))
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait([task])
    return asked


def test_the_history_is_not_asked_for_before_the_pause_is_over() -> None:
    def fail() -> Exception:
        return RateLimitedError("banned for a while", retry_after=600)

    assert run(asked_at(fail, 1500)) == pytest.approx([0, 600, 1200])


@pytest.mark.parametrize("pause", [-1.0, 0.0, float("nan")])
def test_a_pause_that_makes_no_sense_is_ours(pause: float) -> None:
    def fail() -> Exception:
        return RateLimitedError("soon", retry_after=pause)

    assert run(asked_at(fail, 10)) == pytest.approx([0, 1, 3, 7])


def supervised(
    monkeypatch: pytest.MonkeyPatch, life: float, fail: Fail, days: float
) -> list[float]:
    """Let clients live for a time each; return when they began."""
    began: list[float] = []

    async def live(self: Supervised) -> None:
        began.append(asyncio.get_running_loop().time())
        await asyncio.sleep(life)
        raise fail()

    monkeypatch.setattr(connection.Supervised, "_live", live)

    async def main() -> None:
        one = Supervised("token", on_message=lambda _: None, on_gap=lambda: None)
        task = asyncio.create_task(one._supervise())
        await asyncio.sleep(days * DAY)
        task.cancel()
        await asyncio.wait([task])

    run(main())
    return began


@pytest.mark.parametrize("life", [0.0, 5.0, 60.5, 121.0])
def test_a_token_never_identifies_a_thousand_times_a_day(
    monkeypatch: pytest.MonkeyPatch, life: float
) -> None:
    began = supervised(monkeypatch, life, lambda: ConnectionResetError("cut"), 2)
    most = max(sum(at <= one < at + DAY for one in began) for at in began)
    assert 300 < most < 950


def test_who_is_banned_for_a_while_waits_before_the_next_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> Exception:
        return RateLimitedError("banned for a while", retry_after=600)

    began = supervised(monkeypatch, 0.0, fail, 0.02)
    assert began == pytest.approx([0, 600, 1200])
