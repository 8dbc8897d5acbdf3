"""Looks at a live account for `ocft doctor --via slack`: what a node needs, and what it has not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from ocft.channels import Finding
from ocft.errors import ChannelError, RateLimitedError
from ocft_slack.calls import ApiError, TokenError, answer_of, body_of, make_client, make_session
from ocft_slack.options import SlackOptions, read_options
from ocft_slack.sockets import SocketMode

_APPS: Final = "https://api.slack.com/apps"
_SCOPES: Final = ("chat:write", "files:read", "files:write")
_PROBE: Final = "OCFT looks whether it hears what is said here."
_PATIENCE: Final = 10.0  # seconds until what was said must have come back


async def check_account(section: Mapping[str, object]) -> list[Finding]:
    """Look at the live account and the channel.

    If everything else is right, one text is posted in the channel, to see whether it comes back,
    and deleted again: which events an app is told cannot be asked for.

    Args:
        section: The section `channels.slack` of the settings.

    Raises:
        ConfigError: A setting is missing, unknown or wrong, or there is no token.
        ChannelError: Slack cannot be reached.
    """
    options = read_options(section)
    bot_token, app_token = options.find_bot_token(), options.find_app_token()
    session = make_session()
    try:
        web = make_client(bot_token, session, like=options.api_url)
        check = _Check(web, session, options, app_token)
        return [finding async for finding in check.findings()]
    finally:
        await session.close()


class _Check:
    def __init__(
        self,
        web: AsyncWebClient,
        session: aiohttp.ClientSession,
        options: SlackOptions,
        app_token: str,
    ) -> None:
        self._web = web
        self._session = session
        self._options = options
        self._app_token = app_token
        self._user = "the bot"
        self._user_id = ""
        self._scopes: frozenset[str] | None = None
        self._kind = "channels"

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield what is found; what makes no sense without the things before it is left out."""
        bot = await self._bot()
        yield bot
        room = await self._room() if bot.is_good else None
        if room is not None:
            yield room
        scopes = self._scope_findings() if bot.is_good else []
        for finding in scopes:
            yield finding
        app = await self._app()
        yield app
        if room is None:
            return
        history = await self._history()
        if room.is_good and history is not None:
            yield history
        if all(one.is_good for one in (bot, room, app, *scopes, history or room)):
            yield await self._hears()

    async def _bot(self) -> Finding:
        try:
            answer = await answer_of(self._web.auth_test())
        except TokenError as error:
            return Finding(
                is_good=False,
                words=f"The bot token is not good ({error.word}).",
                remedy=f"Copy the Bot User OAuth Token (xoxb-) from OAuth & Permissions at {_APPS} "
                "into OCFT_SLACK_BOT_TOKEN, after Install to Workspace.",
            )
        who = body_of(answer)
        told = next(
            (answer.headers[name] for name in answer.headers if name.lower() == "x-oauth-scopes"),
            None,
        )
        if told is not None:
            self._scopes = frozenset(scope.strip() for scope in str(told).split(","))
        self._user, self._user_id = f"@{who.get('user')}", str(who.get("user_id"))
        if not who.get("bot_id"):
            return Finding(
                is_good=False,
                words=f"The token is that of a person ({self._user}), not of a bot.",
                remedy=f"Take the Bot User OAuth Token (xoxb-): {_APPS}, OAuth & Permissions.",
            )
        return Finding(
            is_good=True,
            words=f"The bot token is good: {self._user} in {who.get('team')}. Its address for "
            f"peers is {self._user_id}.",
        )

    async def _room(self) -> Finding:
        name = self._options.channel
        invite = f"Invite the bot: /invite {self._user} in the channel."
        try:
            info = body_of(await answer_of(self._web.conversations_info(channel=name)))
        except ApiError as error:
            if error.word == "missing_scope":
                return Finding(
                    is_good=False,
                    words="The app may not see what the channel is.",
                    remedy=_add_scopes("channels:read", "groups:read"),
                )
            return Finding(
                is_good=False,
                words=f"The channel {name} is not there for the bot ({error.word}).",
                remedy=f"Compare channels.slack.channel with the channel's details. {invite}",
            )
        view = info.get("channel")
        room: dict[str, Any] = view if isinstance(view, dict) else {}
        called = f"#{room.get('name')}"
        if room.get("is_private") or room.get("is_group"):
            self._kind = "groups"
        if room.get("is_archived"):
            return Finding(
                is_good=False,
                words=f"{called} is archived.",
                remedy="Unarchive it, or take another.",
            )
        if not room.get("is_member"):
            return Finding(is_good=False, words=f"The bot is not in {called}.", remedy=invite)
        shared = ", and shared with other workspaces" if room.get("is_ext_shared") else ""
        kind = "private" if self._kind == "groups" else "public: all of the workspace can read it"
        return Finding(is_good=True, words=f"The bot is in {called}, which is {kind}{shared}.")

    def _scope_findings(self) -> list[Finding]:
        if self._scopes is None:
            return []  # a server that does not tell
        needed = {*_SCOPES, f"{self._kind}:history", f"{self._kind}:read"}
        missing = sorted(needed - self._scopes)
        if not missing:
            return [Finding(is_good=True, words="The app has all the scopes that it needs.")]
        return [
            Finding(
                is_good=False,
                words=f"The app lacks {', '.join(missing)}.",
                remedy=_add_scopes(*missing),
            )
        ]

    async def _app(self) -> Finding:
        try:
            await answer_of(self._web.apps_connections_open(app_token=self._app_token))
        except (ApiError, RateLimitedError) as error:
            if isinstance(error, RateLimitedError):
                return Finding(is_good=True, words="The app token was used too often to be tried.")
            return Finding(
                is_good=False,
                words=f"Socket Mode cannot be used ({error.word}).",
                remedy=f"At {_APPS}: switch on Socket Mode, and make an App-Level Token with "
                "connections:write under Basic Information, for OCFT_SLACK_APP_TOKEN.",
            )
        return Finding(is_good=True, words="The app token is good, and Socket Mode is on.")

    async def _history(self) -> Finding | None:
        options = self._options
        try:
            if options.thread is None:
                call = self._web.conversations_history(channel=options.channel, limit=1)
            else:
                call = self._web.conversations_replies(
                    channel=options.channel, ts=options.thread, limit=1
                )
            await answer_of(call)
        except ApiError as error:
            if error.word == "missing_scope":
                return None  # which has been said
            where = "channels.slack.thread" if options.thread else "channels.slack.channel"
            return Finding(
                is_good=False,
                words=f"What was said cannot be read ({error.word}).",
                remedy=f"Check {where}. A thread that cannot be read: leave the setting out.",
            )
        return Finding(is_good=True, words="What was said while nobody listened can be read.")

    async def _hears(self) -> Finding:
        """Say something and listen for it: Slack tells apps what they say themselves, too."""
        heard, hello = asyncio.Event(), asyncio.Event()
        others = 0

        def connected(count: int) -> None:
            nonlocal others
            others = count
            hello.set()

        def take(payload: dict[str, Any]) -> bool:
            event = payload.get("event")
            is_own = isinstance(event, dict) and event.get("user") == self._user_id
            if is_own:
                heard.set()
            return is_own  # all else comes again, to whoever listens

        socket = SocketMode(
            self._web, self._session, self._app_token, take=take, connected=connected
        )
        listening = asyncio.create_task(socket.run())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await hello.wait()
                    if others:
                        return Finding(
                            is_good=True,
                            words="Another process is connected as this app. That is right if it "
                            "is this node; every other node needs an app of its own.",
                        )
                    await self._say_until(heard)
        finally:
            listening.cancel()
            await asyncio.wait([listening])
        if heard.is_set():
            return Finding(is_good=True, words="The app hears what is said in the channel.")
        return Finding(
            is_good=False,
            words="The app does not hear what is said in the channel.",
            remedy=f"At {_APPS}: switch on Event Subscriptions, add message.{self._kind} under "
            "Subscribe to bot events, save, and reinstall the app.",
        )

    async def _say_until(self, heard: asyncio.Event) -> None:
        options = self._options
        call = self._web.chat_postMessage(
            channel=options.channel, thread_ts=options.thread, text=_PROBE
        )
        said = body_of(await answer_of(call, is_repeatable=False))
        try:
            await heard.wait()
        finally:
            with contextlib.suppress(ChannelError):
                await answer_of(
                    self._web.chat_delete(channel=options.channel, ts=str(said.get("ts")))
                )


def _add_scopes(*scopes: str) -> str:
    return (
        f"At {_APPS}, OAuth & Permissions, Bot Token Scopes: add {', '.join(scopes)}; then "
        "reinstall the app to the workspace."
    )
