"""Reading requests of strangers: bodies, tokens, ranges; nothing is taken that is not expected."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request

from ocft.crypto import SALT, SEALED_RECORD, parse_octets
from ocft.errors import MalformedMessageError, UnsealError
from ocft.share.server.refusals import BadRequest, LengthNeeded, TooLarge, TooSlow, WrongRange
from ocft.share.strict_json import parse_json

M = TypeVar("M", bound=BaseModel)

_MAX_JSON: Final = 16 * 1024
_TOKEN: Final = 43  # characters of 32 bytes in base64url
_RANGE: Final = re.compile(r"bytes=([0-9]{1,18})-")
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_MAX_CODE: Final = 40


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PasswordBody(_Body):
    """What the sender says about a password."""

    p: Annotated[str, Field(max_length=64, repr=False)]
    verifier: Annotated[str, Field(max_length=64, repr=False)]


class MakeBody(_Body):
    """`POST sessions`."""

    id: Annotated[str, Field(max_length=64)]
    expires_in: Annotated[int, Field(ge=1, le=10**9)]
    max_downloads: Annotated[int, Field(ge=1, le=10**9)] | None = None
    password: PasswordBody | None = None


class JoinBody(_Body):
    """`POST downloads`: nothing, the first or the second step of a password."""

    spake: Annotated[str, Field(max_length=64)] | None = None
    try_: Annotated[str | None, Field(alias="try", max_length=64)] = None
    mac: Annotated[str, Field(max_length=64)] | None = None


class DoneBody(_Body):
    """`POST done`: the receiver's receipt."""

    ok: bool
    code: Annotated[str, Field(max_length=_MAX_CODE, pattern=r"^[A-Z0-9_]+$")] | None = None


async def read_json(request: Request, model: type[M], *, idle_seconds: float) -> M:
    """Read a body of JSON.

    A page of somebody else can make a browser send a body without asking first, but not one of
    this type. All of it has to come within the time that others have for each byte: anybody may
    send one, and would keep a connection for days by a byte now and then.

    Raises:
        BadRequest: It is something else.
        TooSlow: It took too long.
        TooLarge: It is longer than any that makes sense.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadRequest("The body has to be application/json.")
    try:
        async with asyncio.timeout(idle_seconds):
            data = await read_body(request, _MAX_JSON, idle_seconds=idle_seconds)
    except TimeoutError as error:
        raise TooSlow("The body took too long.") from error
    try:
        return model.model_validate(parse_json(data))
    except (MalformedMessageError, ValidationError) as error:
        raise BadRequest("The body is not what this request needs.") from error


async def read_body(request: Request, most: int, *, idle_seconds: float) -> bytes:
    """Read a whole body.

    Raises:
        TooLarge: It has more than `most` bytes.
        TooSlow: It stopped coming.
        BadRequest: The connection was cut.
    """
    if (length := body_length(request)) is not None and length > most:
        raise TooLarge("The body is too long.")
    data = bytearray()
    async for piece in body_pieces(request, idle_seconds=idle_seconds):
        if len(data) + len(piece) > most:
            raise TooLarge("The body is too long.")
        data += piece
    return bytes(data)


async def body_pieces(request: Request, *, idle_seconds: float) -> AsyncIterator[bytes]:
    """Yield a body as it comes.

    Raises:
        TooSlow: Nothing came for too long.
        BadRequest: The connection was cut.
    """
    pieces = request.stream()
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                piece = await anext(pieces, None)
        except TimeoutError as error:
            raise TooSlow("The body stopped coming.") from error
        except ClientDisconnect as error:
            raise BadRequest("The connection was cut.") from error
        if piece is None:
            return
        if piece:
            yield piece


def body_length(request: Request) -> int | None:
    """Return how many bytes the body is said to have.

    Raises:
        BadRequest: It is no number.
    """
    text = request.headers.get("content-length")
    return None if text is None else _number(text)


def upload_head(request: Request) -> tuple[int, int, bytes]:
    """Return an upload's offset, the length of all, and the salt.

    Raises:
        BadRequest: One is missing or is none.
        LengthNeeded: The body does not say how long it is.
        TooLarge: The body goes beyond the length.
    """
    headers: Mapping[str, str] = request.headers
    size = body_length(request)
    if size is None:
        raise LengthNeeded("The body has to say how long it is.")
    offset = _number(headers.get("upload-offset", ""))
    length = _number(headers.get("upload-length", ""))
    try:
        salt = parse_octets(headers.get("ocft-salt", ""), SALT)
    except UnsealError as error:
        raise BadRequest("OCFT-Salt is no salt.") from error
    if not length:
        raise BadRequest("Sealed content is never empty.")
    if offset + size > length:
        raise TooLarge("The body goes beyond the length that was declared.")
    return offset, length, salt


def range_start(request: Request, length: int) -> int:
    """Return where an answer is to begin (R-SHR-6).

    Raises:
        WrongRange: It is no place where a record begins.
    """
    text = request.headers.get("range")
    if text is None:
        return 0
    found = _RANGE.fullmatch(text)
    start = int(found[1]) if found else -1
    if (
        not 0 <= start < length
        or start % SEALED_RECORD
        or len(request.headers.getlist("range")) > 1
    ):
        refusal = WrongRange("A range begins where a record begins, and has no end.")
        refusal.headers.append(("Content-Range", f"bytes */{length}"))
        raise refusal
    return start


def bearer(request: Request) -> str | None:
    """Return the token of a request; None where there is none that can be one."""
    values = request.headers.getlist("authorization")
    kind, _, token = (values[0] if len(values) == 1 else "").partition(" ")
    # The length first: nothing is computed about megabytes.
    return token if kind.lower() == "bearer" and len(token) == _TOKEN else None


def octets(text: str, size: int) -> bytes:
    """Return a value of a body in base64url.

    Raises:
        BadRequest: It is none, or not of this size.
    """
    try:
        return parse_octets(text, size)
    except UnsealError as error:
        raise BadRequest("A value of the body is no base64url of its length.") from error


def _number(text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise BadRequest("A header that has to be a number is none.")
    return int(text)
