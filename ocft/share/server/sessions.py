"""The sessions of one server: who may do what with them, and when they are over (R-SHR-10)."""

import asyncio
import hmac
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ocft.crypto import is_token, make_token, token_digest
from ocft.share.server.contents import Content, LiveContent, StoredContent
from ocft.share.server.limits import Limits
from ocft.share.server.passwords import PasswordGate
from ocft.share.server.refusals import NoSession, NotAuthorised, RateLimited
from ocft.share.server.stores import Place

_UNUSED_SECONDS: Final = 600.0
"""How long somebody who was let in may take to begin."""


@dataclass(slots=True)
class Download:
    """One receiver's way through a session."""

    name: str
    """Names it; no secret."""
    token: bytes = field(repr=False)
    """SHA-256 of what lets the receiver in."""
    quiet_since: float
    """When it was used last; seconds on the steady clock."""
    is_started: bool = False
    """Whether a byte of content left: from then on nobody else may have this download."""
    is_whole: bool = False
    """Whether the last byte left, too: from then on it counts for good."""
    turn: int = 0
    """Which of its answers may go on: the newest."""
    answers: int = 0
    """How many of its answers are under way."""


class Session:
    """One set of files, at the server.

    Args:
        session_id: From the code; the server does not know that.
        content: What is shared, sealed.
        expires_at: Seconds since the epoch; None: with the process.
        max_downloads: How many downloads there may be; None: any number.
        sender_key: SHA-256 of what lets the sender in; None: nobody puts anything in.
        gate: The password's, if there is one.
        place: Where it is kept, if it is.
        manifest: Sealed; None: it is kept at the place, once there is one.
    """

    def __init__(
        self,
        session_id: str,
        content: Content,
        *,
        expires_at: float | None,
        max_downloads: int | None,
        sender_key: bytes | None = None,
        gate: PasswordGate | None = None,
        place: Place | None = None,
        manifest: bytes | None = None,
    ) -> None:
        self.id = session_id
        self.content = content
        self.expires_at = expires_at
        self.max_downloads = max_downloads
        self.gate = gate
        self.place = place
        self.manifest = manifest
        self.is_ready = isinstance(content, LiveContent)
        self.is_over = False
        self.whole = 0
        """Downloads of which all left, within the session's life."""
        self.writing = asyncio.Lock()
        """Held by who writes to the place."""
        self.appending = asyncio.Lock()
        """Held by an upload while it changes the content."""
        self.upload_turn = 0
        """Which upload may go on: the newest."""
        self.taken = 0
        """Bytes of the server's room that its content has."""
        self._sender_key = sender_key
        self._downloads: dict[bytes, Download] = {}  # by the digest of their token

    @property
    def stored(self) -> StoredContent | None:
        """The content, if a sender puts it here."""
        return self.content if isinstance(self.content, StoredContent) else None

    @property
    def has_manifest(self) -> bool:
        """Whether there is a manifest."""
        return self.manifest is not None or (
            self.place is not None and self.place.manifest_size > 0
        )

    @property
    def downloads_left(self) -> int | None:
        """How many may still begin: one that breaks off before its end gives its own back."""
        if self.max_downloads is None:
            return None
        begun = sum(one.is_started and not one.is_whole for one in self._downloads.values())
        return max(0, self.max_downloads - self.whole - begun)

    @property
    def is_busy(self) -> bool:
        """Whether a download began and is not over."""
        return any(one.is_started for one in self._downloads.values())

    def is_open(self, wall: float) -> bool:
        """Say whether somebody new may come.

        Args:
            wall: Seconds since the epoch.
        """
        is_expired = self.expires_at is not None and wall >= self.expires_at
        return not self.is_over and not is_expired and self.downloads_left != 0

    def is_sender(self, token: str | None) -> bool:
        """Say whether this is the sender key."""
        return (
            self._sender_key is not None and token is not None and is_token(token, self._sender_key)
        )

    def let_in(self, limits: Limits, steady: float) -> tuple[Download, str]:
        """Make a download, and the token that lets its receiver in.

        Raises:
            RateLimited: There are too many that are not over.
        """
        if len(self._downloads) >= limits.downloads_of_session:
            # Who came first and never began makes room: the others are somebody's transfers.
            unused = next((one for one in self._downloads.values() if not one.is_started), None)
            if unused is None:
                raise RateLimited("Too many downloads of this session are under way.", wait=60)
            self.drop(unused)
        token = make_token()
        download = Download(secrets.token_urlsafe(9), token_digest(token), steady)
        self._downloads[download.token] = download
        return download, token

    def download_of(self, token: str | None, wall: float, steady: float) -> Download:
        """Return the download that a token is for.

        Raises:
            NotAuthorised: There is none.
            NoSession: It had not begun when the session ended.
        """
        digest = token_digest(token or "")
        download = self._downloads.get(digest)
        if download is None or not hmac.compare_digest(download.token, digest):
            raise NotAuthorised("The token is wrong, or was used up.")
        if not download.is_started and not self.is_open(wall):
            raise NoSession
        download.quiet_since = steady
        return download

    def start(self, download: Download) -> bool:
        """Note that a download's first byte leaves now; say whether it was the first time."""
        if download.is_started:
            return False
        download.is_started = True
        return True

    def complete(self, download: Download) -> bool:
        """Count a download whose last byte left, or arrived; say whether it was the first time."""
        if download.is_whole:
            return False
        download.is_whole = True
        self.whole += 1
        return True

    def drop(self, download: Download) -> bool:
        """Forget a download: it is over, its answers too; say whether it was not before."""
        download.turn += 1
        return self._downloads.pop(download.token, None) is not None

    def overdue(self, limits: Limits, steady: float) -> list[Download]:
        """Return the downloads that nobody went on with in time."""
        return [
            one
            for one in self._downloads.values()
            if not one.answers
            and steady - one.quiet_since
            > (limits.resume_seconds if one.is_started else _UNUSED_SECONDS)
        ]

    def state(self) -> dict[str, Any]:
        """Return what a service keeps for its next start, without what the content knows."""
        secret = self.gate.secret if self.gate else None
        return {
            "v": 1,
            "id": self.id,
            "sender_key": self._sender_key.hex() if self._sender_key else None,
            "expires_at": self.expires_at,
            "max_downloads": self.max_downloads,
            "password": {"p": secret.p.hex(), "verifier": secret.verifier.hex()}
            if secret
            else None,
            "wrong": self.gate.wrong if self.gate else 0,
            "is_ready": self.is_ready,
            "whole": self.whole,
            "downloads": [
                {"name": one.name, "token": one.token.hex(), "is_whole": one.is_whole}
                for one in self._downloads.values()
                if one.is_started
            ],
        }

    def restore(self, state: dict[str, Any], steady: float) -> None:
        """Take over what :meth:`state` gave, of things that change.

        Raises:
            ValueError: It is something else.
            KeyError: It is something else.
        """
        self.is_ready = bool(state["is_ready"])
        stored = self.stored
        if self.is_ready and not (self.has_manifest and stored is not None and stored.is_complete):
            raise ValueError("something is missing")
        self.whole = int(state["whole"])
        for one in state["downloads"]:
            token, is_whole = bytes.fromhex(one["token"]), bool(one["is_whole"])
            self._downloads[token] = Download(
                str(one["name"]), token, steady, is_started=True, is_whole=is_whole
            )

    def __iter__(self) -> Iterator[Download]:
        return iter(list(self._downloads.values()))
