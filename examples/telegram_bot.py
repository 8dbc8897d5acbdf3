"""A Telegram bot with a handler of its own, and OCFT beside it.

    python examples/telegram_bot.py @PEER_BOT          # takes files from that bot
    python examples/telegram_bot.py @PEER_BOT FILE     # sends it one

The environment has OCFT_TELEGRAM_TOKEN and OCFT_SECRET (what both owners agreed on); for the
stand-in also OCFT_TELEGRAM_API. Both bots need Bot-to-Bot Communication Mode: see
docs/setup-telegram.md.
"""

import logging
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

logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log the token


async def ping(update: Update, _: Any) -> None:
    """Do what this bot is for; OCFT's texts do not come here."""
    if update.message:
        await update.message.reply_text("pong")


async def start_ocft(application: "Application[Any, Any, Any, Any, Any, Any]") -> None:
    """Attach OCFT to the bot that is about to run."""
    me, peer = application.bot.id, (await application.bot.get_chat(PEER)).id
    node = application.bot_data["ocft"] = TransferManager(
        bot_id=str(me),
        secret=SECRET,
        channel=TelegramChannel.attach(application, meet=[PEER]),
        trusted_peers=[TrustedPeer(id=str(peer), secret=SECRET)],
        auto_accept=True,  # of trusted peers, that is
        download_dir=f"inbox-{me}",
    )
    node.on("transfer-completed", lambda event: print("done:", event.path, flush=True))
    await node.start()
    for file in FILES:
        await node.send_file(str(peer), file)
    print("ready:", application.bot.name, flush=True)


async def stop_ocft(application: "Application[Any, Any, Any, Any, Any, Any]") -> None:
    """Stop in good order; unfinished transfers go on after the next start."""
    await application.bot_data["ocft"].close()


builder = Application.builder().token(os.environ["OCFT_TELEGRAM_TOKEN"])
builder = builder.base_url(f"{API}/bot").base_file_url(f"{API}/file/bot")
bot = builder.post_init(start_ocft).post_stop(stop_ocft).build()
bot.add_handler(CommandHandler("ping", ping))
bot.run_polling(allowed_updates=["message"])
