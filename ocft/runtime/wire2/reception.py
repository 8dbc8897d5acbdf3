"""What happens to a frame: whose it is, whether it may be, and the transfer that it is for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from ocft.errors import ChannelError, MalformedMessageError, StorageError, TrustExpiredError
from ocft.ids import NodeId
from ocft.runtime.admission import MOST_LIVE, MOST_UNDECIDED, Admission, Decision, Load, Verdict
from ocft.runtime.fleet import Fleet
from ocft.runtime.wire2.launch import FrameLauncher, incoming_record
from ocft.runtime.wire2.pairings import Pairings
from ocft.runtime.wire2.pump import FramePump, Wire2
from ocft.runtime.wire2.receiving import FrameReceivePump
from ocft.runtime.wire2.sending import FrameSendPump
from ocft.runtime.wire2.sessions import LiveSession
from ocft.storage import TransferRecord
from ocft.transfers import Direction, TransferInfo, TransferState
from ocft.wire import (
    MAX_MANIFEST,
    ControlFrame,
    Finish,
    Fragment,
    Hello,
    OfferAgain,
    Pair,
    Reply,
    SealedFrame,
    TransferAccept,
    TransferDone,
    TransferOffer,
    TransferReject,
    TransferStop,
    Welcome,
    parse_frame,
)

_log = logging.getLogger(__name__)
_MOST_OF_A_PEER: Final = 64  # live transfers
_MOST_UNDECIDED_BYTES: Final = MAX_MANIFEST  # of manifests that wait for a decision
_MOST_REFUSALS: Final = 32  # under way at once
_FARTHEST_AHEAD_MS: Final = 24 * 3600 * 1000  # R-CTL-4
_DAY: Final = 24 * 3600.0
_SEEN_EVERY: Final = 60.0  # seconds between two notes of when a peer was seen

_CAN_BE_REFUSED: Final = (
    TransferState.PENDING,
    TransferState.ACCEPTED,
    TransferState.TRANSFERRING,
)

AboutTransfer = (
    TransferOffer | TransferAccept | TransferReject | OfferAgain | TransferDone | TransferStop
)
Resume = Callable[[TransferRecord], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Ignored:
    """Why a frame changed nothing."""

    reason: str
    peer_id: NodeId
    detail: str = ""


class Reception:
    """The way in for frames.

    Args:
        fleet: The live transfers.
        launcher: Makes the pumps of new ones.
        admission: Decides about offers.
        pairings: The pairings that are under way.
        channel: The channel's name in the journal.
        sends_only: Whether offers are left, in the journal, to whoever listens next.
        resume: Makes a transfer that failed go on, because its peer does.
        load: What is going on.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        launcher: FrameLauncher,
        admission: Admission,
        pairings: Pairings,
        channel: str,
        sends_only: bool,
        resume: Resume,
        load: Callable[[], Load],
    ) -> None:
        self._fleet = fleet
        self._launcher = launcher
        self._around = launcher.around
        self._wire: Wire2 = launcher.wire
        self._admission = admission
        self._pairings = pairings
        self._channel = channel
        self._sends_only = sends_only
        self._resume = resume
        self._load = load
        self._refusals: set[asyncio.Task[None]] = set()
        self._seen: dict[NodeId, float] = {}

    async def take(self, author: str, frame: bytes) -> Ignored | None:
        """Take in a frame; return why it changed nothing, or None.

        Raises:
            MalformedMessageError: It is not what any node writes.
        """
        parsed = parse_frame(frame)
        if isinstance(parsed, Fragment):
            whole = self._wire.post.assemble(author, parsed)
            if whole is None:
                return None
            parsed = parse_frame(whole)
        match parsed:
            case SealedFrame():
                return self._take_sealed(author, parsed)
            case ControlFrame():
                return await self._take_control_frame(author, parsed)
            case Hello() | Reply() | Finish():
                reason = self._wire.handshakes.take(author, parsed)
                return None if reason is None else Ignored(reason, parsed.sender)
            case Pair():
                reason = self._pairings.take(author, parsed)
                return None if reason is None else Ignored(reason, parsed.sender)
            case Fragment():
                raise MalformedMessageError("a fragment of fragments")

    async def close(self) -> None:
        """Stop what is under way."""
        for task in list(self._refusals):
            task.cancel()
        if self._refusals:
            await asyncio.wait(self._refusals)

    def _take_sealed(self, author: str, frame: SealedFrame) -> Ignored | None:
        pump = self._wire.tags.find(frame.tag)
        if pump is None:
            return Ignored("unknown-transfer", NodeId(author))
        peer_id = pump.record.info.peer_id
        if author != pump.address and not self._wire.trust.may_write_from(peer_id, author):
            return Ignored("wrong-author", NodeId(author))  # T-1
        pump.take_frame(frame)
        self._let_speak(pump)
        return None

    def _let_speak(self, pump: FramePump[Any, Any]) -> None:
        """Run a pump that has ended once more, if it has something to say."""
        if self._fleet.get(pump.id) is None and pump.has_work():
            self._fleet.launch(pump)

    async def _take_control_frame(self, author: str, frame: ControlFrame) -> Ignored | None:
        if self._wire.handshakes.take_control(author, frame):
            return None
        opened = self._wire.sessions.open(
            frame, lambda peer_id: self._wire.trust.may_write_from(peer_id, author)
        )
        if opened is None:
            return Ignored("replay", NodeId(author))
        session, message = opened
        self._note_seen(session.peer_id)
        self._wire.trust.note_address(session.peer_id, author)
        if isinstance(message, Welcome):
            return None  # a repeat
        return await self._take_control(session, message)

    async def _take_control(self, session: LiveSession, message: AboutTransfer) -> Ignored | None:
        peer_id = session.peer_id
        pump = self._fleet.get(message.transfer_id)
        record = pump.record if pump else self._around.journal.get(message.transfer_id)
        if record is None:
            if isinstance(message, TransferOffer):
                return self._take_offer(session, message)
            return Ignored("unknown-transfer", peer_id)
        if (
            record.info.peer_id != peer_id
            or record.channel != self._channel
            or record.info.wire != "2"
        ):
            return Ignored("wrong-author", peer_id, "another peer's transfer")  # R-TRU-2
        if isinstance(message, TransferOffer) and not self._wire.trust.is_trusted(peer_id):
            if isinstance(pump, FramePump):
                pump.distrust(TrustExpiredError(f"The trust in {peer_id} has ended."))
            return Ignored("not-allowed", peer_id)
        if pump is None:
            return await self._take_late(record, session, message)
        if isinstance(pump, FrameSendPump | FrameReceivePump):
            pump.receive(message, session)
        if isinstance(pump, FrameReceivePump) and isinstance(message, TransferOffer):
            self._reconsider(pump)
        return None

    def _reconsider(self, pump: FrameReceivePump) -> None:
        """End what its peer may not send any more: it is looked up at every offer (R-LIM-1)."""
        info = pump.record.info
        peer = self._wire.trust.peer(info.peer_id)
        refusal = self._admission.refusal(info.size, peer, self._received_today(info.peer_id, info))
        if refusal is not None and info.state in _CAN_BE_REFUSED:
            pump.reject(refusal.reason, code=refusal.code)

    def _take_offer(self, session: LiveSession, offer: TransferOffer) -> Ignored | None:
        peer_id, now = session.peer_id, self._around.wall_clock()
        node = self._wire.trust.nodes.find(peer_id)
        forgotten_before = node.forgotten_before if node is not None else 0
        if not forgotten_before < offer.offered_at <= now * 1000 + _FARTHEST_AHEAD_MS:
            return Ignored("replay", peer_id)  # R-CTL-4
        decision = self.decide(peer_id, offer.size - offer.manifest_size)
        if decision.verdict in (Verdict.ACCEPT, Verdict.ASK) and self._is_crowded(peer_id, offer):
            decision = Decision(Verdict.REFUSE, "Too many transfers of one peer", "BUSY")
        match decision.verdict:
            case Verdict.IGNORE:
                return Ignored("not-allowed", peer_id)
            case Verdict.ACCEPT | Verdict.ASK if self._sends_only and self._is_full_for_others():
                return Ignored("busy", peer_id)
            case Verdict.REFUSE:
                self._refuse(session, offer, decision)
            case Verdict.ACCEPT | Verdict.ASK:
                try:
                    self._begin(session, offer, is_automatic=decision.verdict is Verdict.ACCEPT)
                except StorageError as error:
                    _log.error("%s: cannot be received: %s", offer.transfer_id, error)
                    self._around.journal.remove(offer.transfer_id)
                    failed = Decision(Verdict.REFUSE, "The files cannot be stored", error.code)
                    self._refuse(session, offer, failed)
        return None

    def decide(self, peer_id: NodeId, size: int, again: TransferInfo | None = None) -> Decision:
        """Decide about files that a peer offers, by what it may do at this moment (R-LIM-1).

        Args:
            peer_id: The peer.
            size: Bytes of the files.
            again: The transfer, if it is known already.
        """
        trust = self._wire.trust
        return self._admission.decide_sealed(
            size,
            peer=trust.peer(peer_id),
            knows_secret=trust.knows_our_secret(peer_id),
            received_today=self._received_today(peer_id, again),
            load=self._load(),
        )

    def _received_today(self, peer_id: NodeId, again: TransferInfo | None) -> int:
        """Return the bytes of a peer in the last 24 hours, apart from those of one transfer."""
        since = self._around.wall_clock() - _DAY
        received = self._around.journal.received_since(peer_id, since)
        if again is None or again.started_at < since:
            return received
        is_counted = not again.state.is_final or again.bytes_done > 0
        return received - again.size * is_counted

    def _is_full_for_others(self) -> bool:
        """Say whether enough offers wait for whoever listens next."""
        waiting = self._around.journal.records(channel=self._channel, unfinished_only=True)
        incoming = [one for one in waiting if one.info.direction is Direction.RECEIVE]
        return len(incoming) >= MOST_UNDECIDED

    def _is_crowded(self, peer_id: NodeId, offer: TransferOffer) -> bool:
        """Say whether a peer has as much under way as one peer may have (R-LIM-2)."""
        pumps = [one for one in self._fleet if one.record.info.peer_id == peer_id]
        undecided = sum(
            one.record.manifest_size
            for one in pumps
            if isinstance(one, FrameReceivePump) and one.is_undecided
        )
        return (
            len(pumps) >= _MOST_OF_A_PEER or undecided + offer.manifest_size > _MOST_UNDECIDED_BYTES
        )

    def _begin(self, session: LiveSession, offer: TransferOffer, *, is_automatic: bool) -> None:
        state = TransferState.ACCEPTED if is_automatic else TransferState.PENDING
        record = incoming_record(
            session.peer_id,
            offer,
            channel=self._channel,
            now=self._around.wall_clock(),
            state=TransferState.PENDING,
        )
        if self._sends_only:
            # Whoever listens next asks for it anew.
            self._around.journal.add(left_for_others(record, offer.epoch, state))
            return
        self._around.journal.add(record)
        pump = self._launcher.receiving(record, is_automatic=is_automatic)
        if is_automatic:
            pump.accept()
        pump.receive(offer, session)
        self._fleet.launch(pump)

    async def _take_late(
        self, record: TransferRecord, session: LiveSession, message: AboutTransfer
    ) -> Ignored | None:
        """Take in a message for a transfer that is not live: it failed, or it has ended."""
        info = record.info
        if info.is_resumable and _goes_on(record, message):
            decision = None
            if isinstance(message, TransferOffer):
                # What the peer may, or the disk can, may have changed.
                decision = self.decide(info.peer_id, info.size, again=info)
                if decision.verdict in (Verdict.REFUSE, Verdict.IGNORE):
                    self._refuse(session, message, decision, is_recoverable=True)
                    return None
            await self._resume(record)
            pump = self._fleet.get(info.id)
            if isinstance(pump, FrameReceivePump):
                if decision and decision.verdict is Verdict.ACCEPT and pump.is_undecided:
                    pump.accept()
                pump.receive(message, session)
            return None
        if len(self._fleet) >= 2 * MOST_LIVE or not info.state.is_final:
            return Ignored("busy", info.peer_id)
        ended = self._launcher.ended(record)
        ended.receive(message, session)
        if ended.has_work():
            self._fleet.launch(ended)
        return None

    def _refuse(
        self,
        session: LiveSession,
        offer: TransferOffer,
        decision: Decision,
        *,
        is_recoverable: bool = False,
    ) -> None:
        """Answer an offer, without a transfer.

        Args:
            session: The root key to answer with.
            offer: What is not taken.
            decision: Why.
            is_recoverable: Whether it is one that goes on: it can later, from what is stored.
        """
        if len(self._refusals) >= _MOST_REFUSALS:
            return
        _log.info("%s: refused: %s", offer.transfer_id, decision.reason)
        transfer_id, epoch = offer.transfer_id, offer.epoch
        code = decision.code or "TRANSFER_REJECTED"
        answer: TransferReject | TransferStop
        if is_recoverable:
            answer = TransferStop(
                transfer_id=transfer_id, epoch=epoch, code=code, is_recoverable=True
            )
        else:
            answer = TransferReject(transfer_id=transfer_id, epoch=epoch, code=code)
        frame = session.seal(answer)
        address = self._wire.trust.address_of(session.peer_id)
        task = asyncio.get_running_loop().create_task(self._send_refusal(address, frame))
        self._refusals.add(task)
        task.add_done_callback(self._refusals.discard)

    async def _send_refusal(self, address: str, frame: bytes) -> None:
        try:
            await self._wire.post.send(address, frame, is_control=True)
        except ChannelError as error:
            _log.warning("a refusal did not leave: %s", error)

    def _note_seen(self, peer_id: NodeId) -> None:
        now = self._around.wall_clock()
        if now - self._seen.get(peer_id, 0.0) >= _SEEN_EVERY:
            self._seen[peer_id] = now
            self._wire.trust.nodes.saw(peer_id, now)


def _goes_on(record: TransferRecord, message: AboutTransfer) -> bool:
    """Say whether a peer goes on with a transfer that failed; old texts do not (R-CTL-2, 3)."""
    if record.info.direction is Direction.SEND:
        return isinstance(message, OfferAgain) and message.epoch == record.epoch
    return isinstance(message, TransferOffer) and message.epoch > record.epoch


def left_for_others(record: TransferRecord, epoch: int, state: TransferState) -> TransferRecord:
    """Return the row of an offer that another process of this node is to go on with."""
    info = replace(record.info, state=state)
    is_decided = state is TransferState.ACCEPTED
    return replace(record, info=info, epoch=epoch, is_decided=is_decided)
