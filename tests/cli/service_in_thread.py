"""A service in a thread of this process, for commands that run in it, too."""

import asyncio
import socket
import threading
from typing import Self

from ocft.share import Limits, MemoryStore, Sessions, open_server
from tests.share.served import FREE


class Service:
    """A service in a thread of its own."""

    def __init__(self, limits: Limits = FREE) -> None:
        self.url = ""
        self.sessions = Sessions(store=MemoryStore(), limits=limits, accepts_new=True)
        self._is_up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_up.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        async with open_server(self.sessions, hosts=["127.0.0.1"], port=0) as server:
            self.url = server.bases[0]
            self._is_up.set()
            await self._end.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
