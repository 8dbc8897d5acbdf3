import pytest

from ocft.errors import (
    StorageError,
    TransferFailedError,
    TransferTimeoutError,
    UnexpectedMessageError,
)
from ocft.events import TransferCompleted
from ocft.protocol import (
    Patience,
    SayAccept,
    SayAck,
    SayAgain,
    SayDone,
    SayReject,
    SayStop,
)
from ocft.transfers import TransferState
from ocft.wire import TransferOffer
from tests.protocol.wire2.driving import (
    DIGEST,
    EPHEMERAL,
    ID,
    MANIFEST,
    ROOM,
    SIZE,
    ReceiverDriver,
    accept_of,
    acks,
    stop_of,
)

FINAL = [state for state in TransferState if state.is_final]
STOPPABLE = [TransferState.PENDING, TransferState.ACCEPTED, TransferState.TRANSFERRING]
WHOLE = (0, SIZE)
AHEAD = 64 * 1024
WINDOW = 64 * 1024 * 1024


def receiving() -> ReceiverDriver:
    """Return a receiver that has the manifest, wants the files and has said so."""
    receiver = ReceiverDriver()
    receiver.accepted()
    receiver.data(0, 0, MANIFEST, wants_ack=True)
    return receiver


def in_state(state: TransferState) -> ReceiverDriver:
    """Return a receiver that came to a state the usual way."""
    receiver = ReceiverDriver()
    if state in (TransferState.PENDING, TransferState.REJECTED):
        receiver.offered()
        if state is TransferState.REJECTED:
            receiver.reject()
        return receiver
    receiver.publishes_slowly = state is TransferState.COMPLETING
    receiver.accepted()
    if state is TransferState.TRANSFERRING:
        receiver.data(0, 0, ROOM)
    if state in (TransferState.COMPLETING, TransferState.COMPLETED):
        receiver.all_data()
    if state is TransferState.FAILED:
        receiver.machine.fail(StorageError("full"), receiver.now)
        receiver.say()
    if state is TransferState.CANCELLED:
        receiver.cancel()
    assert receiver.state is state
    return receiver


# Offers: R-CTL-2


def test_an_offer_that_nobody_decided_about_is_answered_with_an_accept_of_the_manifest() -> None:
    receiver = ReceiverDriver()
    assert receiver.offered() == [SayAccept(1, is_decided=False, limit=MANIFEST)]
    assert receiver.state is TransferState.PENDING
    assert receiver.events == []  # what is offered is not known yet


def test_an_offer_that_is_taken_without_asking_is_accepted_at_once() -> None:  # R-MAN-3
    receiver = ReceiverDriver(size=10 * AHEAD)
    assert receiver.accepted() == [SayAccept(1, is_decided=True, limit=MANIFEST + AHEAD)]
    assert receiver.state is TransferState.ACCEPTED


def test_an_offer_of_the_same_epoch_gets_the_same_accept() -> None:  # R-CTL-2
    receiver = ReceiverDriver()
    first = receiver.offered()
    receiver.data(0, 0, MANIFEST)
    receiver.accept()
    assert receiver.offered() == first


def test_an_offer_of_the_next_epoch_gets_a_new_accept_and_acks_are_counted_anew() -> None:
    receiver = receiving()
    receiver.data(1, 100, 200, wants_ack=True)
    assert receiver.offered(2) == [SayAccept(2, is_decided=True, limit=SIZE)]
    assert receiver.machine.stored_ranges() == ((0, MANIFEST), (100, 200))
    said = receiver.data(0, 200, 300, wants_ack=True)
    assert [(one.number, one.ack.heard) for one in said if isinstance(one, SayAck)] == [(0, 0)]


def test_an_offer_of_an_earlier_epoch_gets_no_answer() -> None:  # R-CTL-2
    receiver = ReceiverDriver()
    receiver.offered(5)
    assert receiver.offered(4) == []
    assert receiver.machine.epoch == 5


