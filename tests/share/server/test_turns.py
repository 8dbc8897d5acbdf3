import asyncio
import itertools

from ocft.share.server.turns import Turns


def test_few_of_many_move_in_one_turn_of_the_loop_and_all_in_order() -> None:
    async def work() -> None:
        turns, moved = Turns(), list[int]()

        async def move(number: int) -> None:
            await turns.wait()
            moved.append(number)

        moving = [asyncio.ensure_future(move(number)) for number in range(100)]
        counts = [0]
        while len(moved) < len(moving):
            await asyncio.sleep(0)
            counts.append(len(moved))
        most = max(after - before for before, after in itertools.pairwise(counts))
        assert most == 4
        assert moved == list(range(100))

    asyncio.run(work())


def test_who_is_cancelled_while_it_waits_holds_up_nobody() -> None:
    async def work() -> None:
        turns = Turns()
        waiting = [asyncio.ensure_future(turns.wait()) for _ in range(20)]
        for one in waiting[4:10]:
            await asyncio.sleep(0)
            one.cancel()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(one is None for one in ends) >= 14
        async with asyncio.timeout(5):
            for _ in range(10):
                await turns.wait()

    asyncio.run(work())
