from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.errors import (
    DigestMismatchError,
    StorageError,
    TransferCancelledError,
    TransferFailedError,
    TransferTimeoutError,
    UnexpectedMessageError,
)
from ocft.events import ChunkReceived
from ocft.protocol import Patience, WriteChunk
from ocft.ranges import RangeSet
from ocft.transfers import TransferState as S
from ocft.wire import (
    FINAL_ACK,
    Accept,
    Ack,
    Chunk,
    Complete,
    Error,
    Payload,
    Reject,
    digest_of,
)
from tests.protocol.wire1.driving import (
    ALICE,
    CONTENT,
    SIZE,
    ReceiverDriver,
    chunk_of,
    message_of,
    offer_of,
)
from tests.wire.samples import PAYLOADS

SAVED = Ack(index=FINAL_ACK, received=True)
COMPLETE = Complete(total_chunks=5, hash=digest_of(CONTENT))
CANCELLED = Error(code="CANCELLED", message="cancelled", recoverable=False)


def _ack(index: int) -> Ack:
    return Ack(index=index, received=True)


def _accept(first: int | None) -> Accept:
    return Accept(ready=True, resume_from=first)


def _receiving(*, chunks: int = 0, sender_repeats: bool = True) -> ReceiverDriver:
    """Return a receiver that accepted, and has the first chunks."""
    receiver = ReceiverDriver(sender_repeats=sender_repeats)
    receiver.offered()
    for index in range(chunks):
        receiver.hear(chunk_of(index))
    receiver.new()
    return receiver


def _stored(*indexes: int) -> RangeSet:
    return RangeSet((index, index + 1) for index in indexes)


def _completed() -> ReceiverDriver:
    receiver = _receiving(chunks=5)
    receiver.hear(COMPLETE)
    assert receiver.state is S.COMPLETED
    return receiver


# A perfect link


@pytest.mark.parametrize(
    ("sender_repeats", "accept"),
    [pytest.param(False, _accept(None), id="1.x"), pytest.param(True, _accept(0), id="ours")],
)
def test_a_file_comes_in_one_chunk_at_a_time(accept: Accept, *, sender_repeats: bool) -> None:
    receiver = ReceiverDriver(sender_repeats=sender_repeats)
    assert receiver.offered() == [accept]
    for index in range(5):
        assert receiver.hear(chunk_of(index)) == [_ack(index)]
    assert receiver.machine.bytes_done == len(CONTENT)
    assert receiver.hear(COMPLETE) == [SAVED]
    assert (receiver.state, receiver.machine.deadline) == (S.COMPLETED, None)
    assert b"".join(write.data for write in receiver.writes) == CONTENT
    assert [write.offset for write in receiver.writes] == [0, 10, 20, 30, 40]
    assert receiver.publications == 1
    assert receiver.event_names == [
        "offer-received",
        "transfer-accepted",
        *["chunk-received"] * 5,
        "transfer-completed",
    ]


@pytest.mark.parametrize("sender_repeats", [False, True])
def test_a_perfect_link_needs_no_prodding_however_slow_it_is(*, sender_repeats: bool) -> None:
    receiver = ReceiverDriver(sender_repeats=sender_repeats)
    said = receiver.offered()
    for message in (*map(chunk_of, range(5)), COMPLETE):
        said += receiver.advance(2.9)
        said += receiver.hear(message)
    assert said[1:] == [*map(_ack, range(5)), SAVED]


def test_an_offer_waits_for_a_decision() -> None:
    receiver = ReceiverDriver()
    assert receiver.offered(is_automatic=False) == []
    assert receiver.state is S.PENDING
    with pytest.raises(UnexpectedMessageError):
        receiver.hear(chunk_of(0))
    assert receiver.writes == []
    assert receiver.decide() == [_accept(0)]
    with pytest.raises(UnexpectedMessageError):
        receiver.decide()
    with pytest.raises(UnexpectedMessageError):
        receiver.decide("too late")
    assert receiver.event_names == ["offer-received", "transfer-accepted"]


def test_a_refusal_is_said_again_to_a_sender_that_did_not_hear_it() -> None:
    receiver = ReceiverDriver()
    receiver.offered(is_automatic=False)
    assert receiver.decide("not now") == [Reject(reason="not now")]
    assert receiver.state is S.REJECTED
    assert receiver.hear(offer_of()) == [Reject(reason="not now")]
    assert receiver.hear(chunk_of(0)) == [Reject(reason="not now")]
    assert receiver.writes == []
    assert receiver.event_names == ["offer-received", "transfer-rejected"]


