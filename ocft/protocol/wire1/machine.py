"""What the two sides of a wire 1.0 transfer have in common: state, outputs, deadlines, ends."""

import math
from typing import Generic

from ocft.errors import (
    OcftError,
    TransferCancelledError,
    TransferFailedError,
    TransferTimeoutError,
)
from ocft.events import Event, TransferCancelled, TransferFailed
from ocft.ids import NodeId, TransferId
from ocft.protocol.plan import ChunkPlan
from ocft.protocol.states import Input, Table, next_state
from ocft.protocol.timers import Patience, RetransmissionTimer
from ocft.protocol.wire1.outputs import Notify, Output, Send
from ocft.transfers import TransferState
from ocft.wire import Error, Offer, Payload

LONGEST_WORDS = 300
"""Characters of a reason, ours or the peer's: it is stored, shown, and has to fit into a chat."""

CANCELLED_CODE = "CANCELLED"
"""The `code` of an error message that is no failure but somebody's will."""


class Machine(Generic[Input]):
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
        self.state = state
        self.error: OcftError | None = None
        """Why it ended without success."""
        self.is_resumable = False
        """Whether, having failed, it can go on later from what is stored."""
        self.plan = ChunkPlan(offer.size, offer.chunk_size)
        self._table = table
        self._transfer_id = transfer_id
        self._peer_id = peer_id
        self._offer = offer
        self._patience = patience
        self._outputs: list[Output] = []
        self._timer = RetransmissionTimer()
        self._vain = 0  # repeats since the last sign of the peer
        self._sent_at: float | None = None  # when the text that awaits an answer left
        self._repeat_at = math.inf
        self._idle_limit = patience.idle
        self._idle_at = math.inf
        self._total_at = math.inf

    @property
    def deadline(self) -> float | None:
        """When `on_deadline` is due, in seconds on the caller's clock; None after the end."""
        if self.state.is_final:
            return None
        return min(self._repeat_at, self._idle_at, self._total_at)

    @property
    def gives_up_at(self) -> float | None:
        """When its patience ends, whatever else happens; None when it never does, or has ended."""
        moment = min(self._idle_at, self._total_at)
        return None if self.state.is_final or moment == math.inf else moment

    def outputs(self) -> list[Output]:
        """Return, once, what is to be done, to be carried out in this order."""
        drained, self._outputs = self._outputs, []
        return drained

    def sent(self, now: float) -> None:
        """Note that the texts of the outputs have left: waits are counted from here."""
        if not self.state.is_final and self._sent_at is None:
            self._sent_at = now
            self._repeat_at = now + self._wait()

    def _wait(self) -> float:
        """Return the seconds until the next repeat."""
        return self._timer.timeout

    def _begin(self, now: float, first_wait: float | None = None) -> None:
        """Start the clocks; the first sign of the peer may take `first_wait` seconds."""
        self._idle_limit = self._patience.idle if first_wait is None else first_wait
        self._idle_at = now + self._idle_limit
        if self._patience.total is not None:
            self._total_at = now + self._patience.total

    def _move(self, happened: Input) -> None:
        """Change the state, the only way that it changes."""
        self.state = next_state(self._table, self.state, happened)

    def _heard(self, now: float) -> None:
        """Note a sign of the peer that moved the transfer on."""
        round_trip = None
        if self._sent_at is not None and self._vain == 0:
            round_trip = now - self._sent_at
        self._timer.answered(round_trip)
        self._vain = 0
        self._idle_limit = self._patience.idle
        self._idle_at = now + self._idle_limit

    def _send(self, payload: Payload, now: float) -> None:
        self._outputs.append(Send(payload))
        self._sent_at = None
        self._repeat_at = now + self._wait()

    def _notify(self, event: Event) -> None:
        self._outputs.append(Notify(event))

    def _end_by_cancel(self, reason: str) -> None:
        self.error = TransferCancelledError(f"Cancelled: {reason}")
        self._notify(
            TransferCancelled(transfer_id=self._transfer_id, peer_id=self._peer_id, reason=reason)
        )

    def _end_by_failure(self, error: OcftError, *, is_resumable: bool) -> None:
        self.error = error
        self.is_resumable = is_resumable
        self._notify(
            TransferFailed(
                transfer_id=self._transfer_id,
                peer_id=self._peer_id,
                code=error.code,
                reason=str(error),
                is_resumable=is_resumable,
            )
        )

    def _is_out_of_patience(self, now: float) -> bool:
        return now >= min(self._idle_at, self._total_at)

    def _end_by_timeout(self, now: float) -> None:
        if now >= self._total_at:
            said = f"The transfer took longer than {self._patience.total:.0f} seconds."
        else:
            said = f"The peer did not answer for {self._idle_limit:.0f} seconds."
        self._end_by_failure(TransferTimeoutError(said), is_resumable=True)
        self._send(self._farewell(), now)

    def _end_by_peer(self, payload: Error, *, failed: Input, cancelled: Input) -> None:
        """End as an error message says."""
        was_final = self.state.is_final
        words = payload.message[:LONGEST_WORDS]
        if payload.code == CANCELLED_CODE:
            self._move(cancelled)
            if self.state is TransferState.CANCELLED and not was_final:
                self._end_by_cancel(words)
        else:
            self._move(failed)
            if self.state is TransferState.FAILED and not was_final:
                error = TransferFailedError(f"The peer gave up ({payload.code}): {words}")
                self._end_by_failure(error, is_resumable=payload.recoverable)

    def _farewell(self) -> Error:
        """Return the error message that tells the peer about our end.

        It says less than our own error does: a path of ours is none of the peer's business.
        """
        if self.state is TransferState.CANCELLED or self.error is None:
            return Error(code=CANCELLED_CODE, message="cancelled", recoverable=False)
        said = (type(self.error).__doc__ or self.error.code).partition(".")[0]
        return Error(code=self.error.code, message=said, recoverable=self.is_resumable)
