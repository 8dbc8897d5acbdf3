"""The section `channels.slack` of the settings, and what Slack allows."""

from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ocft.channels import ChannelLimits, FileLimits, TextUnit, find_credential
from ocft.errors import ConfigError

_MIB: Final = 1 << 20
_SECTION: Final = "channels.slack"
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")

MAX_TEXT: Final = 3900
"""UTF-8 bytes of a text. Slack recommends at most 4,000 characters (chat.postMessage, 2026), and
splits from 4,041 on without a word (measured by users). What it counts is not documented; bytes
are the cautious side. Below 3,600 the reply of a handshake would take two texts."""
MAX_FILE: Final = 1 << 30
"""Bytes of the largest file that Slack takes (help centre, 201330736)."""
# One post a second in a channel in the long run, 40 in 40 s were seen to pass (2026). With `burst`
# at once and `rate` afterwards, no 40 s hold more than 40 posts: 6 + 40 * 0.85.
_POSTS_PER_SECOND: Final = 0.85
_BURST: Final = 6


class SlackOptions(BaseModel):
    """What can be set; see docs/setup-slack.md.

    Attributes:
        channel: The id of the Slack channel in which the nodes meet.
        thread: The time stamp of a message in it, if they shall meet in its thread.
        bot_token: Where the bot token is; None: in `OCFT_SLACK_BOT_TOKEN`.
        app_token: Where the app-level token is; None: in `OCFT_SLACK_APP_TOKEN`.
        api_url: Of the Web API.
        share: Which part of Slack's rate limits may be used; the rest is for others who use the
            same app.
        delete_files_after: Whether files of transfers that are over are deleted from Slack.
        max_file_size: Bytes of the largest native file; None: 64 MiB, and 256 MiB are tried.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    channel: Annotated[str, StringConstraints(pattern=r"^[CG][A-Z0-9]{2,30}$")]
    thread: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}\.[0-9]{6}$")] | None = None
    bot_token: str | None = Field(default=None, repr=False)
    app_token: str | None = Field(default=None, repr=False)
    api_url: str = "https://slack.com/api/"
    share: float = Field(default=0.8, ge=0.05, le=1)
    delete_files_after: bool = False
    max_file_size: int | None = Field(default=None, ge=1, le=MAX_FILE)

    @property
    def limits(self) -> ChannelLimits:
        """What one text may be, and how often texts may go."""
        return ChannelLimits(
            max_text=MAX_TEXT,
            unit=TextUnit.UTF8_BYTES,
            texts_per_second=_POSTS_PER_SECOND * self.share,
            burst=max(1, int(_BURST * self.share)),
        )

    @property
    def files(self) -> FileLimits:
        """What one native file may be."""
        if self.max_file_size is not None:
            return FileLimits(max_size=self.max_file_size, ceiling=self.max_file_size)
        return FileLimits(max_size=64 * _MIB, ceiling=256 * _MIB)

    def find_bot_token(self) -> str:
        """Return the bot token.

        Raises:
            ConfigError: There is none.
        """
        return _find(self.bot_token, "bot_token", "OCFT_SLACK_BOT_TOKEN")

    def find_app_token(self) -> str:
        """Return the app-level token.

        Raises:
            ConfigError: There is none, or it is of another kind.
        """
        token = _find(self.app_token, "app_token", "OCFT_SLACK_APP_TOKEN")
        if not token.startswith("xapp-"):
            raise ConfigError(
                f"{_SECTION}.app_token leads to no app-level token: it begins with xapp-. "
                "See Basic Information, App-Level Tokens, at https://api.slack.com/apps."
            )
        return token


def read_options(section: Mapping[str, object]) -> SlackOptions:
    """Read the section of the settings.

    Raises:
        ConfigError: A setting is missing, unknown or wrong; the message names it.
    """
    try:
        options = SlackOptions.model_validate(dict(section))
    except ValidationError as error:
        # Without the input: somebody may have put a token there.
        raise ConfigError(_words(error)) from None
    _require_safe(options.api_url)
    return options


def _find(reference: str | None, option: str, variable: str) -> str:
    options = {} if reference is None else {option: reference}
    try:
        return find_credential(options, option, variable=variable)
    except ConfigError as error:
        raise ConfigError(f"{_SECTION}.{option}: {error}") from error


def _words(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in problem["loc"])
    match problem["type"], name:
        case "extra_forbidden", _:
            return f"{_SECTION}.{name} is no setting of the Slack channel."
        case "string_pattern_mismatch" | "missing", "channel":
            return (
                f"{_SECTION}.channel is the id of a Slack channel, such as C0123456789: "
                "it stands at the end of the channel's details."
            )
        case "string_pattern_mismatch", "thread":
            return f"{_SECTION}.thread is a message's time stamp, such as 1700000000.123456."
    return f"{_SECTION}.{name}: {problem['msg']}."


def _require_safe(api_url: str) -> None:
    """Refuse addresses to which tokens would go readable."""
    parts = urlsplit(api_url)
    is_safe = parts.scheme == "https" or (
        parts.scheme == "http" and (parts.hostname or "") in _LOOPBACK
    )
    if not (is_safe and parts.hostname):
        raise ConfigError(
            f"{_SECTION}.api_url begins with https://, or with http:// on this machine only."
        )
