"""`ocft doctor --via discord`: what the bot needs, has, and has not."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from typing import Final

import discord

from ocft.channels import Finding
from ocft.errors import ChannelError
from ocft_discord.connection import INTENT_WORDS, Supervised, point_sdk_at
from ocft_discord.options import DiscordOptions, file_limits, read_options
from ocft_discord.refusals import explain_question

_PATIENCE: Final = 5.0  # seconds until Discord has told the server that has the channel
_MIB: Final = 1024 * 1024
_WHERE: Final = "in the server's channel settings, Permissions, for the bot or its role"

_Room = discord.abc.GuildChannel | discord.Thread


async def check_account(section: Mapping[str, object]) -> list[Finding]:
    """Look at the live account and the channel; nothing is posted.

    Args:
        section: The section `channels.discord` of the settings.

    Raises:
        ConfigError: A setting is missing, unknown or wrong, or there is no token.
        ChannelError: Discord cannot be reached.
    """
    options = read_options(section)
    token = options.find_token()
    if options.api_url is not None and options.gateway_url is not None:
        point_sdk_at(options.api_url, options.gateway_url)
    connection = Supervised(token, on_message=lambda _: None, on_gap=lambda: None)
    try:
        try:
            await connection.open()
            await connection.connected()
        except ChannelError as error:
            if connection.failure is None:
                raise
            remedy = (
                "Developer Portal, your application, Bot, Reset Token; then OCFT_DISCORD_TOKEN."
            )
            return [Finding(is_good=False, words=str(error), remedy=remedy)]
        client = await connection.client()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while client.get_channel(options.room) is None:  # noqa: ASYNC110 - no event tells it
                    await asyncio.sleep(0.05)
        findings = [*_account(client), _intent(client, reads_content=connection.reads_content)]
        return findings + await _room(client, options)
    finally:
        await connection.close()


def _account(client: discord.Client) -> Iterator[Finding]:
    if client.user is not None:
        words = f"The token is good: this is {client.user.name}; peers know it as {client.user.id}."
        yield Finding(is_good=True, words=words)


def _intent(client: discord.Client, *, reads_content: bool) -> Finding:
    flags = client.application_flags
    is_on = flags.gateway_message_content or flags.gateway_message_content_limited
    if is_on and reads_content:
        return Finding(is_good=True, words="The Message Content intent is on.")
    sentence, _, remedy = INTENT_WORDS.partition(": ")
    words = f"{sentence}: no pairing without an address, no uploads of people."
    return Finding(is_good=False, words=words, remedy=f"Switch it on: {remedy}")


async def _room(client: discord.Client, options: DiscordOptions) -> list[Finding]:
    room: object = client.get_channel(options.room)
    if room is None:
        try:
            room = await client.fetch_channel(options.room)
        except (discord.HTTPException, discord.InvalidData) as error:
            return [_no_room(client, options, str(explain_question(error)))]
    if not isinstance(room, _Room):
        return [_no_room(client, options, "That is no channel of a server.")]
    if client.get_guild(room.guild.id) is None:
        return [_no_room(client, options, "The bot is not in that server.")]
    found = [Finding(is_good=True, words=f"The channel is #{room.name} of {room.guild.name}.")]
    found += _permissions(room)
    if isinstance(room, discord.Thread) and room.locked:
        remedy = "Unlock the thread, or name another one in channels.discord.thread."
        found.append(Finding(is_good=False, words="The thread is locked.", remedy=remedy))
    limits = file_limits(options.max_file_size)
    words = (
        f"Attachments have {limits.max_size / _MIB:.1f} MiB, up to {limits.ceiling / _MIB:.1f} "
        f"where Discord takes them; it says {room.guild.filesize_limit // _MIB} for this server."
    )
    return [*found, Finding(is_good=True, words=words)]


def _permissions(room: _Room) -> Iterator[Finding]:
    has = room.permissions_for(room.guild.me)
    is_thread = isinstance(room, discord.Thread)
    send = has.send_messages_in_threads if is_thread else has.send_messages
    needed = {
        "View Channel": has.view_channel,
        "Send Messages in Threads" if is_thread else "Send Messages": send,
        "Attach Files": has.attach_files,
        "Read Message History": has.read_message_history,
    }
    missing = [name for name, is_given in needed.items() if not is_given]
    for name in missing:
        words = f"The bot lacks the permission {name}."
        yield Finding(is_good=False, words=words, remedy=f"Allow {name} {_WHERE}.")
    if not missing:
        yield Finding(is_good=True, words=f"The bot may: {', '.join(needed)}.")


def _no_room(client: discord.Client, options: DiscordOptions, reason: str) -> Finding:
    rights = discord.Permissions(
        view_channel=True,
        send_messages=True,
        send_messages_in_threads=True,
        attach_files=True,
        read_message_history=True,
    )
    remedy = "Check channels.discord.channel (right-click the channel, Copy Channel ID)."
    if client.application_id is not None:
        link = discord.utils.oauth_url(client.application_id, permissions=rights, scopes=["bot"])
        remedy += f" Invite the bot: {link}"
    words = f"The channel {options.room} cannot be seen: {reason}"
    return Finding(is_good=False, words=words, remedy=remedy)
