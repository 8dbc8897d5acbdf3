from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.errors import (
    DigestMismatchError,
    SourceChangedError,
    TransferCancelledError,
    TransferFailedError,
    TransferRejectedError,
    TransferTimeoutError,
    UnexpectedMessageError,
)
from ocft.events import ChunkSent, TransferFailed
from ocft.protocol import Patience
from ocft.transfers import TransferState as S
from ocft.wire import (
    FINAL_ACK,
    Accept,
    Ack,
    Chunk,
    Complete,
    Error,
    Offer,
    Payload,
    Reject,
    digest_of,
)
from tests.protocol.wire1.driving import (
    BOB,
    CONTENT,
    SIZE,
    SenderDriver,
    chunk_of,
    message_of,
    offer_of,
)
from tests.wire.samples import PAYLOADS

YES = Accept(ready=True)  # a 1.x receiver
KEEPS = Accept(ready=True, resume_from=0)  # ours
SAVED = Ack(index=FINAL_ACK, received=True)
COMPLETE = Complete(total_chunks=5, hash=digest_of(CONTENT))
CANCELLED = Error(code="CANCELLED", message="cancelled", recoverable=False)


def _ack(index: int) -> Ack:
    return Ack(index=index, received=True)


def _nak(index: int) -> Ack:
    return Ack(index=index, received=False, error="Hash mismatch")


def _sending(accept: Accept = KEEPS, *, acks: int = 0) -> SenderDriver:
    """Return a sender that has been accepted, and whose first chunks were acknowledged."""
    sender = SenderDriver()
    sender.start()
    sender.hear(accept)
    for index in range(acks):
        sender.hear(_ack(index))
    return sender


# A perfect link


@pytest.mark.parametrize("accept", [YES, KEEPS], ids=["1.x", "ours"])
def test_a_file_goes_out_one_chunk_at_a_time(accept: Accept) -> None:
    sender = SenderDriver()
    assert sender.start() == [offer_of()]
    assert sender.hear(accept) == [chunk_of(0)]
    for index in range(4):
        assert sender.hear(_ack(index)) == [chunk_of(index + 1)]
        assert sender.machine.bytes_done == (index + 1) * SIZE
    assert sender.hear(_ack(4)) == [COMPLETE]
    assert sender.state.value == "completing"
    assert sender.hear(SAVED) == []
    assert sender.state is S.COMPLETED
    assert (sender.machine.deadline, sender.machine.error) == (None, None)
    assert sender.event_names == [
        "offer-sent",
        "transfer-started",
        "chunk-sent",
        *["ack-received", "chunk-sent"] * 4,
        "ack-received",
        "transfer-completed",
    ]


def test_a_perfect_link_repeats_nothing_however_slow_it_is() -> None:
    sender = SenderDriver()
    said = sender.start()
    for answer in (KEEPS, *map(_ack, range(5)), SAVED):
        said += sender.advance(2.9)
        said += sender.hear(answer)
    assert said == [offer_of(), *map(chunk_of, range(5)), COMPLETE]
    assert not any(event.is_repeat for event in sender.events if isinstance(event, ChunkSent))


def test_an_empty_file_has_no_chunks() -> None:  # case O1
    sender = SenderDriver(b"")
    sender.start()
    assert sender.hear(YES) == [Complete(total_chunks=0, hash=digest_of(b""))]
    assert sender.hear(SAVED) == []
    assert sender.state is S.COMPLETED


# Losses


@pytest.mark.parametrize("lost", range(7))
def test_one_lost_answer_costs_one_repeat(lost: int) -> None:
    answers = [KEEPS, *map(_ack, range(5)), SAVED]
    sender = SenderDriver()
    said = sender.start()
    for number, answer in enumerate(answers):
        said += sender.advance(0.5)
        if number == lost:
            said += sender.wait()
            said += sender.advance(0.5)
        said += sender.hear(answer)
    perfect = [offer_of(), *map(chunk_of, range(5)), COMPLETE]
    assert said == [*perfect[: lost + 1], *perfect[lost:]]
    assert sender.state is S.COMPLETED


