"""Accounts, rooms and messages, and how a bot sees them (behaviours 1 and 11)."""

import secrets
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from tests.emulators.telegram.files import StoredFile
from tests.emulators.telegram.pacing import Pacing
from tests.emulators.telegram.text import entities
from tests.emulators.telegram.updates import UpdateQueue

_ADMIN_RIGHTS = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_pin_messages",
)
MEMBER_RIGHTS = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_react_to_messages",
    "can_edit_tag",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)


def new_token(bot_id: int) -> str:
    """A token as BotFather gives them."""
    return f"{bot_id}:{secrets.token_urlsafe(27)[:35]}"


@dataclass(eq=False)
class Person:
    """A human account.

    Attributes:
        id: Numeric id.
        name: First name.
        username: Without the @.
    """

    id: int
    name: str
    username: str | None = None
    is_bot = False

    def view(self) -> dict[str, Any]:
        """The `User` of the Bot API."""
        view = {"id": self.id, "is_bot": self.is_bot, "first_name": self.name}
        return view | {"username": self.username} if self.username else view


@dataclass(eq=False)
class Bot(Person):
    """A bot account; its switches are BotFather's, and may be turned at any time.

    Attributes:
        token: Opens the Bot API.
        bot_to_bot: Bot-to-Bot Communication Mode.
        privacy: Group Privacy; a room notices a change only when the bot joins it again.
        updates: What waits for it.
        pacing: How fast it may write.
        known: Ids of bots that it may address by number.
        file_ids: The files that it has seen, by the `file_id` that is its own.
        links: What getFile gave out: file and end of validity by `file_path`.
    """

    token: str = field(default="", repr=False)
    bot_to_bot: bool = False
    privacy: bool = True
    updates: UpdateQueue = field(kw_only=True, repr=False)
    pacing: Pacing = field(kw_only=True, repr=False)
    known: set[int] = field(default_factory=set, repr=False)
    file_ids: dict[str, StoredFile] = field(default_factory=dict, repr=False)
    links: dict[str, tuple[StoredFile, float]] = field(default_factory=dict, repr=False)
    is_bot = True

    def me(self) -> dict[str, Any]:
        """What getMe answers."""
        return self.view() | {
            "can_join_groups": True,
            "can_read_all_group_messages": not self.privacy,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
        }

    def file_id(self, file: StoredFile) -> str:
        """This bot's own id of a file (behaviour 4)."""
        if self.id not in file.ids:
            file.ids[self.id] = f"BQAC{secrets.token_urlsafe(48)}"
            self.file_ids[file.ids[self.id]] = file
        return file.ids[self.id]

    def link(self, file: StoredFile, expires: float) -> str:
        """A path for downloading, which does not tell the file's name (behaviour 3)."""
        suffix = PurePosixPath(file.name).suffix
        path = f"documents/file_{len(self.links)}{suffix}"
        self.links[path] = (file, expires)
        return path


@dataclass
class Member:
    """Somebody's place in a room.

    Attributes:
        status: `member`, `administrator`, `restricted` (may not write), `left` or `kicked`.
        sees_all: Group Privacy was off when this bot joined.
    """

    status: str = "member"
    sees_all: bool = False

    @property
    def present(self) -> bool:
        """In the room."""
        return self.status not in ("left", "kicked")

    def view(self, user: Person) -> dict[str, Any]:
        """The `ChatMember` of the Bot API."""
        view: dict[str, Any] = {"status": self.status, "user": user.view()}
        if self.status == "administrator":
            view |= {"can_be_edited": False, "is_anonymous": False}
            view |= dict.fromkeys(_ADMIN_RIGHTS, True)
        elif self.status == "restricted":
            view |= {"is_member": True, "until_date": 0} | dict.fromkeys(MEMBER_RIGHTS, False)
        elif self.status == "kicked":
            view["until_date"] = 0
        return view


@dataclass(eq=False)
class Room:
    """A chat.

    Attributes:
        id: Chat id of a group; 0 for a private chat, which each side knows by the other's id.
        kind: `private`, `group` or `supergroup`.
        title: Name of a group.
        forum: Whether it has topics.
        members: Who is or was in it, by user id.
        users: The accounts of `members`.
        messages: Everything posted, deleted ones too.
        topics: Ids of its topics.
        moved_to: The supergroup that this group became.
        last_bot: The bot that wrote last.
    """

    id: int
    kind: str
    title: str = ""
    forum: bool = False
    members: dict[int, Member] = field(default_factory=dict)
    users: dict[int, Person] = field(default_factory=dict)
    messages: list["Message"] = field(default_factory=list, repr=False)
    topics: dict[int, str] = field(default_factory=dict)
    moved_to: "Room | None" = None
    last_bot: Bot | None = None

    @property
    def bots(self) -> list[Bot]:
        """The bots that are in it."""
        return [
            user
            for user in self.users.values()
            if isinstance(user, Bot) and self.members[user.id].present
        ]

    def other(self, user: Person) -> Person:
        """The other side of a private chat."""
        return next(other for other in self.users.values() if other is not user)

    def id_for(self, user: Person) -> int:
        """The chat id by which this account knows it."""
        return self.id or self.other(user).id

    def view(self, user: Person) -> dict[str, Any]:
        """The `Chat` of the Bot API, as this account sees it."""
        if self.kind == "private":
            other = self.other(user).view()
            del other["is_bot"]
            return other | {"type": "private"}
        view: dict[str, Any] = {"id": self.id, "type": self.kind, "title": self.title}
        return view | {"is_forum": True} if self.forum else view

    def find(self, user: Person, message_id: int) -> "Message | None":
        """A message by the id that this account knows."""
        for message in reversed(self.messages):
            if message.ids.get(user.id) == message_id and not message.deleted:
                return message
        return None


@dataclass(eq=False)
class Message:
    """A message.

    Attributes:
        room: Where it is.
        author: Who posted it.
        date: Seconds since 1970.
        ids: `message_id` by account. The same for all in a supergroup only: in private chats and
            basic groups each account counts its own.
        text: Its text, or the caption of its file.
        file: What is attached.
        reply_to: What it answers.
        topic: Its topic in a forum.
        service: Fields of a service message (somebody joined, ...).
        edited: When it was edited last.
        deleted: Whether it is gone.
    """

    room: Room
    author: Person
    date: int
    ids: dict[int, int]
    text: str = ""
    file: StoredFile | None = None
    reply_to: "Message | None" = None
    topic: int | None = None
    service: dict[str, Any] = field(default_factory=dict)
    edited: int | None = None
    deleted: bool = False

    def view(self, bot: Bot, *, whole: bool = True) -> dict[str, Any]:
        """The `Message` of the Bot API, as this bot sees it.

        Args:
            bot: Who looks.
            whole: With the message that it answers; which comes without its own.
        """
        view: dict[str, Any] = {
            "message_id": self.ids[bot.id],
            "from": self.author.view(),
            "chat": self.room.view(bot),
            "date": self.date,
            **self.service,
        }
        key, entity_key = ("caption", "caption_entities") if self.file else ("text", "entities")
        if self.text:
            view[key] = self.text
            if found := entities(self.text):
                view[entity_key] = found
        if self.file:
            view |= self.file.view(bot.file_id(self.file))
        if self.edited:
            view["edit_date"] = self.edited
        if self.topic:
            view |= {"message_thread_id": self.topic, "is_topic_message": True}
        if whole and self.reply_to and bot.id in self.reply_to.ids:
            view["reply_to_message"] = self.reply_to.view(bot, whole=False)
        return view
