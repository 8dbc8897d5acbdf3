"""The receiving side of a wire 1.0 transfer: decision, chunks to disk, acks, one file.

What it knows of 1.x senders (docs/protocol.md section 1): they have no timers, so this side prods
when nothing comes; they answer *any* ack with the chunk after it and *any* accept with the chunk
that it names, so an ack always names the last of the chunks without a gap, and a duplicate chunk is
never answered at once (or each answer would start another chain of chunks, for ever); a `final ack`
sent too early makes them begin again at chunk 0, so it only ever answers `complete`.
"""

from ocft.errors import (
    DigestMismatchError,
    OcftError,
    TransferRejectedError,
    UnexpectedMessageError,
)
from ocft.events import (
    ChunkReceived,
    OfferReceived,
    TransferAccepted,
    TransferCompleted,
    TransferRejected,
    TransferResumed,
)
from ocft.ids import NodeId, TransferId
from ocft.protocol.machine import LONGEST_WORDS
from ocft.protocol.timers import Patience
from ocft.protocol.wire1.machine import Wire1Machine
from ocft.protocol.wire1.outputs import PublishFile, WriteChunk
from ocft.protocol.wire1.states import RECEIVER, ReceiverInput
from ocft.ranges import RangeSet
from ocft.transfers import TransferState
from ocft.wire import (
    FINAL_ACK,
    Accept,
    Ack,
    Chunk,
    Complete,
    Error,
    Message,
    Offer,
    Payload,
    Reject,
    digest_of,
    digests_match,
)

_MOST_NAKS = 8  # R-NAK-1: of one chunk in a row; a 1.x sender repeats at once, for ever
_RESUME_GRACE = 0.5  # R-RES-4: seconds after a restart for what is on its way
_PATIENCE_WITH_OURS = (
    4  # R-TIM-2: times the usual wait before we prod a sender that repeats by itself
)


