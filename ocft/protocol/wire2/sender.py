"""The sending side of one wire 2 transfer."""

import math
from dataclasses import replace
from typing import Never

from ocft.errors import (
    OcftError,
    TransferCancelledError,
    UnexpectedMessageError,
)
from ocft.events import OfferSent, TransferCompleted, TransferResumed, TransferStarted
from ocft.ids import NodeId, TransferId
from ocft.protocol.machine import Machine
from ocft.protocol.timers import Patience, RetransmissionTimer
from ocft.protocol.wire2.outputs import Say, SayBundle, SayData, SayOffer, SayStop
from ocft.protocol.wire2.states import SENDER, SenderInput
from ocft.protocol.wire2.window import Window
from ocft.ranges import Range
from ocft.transfers import TransferState
from ocft.wire import (
    Control,
    OfferAgain,
    RangeAck,
    TransferAccept,
    TransferDone,
    TransferReject,
    TransferStop,
)

CANCELLED_CODE = TransferCancelledError.code
_LONGEST_OFFER_WAIT = 300.0  # seconds; a person decides, and every offer is a text in their chat
_ASK_WHETHER_DECIDED = 300.0  # seconds, R-ARQ-8
_VAIN_PROBES = 6  # before a silent peer is offered a new epoch, R-ARQ-5
_LONGEST_PROBE_WAIT = 60.0
_MOST_BUNDLES = 6  # in flight, R-BUN-3
_BUNDLE_PROBE_WAIT = 20.0  # seconds at least: the peer has to download what it acknowledges
_SLOW_DOWNLOAD = 512 * 1024  # bytes a second; who is slower is sent some files twice
_LONGEST_BUNDLE_WAIT = 300.0  # seconds: an answer to a probe is a sign of life, too
_BUNDLE_OVERHEAD = 64  # bytes of a bundle that each frame takes beside its data, at most
_FIRST_EPOCH_WAIT = 3.0
_MOST_DOUBLINGS = 8  # beyond the longest of all waits


