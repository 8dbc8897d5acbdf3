"""Run the stand-in by hand: `python -m tests.emulators.discord --port 8081`."""

import argparse
import asyncio
import contextlib

from tests.emulators.discord import DiscordServer

_WORDS = """\
Discord's stand-in listens on {server.url}. Ctrl-C ends it.

{bots}
channel #{room.name}: id {room.id}, server id {server.home.id}

For discord.py, before a client is made:
    import discord, yarl
    discord.http.Route.BASE = "{server.api_url}"
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL("{server.gateway_url}")

For OCFT's adapter, in the environment:
    OCFT_DISCORD_API={server.api_url}
    OCFT_DISCORD_GATEWAY={server.gateway_url}
    OCFT_DISCORD_TOKEN=(one of the tokens)"""


async def _serve(port: int, speed: float) -> None:
    async with DiscordServer(port=port, speed=speed) as server:
        ada, bob = server.add_bot("ada"), server.add_bot("bob")
        room = server.add_room("files", ada, bob)
        bots = [f"bot {bot.name}: id {bot.id}, token {bot.token}" for bot in (ada, bob)]
        words = _WORDS.format(server=server, room=room, bots="\n".join(bots))
        print(words, flush=True)  # noqa: T201 - a program
        await asyncio.Event().wait()


def main() -> None:
    """Parse the arguments and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulators.discord", description=__doc__)
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--speed", type=float, default=1.0, help="divides all rate windows")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(arguments.port, arguments.speed))


if __name__ == "__main__":
    main()
