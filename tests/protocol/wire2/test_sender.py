import pytest

from ocft.errors import (
    StorageError,
    TransferFailedError,
    TransferRejectedError,
    TransferTimeoutError,
    UnexpectedMessageError,
)
from ocft.events import TransferCompleted
from ocft.protocol import Patience, SayData, SayOffer, SayStop
from ocft.transfers import TransferState
from ocft.wire import TransferOffer
from tests.protocol.wire2.driving import (
    DIGEST,
    EPHEMERAL,
    ID,
    MANIFEST,
    ROOM,
    SIZE,
    SenderDriver,
    accept_of,
    ack_of,
    again_of,
    done_of,
    numbers,
    places,
    reject_of,
    stop_of,
)

FINAL = [state for state in TransferState if state.is_final]
LIVE = [TransferState.PENDING, TransferState.TRANSFERRING, TransferState.COMPLETING]
WHOLE = (0, SIZE)


def transferring() -> SenderDriver:
    """Return a sender that has sent all ten frames of epoch 1, at once."""
    sender = SenderDriver()
    sender.start()
    sender.hear(accept_of())
    return sender


def in_state(state: TransferState) -> SenderDriver:
    """Return a sender that came to a state the usual way."""
    sender = SenderDriver()
    sender.start()
    if state is TransferState.PENDING:
        return sender
    if state is TransferState.REJECTED:
        sender.hear(reject_of())
        return sender
    sender.hear(accept_of())
    if state is TransferState.COMPLETING:
        sender.ack(0, WHOLE, heard=9)
    if state is TransferState.COMPLETED:
        sender.hear(done_of())
    if state is TransferState.FAILED:
        sender.machine.fail(StorageError("gone"), sender.now)
    if state is TransferState.CANCELLED:
        sender.cancel()
    sender.say()
    assert sender.state is state
    return sender


def test_it_begins_with_an_offer_of_the_first_epoch() -> None:
    sender = SenderDriver()
    assert sender.start() == [SayOffer(1)]
    assert (sender.state, sender.event_names) == (TransferState.PENDING, ["offer-sent"])


def test_after_a_decided_accept_all_goes_at_once_in_frames_of_the_room() -> None:
    sender = SenderDriver()
    sender.start()
    said = sender.hear(accept_of())
    assert places(said) == [(first, first + ROOM) for first in range(0, SIZE, ROOM)]
    assert numbers(said) == list(range(10))
    assert not any(one.is_repeat for one in said if isinstance(one, SayData))
    assert sender.event_names == ["offer-sent", "transfer-started"]
    assert sender.state is TransferState.TRANSFERRING


def test_only_the_end_of_the_manifest_and_the_last_frame_ask_for_an_ack() -> None:  # R-ARQ-9
    sender = SenderDriver(manifest_size=250)
    sender.start()
    said = sender.hear(accept_of())
    asking = [one.number for one in said if isinstance(one, SayData) and one.wants_ack]
    assert asking == [2, 9]


def test_before_the_decision_nothing_beyond_the_limit_is_sent() -> None:  # R-ARQ-6
    sender = SenderDriver()
    sender.start()
    said = sender.hear(accept_of(is_decided=False, limit=MANIFEST))
    assert places(said) == [(0, MANIFEST)]
    assert sender.state.value == "pending"
    assert "transfer-started" not in sender.event_names
    assert places(sender.ack(0, (0, MANIFEST), heard=0, limit=300)) == [
        (MANIFEST, 140),
        (140, 240),
        (240, 300),
    ]
    assert sender.state is TransferState.TRANSFERRING


def test_what_the_receiver_has_is_not_sent() -> None:  # R-ARQ-3
    sender = SenderDriver()
    sender.start()
    said = sender.hear(accept_of(ranges=[(0, 150), (300, 900)]))
    assert places(said) == [(150, 250), (250, 300), (900, 1000)]


def test_of_a_limit_that_goes_down_nothing_lost_beyond_it_is_sent() -> None:  # R-ARQ-6
    sender = transferring()
    sender.now += 10
    said = sender.ack(0, (0, 100), heard=9, limit=250, delay_ms=9000)
    assert places(said) == [(100, 200), (200, 250)]
    assert places(sender.ack(1, (0, 250), heard=11))[0] == (250, 350)


# Which answers count: R-CTL-2, R-CTL-3


