"""Events of transfers that another process may be driving, made from the journal's rows.

Together with the events of one's own manager they are one stream: no end is told twice.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Final

from ocft.errors import UnknownTransferError
from ocft.events import (
    ApprovalAwaited,
    Event,
    OfferSent,
    TransferAccepted,
    TransferCancelled,
    TransferCompleted,
    TransferFailed,
    TransferProgress,
    TransferRejected,
    TransferStarted,
)
from ocft.ids import TransferId
from ocft.storage import Journal
from ocft.transfers import Direction, TransferInfo, TransferState

_PROGRESS_SECONDS: Final = 0.2  # between two progress events of a transfer
_ENDS: Final = (TransferCompleted, TransferFailed, TransferRejected, TransferCancelled)


class Following:
    """What was told about some transfers so far.

    Args:
        journal: Where their rows are.
        transfer_ids: The transfers.
        tell: Takes their events.
        asked: Those of them that were asked to change: what they were before is no end.

    Raises:
        UnknownTransferError: One of them is not in the journal.
    """

    def __init__(
        self,
        journal: Journal,
        transfer_ids: Sequence[TransferId],
        tell: Callable[[Event], None],
        *,
        asked: Collection[TransferId] = (),
    ) -> None:
        self.transfer_ids = list(transfer_ids)
        self._journal = journal
        self._tell = tell
        self._told = {transfer_id: self._row(transfer_id) for transfer_id in transfer_ids}
        self._before = {transfer_id: self._told[transfer_id] for transfer_id in asked}
        self._over: set[TransferId] = set()
        self._version: int | None = None
        self._progress_at = 0.0

    @property
    def is_over(self) -> bool:
        """Whether all transfers have ended."""
        return len(self._over) == len(self._told)

    @property
    def unchanged(self) -> list[TransferId]:
        """The transfers that were asked to change and have not."""
        return [
            transfer_id
            for transfer_id, before in self._before.items()
            if transfer_id not in self._over and self._row(transfer_id) == before
        ]

    def take(self, event: Event) -> None:
        """Take in an event of the manager that this process runs itself."""
        if isinstance(event, ApprovalAwaited):  # no transfer's, but one of ours waits for it
            if any(info.peer_id == event.peer_id for info in self._told.values()):
                self._tell(event)
            return
        if event.transfer_id in self._told and event.transfer_id not in self._over:
            if isinstance(event, _ENDS):
                self._over.add(event.transfer_id)
            self._tell(event)

    def look(self, *, ends_only: bool = False) -> bool:
        """Tell what the rows say that was not told yet; return whether all have ended.

        Args:
            ends_only: A manager of ours tells the rest.

        Raises:
            UnknownTransferError: A transfer was forgotten.
        """
        now = time.monotonic()
        version = self._journal.database.data_version()
        is_progress_due = now - self._progress_at >= _PROGRESS_SECONDS
        if version != self._version or (is_progress_due and not ends_only):
            self._version = version
            for transfer_id in self._told.keys() - self._over:
                self._look_at(transfer_id, ends_only=ends_only, is_progress_due=is_progress_due)
            if is_progress_due:
                self._progress_at = now
        return self.is_over

    def _look_at(self, transfer_id: TransferId, *, ends_only: bool, is_progress_due: bool) -> None:
        info = self._row(transfer_id)
        told, self._told[transfer_id] = self._told[transfer_id], info
        if info.state.is_final:
            if info != self._before.get(transfer_id):
                self._over.add(transfer_id)
                self._tell(_end_of(info))
            return
        if ends_only:
            return
        if info.direction is Direction.SEND and _has_begun(info) and not _has_begun(told):
            self._tell(_offer_of(info))
        if info.state is not told.state and (event := _change_to(info)):
            self._tell(event)
        if info.bytes_done != told.bytes_done and is_progress_due:
            self._tell(
                TransferProgress(
                    transfer_id=info.id,
                    peer_id=info.peer_id,
                    at=info.updated_at,
                    bytes_done=info.bytes_done,
                    size=info.size,
                )
            )
        elif not is_progress_due:  # the next look tells it
            self._told[transfer_id] = replace(info, bytes_done=told.bytes_done)

    def _row(self, transfer_id: TransferId) -> TransferInfo:
        record = self._journal.get(transfer_id)
        if record is None:
            raise UnknownTransferError(f"No transfer has the id {transfer_id!r}.")
        return record.info


def _has_begun(info: TransferInfo) -> bool:
    """Say whether somebody drove a transfer: rows of before wire 2 tell it by the chunk's size."""
    return info.wire is not None or info.chunk_size > 0


def _change_to(info: TransferInfo) -> Event | None:
    """Return the event that brought a transfer into the state in which it is now."""
    if info.state is TransferState.TRANSFERRING and info.direction is Direction.SEND:
        return TransferStarted(transfer_id=info.id, peer_id=info.peer_id, at=info.updated_at)
    if info.state is TransferState.ACCEPTED and info.direction is Direction.RECEIVE:
        return TransferAccepted(transfer_id=info.id, peer_id=info.peer_id, at=info.updated_at)
    return None


def _offer_of(info: TransferInfo) -> Event:
    """Return the event of a transfer that someone began to drive."""
    return OfferSent(
        transfer_id=info.id,
        peer_id=info.peer_id,
        at=info.updated_at,
        filename=info.filename,
        size=info.size,
    )


def _end_of(info: TransferInfo) -> Event:
    """Return the event that ended a transfer."""
    reason = info.error or info.state.value
    match info.state:
        case TransferState.COMPLETED:
            return TransferCompleted(
                transfer_id=info.id,
                peer_id=info.peer_id,
                at=info.updated_at,
                path=info.local_path or "",
                size=info.size if info.bytes_taken is None else info.bytes_taken,
                digest=info.digest,
                files_taken=info.files_taken,
            )
        case TransferState.REJECTED:
            return TransferRejected(
                transfer_id=info.id, peer_id=info.peer_id, at=info.updated_at, reason=reason
            )
        case TransferState.CANCELLED:
            return TransferCancelled(
                transfer_id=info.id, peer_id=info.peer_id, at=info.updated_at, reason=reason
            )
        case _:
            return TransferFailed(
                transfer_id=info.id,
                peer_id=info.peer_id,
                at=info.updated_at,
                code=info.error_code or "TRANSFER_FAILED",
                reason=reason,
                is_resumable=info.is_resumable,
            )