def test_a_receiver_that_lost_its_keys_asks_for_the_next_epoch() -> None:  # R-CTL-2, R-ARQ-10
    receiver = ReceiverDriver(epoch=3, state=TransferState.TRANSFERRING)
    assert receiver.resume() == [SayAgain(3)]
    assert receiver.offered(3) == [SayAgain(3)]
    assert receiver.offered(4) == [SayAccept(4, is_decided=True, limit=SIZE)]


def test_it_asks_for_the_next_epoch_until_it_is_offered() -> None:  # R-ARQ-10
    receiver = ReceiverDriver(epoch=3, state=TransferState.TRANSFERRING)
    receiver.resume()
    assert receiver.waits(8) == [1, 2, 4, 8, 16, 32, 60, 60]
    receiver.offered(4)
    assert receiver.advance(890) == []


def test_a_restarted_receiver_that_never_accepted_an_epoch_waits_for_the_offer() -> None:
    receiver = ReceiverDriver(state=TransferState.ACCEPTED)
    assert receiver.resume() == []
    assert receiver.advance(800) == []
    assert receiver.offered(1) != []


def test_no_ack_leaves_before_the_accept_of_its_epoch() -> None:
    receiver = receiving()
    receiver.has_slow_disk = True
    receiver.data(1, 100, 200, wants_ack=True)
    receiver.machine.offered(2, receiver.now)
    receiver.machine.stored([(100, 200)], receiver.now)
    said = receiver.say()
    assert isinstance(said[0], SayAccept)


def test_what_only_a_receiver_says_is_refused() -> None:
    receiver = ReceiverDriver()
    with pytest.raises(UnexpectedMessageError):
        receiver.hear(accept_of())


def test_offers_and_stops_come_as_messages_too() -> None:
    receiver = ReceiverDriver()
    offer = TransferOffer(
        transfer_id=ID,
        epoch=1,
        ephemeral=EPHEMERAL,
        size=SIZE,
        file_count=1,
        manifest_size=MANIFEST,
        manifest_digest=DIGEST,
        offered_at=0,
    )
    assert [type(one) for one in receiver.hear(offer)] == [SayAccept]
    assert receiver.hear(stop_of()) == []
    assert receiver.state is TransferState.FAILED


# The decision: R-ARQ-7, R-MAN-3


def test_the_decision_is_told_with_an_ack_until_data_comes() -> None:  # R-ARQ-7
    receiver = ReceiverDriver()
    receiver.offered()
    receiver.data(0, 0, MANIFEST, wants_ack=True)
    (ack,) = acks(receiver.accept())
    assert (ack.is_decided, ack.limit, ack.ranges) == (True, SIZE, ((0, MANIFEST),))
    assert receiver.waits(8) == [1, 2, 4, 8, 16, 32, 60, 60]
    receiver.data(1, MANIFEST, 140, wants_ack=True)
    assert receiver.advance(890) == []


def test_a_late_copy_of_the_manifest_is_no_sign_that_the_decision_was_heard() -> None:
    receiver = ReceiverDriver()
    receiver.offered()
    receiver.data(0, 0, MANIFEST, wants_ack=True)
    receiver.accept()
    receiver.data(1, 0, MANIFEST)
    receiver.data(2, SIZE, SIZE)
    assert all(one.is_decided for one in acks(receiver.advance(10)))
    assert acks(receiver.advance(100))


def test_a_decision_before_the_accept_has_left_goes_with_it() -> None:
    receiver = ReceiverDriver()
    receiver.machine.offered(1, receiver.now)
    receiver.machine.accept(receiver.now)
    assert receiver.say() == [SayAccept(1, is_decided=True, limit=SIZE)]
    assert receiver.advance(890) == []


def test_a_decision_while_a_repeated_accept_waits_is_told_with_an_ack() -> None:
    """The repeat says the same as the first one, whatever is true by now (R-CTL-2)."""
    receiver = ReceiverDriver()
    receiver.offered()
    receiver.machine.offered(1, receiver.now)
    receiver.machine.accept(receiver.now)
    said = receiver.say()
    assert said[0] == SayAccept(1, is_decided=False, limit=MANIFEST)
    assert [one.is_decided for one in acks(said)] == [True]