class Receiver(Wire1Machine[ReceiverInput]):
    """One incoming wire 1.0 transfer, without I/O.

    Feed it messages and time, carry out its outputs in order. It never sleeps, never touches a file
    and raises nothing for what a peer does except :exc:`~ocft.errors.UnexpectedMessageError`.

    Args:
        transfer_id: The transfer.
        peer_id: The sender.
        offer: What is offered; contradictions between its fields were refused before.
        sender_repeats: Whether the sender has timers of its own (ours does).
        patience: How long to wait for what.
        state: Where an earlier run left it.
        stored: Chunks on disk, from an earlier run.
    """

    def __init__(
        self,
        *,
        transfer_id: TransferId,
        peer_id: NodeId,
        offer: Offer,
        sender_repeats: bool,
        patience: Patience | None = None,
        state: TransferState = TransferState.PENDING,
        stored: RangeSet | None = None,
    ) -> None:
        super().__init__(
            RECEIVER,
            # When the end was cut off, all chunks are on disk: the sender says `complete` again
            # when it hears that nothing is missing.
            TransferState.TRANSFERRING if state is TransferState.COMPLETING else state,
            transfer_id=transfer_id,
            peer_id=peer_id,
            offer=offer,
            patience=patience or Patience(),
        )
        self._sender_repeats = sender_repeats
        self._was_accepted = state not in (TransferState.PENDING, TransferState.REJECTED)
        self._stored = stored or RangeSet()
        self._writing: set[int] = set()
        self._naks = 0
        self._answered_at: float | None = None  # when an ack or accept was last asked for
        self._accepted_at: float | None = None  # when an accept left that nothing has answered
        self._offered_at: int | None = None  # the newest offer's timestamp, on the sender's clock

    @property
    def bytes_done(self) -> int:
        """Bytes that are on disk."""
        chunks = self._stored.total()
        if chunks and self._stored.covers(self.plan.total - 1, self.plan.total):
            return (chunks - 1) * self.plan.chunk_size + self.plan.length(self.plan.total - 1)
        return chunks * self.plan.chunk_size

    @property
    def _due(self) -> int:
        """The first chunk that is missing: what the sender should send next."""
        return min(self._stored.first_missing(), self.plan.total)

    @property
    def _has_all(self) -> bool:
        return self._due >= self.plan.total

    def restore(self, stored: RangeSet) -> None:
        """Note the chunks that an earlier transfer of the same file left on disk."""
        self._stored = stored

    def offered(self, now: float, *, timestamp: int, is_automatic: bool) -> None:
        """Take in the offer that this machine was made for.

        Args:
            now: Seconds on any clock that does not go back.
            timestamp: The offer's, in ms on the sender's clock.
            is_automatic: Whether to accept it at once.
        """
        self._begin(now, self._patience.decision)
        self._offered_at = timestamp
        self._notify(
            OfferReceived(
                transfer_id=self._transfer_id,
                peer_id=self._peer_id,
                filename=self._offer.filename,
                size=self._offer.size,
                mime_type=self._offer.mime_type,
                is_automatic=is_automatic,
            )
        )
        if is_automatic:
            self.accept(now)

    def resume(self, now: float) -> None:
        """Go on after a restart.

        The sender is told what is missing if nothing comes from it: a chunk that is on its way
        need not be asked for, and must not be sent twice.
        """
        waits_for_us = self.state is TransferState.PENDING
        self._begin(now, self._patience.decision if waits_for_us else None)
        if waits_for_us:
            return
        if self.state is TransferState.COMPLETED:
            self._send(Ack(index=FINAL_ACK, received=True), now)
            return
        self._notify(
            TransferResumed(
                transfer_id=self._transfer_id, peer_id=self._peer_id, bytes_done=self.bytes_done
            )
        )
        self._repeat_at = now + _RESUME_GRACE

    def accept(self, now: float) -> None:
        """Decide to take the file.

        Raises:
            UnexpectedMessageError: It was decided before.
        """
        self._move(ReceiverInput.DECIDE_YES)
        self._was_accepted = True
        self._begin(now)
        self._notify(TransferAccepted(transfer_id=self._transfer_id, peer_id=self._peer_id))
        self._answer(self._accept(), now)

    def reject(self, reason: str, now: float) -> None:
        """Decide not to take the file.

        Raises:
            UnexpectedMessageError: It was decided before.
        """
        reason = reason[:LONGEST_WORDS]
        self._move(ReceiverInput.DECIDE_NO)
        self.error = TransferRejectedError(reason)
        self._notify(
            TransferRejected(transfer_id=self._transfer_id, peer_id=self._peer_id, reason=reason)
        )
        self._send(Reject(reason=reason), now)

    def receive(self, message: Message, now: float) -> None:
        """Take in one message; repeats and late ones are legal and change nothing.

        Args:
            message: Decoded, and from this transfer's peer.
            now: Seconds on the same clock.

        Raises:
            UnexpectedMessageError: The peer broke the table in `states`.
        """
        match message.payload:
            case Offer() as offer:
                self._receive_offer(offer, message.timestamp, now)
            case Chunk() as chunk:
                self._receive_chunk(chunk, now)
            case Complete() as complete:
                self._receive_complete(complete, now)
            case Error() as error:
                self._receive_error(
                    error, failed=ReceiverInput.PEER_FAILED, cancelled=ReceiverInput.PEER_CANCELLED
                )
            case payload:
                raise UnexpectedMessageError(f"a receiver does not take {payload.type.value}")

    def written(self, index: int, now: float) -> None:
        """Note that a chunk is on disk and in the journal: now it may be acknowledged (R-ACK-1)."""
        self._writing.discard(index)
        self._accepted_at = None
        self._stored.add(index, index + 1)
        self._heard(now)
        self._naks = 0
        self._notify(
            ChunkReceived(
                transfer_id=self._transfer_id,
                peer_id=self._peer_id,
                index=index,
                bytes_done=self.bytes_done,
            )
        )
        if self._due > index:
            # R-ACK-4: the last chunk without a gap; what is stored beyond it is not sent again.
            self._answer(Ack(index=self._due - 1, received=True), now)
        else:
            self._answer(self._accept(), now)

    def published(self, path: str, now: float) -> None:
        """Note that the whole file was verified and has its name."""
        self._move(ReceiverInput.PUBLISHED)
        self._notify(
            TransferCompleted(
                transfer_id=self._transfer_id,
                peer_id=self._peer_id,
                path=path,
                size=self._offer.size,
                digest=self._offer.hash,
            )
        )
        self._send(Ack(index=FINAL_ACK, received=True), now)

    def on_deadline(self, now: float) -> None:
        """Do what the deadline was for: prod a sender that waits, or give up."""
        if self.state.is_final or now < (self.deadline or now):
            return
        if self.state is TransferState.COMPLETING:
            self._repeat_at = now + self._wait()  # the disk is at work
            self._idle_at = max(self._idle_at, self._repeat_at)
            return
        if self._is_out_of_patience(now):
            self._move(ReceiverInput.EXPIRE)
            self._time_out(now)
            return
        self._timer.expired()
        self._vain += 1
        # An accept and not the last ack: a 1.x sender that waits for the final ack ignores acks.
        self._answer(self._accept(), now)

    def cancel(self, reason: str, now: float) -> None:
        """Stop, and tell the sender.

        Raises:
            UnexpectedMessageError: The transfer has ended, or the file is being named.
        """
        self._move(ReceiverInput.CANCEL)
        self._end_by_cancel(reason)
        self._send(self._farewell(), now)

    def fail(self, error: OcftError, now: float, *, is_resumable: bool = False) -> None:
        """End because something on this side went wrong, and tell the sender."""
        was_completing = self.state is TransferState.COMPLETING
        self._move(ReceiverInput.FAIL)
        self._end_by_failure(error, is_resumable=is_resumable)
        if was_completing and not is_resumable:
            # 1.x senders take this for success, hence the error message after it.
            self._send(Ack(index=FINAL_ACK, received=False, error=self._farewell().message), now)
        self._send(self._farewell(), now)

    def _end_by_failure(self, error: OcftError, *, is_resumable: bool) -> None:
        # What nobody had accepted cannot go on: a resume asks for no decision.
        super()._end_by_failure(error, is_resumable=is_resumable and self._was_accepted)

    def _wait(self) -> float:
        return self._timer.timeout * (_PATIENCE_WITH_OURS if self._sender_repeats else 1)

    def _receive_offer(self, offer: Offer, timestamp: int, now: float) -> None:
        if not self._is_same(offer):
            raise UnexpectedMessageError("another file under the same transfer id")
        is_repeat = self._offered_at is not None and timestamp <= self._offered_at
        self._move(ReceiverInput.OFFER)
        if is_repeat:
            return  # a repeat by the channel, or one that was overtaken
        self._offered_at = timestamp
        match self.state:
            case TransferState.ACCEPTED | TransferState.TRANSFERRING | TransferState.COMPLETED:
                # Offers that piled up while we were away need one answer, not one each.
                if not self._is_recent(self._accepted_at, now):
                    self._answer(self._accept(), now)
            case TransferState.REJECTED:
                self._send(Reject(reason=str(self.error or "refused")), now)
            case TransferState.CANCELLED | TransferState.FAILED:
                self._send(self._farewell(), now)
            case _:
                pass  # nobody has decided yet, or the file is being named

    def _receive_chunk(self, chunk: Chunk, now: float) -> None:
        index = chunk.index
        if index >= self.plan.total and chunk.data:
            raise UnexpectedMessageError("a chunk past the end of the file")
        self._move(ReceiverInput.CHUNK)
        if self.state is TransferState.COMPLETING or index in self._writing:
            return
        if self.state in (TransferState.FAILED, TransferState.CANCELLED):
            self._send(self._farewell(), now)
        elif self.state is TransferState.REJECTED:
            self._send(Reject(reason=str(self.error or "refused")), now)
        elif index >= self.plan.total:
            # R-ZER-2: a 1.x sender sends an empty chunk for an empty file, and one past the end
            # when it hears that nothing is missing; `complete` follows the ack.
            self._answer(Ack(index=index, received=True), now)
        elif self._stored.covers(index, index + 1):
            self._receive_duplicate(index, now)
        elif self.state is TransferState.COMPLETED:
            raise UnexpectedMessageError("a chunk that was never missing")
        elif len(chunk.data) != self.plan.length(index):
            self._refuse_chunk(index, "Wrong length", now)
        elif not digests_match(digest_of(chunk.data), chunk.hash):
            self._refuse_chunk(index, "Hash mismatch", now)
        else:
            self._writing.add(index)
            self._outputs.append(WriteChunk(index, self.plan.offset(index), chunk.data, chunk.hash))

    def _receive_duplicate(self, index: int, now: float) -> None:
        """Answer a chunk that is stored (R-DUP-1)."""
        if self._is_recent(self._answered_at, now):
            return
        if index == self._due - 1 or self.state is TransferState.COMPLETED:
            index = self._due - 1
            self._answer(Ack(index=index, received=True), now)
        elif self._sender_repeats:
            self._answer(self._accept(), now)
        # A 1.x sender that is further behind is prodded when nothing new comes from it.

    def _is_recent(self, answered_at: float | None, now: float) -> bool:
        """Say whether an answer is so young that the sender may not have heard it yet."""
        return answered_at is not None and now - answered_at < self._timer.timeout / 2

    def _refuse_chunk(self, index: int, reason: str, now: float) -> None:
        self._naks += 1
        if self._naks >= _MOST_NAKS:
            self.fail(DigestMismatchError(f"Chunk {index} arrived damaged every time."), now)
        else:
            self._send(Ack(index=index, received=False, error=reason), now)

    def _receive_complete(self, complete: Complete, now: float) -> None:
        is_early = not self._has_all and not self.state.is_final
        was_final = self.state.is_final
        was_completing = self.state is TransferState.COMPLETING
        self._move(ReceiverInput.COMPLETE_EARLY if is_early else ReceiverInput.COMPLETE)
        if was_completing:
            return
        if was_final:
            if self.state is TransferState.COMPLETED:
                self._send(Ack(index=FINAL_ACK, received=True), now)
            else:
                self._send(self._farewell(), now)
        elif not digests_match(complete.hash, self._offer.hash):
            self.fail(DigestMismatchError("The file changed while it was being sent."), now)
        elif is_early:
            self._answer(self._accept(), now)
        else:
            self._heard(now)
            self._outputs.append(PublishFile())

    def _is_same(self, offer: Offer) -> bool:
        ours = self._offer
        return (offer.filename, offer.size, offer.hash, offer.chunk_size, offer.total_chunks) == (
            ours.filename,
            ours.size,
            ours.hash,
            ours.chunk_size,
            ours.total_chunks,
        )

    def _accept(self) -> Accept:
        """Return the accept that says what is missing.

        To a sender of ours it always names the first missing chunk, which tells it that we keep
        ours; a 1.x sender gets the field only where it matters.
        """
        return Accept(
            ready=True, resume_from=self._due if self._due or self._sender_repeats else None
        )

    def _answer(self, payload: Payload, now: float) -> None:
        """Send what makes the sender send, and remember when."""
        self._answered_at = now
        if isinstance(payload, Accept):
            self._accepted_at = now
        self._send(payload, now)
