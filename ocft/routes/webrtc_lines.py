"""The WebRTC lines of a node, on an event loop of their own.

aiortc is Python through and through: on the bot's loop it would keep the bot's handlers waiting.
The thread begins with the first line, and so does the loading of aiortc.
"""

import asyncio
import importlib.util
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ocft.errors import AdapterNotInstalledError, ChannelClosedError
from ocft.routes.webrtc_words import WebRtcOptions

if TYPE_CHECKING:
    from ocft.routes.webrtc_line import Line

T = TypeVar("T")
_MOST_LINES: Final = 8
_STOP_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


def require_webrtc() -> None:
    """Look that the extra `webrtc` is there, without loading it.

    Raises:
        AdapterNotInstalledError: It is not.
    """
    if importlib.util.find_spec("aiortc") is None:
        raise AdapterNotInstalledError("WebRTC needs aiortc: pip install 'ocft[webrtc]'")


class Lines:
    """Makes lines. `open` and `stop` are for the bot's event loop, `wait_for` for other threads.

    Args:
        addresses: Gives the addresses of this machine that may be used; it may block.
        options: Which servers are asked for help.

    Raises:
        AdapterNotInstalledError: The extra `webrtc` is missing.
    """

    def __init__(self, addresses: Callable[[], Sequence[str]], options: WebRtcOptions) -> None:
        require_webrtc()
        self._addresses = addresses
        self._options = options
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._open: dict[Line, asyncio.Task[None] | None] = {}  # and those that are being closed
        self._is_stopped = False

    def addresses(self) -> Sequence[str]:
        """Return the addresses of this machine that may be used; it may block.

        Raises:
            ChannelClosedError: They cannot be read.
        """
        try:
            return self._addresses()
        except OSError as error:
            raise ChannelClosedError("The addresses of this machine cannot be read.") from error

    async def open(
        self,
        *,
        calls: bool,
        heard: Callable[[str | bytes], None],
        ended: Callable[[], None],
    ) -> "Line":
        """Make a line; see `Line`. It is to be closed with `close`.

        Raises:
            AdapterNotInstalledError: aiortc cannot be loaded.
            ChannelClosedError: There are too many, or this machine's addresses cannot be read.
        """
        making = asyncio.ensure_future(self.run(self._make(calls=calls, heard=heard, ended=ended)))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(self._unwanted)
            raise

    def close(self, line: "Line") -> None:
        """Have a line closed soon; `stop` waits for that."""
        loop = self._loop
        if loop is not None and not self._is_stopped:
            loop.call_soon_threadsafe(self._close, line)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something with a line.

        Raises:
            ChannelClosedError: All lines were closed.
        """
        return await asyncio.wrap_future(self._begin(work))

    def wait_for(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Do something with a line, from a worker thread.

        Raises:
            ChannelClosedError: It took longer than that, or all lines were closed.
        """
        future = self._begin(work)
        try:
            return future.result(seconds)
        except TimeoutError as error:
            future.cancel()
            raise ChannelClosedError("The peer takes nothing.") from error
        except CancelledError as error:
            raise ChannelClosedError("The WebRTC connection was closed.") from error

    async def stop(self) -> None:
        """Close what is open, and end the thread."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or self._is_stopped:
            self._is_stopped = True
            return
        try:
            await self.run(self._close_all())
        finally:
            self._is_stopped = True
            loop.call_soon_threadsafe(loop.stop)
            await asyncio.to_thread(thread.join, _STOP_SECONDS)

    def _begin(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        if self._is_stopped:
            work.close()
            raise ChannelClosedError("All WebRTC connections were closed.")
        if self._loop is None:
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=_turn, args=(loop,), name="ocft-webrtc", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # else all that comes later would wait for ever
                loop.close()
                work.close()
                raise ChannelClosedError("There are too many threads for WebRTC.") from error
            self._loop, self._thread = loop, thread
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _unwanted(self, making: "asyncio.Future[Line]") -> None:
        if not making.cancelled() and making.exception() is None:
            self.close(making.result())

    # On the loop of the lines:

    async def _make(
        self,
        *,
        calls: bool,
        heard: Callable[[str | bytes], None],
        ended: Callable[[], None],
    ) -> "Line":
        try:
            from ocft.routes.webrtc_line import Line
        except ImportError as error:  # one of its native parts, mostly
            raise AdapterNotInstalledError(
                f"aiortc cannot be loaded ({error}): pip install 'ocft[webrtc]'"
            ) from error

        if len(self._open) >= _MOST_LINES:
            raise ChannelClosedError("There are too many WebRTC connections.")
        line = Line(self.addresses(), self._options, calls=calls, heard=heard, ended=ended)
        self._open[line] = None
        return line

    def _close(self, line: "Line") -> "asyncio.Task[None]":
        closing = self._open.get(line)
        if closing is None:
            closing = self._open[line] = asyncio.ensure_future(line.close())
            closing.add_done_callback(lambda _: self._open.pop(line))
        return closing

    async def _close_all(self) -> None:
        await asyncio.gather(*map(self._close, tuple(self._open)))


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    # aiortc leaves tasks behind that still want to send when a connection has just gone.
    loop.set_exception_handler(lambda _, problem: _log.debug("webrtc: %s", problem))
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
