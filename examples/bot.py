"""Two bots in one chat room; one sends the other a file: `python examples/bot.py FILE`."""

import asyncio
import sys

from ocft import TransferManager, TrustedPeer

room: dict[str, TransferManager] = {}  # stands for Telegram, Discord, Slack, ...


def join(name: str, secret: str, *friends: TrustedPeer) -> TransferManager:
    """Make a bot: it sends with the room's function, and the room's handler feeds it."""

    async def send(to: str, text: str) -> None:
        await room[to].handle_message(name, text)  # in your bot: the platform's send_message

    bot = room[name] = TransferManager(
        bot_id=name, secret=secret, send=send, trusted_peers=friends, download_dir=f"{name}-inbox"
    )
    bot.on("transfer-completed", lambda event: print(name, "has", event.path))
    return bot


async def main(file: str) -> None:
    """Send a file from alice to bob, who takes it because alice knows his secret."""
    alice = join("alice", "secret-a", TrustedPeer(id="bob", secret="secret-b"))
    bob = join("bob", "secret-b", TrustedPeer(id="alice", secret="secret-a"))
    async with alice, bob:
        await alice.wait(await alice.send_file("bob", file))


asyncio.run(main(sys.argv[1]))
