"""The channel: a room in Slack, with a connection of its own or attached to a bot that runs."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, BinaryIO, Self

import aiohttp
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.web.async_client import AsyncWebClient

from ocft.channels import Channel, IncomingText, Marks
from ocft.errors import (
    ChannelClosedError,
    ChannelError,
    ConfigError,
)
from ocft_slack.backlog import Backlog
from ocft_slack.calls import (
    ApiError,
    make_client,
    make_session,
)
from ocft_slack.catching_up import CatchUp
from ocft_slack.downloads import Downloads
from ocft_slack.events import Events
from ocft_slack.history import History, find_room
from ocft_slack.options import SlackOptions, read_options
from ocft_slack.posting import Posting
from ocft_slack.sockets import SocketMode
from ocft_slack.uploads import Uploads

_log = logging.getLogger(__name__)


class SlackChannel(Channel):
    """A Slack channel, or a thread in it, in which two or more bots meet.

    Texts go to everybody in it, whatever their address; the author of a text is Slack's user id
    of the bot or person who wrote it. Made by `open` or `attach`.
    """

    name = "slack"
    everyone = "*"

    def __init__(
        self,
        web: AsyncWebClient,
        session: aiohttp.ClientSession,
        history: History,
        *,
        options: SlackOptions,
        read_to: int | None,
        app_token: str | None,
        socket_client: AsyncBaseSocketModeClient | None,
    ) -> None:
        room = history.room
        self.limits = options.limits
        self.files = options.files
        self.removes_files = options.delete_files_after
        self.address = room.user_id
        self._session = session
        self._room = room
        self._backlog = Backlog()
        self._catch_up = CatchUp(history, self._backlog, begin=read_to)
        self._events = Events(room, self._backlog, self._catch_up.fall_behind)
        self._posting = Posting(web, room, history, self._backlog)
        self._uploads = Uploads(web, session, room)
        self._downloads = Downloads(web, session)
        self._socket_mode: SocketMode | None = None
        if app_token is not None:
            self._socket_mode = SocketMode(
                web,
                session,
                app_token,
                take=self._events.take_payload,
                connected=self._events.connected,
            )
        self._socket_client = socket_client
        if socket_client is not None:
            # The first of all: whoever comes later gets to see what it leaves.
            socket_client.message_listeners.insert(0, self._events.take_envelope)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: ChannelError | None = None
        self._closed = asyncio.Event()

    # Two ways to make one

    @classmethod
    async def open(cls, section: Mapping[str, object]) -> Self:
        """Make a channel with a connection of its own, and tokens that the settings lead to.

        Args:
            section: The section `channels.slack` of the settings.

        Raises:
            ConfigError: A setting is missing, unknown or wrong, or there is no token.
            ChannelError: Slack cannot be reached, or does not know a token or the channel.
        """
        options = read_options(section)
        bot_token, app_token = options.find_bot_token(), options.find_app_token()
        session = make_session()
        web = make_client(bot_token, session, like=options.api_url)
        return await cls._enter(web, session, options, app_token=app_token)

    @classmethod
    async def attach(
        cls,
        web_client: AsyncWebClient,
        channel: str,
        *,
        socket_client: AsyncBaseSocketModeClient | None = None,
        thread: str | None = None,
        share: float = 0.8,
        delete_files_after: bool = False,
        max_file_size: int | None = None,
    ) -> Self:
        """Make a channel for a bot that runs already.

        Its own handlers do not get to see what is OCFT's; everything else reaches them as before.
        Nothing of the two clients is changed or closed, except that a listener is added to the
        second one until the channel is closed.

        Args:
            web_client: The bot's client. Calls are made with its token, over a connection of the
                channel's own and without the repeats of slack-sdk, which would post texts twice.
            channel: The id of the Slack channel.
            socket_client: The bot's Socket Mode client for asyncio. Without one, hand all events
                to `handle_event`, as from a middleware of Bolt.
            thread: The time stamp of a message, to meet in its thread.
            share: Which part of Slack's rate limits may be used.
            delete_files_after: Whether files of transfers that are over are deleted from Slack.
            max_file_size: Bytes of the largest native file.

        Raises:
            ConfigError: An argument makes no sense.
            ChannelError: Slack cannot be reached, or refuses.
        """
        if not web_client.token:
            raise ConfigError("The web client has no token: AsyncWebClient(token=...).")
        options = read_options(
            {
                "channel": channel,
                "thread": thread,
                "api_url": web_client.base_url,
                "share": share,
                "delete_files_after": delete_files_after,
                "max_file_size": max_file_size,
            }
        )
        session = make_session()
        web = make_client(web_client.token, session, like=web_client)
        return await cls._enter(web, session, options, socket_client=socket_client)

    @classmethod
    async def _enter(
        cls,
        web: AsyncWebClient,
        session: aiohttp.ClientSession,
        options: SlackOptions,
        *,
        app_token: str | None = None,
        socket_client: AsyncBaseSocketModeClient | None = None,
    ) -> Self:
        try:
            history = History(web, await find_room(web, options))
            read_to = await _newest(history)
        except BaseException:
            await session.close()
            raise
        return cls(
            web,
            session,
            history,
            options=options,
            read_to=read_to,
            app_token=app_token,
            socket_client=socket_client,
        )

    # The contract

    async def send(self, to: str, text: str) -> None:  # noqa: ARG002 - everybody in the room reads it
        """Post a text; see `Channel.send`."""
        self._require_open()
        self.limits.require_fit(text)
        await self._posting.post(text)

    async def send_file(self, to: str, file: BinaryIO, *, name: str, text: str = "") -> str:  # noqa: ARG002 - as for `send`
        """Share a file; see `Channel.send_file`."""
        self._require_open()
        self.limits.require_fit(text)
        return await self._uploads.send(file, name=name, text=text)

    async def delete(self, sent: str) -> None:
        """Delete a file and the message that it came with; see `Channel.delete`."""
        self._require_open()
        await self._uploads.delete(sent)

    def remember_in(self, marks: Marks) -> None:
        """Go on where the room was read last, as far as the marks tell."""
        self._catch_up.remember_in(marks)

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        """Yield what others write in the room; see `Channel.texts`.

        Raises:
            ChannelError: The token is not good any more.
        """
        self._start()
        try:
            while not self._closed.is_set():
                if self._failure is not None:
                    raise self._failure
                self._backlog.changed.clear()
                heard = self._backlog.first()
                if heard is None:
                    await self._backlog.changed.wait()
                    continue
                files = (self._downloads.incoming(file, heard.at) for file in heard.files)
                yield IncomingText(heard.author, heard.text, tuple(files))
                self._backlog.handled()
                self._catch_up.note_progress()
        finally:
            if not self._closed.is_set():
                self._catch_up.note_progress(is_last=True)

    async def close(self) -> None:
        """Stop everything; the bot's own clients go on."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._events.close()
        if self._socket_client is not None:
            listeners = self._socket_client.message_listeners
            if self._events.take_envelope in listeners:
                listeners.remove(self._events.take_envelope)
        self._backlog.changed.set()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._session.close()

    # What a bot with events of its own calls

    def handle_event(self, event: Mapping[str, Any]) -> bool:
        """Take in an event, such as a middleware of Bolt is given; it never raises.

        Args:
            event: An event of type `message` or `file_shared`, or the body around it.

        Returns:
            Whether it is one of OCFT's, so that nobody else should look at it.
        """
        return self._events.take_event(event)

    # What goes on meanwhile

    def _start(self) -> None:
        if self._tasks or self._closed.is_set():
            return
        self._run(self._catch_up.run, "ocft slack history")
        if self._socket_mode is not None:
            self._run(self._socket_mode.run, "ocft slack socket mode")

    def _run(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        async def guarded() -> None:
            try:
                await work()  # made here: a task that is stopped before it starts leaves none over
            except ChannelError as error:
                self._fail(error)
            except Exception as error:  # noqa: BLE001 - and it is logged
                _log.exception("the Slack channel stumbled")
                self._fail(ChannelError(f"The Slack channel failed ({type(error).__name__})."))

        task = asyncio.get_running_loop().create_task(guarded(), name=name)
        self._tasks.add(task)

    def _fail(self, error: ChannelError) -> None:
        self._failure = self._failure or error
        self._backlog.changed.set()

    def _require_open(self) -> None:
        if self._closed.is_set():
            raise ChannelClosedError("The Slack channel was closed.")


async def _newest(history: History) -> int | None:
    """Return when the newest message came; None: the app may not know."""
    try:
        return await history.newest()
    except ApiError as error:
        if error.word != "missing_scope":
            raise
        _log.warning(
            "the app may not read the history of %s: what is said while it is away is lost; see "
            "`ocft doctor --via slack`",
            history.room.channel,
        )
        return None