@pytest.mark.parametrize(("largest_file", "said"), [(0, 1), (SIZE, 0)])
def test_what_the_accept_said_already_is_not_said_again_where_files_come(
    largest_file: int, said: int
) -> None:  # R-BUN-3
    receiver = ReceiverDriver(largest_file=largest_file)
    assert receiver.accepted() == [SayAccept(1, is_decided=True, limit=SIZE)]
    assert len(acks(receiver.data(0, 0, MANIFEST, is_bundled=True))) == said


def test_what_is_not_wanted_is_said_where_files_come_too() -> None:  # R-BUN-3, R-MAN-3
    receiver = ReceiverDriver(largest_file=SIZE)
    receiver.not_wanted = ((MANIFEST, MANIFEST + 50),)
    receiver.accepted()
    (ack,) = acks(receiver.data(0, 0, MANIFEST, is_bundled=True))
    assert ack.ranges == ((0, MANIFEST + 50),)


def test_nothing_is_decided_twice() -> None:
    receiver = ReceiverDriver()
    receiver.accepted()
    with pytest.raises(UnexpectedMessageError):
        receiver.accept()


def test_before_the_decision_nothing_beyond_the_manifest_is_written() -> None:  # R-ARQ-1
    receiver = ReceiverDriver()
    receiver.offered()
    for first, end in ((0, MANIFEST + 1), (MANIFEST, MANIFEST + 1), (0, SIZE), (500, 600)):
        with pytest.raises(UnexpectedMessageError):
            receiver.data(0, first, end)
    assert receiver.writes == []
    receiver.data(1, 0, MANIFEST)
    assert receiver.writes == [(0, MANIFEST)]


def test_before_the_manifest_is_known_a_little_of_the_files_may_come() -> None:  # R-MAN-3
    receiver = ReceiverDriver(size=10 * AHEAD)
    receiver.reads_slowly = True
    receiver.accepted()
    receiver.data(0, 0, MANIFEST + 100)
    receiver.data(1, MANIFEST + 100, MANIFEST + AHEAD)
    with pytest.raises(UnexpectedMessageError):
        receiver.data(2, MANIFEST + AHEAD, MANIFEST + AHEAD + 1)
    (ack,) = acks(receiver.know_manifest())
    assert ack.limit == 10 * AHEAD


def test_the_limit_moves_with_what_is_stored_from_the_beginning() -> None:
    receiver = ReceiverDriver(size=10 * WINDOW)
    receiver.accepted()
    receiver.data(0, 0, 100)
    receiver.data(1, 5000, 6000)
    assert receiver.machine.limit == 100 + WINDOW
    with pytest.raises(UnexpectedMessageError):
        receiver.data(2, 100 + WINDOW - 1, 100 + WINDOW + 1)


def test_bytes_outside_of_the_byte_space_are_refused() -> None:  # R-ARQ-1
    receiver = receiving()
    for first, end in ((SIZE - 1, SIZE + 1), (SIZE, SIZE + 1), (SIZE + 1, SIZE + 1)):
        with pytest.raises(UnexpectedMessageError):
            receiver.data(1, first, end)
    assert receiver.writes == [(0, MANIFEST)]


def test_what_is_offered_is_told_when_the_manifest_was_read_and_once() -> None:
    receiver = ReceiverDriver()
    receiver.offered()
    receiver.data(0, 0, MANIFEST)
    assert receiver.event_names == ["offer-received"]
    receiver.know_manifest()
    assert receiver.manifests_read == 1
    receiver.accept()
    assert receiver.event_names == ["offer-received", "transfer-accepted"]


def test_an_automatic_accept_is_told_after_what_is_accepted() -> None:
    assert receiving().event_names == ["offer-received", "transfer-accepted"]


def test_files_that_are_there_already_are_named_as_if_they_had_come() -> None:  # R-ARQ-3
    receiver = ReceiverDriver()
    receiver.not_wanted = ((300, 700),)
    receiver.accepted()
    (ack,) = acks(receiver.data(0, 0, MANIFEST, wants_ack=True))
    assert ack.ranges == ((0, MANIFEST), (300, 700))


