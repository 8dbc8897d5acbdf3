"""What happens to a text: decoded, checked, and handed to the transfer that it is for.

Every byte from a channel is hostile. A text is taken only if it is for us, from who it says, and
for a transfer of that peer; everything else changes nothing and is reported as an event.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from ocft.channels import IncomingFile
from ocft.errors import (
    ChannelError,
    MalformedMessageError,
    NotEnoughSpaceError,
    StorageError,
    TransferRejectedError,
)
from ocft.events import MessageIgnored, OfferRefused
from ocft.ids import NodeId, TransferId
from ocft.runtime.admission import MOST_LIVE, MOST_UNDECIDED, Admission, Decision, Load, Verdict
from ocft.runtime.fleet import Fleet
from ocft.runtime.launch import Launcher
from ocft.runtime.people import PeopleFiles
from ocft.runtime.wire1 import ReceivePump, SendPump, incoming_record
from ocft.runtime.wire2 import FrameReceivePump, Reception, Trust
from ocft.storage import TransferRecord, TrustedPeer, hand_over
from ocft.transfers import Direction, TransferState
from ocft.wire import Accept, Message, Offer, Reject, decode, encode, make_message

_log = logging.getLogger(__name__)
_MOST_REFUSALS = 32  # under way at once
_DAY = 24 * 3600.0
_SEEN_EVERY = 60.0  # seconds between two notes of when a peer was seen
_LONG_QUIET = 60.0  # seconds after which a transfer of ours counts as forgotten by its sender
_UNDER_WAY = (TransferState.PENDING, TransferState.ACCEPTED, TransferState.TRANSFERRING)


class Inbox:
    """The way in for texts.

    Args:
        fleet: The live transfers.
        launcher: Makes the pumps of new ones.
        trust: Whom this node trusts.
        reception: Takes wire 2's frames; None where only 1.0 is spoken.
        admission: Decides about offers.
        channel: The channel's name in the journal.
        sends_only: Whether accepted offers are left, in the journal, to whoever listens next.
        resume: Makes a transfer that failed go on, because its peer does.
        people: Takes in what people upload; None: nobody may.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        launcher: Launcher,
        trust: Trust,
        reception: Reception | None,
        admission: Admission,
        channel: str,
        sends_only: bool,
        resume: Callable[[TransferRecord, Message], Awaitable[None]],
        people: PeopleFiles | None,
    ) -> None:
        self._fleet = fleet
        self._people = people
        self._launcher = launcher
        self._trust = trust
        self._reception = reception
        self._around = launcher.around
        self._admission = admission
        self._channel = channel
        self._sends_only = sends_only
        self._resume = resume
        self._refusals: set[asyncio.Task[None]] = set()
        self._seen: dict[NodeId, float] = {}  # of peers only, so they are few

    async def take(self, author: str, text: str, files: Sequence[IncomingFile] = ()) -> bool:
        """Take in a text; when this returns, it may be forgotten by its channel.

        Args:
            author: Who sent it, by the platform's word.
            text: As the platform delivered it.
            files: The native files that hang on it.

        Returns:
            Whether it was one of OCFT's, taken or not, or a person's file that is taken in;
            otherwise it is human text.
        """
        try:
            messages = decode(text)
        except MalformedMessageError as error:
            self._ignore(TransferId(""), NodeId(author), "malformed", str(error))
            return True
        for message in messages:
            if isinstance(message, bytes):
                await self._take_frame(author, message, files)
            else:
                await self._take_message(author, message)
        if not messages and self._people is not None:
            return self._people.take(author, files)
        return bool(messages)

    async def _take_frame(self, author: str, frame: bytes, files: Sequence[IncomingFile]) -> None:
        if self._reception is None:
            return self._ignore(TransferId(""), NodeId(author), "not-allowed", "wire 2")
        try:
            ignored = await self._reception.take(author, frame, files)
        except MalformedMessageError as error:
            return self._ignore(TransferId(""), NodeId(author), "malformed", str(error))
        if ignored is not None:
            self._ignore(TransferId(""), ignored.peer_id, ignored.reason, ignored.detail)
        return None

    async def close(self) -> None:
        """Stop what is under way."""
        if self._people is not None:
            await self._people.close()
        if self._reception is not None:
            await self._reception.close()
        for task in list(self._refusals):
            task.cancel()
        if self._refusals:
            await asyncio.wait(self._refusals)

    async def _take_message(self, author: str, message: Message) -> None:
        peer = self._trust.peers.find(message.sender)
        if reason := self._why_not_taken(author, message):
            self._ignore_message(message, reason, f"sent by {author!r}")
            return
        if peer is not None:
            self._note_seen(message.sender)
        pump = self._fleet.get(message.transfer_id)
        record = pump.record if pump else self._around.journal.get(message.transfer_id)
        offer = message.payload if isinstance(message.payload, Offer) else None
        if record is None:
            if offer is None:
                self._ignore_message(message, "unknown-transfer")
            else:
                self._take_offer(message, offer, peer)
        elif (
            record.info.peer_id != message.sender
            or record.channel != self._channel
            or record.info.wire == "2"
        ):
            self._ignore_message(message, "wrong-author", "another peer's transfer")  # R-TRU-2
        elif pump is None:
            await self._take_late(record, message)
        else:
            if isinstance(pump, SendPump | ReceivePump):
                pump.receive(message)
            if offer is not None and isinstance(pump, ReceivePump):
                self._reconsider(pump, offer, peer)

    def _note_seen(self, peer_id: NodeId) -> None:
        """Note when a peer was heard last, by the platform's word about who it is."""
        now = self._around.wall_clock()
        if now - self._seen.get(peer_id, 0.0) >= _SEEN_EVERY:
            self._seen[peer_id] = now
            self._trust.nodes.saw(peer_id, now)

    def _why_not_taken(self, author: str, message: Message) -> str | None:
        """Return why a message is none of ours, or None if it is."""
        if message.recipient != self._around.node_id:
            return "not-for-us"
        if message.sender == self._around.node_id:
            return "echo"
        known_as = self._trust.given_address(message.sender) or message.sender
        # R-TRU-1, case R13: the text may claim another sender than the platform does.
        if author != known_as:
            return "wrong-author"
        # R-WIR-2: never a downgrade. R-WIR-3: or it is forbidden.
        return None if self._trust.may_use_wire_1(message.sender) else "not-allowed"

    def _take_offer(self, message: Message, offer: Offer, peer: TrustedPeer | None) -> None:
        decision = self._decide(message.transfer_id, offer, peer)
        match decision.verdict:
            case Verdict.IGNORE:
                self._ignore_message(message, "busy")
            case Verdict.REFUSE:
                self._refuse(message, offer, decision)
            case Verdict.ACCEPT | Verdict.ASK:
                try:
                    is_automatic = decision.verdict is Verdict.ACCEPT
                    self._begin(message, offer, is_automatic=is_automatic)
                except StorageError as error:
                    _log.error("%s: cannot be received: %s", message.transfer_id, error)
                    self._around.journal.remove(message.transfer_id)
                    failed = Decision(Verdict.REFUSE, "The file cannot be stored", error.code)
                    self._refuse(message, offer, failed)

    def _begin(self, message: Message, offer: Offer, *, is_automatic: bool) -> None:
        now = self._around.wall_clock()
        record = incoming_record(message, offer, channel=self._channel, now=now)
        # The decision is in the row from its first moment: a 1.x sender does not offer twice.
        state = TransferState.ACCEPTED if is_automatic else TransferState.PENDING
        if self._sends_only and len(self._left_for_others()) >= MOST_UNDECIDED:
            self._ignore_message(message, "busy")
            return
        self._around.journal.add(replace(record, info=replace(record.info, state=state)))
        if self._sends_only:
            return
        if is_automatic:
            self.take_over(record)
        pump = self._launcher.chunks.receiving(record)
        pump.offered(message.timestamp, is_automatic=is_automatic)
        self._fleet.launch(pump)

    def _left_for_others(self) -> list[TransferRecord]:
        """Return the incoming transfers that wait for a listener."""
        records = self._around.journal.records(channel=self._channel, unfinished_only=True)
        return [record for record in records if record.info.direction is Direction.RECEIVE]

    def _reconsider(self, pump: ReceivePump, offer: Offer, peer: TrustedPeer | None) -> None:
        """Accept a repeated offer that waits: it may know the secret now, or trust have come."""
        if not pump.is_undecided:
            return
        if self._decide(pump.id, offer, peer).verdict is Verdict.ACCEPT:
            self.take_over(pump.record)
            pump.accept()

    def require_permission(self, record: TransferRecord) -> None:
        """Check again what a peer may send, before its files are accepted (R-LIM-1).

        Raises:
            TransferRejectedError: It may not send this, or not any more.
        """
        info = record.info
        received = self._received_today(info.peer_id, without=info.id) + record.manifest_size
        refusal = self._admission.refusal(info.size, self._trust.peer(info.peer_id), received)
        if refusal is not None:
            raise TransferRejectedError(
                f"{refusal.reason}. `ocft peers limit` and `ocft set-max-size` say what may come."
            )

    def require_space(self, record: TransferRecord) -> None:
        """Check the disk again before a file is accepted: it may have waited for long.

        Raises:
            NotEnoughSpaceError: There is no room for it.
        """
        if not self._admission.has_space(record.info.size, self.load()):
            raise NotEnoughSpaceError(
                f"{self._around.download_dir} has no room for {record.info.size} bytes."
            )

    def take_over(self, record: TransferRecord) -> None:
        """Give a transfer the chunks of an earlier one of the same file and peer (R-RES-5).

        A 1.x sender that was restarted knows nothing of the earlier transfer: it offers the file
        again under a new id. One of ours continues under the old id, so only an earlier transfer
        that has been quiet for long is taken over from it.
        """
        for earlier in self._around.journal.records(channel=self._channel):
            if earlier.info.wire == "2" or not _is_same_file(earlier, record):
                continue
            pump = self._fleet.get(earlier.info.id)
            if pump is not None:
                quiet = self._around.clock() - pump.last_heard
                if record.sender_repeats and quiet < _LONG_QUIET:
                    continue
            elif not earlier.info.is_resumable:
                continue
            hand_over(
                self._around.journal,
                self._launcher.chunks.partial_dir,
                earlier.info.id,
                record.info.id,
            )
            reason = f"continued as {record.info.id}"
            if pump is not None:
                pump.cancel(reason)
            else:
                info = replace(
                    earlier.info, state=TransferState.CANCELLED, error=reason, is_resumable=False
                )
                self._around.journal.save(replace(earlier, info=info))
            return

    async def _take_late(self, record: TransferRecord, message: Message) -> None:
        """Take in a message for a transfer that is not live: it failed, or it has ended."""
        info = record.info
        goes_on = Accept if info.direction is Direction.SEND else Offer
        if info.is_resumable and isinstance(message.payload, goes_on):
            if isinstance(message.payload, Offer):
                # It was accepted once; whether there is room for it can have changed.
                peer = self._trust.peers.find(message.sender)
                decision = self._decide(info.id, message.payload, peer)
                if decision.verdict is Verdict.REFUSE:
                    self._refuse(message, message.payload, decision)
                    return
            await self._resume(record, message)
        elif len(self._fleet) >= 2 * MOST_LIVE or not info.state.is_final:
            self._ignore_message(message, "busy")
        else:
            ended = self._launcher.chunks.ended(record)
            ended.receive(message)
            self._fleet.launch(ended)

    def _decide(self, transfer_id: TransferId, offer: Offer, peer: TrustedPeer | None) -> Decision:
        received_today = 0
        if peer is not None and peer.bytes_per_day is not None:
            received_today = self._received_today(NodeId(peer.id), without=transfer_id)
        return self._admission.decide(offer, peer, self.load(), received_today=received_today)

    def _received_today(self, peer_id: NodeId, *, without: TransferId) -> int:
        since = self._around.wall_clock() - _DAY
        return self._around.journal.received_since(peer_id, since, without=without)

    def load(self) -> Load:
        """Return what is going on."""
        receiving = [
            pump for pump in self._fleet if isinstance(pump, ReceivePump | FrameReceivePump)
        ]
        return Load(
            live=len(self._fleet),
            undecided=sum(
                pump.is_undecided and self._trust.peers.find(pump.record.info.peer_id) is None
                for pump in receiving
            ),
            expected_bytes=sum(pump.expected_bytes for pump in receiving),
        )

    def _refuse(self, message: Message, offer: Offer, decision: Decision) -> None:
        """Answer an offer with a reject, without a transfer."""
        if len(self._refusals) >= _MOST_REFUSALS:
            return self._ignore_message(message, "busy")
        _log.info("%s: refused: %s", message.transfer_id, decision.reason)
        if self._trust.peers.find(message.sender) is not None:  # strangers could flood the owner
            self._around.tell(
                OfferRefused(
                    transfer_id=message.transfer_id,
                    peer_id=message.sender,
                    at=self._around.wall_clock(),
                    size=offer.size,
                    code=decision.code or TransferRejectedError.code,
                    reason=decision.reason,
                )
            )
        task = asyncio.get_running_loop().create_task(self._send_refusal(message, decision.reason))
        self._refusals.add(task)
        task.add_done_callback(self._refusals.discard)
        return None

    async def _send_refusal(self, message: Message, reason: str) -> None:
        answer = make_message(
            Reject(reason=reason),
            transfer_id=message.transfer_id,
            sender=self._around.node_id,
            recipient=message.sender,
            timestamp=int(self._around.wall_clock() * 1000),
        )
        address = self._trust.address_of(message.sender)
        try:
            await self._around.outbox.send(address, encode(answer), is_control=True)
        except ChannelError as error:
            _log.warning("%s: the refusal did not leave: %s", message.transfer_id, error)

    def _ignore_message(self, message: Message, reason: str, detail: str = "") -> None:
        self._ignore(message.transfer_id, message.sender, reason, detail)

    def _ignore(self, transfer_id: TransferId, peer_id: NodeId, reason: str, detail: str) -> None:
        _log.debug("%s: ignored a text from %r: %s %s", transfer_id, peer_id, reason, detail)
        self._around.tell(
            MessageIgnored(
                transfer_id=transfer_id,
                peer_id=peer_id,
                at=self._around.wall_clock(),
                reason=reason,
                detail=detail,
            )
        )


def _is_same_file(earlier: TransferRecord, later: TransferRecord) -> bool:
    a, b = earlier.info, later.info
    return (
        a.direction is b.direction is Direction.RECEIVE
        and a.id != b.id
        and (a.state in _UNDER_WAY or a.is_resumable)
        and (a.peer_id, a.filename, a.digest, a.size, a.chunk_size)
        == (b.peer_id, b.filename, b.digest, b.size, b.chunk_size)
    )
