"""A Telegram bot with a handler of its own, and OCFT beside it.

    python examples/telegram_bot.py @PEER_BOT          # takes files from that bot
    python examples/telegram_bot.py @PEER_BOT FILE     # sends it one

The environment has OCFT_TELEGRAM_TOKEN and OCFT_SECRET (what both owners agreed on); for the
stand-in also OCFT_TELEGRAM_API. Both bots need Bot-to-Bot Communication Mode: see
docs/setup-telegram.md.
"""

import os
import sys
from typing import Any

from telegram import Update
from telegram.ext import Application, CommandHandler

from ocft import TransferManager, TrustedPeer
from ocft_telegram import TelegramChannel

API = os.environ.get("OCFT_TELEGRAM_API", "https://api.telegram.org")
SECRET = os.environ["OCFT_SECRET"]
PEER, *FILES = sys.argv[1:]


async def ping(update: Update, _: Any) -> None:
    """Do what this bot is for; OCFT's texts do not come here."""
    if update.message:
        await update.message.reply_text("pong")


async def start_ocft(application: "Application[Any, Any, Any, Any, Any, Any]") -> None:
    """Attach OCFT to the bot that is about to run."""
    peer = str((await application.bot.get_chat(PEER)).id)  # now it can be written to by its number
    node = TransferManager(
        channel=TelegramChannel.attach(application),
        secret=SECRET,
        trusted_peers=[TrustedPeer(id=peer, secret=SECRET)],
        auto_accept=True,  # of trusted peers, that is
        download_dir="inbox",
    )
    node.on("transfer-completed", lambda event: print("done:", event.path, flush=True))
    await node.start()
    # Unfinished transfers go on after the next start.
    application.post_stop = lambda _: node.close()
    for file in FILES:
        await node.send_file(peer, file)
    print("ready:", application.bot.name, flush=True)


builder = Application.builder().token(os.environ["OCFT_TELEGRAM_TOKEN"]).post_init(start_ocft)
bot = builder.base_url(f"{API}/bot").base_file_url(f"{API}/file/bot").build()
bot.add_handler(CommandHandler("ping", ping))
bot.run_polling(allowed_updates=["message"])