def test_files_that_are_left_out_after_the_decision_are_named_at_once() -> None:  # R-MAN-3
    receiver = ReceiverDriver()
    receiver.offered()
    receiver.data(0, 0, MANIFEST, wants_ack=True)
    receiver.accept()
    (ack,) = acks(receiver.stored((300, 700)))
    assert ack.ranges == ((0, MANIFEST), (300, 700))


def test_if_all_is_there_already_nothing_has_to_come() -> None:
    receiver = ReceiverDriver()
    receiver.not_wanted = ((MANIFEST, SIZE),)
    receiver.accepted()
    assert receiver.data(0, 0, MANIFEST) == [SayDone(1)]
    assert receiver.state is TransferState.COMPLETED


@pytest.mark.parametrize("is_automatic", [True, False])
def test_empty_files_are_complete_with_their_manifest(*, is_automatic: bool) -> None:
    receiver = ReceiverDriver(size=MANIFEST)
    if is_automatic:
        receiver.accepted()
        said = receiver.data(0, 0, MANIFEST, wants_ack=True)
    else:
        receiver.offered()
        receiver.data(0, 0, MANIFEST, wants_ack=True)
        said = receiver.accept()
    assert said == [SayDone(1)]
    assert receiver.publications == 1


def test_a_manifest_that_is_not_taken_rejects_what_was_accepted() -> None:
    receiver = ReceiverDriver()
    receiver.reads_slowly = True
    receiver.accepted()
    receiver.data(0, 0, MANIFEST)
    assert receiver.reject("../x", code="UNSAFE_NAME") == [SayReject(1, "UNSAFE_NAME")]
    assert receiver.state is TransferState.REJECTED
    assert receiver.know_manifest() == []


# Acks: R-ARQ-1, R-ARQ-2


def test_bytes_are_acknowledged_when_they_are_stored_and_not_before() -> None:  # R-ARQ-1
    receiver = ReceiverDriver()
    receiver.has_slow_disk = True
    receiver.accepted()
    assert receiver.data(0, 0, 100, wants_ack=True) == []
    assert receiver.advance(100) == []
    receiver.reads_slowly = True
    # While the manifest is read, half a second for the ack that says what is wanted (R-ARQ-2).
    assert receiver.stored((0, 100)) == []
    (ack,) = acks(receiver.advance(0.5))
    assert (ack.ranges, ack.heard, ack.delay_ms) == (((0, 100),), 0, 100_500)


def test_an_ack_says_nothing_of_bytes_that_are_on_their_way_to_the_disk() -> None:  # R-ARQ-1
    receiver = receiving()
    receiver.has_slow_disk = True
    receiver.data(1, 100, 200, wants_ack=True)
    receiver.data(2, 200, 300)
    (ack,) = acks(receiver.stored((100, 200)))
    assert (ack.ranges, ack.heard) == (((0, MANIFEST), (100, 200)), 1)


def test_an_ack_names_the_highest_frame_whose_bytes_are_stored() -> None:
    receiver = receiving()
    receiver.has_slow_disk = True
    receiver.data(1, 100, 200)
    receiver.data(2, 200, 300, wants_ack=True)
    receiver.data(3, 300, 400)
    (ack,) = acks(receiver.stored((100, 300)))
    assert ack.heard == 2


def test_what_comes_again_is_not_written_again_and_answered_once_a_second() -> None:  # R-ARQ-2
    receiver = receiving()
    receiver.data(1, 100, 200, wants_ack=True)
    receiver.now += 0.3
    for number in range(2, 60):
        assert receiver.data(number, 100, 200) == []
    said = receiver.advance(5)
    assert len(acks(said)) == 1
    assert acks(said)[0].delay_ms == 700
    assert receiver.writes == [(0, MANIFEST), (100, 200)]


def test_what_was_written_and_is_not_stored_is_not_written_again() -> None:
    receiver = receiving()
    receiver.has_slow_disk = True
    receiver.data(1, 100, 200)
    receiver.data(2, 100, 200)
    assert receiver.writes == [(0, MANIFEST), (100, 200)]


def test_when_all_has_come_done_goes_instead_of_an_ack() -> None:  # R-ARQ-2
    receiver = ReceiverDriver()
    receiver.accepted()
    receiver.data(0, 0, 100, wants_ack=True)
    assert receiver.all_data(from_=1) == [SayDone(1)]
    assert receiver.state is TransferState.COMPLETED
    assert receiver.event_names[-1] == "transfer-completed"


