"""OCFT over Discord: texts and attachments in one channel or thread that both bots can see.

    room = 1234567890
    channel = await DiscordChannel.attach(client, channel=room)  # a bot that runs already
    channel = await DiscordChannel.open({"channel": room})  # a connection of its own

The token of the second is in the environment. Importing this package imports neither discord.py
nor aiohttp.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ocft.channels import Adapter, Channel, Finding
from ocft.errors import AdapterNotInstalledError

if TYPE_CHECKING:
    from ocft_discord.channel import DiscordChannel
    from ocft_discord.connection import point_sdk_at

__all__ = ["ADAPTER", "DiscordChannel", "point_sdk_at"]

_MISSING: Final = "The Discord adapter needs discord.py: pip install 'ocft[discord]'"


async def _open(node_id: str, options: Mapping[str, object]) -> Channel:  # noqa: ARG001 - a bot has its own id
    try:
        from ocft_discord.channel import DiscordChannel
    except ImportError as error:
        raise AdapterNotInstalledError(_MISSING) from error
    return await DiscordChannel.open(options)


async def _check(options: Mapping[str, object]) -> list[Finding]:
    try:
        from ocft_discord.check import check_account
    except ImportError as error:
        raise AdapterNotInstalledError(_MISSING) from error
    return await check_account(options)


def __getattr__(name: str) -> object:
    if name not in {"DiscordChannel", "point_sdk_at"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from ocft_discord import channel
    except ImportError as error:
        raise AdapterNotInstalledError(_MISSING) from error
    found: object = getattr(channel, name)
    return found


ADAPTER: Final = Adapter(
    name="discord",
    summary="Bots in a channel of a Discord server.",
    extra="discord",
    open=_open,
    check=_check,
)
