"""`ocft share` at a service: makes a session there, or joins one, and puts files into it.

What an interruption needs to go on is kept until everything is there.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocft.cli.dialect import Dialect
from ocft.cli.terminal import format_size, printable
from ocft.errors import (
    NoSessionError,
    OcftError,
    RateLimitedError,
    ServerUnreachableError,
    StorageError,
    WrongPasswordError,
)

if TYPE_CHECKING:
    from ocft.share import SharedFiles, ShareLink, Unfinished, UnfinishedUpload

_LAST_WORDS: Final = 5.0  # seconds to remove a session that nobody can use
_TRANSFER: Final = "upload"
GO_ON: Final = "Run the same command again: it goes on from there."


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWishes:
    """What the session of a service is to be like."""

    expires_in: int
    """Seconds."""
    max_downloads: int | None
    """None: any number."""
    password: str | None
    """None: the link is enough."""


class StoredShare:
    """Files on their way to a service.

    Args:
        dialect: Where it is told.
        files: What is put there.
        folder: Where it is kept how far it is, for the next run.
    """

    def __init__(self, dialect: Dialect, files: "SharedFiles", folder: Path) -> None:
        self._dialect = dialect
        self._files = files
        self._folder = folder
        self._size = files.manifest.content_size
        names = [file.name for file in files.description.files]
        self._label = names[0] if len(names) == 1 else f"{len(names)} files"

    async def create(self, service: str, wishes: SessionWishes) -> "ShareLink":
        """Put the files into a session of their own, or go on where an earlier run was.

        Args:
            service: Its address.
            wishes: What the session is to be like.

        Raises:
            OcftError: What the service, the network or the disk says.
        """
        from ocft.share import ShareLink, UnfinishedUpload

        place = UnfinishedUpload(
            self._folder,
            self._files.description,
            {
                "service": service,
                "expires_in": wishes.expires_in,
                "max_downloads": wishes.max_downloads,
                "password": wishes.password is not None,
            },
        )
        with place as unfinished:
            kept = unfinished.load()
            is_resumed = kept is not None and await self._can_go_on(service, kept, wishes)
            if kept is None or not is_resumed:
                unfinished.forget()
                kept = await self._make(service, wishes, unfinished)
            link = ShareLink(service, kept.code)
            self._dialect.event(
                "session_created",
                session_code=kept.code,
                share_url=str(link),
                share_urls=[str(link)],
                expires_at=kept.expires_at,
            )
            self._dialect.event("mode", mode="service")
            try:
                await self._upload(link, kept)
            except (ServerUnreachableError, RateLimitedError) as error:
                raise _with_hint(error) from error
            except OcftError:
                # Nobody can go on with it, and it takes room there.
                await self._give_up(service, kept)
                unfinished.forget()
                raise
            unfinished.forget()
            return link

    async def join(self, place: "ShareLink") -> None:
        """Put the files into a session that somebody else made.

        Args:
            place: The session, with its sender key.

        Raises:
            OcftError: What the service, the network or the disk says.
        """
        from ocft.crypto import make_salt, share_keys
        from ocft.share import ShareClient, Unfinished, UnfinishedUpload

        keys = await asyncio.to_thread(share_keys, place.code)
        async with ShareClient(place.base, keys.id) as client:
            view = await client.look()
        self._dialect.event("session_joined")
        if view.needs_password:
            raise WrongPasswordError("The session has a password; only who made it can send to it.")
        self._dialect.event("mode", mode="service")
        wishes = {"service": place.base, "session": keys.id}
        with UnfinishedUpload(self._folder, self._files.description, wishes) as unfinished:
            kept = unfinished.load()
            if kept is None:
                # The key is the user's to keep: it is not written down here.
                kept = Unfinished("", "", make_salt(), view.expires_at)
                self._keep(unfinished, kept)
            try:
                await self._upload(place, kept)
            except (ServerUnreachableError, RateLimitedError) as error:
                raise _with_hint(error) from error
            except OcftError:
                unfinished.forget()
                raise
            unfinished.forget()

    async def _make(
        self, service: str, wishes: SessionWishes, place: "UnfinishedUpload"
    ) -> "Unfinished":
        """Make a session at the service."""
        from ocft.crypto import make_p, make_salt, make_share_code, password_verifier, share_keys
        from ocft.share import ShareClient, Unfinished

        code = make_share_code()
        keys = await asyncio.to_thread(share_keys, code)
        secret: tuple[bytes, bytes] | None = None
        if wishes.password is not None:
            verifier = await asyncio.to_thread(password_verifier, wishes.password, keys.id)
            secret = make_p(), verifier
        async with ShareClient(service, keys.id) as client:
            grant = await client.create(
                expires_in=wishes.expires_in, max_downloads=wishes.max_downloads, password=secret
            )
        made = Unfinished(
            code,
            grant.sender_key,
            make_salt(),
            grant.expires_at,
            p=secret[0] if secret else b"",
            password_check=_check(secret[1]) if secret else "",
        )
        self._keep(place, made)
        return made

    def _keep(self, place: "UnfinishedUpload", unfinished: "Unfinished") -> None:
        try:
            place.keep(unfinished)
        except StorageError as error:  # it can be shared nevertheless
            self._dialect.say(f"{error} If this is interrupted, it has to begin anew.")

    async def _can_go_on(self, service: str, kept: "Unfinished", wishes: SessionWishes) -> bool:
        """Say whether a session is still there, and has the same password."""
        from ocft.crypto import password_verifier, share_keys
        from ocft.share import ShareClient

        keys = await asyncio.to_thread(share_keys, kept.code)
        if wishes.password is not None:
            verifier = await asyncio.to_thread(password_verifier, wishes.password, keys.id)
            if _check(verifier) != kept.password_check:
                await self._give_up(service, kept)
                return False
        async with ShareClient(service, keys.id) as client:
            try:
                await client.look()
            except NoSessionError:
                return False
        return True

    async def _upload(self, place: "ShareLink", kept: "Unfinished") -> None:
        """Put what is missing there."""
        from ocft.crypto import share_keys
        from ocft.share import ShareClient, Upload

        keys = await asyncio.to_thread(share_keys, place.code)
        began = time.monotonic()
        async with ShareClient(place.base, keys.id) as client:
            upload = Upload(
                client,
                keys,
                self._files,
                p=kept.p,
                salt=kept.salt,
                tell=self._tell,
                wait=lambda wait: self._dialect.waiting(_TRANSFER, wait.reason, wait.seconds),
            )
            before = await upload.run(kept.sender_key or place.sender_key or "")
        self._tell_stored(place, kept, before, time.monotonic() - began)

    def _tell(self, done: int, size: int) -> None:
        self._dialect.progress(_TRANSFER, self._label, done, size)

    def _tell_stored(
        self, place: "ShareLink", kept: "Unfinished", before: int, seconds: float
    ) -> None:
        self._dialect.end(_TRANSFER)
        duration = round(seconds * 1000)
        if kept.code:  # whose session it is has its link
            self._dialect.event(
                "relay_complete",
                session_code=place.code,
                share_url=str(place),
                expires_at=kept.expires_at,
                duration_ms=duration,
            )
        self._dialect.event(
            "transfer_complete",
            session_code=place.code,
            bytes=self._size,
            duration_ms=duration,
            speed=round((self._size - before) / seconds) if seconds > 0 else 0,
        )
        self._dialect.say(f"{printable(self._label)} ({format_size(self._size)}) is there, sealed.")

    async def _give_up(self, service: str, kept: "Unfinished") -> None:
        """Remove a session, if that is possible; else it ends by itself."""
        from ocft.crypto import share_keys
        from ocft.share import ShareClient

        with suppress(OcftError, TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                keys = await asyncio.to_thread(share_keys, kept.code)
                async with ShareClient(service, keys.id) as client:
                    await client.delete(kept.sender_key)


def _with_hint(error: ServerUnreachableError | RateLimitedError) -> OcftError:
    if isinstance(error, RateLimitedError):
        return RateLimitedError(f"{error} {GO_ON}", retry_after=error.retry_after)
    return ServerUnreachableError(f"{error} {GO_ON}")


def _check(verifier: bytes) -> str:
    from hashlib import sha256

    return sha256(verifier).hexdigest()