def test_an_offer_without_answer_is_repeated_in_the_same_epoch() -> None:  # R-ARQ-8, R-CTL-2
    sender = SenderDriver()
    sender.start()
    assert sender.waits(9) == [3, 6, 12, 24, 48, 96, 192, 300, 300]
    assert sender.machine.epoch == 1
    assert sender.machine.offers_in_vain == 9


def test_any_answer_ends_the_count_of_offers_in_vain() -> None:  # R-HSK-7
    sender = SenderDriver()
    sender.start()
    sender.waits(4)
    assert sender.machine.offers_in_vain == 4
    sender.hear(accept_of())
    assert sender.machine.offers_in_vain == 0


def test_the_first_accept_of_an_epoch_is_the_one_that_counts() -> None:  # R-CTL-3
    sender = SenderDriver()
    sender.start()
    assert places(sender.hear(accept_of(limit=100))) == [(0, 100)]
    assert sender.hear(accept_of(limit=SIZE)) == []
    assert sender.hear(accept_of(2)) == []


def test_an_accept_that_comes_while_a_repeated_offer_waits_spares_that_offer() -> None:
    sender = SenderDriver()
    sender.start()
    sender.now += 3
    sender.machine.on_deadline(sender.now)
    said = sender.hear(accept_of())
    assert SayOffer(1) not in said
    assert len(said) == 10


def test_an_offer_that_has_just_left_does_not_put_off_what_its_accept_set() -> None:
    sender = SenderDriver()
    sender.machine.start(sender.now)
    offer = sender.machine.next_to_send(ROOM, sender.now)
    assert offer == SayOffer(1)
    sender.hear(accept_of(ranges=[WHOLE]))
    before = sender.machine.deadline
    sender.machine.sent(SayOffer(1), sender.now + 2)
    assert sender.machine.deadline == before


def test_an_accept_of_bytes_that_there_are_not_is_refused_and_changes_nothing() -> None:
    sender = SenderDriver()
    sender.start()
    with pytest.raises(UnexpectedMessageError):
        sender.hear(accept_of(ranges=[(0, SIZE + 1)]))
    assert sender.say() == []
    assert len(sender.hear(accept_of())) == 10


def test_an_accept_of_an_epoch_that_was_not_offered_yet_changes_nothing() -> None:
    sender = SenderDriver()
    sender.machine.start(sender.now)  # the offer has not left
    sender.machine.receive(accept_of(), sender.now)
    assert sender.say() == [SayOffer(1)]


def test_again_begins_the_next_epoch() -> None:  # R-CTL-3
    sender = transferring()
    sender.ack(0, (0, 500), heard=4)
    assert sender.hear(again_of()) == [SayOffer(2)]
    assert sender.machine.epoch == 2
    assert sender.machine.bytes_done == 500 - MANIFEST
    assert places(sender.hear(accept_of(2, ranges=[(0, 700)]))) == [
        (700, 800),
        (800, 900),
        (900, 1000),
    ]


def test_frames_are_counted_anew_in_each_epoch_and_so_are_acks() -> None:  # R-SEA-1, R-SEA-2
    sender = transferring()
    sender.ack(7, (0, 100), heard=0)
    sender.hear(again_of())
    assert numbers(sender.hear(accept_of(2))) == list(range(10))
    sender.ack(0, (0, 300), heard=2)
    assert sender.machine.bytes_done == 300 - MANIFEST


def test_again_of_an_earlier_epoch_changes_nothing() -> None:  # R-CTL-3
    sender = transferring()
    sender.ack(0, (0, 100), heard=0)
    sender.hear(again_of())
    assert sender.hear(again_of(1)) == []
    assert sender.machine.epoch == 2


def test_again_of_an_epoch_that_was_not_offered_yet_changes_nothing() -> None:
    """A peer that says it all the time, ahead of the offers, could make us count for ever."""
    sender = SenderDriver()
    sender.start()
    for epoch in range(1, 5000):
        sender.hear(again_of(epoch))
    assert sender.machine.epoch == 2
    assert sender.advance(2.9) == []
    assert sender.advance(0.1) == [SayOffer(2)]


def test_epochs_that_got_no_ack_follow_one_another_ever_more_slowly() -> None:  # R-ARQ-5
    sender = SenderDriver(patience=Patience(decision=1e6, idle=1e6))
    sender.start()
    waits = []
    for epoch in range(1, 1200):
        assert sender.hear(again_of(epoch)) == []
        waits.append(round(sender.machine.deadline - sender.now, 6))  # type: ignore[operator]
        assert sender.wait() == [SayOffer(epoch + 1)]
    assert waits[:9] == [3, 6, 12, 24, 48, 96, 192, 300, 300]
    assert set(waits[9:]) == {300}