def test_done_that_takes_longer_than_half_a_second_is_preceded_by_an_ack() -> None:  # R-ARQ-2
    receiver = ReceiverDriver()
    receiver.publishes_slowly = True
    receiver.accepted()
    receiver.data(0, 0, 100, wants_ack=True)
    assert receiver.all_data(from_=1) == []
    assert receiver.advance(0.4) == []
    (ack,) = acks(receiver.advance(0.1))
    assert ack.ranges == (WHOLE,)
    assert receiver.publish() == [SayDone(1)]


def test_while_files_get_their_names_a_probe_is_answered_with_an_ack() -> None:  # R-ARQ-9
    receiver = in_state(TransferState.COMPLETING)
    (ack,) = acks(receiver.data(10, SIZE, SIZE, wants_ack=True))
    assert (ack.ranges, ack.heard) == ((WHOLE,), 10)


def test_files_are_published_once() -> None:
    receiver = in_state(TransferState.COMPLETING)
    receiver.data(10, 0, 100, wants_ack=True)
    receiver.stored((0, 100))
    receiver.offered(1)
    receiver.offered(2)
    assert receiver.publications == 1


# After a restart: R-ARQ-10


def test_a_restarted_receiver_that_has_everything_publishes_it() -> None:
    receiver = ReceiverDriver(
        epoch=2, stored=[WHOLE], is_manifest_known=True, state=TransferState.TRANSFERRING
    )
    assert receiver.resume() == [SayDone(2)]
    assert receiver.publications == 1


def test_a_restarted_receiver_reads_a_manifest_that_it_has_and_does_not_know() -> None:
    receiver = ReceiverDriver(epoch=2, stored=[WHOLE], state=TransferState.ACCEPTED)
    assert receiver.resume() == [SayDone(2)]
    assert (receiver.manifests_read, receiver.publications) == (1, 1)


def test_a_receiver_that_was_killed_before_done_left_says_it() -> None:
    receiver = ReceiverDriver(
        epoch=2, stored=[WHOLE], is_manifest_known=True, state=TransferState.COMPLETED
    )
    assert receiver.resume() == [SayDone(2)]
    assert receiver.events == []


def test_a_restarted_undecided_receiver_still_waits_for_its_owner() -> None:
    receiver = ReceiverDriver(epoch=1, stored=[(0, MANIFEST)], is_manifest_known=True)
    assert receiver.resume() == [SayAgain(1)]
    assert receiver.events == []
    assert receiver.offered(2) == [SayAccept(2, is_decided=False, limit=MANIFEST)]
    (ack,) = acks(receiver.accept())
    assert ack.is_decided


def test_progress_counts_the_files_without_the_manifest() -> None:
    receiver = ReceiverDriver(stored=[(0, 20), (100, 200)], state=TransferState.TRANSFERRING)
    assert receiver.machine.bytes_done == 100
    receiver.resume()
    receiver.offered()
    receiver.data(0, 0, 100)
    assert receiver.machine.bytes_done == 200 - MANIFEST


# Patience


def test_an_owner_has_an_hour_and_what_the_sender_says_does_not_prolong_it() -> None:
    receiver = ReceiverDriver()
    receiver.offered()
    receiver.advance(3599)
    receiver.offered(2)
    assert receiver.state is TransferState.PENDING
    said = receiver.advance(1)
    assert said == [SayStop(2, "TRANSFER_TIMEOUT", is_recoverable=True)]
    assert isinstance(receiver.machine.error, TransferTimeoutError)


def test_a_sender_that_says_nothing_is_given_up_after_the_idle_time() -> None:
    receiver = receiving()
    receiver.advance(899)
    receiver.data(1, 100, 200)
    receiver.advance(899)
    assert not receiver.state.is_final
    said = receiver.advance(1)
    assert isinstance(said[-1], SayStop)
    assert receiver.machine.is_resumable


