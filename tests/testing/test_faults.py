import asyncio
import contextlib
import random

import pytest

from ocft.channels import memory_channels
from ocft.errors import ChannelClosedError, MessageTooLongError
from ocft.testing import Faults, FaultyChannel, check_channel, run
from ocft.testing.faults import MAX_DELAYED

TEXTS = [f"text number {number:03}" for number in range(200)]


async def _through(faults: Faults, seed: int | random.Random = 1) -> list[tuple[float, str]]:
    """Send `TEXTS`, a second apart, and return what arrived when."""
    alice, bob = memory_channels("alice", "bob", capacity=1000)
    loop = asyncio.get_running_loop()
    arrived: list[tuple[float, str]] = []

    async def read() -> None:
        async for text in bob.texts():
            arrived.append((loop.time(), text.text))  # noqa: PERF401 - the time of each arrival

    async with FaultyChannel(alice, seed=seed, faults=faults) as channel:
        reader = asyncio.create_task(read())
        for text in TEXTS:
            await channel.send("bob", text)
            await asyncio.sleep(1)
        await asyncio.sleep(1000)
    await bob.close()
    await reader
    return arrived


def _texts(faults: Faults, seed: int | random.Random = 1) -> list[str]:
    return [text for _, text in run(_through(faults, seed))]


def test_without_faults_everything_arrives_as_it_was_sent() -> None:
    assert _texts(Faults()) == TEXTS


def test_the_same_seed_makes_the_same_faults_and_another_one_others() -> None:
    faults = Faults(loss=0.1, duplication=0.1, reordering=0.1, damage=0.1, delay=(0.5, 4))
    assert run(_through(faults, 7)) == run(_through(faults, random.Random(7)))
    assert run(_through(faults, 7)) != run(_through(faults, 8))


def test_loss_takes_about_as_many_as_it_says() -> None:
    left = _texts(Faults(loss=0.3))
    assert 100 < len(left) < 180
    assert _texts(Faults(loss=1)) == []
    assert [text for text in TEXTS if text in set(left)] == left


def test_duplication_repeats_texts() -> None:
    assert _texts(Faults(duplication=1)) == [text for text in TEXTS for _ in range(2)]


def test_reordering_lets_later_texts_overtake() -> None:
    arrived = _texts(Faults(reordering=0.2, delay=(0, 3)))
    assert arrived != TEXTS
    assert sorted(arrived) == TEXTS


def test_damage_changes_exactly_one_character() -> None:
    for sent, received in zip(TEXTS, _texts(Faults(damage=1)), strict=True):
        assert len(sent) == len(received)
        assert sum(a != b for a, b in zip(sent, received, strict=True)) == 1


def test_truncation_leaves_the_beginning() -> None:
    for sent, received in zip(TEXTS, _texts(Faults(truncation=1)), strict=True):
        assert len(received) < len(sent)
        assert sent.startswith(received)


def test_a_delay_keeps_the_order_and_its_bounds() -> None:
    arrived = run(_through(Faults(delay=(2, 10))))
    assert [text for _, text in arrived] == TEXTS
    for number, (time, _) in enumerate(arrived):
        assert number + 2 <= time
    assert max(time - number for number, (time, _) in enumerate(arrived)) <= 10 + 1e-6


def test_an_empty_text_survives_damage_and_truncation() -> None:
    async def main() -> str:
        alice, bob = memory_channels("alice", "bob")
        channel = FaultyChannel(alice, seed=1, faults=Faults(damage=1, truncation=1))
        await channel.send("bob", "")
        async with contextlib.aclosing(bob.texts()) as texts:
            return (await anext(texts)).text

    assert run(main()) == ""


def test_a_lossless_faulty_channel_keeps_the_contract() -> None:
    async def open_pair() -> tuple[FaultyChannel, FaultyChannel]:
        chance = random.Random(3)
        faults = Faults(delay=(0.1, 0.5))
        alice, bob = memory_channels("alice", "bob")
        return (
            FaultyChannel(alice, seed=chance, faults=faults),
            FaultyChannel(bob, seed=chance, faults=faults),
        )

    run(check_channel(open_pair))


def test_what_is_under_way_is_bounded_and_dropped_on_close() -> None:
    async def main() -> None:
        alice, bob = memory_channels("alice", "bob")
        channel = FaultyChannel(alice, seed=1, faults=Faults(delay=(1000, 1000)))
        for number in range(MAX_DELAYED):
            await channel.send("bob", str(number))
        one_more = asyncio.create_task(channel.send("bob", "one more"))
        await asyncio.sleep(1)
        assert not one_more.done()
        await channel.close()
        with pytest.raises(ChannelClosedError):
            await one_more
        with pytest.raises(ChannelClosedError):
            await channel.send("bob", "late")
        reader = asyncio.create_task(anext(bob.texts(), None))
        await asyncio.sleep(5000)
        assert not reader.done()
        await bob.close()
        assert await reader is None

    run(main())


def test_a_text_that_is_due_after_its_receiver_closed_is_lost_quietly() -> None:
    async def main() -> None:
        alice, bob = memory_channels("alice", "bob")
        async with FaultyChannel(alice, seed=1, faults=Faults(delay=(1, 1))) as channel:
            await channel.send("bob", "x")
            await bob.close()
            await asyncio.sleep(5)

    run(main())


def test_a_text_that_is_too_long_is_refused_even_if_it_would_be_lost() -> None:
    async def main() -> None:
        alice, _ = memory_channels("alice", "bob")
        channel = FaultyChannel(alice, seed=1, faults=Faults(loss=1))
        with pytest.raises(MessageTooLongError):
            await channel.send("bob", "x" * (channel.limits.max_text + 1))

    run(main())


@pytest.mark.parametrize("delay", [(-1.0, 1.0), (2.0, 1.0)])
def test_faults_that_make_no_sense_are_refused(delay: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="delay"):
        Faults(delay=delay)
    with pytest.raises(ValueError, match="loss"):
        Faults(loss=1.1)
