"""What an upload needs to go on after the end of its process, kept for its owner only.

The salt is only good for the same bytes (R-SHR-4), so what is kept is found by the SHA-256 of all
files: where one of them was changed, nothing is found, and the upload begins anew.
"""

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ocft.crypto import SALT
from ocft.errors import MalformedMessageError, StorageError
from ocft.share.manifest import ShareManifest, pack_share_manifest
from ocft.share.strict_json import parse_json
from ocft.storage import ChannelLock, storage_errors

_MAX_KEPT: Final = 16 * 1024  # bytes
_OLD: Final = 30 * 24 * 3600  # seconds, for what does not say when it ends


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An upload that began."""

    code: str = field(repr=False)
    """The session's."""
    sender_key: str = field(repr=False)
    """What lets the sender in."""
    salt: bytes
    """Of the stream that was begun."""
    expires_at: float | None
    """When the session ends; seconds since the epoch."""
    p: bytes = field(default=b"", repr=False)
    """What the session's key needs beside the code; nothing without a password."""
    password_check: str = field(default="", repr=False)
    """SHA-256 of the password's verifier; nothing without one."""


class UnfinishedUpload:
    """The place where one upload is kept; only the process that has it may use it.

    Args:
        folder: Where all of them are.
        description: What is uploaded.
        wishes: What else makes it this upload and no other: server, expiry, ...
    """

    def __init__(self, folder: Path, description: ShareManifest, wishes: dict[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(wishes, sort_keys=True).encode())
        digest.update(b"\0" + pack_share_manifest(description))
        self._folder = folder
        self._file = folder / f"{digest.hexdigest()[:32]}.json"
        self._lock = ChannelLock(self._file.with_suffix(".lock"))
        self._refusal: StorageError | None = None

    def __enter__(self) -> Self:
        """Take the place, unless another process has it: then nothing is found or kept."""
        try:
            self._lock.try_acquire()
        except StorageError as error:  # told by keep(): nothing else needs the place
            self._refusal = error
        self._tidy()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._lock.is_held and not self._file.exists():
            self._lock.path.unlink(missing_ok=True)
        self._lock.release()

    def load(self) -> Unfinished | None:
        """Return what an earlier process kept, if there is something that can still be used."""
        if not self._lock.is_held:
            return None
        kept = _read(self._file)
        return None if kept is None or _is_over(kept) else kept

    def keep(self, unfinished: Unfinished) -> None:
        """Keep it for the next process.

        Raises:
            StorageError: The disk refused.
        """
        if self._refusal is not None:
            raise self._refusal
        if not self._lock.is_held:
            return
        fields = {
            "code": unfinished.code,
            "sender_key": unfinished.sender_key,
            "salt": unfinished.salt.hex(),
            "expires_at": unfinished.expires_at,
            "p": unfinished.p.hex(),
            "password_check": unfinished.password_check,
        }
        fresh = self._file.with_suffix(".new")
        with storage_errors(f"write {self._file}"):
            fresh.unlink(missing_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                json.dump(fields, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._file)

    def forget(self) -> None:
        """Remove what was kept: there is nothing to go on with any more.

        Raises:
            StorageError: The disk refused.
        """
        if self._lock.is_held:
            with storage_errors(f"tidy {self._file}"):
                self._file.unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Remove what is kept of sessions that are over."""
        for path in self._folder.glob("*.json"):
            kept = _read(path)
            with suppress(OSError):
                is_old = path.stat().st_mtime < time.time() - _OLD
                if kept is None or _is_over(kept) or (kept.expires_at is None and is_old):
                    path.unlink()
                    path.with_suffix(".lock").unlink(missing_ok=True)


def _is_over(kept: Unfinished) -> bool:
    return kept.expires_at is not None and kept.expires_at <= time.time()


def _read(path: Path) -> Unfinished | None:
    with suppress(OSError, MalformedMessageError, KeyError, TypeError, ValueError):
        with path.open("rb") as file:
            fields = parse_json(file.read(_MAX_KEPT))
        expires_at = fields["expires_at"]
        if len(fields["salt"]) != 2 * SALT:
            raise ValueError("no salt")
        return Unfinished(
            str(fields["code"]),
            str(fields["sender_key"]),
            bytes.fromhex(fields["salt"]),
            None if expires_at is None else float(expires_at),
            bytes.fromhex(fields["p"]),
            str(fields["password_check"]),
        )
    return None
