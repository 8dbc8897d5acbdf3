"""The calls about accounts, servers, channels and threads; behaviour 1."""

from typing import Any, Final

from tests.emulators.discord import payloads
from tests.emulators.discord.messages import seen_room
from tests.emulators.discord.rest import ApiError, Call
from tests.emulators.discord.things import Account, Guild, Permission
from tests.emulators.discord.world import World

_THREAD_NAME: Final = 100
_PUBLIC_THREAD: Final = 11


class Directory:
    """Handlers for everything but messages.

    Args:
        world: Has the accounts, servers and rooms.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def me(self, call: Call) -> Any:
        """GET /users/@me."""
        return payloads.user(call.me) | {"verified": True, "mfa_enabled": False, "locale": "en-US"}

    async def my_guilds(self, call: Call) -> Any:
        """GET /users/@me/guilds."""
        mine = [g for g in self._world.guilds.values() if call.me.id in g.members]
        return [{"id": str(g.id), "name": g.name, "owner": False} for g in mine]

    async def application(self, call: Call) -> Any:
        """GET /oauth2/applications/@me."""
        return payloads.application(call.me)

    async def user(self, call: Call) -> Any:
        """GET /users/USER."""
        return payloads.user(self._account(call.request.match_info["user"]))

    async def direct(self, call: Call) -> Any:
        """POST /users/@me/channels: not to bots, not to people of other servers."""
        fields = await call.request.json()
        other = self._account(str(fields.get("recipient_id")))
        if other.is_bot:
            raise ApiError(400, 50007, "Cannot send messages to this user")
        guilds = self._world.guilds.values()
        if not any(call.me.id in g.members and other.id in g.members for g in guilds):
            text = "Cannot send messages to this user due to having no mutual guilds"
            raise ApiError(403, 50278, text)
        return payloads.room(self._world.direct(call.me, other), call.me)

    async def guild(self, call: Call) -> Any:
        """GET /guilds/GUILD."""
        return payloads.guild(self._guild(call), call.me, [])

    async def guild_channels(self, call: Call) -> Any:
        """GET /guilds/GUILD/channels."""
        return [payloads.room(room, call.me) for room in self._guild(call).rooms.values()]

    async def guild_member(self, call: Call) -> Any:
        """GET /guilds/GUILD/members/USER."""
        found = self._guild(call).members.get(int(call.request.match_info["user"]))
        if found is None:
            raise ApiError(404, 10007, "Unknown Member")
        return payloads.member(found)

    async def channel(self, call: Call) -> Any:
        """GET /channels/CHANNEL."""
        return payloads.room(seen_room(self._world, call), call.me)

    async def edit_channel(self, call: Call) -> Any:
        """PATCH /channels/CHANNEL: archive an own thread, or open it again."""
        room, fields = seen_room(self._world, call), await call.request.json()
        if room.owner is not call.me:
            raise ApiError(403, 50013, "Missing Permissions")
        if "archived" in fields:
            self._world.archive(room, archived=bool(fields["archived"]))
        return payloads.room(room, call.me)

    async def typing(self, call: Call) -> None:
        """POST /channels/CHANNEL/typing."""
        seen_room(self._world, call)

    async def start_thread(self, call: Call) -> Any:
        """POST …/threads, of a channel or of one of its messages: public ones only."""
        world, room, fields = self._world, seen_room(self._world, call), await call.request.json()
        if room.parent is not None or room.guild is None:
            raise ApiError(400, 50024, "Cannot execute action on this channel type")
        if not room.may(call.me, Permission.CREATE_PUBLIC_THREADS):
            raise ApiError(403, 50013, "Missing Permissions")
        message = int(call.request.match_info.get("message", "0"))
        if message and message not in room.messages:
            raise ApiError(404, 10008, "Unknown Message")
        if message in world.rooms:
            raise ApiError(400, 160004, "A thread has already been created for this message")
        if not message and fields.get("type") != _PUBLIC_THREAD:
            raise ApiError(403, 50013, "Missing Permissions")  # private threads are another right
        name = fields.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= _THREAD_NAME:
            text = "Must be between 1 and 100 in length."
            raise ApiError.form("name", "BASE_TYPE_BAD_LENGTH", text)
        threads = (r for r in world.rooms.values() if r.parent and r.guild is room.guild)
        if sum(not thread.archived for thread in threads) >= world.limits.active_threads:
            text = "Maximum number of active threads reached"
            raise ApiError(400, 160006, text)
        # A message's thread has the message's id.
        thread = world.add_thread(room, name, call.me, id_=message or None)
        return payloads.room(thread, call.me)

    def _account(self, id_: str) -> Account:
        account = self._world.accounts.get(int(id_)) if id_.isdigit() else None
        if account is None:
            raise ApiError(404, 10013, "Unknown User")
        return account

    def _guild(self, call: Call) -> Guild:
        guild = self._world.guilds.get(int(call.request.match_info["guild"]))
        if guild is None or call.me.id not in guild.members:
            raise ApiError(404, 10004, "Unknown Guild")
        return guild
