"""Drives one wire 1.0 machine: messages and time in, outputs carried out in order.

Two halves. *Taking in* is synchronous: the machine moves, pieces go to disk, the journal is
written; when it returns, what was taken in survives a kill. *Carrying out* is a task of its own: it
sends, reads, verifies, and wakes up at the machine's deadline. So an ack leaves only after its
chunk is on disk (R-ACK-1), and a channel may forget a text as soon as it was taken in.

`SendPump` and `ReceivePump` add what is theirs: the source, and the file being received.
"""

import abc
import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from ocft.errors import (
    ChannelError,
    MessageTooLongError,
    OcftError,
    StorageError,
    UnexpectedMessageError,
)
from ocft.events import AckReceived, ChunkReceived, Event, MessageIgnored, TransferProgress
from ocft.ids import NodeId, TransferId
from ocft.protocol import Notify, Output, Receiver, Send, Sender
from ocft.runtime.outbox import Outbox
from ocft.storage import Journal, TransferRecord
from ocft.transfers import TransferState
from ocft.wire import Chunk, Message, Payload, encode, make_message

MachineT = TypeVar("MachineT", Sender, Receiver)

_log = logging.getLogger(__name__)
_MOST_WAITING = 64  # outputs; a peer that asks for more is not heard until some are done
_SAVE_AGAIN_AFTER = 1.0  # seconds
_FAREWELL_PATIENCE = 30.0  # seconds for texts of a transfer that has ended
_PROGRESS_SECONDS = 0.2  # between two progress events


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all transfers of a manager share."""

    node_id: NodeId
    journal: Journal
    outbox: Outbox
    download_dir: Path
    clock: Callable[[], float]
    """Seconds on the event loop's clock."""
    wall_clock: Callable[[], float]
    """Seconds since the epoch."""
    tell: Callable[[Event], None]
    """Takes every event."""


