"""A node's end of a conversation on Telegram."""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from telegram import Bot, InputFile, LinkPreviewOptions, Message, ReplyParameters
from telegram.error import BadRequest, ChatMigrated

from ocft.channels import Channel, IncomingText, Marks
from ocft.errors import (
    ChannelClosedError,
    ChannelError,
    ConfigError,
    DeliveryUnknownError,
    FileRefusedError,
    MessageTooLongError,
)
from ocft_telegram.calls import TIMES, TIMES_OF_FILES, Calls
from ocft_telegram.connection import Connection
from ocft_telegram.downloads import Downloads
from ocft_telegram.incoming import Ear
from ocft_telegram.limits import (
    DEFAULT_SHARE,
    MOST_DOWNLOADED,
    file_limits,
    group_limits,
    private_limits,
)
from ocft_telegram.options import OFFICIAL_SERVER, TelegramOptions, read_options
from ocft_telegram.polling import Polling
from ocft_telegram.rooms import Aim, Group, PrivateChats, Room
from ocft_telegram.tap import AnyApplication, Tap
from ocft_telegram.text import LONGEST_PREFIX, MAX_CAPTION
from ocft_telegram.token_filter import TokenFilter

if TYPE_CHECKING:
    from ocft_telegram.sources import Source

_GONE: Final = "message to delete not found"
_MOST_TRIES: Final = 8  # a group that moves, and messages that are gone