def test_a_repeat_is_known_for_one() -> None:
    sender = _sending(acks=1)
    sender.wait()
    sent = [event for event in sender.events if isinstance(event, ChunkSent)]
    assert [(event.index, event.is_repeat) for event in sent] == [
        (0, False),
        (1, False),
        (1, True),
    ]


def test_the_waits_double_and_begin_anew_after_an_answer() -> None:
    sender = _sending()
    waits = []
    for _ in range(4):
        assert sender.machine.deadline is not None
        waits.append(sender.machine.deadline - sender.now)
        assert sender.wait() == [chunk_of(0)]
    assert waits == [waits[0] * factor for factor in (1, 2, 4, 8)]
    sender.hear(_ack(0))
    assert sender.machine.deadline is not None
    assert sender.machine.deadline - sender.now == waits[0]


def test_the_answer_to_a_repeat_teaches_nothing() -> None:
    """Karn's rule: it may be the late answer to the first copy."""
    sender = _sending()
    for index in range(4):
        sender.advance(0.5)
        sender.hear(_ack(index))
    assert sender.machine.deadline is not None
    before = sender.machine.deadline - sender.now
    assert sender.wait() == [chunk_of(4)]
    sender.advance(before * 1.5)
    sender.hear(_ack(4))
    assert sender.machine.deadline - sender.now == pytest.approx(before)


def test_the_wait_is_counted_from_when_the_text_left() -> None:
    sender = _sending()
    machine = sender.machine
    machine.receive(message_of(_ack(0), sender=BOB, timestamp=5000), sender.now)
    sender.has_slow_disk = True
    outputs = machine.outputs()
    assert outputs
    machine.provide(1, chunk_of(1).data, sender.now)
    machine.outputs()
    before = machine.deadline
    machine.sent(sender.now + 10.0)  # the outbox was busy
    assert (before, machine.deadline) == (before, (before or 0) + 10.0)
    machine.sent(sender.now + 20.0)  # counts once
    assert machine.deadline == (before or 0) + 10.0


def test_silence_leads_to_a_new_offer_and_then_to_where_the_receiver_is() -> None:
    sender = _sending(acks=2)
    said: list[Payload] = []
    while sender.state is not S.PENDING:
        said += sender.wait()
    assert said == [chunk_of(2)] * 4 + [offer_of()]
    assert sender.hear(Accept(ready=True, resume_from=3)) == [chunk_of(3)]
    assert sender.machine.acknowledged == 3


def test_an_offer_is_repeated_ever_more_rarely() -> None:
    sender = SenderDriver(patience=Patience(decision=3600.0))
    sender.start()
    said = sender.advance(3599.0)
    assert set(map(type, said)) == {Offer}
    assert 10 < len(said) < 25


# Duplicates, late and wrong acks


def test_a_duplicate_ack_provokes_nothing() -> None:
    """The sorcerer's apprentice."""
    sender = _sending(acks=3)
    for index in (2, 2, 1, 0, 2):
        assert sender.hear(_ack(index)) == []
    assert sender.hear(_ack(3)) == [chunk_of(4)]
    sender.hear(_ack(4))
    for index in range(5):
        assert sender.hear(_ack(index), _ack(index)) == []
    sender.hear(SAVED)
    for late in (*map(_ack, range(5)), SAVED, KEEPS, _nak(1), Reject(reason="no"), CANCELLED):
        assert sender.hear(late) == []
    assert sender.state is S.COMPLETED
    assert len([payload for payload in sender.said if isinstance(payload, Chunk)]) == 5


def test_a_duplicate_ack_does_not_put_off_a_repeat() -> None:
    sender = _sending(acks=1)
    deadline = sender.machine.deadline
    sender.advance(0.9)
    sender.hear(_ack(0))
    assert sender.machine.deadline == deadline


def test_an_ack_for_a_chunk_that_was_never_sent_is_refused() -> None:  # case R5
    sender = _sending(acks=1)
    for index in (2, 4, 5, 2**31 - 1):
        with pytest.raises(UnexpectedMessageError):
            sender.hear(_ack(index))
    assert sender.machine.acknowledged == 1
    assert sender.new() == []


