"""Which bot is given which message (behaviour 1)."""

from tests.emulators.telegram.text import commands
from tests.emulators.telegram.things import Bot, Message, Person


def addressee(message: Message) -> Person | None:
    """Whom a message in a group is for: the author of what it answers, else whom it commands.

    Replies come first, whatever commands the text contains. A command in a caption is not
    documented to count, so it does not count here.
    """
    if message.reply_to and message.reply_to.author.is_bot:
        return message.reply_to.author
    if message.file:
        return None
    named = next((name for name in commands(message.text) if name), None)
    if named is None:
        return None
    return next(
        (bot for bot in message.room.bots if bot.username and bot.username.lower() == named), None
    )


def why_deaf(message: Message, bot: Bot) -> str | None:
    """Why a bot in the room is not given a message.

    Returns:
        The reason in words, or None if the bot gets it.
    """
    room, author = message.room, message.author
    if room.kind == "private" or message.service:
        return None
    member = room.members[bot.id]
    sees_all = member.sees_all or member.status == "administrator"
    addressed = addressee(message) is bot
    if not isinstance(author, Bot):
        # "General commands if the bot was the last bot to send a message to the group"
        general = not message.file and None in commands(message.text) and room.last_bot is bot
        return None if addressed or sees_all or general else "group privacy is on"
    if addressed:
        return None if author.bot_to_bot or bot.bot_to_bot else "bot-to-bot mode is off for both"
    if not bot.bot_to_bot:
        return "bot-to-bot mode of the receiver is off"
    return None if sees_all else "group privacy is on"
