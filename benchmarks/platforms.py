"""What 100 MB cost on Telegram, Discord and Slack, against their stand-ins at the platforms' pace.

    PYTHONPATH=. python benchmarks/platforms.py            # the tables in benchmarks/README.md
    PYTHONPATH=. python benchmarks/platforms.py --quick    # less of everything

The stand-ins of `tests/emulators` run here with all their limits, sender and receiver in processes
of their own, each pair as nodes that have never met. Telegram is used in a private chat.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodes import MB, Table, add_common, payload_of, scratch

from ocft import Channel, TransferManager, TrustedPeer
from ocft.channels import find_adapter
from ocft.storage import Collected, SourceSet
from ocft.wire import FrameType, decode, pack_manifest
from tests.emulators.stand_ins import STAND_INS, StandIn

PEERS = {"alice": "bob", "bob": "alice"}
SECRET = "between us"  # noqa: S105
MIB = 1 << 20
GOAL_MESSAGES = 1.1
GOAL_MEMORY = 64.0  # MiB
GOAL_HANDLER = 0.05  # seconds, p99
TEXTS = {"telegram": 7, "discord": 8, "slack": 7}
"""HELLO, REPLY (which takes two of Discord's texts), FINISH, welcome, offer, accept, done."""
PING_EVERY = 0.02  # seconds
QUIET = 5.0  # seconds of pings before the transfer


# What runs in a process of its own


@dataclass
class Pinged:
    """When the bot's own handler had run, by the texts that it was given."""

    at: dict[str, float]

    def note(self, text: str) -> None:
        """Do what a bot does with a text."""
        if text.startswith("ping"):
            self.at[text] = time.monotonic()


@contextlib.asynccontextmanager
async def attached(name: str, section: dict[str, Any], pinged: Pinged) -> AsyncIterator[Channel]:
    """Run somebody's bot, with a handler of its own, and OCFT attached to it."""
    share = {"share": section["share"]} if "share" in section else {}
    if name == "telegram":
        from telegram.ext import ApplicationBuilder, MessageHandler, filters

        from ocft_telegram import TelegramChannel

        async def handle(update: Any, _: object) -> None:
            pinged.note(update.message.text)

        application = (
            ApplicationBuilder()
            .token(os.environ["OCFT_TELEGRAM_TOKEN"])
            .base_url(f"{section['api_url']}/bot")
            .base_file_url(f"{section['api_url']}/file/bot")
            .build()
        )
        application.add_handler(MessageHandler(filters.TEXT, handle))
        channel: Channel = TelegramChannel.attach(application, meet=section["meet"], **share)
        async with application:
            await application.start()
            assert application.updater
            await application.updater.start_polling()
            yield channel
            await channel.close()
            await application.updater.stop()
            await application.stop()
    elif name == "discord":
        import discord

        from ocft_discord import DiscordChannel
        from ocft_discord.connection import point_sdk_at

        point_sdk_at(section["api_url"], section["gateway_url"])
        made: asyncio.Future[DiscordChannel] = asyncio.get_running_loop().create_future()

        class Bot(discord.Client):
            async def setup_hook(self) -> None:
                room = int(section["channel"])
                made.set_result(await DiscordChannel.attach(self, channel=room, **share))

            async def on_message(self, message: discord.Message) -> None:
                if not made.result().handle_message(message):
                    pinged.note(message.content)

        intents = discord.Intents(guilds=True, messages=True, message_content=True)
        bot = Bot(intents=intents)
        running = asyncio.create_task(bot.start(os.environ["OCFT_DISCORD_TOKEN"]))
        yield await made
        await (await made).close()
        await bot.close()
        await running
    else:
        from slack_sdk.socket_mode.aiohttp import SocketModeClient
        from slack_sdk.web.async_client import AsyncWebClient

        from ocft_slack import SlackChannel

        web = AsyncWebClient(os.environ["OCFT_SLACK_BOT_TOKEN"], base_url=section["api_url"])
        socket = SocketModeClient(os.environ["OCFT_SLACK_APP_TOKEN"], web_client=web)
        channel = await SlackChannel.attach(web, section["channel"], socket_client=socket, **share)

        async def listen(client: Any, request: Any) -> None:
            await client.send_socket_mode_response({"envelope_id": request.envelope_id})
            pinged.note(request.payload["event"].get("text", ""))

        socket.socket_mode_request_listeners.append(listen)
        await socket.connect()  # type: ignore[no-untyped-call]
        yield channel
        await channel.close()
        await socket.close()  # type: ignore[no-untyped-call]


async def run_node(told: dict[str, Any]) -> None:
    """Be a node: say when it is ready, send or receive one file, say what that took."""
    me, peer = told["name"], PEERS[told["name"]]
    pinged = Pinged({})
    async with contextlib.AsyncExitStack() as stack:
        if told["is_attached"]:
            opening = attached(told["platform"], told["section"], pinged)
            channel = await stack.enter_async_context(opening)
        else:
            opened = await find_adapter(told["platform"]).open(me, told["section"])
            channel = await stack.enter_async_context(opened)
        if told["by_text"]:
            channel.files = None
        manager = TransferManager(
            wires=("2",),
            bot_id=me,
            secret=SECRET,
            download_dir=Path(told["folder"]) / me,
            channel=channel,
            auto_accept=True,
            trusted_peers=[TrustedPeer(id=peer, secret=SECRET, address=told["address"])],
            max_file_size=1 << 40,
        )
        await stack.enter_async_context(manager)
        await asyncio.sleep(1.0)  # until it is connected, and has nothing to do
        idle = reset_peak()
        print(json.dumps({"is_ready": True}), flush=True)
        start = time.monotonic()
        if told["source"]:
            await asyncio.to_thread(sys.stdin.readline)
            start = time.monotonic()
            await manager.send_file(peer, told["source"])
        while not (transfers := manager.list_transfers()):  # noqa: ASYNC110 - for both
            await asyncio.sleep(0.01)
        await manager.wait(transfers[0].id)
        seconds = time.monotonic() - start
        row = {"seconds": seconds, "above_idle": (peak_memory("VmHWM") - idle) / MIB}
        print(json.dumps({**row, "handled": pinged.at}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)  # the peer may have missed its last word


def reset_peak() -> int:
    """Forget the peak of this process's memory; return what it has now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory("VmRSS")


def peak_memory(field: str) -> int:
    """Return a figure of the kernel about this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


# What runs here


class Process:
    """A node in a process of its own."""

    def __init__(self, stand_in: StandIn, name: str, folder: Path, **told: Any) -> None:
        given: dict[str, Any] = {
            "name": name,
            "platform": stand_in.name,
            "section": stand_in.section(name),
            "address": stand_in.address(PEERS[name]),
            "folder": str(folder),
            "source": None,
            "by_text": False,
            "is_attached": False,
        }
        environment = {name: v for name, v in os.environ.items() if "PROXY" not in name.upper()}
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--node", json.dumps(given | told)],
            env=environment | stand_in.environment(name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self) -> dict[str, Any]:
        """Return what it says next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the node has ended"
        said: dict[str, Any] = json.loads(line)
        return said

    def tell(self) -> None:
        """Let it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """End it, if it has not."""
        with contextlib.suppress(BrokenPipeError):
            self.tell()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@contextlib.contextmanager
def two_nodes(
    stand_in: StandIn, folder: Path, source: Path, *, by_text: bool = False, attached: str = ""
) -> Iterator[tuple[Process, Process]]:
    """Start alice, who sends, and bob, who receives; they have never met. Nothing is sent yet."""
    alice, bob = (
        Process(
            stand_in,
            name,
            folder,
            by_text=by_text,
            is_attached=name == attached,
            source=str(source) if name == "alice" else None,
        )
        for name in PEERS
    )
    try:
        for node in (alice, bob):
            assert node.read() == {"is_ready": True}
        yield alice, bob
    finally:
        alice.end()
        bob.end()


def kinds_of(stand_in: StandIn) -> collections.Counter[str]:
    """Return what was said in the chat, by kind."""
    kinds: collections.Counter[str] = collections.Counter()
    names = {FrameType.DATA: "data", FrameType.ACK: "acks", FrameType.CONTROL: "control"}
    for said in stand_in.said():
        if said.files:
            kinds["files"] += 1
            continue
        for frame in decode(said.text):
            assert isinstance(frame, bytes)
            kinds[names.get(FrameType(frame[0]), "handshake")] += 1
    return kinds


def write_noise(path: Path, size: int) -> Path:
    """Write random bytes of which none repeat: frames are large enough to see that."""
    with path.open("wb") as file:
        for place in range(0, size, MB):
            file.write(os.urandom(min(MB, size - place)))
    return path


def byte_space(path: Path) -> int:
    """Return the bytes of a file and its manifest."""
    manifest, _ = SourceSet.describe([Collected(path, path.name)])
    return len(pack_manifest(manifest)) + path.stat().st_size


def measure_files(platform: str, megabytes: int) -> dict[str, object]:
    """Send a file by attachment."""
    with scratch() as folder, STAND_INS[platform]() as stand_in:
        source = write_noise(folder / "file.bin", megabytes * MB)
        with two_nodes(stand_in, folder, source) as (alice, bob):
            alice.tell()
            sender, receiver = alice.read(), bob.read()
        kinds = kinds_of(stand_in)
        largest = max(len(content) for said in stand_in.said() for _, content in said.files)
        least = math.ceil(byte_space(source) / largest) + TEXTS[platform]
        messages = stand_in.count()
        assert messages == kinds.total(), (messages, kinds)
        return {
            "platform": platform,
            "file": f"{megabytes} MB",
            "seconds": sender["seconds"],
            "files": kinds["files"],
            "largest, MiB": largest / MIB,
            "data": kinds["data"],
            "acks": kinds["acks"],
            "control": kinds["control"],
            "handshake": kinds["handshake"],
            "messages": messages,
            "least": least,
            "messages / least": messages / least,
            "429": stand_in.refusals(),
            "sender, MiB above idle": sender["above_idle"],
            "receiver, MiB above idle": receiver["above_idle"],
        }


@contextlib.contextmanager
def environment_of(stand_in: StandIn) -> Iterator[None]:
    """Let this process be a bot for a while."""
    kept = dict(os.environ)
    for name in [name for name in kept if "PROXY" in name.upper()]:
        del os.environ[name]
    os.environ.update(stand_in.environment("alice"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def measure_text(platform: str, size: int) -> dict[str, object]:
    """Send a file by text, and compute what more would take."""
    with scratch() as folder, STAND_INS[platform]() as stand_in:

        async def limits_of() -> tuple[int, str, float]:
            channel = await find_adapter(platform).open("alice", stand_in.section("alice"))
            async with channel:
                rate = channel.limits.texts_per_second
                assert rate is not None
                return (*payload_of(channel.limits), rate)

        with environment_of(stand_in):
            room, alphabet, rate = asyncio.run(limits_of())
        source = write_noise(folder / "file.bin", size)
        with two_nodes(stand_in, folder, source, by_text=True) as (alice, bob):
            alice.tell()
            sender = alice.read()
            bob.read()
        row: dict[str, object] = {
            "platform": platform,
            "alphabet": alphabet,
            "bytes in a text": room,
            "texts a second": rate,
            "file": f"{size / MB:g} MB",
            "texts": stand_in.count(),
            "seconds": sender["seconds"],
            "computed": math.ceil(byte_space(source) / room) / rate,
            "429": stand_in.refusals(),
        }
        for more in (1, 20, 100):
            row[f"{more} MB, computed"] = hours(more * MB / room / rate)
        return row


def hours(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def measure_handler(platform: str, megabytes: int, bot: str) -> dict[str, object]:
    """Ask a bot that somebody runs, again and again, before and while it moves a file."""
    with scratch() as folder, STAND_INS[platform]() as stand_in:
        source = write_noise(folder / "file.bin", megabytes * MB)
        with two_nodes(stand_in, folder, source, attached=bot) as (alice, bob):
            asked: dict[str, float] = {}
            until = time.monotonic() + QUIET
            while time.monotonic() < until:
                ping(stand_in, bot, asked)
            quiet = set(asked)
            alice.tell()
            finished: list[dict[str, Any]] = []
            reading = threading.Thread(target=lambda: finished.extend((alice.read(), bob.read())))
            reading.start()
            while reading.is_alive():
                ping(stand_in, bot, asked)
        handled = finished[list(PEERS).index(bot)]["handled"]
        waits = {name: handled[name] - at for name, at in asked.items() if name in handled}
        before = sorted(wait for name, wait in waits.items() if name in quiet)
        during = sorted(wait for name, wait in waits.items() if name not in quiet)
        return {
            "platform": platform,
            "file": f"{megabytes} MB",
            "the bot": "sends" if bot == "alice" else "receives",
            "texts": len(during),
            "median before, ms": 1000 * quantile(before, 0.5),
            "p99 before, ms": 1000 * quantile(before, 0.99),
            "median during, ms": 1000 * quantile(during, 0.5),
            "p99 during, ms": 1000 * quantile(during, 0.99),
            "worst during, ms": 1000 * during[-1],
            "goal": 1000 * GOAL_HANDLER,
        }


def ping(stand_in: StandIn, bot: str, asked: dict[str, float]) -> None:
    """Let the person say something to a bot, and wait a moment."""
    text = f"ping {len(asked)}"
    asked[text] = stand_in.ask(bot, text)
    time.sleep(PING_EVERY)


def quantile(values: list[float], part: float) -> float:
    return values[min(len(values) - 1, math.ceil(part * len(values)) - 1)]


def main() -> None:
    """Print a table for each question."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common(parser)
    parser.add_argument("--node", help=argparse.SUPPRESS)
    parser.add_argument("--platforms", nargs="+", choices=STAND_INS, default=[*STAND_INS])
    parser.add_argument("--only", choices=("files", "handler", "text"))
    arguments = parser.parse_args()
    if arguments.node is not None:
        asyncio.run(run_node(json.loads(arguments.node)))
        return
    sizes = (1, 20) if arguments.quick else (1, 20, 100)
    table = Table(as_json=arguments.json)
    for platform in arguments.platforms:
        if arguments.only in (None, "files"):
            for megabytes in sizes:
                table.add(measure_files(platform, megabytes))
    for platform in arguments.platforms:
        if arguments.only in (None, "handler"):
            for bot in PEERS:
                # On Slack 100 MB are over before there are a hundred texts.
                more = 5 if platform == "slack" else 1
                table.add(measure_handler(platform, more * sizes[-1], bot))
    for platform in arguments.platforms:
        if arguments.only in (None, "text"):
            table.add(measure_text(platform, MB // (20 if arguments.quick else 1)))


if __name__ == "__main__":
    main()
