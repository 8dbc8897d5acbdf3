"""The example runs as a reader would run it, against the stand-in."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapters.slack_scene import Scene, _no_proxy, in_scene, until
from tests.emulators.slack import App

__all__ = ["_no_proxy"]
pytestmark = pytest.mark.usefixtures("_no_proxy")

EXAMPLE = Path(__file__).parents[2] / "examples" / "slack_bot.py"


def test_two_bots_exchange_a_file_and_answer_people(tmp_path: Path) -> None:
    source = tmp_path / "report.txt"
    source.write_text("numbers")

    async def scenario(its: Scene) -> None:
        def run(me: App, *arguments: str) -> subprocess.Popen[str]:
            folder = tmp_path / me.name
            folder.mkdir()
            environment = {
                **os.environ,
                "OCFT_SLACK_BOT_TOKEN": me.bot_token,
                "OCFT_SLACK_APP_TOKEN": me.app_token,
                "OCFT_SLACK_CHANNEL": its.room.id,
                "OCFT_SLACK_API": its.server.api_url,
                "OCFT_SECRET": "an agreement",
            }
            return subprocess.Popen(
                [sys.executable, EXAMPLE, *arguments],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )

        async def line(process: subprocess.Popen[str]) -> str:
            assert process.stdout is not None
            return await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 25)

        bob = run(its.bob, its.alice.user_id)
        alice = None
        try:
            assert await line(bob) == f"ready: {its.bob.user_id}\n"
            alice = run(its.alice, its.bob.user_id, str(source))
            its.server.say(its.room, "ping", by=its.carol)
            done = await line(bob)
            assert done == f"done: {tmp_path}/{its.bob.name}/inbox/report.txt\n"
            assert Path(done.removeprefix("done: ").strip()).read_text() == "numbers"
            await until(lambda: "pong" in [one["text"] for one in its.server.history(its.room)])
        finally:
            for process in (bob, alice):
                if process is not None:
                    process.terminate()
                    process.communicate()

    in_scene(scenario, speed=1)
