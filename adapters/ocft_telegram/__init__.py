"""OCFT over Telegram: texts and files in private chats of two bots, or in a group.

    channel = TelegramChannel.attach(application, meet=["@bob_bot"])  # a bot that runs already
    channel = await TelegramChannel.open({"meet": ["@bob_bot"]})  # a connection of its own

The token of the second is in the environment. Importing this package imports no SDK.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ocft.channels import Adapter, Channel, Finding
from ocft.errors import AdapterNotInstalledError

if TYPE_CHECKING:
    from ocft_telegram.channel import TelegramChannel

__all__ = ["ADAPTER", "TelegramChannel"]


def _require_sdk() -> None:
    try:
        import telegram.ext  # noqa: F401 - to see whether it is there
    except ImportError as error:
        raise AdapterNotInstalledError(
            "Telegram needs python-telegram-bot: pip install 'ocft[telegram]'"
        ) from error


async def _open(node_id: str, options: Mapping[str, object]) -> Channel:  # noqa: ARG001 - Telegram knows its bots by their tokens
    _require_sdk()
    from ocft_telegram.channel import TelegramChannel

    return await TelegramChannel.open(options)


async def _check(options: Mapping[str, object]) -> list[Finding]:
    _require_sdk()
    from ocft_telegram.check import check_account

    return await check_account(options)


ADAPTER: Final = Adapter(
    name="telegram",
    summary="Bots on Telegram, in a private chat or a group.",
    extra="telegram",
    open=_open,
    check=_check,
)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load the channel's class, and with it the SDK, on first use."""
        if name != "TelegramChannel":
            raise AttributeError(f"module 'ocft_telegram' has no attribute {name!r}")
        _require_sdk()
        from ocft_telegram.channel import TelegramChannel

        return TelegramChannel
