import asyncio
import threading
import time

import pytest

from ocft.testing import DeadlockError, run


def test_a_month_passes_in_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(30 * 86400)
        return asyncio.get_running_loop().time()

    started = time.monotonic()
    assert run(main()) == pytest.approx(30 * 86400)
    assert time.monotonic() - started < 5


def test_timers_fire_in_the_order_of_their_times() -> None:
    order: list[str] = []

    async def wait(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        order.append(f"{name} at {asyncio.get_running_loop().time():.1f}")

    async def main() -> None:
        await asyncio.gather(wait(3, "c"), wait(1, "a"), wait(2, "b"))

    run(main())
    assert order == ["a at 1.0", "b at 2.0", "c at 3.0"]


def test_a_timeout_ends_what_would_wait_for_ever() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(600)


def test_waiting_for_what_never_happens_is_an_error_that_names_the_tasks() -> None:
    async def wait_for_godot() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match=r"nothing will ever happen.*wait_for_godot"):
        run(wait_for_godot())


def test_what_is_meant_for_a_thread_runs_at_once_in_this_one() -> None:
    async def main() -> list[object]:
        return [
            await asyncio.to_thread(threading.get_ident),
            await asyncio.get_running_loop().run_in_executor(None, int, "7"),
        ]

    assert run(main()) == [threading.get_ident(), 7]


def test_an_error_in_a_thread_call_reaches_whoever_awaits_it() -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)

    run(main())


def test_a_thread_call_lets_other_tasks_run() -> None:
    async def main() -> bool:
        other = asyncio.create_task(asyncio.sleep(0))
        await asyncio.to_thread(int)
        await asyncio.to_thread(int)
        return other.done()

    assert run(main())


def test_cancelling_a_thread_call_leaves_no_mess() -> None:
    async def main() -> None:
        call = asyncio.create_task(asyncio.to_thread(int))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(1)

    run(main())


def test_the_result_and_the_exceptions_are_those_of_the_coroutine() -> None:
    async def fail() -> None:
        await asyncio.sleep(1)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(fail())
