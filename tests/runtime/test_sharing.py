"""`ocft.runtime.sharing`: who drives. With real processes: tests/e2e/test_cli.py."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ocft.channels import open_local
from ocft.errors import ChannelHeldError, TransferTimeoutError
from ocft.events import Event
from ocft.ids import NodeId, TransferId
from ocft.runtime import TransferManager, outgoing_files
from ocft.runtime.sharing import Sharing
from ocft.storage import ChannelLock, Database, Journal, Request, RequestKind

PATIENCE = 10.0  # seconds
RESUMED = "transfer-resumed"


class Process:
    """What a process of a node has: a journal connection and a way to its channel."""

    def __init__(self, folder: Path, node_id: str = "alice") -> None:
        self.home = folder / node_id
        self.managers: list[TransferManager] = []
        self.journal = Journal(Database(self.home / "journal.db"))

        @asynccontextmanager
        async def open_manager(sends_only: bool) -> AsyncGenerator[TransferManager, None]:  # noqa: FBT001 - as OpenManager says
            async with await open_local(node_id, {"spool": str(folder / "spool")}) as channel:
                manager = TransferManager(
                    wires=("1.0",),
                    bot_id=node_id,
                    secret="secret",
                    download_dir=self.home / "in",
                    channel=channel,
                    auto_accept=True,
                    state_dir=self.home,
                    shares_journal=True,
                    sends_only=sends_only,
                )
                self.managers.append(manager)
                try:
                    yield manager
                finally:
                    await manager.close()

        self.sharing = Sharing(
            self.journal, state_dir=self.home, channel="local", open_manager=open_manager
        )

    async def record(self, path: Path) -> TransferId:
        path.write_text("content")
        outgoing = await outgoing_files(
            NodeId("bob"), [path], channel="local", wall_clock=time.time
        )
        outgoing.add_to(self.journal)
        return outgoing.record.info.id

    def close(self) -> None:
        self.journal.database.close()


def state_of(process: Process) -> tuple[bool, bool]:
    return process.sharing.is_listened, process.sharing.is_driven


def test_one_listens_the_second_is_refused(tmp_path: Path) -> None:
    one, two = Process(tmp_path), Process(tmp_path)

    async def check() -> None:
        async with one.sharing.listening(lambda: None):
            assert state_of(two) == (True, True)
            with pytest.raises(ChannelHeldError):
                await two.sharing.listening(lambda: None).__aenter__()
        assert state_of(two) == (False, False)

    asyncio.run(check())
    one.close()
    two.close()


def test_cancelled_while_driving_everything_is_given_back(tmp_path: Path) -> None:
    process = Process(tmp_path)
    told: list[Event] = []

    async def check() -> None:
        transfer_id = await process.record(tmp_path / "f")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await process.sharing.finish([transfer_id], told.append)
        assert not process.sharing.is_driven
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(check())
    assert [event.name for event in told] == ["offer-sent"]
    assert len(process.managers) == 1
    process.close()


def test_what_the_listener_of_events_raises_ends_it(tmp_path: Path) -> None:
    process = Process(tmp_path)

    def refuse(_event: Event) -> None:
        raise BrokenPipeError

    async def check() -> None:
        transfer_id = await process.record(tmp_path / "f")
        with pytest.raises(BrokenPipeError):
            await process.sharing.finish([transfer_id], refuse)
        assert not process.sharing.is_driven

    asyncio.run(check())
    process.close()


def test_a_sender_makes_way_and_follows(tmp_path: Path) -> None:
    sender, listener = Process(tmp_path), Process(tmp_path)

    async def check() -> None:
        transfer_id = await sender.record(tmp_path / "f")
        finishing = asyncio.create_task(sender.sharing.finish([transfer_id], lambda _: None))
        async with asyncio.timeout(PATIENCE):
            while not sender.sharing.is_driven:
                await asyncio.sleep(0.01)
            waits: list[bool] = []
            async with listener.sharing.listening(lambda: waits.append(True)) as drive:
                assert waits == [True]
                assert not finishing.done()
                while (event := await drive.next_event()) is None or event.name != RESUMED:
                    pass
                await listener.managers[0].cancel_transfer(transfer_id)
                await finishing

    asyncio.run(check())
    assert len(sender.managers) == 1
    sender.close()
    listener.close()


def test_a_request_that_nobody_acts_on_is_asked_again_and_then_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocft.runtime.sharing._REQUEST_PATIENCE", 0.5)
    monkeypatch.setattr("ocft.runtime.sharing._ASK_AGAIN_AFTER", 0.1)
    process = Process(tmp_path)

    async def check() -> None:
        transfer_id = await process.record(tmp_path / "f")
        request = Request(transfer_id, RequestKind.CANCEL)
        # By one who never drives.
        with ChannelLock(process.home / "local.listener.lock"), pytest.raises(TransferTimeoutError):
            await process.sharing.finish([transfer_id], lambda _: None, requests=[request])
        assert len(process.journal.take_requests("local")) > 1

    asyncio.run(check())
    process.close()
