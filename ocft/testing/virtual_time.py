"""An asyncio event loop in which time costs nothing.

When nothing is ready, the loop does not wait for its next timer: it moves its clock there. A test
of an hour of time-outs takes milliseconds and always takes the same course. What runs in a thread
otherwise (`asyncio.to_thread`, `run_in_executor`) runs at once, in the loop's own thread. Programs
that wait for the world outside, for sockets, processes or threads of their own, cannot run here.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class DeadlockError(RuntimeError):
    """Every task waits, and no timer will ever wake one of them."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """The loop; `time()` starts at 0 and moves only when there is nothing else to do."""

    def __init__(self) -> None:
        self._virtual_now = 0.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._virtual_now

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002 - the signature is asyncio's
        func: Callable[[Unpack[_Ts]], _T],
        *args: *_Ts,
    ) -> "asyncio.Future[_T]":
        """Call the function now; its future is done when the loop comes round."""
        future: asyncio.Future[_T] = self.create_future()
        try:
            result = func(*args)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to who awaits
            self.call_soon(_unless_done, future, future.set_exception, error)
        else:
            self.call_soon(_unless_done, future, future.set_result, result)
        return future

    def _jump(self, seconds: float | None) -> None:
        if seconds is None:
            waiting = ", ".join(sorted(_describe(task) for task in asyncio.all_tasks(self)))
            raise DeadlockError(f"deadlock: nothing will ever happen; what waits: {waiting}")
        self._virtual_now += seconds


class _JumpingSelector(selectors.BaseSelector):
    """Never waits: reports what is ready, or has the clock moved by the time asked for."""

    def __init__(self, jump: Callable[[float | None], None]) -> None:
        self._inner = selectors.DefaultSelector()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._inner.select(0)
        if not ready and timeout != 0:
            self._jump(timeout)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()


def _describe(task: "asyncio.Task[Any]") -> str:
    coroutine = task.get_coro()
    return f"{task.get_name()} in {getattr(coroutine, '__qualname__', coroutine)}"


def _unless_done(future: "asyncio.Future[_T]", finish: Callable[[Any], None], value: Any) -> None:
    # Whoever waited may have been cancelled in the meantime.
    if not future.done():
        finish(value)


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end in virtual time, as `asyncio.run` does in real time.

    Raises:
        DeadlockError: Everything waits and nothing will ever happen.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
