"""The section `channels.telegram` of the settings."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ocft.channels import find_credential
from ocft.errors import ConfigError
from ocft_telegram.limits import (
    DEFAULT_SHARE,
    LEAST_SHARE,
    MOST_DOWNLOADED,
    MOST_OF_OWN_SERVER,
)
from ocft_telegram.text import LONGEST_USERNAME, is_username

TOKEN_VARIABLE: Final = "OCFT_TELEGRAM_TOKEN"  # noqa: S105 - where the token is, not the token
OFFICIAL_SERVER: Final = "https://api.telegram.org"

_TOKEN: Final = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,200}")
_Username = Annotated[str, Field(max_length=1 + LONGEST_USERNAME)]


class TelegramOptions(BaseModel):
    """What the adapter is told."""

    # hide_input: a token that stands in the wrong place must not be shown.
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    token: str | None = Field(default=None, repr=False)
    """Where the token is: "env:NAME" or "keyring:SERVICE/USER"; None: in OCFT_TELEGRAM_TOKEN."""
    chat: int | None = Field(default=None, lt=0)
    """The id of the group in which nodes meet; None: in private chats."""
    thread: int | None = Field(default=None, gt=0)
    """The topic of that group; None: no topic, and all are heard."""
    meet: list[_Username] = Field(default_factory=list, max_length=100)
    """Names (@bob_bot) of bots that this one writes to first, in private chats. Telegram lets a bot
    write to another one's number only when it has met it."""
    api_url: str = Field(default=OFFICIAL_SERVER, max_length=2000)
    """The Bot API server."""
    share: float = Field(default=DEFAULT_SHARE, ge=LEAST_SHARE, le=1)
    """Fraction of Telegram's limits that OCFT may use; the rest is for others with this token."""
    delete_files_after: bool = False
    """Whether files of transfers are removed from the chat when these are over."""
    max_file_size: int | None = Field(default=None, ge=1, le=MOST_OF_OWN_SERVER)
    """Bytes of one native file; above 20 MiB only with a server of one's own."""

    @field_validator("api_url")
    @classmethod
    def _is_plain_url(cls, url: str) -> str:
        scheme, _, rest = url.partition("://")
        if scheme not in ("http", "https") or not rest.strip("/") or set(url) & set(" ?#@{}"):
            raise ValueError("it must be like https://host:port")
        return url.rstrip("/")

    @field_validator("meet")
    @classmethod
    def _are_usernames(cls, names: list[str]) -> list[str]:
        for name in names:
            if not is_username(name):
                raise ValueError("each of them must be like @bob_bot")
        return names

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.thread is not None and self.chat is None:
            raise ValueError("thread is a topic of a group: set chat, too")
        if self.meet and self.chat is not None:
            raise ValueError("meet is for private chats: leave out chat, or meet")
        too_large = self.max_file_size is not None and self.max_file_size > MOST_DOWNLOADED
        if too_large and self.api_url == OFFICIAL_SERVER:
            raise ValueError(
                f"max_file_size is above {MOST_DOWNLOADED}, and Telegram's own server gives a bot "
                "no larger files: set api_url, too"
            )
        return self

    def find_token(self) -> str:
        """Return the bot's token.

        Raises:
            ConfigError: It is not where it should be, or is none.
        """
        # A null in the file means the same as no setting at all.
        where = {} if self.token is None else {"token": self.token}
        token = find_credential(where, "token", variable=TOKEN_VARIABLE)
        if not _TOKEN.fullmatch(token):
            raise ConfigError(
                "channels.telegram.token leads to something that is no token of @BotFather, which "
                "is like 123456:ABC-DEF."
            )
        return token


def read_options(section: Mapping[str, object]) -> TelegramOptions:
    """Read the section of the settings.

    Raises:
        ConfigError: A setting is missing, unknown or wrong; the message names it.
    """
    try:
        return TelegramOptions.model_validate(dict(section))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(["channels", "telegram", *map(str, first["loc"])])
        words = first["msg"].removeprefix("Value error, ")
        # Not chained: a traceback would show what stands there.
        raise ConfigError(f"{place}: {words}") from None
