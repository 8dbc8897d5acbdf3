"""What happens to an offer: refused, asked about or taken, by what its peer may do (R-LIM-1)."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ocft.errors import ChannelError, StorageError
from ocft.events import OfferRefused
from ocft.ids import NodeId, TransferId
from ocft.runtime.admission import MOST_UNDECIDED, Admission, Decision, Load, Verdict
from ocft.runtime.fleet import Fleet
from ocft.runtime.wire2.launch import FrameLauncher, incoming_record
from ocft.runtime.wire2.receiving import FrameReceivePump
from ocft.runtime.wire2.sessions import LiveSession
from ocft.storage import TransferRecord
from ocft.transfers import Direction, TransferState
from ocft.wire import MAX_MANIFEST, TransferOffer, TransferReject, TransferStop

_log = logging.getLogger(__name__)
_MOST_OF_A_PEER: Final = 64  # live transfers
_MOST_UNDECIDED_BYTES: Final = MAX_MANIFEST  # of manifests that wait for a decision
_MOST_REFUSALS: Final = 32  # under way at once
_FARTHEST_AHEAD_MS: Final = 24 * 3600 * 1000  # R-CTL-4
_DAY: Final = 24 * 3600.0

_CAN_BE_REFUSED: Final = (
    TransferState.PENDING,
    TransferState.ACCEPTED,
    TransferState.TRANSFERRING,
)


class Offers:
    """The offers of a channel.

    Args:
        fleet: The live transfers.
        launcher: Makes the pumps of new ones.
        admission: The rules of the node.
        channel: The channel's name in the journal.
        sends_only: Whether offers are left, in the journal, to whoever listens next.
        load: What is going on.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        launcher: FrameLauncher,
        admission: Admission,
        channel: str,
        sends_only: bool,
        load: Callable[[], Load],
    ) -> None:
        self._fleet = fleet
        self._launcher = launcher
        self._around = launcher.around
        self._wire = launcher.wire
        self._admission = admission
        self._channel = channel
        self._sends_only = sends_only
        self._load = load
        self._refusals: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Stop what is under way."""
        for task in list(self._refusals):
            task.cancel()
        if self._refusals:
            await asyncio.wait(self._refusals)

    def reconsider(self, pump: FrameReceivePump) -> None:
        """Look up at every offer what its peer may (R-LIM-1).

        What it may not send any more ends. What waits for a decision and needs none is accepted:
        trust may have come, or a kill between the row and the decision.
        """
        record = pump.record
        info = record.info
        peer = self._wire.trust.peer(info.peer_id)
        received = self._received_today(info.peer_id, info.id) + record.manifest_size
        refusal = self._admission.refusal(info.size, peer, received)
        if refusal is not None and info.state in _CAN_BE_REFUSED:
            pump.reject(refusal.reason, code=refusal.code)
        elif pump.is_undecided and self.decide_again(record).verdict is Verdict.ACCEPT:
            pump.accept(is_automatic=True)

    def take(self, session: LiveSession, offer: TransferOffer) -> str | None:
        """Take in an offer of an unknown transfer; return why it changed nothing, or None."""
        peer_id, now = session.peer_id, self._around.wall_clock()
        node = self._wire.trust.nodes.find(peer_id)
        forgotten_before = node.forgotten_before if node is not None else 0
        if not forgotten_before < offer.offered_at <= now * 1000 + _FARTHEST_AHEAD_MS:
            return "replay"  # R-CTL-4
        decision = self._decide(
            peer_id, offer.size - offer.manifest_size, manifest_size=offer.manifest_size
        )
        if decision.verdict in (Verdict.ACCEPT, Verdict.ASK) and self._is_crowded(peer_id, offer):
            decision = Decision(Verdict.REFUSE, "Too many transfers of one peer", "BUSY")
        match decision.verdict:
            case Verdict.IGNORE:
                return "not-allowed"
            case Verdict.ACCEPT | Verdict.ASK if self._sends_only and self._is_full_for_others():
                return "busy"
            case Verdict.REFUSE:
                self.refuse(session, offer, decision)
            case Verdict.ACCEPT | Verdict.ASK:
                try:
                    self._begin(session, offer, is_automatic=decision.verdict is Verdict.ACCEPT)
                except StorageError as error:
                    _log.error("%s: cannot be received: %s", offer.transfer_id, error)
                    self._around.journal.drop(offer.transfer_id)
                    failed = Decision(Verdict.REFUSE, "The files cannot be stored", error.code)
                    self.refuse(session, offer, failed)
        return None

    def _decide(
        self,
        peer_id: NodeId,
        size: int,
        *,
        manifest_size: int = 0,
        known_as: TransferId | None = None,
    ) -> Decision:
        """Decide about files that a peer offers, by what it may do at this moment (R-LIM-1).

        Args:
            peer_id: The peer.
            size: Bytes of the files.
            manifest_size: Bytes of the manifest, if it is still to come: they need room, too.
            known_as: The transfer, if it is known already.
        """
        trust, load = self._wire.trust, self._load()
        return self._admission.decide_sealed(
            size,
            peer=trust.peer(peer_id),
            knows_secret=trust.knows_our_secret(peer_id),
            received_today=self._received_today(peer_id, known_as) + manifest_size,
            load=replace(load, expected_bytes=load.expected_bytes + manifest_size),
        )

    def decide_again(self, record: TransferRecord) -> Decision:
        """Decide about what was offered before, whose manifest may be here already."""
        info = record.info
        return self._decide(
            info.peer_id, info.size, manifest_size=record.manifest_size, known_as=info.id
        )

    def _received_today(self, peer_id: NodeId, known_as: TransferId | None) -> int:
        """Return the bytes of a peer in the last 24 hours, apart from those of one transfer."""
        since = self._around.wall_clock() - _DAY
        return self._around.journal.received_since(peer_id, since, without=known_as)

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
        pump = self._launcher.receiving(record)
        if is_automatic:
            pump.accept(is_automatic=True)
        pump.receive(offer, session)
        self._fleet.launch(pump)

    def refuse(
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
        self._around.tell(
            OfferRefused(
                transfer_id=transfer_id,
                peer_id=session.peer_id,
                at=self._around.wall_clock(),
                size=offer.size - offer.manifest_size,
                code=code,
                reason=decision.reason,
            )
        )
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


def left_for_others(record: TransferRecord, epoch: int, state: TransferState) -> TransferRecord:
    """Return the row of an offer that another process of this node is to go on with."""
    info = replace(record.info, state=state)
    is_decided = state is TransferState.ACCEPTED
    return replace(record, info=info, epoch=epoch, is_decided=is_decided)
