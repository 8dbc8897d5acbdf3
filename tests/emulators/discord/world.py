"""Who is there and what was said: accounts, servers ("guilds"), rooms, messages, files.

It knows no sockets. What a change means for those who are connected is told as an `Event`.
"""

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.emulators.discord.limits import TIER_BYTES, Limits
from tests.emulators.discord.text import clean, file_name, mentioned
from tests.emulators.discord.things import (
    EPOCH_MS,
    MEMBER,
    Account,
    Attachment,
    Event,
    Guild,
    Message,
    Permission,
    Room,
)


class World:
    """The state of the platform, and the methods with which a test changes it.

    Args:
        limits: The platform's numbers.
        speed: What lengths of time are divided by.

    Attributes:
        attachment_bytes: Set it to change the size limit of files at once, for all rooms, as when
            a server's boosts lapse in the middle of a transfer; None: `limits` and tiers decide.
        home: The server in which rooms are made unless another one is named.
    """

    def __init__(self, *, limits: Limits | None = None, speed: float = 1.0) -> None:
        self.limits = limits or Limits()
        self.speed = speed
        self.attachment_bytes: int | None = None
        self.accounts: dict[int, Account] = {}
        self.guilds: dict[int, Guild] = {}
        self.rooms: dict[int, Room] = {}
        self.files: dict[int, Attachment] = {}
        self.listeners: list[Callable[[Event], None]] = []
        self._last_id = 0
        self._folder: Path | None = None
        self.home = self.add_guild("Stand-in")

    # ---- accounts, servers, rooms

    def add_bot(self, name: str, *, message_content: bool = True) -> Account:
        """Make a bot, with a token."""
        account = self._account(name, is_bot=True)
        account.message_content = message_content
        self.reset_token(account)
        return account

    def add_person(self, name: str) -> Account:
        """Make a human."""
        return self._account(name, is_bot=False)

    def reset_token(self, account: Account) -> str:
        """Give a bot another token; the old one is worth nothing from now on."""
        account.token = f"{account.id}.{secrets.token_urlsafe(24)}"
        return account.token

    def add_guild(self, name: str, *, tier: int = 0) -> Guild:
        """Make a server with a boost tier."""
        guild = Guild(self.new_id(), name, self.add_person(f"owner of {name}"), tier)
        self.guilds[guild.id] = guild
        return guild

    def add_room(self, name: str, *members: Account, guild: Guild | None = None) -> Room:
        """Make a text channel, and let accounts in."""
        guild = guild or self.home
        room = Room(self.new_id(), name, guild)
        guild.rooms[room.id] = self.rooms[room.id] = room
        self._tell(Event("CHANNEL_CREATE", guild, room))
        for account in members:
            self.join(account, room)
        return room

    def add_thread(self, room: Room, name: str, owner: Account, *, id_: int | None = None) -> Room:
        """Start a public thread."""
        thread = Room(id_ or self.new_id(), name, room.guild, room, owner)
        self.rooms[thread.id] = thread
        self._tell(Event("THREAD_CREATE", room.guild, thread))
        return thread

    def join(self, account: Account, room: Room) -> None:
        """Let an account into a room (and its server), with the rights of a member."""
        if room.guild is not None and account.id not in room.guild.members:
            room.guild.members[account.id] = account
            room.rights[account.id] = MEMBER
            self._tell(Event("GUILD_CREATE", room.guild, only=account))
        else:
            self.allow(account, room, MEMBER)

    def leave(self, account: Account, guild: Guild | None = None) -> None:
        """Take an account out of a server."""
        guild = guild or self.home
        del guild.members[account.id]
        for room in guild.rooms.values():
            room.rights.pop(account.id, None)
        self._tell(Event("GUILD_DELETE", guild, only=account))

    def allow(self, account: Account, room: Room, rights: Permission) -> None:
        """Give rights in a room."""
        room.rights[account.id] = room.rights.get(account.id, Permission(0)) | rights
        self._tell(Event("CHANNEL_UPDATE", room.guild, room))

    def deny(self, account: Account, room: Room, rights: Permission) -> None:
        """Take rights in a room away."""
        room.rights[account.id] = room.rights.get(account.id, Permission(0)) & ~rights
        self._tell(Event("CHANNEL_UPDATE", room.guild, room))

    def direct(self, one: Account, other: Account) -> Room:
        """The direct messages of two accounts."""
        for room in self.rooms.values():
            if one in room.people and other in room.people:
                return room
        rights = {one.id: MEMBER, other.id: MEMBER}
        room = Room(self.new_id(), "", None, people=(one, other), rights=rights)
        self.rooms[room.id] = room
        return room

    def archive(self, thread: Room, *, archived: bool = True) -> None:
        """Archive a thread, or open it again."""
        thread.archived = archived
        self._tell(Event("THREAD_UPDATE", thread.guild, thread))

    # ---- messages

    def say(
        self,
        author: Account,
        room: Room,
        text: str = "",
        *,
        file: bytes | Path | None = None,
        name: str = "file.bin",
        reply_to: Message | None = None,
    ) -> Message:
        """Post as a human (or as a bot, past its rights and rate limits).

        Args:
            author: Who speaks.
            room: Where.
            text: What; trimmed and cleaned as everybody's.
            file: An attachment's bytes, or the file that is copied.
            name: The attachment's name, sanitised.
            reply_to: The message that this one answers, and whose author it pings.
        """
        files = [] if file is None else [self._keep(file, room, name)]
        return self.post(
            author, room, text, files=files, reference=reply_to, ping=reply_to is not None
        )

    def webhook_says(self, room: Room, text: str, *, name: str = "a webhook") -> Message:
        """Post as a webhook: the author's id is the webhook's; behaviour 12."""
        author = Account(self.new_id(), name, is_bot=True)
        return self.post(author, room, text, webhook=True)

    def post(
        self,
        author: Account,
        room: Room,
        content: str,
        *,
        allowed_mentions: Mapping[str, Any] | None = None,
        files: list[Attachment] | None = None,
        reference: Message | None = None,
        ping: bool = False,
        **fields: Any,
    ) -> Message:
        """Store a message and tell everybody."""
        if room.archived:
            self.archive(room, archived=False)
        content = clean(content)
        mentions = mentioned(content, allowed_mentions)
        if reference is not None and ping and reference.author.id not in mentions:
            mentions.append(reference.author.id)
        message = Message(self.new_id(), room, author, content, mentions, **fields)
        message.attachments, message.reference = files or [], reference
        self.files.update({file.id: file for file in message.attachments})
        room.messages[message.id] = message
        room.posted += 1
        self._tell(Event("MESSAGE_CREATE", room.guild, room, message))
        return message

    def edit(self, message: Message, text: str) -> None:
        """Change a message's text; behaviour 12."""
        message.content = clean(text)
        message.edited = time.time()
        self._tell(Event("MESSAGE_UPDATE", message.room.guild, message.room, message))

    def delete(self, message: Message) -> None:
        """Delete a message and its files; behaviours 9 and 12."""
        del message.room.messages[message.id]
        for file in message.attachments:
            del self.files[file.id]
            file.path.unlink(missing_ok=True)
        self._tell(Event("MESSAGE_DELETE", message.room.guild, message.room, message))

    def redeliver(self, message: Message) -> None:
        """Send the event of a message that everybody has seen a second time."""
        self._tell(Event("MESSAGE_CREATE", message.room.guild, message.room, message))

    def replace_file(self, attachment: Attachment, data: bytes) -> None:
        """Let a download give other bytes than were uploaded. The stored `size` stays."""
        attachment.path.write_bytes(data)

    def history(self, room: Room) -> list[Message]:
        """What a room holds, oldest first."""
        return list(room.messages.values())

    @property
    def people_messages(self) -> list[Message]:
        """What people (no bots, no webhooks) said, oldest first."""
        said = (m for room in self.rooms.values() for m in room.messages.values())
        return sorted((m for m in said if not m.author.is_bot), key=lambda m: m.id)

    # ---- what the server's parts need

    def new_id(self) -> int:
        """A snowflake above all that were given before; behaviour 11."""
        now = (int(time.time() * 1000) - EPOCH_MS) << 22
        self._last_id = max(self._last_id + 1, now)
        return self._last_id

    def attachment_limit(self, room: Room) -> int:
        """Bytes that one file in a room may have; behaviour 8."""
        if self.attachment_bytes is not None:
            return self.attachment_bytes
        return max(self.limits.attachment_bytes, TIER_BYTES[room.guild.tier if room.guild else 0])

    def bot_of(self, token: str) -> Account | None:
        """The bot whose token this is."""
        return next((a for a in self.accounts.values() if a.token and a.token == token), None)

    def sees(self, account: Account, room: Room) -> bool:
        """Whether an account can view a room."""
        return room.may(account, Permission.VIEW_CHANNEL)

    def new_file(self, room: Room, name: str) -> Attachment:
        """An attachment whose bytes the caller writes to its `path`."""
        stored, title = file_name(name)
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="discord-stand-in-"))
        id_ = self.new_id()
        return Attachment(id_, room.id, stored, title, 0, self._folder / str(id_))

    def remove_files(self) -> None:
        """Delete the folder of the attachments."""
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def _keep(self, file: bytes | Path, room: Room, name: str) -> Attachment:
        attachment = self.new_file(room, name)
        if isinstance(file, bytes):
            attachment.path.write_bytes(file)
        else:
            shutil.copyfile(file, attachment.path)
        attachment.size = attachment.path.stat().st_size
        return attachment

    def _account(self, name: str, *, is_bot: bool) -> Account:
        account = Account(self.new_id(), name, is_bot)
        self.accounts[account.id] = account
        return account

    def _tell(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)