# An ack is a promise


def test_a_chunk_is_acknowledged_only_when_it_is_on_disk() -> None:
    receiver = _receiving()
    receiver.has_slow_disk = True
    assert receiver.hear(chunk_of(0), chunk_of(0)) == []
    assert receiver.writes == [WriteChunk(0, 0, chunk_of(0).data, chunk_of(0).hash)]
    assert receiver.machine.bytes_done == 0
    assert receiver.hear(COMPLETE) == [_accept(0)]
    assert receiver.written(0) == [_ack(0)]
    assert receiver.machine.bytes_done == SIZE


def test_the_write_stands_before_the_ack_in_the_list() -> None:
    receiver = _receiving()
    machine = receiver.machine
    machine.receive(message_of(chunk_of(0), sender=ALICE, timestamp=5000), receiver.now)
    assert [type(output) for output in machine.outputs()] == [WriteChunk]


def test_the_final_ack_leaves_only_when_the_file_has_its_name() -> None:
    receiver = _receiving(chunks=5)
    receiver.has_slow_disk = True
    assert receiver.hear(COMPLETE, COMPLETE, chunk_of(4), offer_of()) == []
    assert receiver.publications == 1
    assert receiver.advance(5000) == []  # the disk is at work: nobody loses patience
    assert receiver.state is S.COMPLETING
    assert receiver.published() == [SAVED]


# Chunks


@pytest.mark.parametrize(
    ("index", "data"),
    [
        pytest.param(1, CONTENT[10:19], id="C2-shorter"),
        pytest.param(1, CONTENT[10:21], id="C2-longer"),
        pytest.param(4, CONTENT[40:] + b"x", id="C2-last, past the end"),
        pytest.param(4, CONTENT[40:44], id="C2-last, shorter"),
        pytest.param(1, b"", id="C2-empty"),
        pytest.param(0, CONTENT[:20], id="C14-another chunk size"),
    ],
)
def test_a_chunk_of_the_wrong_length_is_not_written(index: int, data: bytes) -> None:
    receiver = _receiving()
    (answer,) = receiver.hear(Chunk(index=index, data=data, hash=digest_of(data)))
    assert answer == Ack(index=index, received=False, error="Wrong length")
    assert receiver.writes == []


@pytest.mark.parametrize(
    "digest",
    [
        pytest.param(digest_of(b"another"), id="C4"),
        pytest.param(chunk_of(2).hash, id="C4-of another chunk"),
    ],
)
def test_a_chunk_with_the_wrong_digest_is_not_written(digest: str) -> None:
    receiver = _receiving()
    (answer,) = receiver.hear(chunk_of(1).model_copy(update={"hash": digest}))
    assert answer == Ack(index=1, received=False, error="Hash mismatch")
    assert receiver.writes == []
    assert receiver.hear(chunk_of(0)) == [_ack(0)]


def test_a_chunk_that_always_arrives_damaged_is_a_failure() -> None:
    receiver = _receiving(chunks=1)
    damaged = chunk_of(1).model_copy(update={"hash": digest_of(b"")})
    for _ in range(7):
        assert isinstance(receiver.hear(damaged)[0], Ack)
    (farewell,) = receiver.hear(damaged)
    assert isinstance(farewell, Error)
    assert (receiver.state, farewell.code) == (S.FAILED, "DIGEST_MISMATCH")
    assert isinstance(receiver.machine.error, DigestMismatchError)


def test_damage_now_and_then_is_no_failure() -> None:
    receiver = _receiving()
    for index in range(5):
        damaged = chunk_of(index).model_copy(update={"hash": digest_of(b"")})
        receiver.hear(*[damaged] * 7, chunk_of(index))
    assert receiver.hear(COMPLETE)[-1] == SAVED


@pytest.mark.parametrize("sender_repeats", [False, True])
def test_an_identical_duplicate_is_written_once_and_not_answered_at_once(  # case C6
    *, sender_repeats: bool
) -> None:
    receiver = _receiving(chunks=3, sender_repeats=sender_repeats)
    assert receiver.hear(*[chunk_of(2)] * 5, chunk_of(0)) == []
    assert len(receiver.writes) == 3
    assert receiver.machine.bytes_done == 30


