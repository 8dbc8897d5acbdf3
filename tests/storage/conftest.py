from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ocft.ids import NodeId, TransferId
from ocft.storage import Database, Journal, TransferRecord
from ocft.transfers import Direction, TransferInfo, TransferState
from ocft.wire import digest_of

MakeRecord = Callable[..., TransferRecord]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "home" / "ocft.sqlite3") as database:
        yield database


@pytest.fixture
def journal(database: Database) -> Journal:
    return Journal(database)


@pytest.fixture
def make_record() -> MakeRecord:
    def make(
        transfer_id: str = "xfer_1",
        *,
        content: bytes = b"",
        channel: str = "local:bob",
        state: TransferState = TransferState.TRANSFERRING,
        started_at: float = 1.0,
        updated_at: float = 1.0,
        is_resumable: bool = False,
        owes_final_ack: bool = False,
    ) -> TransferRecord:
        info = TransferInfo(
            id=TransferId(transfer_id),
            direction=Direction.RECEIVE,
            state=state,
            peer_id=NodeId("alice"),
            filename="report.pdf",
            size=len(content),
            mime_type="application/pdf",
            digest=digest_of(content),
            chunk_size=10,
            total_chunks=-(-len(content) // 10),
            started_at=started_at,
            updated_at=updated_at,
            is_resumable=is_resumable,
        )
        return TransferRecord(info=info, channel=channel, owes_final_ack=owes_final_ack)

    return make
