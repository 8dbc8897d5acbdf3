"""Files that people put into the chat, taken in as transfers of their own (default deny).

A person has no node: nothing is sealed or proved, and the platform's word is all there is. So only
accounts that the owner named are heard, and what they sent is kept like every received file: whole,
once, under a safe name, its SHA-256 written down.
"""

import asyncio
import base64
import hashlib
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from ocft.channels import IncomingFile
from ocft.errors import ChannelError, FileTooLargeError, NotEnoughSpaceError, OcftError
from ocft.events import (
    Event,
    MessageIgnored,
    OfferReceived,
    TransferAccepted,
    TransferCompleted,
    TransferFailed,
)
from ocft.ids import NodeId, TransferId, make_transfer_id
from ocft.runtime.admission import Admission, Load
from ocft.runtime.fetching import fetch, sized
from ocft.runtime.pump import Surroundings
from ocft.storage import PartialFile, TransferRecord, part_path
from ocft.transfers import Direction, TransferInfo, TransferState

ANYBODY: Final = "*"
"""Instead of accounts: whoever is in the conversation."""
CHAT: Final = "chat"
"""The wire of these transfers, in their `TransferInfo`."""

_log = logging.getLogger(__name__)
_AT_ONCE: Final = 2
_MOST_WAITING: Final = 32
_ID_BYTES: Final = 9  # of a transfer's id, as in `make_transfer_id`


