"""Listeners by name and streams of everything."""

import asyncio

import pytest

from ocft.errors import ConfigError
from ocft.events import AckReceived, Event, TransferStarted
from ocft.ids import NodeId, TransferId
from ocft.runtime.listeners import Listeners
from ocft.testing import run


def started(name: str = "xfer_1") -> TransferStarted:
    return TransferStarted(transfer_id=TransferId(name), peer_id=NodeId("bob"))


def acked(index: int) -> AckReceived:
    return AckReceived(
        transfer_id=TransferId("xfer_1"), peer_id=NodeId("bob"), index=index, bytes_done=0
    )


def test_a_listener_hears_only_its_event() -> None:
    listeners = Listeners()
    heard: list[Event] = []
    listeners.add("transfer-started", heard.append)
    listeners.tell(acked(0))
    listeners.tell(started())
    assert heard == [started()]


def test_an_event_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="transfer-started"):
        Listeners().add("transfer-begun", print)


def test_a_stream_that_is_not_read_drops_progress_but_no_end() -> None:
    async def main() -> None:
        listeners = Listeners()
        stream = listeners.stream()
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        for index in range(5000):
            listeners.tell(acked(index))
        listeners.tell(started("xfer_last"))
        await first
        await listeners.close()
        rest = [event async for event in stream]
        assert len(rest) <= 1001
        assert rest[-1] == started("xfer_last")

    run(main())


def test_streams_end_when_the_listeners_are_closed() -> None:
    async def main() -> None:
        listeners = Listeners()

        async def read() -> list[Event]:
            return [event async for event in listeners.stream()]

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        listeners.tell(started())
        await listeners.close()
        assert await reading == [started()]

    run(main())
