"""The wire 1.0 tables: every move that a sender and a receiver can make.

Each row is a state, each entry an input and the state that follows. What is not here is an
:exc:`~ocft.errors.UnexpectedMessageError`. Moves that stay in the state absorb repeats and late
messages: a chat delivers some texts twice, and some after the fact.
"""

from enum import Enum
from types import MappingProxyType

from ocft.protocol.states import Table
from ocft.transfers import TransferState as S


class SenderInput(Enum):
    """What a sender can be told."""

    ACCEPT_SOME = "accept with chunks to send"
    ACCEPT_NONE = "accept with nothing left to send"
    REJECT = "reject"
    ACK = "ack"
    LAST_ACK = "ack of the last chunk"
    NAK = "ack that says no"
    FINAL_YES = "final ack that says yes"
    FINAL_NO = "final ack that says no"
    FORGOTTEN = "final ack of a 1.x receiver that lost chunks"
    PEER_FAILED = "error"
    PEER_CANCELLED = "error that says cancelled"
    SILENCE = "no answer to several repeats"
    EXPIRE = "end of patience"
    CANCEL = "our cancel"
    FAIL = "our failure"


class ReceiverInput(Enum):
    """What a receiver can be told."""

    OFFER = "offer, repeated"
    DECIDE_YES = "our accept"
    DECIDE_NO = "our reject"
    CHUNK = "chunk"
    COMPLETE = "complete"
    COMPLETE_EARLY = "complete with chunks missing"
    PUBLISHED = "the file has its name"
    PEER_FAILED = "error"
    PEER_CANCELLED = "error that says cancelled"
    EXPIRE = "end of patience"
    CANCEL = "our cancel"
    FAIL = "our failure"


_I = SenderInput
_SENDER_ENDS = {
    _I.REJECT: S.REJECTED,
    _I.FINAL_NO: S.FAILED,
    _I.PEER_FAILED: S.FAILED,
    _I.PEER_CANCELLED: S.CANCELLED,
    _I.EXPIRE: S.FAILED,
    _I.CANCEL: S.CANCELLED,
    _I.FAIL: S.FAILED,
}
_SENDER_LATE = (
    _I.ACCEPT_SOME,
    _I.ACCEPT_NONE,
    _I.REJECT,
    _I.ACK,
    _I.LAST_ACK,
    _I.NAK,
    _I.FINAL_YES,
    _I.FINAL_NO,
    _I.PEER_FAILED,
    _I.PEER_CANCELLED,
)
SENDER: Table[SenderInput] = MappingProxyType(
    {
        S.PENDING: {
            _I.ACCEPT_SOME: S.TRANSFERRING,
            _I.ACCEPT_NONE: S.COMPLETING,
            _I.ACK: S.PENDING,
            _I.NAK: S.PENDING,
            # After a restart: the answer to a `complete` of the run before.
            _I.FINAL_YES: S.COMPLETED,
            _I.FORGOTTEN: S.PENDING,
            **_SENDER_ENDS,
        },
        S.TRANSFERRING: {
            _I.ACCEPT_SOME: S.TRANSFERRING,
            _I.ACCEPT_NONE: S.COMPLETING,
            _I.ACK: S.TRANSFERRING,
            _I.LAST_ACK: S.COMPLETING,
            _I.NAK: S.TRANSFERRING,
            _I.FORGOTTEN: S.TRANSFERRING,
            _I.SILENCE: S.PENDING,
            **_SENDER_ENDS,
        },
        S.COMPLETING: {
            _I.ACCEPT_SOME: S.TRANSFERRING,
            _I.ACCEPT_NONE: S.COMPLETING,
            _I.ACK: S.COMPLETING,
            _I.NAK: S.COMPLETING,
            _I.FINAL_YES: S.COMPLETED,
            _I.FORGOTTEN: S.TRANSFERRING,
            _I.SILENCE: S.PENDING,
            **_SENDER_ENDS,
        },
        S.COMPLETED: dict.fromkeys(_SENDER_LATE, S.COMPLETED),
        S.REJECTED: dict.fromkeys(_SENDER_LATE, S.REJECTED),
        S.FAILED: dict.fromkeys(_SENDER_LATE, S.FAILED),
        S.CANCELLED: dict.fromkeys(_SENDER_LATE, S.CANCELLED),
    }
)

_R = ReceiverInput
_RECEIVER_ENDS = {
    _R.PEER_FAILED: S.FAILED,
    _R.PEER_CANCELLED: S.CANCELLED,
    _R.EXPIRE: S.FAILED,
    _R.CANCEL: S.CANCELLED,
    _R.FAIL: S.FAILED,
}
_RECEIVER_LATE = (
    _R.OFFER,
    _R.CHUNK,
    _R.COMPLETE,
    _R.COMPLETE_EARLY,
    _R.PEER_FAILED,
    _R.PEER_CANCELLED,
)
RECEIVER: Table[ReceiverInput] = MappingProxyType(
    {
        S.PENDING: {
            _R.OFFER: S.PENDING,
            _R.DECIDE_YES: S.ACCEPTED,
            _R.DECIDE_NO: S.REJECTED,
            **_RECEIVER_ENDS,
        },
        S.ACCEPTED: {
            _R.OFFER: S.ACCEPTED,
            _R.CHUNK: S.TRANSFERRING,
            _R.COMPLETE: S.COMPLETING,
            _R.COMPLETE_EARLY: S.ACCEPTED,
            **_RECEIVER_ENDS,
        },
        S.TRANSFERRING: {
            _R.OFFER: S.TRANSFERRING,
            _R.CHUNK: S.TRANSFERRING,
            _R.COMPLETE: S.COMPLETING,
            _R.COMPLETE_EARLY: S.TRANSFERRING,
            **_RECEIVER_ENDS,
        },
        # The file is being verified and named: its end is near and certain, so nothing but that
        # end counts any more.
        S.COMPLETING: {
            _R.OFFER: S.COMPLETING,
            _R.CHUNK: S.COMPLETING,
            _R.COMPLETE: S.COMPLETING,
            _R.PUBLISHED: S.COMPLETED,
            _R.PEER_FAILED: S.COMPLETING,
            _R.PEER_CANCELLED: S.COMPLETING,
            _R.FAIL: S.FAILED,
        },
        S.COMPLETED: dict.fromkeys(_RECEIVER_LATE, S.COMPLETED),
        S.REJECTED: dict.fromkeys(_RECEIVER_LATE, S.REJECTED),
        S.FAILED: dict.fromkeys(_RECEIVER_LATE, S.FAILED),
        S.CANCELLED: dict.fromkeys(_RECEIVER_LATE, S.CANCELLED),
    }
)
