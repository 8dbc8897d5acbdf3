"""Where a channel's texts go, and which messages are for it: private chats, or one group."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from telegram import Bot, Message
from telegram.constants import ChatType
from telegram.error import BadRequest, ChatMigrated, TelegramError

from ocft.channels import Marks
from ocft.errors import ChannelError
from ocft_telegram.calls import TIMES, Calls
from ocft_telegram.failures import words_of
from ocft_telegram.text import is_username, prefix_for

EVERYONE: Final = "*"
_MOST_KNOWN: Final = 1000  # bots of a group that are remembered
_MOST_ANSWERED: Final = 4  # messages of each of them that a file can be an answer to

_Value = TypeVar("_Value")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Aim:
    """What a post needs to reach somebody."""

    chat: int | str
    """A chat's id, or a bot's @name."""
    prefix: str = ""
    """What comes before a text."""
    reply_to: int | None = None
    """The message that a file answers."""


class Room(Protocol):
    """The conversation of one channel."""

    everyone: str | None
    """The address of all, or None."""
    thread: int | None
    """The topic in which is written, or None."""

    def lane(self, to: str) -> str:
        """Return which of Telegram's queues an address is in."""

    def takes(self, message: Message) -> bool:
        """Say whether a message was sent in this conversation."""

    def learn(self, message: Message) -> None:
        """Note what a message of this conversation says about its author."""

    def remember_in(self, marks: Marks) -> None:
        """Take the place for what must survive a restart."""

    async def aim(self, to: str, *, is_file: bool) -> Aim:
        """Return how to reach an address.

        Raises:
            ChannelError: It is no address here.
        """

    def sent(self, to: str, message: Message) -> None:
        """Note what Telegram answered to a post."""

    def forget(self, message_id: int) -> None:
        """Note that a message cannot be answered: it is gone."""

    def moved(self, new_id: int) -> None:
        """Note that the group has another id now."""


class PrivateChats:
    """The chats with each other bot or person; an address is a number, or a @name.

    Args:
        bot: The bot.
        meet: Names of bots to meet, so that they can be written to by their numbers.
    """

    everyone: str | None = None
    thread: int | None = None

    def __init__(self, bot: Bot, meet: Sequence[str] = ()) -> None:
        self._bot = bot
        self._to_meet = set(meet)
        self._meeting = asyncio.Lock()
        # A chat has one lane, whatever it is called by.
        self._lanes: dict[str, str] = {}

    def lane(self, to: str) -> str:
        """Return the chat's lane, as `Room` says."""
        return self._lanes.get(to.lower(), to.lower())

    def takes(self, message: Message) -> bool:
        """Say whether a message was sent in a private chat."""
        return message.chat.type == ChatType.PRIVATE

    def learn(self, message: Message) -> None:
        """Do nothing: what is needed is in the address."""

    def remember_in(self, marks: Marks) -> None:
        """Do nothing: there is nothing to remember."""

    async def aim(self, to: str, *, is_file: bool) -> Aim:  # noqa: ARG002 - as `Room` says
        """Return the chat, as `Room` says."""
        if is_username(to):
            return Aim(to)
        if not (to.isascii() and to.isdigit() and len(to) < len(str(2**63))):
            raise ChannelError(f"{to[:80]!r} is no address on Telegram: a user's number, or @name.")
        if self._to_meet:
            await self._meet()
        return Aim(int(to))

    def sent(self, to: str, message: Message) -> None:
        """Learn who a @name is."""
        if is_username(to):
            self._lanes.setdefault(str(message.chat.id), to.lower())

    def forget(self, message_id: int) -> None:
        """Do nothing: nothing is answered here."""

    def moved(self, new_id: int) -> None:
        """Do nothing: private chats do not move."""

    async def _meet(self) -> None:
        """Look up the bots that are to be met; after that, Telegram finds them by number."""
        async with self._meeting:
            for name in sorted(self._to_meet):
                try:
                    await self._bot.get_chat(name, **TIMES)
                except BadRequest as error:
                    _log.warning("%s is not found: %s", name, words_of(error, self._bot.token))
                except TelegramError as error:
                    _log.info("%s is not met yet: %s", name, words_of(error, self._bot.token))
                    continue  # another time
                self._to_meet.discard(name)