def test_a_duplicate_after_a_while_means_that_our_answer_was_lost() -> None:
    receiver = _receiving(chunks=3)
    receiver.advance(2.0)
    assert receiver.hear(chunk_of(2)) == [_ack(2)]
    receiver.advance(2.0)
    assert receiver.hear(chunk_of(0)) == [_accept(3)]


def test_a_1_x_sender_that_is_behind_is_not_answered_but_prodded() -> None:
    """It answers every ack with another chunk: each answer would start a chain of chunks."""
    receiver = _receiving(chunks=3, sender_repeats=False)
    receiver.advance(0.9)
    assert receiver.hear(chunk_of(0)) == []
    assert receiver.wait() == [_accept(3)]


def test_another_content_under_a_stored_index_changes_nothing() -> None:  # case C6
    receiver = _receiving(chunks=2)
    other = Chunk(index=0, data=b"x" * 10, hash=digest_of(b"x" * 10))
    assert receiver.hear(other) == []
    assert len(receiver.writes) == 2


@pytest.mark.parametrize("index", [5, 6, 2**31 - 1])
def test_a_chunk_past_the_end_is_refused(index: int) -> None:  # case C2
    receiver = _receiving(chunks=1)
    with pytest.raises(UnexpectedMessageError):
        receiver.hear(Chunk(index=index, data=b"x", hash=digest_of(b"x")))
    assert len(receiver.writes) == 1


@pytest.mark.parametrize("first", range(5))
def test_a_chunk_of_zeros_is_a_chunk_like_any_other(first: int) -> None:  # case C12
    content = bytes(45)
    receiver = ReceiverDriver(content)
    receiver.offered()
    for index in range(first + 1):
        assert receiver.hear(chunk_of(index, content)) == [_ack(index)]
    assert len(receiver.writes) == first + 1


def test_a_gap_is_named_and_what_is_behind_it_is_not_sent_again() -> None:  # case R1
    receiver = _receiving(chunks=1)
    assert receiver.hear(chunk_of(3)) == [_accept(1)]
    assert receiver.hear(chunk_of(2)) == [_accept(1)]
    assert receiver.hear(chunk_of(1)) == [_ack(3)]
    assert receiver.machine.bytes_done == 40
    assert receiver.hear(chunk_of(4)) == [_ack(4)]
    assert receiver.hear(COMPLETE) == [SAVED]


@given(st.permutations(range(5)))
def test_chunks_in_any_order_are_one_file(order: list[int]) -> None:  # case R1
    receiver = _receiving()
    stored: set[int] = set()
    for index in order:
        (answer,) = receiver.hear(chunk_of(index))
        stored.add(index)
        prefix = next(n for n in range(6) if n not in stored)
        assert answer in (_ack(prefix - 1), _accept(prefix))
        lengths = [len(chunk_of(n).data) for n in stored]
        assert receiver.machine.bytes_done == sum(lengths)
    assert receiver.hear(COMPLETE) == [SAVED]


# Complete


@pytest.mark.parametrize("chunks", [0, 1, 4])
def test_complete_with_chunks_missing_is_answered_with_the_first_of_them(chunks: int) -> None:
    receiver = _receiving(chunks=chunks)
    assert receiver.hear(COMPLETE) == [_accept(chunks)]
    assert receiver.publications == 0
    assert not receiver.state.is_final


@pytest.mark.parametrize("chunks", [2, 5])
def test_complete_with_another_hash_is_a_failure(chunks: int) -> None:  # case R9
    receiver = _receiving(chunks=chunks)
    said = receiver.hear(Complete(total_chunks=5, hash=digest_of(b"another")))
    assert receiver.state is S.FAILED
    assert receiver.publications == 0
    assert isinstance(said[-1], Error)
    assert said[-1].code == "DIGEST_MISMATCH"
    assert chunks < 5 or said[0] == Ack(index=FINAL_ACK, received=False, error=said[-1].message)


def test_a_file_that_turns_out_to_be_another_is_a_final_ack_that_says_no() -> None:
    receiver = _receiving(chunks=5)
    receiver.has_slow_disk = True
    receiver.hear(COMPLETE)
    receiver.machine.fail(DigestMismatchError("not those"), receiver.now)
    receiver._carry_out()
    no, farewell = receiver.new()
    assert isinstance(farewell, Error)
    assert no == Ack(index=FINAL_ACK, received=False, error=farewell.message)
    assert not farewell.recoverable


