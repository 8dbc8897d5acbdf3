"""A Slack bot with a handler of its own, and OCFT beside it.

    python examples/slack_bot.py PEER          # takes files from the bot with that user id
    python examples/slack_bot.py PEER FILE     # sends it one

The environment has OCFT_SLACK_BOT_TOKEN, OCFT_SLACK_APP_TOKEN, OCFT_SLACK_CHANNEL (a channel that
both bots are in) and OCFT_SECRET (what both owners agreed on); for the stand-in also
OCFT_SLACK_API.
"""

import asyncio
import os
import sys
from typing import Any

from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.web.async_client import AsyncWebClient

from ocft import TransferManager, TrustedPeer
from ocft_slack import SlackChannel

API = os.environ.get("OCFT_SLACK_API", AsyncWebClient.BASE_URL)
SECRET = os.environ["OCFT_SECRET"]
PEER, *FILES = sys.argv[1:]


async def answer(client: Any, request: Any) -> None:
    """Do what this bot is for; OCFT's texts do not come here."""
    await client.send_socket_mode_response({"envelope_id": request.envelope_id})
    event = request.payload.get("event", {})
    if event.get("text") == "ping":
        await client.web_client.chat_postMessage(channel=event["channel"], text="pong")


async def main() -> None:
    """Run until Ctrl-C; unfinished transfers go on after the next start."""
    web = AsyncWebClient(os.environ["OCFT_SLACK_BOT_TOKEN"], base_url=API)
    socket = SocketModeClient(os.environ["OCFT_SLACK_APP_TOKEN"], web_client=web)
    socket.socket_mode_request_listeners.append(answer)
    channel = await SlackChannel.attach(web, os.environ["OCFT_SLACK_CHANNEL"], socket_client=socket)
    node = TransferManager(
        channel=channel,
        secret=SECRET,
        trusted_peers=[TrustedPeer(id=PEER, secret=SECRET)],
        auto_accept=True,  # of trusted peers, that is
        download_dir="inbox",
    )
    node.on("transfer-completed", lambda event: print("done:", event.path, flush=True))
    async with channel, node:
        await socket.connect()  # type: ignore[no-untyped-call] # slack-sdk's
        for file in FILES:
            await node.send_file(PEER, file)
        print("ready:", channel.address, flush=True)
        await node.serve()


asyncio.run(main())
