"""`ocft.runtime.engine`: reading goes on whatever happens to a channel."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from ocft.channels import IncomingText
from ocft.errors import ChannelClosedError, JournalError, OcftError
from ocft.testing import run
from tests.runtime.pair import write_source
from tests.runtime.sealed_pair import RoomChannel, sealed_nodes


@pytest.mark.parametrize(
    "error", [JournalError("the disk is full"), ChannelClosedError("cut"), OSError("no room")]
)
def test_a_channel_that_stumbles_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OcftError | OSError
) -> None:
    texts, errors = RoomChannel.texts, [error]

    async def stumble(channel: RoomChannel) -> AsyncGenerator[IncomingText, None]:
        async for text in texts(channel):
            yield text
            if channel.node == "bob" and errors:
                raise errors.pop()  # as a mark of how far was read that cannot be kept

    monkeypatch.setattr(RoomChannel, "texts", stumble)

    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, b"x" * 99))
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": b"x" * 99}
            assert not errors

    run(main())