def test_a_file_that_cannot_be_saved_now_can_be_saved_later() -> None:
    receiver = _receiving(chunks=5)
    receiver.has_slow_disk = True
    receiver.hear(COMPLETE)
    receiver.machine.fail(StorageError("/inbox is full"), receiver.now, is_resumable=True)
    receiver._carry_out()
    assert receiver.new() == [
        Error(code="STORAGE", message="A file could not be read or written", recoverable=True)
    ]
    assert receiver.machine.is_resumable


@pytest.mark.parametrize("sends_chunk_0", [False, True])
@pytest.mark.parametrize("sender_repeats", [False, True])
def test_an_empty_file_arrives_with_and_without_the_empty_chunk_of_1_x(  # case O1
    *, sends_chunk_0: bool, sender_repeats: bool
) -> None:
    receiver = ReceiverDriver(b"", sender_repeats=sender_repeats)
    receiver.offered()
    if sends_chunk_0:
        assert receiver.hear(chunk_of(0, b"")) == [_ack(0)]
    assert receiver.hear(Complete(total_chunks=0, hash=digest_of(b""))) == [SAVED]
    assert receiver.writes == []


def test_an_empty_chunk_past_the_end_lets_a_1_x_sender_go_on_to_complete() -> None:
    receiver = _receiving(chunks=5, sender_repeats=False)
    empty = Chunk(index=5, data=b"", hash=digest_of(b""))
    assert receiver.hear(empty) == [_ack(5)]
    assert len(receiver.writes) == 5


# Repeats


def test_a_repeated_offer_is_answered_with_what_is_missing() -> None:
    receiver = _receiving(chunks=2)
    receiver.advance(2.0)
    assert receiver.hear(offer_of()) == [_accept(2)]
    assert receiver.hear(offer_of(), timestamp=999) == []  # the first, again


def test_offers_that_piled_up_get_one_answer() -> None:
    receiver = ReceiverDriver(state=S.TRANSFERRING, stored=_stored(0, 1))
    receiver.resume()
    assert receiver.hear(*[offer_of()] * 5) == [_accept(2)]


@pytest.mark.parametrize(
    "change",
    [
        {"size": 44},
        {"hash": digest_of(b"")},
        {"chunk_size": 11},
        {"total_chunks": 6},
        {"filename": "evil.exe"},
    ],
    ids=str,
)
def test_another_file_under_the_same_id_is_refused(change: dict[str, object]) -> None:  # R17, C14
    receiver = _receiving(chunks=2)
    receiver.advance(2.0)
    with pytest.raises(UnexpectedMessageError):
        receiver.hear(offer_of().model_copy(update=change))
    assert receiver.new() == []
    assert receiver.machine.bytes_done == 20


def test_secret_and_metadata_of_a_repeated_offer_may_differ() -> None:
    receiver = _receiving(chunks=2)
    receiver.advance(2.0)
    changed = offer_of().model_copy(update={"secret": "new", "secret_ttl": 1, "resume_from": 4})
    assert receiver.hear(changed) == [_accept(2)]  # case O15: only we know what we have


@pytest.mark.parametrize("sender_repeats", [False, True])
def test_a_silent_sender_is_prodded_ever_more_rarely(*, sender_repeats: bool) -> None:
    receiver = _receiving(chunks=2, sender_repeats=sender_repeats)
    moments = []
    while not receiver.state.is_final:
        assert receiver.wait()
        moments.append(receiver.now - 100.0)
    assert receiver.said[-2] == _accept(2)
    assert moments[0] == (4.0 if sender_repeats else 1.0)
    assert moments[:3] == [moments[0] * factor for factor in (1, 3, 7)]
    assert len(moments) < 25


# After a restart


def test_after_a_restart_only_what_is_missing_is_asked_for() -> None:
    receiver = ReceiverDriver(state=S.TRANSFERRING, stored=_stored(0, 1, 3))
    assert receiver.resume() == []
    assert receiver.machine.bytes_done == 30
    assert receiver.wait() == [_accept(2)]
    assert receiver.hear(chunk_of(2)) == [_ack(3)]
    assert receiver.hear(chunk_of(4)) == [_ack(4)]
    assert receiver.hear(COMPLETE) == [SAVED]
    assert receiver.event_names[0] == "transfer-resumed"


