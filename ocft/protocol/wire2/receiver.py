"""The receiving side of one wire 2 transfer: it owns the truth about what is stored."""

import math
from collections.abc import Iterable

from ocft.errors import (
    OcftError,
    TransferCancelledError,
    TransferRejectedError,
    UnexpectedMessageError,
)
from ocft.events import (
    OfferReceived,
    TransferAccepted,
    TransferCompleted,
    TransferRejected,
    TransferResumed,
)
from ocft.ids import NodeId, TransferId
from ocft.protocol.machine import LONGEST_WORDS, Machine
from ocft.protocol.timers import Patience
from ocft.protocol.wire2.acks import AckSchedule
from ocft.protocol.wire2.arrived import Arrived
from ocft.protocol.wire2.outputs import (
    PublishFiles,
    ReadManifest,
    ReceiverOutput,
    Say,
    SayAccept,
    SayAck,
    SayAgain,
    SayDone,
    SayReject,
    SayStop,
    WriteBytes,
)
from ocft.protocol.wire2.states import RECEIVER, ReceiverInput
from ocft.ranges import Range, RangeSet
from ocft.transfers import TransferState
from ocft.wire import Control, Data, RangeAck, TransferOffer, TransferStop

CANCELLED_CODE = TransferCancelledError.code
_FIRST_REPEAT = 1.0  # seconds, R-ARQ-7
_LONGEST_REPEAT = 60.0


