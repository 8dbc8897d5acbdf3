"""The example runs as a reader would run it, against the stand-in."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.adapters.discord_scene import Scene, play
from tests.emulators.discord import Account

EXAMPLE = Path(__file__).parents[2] / "examples" / "discord_bot.py"


def test_two_bots_exchange_a_file_and_answer_people(tmp_path: Path) -> None:
    source = tmp_path / "report.txt"
    source.write_text("numbers")

    async def test(scene: Scene) -> None:
        def run(me: Account, *arguments: str) -> subprocess.Popen[str]:
            folder = tmp_path / me.name
            folder.mkdir()
            environment = {
                **os.environ,
                "OCFT_DISCORD_TOKEN": me.token,
                "OCFT_DISCORD_CHANNEL": str(scene.room.id),
                "OCFT_DISCORD_API": scene.server.api_url,
                "OCFT_DISCORD_GATEWAY": scene.server.gateway_url,
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

        bob = run(scene.bob, str(scene.ada.id))
        ada = None
        try:
            assert (await line(bob)).startswith("ready: bob")
            ada = run(scene.ada, str(scene.bob.id), str(source))
            scene.server.say(scene.eve, scene.room, "!ping")
            done = await line(bob)
            assert done == f"done: {tmp_path}/{scene.bob.name}/inbox/report.txt\n"
            assert Path(done.removeprefix("done: ").strip()).read_text() == "numbers"
            assert "pong" in scene.said()
        finally:
            for process in (bob, ada):
                if process is not None:
                    process.terminate()
                    process.communicate()

    play(test, speed=1)
