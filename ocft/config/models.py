"""What may be in the config file. Trusted peers are not: they are in the journal's database."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
)

from ocft.errors import ConfigError

DEFAULT_MAX_FILE_SIZE: Final = 100 * 1024 * 1024
"""Bytes; wire 1.0's default."""
_MAX_ID: Final = 256  # characters, as on the wire
_MAX_SECRET: Final = 1024


class Config(BaseModel):
    """The settings of one node."""

    # hide_input: what is wrong may be the secret, and errors are shown to people and logs.
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    node_id: str = Field(min_length=1, max_length=_MAX_ID)
    """What this node calls itself on the wire."""
    secret: str = Field(min_length=1, max_length=_MAX_SECRET, repr=False)
    """Who knows it may send files here without asking."""
    secret_ttl_hours: float | None = Field(default=None, gt=0, le=24 * 365 * 1000)
    """How long the secret in an offer counts; null for ever."""
    created_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    """When the node was made."""
    download_dir: str | None = Field(default=None, min_length=1)
    """Where received files go, absolute or below ~; null is the home's own place."""
    max_file_size: int = Field(default=DEFAULT_MAX_FILE_SIZE, ge=1, le=2**63 - 1)
    """Bytes of the largest file that is taken."""
    auto_accept: bool = False
    """Whether trusted peers may send files without asking."""
    channel: str = Field(default="local", min_length=1)
    """The channel that is used when a command names none."""
    channels: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    """What the adapters are told, by their names."""

    @field_validator("node_id")
    @classmethod
    def _is_printable(cls, node_id: str) -> str:
        if not node_id.isprintable():
            raise ValueError("it has characters that cannot be printed")
        return node_id

    @field_validator("secret")
    @classmethod
    def _is_unicode(cls, secret: str) -> str:
        try:
            secret.encode()
        except UnicodeEncodeError:
            raise ValueError("it is not valid Unicode") from None
        return secret

    @field_validator("download_dir")
    @classmethod
    def _is_absolute(cls, folder: str | None) -> str | None:
        # A relative one would mean another folder wherever a command is started.
        if folder is not None and not (folder.startswith("~") or Path(folder).is_absolute()):
            raise ValueError("it must be an absolute path, or begin with ~")
        return folder

    @classmethod
    def parse(cls, text: str | bytes, where: str) -> "Config":
        """Return the settings that a JSON text holds.

        Args:
            text: The text.
            where: What to call it in an error.

        Raises:
            ConfigError: It is no JSON, or a setting is wrong; the message names it.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            # Not chained: a traceback would show what is in the text.
            raise ConfigError(_words(error, where)) from None

    @classmethod
    def make(cls, settings: Mapping[str, Any]) -> "Config":
        """Return the settings of a mapping, checked.

        Raises:
            ConfigError: A setting is wrong; the message names it.
        """
        try:
            return cls.model_validate(dict(settings))
        except ValidationError as error:
            raise ConfigError(_words(error, "The settings")) from None

    def changed(self, **settings: object) -> "Config":
        """Return these settings with some of them changed.

        Raises:
            ConfigError: A setting is wrong; the message names it.
        """
        return self.make({**self.model_dump(), **settings})


def _words(error: ValidationError, where: str) -> str:
    problem = error.errors(include_input=False, include_url=False, include_context=False)[0]
    setting = ".".join(str(part) for part in problem["loc"])
    reason = problem["msg"].removeprefix("Value error, ")
    reason = f"{reason[:1].lower()}{reason[1:]}"
    match problem["type"]:
        case "json_invalid":
            return (
                f"{where} is damaged ({reason}). It was left as it is: repair it, or move it away "
                "and run `ocft init`."
            )
        case "extra_forbidden":
            allowed = ", ".join(Config.model_fields)
            return f"{where}: {setting!r} is no setting. There are: {allowed}."
        case "missing":
            return f"{where}: the setting {setting!r} is missing."
    return f"{where}: {setting or 'the content'}: {reason}."