def test_an_ack_lets_the_next_epoch_begin_at_once() -> None:  # R-ARQ-5
    sender = SenderDriver()
    sender.start()
    sender.hear(again_of(1))
    sender.wait()
    sender.hear(accept_of(2))
    sender.ack(0, (0, 100), heard=0)
    assert sender.hear(again_of(2)) == [SayOffer(3)]


def test_bytes_that_went_around_the_channel_let_the_next_epoch_begin_at_once() -> None:  # R-DIR-4
    sender = SenderDriver()
    sender.start()
    for epoch in (1, 2, 3):
        sender.machine.receive(accept_of(epoch), sender.now)
        sender.machine.heard_directly(sender.now)
        assert sender.hear(again_of(epoch)) == [SayOffer(epoch + 1)]


def test_reject_and_stop_of_another_epoch_change_nothing() -> None:  # R-CTL-3
    sender = transferring()
    sender.ack(0, (0, 100), heard=0)
    sender.hear(again_of())
    for epoch in (1, 3):
        sender.hear(reject_of(epoch), stop_of(epoch))
    assert sender.state is TransferState.TRANSFERRING


def test_done_of_an_earlier_epoch_is_as_true_as_one_of_this() -> None:
    sender = transferring()
    sender.ack(0, (0, 100), heard=0)
    sender.hear(again_of())
    sender.hear(done_of(1))
    assert sender.state is TransferState.COMPLETED


def test_done_of_an_epoch_that_there_was_not_changes_nothing() -> None:
    sender = transferring()
    sender.hear(done_of(2))
    assert sender.state is TransferState.TRANSFERRING


def test_done_with_other_files_is_refused() -> None:
    sender = transferring()
    with pytest.raises(UnexpectedMessageError):
        sender.hear(done_of(digest=bytes(32)))
    assert sender.state is TransferState.TRANSFERRING


@pytest.mark.parametrize("state", LIVE)
def test_done_completes_from_every_state(state: TransferState) -> None:
    sender = in_state(state)
    assert sender.hear(done_of()) == []  # R-ARQ-9: it is not answered
    assert sender.state is TransferState.COMPLETED
    assert sender.machine.bytes_done == SIZE - MANIFEST
    assert sender.event_names[-1] == "transfer-completed"
    assert sender.machine.deadline is None


def test_what_only_a_sender_says_is_refused() -> None:
    sender = transferring()
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
    with pytest.raises(UnexpectedMessageError):
        sender.hear(offer)


# Acks: R-SEA-2, R-ARQ-4


def test_an_ack_that_was_overtaken_is_ignored() -> None:  # R-SEA-2
    sender = transferring()
    sender.ack(3, (0, 500), heard=4)
    sender.ack(3, (0, 900), heard=8)
    sender.ack(2, (0, 900), heard=8)
    assert sender.machine.bytes_done == 500 - MANIFEST


def test_an_ack_of_bytes_that_there_are_not_is_dropped_whole() -> None:  # R-SEA-2
    sender = transferring()
    sender.ack(9, (0, 100), (900, SIZE + 1), heard=9)
    assert sender.machine.bytes_done == 0
    sender.ack(1, (0, 100), heard=0)
    assert sender.machine.bytes_done == 100 - MANIFEST


def test_r5_an_ack_that_heard_a_frame_never_sent_is_dropped() -> None:
    sender = transferring()
    sender.now += 10
    assert sender.ack(0, (0, 100), heard=10) == []
    assert sender.machine.bytes_done == 0


def test_r7_what_was_acknowledged_stays_so_whatever_a_later_ack_leaves_out() -> None:
    sender = transferring()
    sender.ack(0, (0, 500), heard=4)
    assert sender.ack(1, (0, 100), heard=4) == []
    assert sender.machine.bytes_done == 500 - MANIFEST


def test_an_ack_before_the_accept_changes_nothing() -> None:
    sender = SenderDriver()
    sender.start()
    sender.ack(0, WHOLE, heard=None)
    assert sender.state is TransferState.PENDING
    assert sender.machine.bytes_done == 0


def test_the_last_ack_leaves_only_done_to_wait_for() -> None:
    sender = transferring()
    assert sender.ack(0, WHOLE, heard=9) == []
    assert sender.state is TransferState.COMPLETING
    assert sender.machine.bytes_done == SIZE - MANIFEST


