"""What is asked of a server over HTTP about one session; the answers are as hostile as any bytes.

No redirect is followed: a token would go with it. Nothing is read beyond what the protocol allows.
"""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from ocft.crypto import (
    SALT,
    SEALED_RECORD,
    PasswordRun,
    format_octets,
    parse_octets,
    password_verifier,
)
from ocft.errors import (
    ExtraNotInstalledError,
    FileTooLargeError,
    MalformedAnswerError,
    MalformedMessageError,
    NoSessionError,
    NotAuthorisedError,
    OcftError,
    RateLimitedError,
    ServerRefusedError,
    ServerUnreachableError,
    SessionConflictError,
    SourceChangedError,
    UnsealError,
    WrongPasswordError,
)
from ocft.share.links import is_near
from ocft.share.manifest import MAX_MANIFEST
from ocft.share.strict_json import parse_json

if TYPE_CHECKING:
    import httpx

_MAX_ANSWER: Final = 64 * 1024  # bytes of JSON
_MAX_SEALED_MANIFEST: Final = MAX_MANIFEST + 32
_MAC: Final = 32
_SPAKE: Final = 33
_SEALED_P: Final = 48
_MAX_TOKEN: Final = 128  # characters
_MAX_WAIT: Final = 3600.0  # seconds: more is no pause
_USUAL_WAIT: Final = 10.0
_MAX_SAID: Final = 300  # characters of what a server says
_CONNECT: Final = 10.0  # seconds
_SILENCE: Final = 30.0  # seconds without a byte
_STATUSES: Final[dict[int, type[OcftError]]] = {
    401: NotAuthorisedError,
    404: NoSessionError,
    408: ServerUnreachableError,  # this machine slept, or the line stood still
    409: SessionConflictError,
    413: FileTooLargeError,
    421: MalformedAnswerError,
    507: ServerRefusedError,
}
_CODES: Final[dict[str, type[OcftError]]] = {
    "PASSWORD_NEEDED": WrongPasswordError,
    "SOURCE_CHANGED": SourceChangedError,
    "WRONG_PASSWORD": WrongPasswordError,
}
_WORDS: Final = {
    404: "There is no such session: it has expired, is used up, or never was. Ask for a new link.",
    421: "The server is not announced under this address. Its owner can name it: --public-url.",
}


@dataclass(frozen=True, slots=True)
class SessionView:
    """What a server tells everybody who knows a session's id."""

    is_ready: bool
    """Whether files can be fetched."""
    needs_password: bool
    """Whether a password has to be proved first."""
    is_live: bool
    """Whether it ends with its server's process."""
    expires_at: float | None
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The permission to fetch a session's files once."""

    download: str
    """Names the download at the server."""
    token: str = field(repr=False)
    """Shows that it is ours."""
    p: bytes = field(default=b"", repr=False)
    """What the session's key needs beside the code; nothing without a password."""


@dataclass(frozen=True, slots=True)
class SenderGrant:
    """The permission to put a session's files in."""

    sender_key: str = field(repr=False)
    """Shows that it is ours."""
    expires_at: float | None
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a server has of a session's content."""

    offset: int
    """Sealed bytes."""
    salt: bytes | None = None
    """Of the stream that they belong to, where the server says it."""


@dataclass(frozen=True, slots=True)
class Content:
    """An answer with sealed content."""

    salt: bytes
    """Of its stream."""
    chunks: AsyncIterator[bytes]
    """What comes, in pieces of any length."""


