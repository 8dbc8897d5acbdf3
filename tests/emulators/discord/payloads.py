"""The JSON forms of what the world holds: only the fields that clients use."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.emulators.discord.things import (
    EPOCH_MS,
    Account,
    Attachment,
    Guild,
    Message,
    Permission,
    Room,
)

Json = dict[str, Any]

_ALL = ~Permission(0)
_CONTENT_LIMITED = 1 << 19
"""Application flag: MESSAGE_CONTENT is switched on in the portal, without a review."""


def error(code: int, message: str, errors: Json | None = None) -> Json:
    """An error's body."""
    return {"message": message, "code": code} | ({"errors": errors} if errors else {})


def user(account: Account) -> Json:
    """A user."""
    return {
        "id": str(account.id),
        "username": account.name,
        "discriminator": "0000" if account.is_bot else "0",
        "global_name": None,
        "avatar": None,
        "bot": account.is_bot,
    }


def application(account: Account) -> Json:
    """A bot's application. Its `flags` tell whether MESSAGE_CONTENT is switched on."""
    return {
        "id": str(account.id),
        "name": account.name,
        "description": "",
        "icon": None,
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "",
        "flags": _CONTENT_LIMITED if account.message_content else 0,
        "owner": user(account),
    }


def member(account: Account, *, with_user: bool = True) -> Json:
    """A member of a server. Rights are given per room, so there are no roles."""
    fields: Json = {"nick": None, "roles": [], "joined_at": _at(account.id), "flags": 0}
    fields |= {"deaf": False, "mute": False}
    return fields | ({"user": user(account)} if with_user else {})


def room(place: Room, viewer: Account) -> Json:
    """A channel: text (type 0), direct messages (1) or public thread (11)."""
    last = next(reversed(place.messages), None)
    fields: Json = {"id": str(place.id), "last_message_id": str(last) if last else None}
    if place.guild is None:
        others = [user(person) for person in place.people if person is not viewer]
        return fields | {"type": 1, "recipients": others}
    fields |= {"guild_id": str(place.guild.id), "name": place.name, "rate_limit_per_user": 0}
    if place.parent is not None and place.owner is not None:
        return fields | {
            "type": 11,
            "parent_id": str(place.parent.id),
            "owner_id": str(place.owner.id),
            "message_count": len(place.messages),
            "total_message_sent": place.posted,
            "member_count": 1,
            "thread_metadata": {
                "archived": place.archived,
                "auto_archive_duration": 1440,
                "archive_timestamp": _at(place.id),
                "locked": False,
                "create_timestamp": _at(place.id),
            },
        }
    overwrites = [
        {"id": str(id_), "type": 1, "allow": str(int(rights)), "deny": str(int(_ALL & ~rights))}
        for id_, rights in place.rights.items()
    ]
    return fields | {
        "type": 0,
        "position": 0,
        "nsfw": False,
        "topic": None,
        "parent_id": None,
        "permission_overwrites": overwrites,
    }


def guild(place: Guild, viewer: Account, threads: list[Room]) -> Json:
    """A server, with its channels and one member: the viewer."""
    everyone = {"id": str(place.id), "name": "@everyone", "permissions": "0", "position": 0}
    everyone |= {"color": 0, "hoist": False, "managed": False, "mentionable": False}
    return {
        "id": str(place.id),
        "name": place.name,
        "owner_id": str(place.owner.id),
        "premium_tier": place.tier,
        "joined_at": _at(viewer.id),
        "large": False,
        "unavailable": False,
        "member_count": len(place.members),
        "roles": [everyone],
        "emojis": [],
        "features": [],
        "channels": [room(r, viewer) for r in place.rooms.values()],
        "threads": [room(t, viewer) for t in threads],
        "members": [member(viewer)],
    }


def message(
    said: Message,
    people: dict[int, Account],
    url: Callable[[Attachment], str],
    *,
    full: bool,
) -> Json:
    """A message. Without `full`, what the intent MESSAGE_CONTENT protects is empty."""
    fields: Json = {
        "id": str(said.id),
        "channel_id": str(said.room.id),
        "type": 19 if said.reference else 0,
        "author": user(said.author),
        "content": said.content if full else "",
        "timestamp": _at(said.id),
        "edited_timestamp": _time(said.edited) if said.edited else None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [user(people[i]) for i in said.mentions if i in people],
        "mention_roles": [],
        "attachments": [attachment(a, url(a)) for a in said.attachments] if full else [],
        "embeds": said.embeds if full else [],
        "components": [],
        "pinned": False,
        "flags": said.flags,
    }
    if said.webhook:
        fields["webhook_id"] = str(said.author.id)
    if said.reference is not None:
        answered = said.reference
        fields["message_reference"] = {
            "type": 0,
            "message_id": str(answered.id),
            "channel_id": str(answered.room.id),
        }
    return fields


def attachment(file: Attachment, url: str) -> Json:
    """An attachment. Its `proxy_url` leads to the media proxy, which knows only images."""
    fields: Json = {
        "id": str(file.id),
        "filename": file.name,
        "size": file.size,
        "url": url,
        "proxy_url": url.replace("/attachments/", "/media-proxy/", 1),
    }
    if file.title is not None:
        fields["title"] = file.title
    if file.description:
        fields["description"] = file.description
    return fields


def _at(snowflake: int) -> str:
    return _time(((snowflake >> 22) + EPOCH_MS) / 1000)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