def test_all_stored_and_not_decided_waits_for_the_decision() -> None:
    """Also with a receiver that wanted the files before, and lost its memory since."""
    sender = SenderDriver(epoch=1, is_decided=True)
    sender.start(is_resumed=True)
    sender.hear(accept_of(2, is_decided=False, ranges=[WHOLE]))
    sender.ack(0, WHOLE, is_decided=False)
    assert sender.state.value == "pending"
    sender.ack(1, WHOLE)
    assert sender.state is TransferState.COMPLETING


def test_a_lost_frame_is_sent_again_once_three_later_ones_were_heard() -> None:  # R-ARQ-4
    sender = transferring()
    sender.now += 1
    assert sender.ack(0, (0, 300), heard=2) == []  # a round trip of one second
    sender.now += 0.5
    assert sender.ack(1, (0, 300), (400, 600), heard=5, delay_ms=500) == []  # two later ones
    said = sender.ack(2, (0, 300), (400, 700), heard=6, delay_ms=500)
    assert places(said) == [(300, 400)]
    assert numbers(said) == [10]


def test_a_frame_that_is_not_old_enough_gets_a_little_longer() -> None:  # R-ARQ-4
    sender = transferring()
    sender.now += 1
    assert sender.ack(0, (0, 300), (400, 800), heard=7) == []  # all of it a round trip old
    assert sender.advance(0.12) == []
    assert places(sender.advance(0.01)) == [(300, 400)]  # 9/8 of the round trip


def test_a_late_ack_takes_back_what_was_given_up_and_has_not_left() -> None:
    sender = transferring()
    sender.now += 10
    sender.machine.receive_ack(0, ack_of((500, SIZE), heard=9, delay_ms=9000), sender.now)
    assert sender.machine.peek(ROOM) == (0, 100)
    assert sender.ack(1, WHOLE, heard=9) == []


# Probes: R-ARQ-5


def test_a_probe_repeats_the_oldest_missing_bytes_and_asks_for_an_ack() -> None:  # R-ARQ-5
    sender = transferring()
    assert sender.advance(2.9) == []
    said = sender.advance(0.1)
    assert said == [SayData(10, 0, ROOM, wants_ack=True, is_repeat=True)]


def test_probes_back_off_and_after_six_in_vain_the_next_epoch_begins() -> None:  # R-ARQ-5
    sender = transferring()
    assert sender.waits(6) == [3, 6, 12, 24, 48, 60]
    assert sender.machine.epoch == 1
    sender.advance(60)
    assert sender.machine.epoch == 2
    assert sender.advance(3) == [SayOffer(2)]


def test_a_probe_waits_for_the_measured_round_trip() -> None:  # R-ARQ-5
    sender = transferring()
    sender.now += 4
    sender.ack(0, (0, 500), heard=4)
    assert sender.waits(1) == [12]  # 4 + 4 * 2


def test_a_delay_that_the_receiver_reports_is_no_part_of_the_round_trip() -> None:
    sender = transferring()
    sender.now += 4
    sender.ack(0, (0, 500), heard=4, delay_ms=3600)
    assert sender.waits(1) == [1.2]  # 0.4 + 4 * 0.2


def test_a_delay_counts_as_thirty_seconds_at_most() -> None:  # R-SEA-2
    sender = transferring()
    sender.now += 40
    sender.ack(0, (0, 500), heard=4, delay_ms=40_000)
    assert sender.waits(1) == [30]  # 10 + 4 * 5


def test_acks_without_progress_keep_the_epoch_and_the_long_waits() -> None:  # R-ARQ-5
    sender = transferring()
    sender.waits(6)
    for number in range(20):
        sender.ack(number)
        assert sender.waits(1) == [60]
    assert sender.machine.epoch == 1


def test_progress_makes_the_waits_short_again() -> None:
    sender = transferring()
    sender.waits(5)
    sender.ack(0, (400, 500), heard=14)
    assert sender.waits(2) == [1, 2]


def test_an_ack_that_comes_first_spares_a_probe_that_waits_for_its_turn() -> None:
    sender = transferring()
    sender.now += 3
    sender.machine.on_deadline(sender.now)
    assert sender.ack(0, WHOLE, heard=9) == []


