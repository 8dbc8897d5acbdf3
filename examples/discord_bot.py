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

PEER, *FILES = sys.argv[1:]


class Bot(discord.Client):
    """Answers `!ping`, and moves files."""

    ocft: DiscordChannel
    node: TransferManager

    async def setup_hook(self) -> None:
        """Attach OCFT: the account is known, and no event has come yet."""
        secret = os.environ["OCFT_SECRET"]
        self.ocft = await DiscordChannel.attach(
            self, channel=int(os.environ["OCFT_DISCORD_CHANNEL"])
        )
        self.node = TransferManager(
            bot_id=str(self.application_id),
            secret=secret,
            channel=self.ocft,
            trusted_peers=[TrustedPeer(id=PEER, secret=secret)],
            auto_accept=True,  # of trusted peers, that is
            download_dir=f"inbox-{self.application_id}",
        )
        self.node.on("transfer-completed", lambda event: print("done:", event.path, flush=True))
        await self.node.start()

    async def on_ready(self) -> None:
        """Send what is to be sent."""
        while FILES:
            await self.node.send_file(PEER, FILES.pop())
        print("ready:", self.user, flush=True)

    async def on_message(self, message: discord.Message) -> None:
        """Do what this bot is for; OCFT's texts are none of its business."""
        if not self.ocft.handle_message(message) and message.content == "!ping":
            await message.channel.send("pong")

    async def close(self) -> None:
        """Stop in good order; unfinished transfers go on after the next start."""
        await self.node.close()
        await self.ocft.close()
        await super().close()


async def main() -> None:
    """Run until Ctrl-C."""
    if "OCFT_DISCORD_API" in os.environ:
        point_sdk_at(os.environ["OCFT_DISCORD_API"], os.environ["OCFT_DISCORD_GATEWAY"])
    intents = discord.Intents(guilds=True, guild_messages=True, message_content=True)
    async with Bot(intents=intents) as bot:
        await bot.start(os.environ["OCFT_DISCORD_TOKEN"])


asyncio.run(main())
