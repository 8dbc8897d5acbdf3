"""What happens to a frame: whose it is, whether it may be, and the transfer that it is for."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ocft.channels import IncomingFile
from ocft.errors import MalformedMessageError, TrustExpiredError
from ocft.ids import NodeId
from ocft.runtime.admission import MOST_LIVE, Admission, Load, Verdict
from ocft.runtime.fleet import Fleet
from ocft.runtime.wire2.downloads import Downloads
from ocft.runtime.wire2.launch import FrameLauncher
from ocft.runtime.wire2.offers import Offers
from ocft.runtime.wire2.pairings import Pairings
from ocft.runtime.wire2.pump import FramePump, Wire2
from ocft.runtime.wire2.receiving import FrameReceivePump
from ocft.runtime.wire2.sending import FrameSendPump
from ocft.runtime.wire2.sessions import LiveSession
from ocft.storage import TransferRecord
from ocft.transfers import Direction
from ocft.wire import (
    BringDirectly,
    BundleNote,
    ControlFrame,
    Finish,
    Fragment,
    Hello,
    OfferAgain,
    Pair,
    Reply,
    SealedFrame,
    Signal,
    TransferAccept,
    TransferDone,
    TransferOffer,
    TransferReject,
    TransferStop,
    Welcome,
    parse_frame,
)

_SEEN_EVERY: Final = 60.0  # seconds between two notes of when a peer was seen

AboutTransfer = (
    TransferOffer
    | TransferAccept
    | BringDirectly
    | Signal
    | TransferReject
    | OfferAgain
    | TransferDone
    | TransferStop
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
        self._pairings = pairings
        self._channel = channel
        self._resume = resume
        self._offers = Offers(
            fleet=fleet,
            launcher=launcher,
            admission=admission,
            channel=channel,
            sends_only=sends_only,
            load=load,
        )
        self._seen: dict[NodeId, float] = {}
        self._downloads = Downloads(self._wire.files) if self._wire.files is not None else None

    async def take(
        self, author: str, frame: bytes, files: Sequence[IncomingFile] = ()
    ) -> Ignored | None:
        """Take in a frame; return why it changed nothing, or None.

        Args:
            author: Who sent it, by the platform's word.
            frame: The frame.
            files: The native files that came with it.

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
            case BundleNote():
                return self._take_bundle(author, parsed, files)
            case Fragment():
                raise MalformedMessageError("a fragment of fragments")

    async def close(self) -> None:
        """Stop what is under way."""
        if self._downloads is not None:
            await self._downloads.close()
        await self._offers.close()

    def _take_sealed(self, author: str, frame: SealedFrame) -> Ignored | None:
        pump = self._pump_of(author, frame.tag)
        if isinstance(pump, Ignored):
            return pump
        pump.take_frame(frame)
        self._let_speak(pump)
        return None

    def _take_bundle(
        self, author: str, note: BundleNote, files: Sequence[IncomingFile]
    ) -> Ignored | None:
        """Download a native file, if it is for a transfer that is live and from its peer."""
        if self._downloads is None:
            return Ignored("not-allowed", NodeId(author))
        if len(files) != 1:
            return Ignored("malformed", NodeId(author), "a bundle without its one file")
        pump = self._pump_of(author, note.tag)
        if isinstance(pump, Ignored):
            return pump
        if not isinstance(pump, FrameReceivePump) or self._fleet.get(pump.id) is not pump:
            return Ignored("unknown-transfer", NodeId(author))
        reason = self._downloads.begin(pump, note, files[0], author=author)
        return None if reason is None else Ignored(reason, NodeId(author), "a bundle")

    def _pump_of(self, author: str, tag: bytes) -> FramePump[Any, Any] | Ignored:
        pump = self._wire.tags.find(tag)
        if pump is None:
            return Ignored("unknown-transfer", NodeId(author))
        peer_id = pump.record.info.peer_id
        if author != pump.address and not self._wire.trust.may_write_from(peer_id, author):
            return Ignored("wrong-author", NodeId(author))  # T-1
        return pump

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
                reason = self._offers.take(session, message)
                return None if reason is None else Ignored(reason, peer_id)
            return Ignored("unknown-transfer", peer_id)
        if (
            record.info.peer_id != peer_id
            or record.channel != self._channel
            or record.info.wire != "2"
        ):
            return Ignored("wrong-author", peer_id, "another peer's transfer")  # R-TRU-2
        if isinstance(message, TransferOffer) and not self._wire.trust.is_trusted(peer_id):
            if isinstance(pump, FramePump):
                error = TrustExpiredError(f"The trust in {peer_id} has ended.")
                may_go_on = self._wire.trust.may_be_renewed(peer_id)
                pump.distrust(error, is_resumable=may_go_on)
            return Ignored("not-allowed", peer_id)
        if pump is None:
            return await self._take_late(record, session, message)
        if isinstance(pump, FrameSendPump | FrameReceivePump):
            pump.receive(message, session)
        if isinstance(pump, FrameReceivePump) and isinstance(message, TransferOffer):
            self._offers.reconsider(pump)
        return None

    async def _take_late(
        self, record: TransferRecord, session: LiveSession, message: AboutTransfer
    ) -> Ignored | None:
        """Take in a message for a transfer that is not live: it failed, or it has ended."""
        info = record.info
        if info.is_resumable and _goes_on(record, message):
            decision = None
            if isinstance(message, TransferOffer):
                # What the peer may, or the disk can, may have changed.
                decision = self._offers.decide_again(record)
                if decision.verdict in (Verdict.REFUSE, Verdict.IGNORE):
                    self._offers.refuse(session, message, decision, is_recoverable=True)
                    return None
            await self._resume(record)
            pump = self._fleet.get(info.id)
            if isinstance(pump, FrameReceivePump):
                if decision and decision.verdict is Verdict.ACCEPT and pump.is_undecided:
                    pump.accept(is_automatic=True)
                pump.receive(message, session)
            return None
        if len(self._fleet) >= 2 * MOST_LIVE or not info.state.is_final:
            return Ignored("busy", info.peer_id)
        ended = self._launcher.ended(record)
        ended.receive(message, session)
        if ended.has_work():
            self._fleet.launch(ended)
        return None

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
