"""The sending side of a wire 1.0 transfer: offer, one chunk at a time, final ack.

What it knows of 1.x receivers, all measured (docs/protocol.md section 1): they have no timers, so
every wait here ends in a repeat; they answer a repeated offer by throwing away what they stored,
so a transfer that was accepted goes on without a new offer as long as the peer answers; their
`resumeFrom` after an interruption forgets the chunks before it, so those are sent again. A receiver
that names `resumeFrom` in its first accept without being asked keeps its chunks (ours does): it
alone knows what it has, and is believed.
"""

from ocft.errors import (
    DigestMismatchError,
    OcftError,
    TransferFailedError,
    UnexpectedMessageError,
)
from ocft.events import (
    AckReceived,
    ChunkSent,
    OfferSent,
    TransferCompleted,
    TransferResumed,
    TransferStarted,
)
from ocft.ids import NodeId, TransferId
from ocft.protocol.machine import LONGEST_WORDS
from ocft.protocol.timers import Patience, RetransmissionTimer
from ocft.protocol.wire1.machine import Wire1Machine
from ocft.protocol.wire1.outputs import ReadChunk
from ocft.protocol.wire1.states import SENDER, SenderInput
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
    Reject,
    digest_of,
)

_LONGEST_OFFER_WAIT = 300.0  # seconds; a person decides, and every offer is a text in their chat
_VAIN_REPEATS = (
    4  # R-TIM-3: before a silent peer is offered the file anew: it may have lost its memory
)
_MOST_NAKS = 8  # of one chunk in a row
_OFFERS_TO_BELIEVE_A_CLOCK = 3
_FORGOTTEN = "Missing chunk"  # how a 1.x receiver's final ack begins that lost chunks to an offer
_MOST_NEW_BEGINNINGS = 2  # R-RES-6


