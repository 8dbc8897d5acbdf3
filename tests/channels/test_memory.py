import asyncio
import contextlib
from pathlib import Path

import pytest

from ocft.channels import Channel, ChannelLimits, IncomingText, MemoryChannel, memory_channels
from ocft.errors import ChannelClosedError, ChannelError
from ocft.testing import check_channel, check_transfers, run


async def _open_pair() -> tuple[Channel, Channel]:
    alice, bob = memory_channels("alice", "bob")
    return alice, bob


async def _read(channel: Channel, count: int) -> list[IncomingText]:
    async with contextlib.aclosing(channel.texts()) as texts:
        return [await anext(texts) for _ in range(count)]


def test_it_keeps_the_contract() -> None:
    asyncio.run(check_channel(_open_pair))


def test_it_keeps_the_contract_in_virtual_time() -> None:
    run(check_channel(_open_pair))


def test_nodes_keep_the_contract(tmp_path: Path) -> None:
    run(check_transfers(_open_pair, tmp_path))


def test_three_nodes_reach_one_another() -> None:
    async def main() -> None:
        alice, bob, carol = memory_channels("alice", "bob", "carol")
        await alice.send("carol", "from alice")
        await bob.send("carol", "from bob")
        assert await _read(carol, 2) == [
            IncomingText("alice", "from alice"),
            IncomingText("bob", "from bob"),
        ]

    run(main())


def test_a_node_may_write_to_itself() -> None:
    async def main() -> None:
        (alice,) = memory_channels("alice")
        await alice.send("alice", "a note")
        assert await _read(alice, 1) == [IncomingText("alice", "a note")]

    run(main())


def test_a_sender_waits_for_a_slow_receiver() -> None:
    async def main() -> None:
        alice, bob = memory_channels("alice", "bob", capacity=2)
        await alice.send("bob", "1")
        await alice.send("bob", "2")
        third = asyncio.create_task(alice.send("bob", "3"))
        await asyncio.sleep(1)
        assert not third.done()
        async with contextlib.aclosing(bob.texts()) as texts:
            assert (await anext(texts)).text == "1"
            await asyncio.sleep(1)
            # Handled when the next one is asked for, and not before.
            assert not third.done()
            assert (await anext(texts)).text == "2"
            await third
            assert (await anext(texts)).text == "3"

    run(main())


@pytest.mark.parametrize("closer", [0, 1])
def test_closing_either_end_releases_a_sender_that_waits(closer: int) -> None:
    async def main() -> None:
        pair = memory_channels("alice", "bob", capacity=1)
        await pair[0].send("bob", "1")
        second = asyncio.create_task(pair[0].send("bob", "2"))
        await asyncio.sleep(1)
        await pair[closer].close()
        with pytest.raises(ChannelClosedError):
            await second

    run(main())


def test_sending_to_a_closed_or_an_unknown_peer_is_an_error() -> None:
    async def main() -> None:
        alice, bob = memory_channels("alice", "bob")
        await bob.close()
        with pytest.raises(ChannelClosedError, match="'bob' closed"):
            await alice.send("bob", "x")
        with pytest.raises(ChannelError, match="no node has the address 'carol'"):
            await alice.send("carol", "x")

    run(main())


def test_the_limits_are_those_it_was_made_with() -> None:
    limits = ChannelLimits(max_text=5)
    assert [end.limits for end in memory_channels("a", "b", limits=limits)] == [limits, limits]
    assert memory_channels("a")[0].limits.max_text == 2 * 1024 * 1024


def test_ids_that_repeat_and_a_capacity_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="once"):
        memory_channels("a", "a")
    with pytest.raises(ValueError, match="capacity"):
        memory_channels("a", "b", capacity=0)


def test_the_context_manager_closes_it() -> None:
    async def main() -> None:
        alice, bob = memory_channels("alice", "bob")
        async with alice as entered:
            assert isinstance(entered, MemoryChannel)
        with pytest.raises(ChannelClosedError):
            await bob.send("alice", "x")

    run(main())
