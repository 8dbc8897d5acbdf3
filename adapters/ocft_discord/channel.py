"""The channel: one text channel or thread of a Discord server that the bots share."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, BinaryIO, Final, Self

import discord

from ocft.channels import Channel, IncomingText, Marks
from ocft.errors import ChannelClosedError, ChannelError, DeliveryUnknownError, FileRefusedError
from ocft_discord.connection import Attached, Connection, Supervised, point_sdk_at
from ocft_discord.downloads import Downloads
from ocft_discord.options import DEFAULT_SHARE, channel_limits, file_limits, read_options
from ocft_discord.posting import Poster
from ocft_discord.reading import Reader
from ocft_discord.text import is_user_id, looks_like_ocft, mention, without_mention

_SAID: Final = frozenset({discord.MessageType.default, discord.MessageType.reply})
"""The kinds of messages that somebody wrote; the others tell of joins, pins, threads."""


class DiscordChannel(Channel):
    """A node's end of a Discord channel; made by :meth:`attach` or :meth:`open`.

    Peers' addresses are the ids of their bots' users.

    Args:
        room: The id of the channel or thread.
        share: How much of the platform's rates OCFT may use.
        max_file_size: Bytes that one attachment may surely have; None: found out.
        delete_files_after: Whether attachments are removed when their transfer is over.
        name: The channel's name in the journal; two channels of one node need two.

    Raises:
        ConfigError: A number makes no sense.
    """

    name = "discord"
    everyone = "*"

    def __init__(
        self,
        room: int,
        *,
        share: float = DEFAULT_SHARE,
        max_file_size: int | None = None,
        delete_files_after: bool = False,
        name: str = "discord",
    ) -> None:
        self.name = name
        self.limits = channel_limits(share)
        self.files = file_limits(max_file_size)
        self.removes_files = delete_files_after
        self._room = room
        self._is_closed = False
        self._connection: Connection | None = None
        self._user_id = 0
        self._poster = Poster(room, self._client)
        self._downloads = Downloads(self._client, self._transport)
        self._reader = Reader(room, self._client, self._take)

    @classmethod
    async def attach(
        cls,
        client: discord.Client,
        *,
        channel: int,
        thread: int | None = None,
        share: float = DEFAULT_SHARE,
        max_file_size: int | None = None,
        delete_files_after: bool = False,
        name: str = "discord",
    ) -> Self:
        """Use a bot that runs already; its handlers, commands and listeners stay as they are.

        To be called in the client's `setup_hook` or later. To keep OCFT's texts away from a
        handler, ask :meth:`handle_message` first. Closing the channel leaves the client alone.

        Args:
            client: A `Client` or `Bot`; its intents are `guilds`, `guild_messages` and
                `message_content`.
            channel: The id of the text channel that the bots share.
            thread: The id of a thread of it to meet in instead.
            share: How much of the platform's rates OCFT may use.
            max_file_size: Bytes that one attachment may surely have; None: found out.
            delete_files_after: Whether attachments are removed when their transfer is over.
            name: The channel's name in the journal; two channels of one node need two.

        Raises:
            ChannelError: The client does not run yet, or the channel cannot be read.
            ConfigError: A number makes no sense.
        """
        made = cls(
            thread or channel,
            share=share,
            max_file_size=max_file_size,
            delete_files_after=delete_files_after,
            name=name,
        )
        reader = made._reader
        await made._begin(Attached(client, on_message=reader.hear, on_gap=reader.gap))
        return made

    @classmethod
    async def open(cls, section: Mapping[str, object]) -> Self:
        """Make a channel with a connection of its own, and a token that the settings lead to.

        It connects to the gateway, which Discord counts, when `texts` is called.

        Args:
            section: The section `channels.discord` of the settings.

        Raises:
            ConfigError: A setting is missing, unknown or wrong, or there is no token.
            ChannelError: Discord cannot be reached, or does not know the token or the channel.
        """
        options = read_options(section)
        token = options.find_token()
        if options.api_url is not None and options.gateway_url is not None:
            point_sdk_at(options.api_url, options.gateway_url)
        made = cls(
            options.room,
            share=options.share,
            max_file_size=options.max_file_size,
            delete_files_after=options.delete_files_after,
        )
        reader = made._reader
        connection = Supervised(token, on_message=reader.hear, on_gap=reader.gap)
        await connection.open()
        await made._begin(connection)
        return made

    def handle_message(self, message: discord.Message) -> bool:
        """Say whether a message is one of OCFT's, so that a handler can leave it alone.

        It is taken in here, too, if it was not already.
        """
        if self._is_closed or message.channel.id != self._room:
            return False
        self._reader.hear(message)
        return looks_like_ocft(message.content)

    async def send(self, to: str, text: str) -> None:
        """Post a text that mentions the peer, or nobody if it is for everyone.

        Raises:
            MessageTooLongError: The text exceeds the limits.
            DeliveryUnknownError: Nobody can tell whether it is there.
            RateLimitedError: Discord asks for a pause.
            ChannelClosedError: The channel was closed, or there is no connection.
            ChannelError: Anything else.
        """
        content, ping = self._addressed(to, text)
        if not text.strip():
            raise ChannelError("Discord takes no empty text.")
        await self._posted(content, ping)

    async def send_file(self, to: str, file: BinaryIO, *, name: str, text: str = "") -> str:
        """Post an attachment; see `Channel.send_file`.

        Raises:
            FileRefusedError: It is empty, too large here, or the bot may not attach files.
            MessageTooLongError: The text exceeds the limits.
            DeliveryUnknownError: Nobody can tell whether it is there.
            RateLimitedError: Discord asks for a pause.
            ChannelClosedError: The channel was closed, or there is no connection.
            ChannelError: Anything else.
        """
        content, ping = self._addressed(to, text)
        size = file.seek(0, 2)
        if self.files is None or not 0 < size <= self.files.ceiling:
            raise FileRefusedError(f"A file of {size} bytes does not go through Discord.")
        message_id = await self._posted(content, ping, file, name)
        if message_id is None:
            raise DeliveryUnknownError("The file was there, and somebody has deleted it.")
        return f"{self._room}/{message_id}"

    async def delete(self, sent: str) -> None:
        """Delete a message that `send_file` posted, and its file; one that is gone is fine.

        Raises:
            RateLimitedError: Discord asks for a pause.
            ChannelError: It is still there.
        """
        room, _, message_id = sent.partition("/")
        if not (is_user_id(room) and is_user_id(message_id)):
            raise ChannelError(f"{sent[:50]!r} is nothing that was sent through Discord.")
        await self._poster.delete(int(room), int(message_id))

    def texts(self) -> AsyncGenerator[IncomingText, None]:
        """Yield what others say in the channel; see `Channel.texts` for the rule.

        Raises:
            ChannelError: The token is not known any more.
        """
        if self._connection is not None:
            self._connection.listen()
        return self._reader.texts(self._failure)

    def lane(self, to: str) -> str:  # noqa: ARG002 - all meet in one channel
        """Return the channel's id: Discord counts by channel."""
        return str(self._room)

    def remember_in(self, marks: Marks) -> None:
        """Take the place for how far the channel was read."""
        self._reader.remember_in(marks)

    async def close(self) -> None:
        """End the reading, and the connection if it is ours. Closing twice is fine."""
        self._is_closed = True
        self._reader.close()
        await self._downloads.close()
        if self._connection is not None:
            await self._connection.close()

    async def _begin(self, connection: Connection) -> None:
        self._connection = connection
        try:
            self._user_id = _user_id(await connection.client())
            self.address = str(self._user_id)
            await self._reader.begin()
        except BaseException:
            await self.close()
            raise

    async def _client(self) -> discord.Client:
        if self._is_closed or self._connection is None:
            raise ChannelClosedError("The channel was closed.")
        return await self._connection.client()

    def _transport(self) -> dict[str, Any]:
        return {} if self._connection is None else self._connection.transport()

    def _failure(self) -> ChannelError | None:
        return None if self._connection is None else self._connection.failure

    def _addressed(self, to: str, text: str) -> tuple[str, int | None]:
        """Return what is posted, and whom it pings."""
        if self._is_closed:
            raise ChannelClosedError("The channel was closed.")
        self.limits.require_fit(text)
        if to == self.everyone:
            return text, None
        if not is_user_id(to):
            raise ChannelError(f"{to[:50]!r} is no address: on Discord it is a user's id.")
        return mention(to) + text, int(to)

    async def _posted(
        self, content: str, ping: int | None, file: BinaryIO | None = None, name: str = ""
    ) -> int | None:
        try:
            return await self._poster.post(content, ping=ping, file=file, name=name)
        except ChannelError as error:
            if self._is_closed:
                raise ChannelClosedError("The channel was closed meanwhile.") from error
            raise

    def _take(self, message: discord.Message) -> IncomingText | None:
        """Make a text of a message; None: an echo, or nobody's.

        Edits are events of their own that nobody listens to. What was edited before it was read
        is read as it is now.
        """
        is_said = message.type in _SAID and message.webhook_id is None
        if not is_said or message.author.id == self._user_id:
            return None
        text = without_mention(message.content, self._user_id)
        files = self._downloads.files_of(message)
        if not text and not files:
            return None  # a sticker, or what the intent keeps from us
        return IncomingText(str(message.author.id), text, files)


def _user_id(client: discord.Client) -> int:
    if client.user is None:
        raise ChannelError("This client has not logged in: attach OCFT in its setup_hook.")
    return client.user.id
