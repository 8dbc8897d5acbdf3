"""What the journal knows of one transfer, and how that is a row."""

import json
import sqlite3
from dataclasses import astuple, dataclass
from typing import Final

from ocft.ids import NodeId, TransferId
from ocft.storage.database import Value, readable, storable
from ocft.storage.source import SourceSnapshot
from ocft.transfers import Direction, TransferInfo, TransferState


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRecord:
    """One transfer: what anyone may know, and what this node needs to go on with it."""

    info: TransferInfo
    """What is known about the transfer."""
    channel: str
    """The channel that its messages go through."""
    source: SourceSnapshot | None = None
    """Sending: what the file was like when it was offered."""
    keeps_chunks: bool | None = None
    """Sending: whether the receiver keeps what it stored across an interruption; None = unknown."""
    accepted_at: int | None = None
    """Sending: the newest accept's timestamp, in milliseconds on the peer's clock."""
    sender_repeats: bool = False
    """Receiving: the sender has timers of its own, i.e. it is one of ours."""
    publishing: str | None = None
    """Receiving: the final path that is being made, written before the link is made."""
    owes_final_ack: bool = False
    """Receiving: the file is saved, but the final ack may not have left."""
    epoch: int = 0
    """Wire 2: the newest epoch that was offered (sending) or accepted (receiving)."""
    offered_at: int | None = None
    """Wire 2: the offer's `at`, in milliseconds on the sender's clock."""
    manifest_size: int = 0
    """Wire 2: bytes of the manifest; the byte space has `info.size` bytes more."""
    manifest_digest: str | None = None
    """Wire 2: SHA-256 of the manifest, in lower-case hex."""
    left_out: frozenset[int] = frozenset()
    """Wire 2, receiving: the numbers of the manifest's files that are not to be sent: they are not
    wanted, or here already."""
    is_decided: bool = False
    """Wire 2, receiving: whether the files are wanted, apart from those that are left out."""


COLUMNS: Final = (
    "id",
    "direction",
    "state",
    "peer_id",
    "filename",
    "size",
    "mime_type",
    "digest",
    "chunk_size",
    "total_chunks",
    "bytes_done",
    "started_at",
    "updated_at",
    "completed_at",
    "error_code",
    "error",
    "local_path",
    "is_resumable",
    "channel",
    "source",
    "keeps_chunks",
    "accepted_at",
    "sender_repeats",
    "publishing",
    "owes_final_ack",
    "wire",
    "epoch",
    "offered_at",
    "file_count",
    "manifest_size",
    "left_out",
    "is_decided",
    "manifest_digest",
    "files_taken",
    "bytes_taken",
)
"""The order of :func:`to_row`."""


def to_row(record: TransferRecord) -> tuple[Value, ...]:
    """Return the record as values of `COLUMNS`."""
    info = record.info
    values = (
        info.id,
        info.direction.value,
        info.state.value,
        info.peer_id,
        info.filename,
        info.size,
        info.mime_type,
        info.digest,
        info.chunk_size,
        info.total_chunks,
        info.bytes_done,
        info.started_at,
        info.updated_at,
        info.completed_at,
        info.error_code,
        info.error,
        info.local_path,
        info.is_resumable,
        record.channel,
        # As text, since inode numbers use 64 bits and SQLite's integers have a sign.
        None if record.source is None else json.dumps(astuple(record.source)),
        record.keeps_chunks,
        record.accepted_at,
        record.sender_repeats,
        record.publishing,
        record.owes_final_ack,
        info.wire,
        record.epoch,
        record.offered_at,
        info.file_count,
        record.manifest_size,
        json.dumps(sorted(record.left_out)) if record.left_out else None,
        record.is_decided,
        record.manifest_digest,
        info.files_taken,
        info.bytes_taken,
    )
    return tuple(storable(value) if isinstance(value, str) else value for value in values)


def from_row(row: sqlite3.Row) -> TransferRecord:
    """Return the record that a row of `COLUMNS` holds."""
    source, keeps_chunks, left_out = row["source"], row["keeps_chunks"], row["left_out"]
    return TransferRecord(
        info=TransferInfo(
            id=TransferId(readable(row["id"])),
            direction=Direction(row["direction"]),
            state=TransferState(row["state"]),
            peer_id=NodeId(readable(row["peer_id"])),
            filename=readable(row["filename"]),
            size=row["size"],
            mime_type=readable(row["mime_type"]),
            digest=readable(row["digest"]),
            chunk_size=row["chunk_size"],
            total_chunks=row["total_chunks"],
            bytes_done=row["bytes_done"],
            started_at=row["started_at"],
            updated_at=row["updated_at"],
            completed_at=row["completed_at"],
            error_code=_optional(row["error_code"]),
            error=_optional(row["error"]),
            local_path=_optional(row["local_path"]),
            is_resumable=bool(row["is_resumable"]),
            wire=row["wire"],
            file_count=row["file_count"],
            files_taken=row["files_taken"],
            bytes_taken=row["bytes_taken"],
        ),
        channel=readable(row["channel"]),
        source=None if source is None else SourceSnapshot(*json.loads(source)),
        keeps_chunks=None if keeps_chunks is None else bool(keeps_chunks),
        accepted_at=row["accepted_at"],
        sender_repeats=bool(row["sender_repeats"]),
        publishing=_optional(row["publishing"]),
        owes_final_ack=bool(row["owes_final_ack"]),
        epoch=row["epoch"],
        offered_at=row["offered_at"],
        manifest_size=row["manifest_size"],
        left_out=frozenset() if left_out is None else frozenset(json.loads(left_out)),
        is_decided=bool(row["is_decided"]),
        manifest_digest=_optional(row["manifest_digest"]),
    )


def _optional(value: str | bytes | None) -> str | None:
    return None if value is None else readable(value)