def test_a_day_of_probes_that_are_answered_but_bring_nothing_changes_nothing() -> None:
    """The receiver may verify for hours; two to the power of the probes is no number then."""
    sender = transferring()
    sender.ack(0, WHOLE, heard=9)
    for number in range(1, 1500):
        (probe,) = sender.wait()
        assert probe == SayData(9 + number, SIZE, SIZE, wants_ack=True, is_repeat=False)
        sender.ack(number, WHOLE, heard=9 + number)
    assert sender.state is TransferState.COMPLETING


def test_who_misses_done_asks_with_an_empty_frame() -> None:  # R-ARQ-9
    sender = in_state(TransferState.COMPLETING)
    (probe,) = sender.wait()
    assert probe == SayData(10, SIZE, SIZE, wants_ack=True, is_repeat=False)


def test_after_the_manifest_an_undecided_receiver_is_asked_now_and_then() -> None:  # R-ARQ-8
    sender = SenderDriver()
    sender.start()
    sender.hear(accept_of(is_decided=False, limit=MANIFEST))
    sender.now += 1
    for number in range(5):
        sender.ack(number, (0, MANIFEST), heard=0, limit=MANIFEST, is_decided=False)
        assert sender.waits(1) == [300]


def test_an_undecided_receiver_that_is_silent_is_asked_more_often_and_then_offered_anew() -> None:
    sender = SenderDriver()
    sender.start()
    sender.hear(accept_of(is_decided=False, limit=MANIFEST))
    sender.now += 1
    sender.ack(0, (0, MANIFEST), heard=0, limit=MANIFEST, is_decided=False)
    assert sender.waits(6) == [300, 6, 12, 24, 48, 60]
    assert sender.advance(60)[-1] == SayOffer(2)


def test_data_that_is_held_back_goes_on_with_a_probe_or_after_the_answer() -> None:  # R-FRM-5
    for is_answered in (True, False):
        sender = SenderDriver(manifest_size=250)
        sender.start()
        sender.machine.receive(accept_of(), sender.now)
        first = sender.machine.next_to_send(ROOM, sender.now, asks_ack=True)
        assert first == SayData(0, 0, ROOM, wants_ack=True, is_repeat=False)
        sender.machine.sent(first, sender.now)
        assert sender.machine.next_to_send(ROOM, sender.now, holds_data=True) is None
        if is_answered:
            sender.machine.receive_ack(0, ack_of((0, ROOM), heard=0), sender.now)
            said = sender.machine.next_to_send(ROOM, sender.now, holds_data=True)
            assert said == SayData(1, ROOM, 2 * ROOM, wants_ack=False, is_repeat=False)
            continue
        assert sender.machine.deadline == sender.now + 3
        sender.now += 3
        sender.machine.on_deadline(sender.now)
        said = sender.machine.next_to_send(ROOM, sender.now, holds_data=True)
        assert said == SayData(1, 0, ROOM, wants_ack=True, is_repeat=True)
        sender.machine.sent(said, sender.now)
        assert sender.machine.next_to_send(ROOM, sender.now, holds_data=True) is None
        assert sender.machine.deadline == sender.now + 6


def test_waits_are_counted_from_when_a_text_left() -> None:  # R-ARQ-5
    sender = SenderDriver(size=ROOM)
    sender.start()
    sender.machine.receive(accept_of(limit=ROOM), sender.now)
    said = sender.machine.next_to_send(ROOM, sender.now)
    assert said is not None
    assert sender.advance(50) == []  # it waits for its turn
    sender.machine.sent(said, sender.now)
    assert sender.waits(1) == [3]


def test_the_age_of_a_frame_is_counted_from_when_it_left() -> None:  # R-ARQ-4
    sender = SenderDriver()
    sender.start()
    sender.machine.receive(accept_of(), sender.now)
    for _ in range(10):
        sender.now += 2
        said = sender.machine.next_to_send(ROOM, sender.now - 2)
        assert said is not None
        sender.machine.sent(said, sender.now)
    sender.now += 1
    assert sender.ack(0, (0, 100), (200, SIZE), heard=9) != []
    assert sender.machine._window is not None
    assert sender.machine._window.round_trip == 1


# Patience


