"""The recorded transfers of the 1.x implementation, with a machine of ours in either role."""

import pytest

from ocft.errors import UnexpectedMessageError
from ocft.transfers import TransferState
from ocft.wire import FINAL_ACK, Ack, Chunk, Message, Offer, Payload, Reject, decode
from tests.golden.recorded import TRANSFERS, RecordedTransfer
from tests.protocol.wire1.driving import ReceiverDriver, SenderDriver

COMPLETED = [name for name, transfer in TRANSFERS.items() if transfer.file_saved]
OPEN = ["wrong-secret", "no-secret"]


def _said(transfer: RecordedTransfer, node_id: str) -> list[Payload]:
    messages = [message for text in transfer.texts_of(node_id) for message in decode(text)]
    return [message.payload for message in messages if isinstance(message, Message)]


def _offer(transfer: RecordedTransfer) -> Offer:
    offer = _said(transfer, "alice")[0]
    assert isinstance(offer, Offer)
    return offer


def _events(names: list[str]) -> list[str]:
    """Return those of the events that 1.x tells too."""
    return [name for name in names if name not in {"chunk-sent", "chunk-received", "ack-received"}]


def test_the_recording_is_complete() -> None:
    assert len(TRANSFERS) == 12
    assert sorted({*COMPLETED, *OPEN, "too-large", "zero-bytes"}) == sorted(TRANSFERS)


@pytest.mark.parametrize("name", COMPLETED)
def test_our_sender_says_what_the_1_x_sender_said(name: str) -> None:
    transfer = TRANSFERS[name]
    sender = SenderDriver(transfer.content, offer=_offer(transfer))
    said = sender.start()
    for answer in _said(transfer, "bob"):
        said += sender.hear(answer)
    assert said == _said(transfer, "alice")
    assert sender.state is TransferState.COMPLETED
    assert [f"alice:{event}" for event in _events(sender.event_names)] == [
        event for event in transfer.events if event.startswith("alice:")
    ]


@pytest.mark.parametrize("name", COMPLETED)
def test_our_receiver_says_what_the_1_x_receiver_said(name: str) -> None:
    transfer = TRANSFERS[name]
    receiver = ReceiverDriver(offer=_offer(transfer), sender_repeats=False)
    said = receiver.offered()
    for message in _said(transfer, "alice")[1:]:
        said += receiver.hear(message)
    assert said == _said(transfer, "bob")
    assert receiver.state is TransferState.COMPLETED
    assert b"".join(write.data for write in receiver.writes) == transfer.content
    assert receiver.publications == 1
    assert [f"bob:{event}" for event in _events(receiver.event_names)] == [
        event for event in transfer.events if event.startswith("bob:")
    ]


@pytest.mark.parametrize("name", OPEN)
def test_an_offer_without_our_secret_waits_for_a_decision(name: str) -> None:
    transfer = TRANSFERS[name]
    sender = SenderDriver(transfer.content, offer=_offer(transfer))
    assert sender.start() == _said(transfer, "alice")
    receiver = ReceiverDriver(offer=_offer(transfer), sender_repeats=False)
    assert receiver.offered(is_automatic=False) == _said(transfer, "bob")
    assert sender.state is receiver.state is TransferState.PENDING


def test_a_refusal_is_heard_and_said_like_the_recorded_one() -> None:
    transfer = TRANSFERS["too-large"]
    sender = SenderDriver(transfer.content, offer=_offer(transfer))
    assert sender.start() == _said(transfer, "alice")
    (refusal,) = _said(transfer, "bob")
    assert isinstance(refusal, Reject)
    assert sender.hear(refusal) == []
    assert sender.state.value == transfer.sender_state
    receiver = ReceiverDriver(offer=_offer(transfer), sender_repeats=False)
    receiver.offered(is_automatic=False)
    assert receiver.decide(refusal.reason) == [refusal]


# The empty file: 1.x sends a chunk 0 that it does not have, its receiver fails, its sender takes
# that for success. Ours differ on purpose.


def test_our_sender_sends_no_chunk_of_an_empty_file() -> None:
    transfer = TRANSFERS["zero-bytes"]
    offer, _, complete = _said(transfer, "alice")
    accept, _, refusal = _said(transfer, "bob")
    sender = SenderDriver(b"", offer=_offer(transfer))
    assert sender.start() == [offer]
    assert sender.hear(accept) == [complete]
    assert sender.hear(Ack(index=FINAL_ACK, received=True)) == []
    assert sender.state is TransferState.COMPLETED
    sender = SenderDriver(b"", offer=_offer(transfer))
    sender.start()
    sender.hear(accept)
    for _ in range(10):
        sender.hear(refusal)
    assert sender.state is TransferState.FAILED


def test_our_receiver_saves_the_empty_file_of_a_1_x_sender() -> None:
    transfer = TRANSFERS["zero-bytes"]
    accept, ack, _ = _said(transfer, "bob")
    receiver = ReceiverDriver(offer=_offer(transfer), sender_repeats=False)
    said = receiver.offered()
    for message in _said(transfer, "alice")[1:]:
        said += receiver.hear(message)
    assert said == [accept, ack, Ack(index=FINAL_ACK, received=True)]
    assert (receiver.state, receiver.publications) == (TransferState.COMPLETED, 1)


@pytest.mark.parametrize("name", COMPLETED)
@pytest.mark.parametrize("repeats", [2, 3])
def test_a_recording_in_which_everything_comes_several_times_changes_nothing(
    name: str, repeats: int
) -> None:
    """The sorcerer's apprentice: 1.x sends every chunk again for every duplicate."""
    transfer = TRANSFERS[name]
    sender = SenderDriver(transfer.content, offer=_offer(transfer))
    said = sender.start()
    for timestamp, answer in enumerate(_said(transfer, "bob")):
        for _ in range(repeats):
            said += sender.hear(answer, timestamp=timestamp)
    assert said == _said(transfer, "alice")
    receiver = ReceiverDriver(offer=_offer(transfer), sender_repeats=False)
    receiver.offered(timestamp=0)
    for timestamp, message in enumerate(_said(transfer, "alice")):
        for _ in range(repeats):
            receiver.hear(message, timestamp=timestamp)
    assert receiver.state is TransferState.COMPLETED
    assert b"".join(write.data for write in receiver.writes) == transfer.content
    acks = [said for said in receiver.said if isinstance(said, Ack)]
    assert len(acks) == len(_said(transfer, "bob")) - 1 + (repeats - 1)  # the final ack, again


@pytest.mark.parametrize("name", COMPLETED)
def test_a_recording_played_to_the_wrong_side_is_refused(name: str) -> None:  # case K7
    transfer = TRANSFERS[name]
    sender = SenderDriver(transfer.content, offer=_offer(transfer))
    sender.start()
    for said in _said(transfer, "alice"):
        with pytest.raises(UnexpectedMessageError):
            sender.hear(said)
    receiver = ReceiverDriver(offer=_offer(transfer), sender_repeats=False)
    receiver.offered()
    for said in _said(transfer, "bob"):
        with pytest.raises(UnexpectedMessageError):
            receiver.hear(said)
    assert not any(isinstance(said, Chunk) for said in sender.said)
    assert receiver.writes == []
