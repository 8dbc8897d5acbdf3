"""Drives one machine: messages and time in, outputs carried out in order.

Two halves. *Taking in* is synchronous: the machine moves, the journal is written; when it returns,
what was taken in survives a kill. *Carrying out* is a task of its own: it sends, reads, verifies,
and wakes up at the machine's deadline. So nothing leaves before it is recorded, and a channel may
forget a text as soon as it was taken in.

The packages `wire1` and `wire2` add what is theirs: texts and frames, sources and part files.
"""

import abc
import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from ocft.errors import OcftError, StorageError
from ocft.events import AckReceived, ChunkReceived, Event, MessageIgnored, TransferProgress
from ocft.ids import NodeId, TransferId
from ocft.protocol import Machine, Notify
from ocft.runtime.outbox import Outbox
from ocft.storage import Journal, TransferRecord
from ocft.transfers import TransferState

MachineT = TypeVar("MachineT", bound=Machine[Any, Any])
OutputT = TypeVar("OutputT")

_log = logging.getLogger(__name__)
_SAVE_AGAIN_AFTER = 1.0  # seconds
FAREWELL_PATIENCE = 30.0
"""Seconds for texts of a transfer that has ended."""
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


class Pump(abc.ABC, Generic[MachineT, OutputT]):
    """One live transfer.

    Args:
        machine: Its protocol side.
        record: Its row in the journal, which is there already.
        around: What all transfers share.
    """

    def __init__(self, machine: MachineT, record: TransferRecord, *, around: Surroundings) -> None:
        self.machine: MachineT = machine
        self.record = record
        self._saved_bytes = record.info.bytes_done
        self.last_heard = around.clock()
        """When the peer last said something, on the event loop's clock."""
        self._around = around
        self._unsaved: list[OutputT | Notify] = []  # what waits for the journal
        self._is_unsaved = False  # the journal refused: nothing may leave before it is written
        self._todo: deque[OutputT] = deque()
        self._wake = asyncio.Event()
        self._sending: asyncio.Timeout | None = None
        self._last_progress = -_PROGRESS_SECONDS

    @property
    def id(self) -> TransferId:
        """The transfer's id."""
        return self.record.info.id

    # Taking in: synchronous, durable when it returns.

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
            self._is_unsaved = True
            self._wake.set()
            return
        self._is_unsaved = False
        saved, self._unsaved = self._unsaved, []
        for output in saved:
            if isinstance(output, Notify):
                self._tell(output.event)
            else:
                self._todo.append(output)
        if self.machine.state.is_final and self._sending is not None:
            self._sending.reschedule(self._around.clock() + FAREWELL_PATIENCE)
        self._wake.set()

    def _make_durable(self, output: OutputT | Notify) -> bool:  # noqa: ARG002 - only receivers write
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
        record = self._with_machine_facts(replace(self.record, info=info))
        self._around.journal.save(record)
        self.record = record  # not before: what was not written is still news

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
            while self.has_work() or not self.machine.state.is_final:
                try:
                    await self._next()
                except StorageError as error:
                    if self.machine.state.is_final:
                        raise
                    self.fail(error, is_resumable=True)
        finally:
            await self.close()

    def has_work(self) -> bool:
        """Say whether something is left to be done, even after the end."""
        return bool(self._todo or self._is_unsaved)

    async def _next(self) -> None:
        if self._is_unsaved:
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

    @abc.abstractmethod
    async def _carry_out(self, output: OutputT) -> None:
        """Do what may take a while."""

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
            self._tell_progress(event.bytes_done)

    def _tell_progress(self, bytes_done: int, bytes_sent: int = 0) -> None:
        """Tell how far the transfer is, unless it was told just now."""
        around = self._around
        now = around.clock()
        if now - self._last_progress >= _PROGRESS_SECONDS:
            self._last_progress = now
            around.tell(
                TransferProgress(
                    transfer_id=self.id,
                    peer_id=self.record.info.peer_id,
                    at=around.wall_clock(),
                    bytes_done=bytes_done,
                    bytes_sent=bytes_sent,
                    size=self.record.info.size,
                )
            )

    def _ignore(self, reason: str, detail: str) -> None:
        _log.debug("%s: ignored a message: %s %s", self.id, reason, detail)
        peer_id = self.record.info.peer_id
        self._tell(
            MessageIgnored(transfer_id=self.id, peer_id=peer_id, reason=reason, detail=detail)
        )
