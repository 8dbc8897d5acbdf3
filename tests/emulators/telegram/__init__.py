"""A stand-in for Telegram's Bot API, over real HTTP, written from docs and source readings.

    async with TelegramServer(Limits(speed=50)) as server:
        alice = server.add_bot("alice_bot", bot_to_bot=True)
        room = server.add_group("OCFT", alice, server.add_person("Ann"))
        application = (
            ApplicationBuilder()
            .token(alice.token)
            .base_url(server.base_url)
            .base_file_url(server.base_file_url)
            .build()
        )

Delivery is in `hearing`, limits in `limits` and `pacing`, what happens to texts in `text`. What is
not documented is decided the strict way: a command in a caption addresses nobody.
"""

from tests.emulators.telegram.counters import Counters
from tests.emulators.telegram.faults import Fault, Faults
from tests.emulators.telegram.limits import Limits
from tests.emulators.telegram.server import TelegramServer
from tests.emulators.telegram.things import Bot, Message, Person, Room

__all__ = [
    "Bot",
    "Counters",
    "Fault",
    "Faults",
    "Limits",
    "Message",
    "Person",
    "Room",
    "TelegramServer",
]