def test_an_ack_before_the_accept_changes_nothing() -> None:  # case R5
    sender = SenderDriver()
    sender.start()
    with pytest.raises(UnexpectedMessageError):
        sender.hear(_ack(0))
    assert sender.hear(_nak(0)) == []
    assert (sender.state, sender.machine.acknowledged) == (S.PENDING, 0)


def test_an_ack_that_goes_down_takes_nothing_back() -> None:  # case R7
    sender = _sending(acks=4)
    assert sender.hear(_ack(1)) == []
    assert sender.machine.acknowledged == 4


def test_an_ack_from_before_the_accept_that_we_follow_says_nothing() -> None:  # case R15
    sender = _sending(acks=3)
    sender.hear(Accept(ready=True, resume_from=1), timestamp=9000)  # after a power cut
    assert sender.machine.acknowledged == 1
    assert sender.hear(_ack(2), timestamp=8999) == []
    assert sender.machine.acknowledged == 1
    assert sender.hear(_ack(2), timestamp=9001) == [chunk_of(3)]


def test_a_receiver_that_keeps_its_chunks_acknowledges_several_at_once() -> None:
    sender = SenderDriver(acknowledged=1, keeps_chunks=True, accepted_at=1)
    sender.start(is_resumed=True)
    sender.hear(Accept(ready=True, resume_from=0))
    assert sender.hear(_ack(1)) == [chunk_of(2)]


def test_a_1_x_receiver_acknowledges_one_chunk_only() -> None:
    """It may have forgotten those before it."""
    sender = _sending(YES, acks=2)
    sender.hear(YES, timestamp=9000)  # it was restarted
    assert sender.new() == []
    assert sender.hear(_ack(1), timestamp=9001) == []
    assert sender.hear(_ack(0), timestamp=9002) == [chunk_of(1)]


@pytest.mark.parametrize("repeats", [1, 7])
def test_a_chunk_that_arrived_damaged_is_sent_again(repeats: int) -> None:
    sender = _sending(acks=1)
    for _ in range(repeats):
        assert sender.hear(_nak(1)) == [chunk_of(1)]
    assert sender.hear(_ack(1)) == [chunk_of(2)]
    assert sender.hear(*[_nak(2)] * 7) == [chunk_of(2)] * 7  # counted anew


def test_a_chunk_that_always_arrives_damaged_is_a_failure() -> None:
    sender = _sending(acks=1)
    for _ in range(7):
        sender.hear(_nak(1))
    (farewell,) = sender.hear(_nak(1))
    assert isinstance(farewell, Error)
    assert farewell.code == "DIGEST_MISMATCH"
    assert isinstance(sender.machine.error, DigestMismatchError)
    assert sender.state is S.FAILED


@pytest.mark.parametrize("index", [0, 2, 4, 2**31 - 1])
def test_an_ack_that_says_no_about_another_chunk_changes_nothing(index: int) -> None:
    sender = _sending(acks=1)
    for _ in range(20):
        assert sender.hear(_nak(index)) == []
    assert sender.state is S.TRANSFERRING


# Accepts


def test_a_repeated_accept_provokes_nothing() -> None:
    sender = _sending(acks=2)
    for timestamp in (999, 1000):
        assert sender.hear(KEEPS, timestamp=timestamp) == []
    assert sender.machine.acknowledged == 2


def test_an_accept_that_left_before_the_chunk_arrived_repeats_nothing() -> None:
    sender = _sending(acks=2)
    sender.advance(0.5)
    assert sender.hear(Accept(ready=True, resume_from=2)) == []
    assert sender.wait() == [chunk_of(2)]


def test_an_accept_that_names_a_later_chunk_spares_those_before_it() -> None:
    sender = _sending(acks=1)
    assert sender.hear(Accept(ready=True, resume_from=4)) == [chunk_of(4)]
    assert sender.hear(Accept(ready=True, resume_from=5)) == [COMPLETE]


def test_an_accept_that_is_not_ready_is_refused() -> None:
    sender = SenderDriver()
    sender.start()
    with pytest.raises(UnexpectedMessageError):
        sender.hear(Accept(ready=False))
    assert sender.state is S.PENDING