class Group:
    """A group, or a topic of one; an address is a bot's number, its @name, or `EVERYONE`.

    A text is addressed by a command, which reaches the bot that it names whatever that one's Group
    Privacy. A file is an answer to a text of that bot: commands under files are not documented to
    count, and are used only while there is nothing to answer.

    Args:
        bot: The bot.
        calls: Makes calls.
        chat: The group's id.
        thread: Its topic; None: no topic, and all of them are heard.
    """

    everyone: str | None = EVERYONE

    def __init__(self, bot: Bot, calls: Calls, *, chat: int, thread: int | None) -> None:
        self.thread = thread
        self.chat = chat
        self._configured = chat
        self._bot = bot
        self._calls = calls
        self._marks: Marks | None = None
        self._names: OrderedDict[int, str] = OrderedDict()
        """Bots' names, by their numbers."""
        self._answerable: OrderedDict[int, list[int]] = OrderedDict()
        """The last texts of each bot."""

    async def find(self) -> None:
        """Look whether the group is there, and whether it got another id.

        Raises:
            ChannelError: It is not there for this bot.
        """
        try:
            await self._calls.look(self._bot.get_chat(self.chat, **TIMES))
        except ChatMigrated as error:
            self.moved(error.new_chat_id)

    def lane(self, to: str) -> str:  # noqa: ARG002 - as `Room` says
        """Return the one lane, as `Room` says."""
        return ""

    def takes(self, message: Message) -> bool:
        """Say whether a message was sent in the group, and in the topic if there is one."""
        if message.chat.id != self.chat:
            return False
        return self.thread is None or message.message_thread_id == self.thread

    def learn(self, message: Message) -> None:
        """Note a bot's name, and a text of it that can be answered."""
        if isinstance(message.migrate_to_chat_id, int):
            self.moved(message.migrate_to_chat_id)
        author = message.from_user
        if author is None or not author.is_bot:
            return
        if isinstance(author.username, str) and is_username(f"@{author.username}"):
            _put(self._names, author.id, author.username)
        if message.text:  # files are perhaps removed soon
            known = [*self._answerable.get(author.id, ()), message.message_id]
            _put(self._answerable, author.id, known[-_MOST_ANSWERED:])

    def remember_in(self, marks: Marks) -> None:
        """Find the group again if it got another id since it was configured."""
        self._marks = marks
        new_id = marks.get(self._mark)
        if new_id and new_id.removeprefix("-").isdigit():
            self.chat = int(new_id)

    async def aim(self, to: str, *, is_file: bool) -> Aim:
        """Return how to reach a bot in the group, as `Room` says."""
        if to == EVERYONE:
            return Aim(self.chat)
        if is_username(to):
            name: str | None = to[1:]
            number = self._number_of(to[1:])
        elif to.isascii() and to.isdigit() and len(to) < len(str(2**63)):
            number, name = int(to), None
        else:
            raise ChannelError(f"{to[:80]!r} is no address on Telegram: a user's number, or @name.")
        if is_file and number is not None and (answerable := self._answerable.get(number)):
            return Aim(self.chat, reply_to=answerable[-1])
        if number is not None and name is None:
            name = await self._name_of(number)
        return Aim(self.chat, prefix_for(name) if name else "")

    def sent(self, to: str, message: Message) -> None:
        """Do nothing: there is nothing to learn from one's own messages."""

    def forget(self, message_id: int) -> None:
        """Note that a message cannot be answered."""
        for known in self._answerable.values():
            if message_id in known:
                known.remove(message_id)

    def moved(self, new_id: int) -> None:
        """Go where the group went: it has become a supergroup."""
        if new_id == self.chat:
            return
        _log.warning(
            "the group %d has become %d: set channels.telegram.chat to it", self.chat, new_id
        )
        self.chat = new_id
        self._answerable.clear()  # message ids are others there
        if self._marks is not None:
            self._marks.set(self._mark, str(new_id))

    @property
    def _mark(self) -> str:
        return f"group {self._configured} is now"

    def _number_of(self, name: str) -> int | None:
        known = (number for number, one in self._names.items() if one.lower() == name.lower())
        return next(known, None)

    async def _name_of(self, number: int) -> str | None:
        """Return a bot's name; None for a person, who needs no addressing."""
        if number not in self._names:
            member = await self._calls.look(self._bot.get_chat_member(self.chat, number, **TIMES))
            if not member.user.is_bot:
                return None
            if not member.user.username:
                raise ChannelError(f"The bot {number} has no name to address it by.")
            _put(self._names, number, member.user.username)
        return self._names[number]


def _put(known: OrderedDict[int, _Value], number: int, value: _Value) -> None:
    known[number] = value
    known.move_to_end(number)
    if len(known) > _MOST_KNOWN:
        known.popitem(last=False)
