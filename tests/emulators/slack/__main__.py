"""Start the stand-in by hand: `python -m tests.emulators.slack --port 8081`."""

import argparse
import asyncio
import contextlib
import sys

from tests.emulators.slack import Channel, Limits, Message, SlackServer


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _serve(port: int, speed: float) -> None:
    async with SlackServer(port=port, limits=Limits(speed=speed)) as server:
        alice, bob = server.app("alice"), server.app("bob")
        person = server.person("carol")
        room = server.channel("exchange", members=[alice, bob, person])
        _say(f"Slack stand-in on {server.url}; Ctrl-C ends it.")
        _say("slack-sdk obeys HTTP_PROXY even for 127.0.0.1: unset it.")
        _say("\nFor the settings of a node, in its config.json:")
        _say(
            f'  "channels": {{"slack": {{"channel": "{room.id}", "api_url": "{server.api_url}"}}}}'
        )
        _say("\nFor examples/slack_bot.py:")
        _say(f"export OCFT_SLACK_API={server.api_url}\nexport OCFT_SLACK_CHANNEL={room.id}")
        _say("\nFor both, one of:")
        for app in (alice, bob):
            _say(f"# {app.name}: user {app.user_id}, bot {app.bot_id}, app {app.app_id}")
            _say(f"export OCFT_SLACK_BOT_TOKEN={app.bot_token}")
            _say(f"export OCFT_SLACK_APP_TOKEN={app.app_token}")
        _say(f"\nMessages in #{room.name}:")
        names = {member.user_id: member.name for member in (alice, bob, person)}
        server.watch(lambda channel, message: _show(names, channel, message))
        await asyncio.Event().wait()


def _show(names: dict[str, str], channel: Channel, message: Message) -> None:
    author = names.get(message.get("user", ""), "-")
    files = " ".join(f"[{file['name']}, {file['size']} B]" for file in message.get("files", []))
    text = message.get("subtype", "") + " " + message.get("text", "") + files
    _say(f"{message['ts']} {author}: {text.strip()[:120]}")


def main() -> None:
    """Read the command line and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulators.slack", description=__doc__)
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--speed", type=float, default=1.0, help="divides all waits and windows")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(_serve(options.port, options.speed))
        except OSError as error:
            parser.exit(1, f"{error}\n")


main()
