from collections.abc import Mapping
from enum import Enum
from typing import cast

import pytest

from ocft.errors import UnexpectedMessageError
from ocft.protocol import next_state
from ocft.protocol.wire2.states import RECEIVER, SENDER, ReceiverInput, SenderInput
from ocft.transfers import TransferState

S = TransferState
AnyTable = Mapping[TransferState, Mapping[Enum, TransferState]]
TABLES: dict[str, tuple[AnyTable, type[Enum]]] = {
    "sender": (cast("AnyTable", SENDER), SenderInput),
    "receiver": (cast("AnyTable", RECEIVER), ReceiverInput),
}
# Our own doings and conclusions, which nobody repeats: after the end they are mistakes of ours.
_OURS = {
    *(SenderInput.EXPIRE, SenderInput.CANCEL, SenderInput.FAIL),
    *(ReceiverInput.DECIDE_YES, ReceiverInput.DECIDE_NO, ReceiverInput.PUBLISHED),
    *(ReceiverInput.EXPIRE, ReceiverInput.CANCEL, ReceiverInput.FAIL),
}


def _reachable(table: AnyTable, start: TransferState) -> set[TransferState]:
    found, to_see = {start}, [start]
    while to_see:
        for following in table.get(to_see.pop(), {}).values():
            if following not in found:
                found.add(following)
                to_see.append(following)
    return found


@pytest.mark.parametrize(
    ("table", "state", "happened"),
    [
        pytest.param(table, state, happened, id=f"{name}-{state.value}-{happened.value}")
        for name, (table, inputs) in TABLES.items()
        for state in S
        for happened in inputs
    ],
)
def test_every_input_moves_or_is_refused(
    table: AnyTable, state: TransferState, happened: Enum
) -> None:
    if happened in table.get(state, {}):
        assert next_state(table, state, happened) is table[state][happened]
    else:
        with pytest.raises(UnexpectedMessageError) as caught:
            next_state(table, state, happened)
        assert state.value in str(caught.value)


@pytest.mark.parametrize(("table", "inputs"), TABLES.values(), ids=TABLES)
def test_every_input_is_used(table: AnyTable, inputs: type[Enum]) -> None:
    assert {happened for row in table.values() for happened in row} == set(inputs)


@pytest.mark.parametrize("name", TABLES)
def test_every_state_can_be_reached_but_what_the_side_never_is(name: str) -> None:
    never = {S.ACCEPTED} if name == "sender" else set()
    assert _reachable(TABLES[name][0], S.PENDING) == set(S) - never


@pytest.mark.parametrize("name", TABLES)
def test_every_state_that_is_not_final_has_a_way_to_success_and_to_failure(name: str) -> None:
    table, _ = TABLES[name]
    for state in _reachable(table, S.PENDING):
        if not state.is_final:
            assert {S.COMPLETED, S.FAILED} <= _reachable(table, state)


@pytest.mark.parametrize(("table", "inputs"), TABLES.values(), ids=TABLES)
def test_a_final_state_absorbs_what_a_peer_says_late_and_is_never_left(
    table: AnyTable, inputs: type[Enum]
) -> None:
    for state in filter(lambda state: state.is_final, S):
        assert set(table[state].values()) == {state}
        assert set(table[state]) == set(inputs) - _OURS


@pytest.mark.parametrize("name", TABLES)
def test_until_the_end_we_can_stop_and_a_peer_can(name: str) -> None:
    table, _ = TABLES[name]
    for state in _reachable(table, S.PENDING):
        if state.is_final:
            continue
        row = {happened.name: following for happened, following in table[state].items()}
        assert row["FAIL"] is S.FAILED
        if (name, state) == ("receiver", S.COMPLETING):
            # The files are being named: only that counts.
            assert row["PEER_FAILED"] is row["PEER_CANCELLED"] is state
            assert not {"EXPIRE", "CANCEL"} & row.keys()
            continue
        assert (row["EXPIRE"], row["CANCEL"]) == (S.FAILED, S.CANCELLED)
        assert (row["PEER_FAILED"], row["PEER_CANCELLED"]) == (S.FAILED, S.CANCELLED)


def test_only_files_with_their_names_complete_a_transfer() -> None:
    completing = {
        (state, happened)
        for table, _ in TABLES.values()
        for state, row in table.items()
        for happened, following in row.items()
        if following is S.COMPLETED and not state.is_final
    }
    assert completing == {
        # `done` may be all that a restarted sender hears.
        *((state, SenderInput.DONE) for state in (S.PENDING, S.TRANSFERRING, S.COMPLETING)),
        (S.COMPLETING, ReceiverInput.PUBLISHED),
    }


def test_a_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        SENDER[S.PENDING] = {}  # type: ignore[index]  # what is tested