@pytest.mark.parametrize("first", [6, 2**31 - 1])
def test_an_accept_beyond_the_end_begins_at_the_start(first: int) -> None:  # case R17
    sender = SenderDriver()
    sender.start()
    assert sender.hear(Accept(ready=True, resume_from=first)) == [chunk_of(0)]
    assert sender.hear(Accept(ready=True, resume_from=first), timestamp=9000) == []
    assert sender.machine.acknowledged == 0


def test_an_accept_of_everything_needs_no_chunk() -> None:
    sender = SenderDriver()
    sender.start()
    assert sender.hear(Accept(ready=True, resume_from=5)) == [COMPLETE]


def test_what_a_receiver_that_keeps_its_chunks_says_is_believed_also_when_it_is_less() -> None:
    sender = _sending(acks=4)
    assert sender.hear(Accept(ready=True, resume_from=1)) == [chunk_of(1)]
    assert sender.machine.bytes_done == SIZE


def test_a_1_x_receiver_that_accepts_again_has_forgotten_everything() -> None:
    sender = _sending(YES, acks=3)
    assert sender.hear(Accept(ready=True, resume_from=3)) == [chunk_of(0)]


def test_a_1_x_receiver_that_has_lost_chunks_gets_all_of_them_again_a_few_times() -> None:
    lost = Ack(index=FINAL_ACK, received=False, error="Missing chunks: 0, 1")
    sender = _sending(YES)
    said: list[Payload] = []
    for _ in range(20):
        for index in range(5):
            said += sender.hear(_ack(index))
        said += sender.hear(lost)
        if sender.state.is_final:
            break
    assert sender.state is S.FAILED
    assert 2 <= said.count(chunk_of(0)) <= 5


# After a restart


def test_a_transfer_that_was_never_accepted_is_offered_again() -> None:
    sender = SenderDriver()
    assert sender.start(is_resumed=True) == [offer_of()]
    assert sender.event_names == ["transfer-resumed"]


def test_a_receiver_that_keeps_its_chunks_is_asked_by_an_offer() -> None:
    sender = SenderDriver(acknowledged=3, keeps_chunks=True, accepted_at=500)
    assert sender.start(is_resumed=True) == [offer_of()]
    assert sender.hear(Accept(ready=True, resume_from=3), timestamp=500) == []
    assert sender.hear(Accept(ready=True, resume_from=3), timestamp=501) == [chunk_of(3)]
    assert sender.machine.bytes_done == 30


def test_a_1_x_receiver_is_not_offered_anything_and_gets_the_chunk_that_is_due() -> None:
    sender = SenderDriver(acknowledged=3, keeps_chunks=False, accepted_at=500)
    assert sender.start(is_resumed=True) == []
    assert sender.wait() == [chunk_of(3)]
    (sent,) = [event for event in sender.events if isinstance(event, ChunkSent)]
    assert sent.is_repeat


def test_the_late_ack_of_a_1_x_receiver_spares_the_repeat() -> None:
    sender = SenderDriver(acknowledged=3, keeps_chunks=False, accepted_at=500)
    sender.start(is_resumed=True)
    assert sender.hear(_ack(3)) == [chunk_of(4)]


@pytest.mark.parametrize("keeps_chunks", [False, True])
def test_the_late_final_ack_completes_after_a_restart(*, keeps_chunks: bool) -> None:
    sender = SenderDriver(acknowledged=5, keeps_chunks=keeps_chunks, accepted_at=500)
    sender.start(is_resumed=True)
    assert sender.hear(SAVED) == []
    assert sender.state is S.COMPLETED


def test_after_a_restart_complete_is_said_again() -> None:
    sender = SenderDriver(acknowledged=5, keeps_chunks=False, accepted_at=500)
    assert sender.start(is_resumed=True) == []
    assert sender.wait() == [COMPLETE]


def test_a_transfer_that_goes_on_because_its_peer_does_is_not_offered() -> None:
    sender = SenderDriver(acknowledged=3, keeps_chunks=True, accepted_at=500)
    assert sender.start(is_resumed=True, is_accepted=True) == []
    assert sender.hear(Accept(ready=True, resume_from=3)) == [chunk_of(3)]


# A slow disk


