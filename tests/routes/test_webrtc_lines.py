"""The thread of the lines: what it opens, it closes."""

import asyncio
import subprocess
import sys
import threading
from unittest import mock

import pytest

from ocft.errors import AdapterNotInstalledError, ChannelClosedError
from ocft.routes import Lines, WebRtcOptions, require_webrtc
from ocft.routes.webrtc_line import Line


def lines() -> Lines:
    return Lines(lambda: ["127.0.0.1"], WebRtcOptions())


async def opened(one: Lines) -> Line:
    return await one.open(calls=True, heard=lambda message: None, ended=lambda: None)


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "ocft-webrtc"]


def test_nothing_is_loaded_and_no_thread_begins_before_the_first_line() -> None:
    code = (
        "import sys; from ocft.routes import Lines, WebRtcOptions; Lines(list, WebRtcOptions());"
        "print([one for one in sys.modules if one.startswith(('aiortc', 'aioice', 'av.'))])"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert output.stdout.strip() == b"[]"
    lines()
    assert not threads()


def test_a_missing_extra_is_said_with_what_installs_it() -> None:
    with (
        mock.patch("importlib.util.find_spec", return_value=None),
        pytest.raises(AdapterNotInstalledError, match=r"pip install 'ocft\[webrtc\]'"),
    ):
        require_webrtc()


def test_what_is_open_is_closed_at_the_end() -> None:
    async def main() -> None:
        one = lines()
        line = await opened(one)
        await one.run(line.gather())
        assert threads()
        await one.stop()
        assert line._is_over
        with pytest.raises(ChannelClosedError):
            await opened(one)
        one.close(line)  # late, and harmless
        await one.stop()

    asyncio.run(main())
    assert not threads()


def test_there_are_not_more_than_eight_at_once() -> None:
    async def main() -> None:
        one = lines()
        try:
            all_of_them = [await opened(one) for _ in range(8)]
            with pytest.raises(ChannelClosedError, match="too many"):
                await opened(one)
            one.close(all_of_them[0])
            async with asyncio.timeout(5):
                while len(one._open) == 8:
                    await asyncio.sleep(0.005)
            await opened(one)
        finally:
            await one.stop()

    asyncio.run(main())


def test_a_line_that_nobody_wants_any_more_is_closed() -> None:
    async def main() -> None:
        one = lines()
        try:
            opening = asyncio.ensure_future(opened(one))
            await asyncio.sleep(0)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            async with asyncio.timeout(5):
                await one.run(asyncio.sleep(0))  # it is made by now
                await asyncio.sleep(0.05)
                while one._open:
                    await asyncio.sleep(0.005)
        finally:
            await one.stop()

    asyncio.run(main())


def test_a_worker_that_waits_is_let_go_at_the_end() -> None:
    async def main() -> None:
        one = lines()
        waiting = asyncio.ensure_future(asyncio.to_thread(one.wait_for, asyncio.sleep(60), 60))
        await asyncio.sleep(0.05)
        await one.stop()
        with pytest.raises(ChannelClosedError):
            await waiting

    asyncio.run(main())


def test_an_aiortc_that_cannot_be_loaded_is_an_error_of_the_way_only() -> None:
    """A native part may be missing: the channel carries the bytes then."""

    async def main() -> None:
        one = lines()
        try:
            with (
                mock.patch.dict(sys.modules, {"ocft.routes.webrtc_line": None}),
                pytest.raises(AdapterNotInstalledError, match=r"ocft\[webrtc\]"),
            ):
                await opened(one)
        finally:
            await one.stop()

    asyncio.run(main())


def test_addresses_that_cannot_be_read_are_no_way() -> None:
    async def main() -> None:
        one = Lines(mock.Mock(side_effect=OSError("no")), WebRtcOptions())
        try:
            with pytest.raises(ChannelClosedError):
                await opened(one)
        finally:
            await one.stop()

    asyncio.run(main())


def test_a_thread_that_cannot_begin_is_no_way_for_the_moment_only() -> None:
    async def main() -> None:
        one = lines()
        with (
            mock.patch.object(threading.Thread, "start", side_effect=RuntimeError("no thread")),
            pytest.raises(ChannelClosedError, match="too many threads"),
        ):
            await opened(one)
        async with asyncio.timeout(10):
            await opened(one)
            await one.stop()

    asyncio.run(main())
