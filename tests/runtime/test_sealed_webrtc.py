"""Files that go through a WebRTC line, between two real ends on one machine.

In real time: threads and sockets do the work. Waits are made short.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import pytest

from ocft import ChannelLimits, DirectOptions, WebRtcOptions
from ocft.wire import FrameType
from tests.runtime.pair import write_source
from tests.runtime.sealed_pair import Node, inside, sealed_nodes

MIB = 1024 * 1024
NARROW = ChannelLimits(max_text=4096)
NOISE = random.Random(7).randbytes(6 * MIB + 12_345)
HERE = ("127.0.0.1",)
WEBRTC = DirectOptions(listens=False, addresses=HERE, webrtc=WebRtcOptions())


@pytest.fixture(autouse=True)
def _short_waits() -> Iterator[None]:
    sending, receiving = "ocft.runtime.wire2.direct_sending", "ocft.runtime.wire2.direct_receiving"
    with (
        mock.patch(f"{sending}._FIRST_HOPE", 2.0),
        mock.patch(f"{sending}._HOPE", 0.3),
        mock.patch(f"{sending}._STALLED", 1.0),
        mock.patch(f"{receiving}._PAUSES", (0.001,) * 5),
    ):
        yield


@asynccontextmanager
async def nodes(
    folder: Path, *, ours: DirectOptions | None = WEBRTC, theirs: DirectOptions | None = WEBRTC
) -> AsyncIterator[tuple[Node, Node]]:
    options = {"direct": ours}, {"direct": theirs}
    async with sealed_nodes(folder, *options, limits=NARROW) as (alice, bob):
        yield alice, bob


async def send(alice: Node, folder: Path, data: bytes = NOISE) -> str:
    transfer_id = await alice.manager.send_file("bob", write_source(folder, data))
    async with asyncio.timeout(60):
        await alice.manager.wait(transfer_id)
    return transfer_id


def test_a_file_goes_through_a_line(tmp_path: Path) -> None:  # R-RTC-1
    async def main() -> None:
        async with nodes(tmp_path) as (alice, bob):
            await send(alice, tmp_path)
            assert bob.tree() == {"report.bin": NOISE}
            assert alice.room.count(FrameType.DATA) == 0
            assert alice.room.count(FrameType.ACK) <= 2

    asyncio.run(main())
