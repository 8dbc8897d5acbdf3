"""A stand-in for Discord: REST, gateway WebSocket and CDN, spoken to by the unmodified discord.py.

    async with DiscordServer(speed=50) as server:
        ada, bob = server.add_bot("ada"), server.add_bot("bob")
        room = server.add_room("files", ada, bob)
        with server.sdk():
            await client.start(ada.token)

"Behaviour N" in the docstrings is a number of the list in the fact sheet about Discord of what a
stand-in must reproduce.
"""

from tests.emulators.discord.counters import Counters
from tests.emulators.discord.faults import Fault, Faults
from tests.emulators.discord.limits import Limits
from tests.emulators.discord.server import DiscordServer
from tests.emulators.discord.things import Account, Attachment, Guild, Message, Permission, Room

__all__ = [
    "Account",
    "Attachment",
    "Counters",
    "DiscordServer",
    "Fault",
    "Faults",
    "Guild",
    "Limits",
    "Message",
    "Permission",
    "Room",
]
