"""What WebRTC lines are made from, as plain facts; nothing here needs the extra `webrtc`."""

import re
from dataclasses import dataclass, field
from typing import Final

from ocft.errors import ConfigError

KINDS: Final = ("host", "srflx", "relay")
"""Where a place comes from, by its number on the wire: the machine, STUN, TURN."""

_URL: Final = re.compile(
    r"(?P<scheme>stun|turns?):(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})"
    r"(?::(?P<port>[0-9]{1,5}))?(?:\?transport=(?P<transport>udp|tcp))?"
)
_PORT: Final = 3478
_TLS_PORT: Final = 5349


@dataclass(frozen=True, slots=True)
class LineEnd:
    """What one end of a line has to know of the other one."""

    user: str
    """Its name in the checks whether it can be reached (ICE)."""
    password: str = field(repr=False)
    """What those checks are proved with."""
    fingerprint: bytes
    """SHA-256 of the certificate that it will show."""
    places: tuple[tuple[str, int, int], ...]
    """Addresses, ports, and the numbers of their `KINDS`."""


@dataclass(frozen=True, slots=True)
class HelpingServer:
    """A server that tells addresses (STUN) or passes packets on (TURN), as its URL says."""

    scheme: str
    host: str
    port: int
    transport: str

    @classmethod
    def parse(cls, url: str) -> "HelpingServer":
        """Return what a URL says, such as "stun:example.org" or "turns:example.org:443".

        Raises:
            ConfigError: It is none of these.
        """
        found = _URL.fullmatch(url)
        if found is None:
            raise ConfigError(
                "A server for WebRTC is written as stun:HOST[:PORT] or "
                "turn:HOST[:PORT][?transport=udp|tcp], with turns: for TLS."
            )
        scheme, transport = found["scheme"], found["transport"]
        port = int(found["port"] or (_TLS_PORT if scheme == "turns" else _PORT))
        if not 0 < port < 1 << 16 or (scheme == "stun" and transport):
            raise ConfigError("A server for WebRTC has no such port or transport.")
        if scheme == "turns" and transport == "udp":
            raise ConfigError("A TURN server is asked over TLS by TCP only.")
        transport = transport or ("tcp" if scheme == "turns" else "udp")
        return cls(scheme, found["host"].strip("[]"), port, transport)


@dataclass(frozen=True, slots=True)
class TurnServer:
    """Passes packets on where no direct way is found; it sees sealed bytes only.

    Args:
        url: "turn:HOST[:PORT][?transport=udp|tcp]", or "turns:..." for TLS.
        username: The account there.
        password: Its password.
    """

    url: str
    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if HelpingServer.parse(self.url).scheme == "stun":
            raise ConfigError("A TURN server's URL begins with turn: or turns:.")


@dataclass(frozen=True, slots=True)
class WebRtcOptions:
    """How WebRTC finds a way between two machines. Nobody is asked who is not named here.

    Args:
        stun: The server that is asked for our address as others see it, "stun:HOST[:PORT]".
        turn: The server that passes packets on where nothing else works.

    Raises:
        ConfigError: A URL is not like that.
    """

    stun: str | None = None
    turn: TurnServer | None = None

    def __post_init__(self) -> None:
        if self.stun is not None and HelpingServer.parse(self.stun).scheme != "stun":
            raise ConfigError("A STUN server's URL begins with stun:.")