def test_the_whole_time_has_an_end() -> None:
    receiver = ReceiverDriver(patience=Patience(total=100))
    receiver.accepted()
    for number in range(5):
        receiver.advance(19)
        receiver.data(number, 0, 1)
    receiver.advance(5)
    assert receiver.state is TransferState.FAILED


def test_once_the_files_get_their_names_patience_does_not_end() -> None:
    receiver = ReceiverDriver(patience=Patience(total=100, idle=50))
    receiver.publishes_slowly = True
    receiver.accepted()
    receiver.all_data()
    said = receiver.advance(5000)
    assert len(said) == 1  # the ack
    assert receiver.publish() == [SayDone(1)]


# Ends


@pytest.mark.parametrize("state", STOPPABLE)
def test_it_can_be_cancelled_and_fail_until_all_has_come_and_says_so(
    state: TransferState,
) -> None:
    cancelled = in_state(state)
    said = cancelled.cancel()
    assert said[0] == SayStop(1, "TRANSFER_CANCELLED", is_recoverable=False)
    assert cancelled.state is TransferState.CANCELLED
    assert cancelled.machine.deadline is None
    failed = in_state(state)
    failed.machine.fail(StorageError("full"), failed.now, is_resumable=True)
    assert failed.say()[0] == SayStop(1, "STORAGE", is_recoverable=True)
    assert failed.state is TransferState.FAILED


def test_while_files_get_their_names_it_cannot_be_cancelled_but_can_fail() -> None:
    receiver = in_state(TransferState.COMPLETING)
    with pytest.raises(UnexpectedMessageError):
        receiver.cancel()
    receiver.machine.fail(StorageError("full"), receiver.now, is_resumable=True)
    assert receiver.say() == [SayStop(1, "STORAGE", is_recoverable=True)]


@pytest.mark.parametrize("state", STOPPABLE)
def test_the_sender_can_stop_until_all_has_come(state: TransferState) -> None:
    failed = in_state(state)
    assert failed.hear(stop_of(is_recoverable=True)) == []
    assert (failed.state, failed.machine.is_resumable) == (TransferState.FAILED, True)
    assert isinstance(failed.machine.error, TransferFailedError)
    cancelled = in_state(state)
    cancelled.hear(stop_of(code="TRANSFER_CANCELLED"))
    assert cancelled.state is TransferState.CANCELLED


def test_a_stop_while_files_get_their_names_comes_too_late() -> None:
    receiver = in_state(TransferState.COMPLETING)
    receiver.hear(stop_of())
    assert receiver.publish() == [SayDone(1)]


def test_a_stop_of_an_earlier_epoch_changes_nothing() -> None:  # R-CTL-3
    receiver = receiving()
    receiver.offered(2)
    receiver.hear(stop_of(1))
    assert receiver.state is TransferState.ACCEPTED


def test_a_stop_of_an_epoch_whose_offer_was_lost_counts() -> None:
    receiver = receiving()
    receiver.hear(stop_of(7))
    assert receiver.state is TransferState.FAILED


@pytest.mark.parametrize("state", FINAL)
def test_after_the_end_nothing_changes_it_and_who_goes_on_hears_of_it(
    state: TransferState,
) -> None:  # R-CTL-2
    receiver = in_state(state)
    error, events = receiver.machine.error, len(receiver.events)
    expected = {TransferState.COMPLETED: SayDone, TransferState.REJECTED: SayReject}
    kind = expected.get(state, SayStop)
    for epoch in (1, 2, 5):
        (said,) = receiver.offered(epoch)
        assert isinstance(said, kind)
        assert getattr(said, "epoch", None) == epoch
    assert receiver.data(49, 0, 100) == []  # a late frame is no question
    (said,) = receiver.data(50, 0, 100, wants_ack=True)
    assert isinstance(said, kind)
    receiver.hear(stop_of(5), stop_of(5, code="TRANSFER_CANCELLED"))
    receiver.stored((0, 100))
    receiver.know_manifest()
    receiver.advance(10_000)
    assert (receiver.state, receiver.machine.error) == (state, error)
    assert len(receiver.events) == events


