"""What every machine has in common, of either wire and side: state, patience, ends.

See `states` for how machines work.
"""

import abc
import math
from dataclasses import dataclass
from typing import Generic, TypeVar

from ocft.errors import (
    NotTrustedError,
    OcftError,
    TransferCancelledError,
    TransferFailedError,
    TransferRejectedError,
    TransferTimeoutError,
    TrustExpiredError,
)
from ocft.events import Event, TransferCancelled, TransferFailed, TransferRejected
from ocft.ids import NodeId, TransferId
from ocft.protocol.states import Input, Table, next_state
from ocft.protocol.timers import Patience
from ocft.transfers import TransferState

OutputT = TypeVar("OutputT")


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell listeners what happened; the time is filled in by whoever carries it out."""

    event: Event


LONGEST_WORDS = 300
"""Characters of a reason, ours or the peer's: it is stored, shown, and has to fit into a chat."""


class Machine(abc.ABC, Generic[Input, OutputT]):
    """One side of one transfer.

    Args:
        table: Its moves.
        state: Where it starts.
        transfer_id: The transfer.
        peer_id: The node at the other end.
        patience: How long to wait for what.
    """

    def __init__(
        self,
        table: Table[Input],
        state: TransferState,
        *,
        transfer_id: TransferId,
        peer_id: NodeId,
        patience: Patience,
    ) -> None:
        self.state = state
        self.error: OcftError | None = None
        """Why it ended without success."""
        self.is_resumable = False
        """Whether, having failed, it can go on later from what is stored."""
        self._table = table
        self._transfer_id = transfer_id
        self._peer_id = peer_id
        self._patience = patience
        self._outputs: list[OutputT | Notify] = []
        self._idle_limit = patience.idle
        self._idle_at = math.inf
        self._total_at = math.inf

    @property
    @abc.abstractmethod
    def bytes_done(self) -> int:
        """Bytes that the receiver has."""

    @abc.abstractmethod
    def on_deadline(self, now: float) -> None:
        """Do what the deadline was for: repeat what got no answer, or give up."""

    @abc.abstractmethod
    def cancel(self, reason: str, now: float) -> None:
        """Stop, and tell the peer.

        Raises:
            UnexpectedMessageError: The transfer has ended, or is being saved.
        """

    @abc.abstractmethod
    def fail(self, error: OcftError, now: float, *, is_resumable: bool = False) -> None:
        """End because something on this side went wrong, and tell the peer."""

    @property
    def deadline(self) -> float | None:
        """When `on_deadline` is due, in seconds on the caller's clock; None after the end."""
        if self.state.is_final:
            return None
        return min(self._next_moment(), self._idle_at, self._total_at)

    @property
    def gives_up_at(self) -> float | None:
        """When its patience ends, whatever else happens; None when it never does, or has ended."""
        moment = min(self._idle_at, self._total_at)
        return None if self.state.is_final or moment == math.inf else moment

    def outputs(self) -> list[OutputT | Notify]:
        """Return, once, what is to be done, to be carried out in this order."""
        drained, self._outputs = self._outputs, []
        return drained

    def _next_moment(self) -> float:
        """Return when something of its own is due."""
        return math.inf

    def _begin(self, now: float, first_wait: float | None = None) -> None:
        """Start the clocks; the first sign of the peer may take `first_wait` seconds."""
        self._idle_limit = self._patience.idle if first_wait is None else first_wait
        self._idle_at = now + self._idle_limit
        if self._patience.total is not None:
            self._total_at = now + self._patience.total

    def _note_sign_of_life(self, now: float) -> None:
        """Give the peer as much time again as it may be silent."""
        self._idle_limit = self._patience.idle
        self._idle_at = now + self._idle_limit

    def _move(self, happened: Input) -> None:
        """Change the state, the only way that it changes."""
        self.state = next_state(self._table, self.state, happened)

    def _notify(self, event: Event) -> None:
        self._outputs.append(Notify(event))

    def _end_by_cancel(self, reason: str) -> None:
        self.error = TransferCancelledError(f"Cancelled: {reason}")
        self._notify(
            TransferCancelled(transfer_id=self._transfer_id, peer_id=self._peer_id, reason=reason)
        )

    def _end_by_rejection(self, reason: str) -> None:
        self.error = TransferRejectedError(f"The receiver refused: {reason}")
        self._notify(
            TransferRejected(transfer_id=self._transfer_id, peer_id=self._peer_id, reason=reason)
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

    def _end_by_peer(
        self,
        *,
        failed: Input,
        cancelled: Input,
        code: str,
        words: str,
        is_cancelled: bool,
        is_recoverable: bool,
    ) -> None:
        """End as the peer says."""
        was_final = self.state.is_final
        self._move(cancelled if is_cancelled else failed)
        if was_final:
            return
        if self.state is TransferState.CANCELLED:
            self._end_by_cancel(words)
        elif self.state is TransferState.FAILED:
            # That its trust in us has ended is a matter of trust here, too.
            kind = NotTrustedError if code == TrustExpiredError.code else TransferFailedError
            error = kind(f"The peer gave up ({code}){': ' * bool(words)}{words}")
            self._end_by_failure(error, is_resumable=is_recoverable)

    def _is_out_of_patience(self, now: float) -> bool:
        return now >= min(self._idle_at, self._total_at)

    def _end_by_timeout(self, now: float) -> None:
        if now >= self._total_at:
            said = f"The transfer took longer than {self._patience.total:.0f} seconds."
        else:
            said = f"The peer did not answer for {self._idle_limit:.0f} seconds."
        self._end_by_failure(TransferTimeoutError(said), is_resumable=True)
