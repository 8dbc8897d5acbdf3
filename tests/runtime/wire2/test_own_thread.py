"""Work in threads of its own, and what becomes of its errors."""

import asyncio
import threading
from unittest import mock

import pytest

from ocft.errors import ChannelClosedError
from ocft.runtime.wire2.own_thread import in_own_thread


def test_what_the_work_raises_is_raised() -> None:
    def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_own_thread(work, "test"))


def test_a_thread_that_cannot_begin_is_a_connection_that_cannot_be_used() -> None:
    """The channel carries the bytes then."""
    loop = asyncio.new_event_loop()
    try:
        with (
            mock.patch.object(threading.Thread, "start", side_effect=RuntimeError("no thread")),
            pytest.raises(ChannelClosedError, match="too many threads"),
        ):
            loop.run_until_complete(in_own_thread(lambda: None, "test"))
    finally:
        loop.close()
