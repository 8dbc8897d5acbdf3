"""What tests of received sets share: sets of files, and their records."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from ocft.ids import NodeId, TransferId
from ocft.storage import TransferRecord
from ocft.transfers import Direction, TransferInfo, TransferState
from ocft.wire import Manifest, ManifestFile, digest_of, pack_manifest

ID = TransferId("xfer_1")


def manifest_of(contents: Mapping[str, bytes], *, executable: Iterable[str] = ()) -> Manifest:
    """Return the manifest of some files."""
    return Manifest(
        tuple(
            ManifestFile(
                name=name,
                size=len(content),
                digest=hashlib.sha256(content).digest(),
                modified=1_700_000_000,
                is_executable=name in executable,
            )
            for name, content in contents.items()
        )
    )


def space_of(contents: Mapping[str, bytes]) -> bytes:
    """Return the byte space of some files."""
    return pack_manifest(manifest_of(contents)) + b"".join(contents.values())


def record_of(contents: Mapping[str, bytes]) -> TransferRecord:
    """Return the record of the transfer that brings some files."""
    data = pack_manifest(manifest_of(contents))
    info = TransferInfo(
        id=ID,
        direction=Direction.RECEIVE,
        state=TransferState.TRANSFERRING,
        peer_id=NodeId("alice"),
        filename="files",
        size=sum(map(len, contents.values())),
        mime_type="",
        digest=digest_of(data),
        chunk_size=0,
        total_chunks=0,
        wire="2",
        file_count=len(contents),
    )
    return TransferRecord(info=info, channel="local", manifest_size=len(data))


def found_in(directory: Path) -> dict[str, bytes | None]:
    """Return everything below a folder but our own folder in it; None for an empty folder."""
    found: dict[str, bytes | None] = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if name.partition("/")[0] == ".ocft":
            continue
        if not path.is_dir():
            found[name] = path.read_bytes()
        elif not any(path.iterdir()):
            found[name] = None
    return found
