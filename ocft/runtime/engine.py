"""The running part of a manager: what is live, what waits for its turn, what arrives.

It drives one channel, whose lock its manager holds. Everything that must survive is in the journal,
so an engine can be dropped at any moment and another one made.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Collection, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from ocft.channels import Channel, IncomingFile
from ocft.errors import (
    ChannelError,
    OcftError,
    PeerTooOldError,
    StorageError,
    TrustExpiredError,
    UnexpectedMessageError,
    UnknownTransferError,
    WrongStateError,
)
from ocft.events import TransferCompleted
from ocft.ids import NodeId, TransferId
from ocft.runtime.admission import Admission, Load
from ocft.runtime.fleet import AnyPump, Fleet
from ocft.runtime.inbox import Inbox
from ocft.runtime.launch import Launcher
from ocft.runtime.outbox import Outbox
from ocft.runtime.people import CHAT, PeopleFiles, interrupted
from ocft.runtime.trust_watch import TrustWatch
from ocft.runtime.wire1 import ReceivePump, SendPump
from ocft.runtime.wire2 import (
    FrameReceivePump,
    FrameSendPump,
    Pairings,
    Reception,
    Trust,
)
from ocft.storage import TransferRecord, remove_orphans
from ocft.transfers import Direction, TransferState
from ocft.wire import Message

_log = logging.getLogger(__name__)
_READ_AGAIN_AFTER = 1.0  # seconds
_PRUNE_EVERY = 100  # ended transfers
_MOST_SENDING = 16  # transfers to one peer at once; the others wait for their turn


class Engine:
    """Drives all transfers of one channel.

    Args:
        launcher: Makes pumps.
        trust: Whom this node trusts.
        pairings: Pairings under way; None where only 1.0 is spoken.
        admission: Decides about offers.
        channel: What the texts go through.
        sends_only: Whether incoming transfers are left to whoever listens next.
        uploads_from: Accounts of people whose uploads are taken in; see `PeopleFiles`.
    """

    def __init__(
        self,
        launcher: Launcher,
        trust: Trust,
        pairings: Pairings | None,
        admission: Admission,
        channel: Channel,
        *,
        sends_only: bool,
        uploads_from: Collection[str] = (),
    ) -> None:
        self._sends_only = sends_only
        self.fleet = Fleet(self._on_end)
        self.trust_watch = TrustWatch(
            self.fleet, launcher, trust, channel=channel.name, unqueue=self._unqueue
        )
        self._launcher = launcher
        self._around = launcher.around
        self._channel = channel
        reception = None
        if launcher.frames is not None and pairings is not None:
            reception = Reception(
                fleet=self.fleet,
                launcher=launcher.frames,
                admission=admission,
                pairings=pairings,
                channel=channel.name,
                sends_only=sends_only,
                resume=self._resume_for,
                load=self._load,
            )
        people = None
        if uploads_from and not sends_only:
            people = PeopleFiles(
                uploads_from,
                around=self._around,
                admission=admission,
                load=self._load,
                channel=channel.name,
                partial_dir=launcher.chunks.partial_dir,
            )
        self._inbox = Inbox(
            fleet=self.fleet,
            launcher=launcher,
            trust=trust,
            reception=reception,
            admission=admission,
            channel=channel.name,
            sends_only=sends_only,
            resume=self._resume_for,
            people=people,
        )
        self._ends = 0  # of pumps
        self._queued: deque[TransferRecord] = deque()
        self._launching: dict[TransferId, TransferRecord] = {}
        self._to_cancel: dict[TransferId, str] = {}  # why, for transfers that are being launched
        self._tasks: set[asyncio.Task[None]] = set()
        self.reading: asyncio.Task[None] | None = None
        """Hands the channel's texts on until the channel is closed, or raises its error."""

    @property
    def outbox(self) -> Outbox:
        """The channel's queue."""
        return self._around.outbox

    def _load(self) -> Load:
        return self._inbox.load()

    def start(self) -> None:
        """Go on with what the journal says, then listen."""
        journal = self._around.journal
        may_go_on = (
            record.info.id
            for record in journal.records()
            if record.info.is_resumable or not record.info.state.is_final
        )
        remove_orphans(self._launcher.chunks.partial_dir, may_go_on)
        for record in journal.records(channel=self._channel.name, unfinished_only=True):
            if record.info.wire == CHAT:
                journal.save(interrupted(record))
            elif record.info.direction is Direction.SEND:
                self.enqueue(record)
            elif not self._sends_only:
                self._launch_receiving(record)
        self.reading = asyncio.get_running_loop().create_task(self._read())
        self._in_background(self.trust_watch.run())
        self._remove_old_files()

    async def take(self, author: str, text: str, files: Sequence[IncomingFile] = ()) -> bool:
        """Take in a text; see `Inbox.take`."""
        return await self._inbox.take(author, text, files)

    def knows(self, transfer_id: TransferId) -> bool:
        """Say whether a transfer is live or waits for its turn."""
        return (
            self.fleet.get(transfer_id) is not None
            or transfer_id in self._launching
            or any(record.info.id == transfer_id for record in self._queued)
        )

    def enqueue(self, record: TransferRecord) -> None:
        """Begin, or go on with, an outgoing transfer as soon as it is its turn."""
        self._queued.append(record)
        self._launch_queued()

    def accept(self, transfer_id: TransferId, *, only: Collection[str] | None = None) -> None:
        """Decide to take a file.

        This yes stands for what a peer may not send without asking, and for nothing else: whether
        the peer is trusted, may send, and how much, is looked up again (R-LIM-1).

        Args:
            transfer_id: The transfer.
            only: Of several files, the names of those that are wanted; None: all.

        Raises:
            WrongStateError: The transfer does not wait for that.
            TrustExpiredError: The trust in the peer has ended.
            TransferRejectedError: It is more than the peer may send by now.
            NotEnoughSpaceError: The disk has no room for the file.
            StorageError: The part file cannot be used.
        """
        pump = self._undecided(transfer_id)
        self.trust_watch.require(pump.record.info)
        self._inbox.require_permission(pump.record)
        if not isinstance(pump, FrameReceivePump):
            if only is not None and set(only) != {pump.record.info.filename}:
                raise WrongStateError("There is only one file in this transfer.")
            self._inbox.require_space(pump.record)
            self._inbox.take_over(pump.record)
            pump.accept()
            return
        self._inbox.require_space(pump.record)
        pump.accept(left_out=pump.numbers_without(only) if only is not None else ())

    def reject(self, transfer_id: TransferId, reason: str) -> None:
        """Decide not to take a file.

        Raises:
            WrongStateError: The transfer does not wait for that.
        """
        self._undecided(transfer_id).reject(reason)

    def cancel(self, transfer_id: TransferId, reason: str) -> None:
        """Stop a transfer, or give up one that could be resumed.

        Raises:
            UnknownTransferError: There is none with this id.
            WrongStateError: It has ended.
        """
        if transfer_id in self._launching:
            # Its source is being opened, perhaps read whole; it ends instead of beginning.
            self._to_cancel[transfer_id] = reason
            return
        pump = self.fleet.get(transfer_id)
        if pump is None:
            record = self._record(transfer_id)
            if record.info.state.is_final and not record.info.is_resumable:
                raise WrongStateError(f"The transfer is {record.info.state.value} already.")
            self._queued = deque(one for one in self._queued if one.info.id != transfer_id)
            # From where it failed, by the way that every other end goes.
            pump = self._launcher.stopping(record)
            self.fleet.launch(pump)
        try:
            pump.cancel(reason)
        except UnexpectedMessageError:
            state = pump.machine.state.value
            raise WrongStateError(f"The transfer is {state} and cannot be cancelled.") from None

    def resume(self, transfer_id: TransferId) -> None:
        """Go on with a transfer that failed.

        Raises:
            UnknownTransferError: There is none with this id.
            WrongStateError: It has not failed, or cannot be resumed.
            TrustExpiredError: The trust in the peer has ended.
        """
        record = self._record(transfer_id)
        if self.knows(transfer_id) or not record.info.is_resumable:
            raise WrongStateError(
                f"The transfer is {record.info.state.value} and cannot be resumed."
            )
        self.trust_watch.require(record.info)
        record = self._reopened(record)
        if record.info.direction is Direction.SEND:
            self.enqueue(record)
        else:
            self._launch_receiving(record)

    async def close(self) -> None:
        """Stop everything; what is stored stays."""
        tasks = [*self._tasks, *([self.reading] if self.reading else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._inbox.close()
        await self.fleet.close()

    async def _read(self) -> None:
        """Hand texts on until the channel is closed; start again when it stumbles."""
        while True:
            try:
                await self._read_once()
            except ChannelError as error:
                if not error.retryable:
                    _log.error("the channel failed: %s", error)
                    raise
                _log.warning("the channel stumbled: %s", error)
            except (OSError, StorageError) as error:  # how far it has read cannot be noted now
                _log.warning("the channel stumbled: %s", error)
            else:
                return
            await asyncio.sleep(_READ_AGAIN_AFTER)

    async def _read_once(self) -> None:
        async with aclosing(self._channel.texts()) as texts:
            async for incoming in texts:
                try:
                    await self._inbox.take(incoming.author, incoming.text, incoming.files)
                except Exception:  # noqa: BLE001 - and it is logged
                    # One text must not make us deaf for all others.
                    _log.exception("a text could not be taken in")

    def _launch_queued(self) -> None:
        """Launch what waits, a few for each peer."""
        sending = Counter(
            pump.record.info.peer_id
            for pump in self.fleet
            if isinstance(pump, SendPump | FrameSendPump)
        )
        sending.update(record.info.peer_id for record in self._launching.values())
        waiting: deque[TransferRecord] = deque()
        for record in self._queued:
            if sending[record.info.peer_id] < _MOST_SENDING:
                sending[record.info.peer_id] += 1
                self._in_background(self._launch_sending(record))
                self._launching[record.info.id] = record
            else:
                waiting.append(record)
        self._queued = waiting

    def _unqueue(self, peer_id: NodeId) -> set[TransferId]:
        """Take what goes to a revoked peer out of the queue; return what is being launched."""
        self._queued = deque(one for one in self._queued if one.info.peer_id != peer_id)
        launching = {one.info.id for one in self._launching.values() if one.info.peer_id == peer_id}
        self._to_cancel |= dict.fromkeys(launching, f"The trust in {peer_id} was revoked.")
        return launching

    async def _launch_sending(self, record: TransferRecord, message: Message | None = None) -> None:
        """Launch an outgoing transfer.

        Args:
            record: Its row.
            message: The peer's accept, if that is what makes the transfer go on.
        """
        was_offered = record.info.chunk_size > 0
        self._launching[record.info.id] = record
        pump: AnyPump
        try:
            pump = sending = await self._launcher.sending(record)
        except OcftError as error:
            pump = self._launcher.stopping(record)
            # What its owner, or the peer's, can change: then it goes on.
            may_change = isinstance(error, TrustExpiredError | PeerTooOldError)
            pump.fail(error, is_resumable=may_change and record.info.id not in self._to_cancel)
        else:
            reason = self._to_cancel.get(record.info.id)
            if reason is not None:
                sending.cancel(reason)
            elif isinstance(sending, FrameSendPump):
                sending.start(is_resumed=record.epoch > 0)
            else:
                sending.start(is_resumed=was_offered, is_accepted=message is not None)
                if message is not None:
                    sending.receive(message)
        finally:
            del self._launching[record.info.id]
            self._to_cancel.pop(record.info.id, None)
        self.fleet.launch(pump)

    def _launch_receiving(self, record: TransferRecord) -> None:
        pump: AnyPump
        try:
            pump = receiving = self._launcher.receiving(record)
        except OcftError as error:
            pump = self._launcher.stopping(record)
            pump.fail(error, is_resumable=True)
        else:
            if pump.record.info.state is not record.info.state:  # the file had its name already
                self._tell_completed(receiving.record)
            receiving.resume()
        self.fleet.launch(pump)

    async def _resume_for(self, record: TransferRecord, message: Message | None = None) -> None:
        """Go on with a failed transfer because its peer does."""
        if self.knows(record.info.id):
            return  # a repeat of what makes it go on already
        if self.trust_watch.has_ended(record.info):
            return  # R-LIM-1: looked up at every resume
        record = self._reopened(record)
        if record.info.direction is Direction.SEND:
            await self._launch_sending(record, message)
        else:
            self._launch_receiving(record)

    def _reopened(self, record: TransferRecord) -> TransferRecord:
        is_sending = record.info.direction is Direction.SEND
        # An offer that nobody decided about is still one. Wire 1.0 has no such: they cannot go on.
        is_undecided = record.info.wire == "2" and not record.is_decided
        begins = is_sending or is_undecided
        info = replace(
            record.info,
            state=TransferState.PENDING if begins else TransferState.TRANSFERRING,
            error_code=None,
            error=None,
            is_resumable=False,
        )
        record = replace(record, info=info)
        self._around.journal.save(record)
        return record

    def _record(self, transfer_id: TransferId) -> TransferRecord:
        record = self._around.journal.get(transfer_id)
        if record is None:
            raise UnknownTransferError(f"No transfer has the id {transfer_id!r}.")
        return record

    def _undecided(self, transfer_id: TransferId) -> ReceivePump | FrameReceivePump:
        pump = self.fleet.get(transfer_id)
        if pump is None:
            info = (record := self._record(transfer_id)).info
            if info.direction is Direction.RECEIVE and info.state is TransferState.PENDING:
                self._launch_receiving(record)  # who only sends had left it to a listener
                pump = self.fleet.get(transfer_id)
        if isinstance(pump, ReceivePump | FrameReceivePump) and pump.is_undecided:
            return pump
        state = self._record(transfer_id).info.state.value
        raise WrongStateError(f"The transfer is {state}; it does not wait for a decision.")

    def _tell_completed(self, record: TransferRecord) -> None:
        info = record.info
        self._around.tell(
            TransferCompleted(
                transfer_id=info.id,
                peer_id=info.peer_id,
                at=self._around.wall_clock(),
                path=info.local_path or "",
                size=info.size,
                digest=info.digest,
            )
        )

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._note_end_of_work)

    def _note_end_of_work(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a transfer could not be launched", exc_info=error)

    def _on_end(self, pump: AnyPump) -> None:
        self._ends += 1
        if self._ends % _PRUNE_EVERY == 0:
            self._prune()
        if isinstance(pump, FrameSendPump) and pump.falls_back:
            self.enqueue(pump.record)  # R-WIR-1: the peer does not answer in wire 2
        elif isinstance(pump, SendPump | FrameSendPump):
            self._launch_queued()
            self._remove_old_files()

    def _remove_old_files(self) -> None:
        frames = self._launcher.frames
        if frames is not None and frames.wire.files is not None:
            frames.wire.files.remove_old()

    def _prune(self) -> None:
        """Let go of old rows: a node may run for months."""
        try:
            self._around.journal.prune()
        except StorageError as error:
            _log.warning("the journal cannot be pruned now: %s", error)