class Sender(Wire1Machine[SenderInput]):
    """One outgoing wire 1.0 transfer, without I/O.

    Feed it messages and time, carry out its outputs in order. It never sleeps, never reads a file
    and raises nothing for what a peer does except :exc:`~ocft.errors.UnexpectedMessageError`.

    Args:
        transfer_id: The transfer.
        peer_id: The receiver.
        offer: What is offered.
        patience: How long to wait for what.
        acknowledged: Chunks that the peer has, from an earlier run.
        keeps_chunks: Whether the peer keeps what it stored across an interruption; None when it
            has not accepted yet.
        accepted_at: The newest accept's timestamp of an earlier run, in ms on the peer's clock.
        state: PENDING to begin or to go on, or the end that late messages are to meet.
        path: The file's path, for the event that says that it arrived.
    """

    def __init__(
        self,
        *,
        transfer_id: TransferId,
        peer_id: NodeId,
        offer: Offer,
        path: str,
        patience: Patience | None = None,
        acknowledged: int = 0,
        keeps_chunks: bool | None = None,
        accepted_at: int | None = None,
        state: TransferState = TransferState.PENDING,
    ) -> None:
        super().__init__(
            SENDER,
            state,
            transfer_id=transfer_id,
            peer_id=peer_id,
            offer=offer,
            patience=patience or Patience(),
        )
        self.keeps_chunks = keeps_chunks
        self.accepted_at = accepted_at
        self._path = path
        self._offer_timer = RetransmissionTimer(longest=_LONGEST_OFFER_WAIT)
        self._next = acknowledged  # the chunk that is due: all before it are acknowledged
        # Every chunk below was, or after a restart may have been, sent before.
        self._sent_before = acknowledged + 1 if keeps_chunks is not None else acknowledged
        self._reading: int | None = None
        self._in_flight: int | None = None  # the chunk that was sent last; the total: `complete`
        self._naks = 0
        self._begun_anew = 0
        self._offers_in_vain = 0

    @property
    def bytes_done(self) -> int:
        """Bytes that the receiver has acknowledged."""
        return self.plan.bytes_before(self._next)

    @property
    def acknowledged(self) -> int:
        """Chunks that the receiver has acknowledged."""
        return self._next

    def start(self, now: float, *, is_resumed: bool = False, is_accepted: bool = False) -> None:
        """Begin, or go on after a restart.

        Args:
            now: Seconds on any clock that does not go back.
            is_resumed: Whether this continues an earlier run.
            is_accepted: Whether the peer's accept is at hand, so that no offer needs to go.
        """
        self._begin(now, self._patience.decision if self.keeps_chunks is None else None)
        if is_resumed:
            self._notify(
                TransferResumed(
                    transfer_id=self._transfer_id,
                    peer_id=self._peer_id,
                    bytes_done=self.bytes_done,
                )
            )
        if is_accepted:
            return
        if self.keeps_chunks is False:
            # R-RES-3: a 1.x receiver would forget its chunks at a new offer. The chunk that is due
            # may have been sent before the restart and its ack be on the way: wait for it.
            all_sent = self._next >= self.plan.total
            self._move(SenderInput.ACCEPT_NONE if all_sent else SenderInput.ACCEPT_SOME)
            self._repeat_at = now + self._wait()
            return
        self._send(self._offer, now)
        if not is_resumed:
            self._notify(
                OfferSent(
                    transfer_id=self._transfer_id,
                    peer_id=self._peer_id,
                    filename=self._offer.filename,
                    size=self._offer.size,
                )
            )

    def receive(self, message: Message, now: float) -> None:
        """Take in one message; repeats and late ones are legal and change nothing.

        Args:
            message: Decoded, and from this transfer's peer.
            now: Seconds on the same clock.

        Raises:
            UnexpectedMessageError: The peer broke the table in `states`.
        """
        match message.payload:
            case Accept() as accept:
                self._receive_accept(accept, message.timestamp, now)
            case Reject(reason=reason):
                self._receive_reject(reason)
            case Ack(index=index, received=received, error=error) if index == FINAL_ACK:
                self._receive_final_ack(received=received, error=error or "", now=now)
            case Ack() if message.timestamp < (self.accepted_at or 0):
                pass  # of a time before the accept that we follow: it says nothing about now
            case Ack(index=index, received=True):
                self._receive_ack(index, now)
            case Ack(index=index):
                self._receive_nak(index, now)
            case Error() as error:
                self._receive_error(
                    error, failed=SenderInput.PEER_FAILED, cancelled=SenderInput.PEER_CANCELLED
                )
            case payload:
                raise UnexpectedMessageError(f"a sender does not take {payload.type.value}")

    def provide(self, index: int, data: bytes, now: float) -> None:
        """Take in the piece that `ReadChunk` asked for.

        Args:
            index: The chunk.
            data: Its bytes.
            now: Seconds on the same clock.
        """
        if index != self._reading:
            return  # the transfer moved on while the disk was busy
        self._reading = None
        if self.state is not TransferState.TRANSFERRING:
            return
        self._send(Chunk(index=index, data=data, hash=digest_of(data)), now)
        self._notify(
            ChunkSent(
                transfer_id=self._transfer_id,
                peer_id=self._peer_id,
                index=index,
                is_repeat=index < self._sent_before,
            )
        )
        self._in_flight = index
        self._sent_before = max(self._sent_before, index + 1)

    def on_deadline(self, now: float) -> None:
        """Do what the deadline was for: repeat what got no answer, or give up."""
        if self.state.is_final or now < (self.deadline or now):
            return
        if self._is_out_of_patience(now):
            self._move(SenderInput.EXPIRE)
            self._time_out(now)
            return
        if self.state is TransferState.PENDING:
            self._offer_timer.expired()
            self._offers_in_vain += 1
            self._send(self._offer, now)
            return
        self._timer.expired()
        self._vain += 1
        if self._vain > _VAIN_REPEATS:
            self._move(SenderInput.SILENCE)
            self._vain = 0
            self._in_flight = None
            self._offer_timer = RetransmissionTimer()
            self._send(self._offer, now)
        else:
            self._send_next(now)

    def cancel(self, reason: str, now: float) -> None:
        """Stop, and tell the receiver.

        Raises:
            UnexpectedMessageError: The transfer has ended.
        """
        self._move(SenderInput.CANCEL)
        self._end_by_cancel(reason)
        self._send(self._farewell(), now)

    def fail(self, error: OcftError, now: float, *, is_resumable: bool = False) -> None:
        """End because something on this side went wrong, and tell the receiver."""
        self._move(SenderInput.FAIL)
        self._end_by_failure(error, is_resumable=is_resumable)
        self._send(self._farewell(), now)

    def _wait(self) -> float:
        timer = self._offer_timer if self.state is TransferState.PENDING else self._timer
        return timer.timeout

    def _receive_accept(self, accept: Accept, timestamp: int, now: float) -> None:
        if not accept.ready:
            raise UnexpectedMessageError("an accept that is not ready")
        if self._is_stale(timestamp):
            return  # a repeat by the channel, or one that was overtaken
        first = accept.resume_from or 0
        keeps = self.keeps_chunks
        if keeps is None:
            keeps = accept.resume_from is not None
        if not keeps or first > self.plan.total:
            first = 0  # R-RES-2
        wanted = first < self.plan.total
        was_final = self.state.is_final
        self._move(SenderInput.ACCEPT_SOME if wanted else SenderInput.ACCEPT_NONE)
        if was_final:
            self._repeat_farewell(now)
            return
        self._offers_in_vain = 0
        is_first = self.keeps_chunks is None
        is_under_way = first == self._next and self._is_under_way(now)
        self.keeps_chunks, self.accepted_at = keeps, timestamp
        self._next = first
        self._naks = 0
        self._heard(now)
        if is_under_way:
            return  # the accept left before what was sent last arrived
        if is_first:
            self._notify(TransferStarted(transfer_id=self._transfer_id, peer_id=self._peer_id))
        self._send_next(now)

    def _is_stale(self, timestamp: int) -> bool:
        """Say whether an accept is older than the one that we follow.

        When offers got no other answer for long, older ones are those of a clock that went back.
        """
        if self.accepted_at is None or timestamp > self.accepted_at:
            return False
        return timestamp == self.accepted_at or self._offers_in_vain < _OFFERS_TO_BELIEVE_A_CLOCK

    def _is_under_way(self, now: float) -> bool:
        """Say whether what is due was sent so recently that its answer may still come."""
        if self._in_flight != self._next:
            return False
        return self._sent_at is None or now - self._sent_at < self._timer.timeout

    def _receive_reject(self, reason: str) -> None:
        reason = reason[:LONGEST_WORDS]
        was_final = self.state.is_final
        self._move(SenderInput.REJECT)
        if was_final:
            return
        self._end_by_rejection(reason)

    def _receive_ack(self, index: int, now: float) -> None:
        if index >= self._sent_before:
            raise UnexpectedMessageError("an ack for a chunk that was never sent")
        # R-ACK-4: a receiver that keeps its chunks names the last one without a gap; a 1.x receiver
        # the one that came, and may have forgotten those before it.
        is_news = self.state is TransferState.TRANSFERRING and (
            index == self._next or (self.keeps_chunks is True and index > self._next)
        )
        is_last = is_news and index + 1 >= self.plan.total
        was_final = self.state.is_final
        self._move(SenderInput.LAST_ACK if is_last else SenderInput.ACK)
        if was_final:
            self._repeat_farewell(now)
        if not is_news:
            return  # R-ACK-3: a duplicate ack provokes nothing (the sorcerer's apprentice)
        self._next = index + 1
        self._naks = 0
        self._heard(now)
        self._notify(
            AckReceived(
                transfer_id=self._transfer_id,
                peer_id=self._peer_id,
                index=index,
                bytes_done=self.bytes_done,
            )
        )
        self._send_next(now)

    def _receive_nak(self, index: int, now: float) -> None:
        self._move(SenderInput.NAK)
        if self.state is not TransferState.TRANSFERRING or index != self._next:
            return
        self._naks += 1
        if self._naks >= _MOST_NAKS:
            self.fail(DigestMismatchError(f"Chunk {index} arrived damaged every time."), now)
            return
        self._heard(now)
        self._send_next(now)

    def _receive_final_ack(self, *, received: bool, error: str, now: float) -> None:
        was_final = self.state.is_final
        # Of an empty file nothing can be forgotten, and there is no chunk to send again.
        has_forgotten = (
            error.startswith(_FORGOTTEN) and not self.keeps_chunks and self.plan.total > 0
        )
        if has_forgotten and not was_final and self._begun_anew < _MOST_NEW_BEGINNINGS:
            self._begin_anew(now)
            return
        if received and not was_final and self._next < self.plan.total:
            raise UnexpectedMessageError("a final ack before all was sent")
        self._move(SenderInput.FINAL_YES if received else SenderInput.FINAL_NO)
        if was_final:
            return
        if received:
            self._next = self.plan.total
            self._notify(
                TransferCompleted(
                    transfer_id=self._transfer_id,
                    peer_id=self._peer_id,
                    path=self._path,
                    size=self._offer.size,
                    digest=self._offer.hash,
                )
            )
        else:
            reason = TransferFailedError(
                f"The receiver did not save the file: {error[:LONGEST_WORDS] or 'no reason'}"
            )
            self._end_by_failure(reason, is_resumable=False)

    def _begin_anew(self, now: float) -> None:
        """Send all again to a 1.x receiver that lost chunks, unless that is under way already."""
        was_completing = self.state is TransferState.COMPLETING
        self._move(SenderInput.FORGOTTEN)
        if was_completing:
            self._begun_anew += 1
            self._next = 0
            self._heard(now)
            self._send_next(now)

    def _send_next(self, now: float) -> None:
        """Ask for the chunk that is due, or say that all were sent."""
        if self.state is TransferState.COMPLETING:
            self._in_flight = self._next
            self._send(Complete(total_chunks=self.plan.total, hash=self._offer.hash), now)
            return
        self._repeat_at = now + self._wait()
        if self._reading != self._next:
            index = self._reading = self._next
            self._outputs.append(ReadChunk(index, self.plan.offset(index), self.plan.length(index)))

    def _repeat_farewell(self, now: float) -> None:
        """Tell a peer that goes on after our end about that end: it may have been lost."""
        if self.state in (TransferState.FAILED, TransferState.CANCELLED):
            self._send(self._farewell(), now)