class TelegramChannel(Channel):
    """Texts and files between bots, in private chats or in a group.

    Made by :meth:`attach` for a bot that runs already, or by :meth:`open` for one of its own.
    """

    name = "telegram"

    def __init__(self, bot: Bot, options: TelegramOptions, calls: Calls) -> None:
        self._bot = bot
        self._calls = calls
        self._connection: Connection | None = None
        self._filter: TokenFilter | None = None
        """Keeps the token of somebody's bot out of its log: it is in the addresses of calls."""
        self._is_closed = False
        self._room: Room
        if options.chat is None:
            self._room = PrivateChats(bot, options.meet)
            self.limits = private_limits(options.share)
        else:
            self._room = Group(bot, calls, chat=options.chat, thread=options.thread)
            self.limits = group_limits(options.share)
        self.everyone = self._room.everyone
        self.files = self._file_limits = file_limits(options.max_file_size)
        self.removes_files = options.delete_files_after
        is_official = str(bot.base_url).startswith(OFFICIAL_SERVER)
        largest = MOST_DOWNLOADED if is_official else None
        self._downloads = Downloads(bot, calls, largest=largest)
        # A token begins with the id, which the SDK knows only after it has logged in.
        self._own_id = _id_of(bot.token)
        self.address = str(self._own_id)
        self._ear = Ear(self._room, self._downloads, own_id=self._own_id)
        self._source: Source

    @classmethod
    def attach(
        cls,
        application: AnyApplication,
        *,
        chat: int | None = None,
        thread: int | None = None,
        meet: Sequence[str] = (),
        share: float = DEFAULT_SHARE,
        max_file_size: int | None = None,
        delete_files_after: bool = False,
    ) -> Self:
        """Use a bot that runs already, whose owner starts and stops it.

        Its handlers see everything but OCFT's texts. The updates it fetches must include messages
        (`allowed_updates`).

        Args:
            application: The bot's; it need not run yet.
            chat: The id of the group in which nodes meet; None: in private chats.
            thread: The topic of that group.
            meet: Names (@bob_bot) of bots that this one writes to first, in private chats.
            share: How much of the platform's rates OCFT may use.
            max_file_size: Bytes of one native file; None: 19 MiB.
            delete_files_after: Whether files of transfers are removed from the chat.

        Raises:
            ConfigError: An argument makes no sense.
        """
        bot: Bot = application.bot
        given: dict[str, object] = {
            "chat": chat,
            "thread": thread,
            "meet": list(meet),
            "share": share,
            "max_file_size": max_file_size,
            "delete_files_after": delete_files_after,
        }
        channel = cls(bot, read_options(given), Calls(bot.token))
        channel._filter = TokenFilter(bot.token)
        channel._filter.put_in()
        channel._source = Tap(application, channel._room, channel._ear)
        return channel

    @classmethod
    async def open(cls, section: Mapping[str, object]) -> Self:
        """Make a channel with a connection of its own, and a token that the settings lead to.

        Args:
            section: The section `channels.telegram` of the settings.

        Raises:
            ConfigError: A setting is missing, unknown or wrong, or there is no token.
            ChannelError: Telegram cannot be reached, or does not know the token or the group.
        """
        options = read_options(section)
        token = options.find_token()
        connection = await Connection.open(options, token)
        try:
            channel = cls(connection.bot, options, Calls(token))
            channel._connection = connection
            channel._source = Polling(
                connection.bot, connection.polls, channel._ear, own_id=channel._own_id
            )
            if isinstance(channel._room, Group):
                await channel._room.find()
        except BaseException:
            await connection.close()
            raise
        return channel

    async def send(self, to: str, text: str) -> None:
        """Post a text, as `Channel` says.

        Args:
            to: A user's number; a bot's @name; in a group also "*", which reaches all bots that
                read everything there.
            text: The text.
        """
        self.limits.require_fit(text)

        async def post(aim: Aim) -> Message:
            return await self._bot.send_message(
                aim.chat,
                aim.prefix + text,
                message_thread_id=self._room.thread,
                parse_mode=None,  # the owner's default may be another one
                link_preview_options=LinkPreviewOptions(is_disabled=True),
                disable_notification=True,
                **TIMES,
            )

        await self._post(to, post, is_file=False)

    async def send_file(self, to: str, file: BinaryIO, *, name: str, text: str = "") -> str:
        """Post a document, as `Channel` says.

        In a group, it answers a text of the peer: otherwise perhaps only bots that read everything
        there hear of it.
        """
        if len(text) > MAX_CAPTION - LONGEST_PREFIX:
            most = MAX_CAPTION - LONGEST_PREFIX
            raise MessageTooLongError(f"{most} characters are the most beside a file.")
        size = file.seek(0, os.SEEK_END)
        if not 0 < size <= self._file_limits.ceiling:
            raise FileRefusedError(
                f"A file of {size} bytes; from 1 to {self._file_limits.ceiling} can be sent."
            )

        async def post(aim: Aim) -> Message:
            file.seek(0)  # also writes what was not written yet: the SDK asks the disk for the size
            reply = ReplyParameters(aim.reply_to) if aim.reply_to is not None else None
            return await self._bot.send_document(
                aim.chat,
                InputFile(file, filename=name, read_file_handle=False),
                caption=aim.prefix + text or None,
                message_thread_id=self._room.thread,
                reply_parameters=reply,
                parse_mode=None,
                disable_content_type_detection=True,
                disable_notification=True,
                **TIMES_OF_FILES,
            )

        try:
            sent = await self._post(to, post, is_file=True)
        except DeliveryUnknownError as error:
            if file.tell() < size:  # the end of it never left, and half a request is none
                raise ChannelClosedError("The upload broke off before its end.") from error
            raise
        return f"{sent.chat.id}/{sent.message_id}"

    async def delete(self, sent: str) -> None:
        """Remove a message that `send_file` posted; Telegram allows that for 48 hours."""
        self._require_open()
        chat, _, message = sent.partition("/")
        if not (chat.removeprefix("-").isdigit() and message.isdigit()):
            raise ChannelError(f"{sent[:80]!r} is nothing that was sent on Telegram.")
        removing = self._bot.delete_message(int(chat), int(message), **TIMES)
        try:
            await self._calls.post(removing)
        except ChatMigrated:
            raise ChannelError("The group has moved, and what is there stays there.") from None
        except ChannelError as error:
            if _GONE not in str(error).lower():
                raise

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        """Yield texts and files of bots and people, as `Channel` says."""
        try:
            while not self._is_closed:
                text = await self._source.head()
                if text is None:
                    return
                yield text
                self._source.handled()
        finally:
            self._source.rest()

    async def close(self) -> None:
        """Stop hearing; close the connection if it is ours."""
        self._is_closed = True
        await self._source.close()
        await self._downloads.close()
        if self._connection is not None:
            await self._connection.close()
        if self._filter is not None:
            self._filter.take_out()

    def lane(self, to: str) -> str:
        """Return the chat: Telegram counts each for itself."""
        return self._room.lane(to)

    def remember_in(self, marks: Marks) -> None:
        """Find out how far was read before, and where the group is now."""
        self._room.remember_in(marks)
        self._source.remember_in(marks)

    async def _post(
        self, to: str, post: Callable[[Aim], Awaitable[Message]], *, is_file: bool
    ) -> Message:
        """Post once. What Telegram surely refused is posted again where that can help."""
        for _ in range(_MOST_TRIES):
            self._require_open()
            aim: Aim | None = None
            try:
                aim = await self._room.aim(to, is_file=is_file)
                sent = await self._calls.post(post(aim))
            except ChatMigrated as error:
                self._room.moved(error.new_chat_id)
            except BadRequest:
                if aim is None or aim.reply_to is None:
                    raise
                self._room.forget(aim.reply_to)
            else:
                self._room.sent(to, sent)
                return sent
        raise ChannelError("Telegram refuses it again and again.")

    def _require_open(self) -> None:
        if self._is_closed:
            raise ChannelClosedError("The channel telegram was closed.")


def _id_of(token: str) -> int:
    """Return the id of a bot, which its token begins with.

    Raises:
        ConfigError: It is no token.
    """
    number, _, secret = token.partition(":")
    if not number.isdecimal() or not secret:
        raise ConfigError("The token of the bot is none: it looks like 123456:ABC...")
    return int(number)
