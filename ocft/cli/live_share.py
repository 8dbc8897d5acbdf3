"""`ocft share` without a service: this process serves the files, and tells who fetches them."""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocft.cli.dialect import Dialect
from ocft.cli.output import Output
from ocft.cli.share_options import draw_qr
from ocft.cli.terminal import printable
from ocft.errors import (
    OcftError,
    SourceChangedError,
    TransferFailedError,
    TransferTimeoutError,
    WrongPasswordError,
    error_for,
)

if TYPE_CHECKING:
    from ocft.crypto import ShareKeys
    from ocft.share import SharedFiles, ShareEvent

_LAST_WORDS: Final = 3.0  # seconds in which receivers may still hear why it is over


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """What `ocft share` was told about serving."""

    hosts: list[str] | None
    """Addresses to be at; None: private ones and loopback."""
    port: int
    """0: any that is free."""
    public_url: str | None
    """What links begin with, behind a proxy or tunnel."""
    qr: bool | None
    """Whether to draw the link; None: if there is room."""
    expires_in: int | None
    """Seconds; None: until the process ends."""
    max_downloads: int | None
    """None: any number."""
    timeout: float | None
    """Seconds without anybody who fetches; None: no limit."""


class LiveShare:
    """One session of this process.

    Args:
        dialect: Where it is told.
        output: Where the link goes.
        code: The session's.
        files: What is shared.
        options: How.
    """

    def __init__(
        self,
        dialect: Dialect,
        output: Output,
        code: str,
        files: "SharedFiles",
        options: LiveOptions,
    ) -> None:
        self._dialect = dialect
        self._output = output
        self._code = code
        self._files = files
        self._options = options
        self._size = files.manifest.content_size
        names = [file.name for file in files.description.files]
        self._label = names[0] if len(names) == 1 else f"{len(names)} files"
        self._began: dict[str, float] = {}  # downloads that are under way
        self._completed = 0
        self._failure: OcftError | None = None
        self._reason = ""  # why the session is over
        self._is_locked = False  # the password, for everybody who comes
        self._changed = asyncio.Event()

    async def run(self, keys: "ShareKeys", verifier: bytes | None) -> int:
        """Serve until it is over; return how many have fetched everything.

        Args:
            keys: Of the code.
            verifier: The password's, if there is one.

        Raises:
            TransferTimeoutError: Nobody fetched it in time.
            SourceChangedError: A file was changed meanwhile.
            OcftError: How the last of those ended who could fetch it, if none got everything.
        """
        from ocft.routes import own_addresses
        from ocft.share import Sessions, ShareLink, open_server

        options = self._options
        sessions = Sessions(observer=self._hear)
        session = sessions.add_live(
            keys,
            self._files.description,
            list(self._files.sources),
            verifier=verifier,
            expires_in=options.expires_in,
            max_downloads=options.max_downloads,
        )
        hosts = options.hosts
        if not hosts:
            hosts = await asyncio.to_thread(own_addresses)
        async with open_server(
            sessions, hosts=hosts, port=options.port, public_url=options.public_url
        ) as server:
            links = [str(ShareLink(base, self._code)) for base in server.bases]
            self._dialect.event(
                "session_created",
                session_code=self._code,
                share_url=links[0],
                share_urls=links,
                expires_at=session.expires_at,
            )
            self._dialect.event("mode", mode="direct")
            self._output.data(links[0])
            if len(links) > 1:
                self._dialect.say("The same, at other addresses: " + " ".join(links[1:]))
            draw_qr(links[0], wanted=options.qr)
            self._dialect.say("Waiting for somebody who opens it. Ctrl-C ends it.")
            self._dialect.event("waiting_for_receiver")
            await self._until_over()
            if self._failure is not None or self._reason == "source-changed":
                await asyncio.sleep(_LAST_WORDS)
        return self._outcome()

    async def _until_over(self) -> None:
        """Wait for the end; the time-out runs only while nobody fetches anything."""
        within = self._options.timeout
        while not self._reason:
            is_idle = not self._began
            self._changed.clear()
            if within is None or not is_idle:
                await self._changed.wait()
                continue
            try:
                async with asyncio.timeout(within):
                    while not self._reason and not self._began:
                        self._changed.clear()
                        await self._changed.wait()
            except TimeoutError:
                self._reason = "timeout"

    def _outcome(self) -> int:
        if self._reason == "source-changed":
            raise SourceChangedError("A file was changed after it had been shared. Share it again.")
        if self._reason == "locked":
            raise WrongPasswordError("The password was wrong too often; nobody gets in any more.")
        if self._completed:
            return self._completed
        if self._failure is not None:
            raise self._failure
        if self._reason == "timeout":
            within = self._options.timeout or 0
            raise TransferTimeoutError(f"Nobody fetched it within {within:g} seconds.")
        raise TransferTimeoutError("Nobody fetched it before the session expired.")

    def _hear(self, event: "ShareEvent") -> None:
        """Take in what happens at the session."""
        from ocft.share import (
            DownloadEnded,
            DownloadProgress,
            DownloadStarted,
            PasswordLocked,
            ReceiverConnected,
            SessionEnded,
        )

        dialect = self._dialect
        match event:
            case ReceiverConnected(download=download):
                dialect.event("receiver_connected", download=download)
                dialect.event("waiting_for_acceptance", download=download)
                dialect.say("Somebody opened the link.")
            case DownloadStarted(download=download):
                if download not in self._began:
                    self._began[download] = time.monotonic()
                    dialect.event("transfer_accepted", download=download)
            case DownloadProgress(download=download, sent=sent):
                done = min(_content_of(sent), self._size)
                dialect.progress(download, self._label, done, self._size, download=download)
            case DownloadEnded(download=download, ok=ok, code=code):
                self._end(download, ok=ok, code=code)
            case SessionEnded(reason=reason):
                self._reason = self._reason or reason
            case PasswordLocked():
                dialect.event("password_locked")
                self._is_locked = True
        if self._is_locked and not self._began:  # who is in already may have the rest
            self._reason = self._reason or "locked"
        self._changed.set()

    def _end(self, download: str, *, ok: bool | None, code: str | None) -> None:
        seconds = time.monotonic() - self._began.pop(download, time.monotonic())
        self._dialect.end(download)
        if ok:
            self._completed += 1
            self._dialect.event(
                "transfer_complete",
                session_code=self._code,
                download=download,
                bytes=self._size,
                duration_ms=round(seconds * 1000),
                speed=round(self._size / seconds) if seconds > 0 else 0,
            )
            self._dialect.say(f"Somebody has {printable(self._label)}, whole and verified.")
            return
        if ok is None:
            self._failure = TransferFailedError(
                "The receiver went away before it said that it has everything."
            )
        else:
            self._failure = _failure_of(code)
        self._dialect.event(
            "transfer_failed", download=download, code=code, message=str(self._failure)
        )
        self._dialect.say(str(self._failure))


def _failure_of(code: str | None) -> OcftError:
    """Return the error of a receipt; its code is a stranger's text."""
    words = {
        "DIGEST_MISMATCH": "What arrived at the receiver is not what was sent.",
        "UNSEAL": "What arrived at the receiver could not be opened.",
        "CANCELLED": "The receiver stopped it.",
    }
    known = {"CANCELLED": "TRANSFER_CANCELLED", "NO_SPACE": "NOT_ENOUGH_SPACE"}.get(
        code or "", code
    )
    message = words.get(
        code or "", f"The receiver could not take it ({printable(str(code))[:40]})."
    )
    return error_for(known, message)


def _content_of(sealed: int) -> int:
    """Return the bytes of content in some sealed bytes."""
    from ocft.crypto import RECORD, SEALED_RECORD

    whole, rest = divmod(sealed, SEALED_RECORD)
    return whole * RECORD + max(0, rest - (SEALED_RECORD - RECORD))