class FrameSender(Machine[SenderInput, Never]):
    """One outgoing wire 2 transfer, without I/O, keys or clock.

    Feed it messages, acks and time; ask `next_to_send` when there is room for a text.

    Args:
        transfer_id: The transfer.
        peer_id: The receiver.
        size: Bytes of the byte space.
        manifest_size: Bytes of the manifest at its beginning.
        manifest_digest: SHA-256 of the manifest.
        path: What is sent, for the event that says that it arrived.
        name: What it is called, for events.
        digest: SHA-256 as the user knows it, for events.
        file_count: Number of files.
        patience: How long to wait for what.
        epoch: The newest epoch of earlier runs; 0: none.
        is_decided: Whether the receiver wanted the files in an earlier run.
        bytes_done: Bytes of the files that the receiver had in an earlier run.
        state: PENDING to begin or go on, or the end that late messages are to meet.
    """

    def __init__(
        self,
        *,
        transfer_id: TransferId,
        peer_id: NodeId,
        size: int,
        manifest_size: int,
        manifest_digest: bytes,
        path: str,
        name: str,
        digest: str,
        file_count: int = 1,
        patience: Patience | None = None,
        epoch: int = 0,
        is_decided: bool = False,
        bytes_done: int = 0,
        state: TransferState = TransferState.PENDING,
    ) -> None:
        super().__init__(
            SENDER,
            state,
            transfer_id=transfer_id,
            peer_id=peer_id,
            patience=patience or Patience(),
        )
        self.epoch = epoch
        self.is_decided = is_decided
        self.taken: tuple[int, int] | None = None
        """How many files, and bytes of them, the receiver took; None: all, or not known yet."""
        self._size = size
        self._manifest_size = manifest_size
        self._manifest_digest = manifest_digest
        self._path = path
        self._name = name
        self._digest = digest
        self._file_count = file_count
        self._bytes_done = bytes_done
        self._window: Window | None = None  # of the current epoch, once it is accepted
        self._last_ack = -1
        self._offer_timer = RetransmissionTimer(longest=_LONGEST_OFFER_WAIT)
        self._offers_in_vain = 0
        self._owes_offer = False
        self._has_offered = False  # in this epoch
        self._owes_stop = False
        self._owes_probe = False
        self._awaits_ack = False  # a native file has asked for one, so that others can go
        self._must_ask = False  # what came around the channel, before anything else is sent
        self._probes = 0  # since the last progress: each waits twice as long
        self._probes_in_vain = 0  # since the last ack
        self._epochs_in_vain = 0  # begun since the last ack
        self._wake_at = math.inf  # when an offer or a probe is due

    @property
    def bytes_done(self) -> int:
        """Bytes of the files that the receiver has stored, or does not want."""
        if self._window is None:
            return self._bytes_done
        stored = self._window.stored
        manifest = self._manifest_size - sum(
            end - first for first, end in stored.missing(0, self._manifest_size)
        )
        return stored.total() - manifest

    @property
    def bytes_sent(self) -> int:
        """Bytes of the files that have left, at least those that the receiver has."""
        if self._window is None:
            return self.bytes_done
        return max(self.bytes_done, self._window.sent_to - self._manifest_size)

    @property
    def offers_in_vain(self) -> int:
        """Offers since the last answer: after some, the peer may have lost its root key."""
        return self._offers_in_vain

    def start(self, now: float, *, is_resumed: bool = False) -> None:
        """Begin, or go on after a restart: with the next epoch.

        Args:
            now: Seconds on any clock that does not go back.
            is_resumed: Whether this continues an earlier run.
        """
        self._begin(now, None if self.is_decided else self._patience.decision)
        if is_resumed:
            self._notify(
                TransferResumed(
                    transfer_id=self._transfer_id,
                    peer_id=self._peer_id,
                    bytes_done=self._bytes_done,
                )
            )
        else:
            self._notify(
                OfferSent(
                    transfer_id=self._transfer_id,
                    peer_id=self._peer_id,
                    filename=self._name,
                    size=self._size - self._manifest_size,
                )
            )
        self._next_epoch(now)

    def receive(self, message: Control, now: float) -> None:
        """Take in a control message of the current epoch; others change nothing (R-CTL-3).

        Raises:
            UnexpectedMessageError: The peer broke the table in `states`.
        """
        match message:
            case TransferAccept() if message.epoch == self.epoch and self._window is None:
                self._receive_accept(message, now)
            case OfferAgain() if message.epoch == self.epoch:
                self._receive_again(now)
            case TransferReject() if message.epoch == self.epoch:
                was_final = self.state.is_final
                self._move(SenderInput.REJECT)
                if not was_final:
                    self._end_by_rejection(message.words or message.code)
            case TransferDone() if message.epoch <= self.epoch:
                self._receive_done(message)
            case TransferStop() if message.epoch == self.epoch:
                self._end_by_peer(
                    failed=SenderInput.PEER_FAILED,
                    cancelled=SenderInput.PEER_CANCELLED,
                    code=message.code,
                    words="",
                    is_cancelled=message.code == CANCELLED_CODE,
                    is_recoverable=message.is_recoverable,
                )
            case TransferAccept() | OfferAgain() | TransferReject() | TransferDone():
                pass
            case TransferStop():
                pass
            case _:
                raise UnexpectedMessageError(f"a sender does not take {type(message).__name__}")

    def receive_ack(self, number: int, ack: RangeAck, now: float) -> None:
        """Take in an ack of the current epoch.

        Args:
            number: The number of its frame.
            ack: What it says.
            now: Seconds on the same clock.
        """
        window = self._window
        if self.state.is_final:
            self._repeat_farewell()
            return
        if window is None or number <= self._last_ack:
            return  # R-SEA-2
        if ack.ranges and ack.ranges[-1][1] > self._size:
            return
        if ack.heard is not None and ack.heard >= window.frames:
            return  # it would make all that is in flight look lost
        self._last_ack = number
        self._epochs_in_vain = 0
        is_progress = window.take(ack, now)
        self._awaits_ack = self._must_ask = False
        self._sign_of_life(now)
        self._probes_in_vain = 0
        self._owes_probe = False
        if is_progress:
            self._probes = 0
        if ack.is_decided:
            self._decide(now)
        self._note_all_stored(window)
        self._arm(now)

    @property
    def epoch_frames(self) -> int:
        """Data frames that the current epoch has sent."""
        return self._window.frames if self._window is not None else 0

    def peek(self, room: int) -> Range | None:
        """Return the place that `next_to_send` would send next with this much room."""
        if self._window is None or self._owes_stop or self._owes_offer or self.state.is_final:
            return None
        return self._window.next_range(room)

    @property
    def unsent(self) -> int:
        """Bytes that may go now, at most; 0 before the files were accepted."""
        return 0 if self._window is None or self.state.is_final else self._window.unsent

    def next_bundle(self, room: int, size: int, now: float, *, at_once: int) -> SayBundle | None:
        """Return the frames that should leave together in a native file; None when none may.

        Args:
            room: Bytes that one data frame carries.
            size: Bytes of the file at most.
            now: Seconds on the same clock.
            at_once: How many files go up at the same time; an ack is asked for when only that
                many more may go without one, and more are to go (R-BUN-3).
        """
        window = self._window
        if window is None or self._owes_stop or self._owes_offer or self.state.is_final:
            return None
        if self._must_ask:
            return None
        in_a_file = -(-size // (room + _BUNDLE_OVERHEAD))
        most = max(_MOST_BUNDLES, 2 * at_once)
        reordering = 2 * at_once * in_a_file
        window.widen(most, most * size, most * in_a_file, reordering=reordering)
        if window.is_full_of_bundles:
            return None
        frames: list[SayData] = []
        left = size - _BUNDLE_OVERHEAD
        bundle: int | None = None
        while left > 0 and (place := window.next_range(min(room, left))) is not None:
            bundle = bundle or window.begin_bundle()
            number, is_repeat = window.send(place, now, bundle)
            frames.append(SayData(number, *place, wants_ack=False, is_repeat=is_repeat))
            left -= place[1] - place[0] + _BUNDLE_OVERHEAD
        if bundle is None:
            return None
        is_last = window.next_range(room) is None or window.is_full_of_bundles
        if is_last or (not self._awaits_ack and window.is_short_of_bundles(at_once)):
            frames[-1] = replace(frames[-1], wants_ack=True)
            self._awaits_ack = True
        self._owes_probe = False
        self._wake_at = math.inf  # armed again when it has left
        return SayBundle(tuple(frames))

    def heard_directly(self, now: float) -> None:
        """Take in that the receiver takes bytes around the channel (R-DIR-4)."""
        if self.state.is_final:
            return
        self._epochs_in_vain = self._probes_in_vain = 0
        if self._must_ask:  # a question is left open: it is asked anew when it has to be
            self._must_ask = self._owes_probe = False
            self._wake_at = math.inf
        self._sign_of_life(now)

    def ask_what_came(self, now: float) -> None:
        """Go on over the channel after bytes went around it: first the receiver is asked.

        Nothing but that question leaves before an ack has come, or six of them were in vain.
        """
        window = self._window
        if window is None or self.state.is_final:
            return
        self._must_ask = self._owes_probe = True
        self._wake_at = now + self._probe_wait(window)

    def not_sent(self, said: SayBundle, now: float) -> None:
        """Take in that a native file did not leave, so that its bytes go another way."""
        if self._window is not None:
            self._window.give_up(frame.number for frame in said.frames)
            self._arm(now)

    def next_to_send(
        self,
        room: int,
        now: float,
        *,
        asks_ack: bool = False,
        holds_data: bool = False,
        only_probes: bool = False,
    ) -> Say | None:
        """Return what should leave now, control messages first; None when nothing has to.

        Args:
            room: Bytes that one data frame carries.
            now: Seconds on the same clock.
            asks_ack: Whether a data frame is to ask for an ack.
            holds_data: Whether data waits until what is in flight is answered, or its probe is due.
            only_probes: Whether data goes another way, and only probes go as text.
        """
        if self._owes_stop:
            self._owes_stop = False
            code = self.error.code if self.error is not None else CANCELLED_CODE
            return SayStop(self.epoch, code, self.is_resumable)
        if self._owes_offer and not self.state.is_final:
            self._owes_offer, self._has_offered = False, True
            return SayOffer(self.epoch)
        window = self._window
        goes_elsewhere = (only_probes or self._must_ask) and not self._owes_probe
        if window is None or self.state.is_final or goes_elsewhere:
            return None
        if holds_data and window.has_flight and not self._owes_probe:
            if self._wake_at == math.inf:
                self._wake_at = now + self._probe_wait(window)
            return None
        is_held = window.is_full_of_bundles and not self._owes_probe
        place = None if is_held or self._must_ask else window.next_range(room)
        if place is None:
            if not self._owes_probe:
                return None
            place = (self._size, self._size)  # an empty frame: R-ARQ-9
        number, is_repeat = window.send(place, now)
        ends_manifest = place[0] < self._manifest_size <= place[1]
        wants_ack = asks_ack or self._owes_probe or ends_manifest or window.next_range(room) is None
        self._owes_probe = False
        self._wake_at = math.inf  # armed again when it has left
        return SayData(number, *place, wants_ack=wants_ack, is_repeat=is_repeat)

    def sent(self, said: Say, now: float) -> None:
        """Note that something has left, or could not: waits are counted from here."""
        if self.state.is_final:
            return
        if isinstance(said, SayOffer):
            if self._window is None:  # else its accept was faster than this note
                self._wake_at = now + self._offer_timer.timeout
        elif isinstance(said, SayData | SayBundle) and self._window is not None:
            frames = said.frames if isinstance(said, SayBundle) else (said,)
            for frame in frames:
                self._window.left(frame.number, now)
            self._arm(now)

    def on_deadline(self, now: float) -> None:
        """Do what the deadline was for: repeat what got no answer, or give up."""
        if self.state.is_final or now < (self.deadline or now):
            return
        if self._is_out_of_patience(now):
            self._move(SenderInput.EXPIRE)
            self._end_by_timeout(now)
            self._owes_stop = True
            return
        window = self._window
        if window is not None and now >= window.look_at:
            window.find_lost(now)
        if now < self._wake_at:
            return
        if window is None:
            if self._has_offered:
                self._offer_timer.expired()
                self._offers_in_vain += 1
            self._owes_offer = True
            self._wake_at = math.inf
            return
        if self._probes_in_vain >= _VAIN_PROBES:
            self._next_epoch(now)
            return
        self._probes_in_vain += 1
        self._probes += 1
        self._owes_probe = True
        if self._probes_in_vain == 1 or not window.has_bundles:
            window.give_up_oldest()
        self._wake_at = math.inf

    def cancel(self, reason: str, now: float) -> None:  # noqa: ARG002 - as every input has it
        """Stop, and tell the receiver.

        Raises:
            UnexpectedMessageError: The transfer has ended.
        """
        self._move(SenderInput.CANCEL)
        self._end_by_cancel(reason)
        self._owes_stop = self.epoch > 0

    def fail(self, error: OcftError, now: float, *, is_resumable: bool = False) -> None:  # noqa: ARG002
        """End because something on this side went wrong, and tell the receiver."""
        self._move(SenderInput.FAIL)
        self._end_by_failure(error, is_resumable=is_resumable)
        self._owes_stop = self.epoch > 0

    def _next_moment(self) -> float:
        look_at = self._window.look_at if self._window is not None else math.inf
        return min(self._wake_at, look_at)

    def _sign_of_life(self, now: float) -> None:
        """The peer is there; who waits for a person's decision keeps that patience."""
        self._offers_in_vain = 0
        if self.is_decided:
            self._note_sign_of_life(now)

    def _answered(self, now: float) -> None:
        """Note an answer to an offer: life only if an ack came since the last one (R-ARQ-5)."""
        self._offers_in_vain = 0
        if self._epochs_in_vain <= 1:
            self._sign_of_life(now)

    def _next_epoch(self, now: float) -> None:
        if self._window is not None:
            self._bytes_done = self.bytes_done
        self.epoch += 1
        self._has_offered = False
        self._window = None
        self._last_ack = -1
        self._awaits_ack = self._must_ask = False
        self._probes = self._probes_in_vain = 0
        self._offer_timer = RetransmissionTimer(longest=_LONGEST_OFFER_WAIT)
        self._owes_probe = False
        if self._epochs_in_vain:  # R-ARQ-5: a peer that only ever asks anew must not spin us
            wait = _FIRST_EPOCH_WAIT * 2.0 ** min(self._epochs_in_vain - 1, _MOST_DOUBLINGS)
            self._owes_offer = False
            self._wake_at = now + min(wait, _LONGEST_OFFER_WAIT)
        else:
            self._owes_offer = True
            self._wake_at = now + self._offer_timer.timeout
        self._epochs_in_vain += 1

    def _receive_accept(self, accept: TransferAccept, now: float) -> None:
        if accept.ranges and accept.ranges[-1][1] > self._size:
            raise UnexpectedMessageError("an accept of bytes that there are not")
        if self.state.is_final:
            self._repeat_farewell()
            return
        if not self._has_offered:
            return  # nobody can have heard of this epoch yet
        self._owes_offer = False
        self._window = Window(self._size, accept.limit, accept.ranges)
        self._answered(now)
        if accept.is_decided:
            self._decide(now)
        else:
            self._move(SenderInput.UNDECIDED)
        self._note_all_stored(self._window)
        self._arm(now)

    def _receive_again(self, now: float) -> None:
        was_final = self.state.is_final
        self._move(SenderInput.AGAIN)
        if was_final:
            self._repeat_farewell()
        elif self._has_offered:
            self._answered(now)
            self._next_epoch(now)

    def _note_all_stored(self, window: Window) -> None:
        if window.is_all_stored and self.state is not TransferState.PENDING:
            self._move(SenderInput.ALL_STORED)

    def _decide(self, now: float) -> None:
        was_pending = self.state is TransferState.PENDING
        if was_pending or self.state is TransferState.COMPLETING:
            self._move(SenderInput.DECIDED)
        if not was_pending:
            return
        is_first = not self.is_decided
        self.is_decided = True
        self._note_sign_of_life(now)
        if is_first:
            self._notify(TransferStarted(transfer_id=self._transfer_id, peer_id=self._peer_id))

    def _receive_done(self, done: TransferDone) -> None:
        if done.manifest_digest != self._manifest_digest:
            raise UnexpectedMessageError("done with other files")
        size = self._size - self._manifest_size
        files, taken_size = done.taken or (None, size)
        if taken_size > size or (files is not None and files > self._file_count):
            raise UnexpectedMessageError("done with more than was offered")
        was_final = self.state.is_final
        self._move(SenderInput.DONE)
        if was_final:
            return
        self.taken = done.taken
        self._bytes_done, self._window = size, None
        self._notify(
            TransferCompleted(
                transfer_id=self._transfer_id,
                peer_id=self._peer_id,
                path=self._path,
                size=taken_size,
                digest=self._digest,
                files_taken=files,
            )
        )

    def _arm(self, now: float) -> None:
        """Set the moment of the next probe, R-ARQ-5."""
        window = self._window
        if window is None or self.state.is_final:
            return
        goes_on = window.next_range(1) is not None and not window.is_full_of_bundles
        if (goes_on and not self._must_ask) or window.has_unsent_bundles:
            self._wake_at = math.inf  # something goes at once, or has not left yet
            return
        if window.has_flight or self.state is TransferState.COMPLETING or self.is_decided:
            self._wake_at = now + self._probe_wait(window)
        elif self._probes_in_vain:  # it has not said that it is undecided: it may be gone
            wait = window.timer.timeout * 2.0 ** min(self._probes_in_vain, _MOST_DOUBLINGS)
            self._wake_at = now + min(wait, _LONGEST_PROBE_WAIT)
        else:
            self._wake_at = now + _ASK_WHETHER_DECIDED

    def _probe_wait(self, window: Window) -> float:
        wait, longest = window.timer.timeout, _LONGEST_PROBE_WAIT
        if window.has_bundles and not self._probes_in_vain:
            # A probe gives a whole file up: not while the peer is likely to be downloading it. That
            # a probe got no answer is another thing: those need no download.
            longest = _LONGEST_BUNDLE_WAIT
            least = _BUNDLE_PROBE_WAIT + window.bundled_bytes / _SLOW_DOWNLOAD
            wait = max(wait, least)
        return min(wait * 2.0 ** min(self._probes, _MOST_DOUBLINGS), longest)

    def _repeat_farewell(self) -> None:
        """Tell a peer that goes on after our end about that end: it may have been lost."""
        self._owes_stop = self.state in (TransferState.FAILED, TransferState.CANCELLED)