def test_a_decision_is_waited_for_an_hour_and_acks_do_not_prolong_that() -> None:
    sender = SenderDriver()
    sender.start()
    sender.hear(accept_of(is_decided=False, limit=MANIFEST))
    for number in range(12):
        sender.ack(number, (0, MANIFEST), limit=MANIFEST, is_decided=False)
        sender.advance(299)
    assert sender.state.value == "pending"
    said = sender.advance(12)
    assert said[-1] == SayStop(1, "TRANSFER_TIMEOUT", is_recoverable=True)
    assert sender.state is TransferState.FAILED
    assert isinstance(sender.machine.error, TransferTimeoutError)
    assert sender.machine.is_resumable


def test_a_receiver_that_says_nothing_is_given_up_after_the_idle_time() -> None:
    sender = transferring()
    sender.advance(899.9)
    assert not sender.state.is_final
    said = sender.advance(0.1)
    assert isinstance(said[-1], SayStop)
    assert sender.state is TransferState.FAILED


def test_every_ack_is_a_sign_of_life() -> None:
    sender = transferring()
    for number in range(50):
        sender.advance(59)
        sender.ack(number)
    assert sender.state is TransferState.TRANSFERRING
    assert sender.machine.gives_up_at == sender.now + 900


def test_the_whole_time_has_an_end_whatever_the_receiver_says() -> None:
    sender = SenderDriver(patience=Patience(total=1000))
    sender.start()
    sender.hear(accept_of())
    for number in range(10):
        sender.advance(99)
        sender.ack(number)
    sender.advance(10)
    assert sender.state is TransferState.FAILED
    assert "longer than 1000 seconds" in str(sender.machine.error)


def test_a_restarted_sender_whose_files_were_wanted_waits_for_a_sign_not_for_a_decision() -> None:
    sender = SenderDriver(epoch=3, is_decided=True, bytes_done=500)
    assert sender.start(is_resumed=True) == [SayOffer(4)]
    assert sender.event_names == ["transfer-resumed"]
    assert sender.machine.bytes_done == 500
    sender.advance(900)
    assert sender.state is TransferState.FAILED


def test_a_restarted_sender_goes_on_with_what_the_receiver_says() -> None:  # R-ARQ-10
    sender = SenderDriver(epoch=3, is_decided=True, bytes_done=500)
    sender.start(is_resumed=True)
    assert sender.hear(accept_of(3), again_of(3), reject_of(3)) == []
    assert places(sender.hear(accept_of(4, ranges=[(0, 850)]))) == [(850, 950), (950, 1000)]
    assert "transfer-started" not in sender.event_names


# Ends


@pytest.mark.parametrize("state", LIVE)
def test_it_can_be_cancelled_in_every_state_and_says_so(state: TransferState) -> None:
    sender = in_state(state)
    assert sender.cancel() == [SayStop(1, "TRANSFER_CANCELLED", is_recoverable=False)]
    assert sender.state is TransferState.CANCELLED
    assert sender.event_names[-1] == "transfer-cancelled"
    assert sender.machine.deadline is None


@pytest.mark.parametrize("state", LIVE)
def test_it_can_fail_in_every_state_and_says_so(state: TransferState) -> None:
    sender = in_state(state)
    sender.machine.fail(StorageError("no disk"), sender.now, is_resumable=True)
    assert sender.say() == [SayStop(1, "STORAGE", is_recoverable=True)]
    assert (sender.state, sender.machine.is_resumable) == (TransferState.FAILED, True)


def test_who_ends_before_anything_was_offered_has_nobody_to_tell() -> None:
    for sender in (SenderDriver(), SenderDriver()):
        sender.cancel()
        assert sender.say() == []
    failing = SenderDriver()
    failing.machine.fail(StorageError("gone"), failing.now)
    assert failing.say() == []


def test_the_receivers_owner_is_quoted() -> None:  # R-CTL-1
    sender = in_state(TransferState.PENDING)
    sender.hear(reject_of(words="not today"))
    assert str(sender.machine.error) == "The receiver refused: not today"


@pytest.mark.parametrize("state", LIVE)
def test_the_peer_can_refuse_fail_and_cancel_in_every_state(state: TransferState) -> None:
    refused = in_state(state)
    assert refused.hear(reject_of(code="FILE_TOO_LARGE")) == []
    assert refused.state is TransferState.REJECTED
    assert isinstance(refused.machine.error, TransferRejectedError)
    assert "FILE_TOO_LARGE" in str(refused.machine.error)
    failed = in_state(state)
    assert failed.hear(stop_of(is_recoverable=True)) == []
    assert (failed.state, failed.machine.is_resumable) == (TransferState.FAILED, True)
    assert isinstance(failed.machine.error, TransferFailedError)
    cancelled = in_state(state)
    assert cancelled.hear(stop_of(code="TRANSFER_CANCELLED")) == []
    assert cancelled.state is TransferState.CANCELLED


