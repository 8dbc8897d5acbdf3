"""The wire 2 tables: every move that a sender and a receiver can make.

Each row is a state, each entry an input and the state that follows. What is not here is an
:exc:`~ocft.errors.UnexpectedMessageError`. Messages of an earlier epoch never get this far
(R-CTL-3), and acks and data are no inputs: they are idempotent and change ranges, not states.
"""

from enum import Enum
from types import MappingProxyType

from ocft.protocol.states import Table
from ocft.transfers import TransferState as S


class SenderInput(Enum):
    """What a sender can be told."""

    UNDECIDED = "accept of the manifest only"
    DECIDED = "accept, or ack, that says decided"
    ALL_STORED = "ack of the last missing bytes"
    AGAIN = "again, or silence: the next epoch"
    REJECT = "reject"
    DONE = "done"
    PEER_FAILED = "stop"
    PEER_CANCELLED = "stop that says cancelled"
    EXPIRE = "end of patience"
    CANCEL = "our cancel"
    FAIL = "our failure"


class ReceiverInput(Enum):
    """What a receiver can be told."""

    OFFER = "offer"
    DECIDE_YES = "our accept"
    DECIDE_NO = "our reject"
    CONTENT = "the first bytes of a file"
    ALL_STORED = "everything is stored"
    PUBLISHED = "the files have their names"
    PEER_FAILED = "stop"
    PEER_CANCELLED = "stop that says cancelled"
    EXPIRE = "end of patience"
    CANCEL = "our cancel"
    FAIL = "our failure"


_I = SenderInput
_SENDER_ENDS = {
    _I.REJECT: S.REJECTED,
    _I.DONE: S.COMPLETED,
    _I.PEER_FAILED: S.FAILED,
    _I.PEER_CANCELLED: S.CANCELLED,
    _I.EXPIRE: S.FAILED,
    _I.CANCEL: S.CANCELLED,
    _I.FAIL: S.FAILED,
}
_SENDER_LATE = (
    _I.UNDECIDED,
    _I.DECIDED,
    _I.ALL_STORED,
    _I.AGAIN,
    _I.REJECT,
    _I.DONE,
    _I.PEER_FAILED,
    _I.PEER_CANCELLED,
)
SENDER: Table[SenderInput] = MappingProxyType(
    {
        S.PENDING: {
            _I.UNDECIDED: S.PENDING,
            _I.DECIDED: S.TRANSFERRING,
            _I.AGAIN: S.PENDING,
            **_SENDER_ENDS,
        },
        S.TRANSFERRING: {
            _I.UNDECIDED: S.TRANSFERRING,
            _I.DECIDED: S.TRANSFERRING,
            _I.ALL_STORED: S.COMPLETING,
            _I.AGAIN: S.TRANSFERRING,
            **_SENDER_ENDS,
        },
        S.COMPLETING: {
            _I.UNDECIDED: S.COMPLETING,
            _I.DECIDED: S.TRANSFERRING,  # in a new epoch the receiver may have lost something
            _I.ALL_STORED: S.COMPLETING,
            _I.AGAIN: S.COMPLETING,
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
_RECEIVER_LATE = (_R.OFFER, _R.CONTENT, _R.ALL_STORED, _R.PEER_FAILED, _R.PEER_CANCELLED)
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
            _R.DECIDE_NO: S.REJECTED,  # the manifest turns out to be one that we do not take
            _R.CONTENT: S.TRANSFERRING,
            _R.ALL_STORED: S.COMPLETING,
            **_RECEIVER_ENDS,
        },
        S.TRANSFERRING: {
            _R.OFFER: S.TRANSFERRING,
            _R.DECIDE_NO: S.REJECTED,
            _R.CONTENT: S.TRANSFERRING,
            _R.ALL_STORED: S.COMPLETING,
            **_RECEIVER_ENDS,
        },
        # The files are being verified and named: that end is near and certain, so nothing but it
        # counts any more.
        S.COMPLETING: {
            _R.OFFER: S.COMPLETING,
            _R.CONTENT: S.COMPLETING,
            _R.ALL_STORED: S.COMPLETING,
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