def test_a_piece_is_asked_for_once() -> None:
    sender = _sending(acks=1)
    sender.has_slow_disk = True
    assert sender.hear(_ack(1)) == []
    assert sender.hear(Accept(ready=True, resume_from=2)) == []
    sender.wait()
    (_, _, wanted) = sender.asked
    assert (wanted.index, wanted.offset, wanted.length) == (2, 20, 10)
    assert sender.read(wanted) == [chunk_of(2)]
    assert sender.read(wanted) == []


def test_a_piece_that_comes_too_late_is_not_sent() -> None:
    sender = _sending(acks=1)
    sender.has_slow_disk = True
    sender.hear(_ack(1))
    wanted = sender.asked[-1]
    sender.hear(Accept(ready=True, resume_from=4))
    assert sender.read(wanted) == []
    assert sender.read(sender.asked[-1]) == [chunk_of(4)]
    sender.hear(_ack(4))
    sender = _sending()
    sender.has_slow_disk = True
    sender.hear(_ack(0))
    sender.cancel()
    assert sender.read(sender.asked[-1]) == []


def test_the_last_chunk_is_as_long_as_the_rest_of_the_file() -> None:
    sender = _sending(acks=4)
    assert (sender.asked[-1].offset, sender.asked[-1].length) == (40, 5)


# Ends


def test_a_refusal_is_the_end() -> None:
    sender = SenderDriver()
    sender.start()
    assert sender.hear(Reject(reason="File too large")) == []
    assert sender.state is S.REJECTED
    assert isinstance(sender.machine.error, TransferRejectedError)
    assert "File too large" in str(sender.machine.error)
    assert sender.hear(Reject(reason="again"), KEEPS, SAVED) == []
    assert sender.event_names == ["offer-sent", "transfer-rejected"]


@pytest.mark.parametrize("error", [None, "", "Missing chunks: ", "Hash mismatch", "disk full"])
def test_a_final_ack_that_says_no_is_a_failure(error: str | None) -> None:
    sender = _sending(acks=5)
    sender.hear(Ack(index=FINAL_ACK, received=False, error=error))
    assert sender.state is S.FAILED
    assert isinstance(sender.machine.error, TransferFailedError)
    assert not sender.machine.is_resumable
    assert "transfer-completed" not in sender.event_names


def test_a_final_ack_in_the_middle_does_not_complete() -> None:
    sender = _sending(acks=2)
    with pytest.raises(UnexpectedMessageError):
        sender.hear(SAVED)
    assert sender.state is S.TRANSFERRING


@pytest.mark.parametrize("acks", [0, 2, 5])
@pytest.mark.parametrize(
    ("error", "state", "is_resumable"),
    [
        (CANCELLED, S.CANCELLED, False),
        (Error(code="STORAGE", message="full", recoverable=True), S.FAILED, True),
        (Error(code="DIGEST_MISMATCH", message="bad", recoverable=False), S.FAILED, False),
        (Error(code="", message="", recoverable=False), S.FAILED, False),
    ],
)
def test_an_error_message_is_the_end(
    acks: int, error: Error, state: S, *, is_resumable: bool
) -> None:
    sender = _sending(acks=acks)
    assert sender.hear(error) == []
    assert (sender.state, sender.machine.is_resumable) == (state, is_resumable)
    expected = TransferCancelledError if state is S.CANCELLED else TransferFailedError
    assert type(sender.machine.error) is expected
    events = len(sender.events)
    assert sender.hear(error, CANCELLED) == []
    assert len(sender.events) == events


def test_our_cancel_is_told_and_told_again_to_a_peer_that_goes_on() -> None:
    sender = _sending(acks=1)
    assert sender.cancel() == [CANCELLED]
    assert sender.state is S.CANCELLED
    assert isinstance(sender.machine.error, TransferCancelledError)
    assert sender.event_names[-1] == "transfer-cancelled"
    assert sender.hear(_ack(0)) == [CANCELLED]
    assert sender.hear(Accept(ready=True, resume_from=1)) == [CANCELLED]
    assert sender.advance(10_000) == []
    with pytest.raises(UnexpectedMessageError):
        sender.cancel()


def test_our_failure_is_told_in_words_that_say_nothing_about_us() -> None:  # case K13
    sender = _sending(acks=1)
    sender.machine.fail(SourceChangedError("/home/alice/secret.pdf was changed."), sender.now)
    sender._carry_out()
    (farewell,) = sender.new()
    assert farewell == Error(
        code="SOURCE_CHANGED",
        message="The file to send was changed after it had been offered",
        recoverable=False,
    )
    assert sender.hear(_ack(0)) == [farewell]