@pytest.mark.parametrize("state", FINAL)
def test_after_the_end_nothing_changes_it(state: TransferState) -> None:
    sender = in_state(state)
    error, events = sender.machine.error, len(sender.events)
    sender.hear(accept_of(), again_of(), reject_of(), stop_of(), done_of())
    sender.hear(stop_of(code="TRANSFER_CANCELLED"))
    sender.ack(100, WHOLE, heard=None)
    sender.advance(10_000)
    assert (sender.state, sender.machine.error, len(sender.events)) == (state, error, events)
    assert sender.machine.epoch == 1


@pytest.mark.parametrize("state", [TransferState.FAILED, TransferState.CANCELLED])
@pytest.mark.parametrize("what", ["accept", "again", "ack"])
def test_a_receiver_that_goes_on_after_the_end_hears_of_it_again(
    state: TransferState, what: str
) -> None:
    sender = in_state(state)
    fresh = SenderDriver(epoch=1, state=state)  # as after a restart
    for one in (sender, fresh):
        if what == "ack":
            said = one.ack(50, (0, 100))
        else:
            said = one.hear(accept_of() if what == "accept" else again_of())
        if what == "accept" and one is sender:
            assert said == []  # a repeat of the one that it took
        else:
            assert [type(each) for each in said] == [SayStop]
            assert one.say() == []


@pytest.mark.parametrize("state", [TransferState.COMPLETED, TransferState.REJECTED])
def test_after_an_end_that_the_receiver_said_it_is_told_nothing(state: TransferState) -> None:
    sender = in_state(state)
    assert sender.hear(accept_of(), again_of()) == []
    assert sender.ack(50, (0, 100)) == []


@pytest.mark.parametrize("state", [TransferState.COMPLETED, TransferState.CANCELLED])
def test_what_has_ended_cannot_be_cancelled(state: TransferState) -> None:
    sender = in_state(state)
    with pytest.raises(UnexpectedMessageError):
        sender.cancel()
    assert sender.state is state


# What counts as life: R-ARQ-5


@pytest.mark.parametrize("answer", ["accept", "again"])
def test_answers_without_an_ack_are_no_life_after_the_first_epoch(answer: str) -> None:
    """A peer that accepts every epoch and acknowledges nothing must not hold us for ever."""
    sender = SenderDriver()
    sender.start()
    sender.hear(accept_of())  # its answer to the first epoch is life
    began = sender.now
    while not sender.state.is_final:
        for one in sender.wait():
            if isinstance(one, SayOffer):
                sender.hear(accept_of(one.epoch) if answer == "accept" else again_of(one.epoch))
        assert sender.now < began + 1000
    assert sender.machine.epoch > 1
    assert isinstance(sender.machine.error, TransferTimeoutError)
    assert sender.machine.is_resumable


def test_an_ack_makes_the_next_answer_life_again() -> None:
    sender = transferring()
    sender.advance(880)
    epoch = sender.machine.epoch
    assert epoch > 1
    sender.hear(accept_of(epoch))
    assert sender.machine.gives_up_at == pytest.approx(1000)
    sender.ack(0, (0, 100), heard=0)
    assert sender.machine.gives_up_at == sender.now + 900
    sender.now += 10
    sender.hear(again_of(epoch))
    assert sender.machine.gives_up_at == sender.now + 900


# Bundles: R-BUN-3

FILE = 1000 + 64  # bytes of a native file, of which 64 are for what is beside its one frame


def in_bundles(size: int, *, limit: int | None = None) -> SenderDriver:
    """Return a sender whose files are wanted, and that sends nothing as texts."""
    sender = SenderDriver(size=size)
    sender.machine.start(sender.now)
    sender.machine.next_to_send(0, sender.now)
    limit = size if limit is None else limit
    sender.machine.receive(accept_of(is_decided=True, limit=limit), sender.now)
    return sender


def bundles(sender: SenderDriver, *, at_once: int = 2) -> list[tuple[int, int, bool]]:
    """Return all native files that may leave now: their ranges, and whether they ask for an ack."""
    made = []
    while said := sender.machine.next_bundle(2000, FILE, sender.now, at_once=at_once):
        made.append((said.frames[0].first, said.frames[-1].end, said.frames[-1].wants_ack))
        sender.machine.sent(said, sender.now)
        assert sender.machine.next_to_send(100, sender.now, only_probes=True) is None
    return made


