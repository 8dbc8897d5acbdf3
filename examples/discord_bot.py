"""A Discord bot with a handler of its own, and OCFT beside it.

    python examples/discord_bot.py PEER          # takes files from the bot with that user id
    python examples/discord_bot.py PEER FILE     # sends it one

The environment has OCFT_DISCORD_TOKEN, OCFT_DISCORD_CHANNEL (a channel that both bots see) and
OCFT_SECRET (what both owners agreed on); for the stand-in also OCFT_DISCORD_API and
OCFT_DISCORD_GATEWAY.
"""

import asyncio
import os
import sys

import discord

from ocft import TransferManager, TrustedPeer
from ocft_discord import DiscordChannel, point_sdk_at

SECRET = os.environ["OCFT_SECRET"]
PEER, *FILES = sys.argv[1:]


class Bot(discord.Client):
    """Answers `!ping`."""

    ocft: DiscordChannel

    async def on_ready(self) -> None:
        """Say so."""
        print("ready:", self.user, flush=True)

    async def on_message(self, message: discord.Message) -> None:
        """Do what this bot is for; OCFT's texts are none of its business."""
        if not self.ocft.handle_message(message) and message.content == "!ping":
            await message.channel.send("pong")


async def main() -> None:
    """Run until Ctrl-C; unfinished transfers go on after the next start."""
    if api := os.environ.get("OCFT_DISCORD_API"):
        point_sdk_at(api, os.environ["OCFT_DISCORD_GATEWAY"])
    room = int(os.environ["OCFT_DISCORD_CHANNEL"])
    intents = discord.Intents(guilds=True, guild_messages=True, message_content=True)
    async with Bot(intents=intents) as bot:
        await bot.login(os.environ["OCFT_DISCORD_TOKEN"])
        async with await DiscordChannel.attach(bot, channel=room) as bot.ocft:
            node = TransferManager(
                channel=bot.ocft,
                secret=SECRET,
                trusted_peers=[TrustedPeer(id=PEER, secret=SECRET)],
                auto_accept=True,  # of trusted peers, that is
                download_dir="inbox",
            )
            node.on("transfer-completed", lambda event: print("done:", event.path, flush=True))
            async with node:
                for file in FILES:
                    await node.send_file(PEER, file)
                await bot.connect()


asyncio.run(main())
