"""What every machine has in common, seen with one that only ends."""

from enum import Enum

import pytest

from ocft.errors import (
    OcftError,
    StorageError,
    TransferCancelledError,
    TransferFailedError,
    TransferRejectedError,
    TransferTimeoutError,
    UnexpectedMessageError,
)
from ocft.events import (
    TransferCancelled,
    TransferFailed,
    TransferRejected,
    TransferStarted,
)
from ocft.ids import NodeId, TransferId
from ocft.protocol import Machine, Notify, Patience
from ocft.transfers import TransferState

S = TransferState
ID, BOB = TransferId("xfer_1"), NodeId("bob")


class _Input(Enum):
    PEER_FAILED = "failed"
    PEER_CANCELLED = "cancelled"
    EXPIRE = "end of patience"


_LATE = (_Input.PEER_FAILED, _Input.PEER_CANCELLED)
_TABLE = {
    S.PENDING: {
        _Input.PEER_FAILED: S.FAILED,
        _Input.PEER_CANCELLED: S.CANCELLED,
        _Input.EXPIRE: S.FAILED,
    },
    S.COMPLETING: {  # nothing that the peer says counts any more
        _Input.PEER_FAILED: S.COMPLETING,
        _Input.PEER_CANCELLED: S.COMPLETING,
    },
    **{state: dict.fromkeys(_LATE, state) for state in S if state.is_final},
}


class _Ending(Machine[_Input, str]):
    """A machine that waits for one thing of its own, and for its end."""

    def __init__(self, state: TransferState = S.PENDING, patience: Patience | None = None) -> None:
        super().__init__(
            _TABLE, state, transfer_id=ID, peer_id=BOB, patience=patience or Patience()
        )
        self.own_at = 1e9

    @property
    def bytes_done(self) -> int:
        return 0

    def on_deadline(self, now: float) -> None:
        if self._is_out_of_patience(now):
            self._move(_Input.EXPIRE)
            self._end_by_timeout(now)

    def cancel(self, reason: str, now: float) -> None:
        self._end_by_cancel(reason)

    def fail(self, error: OcftError, now: float, *, is_resumable: bool = False) -> None:
        self._end_by_failure(error, is_resumable=is_resumable)

    def begin(self, now: float, first_wait: float | None = None) -> None:
        self._begin(now, first_wait)

    def stop(self, *, is_cancelled: bool, words: str = "") -> None:
        self._end_by_peer(
            failed=_Input.PEER_FAILED,
            cancelled=_Input.PEER_CANCELLED,
            code="STORAGE",
            words=words,
            is_cancelled=is_cancelled,
            is_recoverable=True,
        )

    def _next_moment(self) -> float:
        return self.own_at


def events(machine: _Ending) -> list[object]:
    return [output.event for output in machine.outputs() if isinstance(output, Notify)]


def test_outputs_come_once_and_in_their_order() -> None:
    machine = _Ending()
    started = TransferStarted(transfer_id=ID, peer_id=BOB)
    machine._outputs.append("write")
    machine._notify(started)
    assert machine.outputs() == ["write", Notify(started)]
    assert machine.outputs() == []


def test_the_deadline_is_what_comes_first() -> None:
    machine = _Ending(patience=Patience(idle=900, total=5000))
    machine.begin(100)
    assert machine.deadline == 1000
    machine.own_at = 500
    assert machine.deadline == 500
    assert machine.gives_up_at == 1000


def test_the_first_sign_of_the_peer_may_take_longer_than_later_ones() -> None:
    machine = _Ending(patience=Patience(decision=3600, idle=900))
    machine.begin(0, machine._patience.decision)
    assert machine.gives_up_at == 3600
    machine._note_sign_of_life(1000)
    assert machine.gives_up_at == 1900


def test_before_it_begins_it_does_not_give_up() -> None:
    assert _Ending().gives_up_at is None


def test_a_sign_of_life_does_not_prolong_the_whole_time() -> None:
    machine = _Ending(patience=Patience(idle=900, total=1000))
    machine.begin(0)
    machine._note_sign_of_life(800)
    assert machine.gives_up_at == 1000
    machine.on_deadline(1000)
    assert machine.state is S.FAILED
    assert "longer than 1000 seconds" in str(machine.error)


def test_silence_ends_it_and_it_can_go_on_later() -> None:
    machine = _Ending()
    machine.begin(0)
    machine.on_deadline(899)
    assert machine.state is S.PENDING
    machine.on_deadline(900)
    assert isinstance(machine.error, TransferTimeoutError)
    assert "900 seconds" in str(machine.error)
    assert machine.is_resumable
    assert [type(event) for event in events(machine)] == [TransferFailed]


def test_after_the_end_nothing_is_due() -> None:
    machine = _Ending(S.CANCELLED)
    machine.begin(0)
    assert machine.deadline is None
    assert machine.gives_up_at is None


def test_the_peers_end_is_ours_and_told_once() -> None:
    failed = _Ending()
    failed.stop(is_cancelled=False, words="no space")
    assert (failed.state, failed.is_resumable) == (S.FAILED, True)
    assert isinstance(failed.error, TransferFailedError)
    assert str(failed.error) == "The peer gave up (STORAGE): no space"
    failed.stop(is_cancelled=True)
    assert failed.state is S.FAILED
    (told,) = events(failed)
    assert isinstance(told, TransferFailed)
    cancelled = _Ending()
    cancelled.stop(is_cancelled=True, words="enough")
    assert isinstance(cancelled.error, TransferCancelledError)
    assert [type(event) for event in events(cancelled)] == [TransferCancelled]


def test_an_end_without_words_has_no_colon_after_it() -> None:
    machine = _Ending()
    machine.stop(is_cancelled=False)
    assert str(machine.error) == "The peer gave up (STORAGE)"


def test_where_the_table_says_so_the_peers_end_comes_too_late() -> None:
    machine = _Ending(S.COMPLETING)
    machine.stop(is_cancelled=False)
    machine.stop(is_cancelled=True)
    assert (machine.state, machine.error, machine.outputs()) == (S.COMPLETING, None, [])


def test_our_own_ends_say_why() -> None:
    machine = _Ending()
    machine.fail(StorageError("full"), 0, is_resumable=True)
    (failed,) = events(machine)
    assert failed == TransferFailed(
        transfer_id=ID, peer_id=BOB, code="STORAGE", reason="full", is_resumable=True
    )
    machine = _Ending()
    machine.cancel("enough", 0)
    assert "enough" in str(machine.error)
    machine = _Ending()
    machine._end_by_rejection("no")
    assert isinstance(machine.error, TransferRejectedError)
    assert [type(event) for event in events(machine)] == [TransferRejected]


def test_a_move_that_is_not_in_the_table_changes_nothing() -> None:
    machine = _Ending(S.COMPLETING)
    with pytest.raises(UnexpectedMessageError):
        machine._move(_Input.EXPIRE)
    assert machine.state is S.COMPLETING
