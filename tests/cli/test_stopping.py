"""`ocft.cli.stopping`: a signal ends a command in good order."""

import asyncio
import os
import signal

import pytest

from ocft.cli.stopping import Stopped, run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_the_work_and_names_its_status(number: signal.Signals) -> None:
    was_closed = False

    async def work() -> None:
        nonlocal was_closed
        os.kill(os.getpid(), number)
        try:
            await asyncio.sleep(10)
        finally:
            was_closed = True

    with pytest.raises(Stopped, match="go on so") as caught:
        run(work(), when_stopped="go on so")
    assert was_closed
    assert caught.value.exit_status == 128 + number


def test_a_second_signal_ends_what_does_not_end() -> None:
    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(10)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(10)

    with pytest.raises(Stopped):
        run(work())


def test_a_result_and_an_error_come_through() -> None:
    async def work(value: int) -> int:
        if value < 0:
            raise ValueError("negative")
        return value

    assert run(work(5)) == 5
    with pytest.raises(ValueError, match="negative"):
        run(work(-1))


def test_signals_mean_what_they_meant_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def work() -> None:
        pass

    run(work())
    assert signal.getsignal(signal.SIGTERM) is before