class Pump(abc.ABC, Generic[MachineT]):
    """One live transfer.

    Args:
        machine: Its protocol side.
        record: Its row in the journal, which is there already.
        address: The peer's address on the channel.
        around: What all transfers share.
    """

    def __init__(
        self, machine: MachineT, record: TransferRecord, *, address: str, around: Surroundings
    ) -> None:
        self.machine: MachineT = machine
        self.record = record
        self._saved_bytes = record.info.bytes_done
        self.last_heard = around.clock()
        """When the peer last said something, on the event loop's clock."""
        self._address = address
        self._around = around
        self._unsaved: list[Output] = []  # what waits for the journal
        self._todo: deque[Output] = deque()
        self._wake = asyncio.Event()
        self._sending: asyncio.Timeout | None = None
        self._last_timestamp = 0
        self._last_progress = -_PROGRESS_SECONDS

    @property
    def id(self) -> TransferId:
        """The transfer's id."""
        return self.record.info.id

    # Taking in: synchronous, durable when it returns.

    def receive(self, message: Message) -> None:
        """Take in a message from the transfer's peer."""
        if len(self._todo) >= _MOST_WAITING:
            self._ignore("busy", "")
            return
        now = self.last_heard = self._around.clock()
        try:
            self.machine.receive(message, now)
        except UnexpectedMessageError as error:
            self._ignore("unexpected", str(error))
        self.settle()

    def cancel(self, reason: str) -> None:
        """Stop the transfer and tell the peer.

        Raises:
            UnexpectedMessageError: It has ended.
        """
        self.machine.cancel(reason, self._around.clock())
        self.settle()

    def settle(self) -> None:
        """Do what must be durable before anything leaves or is told; keep the rest."""
        while outputs := self.machine.outputs():
            self._unsaved += [output for output in outputs if not self._make_durable(output)]
        try:
            self._save()
        except StorageError as error:
            # Another process may hold the journal, or the disk be full: what waits for the row to
            # be written is kept, and the pump's task tries again.
            _log.warning("%s: the journal cannot be written now: %s", self.id, error)
            self._wake.set()
            return
        saved, self._unsaved = self._unsaved, []
        for output in saved:
            if isinstance(output, Notify):
                self._tell(output.event)
            else:
                self._todo.append(output)
        if self.machine.state.is_final and self._sending is not None:
            self._sending.reschedule(self._around.clock() + _FAREWELL_PATIENCE)
        self._wake.set()

    def _make_durable(self, output: Output) -> bool:  # noqa: ARG002 - only receivers write
        """Carry out an output at once if it puts something on disk; say whether it did."""
        return False

    def _save(self) -> None:
        """Write what the machine knows and the journal does not."""
        now = self._around.wall_clock()
        bytes_done = self.machine.bytes_done
        if not self._has_news():
            if bytes_done != self._saved_bytes:
                self._saved_bytes = bytes_done
                self._save_progress(now)
            return
        self._saved_bytes = bytes_done
        state, error = self.machine.state, self.machine.error
        info = replace(
            self.record.info,
            state=state,
            bytes_done=bytes_done,
            updated_at=now,
            completed_at=now if state is TransferState.COMPLETED else None,
            error_code=error.code if error else None,
            error=str(error) if error else None,
            is_resumable=self.machine.is_resumable,
        )
        self.record = self._with_machine_facts(replace(self.record, info=info))
        self._around.journal.save(self.record)

    def _has_news(self) -> bool:
        """Say whether the row is out of date in more than its progress."""
        return self.machine.state is not self.record.info.state

    @abc.abstractmethod
    def _with_machine_facts(self, record: TransferRecord) -> TransferRecord:
        """Return the row with what only this kind of machine knows."""

    def _save_progress(self, now: float) -> None:
        """Write that only the number of bytes changed."""

    # Carrying out: a task.

    async def run(self) -> None:
        """Carry out until the transfer has ended and everything was said."""
        try:
            while self._todo or self._unsaved or not self.machine.state.is_final:
                try:
                    await self._next()
                except StorageError as error:
                    if self.machine.state.is_final:
                        raise
                    self.fail(error, is_resumable=True)
        finally:
            await self.close()

    async def _next(self) -> None:
        if self._unsaved:
            await asyncio.sleep(_SAVE_AGAIN_AFTER)
            self.settle()
        elif self._todo:
            await self._carry_out(self._todo.popleft())
        else:
            await self._wait()

    @abc.abstractmethod
    async def close(self) -> None:
        """Let go of the files."""

    def _wake_up_at(self) -> float | None:
        """Return when something is due, on the event loop's clock."""
        deadline: float | None = self.machine.deadline
        return deadline

    async def _wait(self) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout_at(self._wake_up_at()):
                await self._wake.wait()
        except TimeoutError:
            self._on_time()

    def _on_time(self) -> None:
        self.machine.on_deadline(self._around.clock())
        self.settle()

    async def _carry_out(self, output: Output) -> None:
        if not isinstance(output, Send):
            raise TypeError(f"{output} is not this pump's to carry out")
        await self._send(output.payload)

    async def _send(self, payload: Payload) -> bool:
        """Send a message and say whether it left."""
        now_ms = int(self._around.wall_clock() * 1000)
        self._last_timestamp = max(self._last_timestamp + 1, now_ms)
        message = make_message(
            payload,
            transfer_id=self.id,
            sender=self._around.node_id,
            recipient=self.record.info.peer_id,
            timestamp=self._last_timestamp,
        )
        has_left = False
        gives_up_at = self.machine.gives_up_at
        if self.machine.state.is_final:
            gives_up_at = self._around.clock() + _FAREWELL_PATIENCE
        try:
            # A channel that pauses for long, or hangs, must not outlast the transfer's patience.
            async with asyncio.timeout_at(gives_up_at) as self._sending:
                await self._around.outbox.send(
                    self._address, encode(message), is_control=not isinstance(payload, Chunk)
                )
            has_left = True
        except TimeoutError:
            _log.warning("%s: a text did not leave in time", self.id)
        except MessageTooLongError as error:
            self.fail(error)
        except ChannelError as error:
            # As good as a text that the platform lost: the machine's timers are made for that.
            _log.warning("%s: a text did not leave: %s", self.id, error)
        finally:
            self._sending = None
        self.machine.sent(self._around.clock())
        return has_left

    def fail(self, error: OcftError, *, is_resumable: bool = False) -> None:
        """End the transfer because of this side, unless it has ended, and tell the peer."""
        if not self.machine.state.is_final:
            self.machine.fail(error, self._around.clock(), is_resumable=is_resumable)
            self.settle()

    # Telling.

    def _tell(self, event: Event) -> None:
        around = self._around
        around.tell(replace(event, at=around.wall_clock()))
        if isinstance(event, AckReceived | ChunkReceived):
            now = around.clock()
            if now - self._last_progress >= _PROGRESS_SECONDS:
                self._last_progress = now
                progress = TransferProgress(
                    transfer_id=self.id,
                    peer_id=event.peer_id,
                    at=around.wall_clock(),
                    bytes_done=event.bytes_done,
                    size=self.record.info.size,
                )
                around.tell(progress)

    def _ignore(self, reason: str, detail: str) -> None:
        _log.debug("%s: ignored a message: %s %s", self.id, reason, detail)
        peer_id = self.record.info.peer_id
        self._tell(
            MessageIgnored(transfer_id=self.id, peer_id=peer_id, reason=reason, detail=detail)
        )