def test_what_six_files_carry_needs_no_ack_but_the_last() -> None:
    made = bundles(in_bundles(5500))
    assert [wants_ack for *_, wants_ack in made] == [False] * 5 + [True]
    assert made[-1][:2] == (5000, 5500)


def test_an_ack_is_asked_for_in_time_where_more_is_to_come() -> None:
    sender = in_bundles(20_000)
    made = bundles(sender)
    assert [wants_ack for *_, wants_ack in made] == [False, False, False, True, False, True]
    sender.machine.receive_ack(0, ack_of((0, 4000), heard=3, limit=20_000), sender.now)
    made = bundles(sender)
    assert made[0][0] == 6000
    assert [wants_ack for *_, wants_ack in made] == [False, True, False, True]


def test_no_part_of_a_file_leaves_only_because_a_limit_is_near() -> None:
    sender = in_bundles(20_000, limit=2500)
    assert bundles(sender) == [(0, 1000, True), (1000, 2000, True)]
    # Neither does that part go as a text; but what was asked is asked again.
    assert sender.machine.next_to_send(1000, sender.now) is None
    assert sender.machine.deadline is not None
    sender.machine.receive_ack(0, ack_of((0, 1000), heard=0, limit=20_000), sender.now)
    assert bundles(sender)[0][:2] == (2000, 3000)


def test_a_part_of_a_file_leaves_where_no_ack_will_come() -> None:
    sender = in_bundles(20_000, limit=500)
    assert bundles(sender) == [(0, 500, True)]


# What was taken: R-MAN-3


def test_done_says_how_many_of_the_files_were_taken() -> None:
    sender = SenderDriver(file_count=4)
    sender.start()
    sender.hear(accept_of())
    sender.hear(done_of(taken=(2, 300)))
    assert sender.machine.taken == (2, 300)
    completed = sender.events[-1]
    assert isinstance(completed, TransferCompleted)
    assert (completed.files_taken, completed.size) == (2, 300)
    assert sender.machine.bytes_done == SIZE - MANIFEST


@pytest.mark.parametrize("taken", [(5, 300), (2, SIZE)])
def test_done_with_more_than_was_offered_is_refused(taken: tuple[int, int]) -> None:
    sender = SenderDriver(file_count=4)
    sender.start()
    sender.hear(accept_of())
    with pytest.raises(UnexpectedMessageError):
        sender.hear(done_of(taken=taken))
    assert sender.state is TransferState.TRANSFERRING


def test_after_bytes_went_around_the_channel_it_first_asks_what_came() -> None:  # R-DIR-4
    sender = SenderDriver()
    sender.start()
    sender.machine.receive(accept_of(), sender.now)  # the receiver fetches: no text leaves
    assert sender.machine.next_to_send(ROOM, sender.now, only_probes=True) is None
    sender.machine.ask_what_came(sender.now)
    (question,) = sender.say()
    assert isinstance(question, SayData)
    assert question.wants_ack
    assert (question.first, question.end) == (SIZE, SIZE)
    assert sender.machine.next_bundle(ROOM, SIZE, sender.now, at_once=1) is None
    assert places(sender.ack(0, (0, 700), heard=0)) == [(700, 800), (800, 900), (900, 1000)]


def test_the_question_what_came_is_asked_again() -> None:  # R-DIR-4
    sender = SenderDriver()
    sender.start()
    sender.machine.receive(accept_of(), sender.now)
    sender.machine.ask_what_came(sender.now)
    sender.say()
    again = sender.wait()
    assert places(again) == [(SIZE, SIZE)]


def test_who_is_heard_around_the_channel_is_not_given_up() -> None:  # R-DIR-4
    sender = SenderDriver()
    sender.start()
    sender.machine.receive(accept_of(), sender.now)
    before = sender.machine.gives_up_at
    assert before is not None
    sender.machine.heard_directly(sender.now + 100)
    assert sender.machine.gives_up_at == before + 100


def test_a_question_is_not_asked_on_when_bytes_go_around_the_channel_again() -> None:  # R-DIR-4
    sender = transferring()
    sender.machine.ask_what_came(sender.now)
    for _ in range(20):
        sender.machine.heard_directly(sender.now)
        assert all(not isinstance(one, SayOffer) for one in sender.advance(10))
    assert sender.machine.epoch == 1
