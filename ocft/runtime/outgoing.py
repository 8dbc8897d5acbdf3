"""What is to be sent, as rows for the journal: read, hashed and described before it is recorded."""

import asyncio
import hashlib
import mimetypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocft.errors import ConfigError
from ocft.ids import NodeId, make_transfer_id
from ocft.runtime.wire2.describing import name_of
from ocft.storage import (
    Collected,
    Journal,
    SourceSet,
    SourceSnapshot,
    TransferRecord,
    collect,
    safe_name,
)
from ocft.transfers import Direction, TransferInfo, TransferState
from ocft.wire import Manifest, pack_manifest


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One transfer that can be recorded."""

    record: TransferRecord
    manifest: bytes
    sources: list[tuple[Path, SourceSnapshot]]
    skipped: tuple[Path, ...] = ()
    """What a folder held that cannot be sent: links, devices, pipes."""

    def add_to(self, journal: Journal) -> bool:
        """Record it; return False, and change nothing, if its id is taken."""
        return journal.add(self.record, manifest=self.manifest, sources=self.sources)


async def outgoing_files(
    peer_id: NodeId,
    paths: Sequence[Path],
    *,
    channel: str,
    wall_clock: Callable[[], float],
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    name: str | None = None,
) -> Outgoing:
    """Describe files and folders to send as one transfer; they are read in a thread.

    Args:
        peer_id: Who is to get them.
        paths: Files and folders.
        channel: The channel that is to carry them.
        wall_clock: Seconds since the epoch.
        include: Patterns, as in a .gitignore, of what is sent of a folder; none: everything.
        exclude: Patterns of what is not.
        name: What to call the file, if it is one only; None: as it is called.

    Raises:
        SourceNotFoundError: One of them is not there, or cannot be read.
        SourceChangedError: One of them changed while it was read.
        ConfigError: Two of them would have one name on some system, or a name is none, or one is
            given to more than a file.
    """
    files, skipped = await asyncio.to_thread(_find, list(paths), include, exclude, name)
    manifest, snapshots = await asyncio.to_thread(SourceSet.describe, files)
    data = pack_manifest(manifest)
    sources = list(zip([one.path for one in files], snapshots, strict=True))
    now = wall_clock()
    info = TransferInfo(
        id=make_transfer_id(),
        direction=Direction.SEND,
        state=TransferState.PENDING,
        peer_id=peer_id,
        filename=name_of(manifest),
        size=manifest.content_size,
        mime_type=_type_of(manifest),
        digest=_digest_of(manifest, data),
        chunk_size=0,  # until whoever drives the channel knows its limits
        total_chunks=0,
        started_at=now,
        updated_at=now,
        local_path=str(paths[0].absolute()) if len(paths) == 1 else None,
        file_count=len(files),
    )
    record = TransferRecord(
        info=info,
        channel=channel,
        source=snapshots[0] if len(files) == 1 else None,
        manifest_size=len(data),
    )
    return Outgoing(record, data, sources, skipped)


def _find(
    paths: list[Path], include: Sequence[str], exclude: Sequence[str], name: str | None
) -> tuple[tuple[Collected, ...], tuple[Path, ...]]:
    """Return the files to send, and what is left out."""
    if name is not None:
        if len(paths) != 1 or paths[0].is_dir():
            raise ConfigError("A name can be given to a single file only.")
        return (Collected(paths[0].absolute(), safe_name(name)),), ()
    collected = collect(paths, include=include, exclude=exclude)
    return collected.files, collected.skipped


def _type_of(manifest: Manifest) -> str:
    guess = None
    if len(manifest.files) == 1:
        guess = mimetypes.guess_type(manifest.files[0].name)[0]
    return guess or "application/octet-stream"


def _digest_of(manifest: Manifest, data: bytes) -> str:
    if len(manifest.files) == 1:
        return manifest.files[0].digest.hex()
    return hashlib.sha256(data).hexdigest()
