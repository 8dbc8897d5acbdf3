"""Whom a bot may address, and how the platform refuses (behaviours 1 and 12)."""

from tests.emulators.telegram.answers import ApiError, bad_request, forbidden
from tests.emulators.telegram.things import Bot, Room
from tests.emulators.telegram.world import World

_UNKNOWN = "chat not found"  # for strangers, unknown names, and groups that the bot never was in


def find_room(world: World, bot: Bot, chat_id: str) -> Room:
    """The room that a bot means by a `chat_id`.

    Raises:
        ApiError: It may not look there.
    """
    if chat_id.startswith("@"):
        return _by_name(world, bot, chat_id[1:].lower())
    try:
        number = int(chat_id)
    except ValueError:
        raise bad_request(_UNKNOWN) from None
    return _group(world, bot, number) if number < 0 else _private(world, bot, number)


def check_may_write(bot: Bot, room: Room, what: str) -> None:
    """Check that a bot may post in a room.

    Args:
        bot: Who.
        room: Where.
        what: "text messages" or "documents", for the refusal.

    Raises:
        ApiError: It may not.
    """
    if room.members[bot.id].status == "restricted":
        raise bad_request(f"not enough rights to send {what} to the chat")
    if room.kind != "private":
        return
    other = room.other(bot)
    if isinstance(other, Bot):
        if not (bot.bot_to_bot and other.bot_to_bot):
            raise bad_request("USER_BOT_TO_BOT_DISABLED")
    elif room.members[other.id].status == "kicked":
        raise forbidden("bot was blocked by the user")


def _by_name(world: World, bot: Bot, name: str) -> Room:
    """Only bots are found by name; people never are."""
    peer = next((b for b in world.bots if b.username and b.username.lower() == name), None)
    if peer is None or peer is bot:
        raise bad_request(_UNKNOWN)
    bot.known.add(peer.id)
    return world.private(bot, peer)


def _group(world: World, bot: Bot, number: int) -> Room:
    room = next((room for room in world.rooms if room.id == number), None)
    member = room.members.get(bot.id) if room else None
    if room is None or member is None:
        raise bad_request(_UNKNOWN)
    if room.moved_to:
        raise ApiError(
            400,
            "Bad Request: group chat was upgraded to a supergroup chat",
            parameters={"migrate_to_chat_id": room.moved_to.id},
        )
    called = "group chat" if room.kind == "group" else "supergroup chat"
    if member.status == "kicked":
        raise forbidden(f"bot was kicked from the {called}")
    if not member.present:
        raise forbidden(f"bot is not a member of the {called}")
    return room


def _private(world: World, bot: Bot, number: int) -> Room:
    """A bot by its number is found once known; a person once they opened the chat."""
    user = world.account(number)
    if user is None or user is bot:
        raise bad_request(_UNKNOWN)
    if isinstance(user, Bot):
        if user.id not in bot.known:
            raise bad_request(_UNKNOWN)
        return world.private(bot, user)
    room = world.find_private(bot, user)
    if room:
        return room
    if any({bot.id, number} <= room.members.keys() for room in world.rooms):
        raise forbidden("bot can't initiate conversation with a user")
    raise bad_request(_UNKNOWN)