def test_after_a_restart_a_chunk_that_was_on_its_way_is_not_asked_for() -> None:
    receiver = ReceiverDriver(state=S.TRANSFERRING, stored=_stored(0))
    receiver.resume()
    receiver.advance(0.4)
    assert receiver.hear(chunk_of(1)) == [_ack(1)]


def test_after_a_restart_an_offer_still_waits_for_a_decision() -> None:
    receiver = ReceiverDriver(state=S.PENDING)
    assert receiver.resume() == []
    assert receiver.advance(3599.0) == []
    assert receiver.decide() == [_accept(0)]


def test_a_file_that_was_being_named_is_named_after_complete_is_said_again() -> None:
    receiver = ReceiverDriver(state=S.COMPLETING, stored=_stored(*range(5)))
    receiver.resume()
    assert receiver.wait() == [_accept(5)]
    assert receiver.hear(COMPLETE) == [SAVED]


def test_a_final_ack_that_did_not_leave_leaves_after_a_restart() -> None:
    receiver = ReceiverDriver(state=S.COMPLETED, stored=_stored(*range(5)))
    assert receiver.resume() == [SAVED]
    assert receiver.events == []


# Ends


@pytest.mark.parametrize("chunks", [0, 2, 5])
@pytest.mark.parametrize(
    ("error", "state", "is_resumable"),
    [
        (CANCELLED, S.CANCELLED, False),
        (Error(code="SOURCE_CHANGED", message="x", recoverable=False), S.FAILED, False),
        (Error(code="TRANSFER_TIMEOUT", message="x", recoverable=True), S.FAILED, True),
    ],
)
def test_an_error_message_is_the_end(
    chunks: int, error: Error, state: S, *, is_resumable: bool
) -> None:
    receiver = _receiving(chunks=chunks)
    assert receiver.hear(error) == []
    assert (receiver.state, receiver.machine.is_resumable) == (state, is_resumable)
    expected = TransferCancelledError if state is S.CANCELLED else TransferFailedError
    assert type(receiver.machine.error) is expected
    events = len(receiver.events)
    assert receiver.hear(error, CANCELLED) == []
    assert len(receiver.events) == events


def test_an_error_message_while_the_file_is_being_named_changes_nothing() -> None:
    receiver = _receiving(chunks=5)
    receiver.has_slow_disk = True
    receiver.hear(COMPLETE)
    assert receiver.hear(CANCELLED, Error(code="X", message="", recoverable=False)) == []
    assert receiver.published() == [SAVED]


def test_our_cancel_is_told_and_told_again_to_a_sender_that_goes_on() -> None:
    receiver = _receiving(chunks=1)
    assert receiver.cancel() == [CANCELLED]
    assert receiver.state is S.CANCELLED
    assert receiver.hear(chunk_of(1)) == [CANCELLED]
    assert receiver.hear(COMPLETE) == [CANCELLED]
    assert receiver.hear(offer_of()) == [CANCELLED]
    assert len(receiver.writes) == 1
    assert receiver.advance(10_000) == []


def test_nothing_can_be_cancelled_while_the_file_is_being_named() -> None:
    receiver = _receiving(chunks=5)
    receiver.has_slow_disk = True
    receiver.hear(COMPLETE)
    with pytest.raises(UnexpectedMessageError):
        receiver.cancel()
    assert receiver.published() == [SAVED]


@pytest.mark.parametrize("chunks", range(6))
@pytest.mark.parametrize("sender_repeats", [False, True])
def test_a_sender_that_falls_silent_is_the_end(chunks: int, *, sender_repeats: bool) -> None:
    receiver = _receiving(chunks=chunks, sender_repeats=sender_repeats)
    said = receiver.advance(900.0)
    assert receiver.state is S.FAILED
    assert isinstance(receiver.machine.error, TransferTimeoutError)
    assert receiver.machine.is_resumable
    assert isinstance(said[-1], Error)


def test_a_sender_that_only_repeats_itself_is_the_end_too() -> None:
    receiver = _receiving(chunks=2)
    for _ in range(1000):
        receiver.advance(1.0)
        receiver.hear(chunk_of(1))
    assert receiver.state is S.FAILED


