from dataclasses import FrozenInstanceError, fields, replace

import pytest

from ocft.ids import NodeId, TransferId
from ocft.transfers import Direction, TransferInfo, TransferState
from tests.golden.recorded import TRANSFERS

INFO = TransferInfo(
    id=TransferId("xfer_1"),
    direction=Direction.SEND,
    state=TransferState.PENDING,
    peer_id=NodeId("bob"),
    filename="x",
    size=1,
    mime_type="",
    digest="0" * 64,
    chunk_size=1,
    total_chunks=1,
)


def test_states_have_the_words_of_wire_1_0() -> None:
    words = {state.value for state in TransferState}
    assert words == {
        "pending",
        "accepted",
        "rejected",
        "transferring",
        "completing",
        "completed",
        "failed",
        "cancelled",
    }
    for transfer in TRANSFERS.values():
        assert {transfer.sender_state, transfer.receiver_state} <= words | {None}


def test_four_states_are_final() -> None:
    final = {state.value for state in TransferState if state.is_final}
    assert final == {"completed", "rejected", "failed", "cancelled"}


def test_a_snapshot_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        INFO.state = TransferState.COMPLETED  # type: ignore[misc]  # what is tested
    assert replace(INFO, size=2) != INFO


def test_a_new_snapshot_claims_nothing() -> None:
    defaults = {field.name: getattr(INFO, field.name) for field in fields(INFO)}
    assert defaults["bytes_done"] == 0
    assert defaults["is_resumable"] is False
    assert {defaults[name] for name in ("completed_at", "error_code", "error", "local_path")} == {
        None
    }