@pytest.mark.parametrize("state", FINAL)
def test_a_restarted_receiver_answers_for_what_has_ended(state: TransferState) -> None:
    receiver = ReceiverDriver(epoch=3, state=state, stored=[WHOLE])
    (said,) = receiver.offered(4)
    expected = {TransferState.COMPLETED: SayDone, TransferState.REJECTED: SayReject}
    assert isinstance(said, expected.get(state, SayStop))
    assert getattr(said, "epoch", None) == 4


def test_a_reject_has_the_owners_words_and_no_others() -> None:  # R-CTL-1
    receiver = ReceiverDriver()
    receiver.offered()
    assert receiver.reject("not today") == [SayReject(1, "TRANSFER_REJECTED", "not today")]
    assert receiver.offered() == [SayReject(1, "TRANSFER_REJECTED", "not today")]
    for typed, words in (("x" * 1000, "x" * 300), ("\udcff", "?"), ("", "")):
        receiver = ReceiverDriver()
        receiver.offered()
        (said,) = receiver.reject(typed)
        assert isinstance(said, SayReject)
        assert said.words == words


def test_a_reject_is_repeated_with_its_code() -> None:
    receiver = ReceiverDriver()
    receiver.offered()
    assert receiver.reject("too large", code="FILE_TOO_LARGE") == [SayReject(1, "FILE_TOO_LARGE")]
    assert receiver.offered() == [SayReject(1, "FILE_TOO_LARGE")]
    assert receiver.event_names[-1] == "transfer-rejected"


def test_c8_data_after_the_end_is_not_written() -> None:
    receiver = in_state(TransferState.CANCELLED)
    receiver.data(50, 100, 200)
    assert (100, 200) not in receiver.writes


# How many ranges: R-ARQ-13


def test_data_that_would_open_one_range_too_many_is_refused_and_comes_again() -> None:
    size = MANIFEST + 10 * 5000
    receiver = ReceiverDriver(size=size)
    receiver.machine.accept(receiver.now)
    receiver.offered()
    receiver.data(0, 0, MANIFEST)
    number = 0
    for number in range(1, 4096):
        receiver.data(number, MANIFEST + 10 * number, MANIFEST + 10 * number + 5)
    assert len(receiver.machine.stored_ranges()) == 4096
    far = MANIFEST + 10 * 4500
    writes = list(receiver.writes)
    with pytest.raises(UnexpectedMessageError):
        receiver.data(number + 1, far, far + 5, wants_ack=True)
    assert receiver.writes == writes
    assert acks(receiver.advance(30))[-1].heard == number  # it is as good as lost
    receiver.data(number + 2, MANIFEST, MANIFEST + 10)  # what is missing first always may come
    receiver.data(number + 3, far, far + 5)
    assert receiver.writes[-2:] == [(MANIFEST, MANIFEST + 10), (far, far + 5)]


# Which files need not be sent: R-MAN-3


def test_nothing_gets_its_name_before_it_is_known_what_is_here_already() -> None:
    receiver = ReceiverDriver(size=MANIFEST)  # all files are empty
    receiver.offered()
    receiver.data(0, 0, MANIFEST, wants_ack=True)
    receiver.machine.accept(receiver.now, is_choosing=True)
    receiver.advance(60)
    assert receiver.publications == 0
    receiver.machine.chosen((), receiver.now)
    receiver.say()
    assert receiver.publications == 1


def test_nor_after_a_restart() -> None:
    receiver = ReceiverDriver(
        is_manifest_known=True, stored=[WHOLE], state=TransferState.TRANSFERRING, epoch=1
    )
    receiver.machine.resume(receiver.now, is_choosing=True)
    receiver.advance(10)
    assert receiver.publications == 0
    receiver.machine.chosen((), receiver.now)
    receiver.say()
    assert receiver.publications == 1
    assert receiver.state is TransferState.COMPLETED


def test_of_some_files_the_end_says_how_many() -> None:
    receiver = in_state(TransferState.COMPLETING)
    receiver.machine.published("/inbox", "00" * 32, receiver.now, taken=(2, 300))
    receiver.say()
    completed = receiver.events[-1]
    assert isinstance(completed, TransferCompleted)
    assert (completed.files_taken, completed.size) == (2, 300)
