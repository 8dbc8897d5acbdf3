"""Starts the stand-in by hand: `python -m tests.emulators.telegram --port 8081`."""

import argparse
import asyncio
import contextlib
import json
import logging

from tests.emulators.telegram import Limits, TelegramServer


async def _serve(port: int, speed: float) -> None:
    async with TelegramServer(Limits(speed=speed), port=port) as server:
        alice = server.add_bot("alice_ocft_bot", bot_to_bot=True)
        bob = server.add_bot("bob_ocft_bot", bot_to_bot=True)
        room = server.add_group("OCFT", alice, bob, server.add_person("Ann"))
        lines = [f"Telegram's Bot API stands in at {server.url} (Ctrl-C ends it)"]
        for bot, other in ((alice, bob), (bob, alice)):
            lines += [
                "",
                f"@{bot.username}, id {bot.id}; in its node's config.json:",
                f"  export OCFT_TELEGRAM_TOKEN={bot.token}",
                _settings(server.url, meet=[f"@{other.username}"]),
            ]
        lines += ["", "or, for the group that both are in:", _settings(server.url, chat=room.id)]
        print("\n".join(lines), flush=True)  # noqa: T201
        await asyncio.Event().wait()


def _settings(url: str, **more: object) -> str:
    section = {"telegram": {"api_url": url, **more}}
    return f'  "channel": "telegram", "channels": {json.dumps(section)}'


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="tests.emulators.telegram", description=__doc__)
    parser.add_argument("--port", type=int, default=8081, help="on 127.0.0.1; 0 for any")
    parser.add_argument("--speed", type=float, default=1.0, help="how fast time windows pass")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options.port, options.speed))


if __name__ == "__main__":
    main()
