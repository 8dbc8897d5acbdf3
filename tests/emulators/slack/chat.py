"""Methods `auth.*`, `apps.*` and `chat.*`."""

from collections.abc import Callable
from typing import Any

from tests.emulators.slack.calls import Call, Method, SlackError
from tests.emulators.slack.limits import Limits
from tests.emulators.slack.text import block_texts, pieces, stored
from tests.emulators.slack.world import App, Channel, Message, World


def channel_of(world: World, call: Call, name: str, *, member: bool) -> Channel:
    """The channel that an argument names (behaviour 11).

    Private channels do not exist for an app that is not in them.
    """
    wanted = call.arguments.needed(name)
    app = call.app
    channel = world.channels.get(wanted)
    if channel is None:
        named = [one for one in world.channels.values() if one.name == wanted.removeprefix("#")]
        channel = named[0] if named and named[0].name else None
    if channel is None and world.member(wanted) is not None:
        channel = direct_of(world, app, wanted)
    if channel is None or (channel.kind != "channel" and app.user_id not in channel.members):
        raise SlackError("channel_not_found")
    if member and app.user_id not in channel.members:
        raise SlackError("not_in_channel")
    return channel


def direct_of(world: World, app: App, user_id: str) -> Channel:
    """The conversation with a human; bots cannot write to bots (behaviour 11)."""
    other = world.member(user_id)
    if other is None:
        raise SlackError("user_not_found")
    if isinstance(other, App):
        raise SlackError("cannot_dm_bot")
    return world.direct(app.user_id, user_id)


class Chat:
    """Posts, updates and deletes.

    Args:
        url: The address of the workspace; read late, since the port is not known before the start.
        new_socket: Makes a WebSocket URL for an app.
    """

    def __init__(
        self,
        world: World,
        limits: Limits,
        url: Callable[[], str],
        new_socket: Callable[[App], str],
    ) -> None:
        self._world = world
        self._limits = limits
        self._url = url
        self._new_socket = new_socket

    def methods(self) -> dict[str, Method]:
        """By name."""
        limits = self._limits
        return {
            "api.test": Method(lambda call: {}, None),
            "auth.test": Method(self._auth, None),
            "apps.connections.open": Method(
                lambda call: {"url": self._new_socket(call.app)}, limits.tier1, of_app=True
            ),
            "chat.postMessage": Method(self._post, None, "chat:write"),
            "chat.update": Method(self._update, limits.tier3, "chat:write"),
            "chat.delete": Method(self._delete, limits.tier3, "chat:write"),
        }

    def _auth(self, call: Call) -> dict[str, Any]:
        return {
            "url": self._url() + "/",
            "team": "Stand-in",
            "team_id": self._world.team_id,
            "user": call.app.name,
            "user_id": call.app.user_id,
            "bot_id": call.app.bot_id,
            "is_enterprise_install": False,
        }

    def _post(self, call: Call) -> dict[str, Any]:
        channel = channel_of(self._world, call, "channel", member=True)
        text, more = self._content(call)
        warnings = {}
        if len(text) > self._limits.text_cut:
            text = text[: self._limits.text_cut]
            warnings = {"response_metadata": {"warnings": ["message_truncated"]}}
        if thread_ts := call.arguments.text("thread_ts"):
            parent = channel.messages.get(thread_ts)
            # A reply is no parent; Slack's answer to one is not known.
            if parent is None or parent.get("thread_ts", thread_ts) != thread_ts:
                raise SlackError("thread_not_found")
            parent["thread_ts"] = more["thread_ts"] = thread_ts
            if call.arguments.flag("reply_broadcast"):
                more["subtype"] = "thread_broadcast"
        metadata = call.arguments.json("metadata")
        limits = self._limits
        posted: list[Message] = []
        for piece in pieces(text, longest=limits.text_split, piece=limits.text_piece):
            if metadata and not posted:
                posted.append(self._world.post(channel, call.app, piece, metadata=metadata, **more))
            else:
                posted.append(self._world.post(channel, call.app, piece, **more))
        if call.arguments.flag("unfurl_links", default=True):
            for message in posted:
                self._unfurl(channel, message)
        # Which ts is told for a split post is not known; nobody may rely on the first.
        first = posted[0]
        return {"channel": channel.id, "ts": first["ts"], "message": first} | warnings

    def _content(self, call: Call) -> tuple[str, dict[str, Any]]:
        """The stored text, and the blocks if any; blocks rebuild the text (behaviour 2)."""
        text = call.arguments.text("text")
        blocks = call.arguments.json("blocks")
        markdown = call.arguments.text("markdown_text")
        if markdown and (text or blocks):
            raise SlackError("markdown_text_conflict")
        if not (text or blocks or markdown):
            raise SlackError("no_text")
        more: dict[str, Any] = {}
        if blocks:
            more["blocks"] = blocks
            text = " ".join(block_texts(blocks)).replace("\n", " ")
            if len(text) > self._limits.blocks_text:
                raise SlackError("msg_blocks_too_long")
        links = call.arguments.text("parse") != "none"
        return stored(text or markdown, links=links), more

    def _unfurl(self, channel: Channel, message: Message) -> None:
        """A preview of a link comes as a later `message_changed`."""
        if "<http" in message["text"]:
            previous = dict(message)
            message["attachments"] = [{"id": 1, "title": "Preview"}]
            self._world.tell_changed(channel, message, previous)

    def _own(self, call: Call, error: str) -> tuple[Channel, Message]:
        channel = channel_of(self._world, call, "channel", member=True)
        message = channel.messages.get(call.arguments.needed("ts"))
        if message is None:
            raise SlackError("message_not_found")
        if message["user"] != call.app.user_id:
            raise SlackError(error)
        return channel, message

    def _update(self, call: Call) -> dict[str, Any]:
        channel, message = self._own(call, "cant_update_message")
        if len(call.arguments.text("text")) > self._limits.update_text:
            raise SlackError("msg_too_long")
        text, _ = self._content(call)
        self._world.edit(channel, message, text)
        return {"channel": channel.id, "ts": message["ts"], "text": text, "message": message}

    def _delete(self, call: Call) -> dict[str, Any]:
        channel, message = self._own(call, "cant_delete_message")
        self._world.delete(channel, message)
        return {"channel": channel.id, "ts": message["ts"]}
