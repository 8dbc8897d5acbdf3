"""The channel over Slack: a room that two bots share.

`ADAPTER` is what the library looks for; :class:`SlackChannel` is for bots that run already::

    from ocft_slack import SlackChannel

    channel = await SlackChannel.attach(web_client, "C0123456789", socket_client=socket_client)

Importing this package imports no SDK.
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
        from ocft_slack.channel import open_slack
    except ImportError as error:
        raise AdapterNotInstalledError(_MISSING) from error
    return await open_slack(options)


async def _check(options: Mapping[str, object]) -> list[Finding]:
    try:
        from ocft_slack.check import check_slack
    except ImportError as error:
        raise AdapterNotInstalledError(_MISSING) from error
    return await check_slack(options)


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