class ShareClient:
    """Speaks to one server about one session.

    Args:
        base: The server's address, from a link.
        session_id: The session's.

    Raises:
        ExtraNotInstalledError: The package for HTTP is missing.
    """

    def __init__(self, base: str, session_id: str) -> None:
        httpx = self._httpx = _import_httpx()
        self._api = f"{base}/api/v1/sessions"
        self._session = f"{self._api}/{session_id}"
        self._id = session_id
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(_SILENCE, connect=_CONNECT),
            follow_redirects=False,
            # A proxy for the internet does not know the way to the machine next door.
            trust_env=not is_near(base),
            headers={"Accept-Encoding": "identity", "User-Agent": "ocft"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    # Receivers

    async def look(self) -> SessionView:
        """Ask what state the session is in.

        Raises:
            OcftError: What the server or the network says instead.
        """
        fields = await self._json("GET", self._session, expected=200)
        state, expires_at = fields.get("state"), fields.get("expires_at")
        if not isinstance(state, str) or state not in {"waiting", "ready"}:
            raise _malformed()
        return SessionView(
            is_ready=state == "ready",
            needs_password=fields.get("needs_password") is True,
            is_live=fields.get("live") is True,
            expires_at=_moment(expires_at),
        )

    async def join(self, password: str | None = None) -> Grant:
        """Ask for the permission to fetch the files.

        Args:
            password: The session's, if it has one.

        Raises:
            WrongPasswordError: The server has another one, or there is none here.
            OcftError: What the server or the network says instead.
        """
        if password is None:
            fields = await self._json("POST", f"{self._session}/downloads", body={}, expected=201)
            return _grant(fields, b"")
        import asyncio

        verifier = await asyncio.to_thread(password_verifier, password, self._id)
        run = PasswordRun(verifier, is_receiver=True)
        first = await self._json(
            "POST",
            f"{self._session}/downloads",
            body={"spake": format_octets(run.message)},
            expected=401,
        )
        number = first.get("try")
        if not isinstance(number, str) or len(number) > _MAX_TOKEN:
            raise _malformed()
        try:
            proof = run.finish(_octets(first, "spake", _SPAKE))
        except UnsealError as error:
            raise _malformed() from error
        if not proof.matches(_octets(first, "mac", _MAC)):  # R-SHR-12: ours is not sent then
            raise WrongPasswordError("The password is wrong.")
        fields = await self._json(
            "POST",
            f"{self._session}/downloads",
            body={"try": number, "mac": format_octets(proof.mac)},
            expected=201,
        )
        try:
            return _grant(fields, proof.open_p(_octets(fields, "p", _SEALED_P)))
        except UnsealError as error:
            raise _malformed() from error

    async def manifest(self, grant: Grant) -> bytes:
        """Fetch the sealed manifest.

        Raises:
            OcftError: What the server or the network says instead.
        """
        async with self._ask("GET", f"{self._session}/manifest", key=grant.token) as response:
            if response.status_code != 200:  # noqa: PLR2004 - OK
                raise await self._error(response)
            return await self._body(response, _MAX_SEALED_MANIFEST)

    @asynccontextmanager
    async def content(self, grant: Grant, *, first: int, size: int) -> AsyncIterator[Content]:
        """Fetch the sealed content from a record on.

        Args:
            grant: The permission.
            first: The first record that is wanted.
            size: Sealed bytes of all the content, as the manifest gives them.

        Raises:
            OcftError: What the server or the network says instead, also within the block.
        """
        offset = first * SEALED_RECORD
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._ask(
            "GET", f"{self._session}/content", key=grant.token, headers=headers
        ) as response:
            if response.status_code != (206 if offset else 200):
                raise await self._error(response)
            if offset:
                expected = f"bytes {offset}-{size - 1}/{size}"
                if response.headers.get("Content-Range") != expected:
                    raise _malformed()
            if response.headers.get("Content-Length") != str(size - offset):
                raise _malformed()
            yield Content(_salt(response.headers), self._chunks(response))

    async def say_done(self, grant: Grant, *, code: str | None = None) -> None:
        """Tell the sender how it ended: the receipt.

        Args:
            grant: The permission.
            code: The error's; None: all is right.

        Raises:
            OcftError: What the server or the network says instead.
        """
        body: dict[str, Any] = {"ok": True} if code is None else {"ok": False, "code": code}
        await self._json(
            "POST",
            f"{self._session}/downloads/{grant.download}/done",
            key=grant.token,
            body=body,
            expected=204,
        )

    # Senders

    async def create(
        self, *, expires_in: int, max_downloads: int | None, password: tuple[bytes, bytes] | None
    ) -> SenderGrant:
        """Make the session.

        Args:
            expires_in: Seconds that it lives.
            max_downloads: How often it can be fetched; None: as often as one likes.
            password: P, and the verifier of the password.

        Raises:
            OcftError: What the server or the network says instead.
        """
        proof = password and {
            "p": format_octets(password[0]),
            "verifier": format_octets(password[1]),
        }
        fields = await self._json(
            "POST",
            self._api,
            body={
                "id": self._id,
                "expires_in": expires_in,
                "max_downloads": max_downloads,
                "password": proof or None,
            },
            expected=201,
        )
        sender_key = fields.get("sender_key")
        if not _is_token(sender_key):
            raise _malformed()
        return SenderGrant(str(sender_key), _moment(fields.get("expires_at")))

    async def stored(self, sender_key: str) -> Stored:
        """Ask how much of the content the server has.

        Raises:
            OcftError: What the server or the network says instead.
        """
        async with self._ask("HEAD", f"{self._session}/content", key=sender_key) as response:
            if response.status_code not in {200, 204}:
                raise await self._error(response)
            salt: bytes | None = None
            if "OCFT-Salt" in response.headers:
                salt = _salt(response.headers)
            return Stored(_offset(response.headers), salt)

    async def put_manifest(self, sender_key: str, sealed: bytes) -> None:
        """Put the sealed manifest there.

        Raises:
            OcftError: What the server or the network says instead.
        """
        async with self._ask(
            "PUT", f"{self._session}/manifest", key=sender_key, content=sealed
        ) as response:
            if response.status_code not in {200, 204}:
                raise await self._error(response)

    async def put_content(
        self,
        sender_key: str,
        pieces: AsyncIterator[bytes],
        *,
        offset: int,
        length: int,
        size: int,
        salt: bytes,
    ) -> int:
        """Put sealed content there.

        Args:
            sender_key: The sender's.
            pieces: What is put, in order.
            offset: Where it begins, in sealed bytes.
            length: Sealed bytes of the pieces.
            size: Sealed bytes of all the content.
            salt: Of its stream.

        Returns:
            Sealed bytes that the server has now.

        Raises:
            SessionConflictError: The server has more or less than `offset`; see :meth:`stored`.
            OcftError: What the server or the network says instead.
        """
        headers = {
            "Upload-Offset": str(offset),
            "Upload-Length": str(size),
            "OCFT-Salt": format_octets(salt),
            "Content-Length": str(length),
        }
        async with self._ask(
            "PATCH", f"{self._session}/content", key=sender_key, headers=headers, content=pieces
        ) as response:
            if response.status_code != 204:  # noqa: PLR2004 - No Content
                raise await self._error(response)
            return _offset(response.headers)

    async def complete(self, sender_key: str) -> None:
        """Say that everything is there.

        Raises:
            OcftError: What the server or the network says instead.
        """
        await self._json("POST", f"{self._session}/complete", key=sender_key, body={}, expected=204)

    async def delete(self, sender_key: str) -> None:
        """Remove the session.

        Raises:
            OcftError: What the server or the network says instead.
        """
        await self._json("DELETE", self._session, key=sender_key, expected=204)

    # What all of them do

    async def _json(
        self,
        method: str,
        url: str,
        *,
        expected: int,
        key: str | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode("ascii")
        headers = {} if content is None else {"Content-Type": "application/json"}
        async with self._ask(method, url, key=key, headers=headers, content=content) as response:
            if response.status_code != expected:
                raise await self._error(response)
            if expected == 204:  # noqa: PLR2004 - No Content
                return {}
            return await self._fields(response)

    @asynccontextmanager
    async def _ask(
        self,
        method: str,
        url: str,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        content: Any = None,
    ) -> "AsyncIterator[httpx.Response]":
        """Send a request, and turn what the network does into our errors."""
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        try:
            async with self._http.stream(method, url, headers=sent, content=content) as response:
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise _malformed()
                yield response
        except BrokenPipeError:
            raise  # of where the content goes: those of the network are httpx's own errors
        except self._httpx.UnsupportedProtocol as error:
            raise _malformed() from error
        except (self._httpx.RemoteProtocolError, self._httpx.DecodingError) as error:
            # Also how a connection that is cut in the middle of a body shows.
            raise ServerUnreachableError("The connection to the server broke.") from error
        except self._httpx.TimeoutException as error:
            raise ServerUnreachableError("The server does not answer.") from error
        except (self._httpx.HTTPError, self._httpx.InvalidURL, OSError) as error:
            cause = _cause(error)
            raise ServerUnreachableError(
                _why(cause), is_refused=isinstance(cause, ConnectionRefusedError)
            ) from error

    async def _error(self, response: "httpx.Response") -> OcftError:
        """Return the error that an answer means."""
        status = response.status_code
        fields: dict[str, Any] = {}
        # Where its words are lost the status still says what it is.
        with suppress(MalformedAnswerError, self._httpx.HTTPError):
            fields = await self._fields(response)
        told = fields.get("error")
        code = told.get("code") if isinstance(told, dict) else None
        said = told.get("message") if isinstance(told, dict) else None
        words = said[:_MAX_SAID] if isinstance(said, str) and said else ""
        if status == 429:  # noqa: PLR2004 - Too Many Requests
            return _pause_error(
                response.headers.get("Retry-After"), words, is_ours=code is not None
            )
        if status == 404 and code is None:  # noqa: PLR2004 - Not Found, by somebody else
            return MalformedAnswerError("What answers at this address is no OCFT server.")
        # A server that fails once, or a proxy while the server behind it starts anew.
        other = ServerUnreachableError if status >= 500 else MalformedAnswerError  # noqa: PLR2004
        kind = _CODES.get(str(code)) or _STATUSES.get(status, other)
        return kind(_WORDS.get(status) or words or f"The server answered with status {status}.")

    async def _fields(self, response: "httpx.Response") -> dict[str, Any]:
        body = await self._body(response, _MAX_ANSWER)
        try:
            return parse_json(body)
        except MalformedMessageError as error:
            raise _malformed() from error

    async def _body(self, response: "httpx.Response", most: int) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > most:
                raise _malformed()
        return bytes(body)

    async def _chunks(self, response: "httpx.Response") -> AsyncIterator[bytes]:
        async for chunk in response.aiter_raw():
            yield chunk


def _import_httpx() -> ModuleType:
    """Import httpx without its own command line, which loads twice as much as all the rest.

    Raises:
        ExtraNotInstalledError: It is not there.
    """
    name = "httpx._main"
    is_first = name not in sys.modules
    if is_first:
        sys.modules[name] = None  # type: ignore[assignment]  # it does without, then
    try:
        import httpx
    except ImportError as error:
        raise ExtraNotInstalledError(
            "Sharing by links needs more packages: pip install 'ocft[share]'"
        ) from error
    finally:
        if is_first:
            del sys.modules[name]
    return httpx


def _grant(fields: Mapping[str, Any], p: bytes) -> Grant:
    download, token = fields.get("download"), fields.get("token")
    if not isinstance(download, str) or not _is_plain(download) or not _is_token(token):
        raise _malformed()
    return Grant(download, str(token), p)


def _is_token(value: object) -> bool:
    return isinstance(value, str) and _is_plain(value)


def _is_plain(text: str) -> bool:
    """Say whether a text can stand in a path or a header as it is."""
    return 0 < len(text) <= _MAX_TOKEN and all(
        one.isascii() and (one.isalnum() or one in "-_") for one in text
    )


def _octets(fields: Mapping[str, Any], name: str, size: int) -> bytes:
    value = fields.get(name)
    if not isinstance(value, str):
        raise _malformed()
    try:
        return parse_octets(value, size)
    except UnsealError as error:
        raise _malformed() from error


def _salt(headers: Mapping[str, str]) -> bytes:
    try:
        return parse_octets(headers.get("OCFT-Salt", ""), SALT)
    except UnsealError as error:
        raise _malformed() from error


def _offset(headers: Mapping[str, str]) -> int:
    text = headers.get("Upload-Offset", "")
    if not text.isascii() or not text.isdecimal() or len(text) > 16:  # noqa: PLR2004 - digits
        raise _malformed()
    return int(text)


def _moment(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < 1e12 else None  # type: ignore[operator, arg-type]  # noqa: PLR2004 - far away


def _pause_error(retry_after: str | None, words: str, *, is_ours: bool) -> OcftError:
    """Return what 429 means: a pause, or a password that is locked, which no pause ends."""
    wait = _seconds(retry_after)
    if wait is None and not is_ours:
        wait = _USUAL_WAIT  # a proxy may say it as a date, or not at all
    if wait is None:
        return WrongPasswordError(words or "The password is locked.")
    return RateLimitedError(f"The server asks for a pause of {wait:g} seconds.", retry_after=wait)


def _seconds(text: str | None) -> float | None:
    """Return the pause that an answer asks for, of which there is a longest (case X11)."""
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 16:  # noqa: PLR2004 - digits
        return None
    return min(float(text), _MAX_WAIT)


def _cause(error: BaseException) -> BaseException:
    """Return what the system said, below what libraries made of it."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return error


def _why(cause: BaseException) -> str:
    words = getattr(cause, "strerror", None)
    reason = f": {words}" if isinstance(words, str) and words else ""
    return f"The server cannot be reached{reason}."


def _malformed() -> MalformedAnswerError:
    return MalformedAnswerError(
        "What answers at this address does not speak OCFT's protocol. Check the link."
    )
