"""What the world is made of."""

from dataclasses import dataclass, field
from enum import IntFlag
from pathlib import Path
from typing import Any, Final

EPOCH_MS: Final = 1_420_070_400_000
"""Snowflakes count milliseconds from 2015."""


class Permission(IntFlag):
    """The rights in a room that matter to a bot that moves files."""

    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    CREATE_PUBLIC_THREADS = 1 << 35
    SEND_MESSAGES_IN_THREADS = 1 << 38


MEMBER: Final = ~Permission.MANAGE_MESSAGES
"""What a new member of a room may do: everything but delete what others wrote."""


@dataclass(eq=False, slots=True)
class Account:
    """A bot, a person or a webhook.

    Attributes:
        token: A bot's; changes when it is reset.
        message_content: The portal's switch for that intent; behaviours 2 and 4.
    """

    id: int
    name: str
    is_bot: bool
    token: str = field(default="", repr=False)
    message_content: bool = True


@dataclass(eq=False, slots=True)
class Guild:
    """A server in Discord's sense."""

    id: int
    name: str
    owner: Account
    tier: int = 0
    members: dict[int, Account] = field(default_factory=dict)
    rooms: dict[int, "Room"] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Room:
    """A text channel, a thread (`parent`), or direct messages of two `people` (no `guild`)."""

    id: int
    name: str
    guild: Guild | None
    parent: "Room | None" = None
    owner: Account | None = None
    people: tuple[Account, ...] = ()
    archived: bool = False
    rights: dict[int, Permission] = field(default_factory=dict)
    messages: dict[int, "Message"] = field(default_factory=dict)
    posted: int = 0

    def may(self, account: Account, right: Permission) -> bool:
        """Whether an account has a right here. A thread has its parent's."""
        place = self.parent or self
        return right in place.rights.get(account.id, Permission(0))


@dataclass(eq=False, slots=True)
class Attachment:
    """A stored file. `path` is where its bytes are."""

    id: int
    room_id: int
    name: str
    title: str | None
    size: int
    path: Path
    description: str | None = None


@dataclass(eq=False, slots=True)
class Message:
    """A stored message. `mentions` are the ids of those whom it pings."""

    id: int
    room: Room
    author: Account
    content: str
    mentions: list[int] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    embeds: list[dict[str, Any]] = field(default_factory=list)
    nonce: str | int | None = None
    flags: int = 0
    reference: "Message | None" = None
    edited: float | None = None
    webhook: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A change, by the name that the gateway has for it."""

    name: str
    guild: Guild | None
    room: Room | None = None
    message: Message | None = None
    only: Account | None = None
