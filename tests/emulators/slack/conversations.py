"""Methods `conversations.*` and `users.*` (behaviour 6)."""

import base64
import binascii
import re
from typing import Any

from tests.emulators.slack.calls import Arguments, Call, Method, SlackError, need
from tests.emulators.slack.chat import channel_of, direct_of
from tests.emulators.slack.limits import Limits
from tests.emulators.slack.world import App, Channel, Message, World

_TS = re.compile(r"(\d{1,12})(?:\.(\d{1,6}))?")


def _micros(ts: str, error: str) -> int:
    """A time stamp as a number."""
    found = _TS.fullmatch(ts)
    if found is None:
        raise SlackError(error)
    return int(found[1]) * 1_000_000 + int((found[2] or "0").ljust(6, "0"))


class Conversations:
    """Reads and membership."""

    def __init__(self, world: World, limits: Limits) -> None:
        self._world = world
        self._limits = limits

    def methods(self) -> dict[str, Method]:
        """By name."""
        limits = self._limits
        return {
            "conversations.history": Method(self._history, limits.history_calls),
            "conversations.replies": Method(self._replies, limits.history_calls),
            "conversations.info": Method(self._info, limits.tier3),
            "conversations.list": Method(self._list, limits.tier2),
            "conversations.members": Method(self._members, limits.tier4),
            "conversations.join": Method(self._join, limits.tier3, "channels:join"),
            "conversations.open": Method(self._open, limits.tier3, "im:write"),
            "users.conversations": Method(self._own, limits.tier3),
            "users.info": Method(self._user, limits.tier4, "users:read"),
            "bots.info": Method(self._bot, limits.tier3, "users:read"),
        }

    def _history(self, call: Call) -> dict[str, Any]:
        channel = self._readable(call)
        messages = [
            message
            for message in reversed(channel.messages.values())
            if message.get("thread_ts", message["ts"]) == message["ts"]
            or message.get("subtype") == "thread_broadcast"
        ]
        # The time range is exclusive, and so are pages: a cursor is the last ts of the page before.
        messages = _within(messages, call.arguments)
        if before := _cursor(call.arguments):
            messages = [message for message in messages if _micros(message["ts"], "") < int(before)]
        return self._page(channel, messages, call)

    def _replies(self, call: Call) -> dict[str, Any]:
        channel = self._readable(call)
        ts = call.arguments.needed("ts")
        parent = channel.messages.get(ts)
        if parent is None:
            raise SlackError("thread_not_found")
        replies = [
            message
            for message in channel.messages.values()
            if message.get("thread_ts") == ts and message is not parent
        ]
        messages = _within(replies, call.arguments)
        if after := _cursor(call.arguments):
            messages = [message for message in messages if _micros(message["ts"], "") > int(after)]
        else:
            messages = [parent, *messages]  # the parent comes whatever the range
        return self._page(channel, messages, call)

    def _readable(self, call: Call) -> Channel:
        channel = channel_of(self._world, call, "channel", member=True)
        need(call.app, f"{channel.scope}:history")
        return channel

    def _page(self, channel: Channel, messages: list[Message], call: Call) -> dict[str, Any]:
        most = self._limits.history_page
        limit = call.arguments.number("limit", min(100, most))
        if not 1 <= limit <= max(most, 1000):
            raise SlackError("invalid_limit")
        page = messages[: min(limit, most)]
        replies: dict[str, list[str]] = {}
        for message in channel.messages.values():
            if message.get("thread_ts", message["ts"]) != message["ts"]:
                replies.setdefault(message["thread_ts"], []).append(message["ts"])
        answer: dict[str, Any] = {
            "messages": [_view(message, replies, call) for message in page],
            "has_more": len(page) < len(messages),
        }
        if answer["has_more"]:
            last = f"ts:{_micros(page[-1]['ts'], '')}"
            cursor = base64.b64encode(last.encode()).decode()
            answer["response_metadata"] = {"next_cursor": cursor}
        return answer

    def _channel(self, channel: Channel, app: App) -> dict[str, Any]:
        view: dict[str, Any] = {
            "id": channel.id,
            "name": channel.name,
            "is_channel": channel.kind == "channel",
            "is_group": channel.kind == "group",
            "is_im": channel.kind == "im",
            "is_private": channel.kind != "channel",
            "is_archived": False,
            "is_ext_shared": False,
            "is_member": app.user_id in channel.members,
            "num_members": len(channel.members),
        }
        if channel.kind == "im":
            view["user"] = next(iter(channel.members - {app.user_id}), app.user_id)
        return view

    def _info(self, call: Call) -> dict[str, Any]:
        channel = channel_of(self._world, call, "channel", member=False)
        if channel.kind != "im":
            need(call.app, f"{channel.scope}:read")
        return {"channel": self._channel(channel, call.app)}

    def _visible(self, app: App) -> list[dict[str, Any]]:
        return [
            self._channel(channel, app)
            for channel in self._world.channels.values()
            if f"{channel.scope}:read" in app.scopes
            and (channel.kind == "channel" or app.user_id in channel.members)
        ]

    def _list(self, call: Call) -> dict[str, Any]:
        types = (call.arguments.text("types") or "public_channel").split(",")
        words = {"public_channel": "is_channel", "private_channel": "is_group", "im": "is_im"}
        wanted = [words[name] for name in types if name in words]
        channels = [view for view in self._visible(call.app) if any(view[word] for word in wanted)]
        return {"channels": channels, "response_metadata": {"next_cursor": ""}}

    def _own(self, call: Call) -> dict[str, Any]:
        listed = self._list(call)
        channels = [view for view in listed["channels"] if view["is_member"]]
        return listed | {"channels": channels}

    def _members(self, call: Call) -> dict[str, Any]:
        channel = channel_of(self._world, call, "channel", member=False)
        need(call.app, f"{channel.scope}:read")
        return {"members": sorted(channel.members), "response_metadata": {"next_cursor": ""}}

    def _join(self, call: Call) -> dict[str, Any]:
        channel = channel_of(self._world, call, "channel", member=False)
        if channel.kind != "channel":
            raise SlackError("method_not_supported_for_channel_type")
        channel.members.add(call.app.user_id)
        return {"channel": self._channel(channel, call.app)}

    def _open(self, call: Call) -> dict[str, Any]:
        return {
            "channel": {"id": direct_of(self._world, call.app, call.arguments.needed("users")).id}
        }

    def _user(self, call: Call) -> dict[str, Any]:
        user = self._world.member(call.arguments.needed("user"))
        if user is None:
            raise SlackError("user_not_found")
        view: dict[str, Any] = {"id": user.user_id, "name": user.name}
        view |= {"is_bot": isinstance(user, App), "deleted": False, "profile": {}}
        if isinstance(user, App):
            view["profile"] = {"api_app_id": user.app_id, "bot_id": user.bot_id}
        return {"user": view | {"team_id": self._world.team_id}}

    def _bot(self, call: Call) -> dict[str, Any]:
        bot_id = call.arguments.needed("bot")
        for app in self._world.apps:
            if app.bot_id == bot_id:
                names = {"id": bot_id, "app_id": app.app_id, "name": app.name}
                return {"bot": names | {"user_id": app.user_id, "deleted": False}}
        raise SlackError("bot_not_found")


