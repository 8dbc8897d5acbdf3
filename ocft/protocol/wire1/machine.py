"""What the two sides of a wire 1.0 transfer have in common: texts, repeats, last words."""

import math

from ocft.ids import NodeId, TransferId
from ocft.protocol.machine import LONGEST_WORDS, Machine
from ocft.protocol.plan import ChunkPlan
from ocft.protocol.states import Input, Table
from ocft.protocol.timers import Patience, RetransmissionTimer
from ocft.protocol.wire1.outputs import Output, Send
from ocft.transfers import TransferState
from ocft.wire import Error, Offer, Payload

CANCELLED_CODE = "CANCELLED"
"""The `code` of an error message that is no failure but somebody's will."""


class Wire1Machine(Machine[Input, Output]):
    """One side of one wire 1.0 transfer.

    Args:
        table: Its moves.
        state: Where it starts.
        transfer_id: The transfer.
        peer_id: The node at the other end.
        offer: What is, or was, offered.
        patience: How long to wait for what.
    """

    def __init__(
        self,
        table: Table[Input],
        state: TransferState,
        *,
        transfer_id: TransferId,
        peer_id: NodeId,
        offer: Offer,
        patience: Patience,
    ) -> None:
        super().__init__(table, state, transfer_id=transfer_id, peer_id=peer_id, patience=patience)
        self.plan = ChunkPlan(offer.size, offer.chunk_size)
        self._offer = offer
        self._timer = RetransmissionTimer()
        self._vain = 0  # repeats since the last sign of the peer
        self._sent_at: float | None = None  # when the text that awaits an answer left
        self._repeat_at = math.inf

    def sent(self, now: float) -> None:
        """Note that the texts of the outputs have left: waits are counted from here."""
        if not self.state.is_final and self._sent_at is None:
            self._sent_at = now
            self._repeat_at = now + self._wait()

    def _next_moment(self) -> float:
        return self._repeat_at

    def _wait(self) -> float:
        """Return the seconds until the next repeat."""
        return self._timer.timeout

    def _heard(self, now: float) -> None:
        """Note a sign of the peer that moved the transfer on."""
        round_trip = None
        if self._sent_at is not None and self._vain == 0:
            round_trip = now - self._sent_at
        self._timer.answered(round_trip)
        self._vain = 0
        self._note_sign_of_life(now)

    def _send(self, payload: Payload, now: float) -> None:
        self._outputs.append(Send(payload))
        self._sent_at = None
        self._repeat_at = now + self._wait()

    def _time_out(self, now: float) -> None:
        self._end_by_timeout(now)
        self._send(self._farewell(), now)

    def _receive_error(self, payload: Error, *, failed: Input, cancelled: Input) -> None:
        """End as an error message says."""
        self._end_by_peer(
            failed=failed,
            cancelled=cancelled,
            code=payload.code,
            words=payload.message[:LONGEST_WORDS],
            is_cancelled=payload.code == CANCELLED_CODE,
            is_recoverable=payload.recoverable,
        )

    def _farewell(self) -> Error:
        """Return the error message that tells the peer about our end.

        It says less than our own error does: a path of ours is none of the peer's business.
        """
        if self.state is TransferState.CANCELLED or self.error is None:
            return Error(code=CANCELLED_CODE, message="cancelled", recoverable=False)
        said = (type(self.error).__doc__ or self.error.code).partition(".")[0]
        return Error(code=self.error.code, message=said, recoverable=self.is_resumable)
