"""The example, and the stand-in that is started by hand, run as a reader would run them."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.adapters.telegram_world import in_real_time, world
from tests.emulators.telegram import Bot

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "telegram_bot.py"


async def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 25)


@in_real_time
async def test_two_bots_exchange_a_file_and_answer_people(tmp_path: Path) -> None:
    source = tmp_path / "report.txt"
    source.write_text("numbers")
    async with world(speed=1) as here:
        ann = here.server.add_person("Ann")

        def run(me: Bot, *arguments: str) -> "subprocess.Popen[str]":
            folder = tmp_path / str(me.id)
            folder.mkdir()
            environment = {
                **os.environ,
                "OCFT_TELEGRAM_TOKEN": me.token,
                "OCFT_TELEGRAM_API": here.server.url,
                "OCFT_SECRET": "an agreement",
            }
            return subprocess.Popen(
                [sys.executable, EXAMPLE, *arguments],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )

        processes = [run(here.bob, "@alice_bot")]
        bob = processes[0]
        try:
            assert await line_of(bob) == "ready: @Bob_bot\n"
            processes.append(run(here.alice, "@Bob_bot", str(source)))
            here.server.say(ann, here.bob, "/ping")
            done = await line_of(bob)
            assert done == f"done: {tmp_path}/{here.bob.id}/inbox/report.txt\n"
            assert Path(done.removeprefix("done: ").strip()).read_text() == "numbers"
            assert [m.text for m in here.server.history(ann, here.bob)] == ["/ping", "pong"]
        finally:
            for process in processes:
                process.terminate()
                await asyncio.to_thread(process.communicate)
        assert [process.returncode for process in processes] == [0, 0]


def test_the_stand_in_prints_what_a_node_needs() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.emulators.telegram", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(12)]
        process.terminate()
    text = "".join(lines)
    assert text.count("export OCFT_TELEGRAM_TOKEN=") == 2
    assert text.count('"channel": "telegram", "channels": {"telegram": {"api_url": "http') == 3
