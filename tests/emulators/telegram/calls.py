"""Requests as the Bot API takes them: query, form, multipart and JSON (behaviour 11)."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web

from tests.emulators.telegram.answers import ApiError, bad_request
from tests.emulators.telegram.files import FileStore
from tests.emulators.telegram.limits import Limits
from tests.emulators.telegram.things import Bot

_MAX_FILES = 50
_PIECE = 1 << 18
_NAMES_OF_TRUE = ("true", "yes", "1")


class TooLargeError(Exception):
    """The request is above the size that the front server takes (behaviour 5)."""


@dataclass
class Upload:
    """A file of a request.

    Attributes:
        path: Its bytes on disk.
        name: As the client told it.
        mime_type: The same.
        size: Bytes.
        kept: Whether the world took it; else it goes with the request.
    """

    path: Path
    name: str
    mime_type: str
    size: int
    kept: bool = False


@dataclass
class Call:
    """One call of one bot.

    Attributes:
        bot: Whose token.
        params: Everything as text, as in a form; nested objects as JSON.
        uploads: Files by field name.
    """

    bot: Bot
    params: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def integer(self, name: str, default: int = 0) -> int:
        """A number; nonsense counts as the default, as on the platform."""
        try:
            return int(self.params[name])
        except (KeyError, ValueError):
            return default

    def flag(self, name: str) -> bool:
        """A truth value."""
        return self.params.get(name, "").lower() in _NAMES_OF_TRUE

    def nested(self, name: str) -> Any:
        """An object or list given as JSON; None when it is not there.

        Raises:
            ApiError: It is no JSON.
        """
        if not self.params.get(name):
            return None
        try:
            return json.loads(self.params[name])
        except ValueError:
            raise bad_request(f"can't parse {name} JSON object") from None

    def upload(self, name: str) -> Upload | None:
        """A file, sent under its own name or by `attach://`."""
        reference = self.params.get(name, "")
        if reference.startswith("attach://"):
            return self.uploads.get(reference.removeprefix("attach://"))
        return self.uploads.get(name)

    def close(self) -> None:
        """Remove the files that nobody kept."""
        for upload in self.uploads.values():
            if not upload.kept:
                upload.path.unlink(missing_ok=True)


async def read_call(request: web.Request, bot: Bot, limits: Limits, files: FileStore) -> Call:
    """Read a request; files go to disk piece by piece.

    Raises:
        ApiError: It cannot be understood.
        TooLargeError: It is too large; all of it was read, so that the client sees the answer.
    """
    call = Call(bot, _form(request.rel_url.raw_query_string))
    if (request.content_length or 0) > limits.upload_bytes:
        async for _ in request.content.iter_chunked(_PIECE):
            pass
        raise TooLargeError
    if request.content_type.startswith("multipart/"):
        try:
            await _read_multipart(request, call, limits, files)
        except BaseException:
            call.close()
            raise
        return call
    body = await request.content.read(limits.parameter_bytes + 1)
    while body and len(body) <= limits.parameter_bytes:
        more = await request.content.read(limits.parameter_bytes + 1 - len(body))
        if not more:
            break
        body += more
    if len(body) > limits.parameter_bytes:
        raise ApiError(413, "Request Entity Too Large")
    if request.content_type == "application/json":
        call.params |= _json(body)
    else:
        call.params |= _form(body.decode(errors="surrogateescape"))
    return call


async def _read_multipart(
    request: web.Request, call: Call, limits: Limits, files: FileStore
) -> None:
    room = limits.parameter_bytes
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or not part.name:
            raise bad_request("can't parse the parts of the request")
        if part.filename is None:
            value = await part.read()
            room -= len(value)
            if room < 0:
                raise ApiError(413, "Request Entity Too Large")
            call.params[part.name] = bytes(value).decode(errors="surrogateescape")
            continue
        if len(call.uploads) >= _MAX_FILES:
            raise bad_request("too many files in the request")
        mime_type = part.headers.get("Content-Type", "")
        upload = Upload(files.new_path(), part.filename, mime_type, 0)
        call.uploads[part.name] = upload
        with upload.path.open("wb") as file:
            while piece := await part.read_chunk(_PIECE):
                upload.size += file.write(piece)


def _form(body: str) -> dict[str, str]:
    return dict(parse_qsl(body, keep_blank_values=True, errors="surrogateescape"))


def _json(body: bytes) -> dict[str, str]:
    try:
        fields = json.loads(body)
    except ValueError:
        raise bad_request("can't parse the JSON of the request") from None
    if not isinstance(fields, dict):
        raise bad_request("object expected as the JSON of the request")
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in fields.items()
        if value is not None
    }