def _view(message: Message, replies: dict[str, list[str]], call: Call) -> Message:
    """A message as it is read back: metadata stripped unless asked for, replies counted."""
    view = dict(message)
    if "metadata" in view and not call.arguments.flag("include_all_metadata"):
        view["metadata"] = {"event_type": view["metadata"].get("event_type")}
    if stamps := replies.get(message["ts"]):
        view |= {"reply_count": len(stamps), "latest_reply": stamps[-1]}
    return view


def _within(messages: list[Message], arguments: Arguments) -> list[Message]:
    """The messages between `oldest` and `latest`, these themselves only if `inclusive`."""
    inclusive = arguments.flag("inclusive")
    if oldest := arguments.text("oldest"):
        bound = _micros(oldest, "invalid_ts_oldest") - inclusive
        messages = [message for message in messages if _micros(message["ts"], "") > bound]
    if latest := arguments.text("latest"):
        bound = _micros(latest, "invalid_ts_latest") + inclusive
        messages = [message for message in messages if _micros(message["ts"], "") < bound]
    return messages


def _cursor(arguments: Arguments) -> str:
    """The time stamp in a cursor, in microseconds; "" without one."""
    cursor = arguments.text("cursor")
    if not cursor:
        return ""
    try:
        word, _, micros = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise SlackError("invalid_cursor") from None
    if word != "ts" or not micros.isdecimal():
        raise SlackError("invalid_cursor")
    return micros
