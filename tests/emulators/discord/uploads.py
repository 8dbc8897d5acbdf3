"""The bodies of messages: JSON, or a form whose files go to disk piece by piece; behaviour 8."""

import json
import warnings
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from tests.emulators.discord.things import Attachment, Room
from tests.emulators.discord.world import World

_PIECE = 64 * 1024
_INDEX_AT = len("files[")


@dataclass(slots=True)
class Body:
    """What a request carried.

    Attributes:
        fields: The JSON part.
        files: Those that were stored; they belong to nobody until the message is posted.
        too_large: A file, or all of them, were above the limit.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    files: list[Attachment] = field(default_factory=list)
    too_large: bool = False

    def discard(self) -> None:
        """Delete the files again."""
        for file in self.files:
            file.path.unlink(missing_ok=True)
        self.files.clear()


async def read_body(request: web.Request, world: World, room: Room) -> Body:
    """Read a request to its end; files that are too large are read and thrown away.

    Raises:
        ValueError: It is neither JSON nor a form with it.
    """
    # aiohttp's own reader calls it when a piece comes in small pieces.
    warnings.filterwarnings("ignore", r"unread_data\(\) is deprecated", DeprecationWarning)
    body = Body()
    if request.content_type != "multipart/form-data":
        if request.can_read_body:
            body.fields = _fields(await request.text())
        return body
    limit = world.attachment_limit(room)
    total = max(limit, world.limits.request_bytes)
    try:
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            if part.name == "payload_json":
                body.fields = _fields(await part.text())
            else:
                file = world.new_file(room, part.filename or "")
                body.files.append(file)
                await _store(part, file, limit)
                body.too_large = body.too_large or file.size > limit
                _describe(file, part.name or "", body.fields)
        body.too_large = body.too_large or sum(f.size for f in body.files) > total
    except BaseException:
        body.discard()
        raise
    return body


async def _store(part: BodyPartReader, file: Attachment, limit: int) -> None:
    with file.path.open("wb") as data:
        while piece := await part.read_chunk(_PIECE):
            file.size += len(piece)
            if file.size <= limit:
                data.write(piece)


def _describe(file: Attachment, name: str, fields: dict[str, Any]) -> None:
    index = name[_INDEX_AT:-1]
    for described in fields.get("attachments", ()):
        if str(described.get("id")) == index:
            file.description = described.get("description")


def _fields(text: str) -> dict[str, Any]:
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError("not an object")  # noqa: TRY004 - a client's mistake, not a caller's
    return fields
