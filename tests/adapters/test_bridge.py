"""The bridge runs as a reader would run it, between two stand-ins."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import patch

from ocft import Direction, TransferManager, TrustedPeer
from ocft.channels import Channel
from ocft_slack import SlackChannel
from ocft_telegram import TelegramChannel
from tests.emulators.slack import Limits as SlackLimits
from tests.emulators.slack import SlackServer
from tests.emulators.telegram import Limits as TelegramLimits
from tests.emulators.telegram import TelegramServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "bridge_bot.py"
SECRET = "an agreement"
PATIENCE = 60.0


@contextlib.asynccontextmanager
async def node(
    channel: Channel, me: str, bridge: str, inbox: Path
) -> AsyncIterator[tuple[TransferManager, "asyncio.Future[str]"]]:
    """Run one end; the future is the path of the first file that comes."""
    came: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with channel:
        peers = [TrustedPeer(id=bridge, secret=SECRET)]
        manager = TransferManager(
            bot_id=me,
            secret=SECRET,
            channel=channel,
            trusted_peers=peers,
            auto_accept=True,
            download_dir=inbox,
        )

        def completed(event: object) -> None:
            info = manager.get_transfer(getattr(event, "transfer_id", ""))
            if info is not None and info.direction is Direction.RECEIVE and not came.done():
                came.set_result(str(info.local_path))

        manager.on("transfer-completed", completed)
        async with manager:
            yield manager, came


def test_files_cross_the_bridge_both_ways(tmp_path: Path) -> None:
    for name in ("from-alice.txt", "from-bob.txt"):
        (tmp_path / name).write_text(f"numbers {name}")

    async def scenario() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            TelegramServer(TelegramLimits()) as telegram,
            SlackServer(limits=SlackLimits()) as slack,
            contextlib.AsyncExitStack() as stack,
        ):
            alice = telegram.add_bot("alice_bot", bot_to_bot=True)
            left = telegram.add_bot("bridge_bot", bot_to_bot=True)
            bob, right = slack.app("bob"), slack.app("bridge")
            room = slack.channel("exchange", members=[bob, right])
            in_slack = {"channel": room.id, "api_url": slack.api_url}
            settings = {
                "telegram": {
                    "peer": str(alice.id),
                    "options": {"api_url": telegram.url, "meet": ["@alice_bot"]},
                },
                "slack": {"peer": bob.user_id, "options": in_slack},
            }
            (tmp_path / "bridge.json").write_text(json.dumps(settings))
            environment = {
                **os.environ,
                "OCFT_TELEGRAM_TOKEN": left.token,
                "OCFT_SLACK_BOT_TOKEN": right.bot_token,
                "OCFT_SLACK_APP_TOKEN": right.app_token,
                "OCFT_SECRET": SECRET,
            }
            bridge = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, EXAMPLE, "bridge.json"],
                    cwd=tmp_path,
                    env=environment,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(bridge.terminate)
            assert bridge.stdout is not None
            line = await asyncio.to_thread(bridge.stdout.readline)
            assert line == "ready: telegram and slack\n"
            tokens = {"TOKEN_OF_ALICE": alice.token}
            tokens |= {"BOT_OF_BOB": bob.bot_token, "APP_OF_BOB": bob.app_token}
            stack.enter_context(patch.dict(os.environ, tokens))
            at_alice = await TelegramChannel.open(
                {"token": "env:TOKEN_OF_ALICE", "api_url": telegram.url, "meet": ["@bridge_bot"]}
            )
            at_bob = await SlackChannel.open(
                {**in_slack, "bot_token": "env:BOT_OF_BOB", "app_token": "env:APP_OF_BOB"}
            )
            sender, to_alice = await stack.enter_async_context(
                node(at_alice, str(alice.id), str(left.id), tmp_path / "alice")
            )
            other, to_bob = await stack.enter_async_context(
                node(at_bob, bob.user_id, right.user_id, tmp_path / "bob")
            )
            await sender.send_file(str(left.id), tmp_path / "from-alice.txt")
            await other.send_file(right.user_id, tmp_path / "from-bob.txt")
            for path, name in ((await to_bob, "from-alice.txt"), (await to_alice, "from-bob.txt")):
                assert Path(path).name == name
                assert Path(path).read_text() == f"numbers {name}"

    asyncio.run(scenario())
