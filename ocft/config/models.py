"""What may be in the config file. Trusted peers are not: they are in the journal's database."""

from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
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
_MAX_NODE_NAME: Final = 64  # characters, as in a pairing (protocol 2.7)


class ChannelSection(BaseModel):
    """One channel in the settings: what its adapter is told, and what every channel can have."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    options: dict[str, JsonValue] = Field(default_factory=dict)
    """What the adapter is told."""
    peers: dict[str, str] = Field(default_factory=dict)
    """Peers that have an account there: their names or ids, and the account's id."""
    uploads_from: list[str] = Field(default_factory=list)
    """Accounts of people whose uploads are taken in as transfers; "*": everybody's."""


class TurnSection(BaseModel):
    """A server that passes packets on where no direct way is found."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    url: str
    """"turn:HOST[:PORT][?transport=udp|tcp]", or "turns:..." for TLS."""
    username: str = Field(min_length=1, max_length=_MAX_SECRET)
    """The account there."""
    password: str = Field(default="env:OCFT_TURN_PASSWORD", min_length=1, max_length=_MAX_SECRET)
    """Where its password is: env:NAME, file:PATH or keyring:SERVICE/USER."""

    @field_validator("url")
    @classmethod
    def _is_turn(cls, url: str) -> str:
        return _url_of(url, "turn:", "turns:")


class WebRtcSection(BaseModel):
    """How WebRTC is tried where plain connections are not possible; the extra `webrtc`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    enabled: bool = False
    """Whether it is tried at all."""
    stun: str | None = None
    """Who is asked for our address as others see it, "stun:HOST[:PORT]"; null: nobody."""
    turn: TurnSection | None = None
    """Who passes packets on; null: nobody."""

    @field_validator("stun")
    @classmethod
    def _is_stun(cls, url: str | None) -> str | None:
        return url if url is None else _url_of(url, "stun:")


_LEAST_PORT = 1024  # below it are services that no peer is to make a node talk to


class DirectSection(BaseModel):
    """How files go straight between machines that can reach each other."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    enabled: bool = False
    """Whether they do at all."""
    listens: bool = True
    """Whether peers may connect, while something is sent: to fetch it, or to bring it."""
    connects: bool = True
    """Whether peers are connected to: to fetch what they send, or to bring what is sent to them."""
    addresses: list[str] | None = Field(default=None, min_length=1, max_length=8)
    """Where to listen; null: the private addresses of this machine and its loopback."""
    port: int = Field(default=0, ge=0, le=65535)
    """The port, 1024 or above; 0: any that is free."""
    webrtc: WebRtcSection = WebRtcSection()
    """How a way is found where no plain connection is possible."""

    @field_validator("addresses")
    @classmethod
    def _are_addresses(cls, addresses: list[str] | None) -> list[str] | None:
        for address in addresses or ():
            if ip_address(address).is_unspecified:
                raise ValueError("peers cannot connect to it: name the machine's addresses")
        return addresses

    @field_validator("port")
    @classmethod
    def _is_open_to_peers(cls, port: int) -> int:
        if 0 < port < _LEAST_PORT:
            raise ValueError("peers connect to ports from 1024 on only")
        return port


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
    previous_secret: str | None = Field(
        default=None, min_length=1, max_length=_MAX_SECRET, repr=False
    )
    """The secret before this one, which counts until `previous_secret_until` (R-HSK-3)."""
    previous_secret_until: AwareDatetime | None = None
    """When the former secret counts no longer; without it, it does not count at all."""
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
    allow_wire_1: bool = True
    """Whether wire 1.0, which all in the chat can read, may be used with anybody (R-WIR-3)."""
    keyring: bool = False
    """Whether the node's keys are in the system's keyring, and not in a file beside the journal."""
    node_name: str | None = Field(default=None, min_length=1, max_length=_MAX_NODE_NAME)
    """What this node calls itself in a pairing; null is the name of the machine."""
    direct: DirectSection = DirectSection()
    """How files go around the channel, where machines can reach each other."""
    channel: str = Field(default="local", min_length=1)
    """The channel that is used when a command names none."""
    channels: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    """What the adapters are told, by their names; see `ChannelSection` for what is not theirs."""

    @field_validator("node_id", "node_name")
    @classmethod
    def _is_printable(cls, name: str | None) -> str | None:
        if name is not None and not name.isprintable():
            raise ValueError("it has characters that cannot be printed")
        return name

    @field_validator("secret", "previous_secret")
    @classmethod
    def _is_unicode(cls, secret: str | None) -> str | None:
        try:
            (secret or "").encode()
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

    def secrets_at(self, now: float) -> tuple[str, ...]:
        """Return the secrets that count at a moment: the current one, then the former one.

        Args:
            now: Seconds since the epoch.
        """
        previous, until = self.previous_secret, self.previous_secret_until
        if previous is None or until is None or now >= until.timestamp():
            return (self.secret,)
        return (self.secret, previous)

    def section_of(self, channel: str) -> "ChannelSection":
        """Return what the settings say about a channel.

        Raises:
            ConfigError: A setting in it that is not its adapter's is wrong.
        """
        own = dict(self.channels.get(channel, {}))
        shared = {name: own.pop(name) for name in ("peers", "uploads_from") if name in own}
        try:
            return ChannelSection.model_validate({"options": own, **shared})
        except ValidationError as error:
            raise ConfigError(_words(error, f"channels.{channel}")) from None

    def channel_of(self, *names: str | None) -> str:
        """Return the channel on which a peer has an account, else the one that is always used.

        Args:
            names: What the peer is called: its id, its name.
        """
        for channel in self.channels:
            if any(name in self.section_of(channel).peers for name in names if name is not None):
                return channel
        return self.channel

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


def _url_of(url: str, *beginnings: str) -> str:
    from ocft.routes import HelpingServer

    if not url.startswith(beginnings):
        raise ValueError(f"it does not begin with {beginnings[0]}")
    try:
        HelpingServer.parse(url)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return url