def test_nobody_decides_for_ever() -> None:
    receiver = ReceiverDriver(patience=Patience(decision=50.0, idle=10.0))
    receiver.offered(is_automatic=False)
    receiver.advance(49.9)
    assert receiver.state.value == "pending"
    receiver.advance(0.1)
    assert receiver.state is S.FAILED
    assert not receiver.machine.is_resumable


def test_a_slow_link_that_moves_never_gives_up() -> None:
    receiver = ReceiverDriver(patience=Patience(idle=10.0))
    receiver.offered()
    for message in (*map(chunk_of, range(5)), COMPLETE):
        receiver.advance(9.9)
        receiver.hear(message)
    assert receiver.state is S.COMPLETED


def test_the_whole_transfer_takes_no_longer_than_it_may() -> None:
    receiver = ReceiverDriver(patience=Patience(total=20.0))
    receiver.offered()
    for index in range(3):
        receiver.advance(6.0)
        receiver.hear(chunk_of(index))
    receiver.advance(2.0)
    assert receiver.state is S.FAILED
    assert "longer than 20 seconds" in str(receiver.machine.error)


def test_a_completed_receiver_answers_late_messages_with_the_same_end() -> None:  # case C10
    receiver = _completed()
    assert receiver.hear(COMPLETE) == [SAVED]
    receiver.advance(5.0)
    assert receiver.hear(chunk_of(2)) == [_ack(4)]
    receiver.advance(5.0)
    assert receiver.hear(offer_of()) == [_accept(5)]
    assert receiver.hear(CANCELLED) == []
    assert receiver.state is S.COMPLETED
    assert (len(receiver.writes), receiver.publications) == (5, 1)


@pytest.mark.parametrize("state", [S.REJECTED, S.FAILED, S.CANCELLED])
def test_after_the_end_no_chunk_is_taken(state: S) -> None:  # case C8
    receiver = ReceiverDriver(state=state)
    assert receiver.machine.deadline is None
    (answer,) = receiver.hear(chunk_of(0))
    assert isinstance(answer, Reject if state is S.REJECTED else Error)
    assert receiver.hear(CANCELLED) == []
    assert (receiver.writes, receiver.events, receiver.state) == ([], [], state)


@pytest.mark.parametrize(
    "payload", [_accept(0), Reject(reason="no"), _ack(0), SAVED], ids=lambda p: p.type.value
)
def test_what_only_receivers_say_is_refused(payload: Payload) -> None:
    receiver = _receiving(chunks=1)
    with pytest.raises(UnexpectedMessageError):
        receiver.hear(payload)
    assert receiver.state is S.TRANSFERRING


_messages = st.one_of(
    PAYLOADS,
    st.builds(chunk_of, st.integers(0, 4)),
    st.builds(Chunk, index=st.integers(0, 6), data=st.binary(max_size=12), hash=st.just("0" * 64)),
    st.just(COMPLETE),
    st.just(offer_of()),
)


@given(
    st.lists(st.tuples(_messages, st.floats(0, 100), st.integers(0, 2000)), max_size=30),
    st.booleans(),
)
def test_whatever_a_peer_says_a_receiver_stores_what_was_offered_and_ends(
    messages: list[tuple[Payload, float, int]], sender_repeats: object
) -> None:
    receiver = ReceiverDriver(sender_repeats=bool(sender_repeats))
    receiver.offered()
    done = 0
    for payload, seconds, timestamp in messages:
        before = receiver.state
        receiver.advance(seconds)
        with suppress(UnexpectedMessageError):
            receiver.hear(payload, timestamp=timestamp)
        assert receiver.machine.bytes_done >= done  # never backwards
        done = receiver.machine.bytes_done
        assert not before.is_final or receiver.state is before
    indexes = [write.index for write in receiver.writes]
    assert len(set(indexes)) == len(indexes)
    for write in receiver.writes:
        assert write.offset == write.index * SIZE
        assert len(write.data) == receiver.machine.plan.length(write.index)
        assert digest_of(write.data) == write.digest
    assert receiver.publications == (receiver.state is S.COMPLETED)
    stored = {event.index for event in receiver.events if isinstance(event, ChunkReceived)}
    for said in receiver.said:
        if isinstance(said, Ack) and said.received and said.index < 5:
            assert stored >= set(range(said.index + 1))
    receiver.advance(10_000)
    assert receiver.state.is_final
