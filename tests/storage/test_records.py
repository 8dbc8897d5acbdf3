from dataclasses import replace

import pytest

from ocft.ids import NodeId, TransferId
from ocft.storage import Journal, SourceSnapshot, TransferRecord
from ocft.transfers import Direction, TransferInfo, TransferState

_FULL = TransferRecord(
    info=TransferInfo(
        id=TransferId("xfer_1"),
        direction=Direction.SEND,
        state=TransferState.FAILED,
        peer_id=NodeId("bob"),
        filename="a\0b\n.txt",
        size=2**53 - 1,
        mime_type="text/plain",
        digest="0" * 64,
        chunk_size=49152,
        total_chunks=3,
        bytes_done=17,
        started_at=1.5,
        updated_at=2.5,
        completed_at=3.5,
        error_code="STORAGE",
        error="no",
        local_path="/srv/\udcff.txt",  # a name on disk that is no UTF-8
        is_resumable=True,
        wire="2",
        file_count=3,
    ),
    channel="telegram:1",
    source=SourceSnapshot(size=5, mtime_ns=1_700_000_000_123_456_789, inode=2**64 - 1, device=7),
    keeps_chunks=True,
    accepted_at=1_700_000_000_123,
    sender_repeats=True,
    publishing="/srv/\udcfe.txt",
    owes_final_ack=True,
    epoch=2**62,
    offered_at=1_700_000_000_456,
    manifest_size=120,
    left_out=frozenset({2, 0}),
    is_decided=True,
)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(_FULL, id="everything is set"),
        pytest.param(replace(_FULL, keeps_chunks=False), id="False is not None"),
        pytest.param(
            TransferRecord(
                info=replace(
                    _FULL.info, completed_at=None, error_code=None, error=None, local_path=None
                ),
                channel="local",
            ),
            id="nothing is set",
        ),
    ],
)
def test_a_record_comes_back_as_it_was_added(journal: Journal, record: TransferRecord) -> None:
    assert journal.add(record)
    assert journal.get(record.info.id) == record
    assert journal.records() == [record]
