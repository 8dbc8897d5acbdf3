"""`ocft doctor --via telegram`: what the live account can do, and what has to be switched on."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from telegram import Bot, ChatFullInfo, ChatMember, ChatMemberRestricted, User
from telegram.constants import ChatMemberStatus, ChatType
from telegram.error import BadRequest, ChatMigrated, Forbidden

from ocft.channels import Finding
from ocft.errors import ChannelError
from ocft_telegram.calls import TIMES, Calls
from ocft_telegram.connection import Connection
from ocft_telegram.failures import words_of
from ocft_telegram.options import TelegramOptions, read_options

_B2B: Final = (
    "at @BotFather: /mybots, choose the bot, Bot Settings, Bot-to-Bot Communication Mode, turn it "
    "on; the owner of the other bot does the same"
)
_PRIVACY: Final = (
    "to hear all: at @BotFather /setprivacy, choose the bot, Disable; then remove the bot from "
    "the group and add it again, or make it an administrator"
)
_TEST_WORDS: Final = "ocft doctor asks whether this bot may write to you."


async def check_account(section: Mapping[str, object]) -> list[Finding]:
    """Look at the live account. Only a bot that is named in `meet` is sent something.

    Args:
        section: The section `channels.telegram` of the settings.

    Raises:
        ConfigError: A setting is missing, unknown or wrong, or there is no token.
        ChannelError: Telegram cannot be reached.
    """
    options = read_options(section)
    token = options.find_token()
    try:
        connection = await Connection.open(options, token)
    except ChannelError as error:
        if error.retryable:
            raise
        remedy = "at @BotFather: /token shows the bot's token; put it where the settings look"
        return [_bad(str(error), remedy=remedy)]
    try:
        check = _Check(connection.bot, options)
        return [finding async for finding in check.findings()]
    except ChatMigrated as error:
        return [_moved(error)]
    finally:
        await connection.close()


class _Check:
    def __init__(self, bot: Bot, options: TelegramOptions) -> None:
        self._bot = bot
        self._options = options
        self._calls = Calls(bot.token)

    async def findings(self) -> AsyncIterator[Finding]:
        me = self._bot.bot  # fetched a moment ago, when the connection was opened
        yield _good(f"the token is good; the bot is @{me.username}, number {me.id}")
        yield await self._webhook()
        if self._options.chat is None:
            async for finding in self._private():
                yield finding
        else:
            async for finding in self._group(self._options.chat, me):
                yield finding

    async def _webhook(self) -> Finding:
        info = await self._calls.look(self._bot.get_webhook_info(**TIMES))
        if info.url:
            return _bad(
                "a webhook takes this bot's messages, so that they cannot be fetched",
                remedy="end the program that set it, and let it call deleteWebhook; or make "
                "another bot for OCFT",
            )
        waiting = info.pending_update_count
        return _good(f"no webhook is set; {waiting} updates wait")

    async def _private(self) -> AsyncIterator[Finding]:
        yield _good(
            "private chats are used; both bots need Bot-to-Bot Communication Mode, and "
            + (
                "whether it is on is tried with the bots in channels.telegram.meet"
                if self._options.meet
                else "only a bot that is named in channels.telegram.meet can be tried"
            ),
            remedy="" if self._options.meet else _B2B,
        )
        for name in self._options.meet:
            yield await self._peer(name)

    async def _peer(self, name: str) -> Finding:
        """Write to a bot, and remove that again: nothing else tells whether it is possible."""
        try:
            sent = await self._bot.send_message(
                name, _TEST_WORDS, parse_mode=None, disable_notification=True, **TIMES
            )
            await self._bot.delete_message(sent.chat.id, sent.message_id, **TIMES)
        except (BadRequest, Forbidden) as error:
            words = words_of(error, self._bot.token)
            if "bot_to_bot" in words.lower():
                words = f"{name} cannot be written to: Bot-to-Bot Communication Mode is off"
                return _bad(words, remedy=_B2B)
            return _bad(
                f"{name} cannot be written to: {words}",
                remedy="compare the name with what its owner sees at @BotFather",
            )
        except Exception as error:  # noqa: BLE001 - a check tells, and goes on
            words = words_of(error, self._bot.token)
            return _bad(f"{name} was not tried: {words}", remedy="try again")
        return _good(f"{name} can be written to; its address is {sent.chat.id}")

    async def _group(self, chat_id: int, me: User) -> AsyncIterator[Finding]:
        try:
            chat = await self._calls.look(self._bot.get_chat(chat_id, **TIMES))
            member = await self._calls.look(self._bot.get_chat_member(chat_id, me.id, **TIMES))
        except ChannelError as error:
            if error.retryable:
                raise
            yield _bad(
                f"the bot is not in the group {chat_id}: {error}",
                remedy=f"in the group: Add members, @{me.username}; or set channels.telegram.chat "
                "to another group's number",
            )
            return
        if chat.type not in (ChatType.GROUP, ChatType.SUPERGROUP):
            yield _bad(
                f"{chat_id} is a {chat.type}, not a group",
                remedy="set channels.telegram.chat to a group's number; for private chats leave it "
                "out",
            )
            return
        yield _good(f"the bot is in the group {chat.title!r}")
        yield _may_write(chat, member)
        yield _hears(me, member)
        if self._options.thread is not None:
            yield await self._topic(chat, self._options.thread)

    async def _topic(self, chat: ChatFullInfo, thread: int) -> Finding:
        try:
            await self._bot.send_chat_action(chat.id, "typing", message_thread_id=thread, **TIMES)
        except BadRequest as error:
            return _bad(
                f"there is no topic {thread} in the group: " + words_of(error, self._bot.token),
                remedy="set channels.telegram.thread to the last number in the link of a topic",
            )
        return _good(f"texts go to the topic {thread}")


def _good(words: str, remedy: str = "") -> Finding:
    return Finding(is_good=True, words=_sentence(words), remedy=_sentence(remedy))


def _bad(words: str, remedy: str) -> Finding:
    return Finding(is_good=False, words=_sentence(words), remedy=_sentence(remedy))


def _sentence(words: str) -> str:
    """Return words of ours or of Telegram as a sentence; none stay none."""
    words = words.rstrip(".")
    return f"{words[0].upper()}{words[1:]}." if words else ""


def _may_write(chat: ChatFullInfo, member: ChatMember) -> Finding:
    if member.status in (ChatMemberStatus.LEFT, ChatMemberStatus.BANNED):
        return _bad(
            "the bot was removed from the group",
            remedy="in the group: Add members, and choose the bot",
        )
    is_admin = member.status == ChatMemberStatus.ADMINISTRATOR
    own = member if isinstance(member, ChatMemberRestricted) else None
    rules = own or chat.permissions
    missing = [
        words
        for words, is_allowed in (
            ("messages", rules is None or rules.can_send_messages is not False),
            ("files", rules is None or rules.can_send_documents is not False),
        )
        if not is_allowed and not is_admin
    ]
    if missing:
        where = "the bot's entry in the list of members" if own else "Permissions"
        return _bad(
            f"the bot may not send {' and '.join(missing)} in the group",
            remedy=f"in the group's settings: {where}, allow sending {' and '.join(missing)}; or "
            "make the bot an administrator",
        )
    return _good("the bot may send messages and files there")


def _hears(me: User, member: ChatMember) -> Finding:
    if member.status == ChatMemberStatus.ADMINISTRATOR or me.can_read_all_group_messages:
        return _good(
            "the bot hears everything that people write there, and other bots if "
            "Bot-to-Bot Communication Mode is on",
            remedy=_B2B,
        )
    return _good(
        "the bot hears what is addressed to it, which is enough for transfers if one of "
        "the two bots has Bot-to-Bot Communication Mode; it does not hear what is meant "
        "for all, nor people's files",
        remedy=_PRIVACY,
    )


def _moved(error: ChatMigrated) -> Finding:
    return _bad(
        f"the group has become a supergroup, with the number {error.new_chat_id}",
        remedy=f"set channels.telegram.chat to {error.new_chat_id}",
    )
