"""Which connection to the sender is used, and what is left of the others: nothing."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, cast
from unittest import mock

import pytest

from ocft.errors import ChannelClosedError
from ocft.routes import FetchConnection, Place
from ocft.runtime.wire2.direct import Direct, DirectOptions
from ocft.runtime.wire2.direct_ways import Ways
from ocft.wire import DirectTicket

WAYS = "ocft.runtime.wire2.direct_ways"
HERE = DirectOptions(addresses=("127.0.0.1",))
TICKET = DirectTicket(id=bytes(8), token=bytes(32), places=((bytes([127, 0, 0, 1]), 2000),))


class Brought:
    """A connection that the sender made."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Invitations:
    """Texts to the sender: how many, and whether they leave."""

    def __init__(self, *, leave: bool = True) -> None:
        self.count = 0
        self.has_begun = asyncio.Event()
        self._leave = leave

    async def __call__(self, ticket: DirectTicket) -> None:
        self.count += 1
        self.has_begun.set()
        if not self._leave:
            await asyncio.Event().wait()


def run(work: Callable[[Direct, Invitations], Awaitable[None]], *, leave: bool = True) -> None:
    async def main() -> None:
        direct = Direct(HERE)
        try:
            async with asyncio.timeout(10):
                await work(direct, Invitations(leave=leave))
            assert not direct._server._opened
        finally:
            await direct.close()

    asyncio.run(main())


def test_a_sender_that_came_is_not_kept_waiting_by_the_next_text() -> None:  # R-DIR-7
    async def work(direct: Direct, invite: Invitations) -> None:
        ways = Ways(direct, None, invite=invite, dial=None)
        next_one = asyncio.create_task(ways.next(0))
        await invite.has_begun.wait()
        brought = Brought()
        ways._take(cast("Any", brought))
        assert await next_one is cast("Any", brought)
        ways.close()
        assert not brought.is_closed

    run(work, leave=False)


def test_a_sender_that_came_does_not_wait_for_a_connection_of_ours() -> None:
    async def never(_: list[Place]) -> None:
        await asyncio.Event().wait()

    async def work(direct: Direct, invite: Invitations) -> None:
        ways = Ways(direct, TICKET, invite=invite, dial=None)
        await ways.begin_round()
        brought = Brought()
        for delay in (0, 0.05):  # before, and after, the text has left
            asyncio.get_running_loop().call_later(delay, ways._take, cast("Any", brought))
            assert await ways.next(0) is cast("Any", brought)
        ways.close()

    with mock.patch(f"{WAYS}.connect", never), mock.patch(f"{WAYS}._HEAD_START", 0.01):
        run(work)


def test_who_waits_for_a_turn_is_let_go_at_the_end() -> None:
    """Others may keep theirs for hours; and what it did not get it gives to nobody."""

    async def work(direct: Direct, invite: Invitations) -> None:
        ways = [Ways(direct, None, invite=invite, dial=None) for _ in range(5)]
        async with AsyncExitStack() as stack:
            for one in ways[:4]:
                assert await stack.enter_async_context(one.turn())
            asyncio.get_running_loop().call_later(0.01, ways[4].stop)
            async with ways[4].turn() as has_turn:
                assert not has_turn
            assert direct.turns.locked()
        assert direct.turns._value == 4

    run(work)


def test_a_connection_that_was_made_does_not_wait_for_the_text() -> None:
    ours, theirs = socket.socketpair()

    async def work(direct: Direct, invite: Invitations) -> None:
        async def slow(places: list[Place]) -> tuple[socket.socket, Place]:
            await invite.has_begun.wait()
            return ours, places[0]

        ways = Ways(direct, TICKET, invite=invite, dial=None)
        await ways.begin_round()
        with mock.patch(f"{WAYS}.connect", slow), mock.patch(f"{WAYS}._HEAD_START", 0.01):
            made = await ways.next(0)
        assert isinstance(made, FetchConnection)
        made.close()
        ways.close()

    with theirs:
        run(work, leave=False)


def test_a_port_that_opens_after_the_end_is_closed_again() -> None:  # R-DIR-1
    is_opening, may_open = threading.Event(), threading.Event()
    open_to_bring = Direct.open_to_bring

    def slow(self: Direct, came: Callable[..., None]) -> Any:
        is_opening.set()
        may_open.wait(5)
        return open_to_bring(self, came)

    async def work(direct: Direct, invite: Invitations) -> None:
        ways = Ways(direct, None, invite=invite, dial=None)
        next_one = asyncio.create_task(ways.next(0))
        assert await asyncio.to_thread(is_opening.wait, 5)
        ways.stop()
        with pytest.raises(ChannelClosedError):
            await next_one
        ways.close()
        with mock.patch.object(direct, "end", wraps=direct.end) as ended:
            may_open.set()
            while not ended.called:
                await asyncio.sleep(0.001)
        assert invite.count == 0

    with mock.patch.object(Direct, "open_to_bring", slow):
        run(work)


@pytest.mark.parametrize(("apart", "count"), [(30.0, 1), (0.0, 3)])
def test_texts_do_not_follow_one_another_at_once(apart: float, count: int) -> None:  # R-DIR-7
    async def refused(_: list[Place]) -> None:
        raise ChannelClosedError("refused")

    async def work(direct: Direct, invite: Invitations) -> None:
        ways = Ways(direct, TICKET, invite=invite, dial=None)
        await ways.begin_round()
        for failures in range(5):
            with pytest.raises(ChannelClosedError):
                await ways.next(failures)
        assert invite.count == count
        ways.close()

    with mock.patch(f"{WAYS}.connect", refused), mock.patch(f"{WAYS}._PEER_SECONDS", apart):
        run(work)


def test_a_text_that_cannot_leave_does_not_end_our_own_try() -> None:
    ours, theirs = socket.socketpair()

    async def work(direct: Direct, _: Invitations) -> None:
        is_refused = asyncio.Event()

        async def refuse(_: DirectTicket) -> None:
            is_refused.set()
            raise ChannelClosedError("the channel is closed")

        async def slow(places: list[Place]) -> tuple[socket.socket, Place]:
            await is_refused.wait()
            await asyncio.sleep(0.01)
            return ours, places[0]

        ways = Ways(direct, TICKET, invite=refuse, dial=None)
        await ways.begin_round()
        with mock.patch(f"{WAYS}.connect", slow), mock.patch(f"{WAYS}._HEAD_START", 0.01):
            (await ways.next(0)).close()
        ways.close()

    with theirs:
        run(work)
