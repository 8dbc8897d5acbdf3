"""The section `channels.discord` of the settings, and what Discord allows."""

import os
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ocft.channels import ChannelLimits, FileLimits, find_credential
from ocft.errors import ConfigError
from ocft_discord.text import MAX_PREFIX

TOKEN_VARIABLE: Final = "OCFT_DISCORD_TOKEN"  # noqa: S105 - a variable's name
API_VARIABLE: Final = "OCFT_DISCORD_API"
GATEWAY_VARIABLE: Final = "OCFT_DISCORD_GATEWAY"

DEFAULT_SHARE: Final = 0.8
LEAST_SHARE: Final = 0.3
"""Not much below it, a channel's window has no room for more than one text."""

_MIB: Final = 1024 * 1024
_MAX_CONTENT: Final = 2000
"""Code points; documented, and bots have no more."""
_POSTS: Final = 5
_POSTS_SECONDS: Final = 5.0
"""Messages of one bot in one channel; told by the headers of every answer."""
_REQUESTS_PER_SECOND: Final = 50
"""Of one bot, to anything; documented."""
_SURE_FILE: Final = 19 * _MIB // 2
"""10 MiB was the limit until September 2026, and 413 above it was still seen then."""
_LARGEST_FILE: Final = 39 * _MIB // 2
"""20 MiB is documented for servers without boosts since September 2026."""
_FILES_AT_ONCE: Final = 2
_MOST_SNOWFLAKE: Final = 1 << 64
_OWN_MACHINE: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def _snowflake(value: object) -> object:
    # JSON's integers lose digits in some editors, so people write ids as text.
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    return value


def _url(*schemes: str) -> AfterValidator:
    """Accept an encrypted address, or one on this machine: the token goes there."""

    def check(value: str) -> str:
        parts = urlsplit(value)
        plain, safe = schemes
        is_safe = parts.scheme == safe or (parts.scheme == plain and parts.hostname in _OWN_MACHINE)
        if not is_safe or not parts.hostname:
            raise ValueError(f"an address that begins with {safe}://")
        return value

    return AfterValidator(check)


Snowflake = Annotated[int, BeforeValidator(_snowflake), Field(gt=0, lt=_MOST_SNOWFLAKE)]


class DiscordOptions(BaseModel):
    """What can be set.

    Attributes:
        token: Where the bot's token is; see `find_credential`. None: `OCFT_DISCORD_TOKEN`.
        channel: The id of the text channel that the bots share.
        thread: The id of a thread of it to meet in instead.
        api_url: Another server that speaks Discord's REST interface, such as the stand-in; also
            from `OCFT_DISCORD_API`. It counts for all of discord.py in this process.
        gateway_url: The same for the gateway; also from `OCFT_DISCORD_GATEWAY`.
        share: How much of the platform's rates OCFT may use; the rest is for other users of the
            token.
        delete_files_after: Whether attachments are removed when their transfer is over.
        max_file_size: Bytes that one attachment may surely have, where a server's boosts allow more
            than the usual; None: found out.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    token: str | None = Field(default=None, repr=False)
    channel: Snowflake
    thread: Snowflake | None = None
    api_url: Annotated[str, _url("http", "https")] | None = None
    gateway_url: Annotated[str, _url("ws", "wss")] | None = None
    share: float = Field(default=DEFAULT_SHARE, ge=LEAST_SHARE, le=1.0)
    delete_files_after: bool = False
    max_file_size: int | None = Field(default=None, ge=1)

    @property
    def room(self) -> int:
        """The id of the channel, or thread, that is used."""
        return self.thread or self.channel

    def find_token(self) -> str:
        """Return the bot's token.

        Raises:
            ConfigError: It is not where it should be.
        """
        where = {} if self.token is None else {"token": self.token}
        return find_credential(where, "token", variable=TOKEN_VARIABLE)


def read_options(section: Mapping[str, object]) -> DiscordOptions:
    """Read the section of the settings.

    Raises:
        ConfigError: A setting is missing, unknown or wrong; the message names it.
    """
    values = dict(section)
    for option, variable in (("api_url", API_VARIABLE), ("gateway_url", GATEWAY_VARIABLE)):
        if variable in os.environ:
            values.setdefault(option, os.environ[variable])
    try:
        options = DiscordOptions.model_validate(values)
    except ValidationError as error:
        # What was found is not shown: it may be the token in the wrong place.
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in ("channels", "discord", *first["loc"]))
        raise ConfigError(f"{name}: {first['msg']}.") from None
    if (options.api_url is None) != (options.gateway_url is None):
        missing = "api_url" if options.api_url is None else "gateway_url"
        raise ConfigError(f"channels.discord.{missing}: is needed where the other one is set.")
    return options


def channel_limits(share: float) -> ChannelLimits:
    """Return what a node may send into one channel.

    Discord counts in windows whose start nobody knows, so what a burst and the pace after it make
    within one window stays below the limit.

    Args:
        share: How much of the platform's rates may be used.

    Raises:
        ConfigError: It is no share, or too small a one.
    """
    if not LEAST_SHARE <= share <= 1:
        raise ConfigError(f"share is {share}; it can be {LEAST_SHARE} to 1.")
    return ChannelLimits(
        max_text=_MAX_CONTENT - MAX_PREFIX,
        texts_per_second=(_POSTS * share - 1) / _POSTS_SECONDS,
        burst=1,
        total_per_second=_REQUESTS_PER_SECOND * share - 1,
    )


def file_limits(max_file_size: int | None) -> FileLimits:
    """Return what one attachment may be.

    Args:
        max_file_size: What the bot's owner knows, in bytes.

    Raises:
        ConfigError: It is below 1.
    """
    return FileLimits(
        max_size=_SURE_FILE if max_file_size is None else max_file_size,
        ceiling=_LARGEST_FILE if max_file_size is None else max_file_size,
        at_once=_FILES_AT_ONCE,
    )