class FrameReceiver(Machine[ReceiverInput, ReceiverOutput]):
    """One incoming wire 2 transfer, without I/O, keys or clock.

    Args:
        transfer_id: The transfer.
        peer_id: The sender.
        size: Bytes of the byte space.
        manifest_size: Bytes of the manifest at its beginning.
        patience: How long to wait for what.
        epoch: The newest epoch that was accepted; 0: none.
        is_manifest_known: Whether the manifest was read and checked in an earlier run.
        stored: What is on disk, and what is not wanted.
        state: Where it stands: PENDING, or what the journal says.
        largest_file: Bytes of the largest bundle that may come; 0: frames come as texts.
    """

    def __init__(
        self,
        *,
        transfer_id: TransferId,
        peer_id: NodeId,
        size: int,
        manifest_size: int,
        patience: Patience | None = None,
        epoch: int = 0,
        is_manifest_known: bool = False,
        stored: RangeSet | None = None,
        state: TransferState = TransferState.PENDING,
        largest_file: int = 0,
    ) -> None:
        super().__init__(
            RECEIVER,
            state,
            transfer_id=transfer_id,
            peer_id=peer_id,
            patience=patience or Patience(),
        )
        self.epoch = epoch
        self._is_manifest_known = is_manifest_known
        self._is_reading_manifest = False
        self._is_choosing = False  # finding out which files need not be sent
        self._arrived = Arrived(size, manifest_size, stored or RangeSet(), largest_file)
        self._acks = AckSchedule()
        self._acks_sent = 0
        self._has_keys = False  # of the current epoch: its accept has left
        self._accept: SayAccept | None = None  # of the current epoch
        self._owes: SayAccept | SayAgain | SayReject | SayDone | SayStop | None = None
        self._reject_code = TransferRejectedError.code
        self._reject_words = ""  # what the sender is told beside it
        self._repeat_at = math.inf  # when the decision, or `again`, is said again
        self._repeat_wait = _FIRST_REPEAT

    @property
    def is_decided(self) -> bool:
        """Whether the files are wanted."""
        return self.state not in (TransferState.PENDING, TransferState.REJECTED)

    @property
    def bytes_done(self) -> int:
        """Bytes of the files that are stored, or not wanted."""
        return self._arrived.bytes_done

    @property
    def limit(self) -> int:
        """Bytes of the byte space before which the sender may send."""
        return self._arrived.limit(
            is_decided=self.is_decided, is_manifest_known=self._is_manifest_known
        )

    def offered(self, epoch: int, now: float) -> None:
        """Take in the offer that begins the transfer, or one of the next epoch, or a repeat.

        R-CTL-2. Whether the keys of the current epoch are still there is this machine's knowledge:
        they live exactly as long as it does.

        Raises:
            UnexpectedMessageError: The peer broke the table in `states`.
        """
        if epoch < self.epoch:
            return
        was_final = self.state.is_final
        self._move(ReceiverInput.OFFER)
        if was_final:
            self._repeat_end(epoch)
            return
        if self._idle_at == math.inf:
            self._begin(now, None if self.is_decided else self._patience.decision)
        self._sign_of_life(now)
        if epoch == self.epoch:
            if self._accept is not None:
                self._owes = self._accept
            else:
                self._owes = SayAgain(epoch)
            return
        self.epoch = epoch
        self._acks = AckSchedule()
        self._acks_sent = 0
        self._has_keys = False
        self._accept = self._owes = SayAccept(epoch, self.is_decided, self.limit)
        self._repeat_at = math.inf

    @property
    def is_manifest_known(self) -> bool:
        """Whether the manifest was read and checked."""
        return self._is_manifest_known

    def accept(self, now: float, *, is_choosing: bool = False) -> None:
        """Decide to take the files.

        Args:
            now: Seconds on the same clock.
            is_choosing: Whether `chosen` will tell what need not be sent.

        Raises:
            UnexpectedMessageError: It was decided before.
        """
        self._move(ReceiverInput.DECIDE_YES)
        self._begin(now)
        self._is_choosing = is_choosing
        if self._is_manifest_known:
            self._tell_accepted()
        if isinstance(self._owes, SayAccept) and not self._has_keys:
            # It has not left: let it say so at once.
            self._accept = self._owes = SayAccept(self.epoch, is_decided=True, limit=self.limit)
        elif self._accept is not None:
            self._say_decided(now)
        if self._is_manifest_known and self._arrived.has_all:  # nothing but empty files
            self._publish()

    def reject(self, reason: str, now: float, *, code: str = TransferRejectedError.code) -> None:  # noqa: ARG002
        """Decide not to take the files.

        Args:
            reason: Why, in our words. The sender is told them where they are the owner's: with the
                default code (R-CTL-1).
            now: Seconds on the same clock.
            code: What the sender is told.

        Raises:
            UnexpectedMessageError: It was decided before.
        """
        self._move(ReceiverInput.DECIDE_NO)
        self._reject_code = code
        if code == TransferRejectedError.code:
            # What was typed on a terminal may be no Unicode, and only Unicode can be sent.
            said = reason.encode("utf-8", "replace").decode()
            self._reject_words = said[:LONGEST_WORDS]
        self.error = TransferRejectedError(reason)
        self._notify(
            TransferRejected(transfer_id=self._transfer_id, peer_id=self._peer_id, reason=reason)
        )
        self._owes = self._farewell()

    def chosen(self, not_wanted: Iterable[Range], now: float) -> None:
        """Take in which files need not be sent: they are left out, or here already (R-MAN-3).

        Until then nothing gets its name, not even where nothing is missing: what is here already
        is not to be saved a second time.

        Args:
            not_wanted: Their ranges, which are recorded.
            now: Seconds on the same clock.
        """
        self._is_choosing = False
        self.stored(not_wanted, now)

    def resume(self, now: float, *, is_choosing: bool = False) -> None:
        """Go on after a restart, R-ARQ-10: the keys of the last epoch are gone.

        Args:
            now: Seconds on the same clock.
            is_choosing: Whether `chosen` will tell what need not be sent.
        """
        self._begin(now, None if self.is_decided else self._patience.decision)
        self._is_choosing = is_choosing
        if self.state is TransferState.COMPLETED:
            self._owes = SayDone(self.epoch)
            return
        if self.is_decided:
            self._notify(
                TransferResumed(
                    transfer_id=self._transfer_id, peer_id=self._peer_id, bytes_done=self.bytes_done
                )
            )
        self._check_manifest()
        if self.is_decided and self._arrived.has_all and not self._is_choosing:
            self._publish()
        elif self.epoch:
            self._owes = SayAgain(self.epoch)
            self._repeat_at = now + self._repeat_wait

    def receive_data(
        self, number: int, data: Data, now: float, *, is_bundled: bool = False
    ) -> None:
        """Take in the data of a frame of the current epoch that was not seen before.

        Args:
            number: The frame's number.
            data: Its range.
            now: Seconds on the same clock.
            is_bundled: Whether it came in a native file, with many others.

        Raises:
            UnexpectedMessageError: The bytes are outside of what may be sent, or would be one more
                range than there may be: they come again (R-ARQ-13).
        """
        if self.state.is_final:
            if data.wants_ack:  # a late frame is no question
                self._repeat_end(self.epoch)
            return
        first, end = data.offset, data.offset + len(data.data)
        if end > (self.limit if first < end else self._arrived.size):
            raise UnexpectedMessageError(f"bytes {first} to {end} are not what may be sent now")
        self._sign_of_life(now)
        self._arrived.require_fit(first, end)
        if first < end and end > self._arrived.manifest_size:  # it knows that we want the files
            self._repeat_at, self._repeat_wait = math.inf, _FIRST_REPEAT
        is_new = self._arrived.is_new(first, end)
        self._acks.came(
            number,
            first,
            end,
            now,
            wants_ack=data.wants_ack,
            is_new=is_new,
            is_bundled=is_bundled,
        )
        if is_new:
            if end > self._arrived.manifest_size and self.state is not TransferState.PENDING:
                self._move(ReceiverInput.CONTENT)
            self._arrived.write(first, end)
            self._outputs.append(WriteBytes(first, data.data))
        else:
            self._acks.stored(self._arrived.stored, now)

    def stored(self, ranges: Iterable[Range], now: float) -> None:
        """Take in that bytes are synced and recorded.

        Args:
            ranges: In the byte space; also of files that turn out not to be wanted.
            now: Seconds on the same clock.
        """
        if self.state.is_final:
            return
        for first, end in ranges:
            if self._has_keys and self._arrived.is_new(first, end):
                self._acks.ask(now)  # what need not come is said before it is sent
            self._arrived.store(first, end)
        self._acks.stored(self._arrived.stored, now)
        self._check_manifest()
        if self.is_decided and self._is_reading_manifest and not self._is_manifest_known:
            self._acks.postpone(now)  # the ack that says what is wanted says more
        if self.is_decided and self._is_manifest_known and self._arrived.has_all:
            self._publish()
            # Mostly the files have their names in a moment, and `done` says it all.
            self._acks.postpone(now)

    def came_directly(self, ranges: Iterable[Range], now: float) -> None:
        """Take in that bytes which came around the channel are synced and recorded (R-DIR-4).

        Args:
            ranges: In the byte space; they were asked for, so the sender knows of them.
            now: Seconds on the same clock.
        """
        if self.state.is_final:
            return
        ranges = list(ranges)
        self._sign_of_life(now)
        for first, end in ranges:
            self._arrived.write(first, end)
        if any(end > self._arrived.manifest_size for _, end in ranges):
            self._move(ReceiverInput.CONTENT)
            self._repeat_at, self._repeat_wait = math.inf, _FIRST_REPEAT
        self.stored(ranges, now)

    def manifest_known(
        self, offer: OfferReceived, now: float, *, not_wanted: Iterable[Range] = ()
    ) -> None:
        """Take in that the manifest was read, checked and recorded.

        Args:
            offer: What is offered, for listeners.
            now: Seconds on the same clock.
            not_wanted: Ranges of files that are there already, or left out; they are recorded.
        """
        if self.state.is_final or self._is_manifest_known:
            return
        self._is_manifest_known = True
        self._notify(offer)
        if self.is_decided:
            self._tell_accepted()
        self.stored(not_wanted, now)
        if self.is_decided and not self._arrived.has_all and not self._has_said_all:
            self._say_decided(now)  # and raises the limit

    def published(
        self,
        path: str,
        digest: str,
        now: float,  # noqa: ARG002 - as every input has it
        *,
        taken: tuple[int, int] | None = None,
    ) -> None:
        """Take in that all files are verified and have their names.

        Args:
            path: Where they are.
            digest: SHA-256 as the user knows it.
            now: Seconds on the same clock.
            taken: How many files, and bytes of them, are wanted; None: all.
        """
        files, size = taken or (None, self._arrived.size - self._arrived.manifest_size)
        self._move(ReceiverInput.PUBLISHED)
        self._notify(
            TransferCompleted(
                transfer_id=self._transfer_id,
                peer_id=self._peer_id,
                path=path,
                size=size,
                digest=digest,
                files_taken=files,
            )
        )
        self._owes = SayDone(self.epoch)

    def receive_stop(self, stop: TransferStop) -> None:
        """Take in that the sender has ended the transfer; an earlier epoch's changes nothing.

        Raises:
            UnexpectedMessageError: The peer broke the table in `states`.
        """
        if stop.epoch < self.epoch:
            return
        self._end_by_peer(
            failed=ReceiverInput.PEER_FAILED,
            cancelled=ReceiverInput.PEER_CANCELLED,
            code=stop.code,
            words="",
            is_cancelled=stop.code == CANCELLED_CODE,
            is_recoverable=stop.is_recoverable,
        )
        if self.state.is_final:
            self._owes = None

    def receive(self, message: Control, now: float) -> None:
        """Take in a control message from the transfer's peer.

        Raises:
            UnexpectedMessageError: The peer broke the table in `states`.
        """
        match message:
            case TransferOffer():
                self.offered(message.epoch, now)
            case TransferStop():
                self.receive_stop(message)
            case _:
                raise UnexpectedMessageError(f"a receiver does not take {type(message).__name__}")

    def next_to_send(self, room: int, now: float) -> Say | None:  # noqa: ARG002 - as a sender's
        """Return what should leave now; None when nothing has to.

        Args:
            room: Bytes that one frame carries.
            now: Seconds on the same clock.
        """
        if self._owes is not None:
            owed, self._owes = self._owes, None
            if isinstance(owed, SayAccept):
                self._has_keys = True
            return owed
        if not self._has_keys or self._accept is None or now < self._acks.due_at:
            return None
        if self.state.is_final:
            return None
        self._acks.acknowledged(now)
        delay = now - self._acks.heard_at if self._acks.heard is not None else 0.0
        number, self._acks_sent = self._acks_sent, self._acks_sent + 1
        return SayAck(
            number,
            RangeAck(
                heard=self._acks.heard,
                delay_ms=max(0, int(delay * 1000)),
                limit=self.limit,
                ranges=self._arrived.lowest(),
                is_decided=self.is_decided,
            ),
        )

    def stored_ranges(self) -> tuple[Range, ...]:
        """Return what is stored, or not wanted, for an accept."""
        return tuple(self._arrived.stored.pairs())

    def sent(self, said: Say, now: float) -> None:
        """Note that something has left, or could not."""

    def on_deadline(self, now: float) -> None:
        """Do what the deadline was for: say again what got no answer, or give up."""
        if self.state.is_final or now < (self.deadline or now):
            return
        if self._is_out_of_patience(now):
            if self.state is TransferState.COMPLETING:  # its end is near and certain
                self._total_at = math.inf
                self._note_sign_of_life(now)
                return
            self._move(ReceiverInput.EXPIRE)
            self._end_by_timeout(now)
            self._owes = self._farewell()
            return
        if now >= self._repeat_at:
            self._repeat_wait = min(2 * self._repeat_wait, _LONGEST_REPEAT)
            self._repeat_at = now + self._repeat_wait
            if self._accept is None:
                self._owes = SayAgain(self.epoch)
            else:
                self._acks.ask(now)

    def cancel(self, reason: str, now: float) -> None:  # noqa: ARG002 - as every input has it
        """Stop, and tell the sender.

        Raises:
            UnexpectedMessageError: The transfer has ended, or is being saved.
        """
        self._move(ReceiverInput.CANCEL)
        self._end_by_cancel(reason)
        self._owes = self._farewell()

    def fail(self, error: OcftError, now: float, *, is_resumable: bool = False) -> None:  # noqa: ARG002
        """End because something on this side went wrong, and tell the sender."""
        self._move(ReceiverInput.FAIL)
        self._end_by_failure(error, is_resumable=is_resumable)
        self._owes = self._farewell()

    def _next_moment(self) -> float:
        due_at = self._acks.due_at if self._has_keys else math.inf
        return min(due_at, self._repeat_at)

    def _sign_of_life(self, now: float) -> None:
        """The peer is there; who waits for a person's decision keeps that patience."""
        if self.is_decided:
            self._note_sign_of_life(now)

    def _tell_accepted(self) -> None:
        self._notify(TransferAccepted(transfer_id=self._transfer_id, peer_id=self._peer_id))

    def _check_manifest(self) -> None:
        if self._is_manifest_known or self._is_reading_manifest:
            return
        if self._arrived.has_manifest:
            self._is_reading_manifest = True
            self._outputs.append(ReadManifest())

    def _publish(self) -> None:
        if (
            not self._is_manifest_known
            or self._is_choosing
            or self.state is TransferState.COMPLETING
        ):
            return
        self._move(ReceiverInput.ALL_STORED)
        self._repeat_at = math.inf
        self._outputs.append(PublishFiles())

    @property
    def _has_said_all(self) -> bool:
        """Whether the accept said that everything is wanted, and may come (R-BUN-3)."""
        accept = self._accept
        if accept is None or not self._arrived.takes_bundles:
            return False
        return accept.is_decided and accept.limit >= self._arrived.size

    def _say_decided(self, now: float) -> None:
        """Tell the sender, with an ack, that it may go on; again until it does (R-ARQ-7)."""
        self._acks.ask(now)
        self._repeat_wait = _FIRST_REPEAT
        self._repeat_at = now + self._repeat_wait

    def _farewell(self) -> SayStop | SayReject:
        if self.state is TransferState.REJECTED:
            return SayReject(self.epoch, self._reject_code, self._reject_words)
        code = self.error.code if self.error is not None else CANCELLED_CODE
        return SayStop(self.epoch, code, self.is_resumable)

    def _repeat_end(self, epoch: int) -> None:
        """Tell a peer that goes on after our end about that end: it may have been lost."""
        self.epoch = max(self.epoch, epoch)
        if self.state is TransferState.COMPLETED:
            self._owes = SayDone(self.epoch)
        else:
            self._owes = self._farewell()
