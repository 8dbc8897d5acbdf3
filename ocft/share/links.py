"""Links to a session: its server, its code, and perhaps the key of its sender (R-SHR-2)."""

import ipaddress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from ocft.crypto import parse_share_code
from ocft.errors import ConfigError

_MAX_LINK: Final = 2000  # characters
_PAGE: Final = "/s/"


@dataclass(frozen=True, slots=True)
class ShareLink:
    """A session, as people pass it on."""

    base: str
    """Address of the server, without a `/` at its end."""
    code: str = field(repr=False)
    """The session's code, in its one form."""
    sender_key: str | None = field(default=None, repr=False)
    """What allows to put files in."""

    def __str__(self) -> str:
        """Return the link, with everything that is secret in it."""
        key = f".{self.sender_key}" if self.sender_key else ""
        return f"{self.base}{_PAGE}#{self.code}{key}"


def parse_link(text: str, *, server: str | None = None) -> ShareLink:
    """Read a link, or a code for a server that is known.

    Args:
        text: As somebody typed or pasted it.
        server: Address of the server that a code alone belongs to.

    Raises:
        ConfigError: It is neither, or there is no server for the code. The message does not
            repeat it, since it is a secret.
    """
    text = text.strip()
    if len(text) > _MAX_LINK:
        raise ConfigError("This is too long for a link.")
    if "://" not in text:
        code = parse_share_code(text)
        if server is None:
            raise ConfigError(
                "A code alone does not say where the files are. Give the whole link, or name the"
                " server with --server or OCFT_SERVER."
            )
        return ShareLink(parse_server(server), code)
    parts = _split(text, "The link")
    path, page, rest = parts.path.rpartition(_PAGE)
    if not page or rest or not parts.fragment:
        raise ConfigError("A link ends in /s/ and the code, such as http://host:8080/s/#CODE.")
    code, _, key = parts.fragment.partition(".")
    return ShareLink(_base(parts, path), parse_share_code(code), key or None)


def parse_server(text: str) -> str:
    """Return the address of a server, in the one form that links begin with.

    Raises:
        ConfigError: It is no address of one.
    """
    parts = _split(text.strip(), "The address of the server")
    if parts.fragment:
        raise ConfigError("The address of the server ends before the #.")
    return _base(parts, parts.path.removesuffix("/").removesuffix("/s"))


def is_near(base: str) -> bool:
    """Say whether a server's address is one of this machine or of a private network."""
    host = urlsplit(base).hostname or ""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_private or address.is_loopback or address.is_link_local


def _split(text: str, what: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port  # read here, since it is checked when it is read
    except ValueError:
        raise ConfigError(f"{what} is none.") from None
    # Urlsplit drops line breaks and tabs silently; such a link was broken on the way.
    if parts.scheme not in {"http", "https"} or not parts.hostname or not text.isprintable():
        raise ConfigError(f"{what} begins with http:// or https:// and a host.")
    if parts.username is not None or parts.query or " " in text:
        raise ConfigError(f"{what} has something in it that does not belong there.")
    return parts


def _base(parts: SplitResult, path: str) -> str:
    host = parts.netloc.lower()
    return urlunsplit((parts.scheme, host, path.rstrip("/"), "", ""))
