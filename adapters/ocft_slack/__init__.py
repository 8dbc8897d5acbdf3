"""The channel over Slack: a room that two bots share.

    web, room = ..., "C0123456789"
    channel = await SlackChannel.attach(web, room, socket_client=...)  # a bot that runs already
    channel = await SlackChannel.open({"channel": room})  # a connection of its own

The tokens of the second are in the environment. Importing this package imports neither slack-sdk
nor aiohttp.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ocft.channels import Adapter, Channel, Finding
from ocft.errors import AdapterNotInstalledError

if TYPE_CHECKING:
    from ocft_slack.channel import SlackChannel

__all__ = ["ADAPTER", "SlackChannel"]

_MISSING: Final = "the adapter 'slack' needs slack-sdk and aiohttp: pip install 'ocft[slack]'"


async def _open(node_id: str, options: Mapping[str, object]) -> Channel:  # noqa: ARG001 - Slack knows us by our tokens
    try:
        from ocft_slack.channel import SlackChannel
    except ImportError as error:
        raise AdapterNotInstalledError(_MISSING) from error
    return await SlackChannel.open(options)


async def _check(options: Mapping[str, object]) -> list[Finding]:
    try:
        from ocft_slack.check import check_account
    except ImportError as error:
        raise AdapterNotInstalledError(_MISSING) from error
    return await check_account(options)


def __getattr__(name: str) -> object:
    if name != "SlackChannel":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from ocft_slack.channel import SlackChannel
    except ImportError as error:
        raise AdapterNotInstalledError(_MISSING) from error
    return SlackChannel


ADAPTER: Final = Adapter(
    name="slack",
    summary="A channel of a Slack workspace that both bots are members of.",
    extra="slack",
    open=_open,
    check=_check,
)
