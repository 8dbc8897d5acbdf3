"""The calls about messages; behaviours 3, 4, 6, 8, 11 and 12."""

import time
from typing import Any

from tests.emulators.discord import payloads
from tests.emulators.discord.cdn import Cdn
from tests.emulators.discord.counters import Counters
from tests.emulators.discord.gateway import may_read
from tests.emulators.discord.rest import ApiError, Call
from tests.emulators.discord.text import clean
from tests.emulators.discord.things import Message, Permission, Room
from tests.emulators.discord.uploads import Body, read_body
from tests.emulators.discord.world import World

_MOST_HISTORY = 100
_MANY_CHARACTERS = 4000


class Messages:
    """Handlers for /channels/CHANNEL/messages.

    Args:
        world: Has the rooms.
        cdn: Makes links for attachments.
        counters: Counts posts that a nonce recognised.
    """

    def __init__(self, world: World, cdn: Cdn, counters: Counters) -> None:
        self._world, self._cdn, self._counters = world, cdn, counters
        self._nonces: dict[tuple[int, int, str], tuple[float, Message]] = {}

    async def create(self, call: Call) -> Any:
        """POST: JSON, or a form with files."""
        room = seen_room(self._world, call)
        right = Permission.SEND_MESSAGES_IN_THREADS if room.parent else Permission.SEND_MESSAGES
        _need(call, room, right)
        try:
            body = await read_body(call.request, self._world, room)
        except ValueError:
            message = "The request body contains invalid JSON."
            raise ApiError(400, 50109, message) from None
        try:
            message_ = self._post(call, room, body)
        except ApiError:
            body.discard()
            raise
        nonce = {} if message_.nonce is None else {"nonce": message_.nonce}
        return self._json(call, message_) | nonce

    async def history(self, call: Call) -> Any:
        """GET: newest first, also the page that follows an `after`."""
        room = seen_room(self._world, call)
        query = call.request.query
        try:
            limit = int(query.get("limit", "50"))
            after, before = int(query.get("after", "0")), int(query.get("before", "0"))
        except ValueError:
            raise ApiError.form("after", "NUMBER_TYPE_COERCE", "Not a snowflake.") from None
        if not 1 <= limit <= _MOST_HISTORY:
            text = "int value should be between 1 and 100."
            raise ApiError.form("limit", "NUMBER_TYPE_MAX", text)
        if not room.may(call.me, Permission.READ_MESSAGE_HISTORY):
            return []
        found = [
            m for m in room.messages.values() if m.id > after and (m.id < before or not before)
        ]
        page = found[:limit] if after else found[-limit:]
        return [self._json(call, message) for message in reversed(page)]

    async def get(self, call: Call) -> Any:
        """GET one: with fresh links."""
        return self._json(call, self._named(call))

    async def edit(self, call: Call) -> Any:
        """PATCH: the text of an own message."""
        message = self._named(call)
        if message.author is not call.me:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        fields = await call.request.json()
        if isinstance(fields.get("content"), str):
            self._world.edit(message, self._content(fields))
        return self._json(call, message)

    async def delete(self, call: Call) -> None:
        """DELETE: an own message, or with MANAGE_MESSAGES everybody's."""
        message = self._named(call)
        if message.author is not call.me:
            _need(call, message.room, Permission.MANAGE_MESSAGES)
        self._world.delete(message)

    def _post(self, call: Call, room: Room, body: Body) -> Message:
        world, fields = self._world, body.fields
        if body.too_large:
            raise ApiError(413, 40005, "Request entity too large")
        if len(body.files) > world.limits.files:
            text = f"Must be {world.limits.files} or fewer in length."
            raise ApiError.form("attachments", "BASE_TYPE_MAX_LENGTH", text)
        content = self._content(fields)
        nonce = self._nonce(fields)
        enforced = nonce is not None and fields.get("enforce_nonce") is True
        if enforced and (earlier := self._earlier(call, room, str(nonce))):
            body.discard()
            return earlier
        # What becomes of empty files is not known: the stand-in refuses them, so that nobody
        # relies on them.
        if any(not file.size for file in body.files):
            raise ApiError(400, 50006, "Cannot send an empty message")
        if not (clean(content) or body.files or fields.get("embeds")):
            raise ApiError(400, 50006, "Cannot send an empty message")
        if body.files:
            _need(call, room, Permission.ATTACH_FILES)
        allowed = fields.get("allowed_mentions")
        message = world.post(
            call.me,
            room,
            content,
            allowed_mentions=allowed,
            files=body.files,
            reference=self._reference(room, fields),
            ping=True if allowed is None else bool(allowed.get("replied_user")),
            embeds=fields.get("embeds") or [],
            nonce=nonce,
            flags=fields.get("flags") or 0,
        )
        if enforced:
            until = time.monotonic() + world.limits.nonce_seconds / world.speed
            self._nonces[call.me.id, room.id, str(nonce)] = (until, message)
        return message

    def _content(self, fields: dict[str, Any]) -> str:
        content = fields.get("content") or ""
        if not isinstance(content, str):
            raise ApiError.form("content", "STRING_TYPE_CONVERT", "Could not interpret as string.")
        limit = self._world.limits.text
        if len(content) > limit:
            # Discord names 4000 to those who are above it, though bots may not write so much.
            told = limit if len(content) <= _MANY_CHARACTERS else _MANY_CHARACTERS
            text = f"Must be {told} or fewer in length."
            raise ApiError.form("content", "BASE_TYPE_MAX_LENGTH", text)
        return content

    def _nonce(self, fields: dict[str, Any]) -> str | int | None:
        nonce: str | int | None = fields.get("nonce")
        limit = self._world.limits.nonce
        if nonce is not None and len(str(nonce)) > limit:
            text = f"Must be {limit} or fewer in length."
            raise ApiError.form("nonce", "BASE_TYPE_MAX_LENGTH", text)
        return nonce

    def _earlier(self, call: Call, room: Room, nonce: str) -> Message | None:
        until, message = self._nonces.get((call.me.id, room.id, nonce), (0.0, None))
        if message is None or until < time.monotonic():
            return None
        if message.id not in room.messages:
            raise ApiError(404, 10008, "Unknown Message")
        self._counters.deduplicated += 1
        return message

    def _reference(self, room: Room, fields: dict[str, Any]) -> Message | None:
        named = fields.get("message_reference")
        if not named:
            return None
        found = room.messages.get(int(named["message_id"]))
        if found is None and named.get("fail_if_not_exists", True):
            text = "Unknown message"
            raise ApiError.form("message_reference", "REPLIES_UNKNOWN_MESSAGE", text)
        return found

    def _named(self, call: Call) -> Message:
        room = seen_room(self._world, call)
        message = room.messages.get(int(call.request.match_info["message"]))
        if message is None:
            raise ApiError(404, 10008, "Unknown Message")
        if message.author is not call.me:
            _need(call, room, Permission.READ_MESSAGE_HISTORY)
        return message

    def _json(self, call: Call, message: Message) -> payloads.Json:
        full = may_read(call.me, message, switched_on=call.me.message_content)
        return payloads.message(message, self._world.accounts, self._cdn.link, full=full)


def seen_room(world: World, call: Call) -> Room:
    """The room of a call, if the bot can see it.

    Raises:
        ApiError: There is none, or it cannot.
    """
    if not world.sees(call.me, call.room):
        raise ApiError(403, 50001, "Missing Access")
    return call.room


def _need(call: Call, room: Room, right: Permission) -> None:
    if not room.may(call.me, right):
        raise ApiError(403, 50013, "Missing Permissions")