class PeopleFiles:
    """Takes in what people upload.

    Args:
        accounts: The platform's ids of the people who may; `ANYBODY` among them: everybody.
        around: What all transfers share.
        admission: Decides about sizes and space.
        load: What is going on.
        channel: The channel's name in the journal.
        partial_dir: Where part files are.
    """

    def __init__(
        self,
        accounts: Collection[str],
        *,
        around: Surroundings,
        admission: Admission,
        load: Callable[[], Load],
        channel: str,
        partial_dir: Path,
    ) -> None:
        self._accounts = frozenset(accounts)
        self._around = around
        self._admission = admission
        self._load = load
        self._channel = channel
        self._partial_dir = partial_dir
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._live: set[TransferId] = set()

    def take(self, author: str, files: Sequence[IncomingFile]) -> bool:
        """Begin to download what somebody uploaded; say whether anything was taken."""
        if not files or not self._accounts & {author, ANYBODY}:
            return False
        for file in files:
            transfer_id = self._id_of(author, file)
            if self._was_taken(transfer_id):
                _log.debug("%s: an upload was delivered again", transfer_id)
                continue
            if len(self._tasks) >= _MOST_WAITING:
                self._ignore(author, "busy")
                continue
            task = asyncio.get_running_loop().create_task(self._receive(transfer_id, author, file))
            self._live.add(transfer_id)
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, transfer_id))
        return True

    async def close(self) -> None:
        """Stop what is under way: a person uploads it again."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, transfer_id: TransferId, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._live.discard(transfer_id)

    def _id_of(self, author: str, file: IncomingFile) -> TransferId:
        """Return the same id for the same upload: platforms deliver some messages twice."""
        if not file.id:
            return make_transfer_id()
        upload = f"{self._channel}\0{author}\0{file.id}"
        digest = hashlib.sha256(upload.encode("utf-8", "surrogatepass")).digest()
        return TransferId("xfer_" + base64.urlsafe_b64encode(digest[:_ID_BYTES]).decode())

    def _was_taken(self, transfer_id: TransferId) -> bool:
        """Say whether an upload is here, or on its way; one that failed may be tried again."""
        record = self._around.journal.get(transfer_id)
        return transfer_id in self._live or (
            record is not None and record.info.state is not TransferState.FAILED
        )

    async def _receive(self, transfer_id: TransferId, author: str, told: IncomingFile) -> None:
        now = self._around.wall_clock()
        info = TransferInfo(
            id=transfer_id,
            direction=Direction.RECEIVE,
            state=TransferState.TRANSFERRING,
            peer_id=NodeId(author),
            filename=told.name,
            size=told.size or 0,
            mime_type="application/octet-stream",
            digest="",
            chunk_size=0,
            total_chunks=0,
            started_at=now,
            updated_at=now,
            wire=CHAT,
        )
        record = TransferRecord(info=info, channel=self._channel, sender_repeats=False)
        self._around.journal.save(record)  # there is a row where an earlier try failed
        try:
            file, size = await sized(told)
            info = replace(info, filename=file.name, size=size)
            record = replace(record, info=info)
            self._tell(
                OfferReceived(
                    transfer_id=info.id,
                    peer_id=info.peer_id,
                    filename=info.filename,
                    size=info.size,
                    mime_type=info.mime_type,
                    is_automatic=True,
                )
            )
            self._require_room(size)
            self._around.journal.save(record)
            self._tell(TransferAccepted(transfer_id=info.id, peer_id=info.peer_id))
            async with self._turns:
                path, digest = await self._fetch(info.id, file, size)
        except (OcftError, OSError, asyncio.CancelledError) as error:
            self._fail(record, error)
            if isinstance(error, asyncio.CancelledError):
                raise
            return
        now = self._around.wall_clock()
        done = replace(
            info,
            state=TransferState.COMPLETED,
            bytes_done=size,
            digest=digest,
            local_path=str(path),
            updated_at=now,
            completed_at=now,
        )
        self._around.journal.save(replace(record, info=done))
        self._tell(
            TransferCompleted(
                transfer_id=info.id,
                peer_id=info.peer_id,
                path=str(path),
                size=size,
                digest=digest,
            )
        )

    def _require_room(self, size: int) -> None:
        if refusal := self._admission.refusal(size, None, 0):
            raise FileTooLargeError(refusal.reason)
        if not self._admission.has_space(size, self._load()):
            raise NotEnoughSpaceError(f"There is no room for {size} bytes.")

    async def _fetch(
        self, transfer_id: TransferId, file: IncomingFile, size: int
    ) -> tuple[Path, str]:
        """Download, sync and name a file; return its path and its SHA-256."""
        part = await asyncio.to_thread(PartialFile.open, part_path(self._partial_dir, transfer_id))
        try:
            with part.path.open("wb") as sink:
                await fetch(file, sink)
            _require_size(part.size, size)
            await asyncio.to_thread(part.sync)
            digest = await asyncio.to_thread(part.digest, size)
            path = await asyncio.to_thread(
                lambda: part.publish(self._around.download_dir, file.name, announce=lambda _: None)
            )
        except BaseException:
            await asyncio.shield(asyncio.to_thread(part.discard))
            raise
        return path, digest

    def _fail(self, record: TransferRecord, error: BaseException) -> None:
        known = error if isinstance(error, OcftError) else ChannelError(f"Not received: {error}")
        info = replace(
            record.info,
            state=TransferState.FAILED,
            error_code=known.code,
            error=str(known),
            updated_at=self._around.wall_clock(),
        )
        self._around.journal.save(replace(record, info=info))
        self._tell(
            TransferFailed(
                transfer_id=info.id,
                peer_id=info.peer_id,
                code=known.code,
                reason=str(known),
                is_resumable=False,
            )
        )

    def _ignore(self, author: str, reason: str) -> None:
        self._tell(
            MessageIgnored(
                transfer_id=TransferId(""), peer_id=NodeId(author), reason=reason, detail="a file"
            )
        )

    def _tell(self, event: Event) -> None:
        self._around.tell(replace(event, at=self._around.wall_clock()))


def interrupted(record: TransferRecord) -> TransferRecord:
    """Return the row of a download that a restart interrupted: it has to be uploaded again."""
    error = ChannelError("The download was interrupted. Ask for the file to be uploaded again.")
    info = replace(record.info, state=TransferState.FAILED, error_code=error.code, error=str(error))
    return replace(record, info=info)


def _require_size(size: int, stated: int) -> None:
    if size != stated:
        raise ChannelError(f"{size} bytes came instead of {stated}.")
