"""From a link to files: waits for the sender, opens the records as they come, and goes on later.

What came is kept by whole records. A connection that breaks, or this process's end, costs no more
than the record that was on its way.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocft.crypto import (
    RECORD,
    SEALED_RECORD,
    RecordOpener,
    ShareKeys,
    format_octets,
    open_at_rest,
    open_manifest,
    parse_octets,
    record_count,
    seal_at_rest,
    sealed_size,
    share_keys,
)
from ocft.errors import (
    DigestMismatchError,
    MalformedAnswerError,
    MalformedMessageError,
    NoSessionError,
    NotAuthorisedError,
    OcftError,
    RateLimitedError,
    ServerUnreachableError,
    SourceChangedError,
    TransferTimeoutError,
    UnsealError,
    WrongPasswordError,
)
from ocft.share.client.api import Grant, SessionView, ShareClient
from ocft.share.client.patience import Patience, Waiting, patiently
from ocft.share.links import ShareLink
from ocft.share.manifest import ShareManifest, parse_share_manifest
from ocft.share.strict_json import parse_json
from ocft.share.working import in_thread

if TYPE_CHECKING:
    from ocft.share.client.sinks import Sink

_LOOK_AGAIN: Final = 4.0  # seconds; 20 looks a minute are allowed (R-SHR-9)
_RECEIPT: Final = 5.0  # seconds for the receipt, which nothing depends on here
_TOO_LATE: Final = "Nobody put files there in time."
_KEPT: Final = b"OCFT share kept"
_SEAL: Final = SEALED_RECORD - RECORD  # bytes
_P: Final = 32  # bytes


@dataclass(frozen=True, slots=True)
class SessionJoined:
    """The session is there."""


@dataclass(frozen=True, slots=True)
class SenderFound:
    """Its files can be fetched, and this is what they are."""

    manifest: ShareManifest
    """What the sender says of them."""


@dataclass(frozen=True, slots=True)
class ReceiveProgress:
    """Bytes came."""

    bytes_done: int
    """Of the content, earlier runs included."""
    size: int
    """Bytes of the content."""


ReceiveEvent = SessionJoined | SenderFound | ReceiveProgress | Waiting


@dataclass(frozen=True, slots=True)
class Received:
    """What has come."""

    manifest: ShareManifest
    """As the sender described it."""
    digests: tuple[bytes, ...]
    """SHA-256 of each file, as it is here."""
    paths: tuple[Path, ...]
    """Where what is at the top is now; nothing if it went elsewhere."""
    bytes_before: int
    """Bytes that were there already."""


async def look(link: ShareLink) -> SessionView:
    """Ask about a session, to know whether it needs a password.

    Raises:
        OcftError: What the server or the network says instead.
    """
    keys = await asyncio.to_thread(share_keys, link.code)
    async with ShareClient(link.base, keys.id) as client:
        return await client.look()


async def receive(
    link: ShareLink,
    sink: "Sink",
    *,
    password: str | None = None,
    within: float | None = None,
    tell: Callable[[ReceiveEvent], None] = lambda _: None,
) -> Received:
    """Receive the files of a session.

    Args:
        link: The session.
        sink: Where they go.
        password: The session's, if it has one.
        within: Seconds to wait until files can be fetched; None: as long as it takes.
        tell: Told what happens.

    Raises:
        TransferTimeoutError: Nobody put files there in time.
        WrongPasswordError: The password is not the one of the session.
        DigestMismatchError: What came is not what was sent.
        OcftError: What the server, the network or the disk says.
    """
    keys = await asyncio.to_thread(share_keys, link.code)
    async with ShareClient(link.base, keys.id) as client:
        work = _Receiving(client, keys, sink, tell)
        try:
            return await work.run(password, within)
        finally:
            sink.close()


class _Receiving:
    """One run of a receiver."""

    def __init__(
        self,
        client: ShareClient,
        keys: ShareKeys,
        sink: "Sink",
        tell: Callable[[ReceiveEvent], None],
    ) -> None:
        self._client = client
        self._keys = keys
        self._sink = sink
        self._tell = tell
        self._grant: Grant | None = None
        self._key = b""
        self._sealed_manifest = b""
        self._plain = bytearray(RECORD)
        self._has_all = False
        self._is_live = False

    async def run(self, password: str | None, within: float | None) -> Received:
        await in_thread(self._sink.acquire, self._keys.id)
        try:
            return await self._receive(password, within)
        except (NoSessionError, SourceChangedError):
            # What came is a part of something that nobody has any more.
            await in_thread(self._sink.forget)
            raise

    async def _receive(self, password: str | None, within: float | None) -> Received:
        grant, manifest = await self._go_on()
        if manifest is None or not self._has_all:
            deadline = None if within is None else time.monotonic() + within
            manifest = await self._let_in(grant, manifest, password, deadline)
        self._tell(SenderFound(manifest))
        before = self._sink.position
        try:
            await self._fetch_all(manifest.content_size, password)
            paths = await in_thread(self._sink.finish)
        except ServerUnreachableError as error:
            if error.is_refused and self._is_live:
                raise ServerUnreachableError(
                    "The sender stopped sharing before everything was here: nobody answers there"
                    " any more. Ask for a new link.",
                    is_refused=True,
                ) from error
            raise
        except OcftError as error:
            await self._say_done(error.code)
            raise
        except (asyncio.CancelledError, BrokenPipeError):
            if not self._sink.can_resume:
                await self._say_done("CANCELLED")
            raise
        await self._say_done(None)
        return Received(manifest, tuple(self._sink.digests), tuple(paths), before)

    async def _go_on(self) -> tuple[Grant | None, ShareManifest | None]:
        """Find what an earlier run got; with everything there no server is needed any more."""
        grant = self._kept_grant()
        manifest = self._kept_manifest(grant) if grant is not None else None
        if grant is None or manifest is None:
            return grant, None
        try:
            await in_thread(self._sink.begin, manifest.files)
        except DigestMismatchError:  # spoilt on the disk; it comes again
            return grant, None
        self._grant = grant
        self._has_all = self._sink.is_complete
        return grant, manifest

    # Getting in

    async def _let_in(
        self,
        grant: Grant | None,
        kept: ShareManifest | None,
        password: str | None,
        deadline: float | None,
    ) -> ShareManifest:
        """Wait until there are files, and learn what they are."""
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            async with asyncio.timeout(left):  # also for a server that sends a byte now and then
                grant, manifest = await self._find(grant, password, deadline)
        except TimeoutError as error:
            raise TransferTimeoutError(_TOO_LATE) from error
        if manifest != kept:
            await in_thread(self._sink.forget)
            await in_thread(self._sink.begin, manifest.files)
        self._grant = grant
        await in_thread(self._keep, grant, self._sealed_manifest)
        return manifest

    async def _find(
        self, grant: Grant | None, password: str | None, deadline: float | None
    ) -> tuple[Grant, ShareManifest]:
        manifest = None
        if grant is not None:
            # What an earlier run got still counts as that one download, even where nobody new may
            # come; unless it is over.
            with suppress(NotAuthorisedError, NoSessionError):
                manifest = await self._manifest(grant)
                self._tell(SessionJoined())
        if grant is None or manifest is None:
            view = await self._wait_until_ready(deadline)
            self._is_live = view.is_live
            grant = await self._join(password, deadline, needs_password=view.needs_password)
            manifest = await self._manifest(grant)
        return grant, manifest

    async def _join(
        self, password: str | None, deadline: float | None, *, needs_password: bool
    ) -> Grant:
        if needs_password and password is None:
            raise WrongPasswordError("The session has a password, and none was given.")
        if password is not None and not needs_password:
            # Somebody who has the link, but not the password, could offer other files so.
            raise WrongPasswordError(
                "The session has no password. Was the link made without one? Then leave it out."
            )
        return await patiently(
            lambda: self._client.join(password),
            deadline,
            self._patience(),
        )

    async def _wait_until_ready(self, deadline: float | None) -> SessionView:
        try:
            view = await self._client.look()  # where nobody is, that is said at once
        except RateLimitedError:
            view = await patiently(self._client.look, deadline, self._patience())
        self._tell(SessionJoined())
        while not view.is_ready:
            await _pause(_LOOK_AGAIN, deadline)
            view = await patiently(self._client.look, deadline, self._patience())
        return view

    def _patience(self) -> Patience:
        return Patience(self._tell, is_live=self._is_live)

    async def _manifest(self, grant: Grant) -> ShareManifest:
        sealed = await patiently(lambda: self._client.manifest(grant), None, self._patience())
        self._key = self._keys.key(grant.p)
        self._sealed_manifest = sealed
        return parse_share_manifest(open_manifest(self._key, self._keys.id, sealed))

    # What an earlier run kept

    def _kept_grant(self) -> Grant | None:
        sealed = self._sink.note("grant")
        if sealed is None:
            return None
        # Spoilt, or from another time: then we ask again.
        with suppress(UnsealError, MalformedMessageError, KeyError, TypeError):
            context = _KEPT + self._keys.id.encode("ascii")
            kept = parse_json(open_at_rest(self._keys.key(), sealed, context))
            p = parse_octets(kept["p"], _P) if kept["p"] else b""
            self._is_live = kept["live"] is True
            return Grant(str(kept["download"]), str(kept["token"]), p)
        return None

    def _kept_manifest(self, grant: Grant) -> ShareManifest | None:
        sealed = self._sink.note("manifest")
        if sealed is None:
            return None
        self._key = self._keys.key(grant.p)
        with suppress(UnsealError, MalformedMessageError):
            return parse_share_manifest(open_manifest(self._key, self._keys.id, sealed))
        return None

    def _keep(self, grant: Grant, sealed_manifest: bytes) -> None:
        """Keep what the next run needs, readable for nobody who has not the code."""
        fields = {
            "download": grant.download,
            "token": grant.token,
            "p": format_octets(grant.p) if grant.p else "",
            "live": self._is_live,
        }
        context = _KEPT + self._keys.id.encode("ascii")
        sealed = seal_at_rest(self._keys.key(), json.dumps(fields).encode("ascii"), context)
        self._sink.keep_note("manifest", sealed_manifest)
        self._sink.keep_note("grant", sealed)

    # The content

    async def _fetch_all(self, size: int, password: str | None) -> None:
        """Fetch until everything is there, over as many connections as it takes."""
        patience = self._patience()
        was_let_in_again = False
        while not self._has_all:
            before = self._sink.position
            try:
                await self._fetch(size)
            except (RateLimitedError, ServerUnreachableError) as error:
                if self._sink.position > before:
                    patience = self._patience()
                await patience.pause(error)
            except NotAuthorisedError:
                # The break was so long that the server gave us up; others may still come.
                if was_let_in_again or self._grant is None:
                    raise
                was_let_in_again = True
                needs_password = bool(self._grant.p)
                self._grant = await self._join(password, None, needs_password=needs_password)
                await in_thread(self._keep, self._grant, self._sealed_manifest)

    async def _fetch(self, size: int) -> None:
        """Fetch over one connection, opening and writing each record while the next one comes."""
        count = record_count(size)
        number = self._sink.position // RECORD
        filling, full = bytearray(SEALED_RECORD), bytearray(SEALED_RECORD)
        filled = 0
        writing: asyncio.Task[None] | None = None
        grant = self._granted
        try:
            async with self._client.content(grant, first=number, size=sealed_size(size)) as content:
                opener = RecordOpener(self._key, self._keys.id, content.salt, count)
                async for chunk in content.chunks:
                    rest = memoryview(chunk)
                    while rest:
                        if number >= count:
                            raise MalformedAnswerError("The server sends more than there is.")
                        length = _sealed_length(number, size)
                        taken = min(len(rest), length - filled)
                        filling[filled : filled + taken] = rest[:taken]
                        rest, filled = rest[taken:], filled + taken
                        if filled < length:
                            continue
                        if writing is not None:
                            await writing
                            self._tell(ReceiveProgress(self._sink.position, size))
                        filling, full, filled = full, filling, 0
                        writing = asyncio.create_task(
                            in_thread(self._take, opener, number, memoryview(full)[:length])
                        )
                        number += 1
            if number < count:
                raise ServerUnreachableError("The connection to the server broke.")
        finally:
            if writing is not None:
                # Also when we are cancelled: nothing may be closed under a thread that writes.
                await asyncio.wait([writing])
                if not writing.cancelled() and writing.exception() is None:
                    self._tell(ReceiveProgress(self._sink.position, size))
        if writing is not None:
            writing.result()
        self._has_all = True

    def _take(self, opener: RecordOpener, number: int, sealed: memoryview) -> None:
        """Open a record and write it; runs in a worker thread."""
        plain = memoryview(self._plain)[: len(sealed) - _SEAL]
        try:
            opener.open_into(number, sealed, plain)
        except UnsealError as error:
            # The manifest was opened with this key, so the key is right and the bytes are not.
            raise DigestMismatchError(
                "The bytes that arrived are not those that were sent. What is right was kept."
            ) from error
        self._sink.write(plain)

    @property
    def _granted(self) -> Grant:
        if self._grant is None:
            raise AssertionError("nobody let us in yet")
        return self._grant

    async def _say_done(self, code: str | None) -> None:
        """Give the sender its receipt; what came is here with or without it."""
        grant = self._granted
        with suppress(OcftError, TimeoutError):
            async with asyncio.timeout(_RECEIPT):
                await self._client.say_done(grant, code=code)


async def _pause(seconds: float, deadline: float | None) -> None:
    """Wait, but not beyond a deadline.

    Raises:
        TransferTimeoutError: It has come.
    """
    if deadline is None:
        await asyncio.sleep(seconds)
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TransferTimeoutError(_TOO_LATE)
    await asyncio.sleep(min(seconds, left))


def _sealed_length(number: int, size: int) -> int:
    """Return the length of a sealed record."""
    return min(RECORD, size - number * RECORD) + _SEAL