@pytest.mark.parametrize("acks", range(6))
def test_a_peer_that_falls_silent_is_the_end(acks: int) -> None:
    sender = _sending(acks=acks)
    said = sender.advance(900.0)
    assert sender.state is S.FAILED
    assert isinstance(sender.machine.error, TransferTimeoutError)
    assert sender.machine.is_resumable
    assert isinstance(said[-1], Error)
    assert 5 < len(said) < 30
    (failed,) = [event for event in sender.events if isinstance(event, TransferFailed)]
    assert (failed.code, failed.is_resumable) == ("TRANSFER_TIMEOUT", True)


def test_a_decision_may_take_long_and_no_longer() -> None:
    sender = SenderDriver(patience=Patience(decision=50.0, idle=10.0))
    sender.start()
    sender.advance(49.9)
    assert sender.state.value == "pending"
    sender.advance(0.1)
    assert sender.state is S.FAILED


def test_a_slow_link_that_moves_never_gives_up() -> None:
    sender = SenderDriver(patience=Patience(idle=10.0))
    sender.start()
    for answer in (KEEPS, *map(_ack, range(5)), SAVED):
        sender.advance(9.9)
        sender.hear(answer)
    assert sender.state is S.COMPLETED


def test_the_whole_transfer_takes_no_longer_than_it_may() -> None:
    sender = SenderDriver(patience=Patience(total=20.0))
    sender.start()
    for answer in (KEEPS, _ack(0), _ack(1)):
        sender.advance(6.0)
        sender.hear(answer)
    assert sender.state.value == "transferring"
    sender.advance(2.0)
    assert sender.state is S.FAILED
    assert "longer than 20 seconds" in str(sender.machine.error)


@pytest.mark.parametrize("state", [S.COMPLETED, S.REJECTED, S.FAILED, S.CANCELLED])
def test_after_the_end_nothing_is_due_and_late_messages_are_absorbed(state: S) -> None:
    sender = SenderDriver(state=state, acknowledged=5, keeps_chunks=True, accepted_at=500)
    assert sender.machine.deadline is None
    tells = state in (S.FAILED, S.CANCELLED)
    assert len(sender.hear(_ack(1))) == tells
    assert len(sender.hear(Accept(ready=True, resume_from=0))) == tells
    assert sender.hear(SAVED, _nak(1), Reject(reason="no"), CANCELLED) == []
    assert (sender.state, sender.events) == (state, [])


@pytest.mark.parametrize("payload", [offer_of(), chunk_of(0), COMPLETE], ids=lambda p: p.type.value)
def test_what_only_senders_say_is_refused(payload: Payload) -> None:
    sender = _sending(acks=1)
    with pytest.raises(UnexpectedMessageError):
        sender.hear(payload)
    assert sender.state is S.TRANSFERRING


_answers = st.one_of(
    PAYLOADS,
    st.builds(Ack, index=st.integers(-1, 6), received=st.booleans()),
    st.builds(Accept, ready=st.just(value=True), resume_from=st.none() | st.integers(0, 6)),
)


@given(st.lists(st.tuples(_answers, st.floats(0, 100), st.integers(0, 2000)), max_size=30))
def test_whatever_a_peer_says_a_sender_sends_what_is_in_the_file_and_ends(
    answers: list[tuple[Payload, float, int]],
) -> None:
    sender = SenderDriver()
    sender.start()
    for payload, seconds, timestamp in answers:
        before = sender.state
        sender.advance(seconds)
        with suppress(UnexpectedMessageError):
            sender.hear(payload, timestamp=timestamp)
        assert 0 <= sender.machine.acknowledged <= 5
        assert not before.is_final or sender.state is before
    for said in sender.said:
        assert not isinstance(said, Chunk) or said == chunk_of(said.index)
        assert not isinstance(said, Complete) or said == COMPLETE
    sender.advance(10_000)
    assert sender.state.is_final
    assert (sender.machine.error is None) == (sender.state is S.COMPLETED)
