"""The workspace: who is there, who is where, what was said."""

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["channel", "group", "im"]
Message = dict[str, Any]  # as Slack's JSON has it

# What a bot owner is told to switch on for OCFT, and direct messages.
SCOPES = frozenset(
    {
        "chat:write",
        "channels:history",
        "channels:read",
        "channels:join",
        "groups:history",
        "groups:read",
        "im:history",
        "im:write",
        "files:read",
        "files:write",
        "users:read",
    }
)
EVENTS = frozenset({"message.channels", "message.groups", "message.im", "file_shared"})


@dataclass(slots=True, eq=False)
class App:
    """An app with its bot user.

    Attributes:
        scopes: Of the bot token; change them at any time.
        events: Subscribed events; change them at any time.
        active: False answers `account_inactive`.
    """

    name: str
    app_id: str
    user_id: str
    bot_id: str
    bot_token: str = field(repr=False)
    app_token: str = field(repr=False)
    scopes: set[str]
    events: set[str]
    active: bool = True


@dataclass(slots=True, eq=False)
class Person:
    """A human."""

    name: str
    user_id: str


@dataclass(slots=True, eq=False)
class Channel:
    """A public or private channel, or a direct conversation."""

    id: str
    name: str
    kind: Kind
    members: set[str]  # user ids
    messages: dict[str, Message] = field(default_factory=dict)  # by ts, in order

    @property
    def scope(self) -> str:
        """The name of the kind in scopes and events: "channels", "groups" or "im"."""
        return {"channel": "channels", "group": "groups", "im": "im"}[self.kind]


@dataclass(slots=True, eq=False)
class File:
    """A file, from the request for its upload address on."""

    id: str
    owner: str  # user id
    name: str
    size: int  # as announced
    path: Path
    title: str = ""
    uploaded: bool = False
    completed: bool = False
    deleted: bool = False
    shares: dict[str, list[str]] = field(default_factory=dict)  # ts by channel id


class World:
    """The state that all methods work on.

    Args:
        folder: For the bytes of files.
    """

    team_id = "T0000000A1"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.apps: list[App] = []
        self.people: list[Person] = []
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, File] = {}
        self.on_event: Callable[[dict[str, Any], Channel], None] = lambda event, channel: None
        self._numbers = itertools.count(0xA1)
        self._last_ts = 0

    def new_id(self, prefix: str) -> str:
        """An unused id."""
        return f"{prefix}{next(self._numbers):09X}"

    def new_ts(self) -> str:
        """A time stamp that no message has yet."""
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def add_app(self, name: str, scopes: Iterable[str], events: Iterable[str]) -> App:
        """Install an app."""
        app_id = self.new_id("A")
        app = App(
            name=name,
            app_id=app_id,
            user_id=self.new_id("U"),
            bot_id=self.new_id("B"),
            bot_token=f"xoxb-{app_id}-{name}",
            app_token=f"xapp-1-{app_id}-{name}",
            scopes=set(scopes),
            events=set(events),
        )
        self.apps.append(app)
        return app

    def add_person(self, name: str) -> Person:
        """Invite a human to the workspace."""
        person = Person(name, self.new_id("U"))
        self.people.append(person)
        return person

    def add_channel(self, name: str, kind: Kind, members: Iterable[str]) -> Channel:
        """Open a channel; `members` are user ids."""
        channel_id = self.new_id("D" if kind == "im" else "C")
        channel = Channel(channel_id, name, kind, set(members))
        self.channels[channel.id] = channel
        return channel

    def direct(self, one: str, other: str) -> Channel:
        """The direct conversation of two users, opened when needed."""
        for channel in self.channels.values():
            if channel.kind == "im" and channel.members == {one, other}:
                return channel
        return self.add_channel("", "im", {one, other})

    def member(self, user_id: str) -> App | Person | None:
        """The app or human behind a user id."""
        everyone: list[App | Person] = [*self.apps, *self.people]
        return next((one for one in everyone if one.user_id == user_id), None)

    def signed(self, author: App | Person) -> Message:
        """The fields of a message that tell its author.

        Today's apps have `bot_id` and no subtype (behaviour 3).
        """
        fields: Message = {"type": "message", "user": author.user_id, "team": self.team_id}
        if isinstance(author, App):
            profile = {
                "id": author.bot_id,
                "app_id": author.app_id,
                "name": author.name,
                "deleted": False,
                "team_id": self.team_id,
            }
            fields |= {"bot_id": author.bot_id, "app_id": author.app_id, "bot_profile": profile}
        return fields

    def post(self, channel: Channel, author: App | Person, text: str, **more: Any) -> Message:
        """Store a message and tell the apps.

        Args:
            channel: Where.
            author: Who.
            text: As stored.
            more: Further fields: `thread_ts`, `subtype`, `files`, `metadata`, ...
        """
        message = self.signed(author) | {"text": text, "ts": self.new_ts()} | more
        parent = channel.messages.get(message.get("thread_ts", ""))
        if parent is not None:
            message["parent_user_id"] = parent["user"]
        if message.get("subtype") == "thread_broadcast":
            message.pop("bot_profile", None)  # often missing there (measured)
        channel.messages[message["ts"]] = message
        self._tell(channel, message)
        return message

    def edit(self, channel: Channel, message: Message, text: str) -> None:
        """Change a text; apps get `message_changed` (behaviour 3)."""
        previous = dict(message)
        message |= {"text": text, "edited": {"user": message["user"], "ts": self.new_ts()}}
        self.tell_changed(channel, message, previous)

    def delete(self, channel: Channel, message: Message) -> None:
        """Remove a message; apps get `message_deleted` (behaviour 3)."""
        channel.messages.pop(message["ts"], None)
        self.tell_deleted(channel, message)

    def tell_changed(self, channel: Channel, message: Message, previous: Message) -> None:
        """Send `message_changed`, as unfurling does too."""
        copies = {"message": dict(message), "previous_message": previous}
        self._tell(channel, {"type": "message", "subtype": "message_changed", **copies})

    def tell_deleted(self, channel: Channel, message: Message) -> None:
        """Send `message_deleted`."""
        fields = {"deleted_ts": message["ts"], "previous_message": dict(message)}
        self._tell(channel, {"type": "message", "subtype": "message_deleted", **fields})

    def _tell(self, channel: Channel, message: Message) -> None:
        event = dict(message) | {"channel": channel.id, "channel_type": channel.kind}
        if "ts" not in event:
            event |= {"hidden": True, "ts": self.new_ts()}
        event["event_ts"] = event["ts"]
        self.on_event(event, channel)
