"""What holds for every request, before and around what it asks for (R-SHR-8)."""

import ipaddress
import json
import logging
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ocft.errors import ConfigError
from ocft.share.server.refusals import BadRequest, Refusal, WrongHost

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger(__name__)

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; worker-src 'self'; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'none'"
)
_HEADERS: Final = {
    b"content-security-policy": _POLICY.encode("ascii"),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}
_BODY_HEADERS: Final = frozenset({b"content-length", b"transfer-encoding"})
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([1-9][0-9]{0,4}))?")
_PORTS: Final = {"http": 80, "https": 443}


class Names:
    """The names under which a server may be asked; any other could be a rebound one.

    Args:
        hosts: Addresses that it is bound to.
        port: Where it listens.
        public_url: What people call it, behind a proxy or tunnel; None: nothing else.

    Raises:
        ConfigError: The public address is none.
    """

    def __init__(self, hosts: Iterable[str], port: int, public_url: str | None = None) -> None:
        self._port = port
        self._allowed: set[tuple[str, int]] = set()
        self._is_anywhere = False
        self.path = ""
        """Of the public address, without a `/` at its end."""
        self.is_public = public_url is not None
        for host in hosts:
            address = ipaddress.ip_address(host.partition("%")[0])
            self._is_anywhere |= address.is_unspecified
            if address.is_loopback or address.is_unspecified:
                self._allowed.add(("localhost", port))
            self._allowed.add((str(address), port))
        if public_url is not None:
            parts = urlsplit(public_url)
            if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.fragment:
                raise ConfigError("The public address has to be like https://host/path.")
            self._allowed.add((parts.hostname, parts.port or _PORTS[parts.scheme]))
            self.path = parts.path.rstrip("/")

    def has(self, host: str, *, default_ports: Iterable[int] = (80, 443)) -> bool:
        """Say whether a `Host`, with or without a port, is one of ours.

        Args:
            host: As it was sent.
            default_ports: What is meant without a port.
        """
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].strip("[]").lower()
        ports = (int(found[2]),) if found[2] else default_ports
        return any(self._has(name, port) for port in ports)

    def has_origin(self, origin: str) -> bool:
        """Say whether an `Origin` is a page of ours."""
        scheme, _, host = origin.partition("://")
        return scheme in _PORTS and self.has(host, default_ports=(_PORTS[scheme],))

    def _has(self, name: str, port: int) -> bool:
        try:
            name = str(ipaddress.ip_address(name.partition("%")[0]))
        except ValueError:
            pass
        else:
            # A number cannot be rebound; which of them are ours, only the system knows.
            if self._is_anywhere and port == self._port:
                return True
        return (name, port) in self._allowed


class Guard:
    """Lets requests through to an application, and puts our headers on all answers.

    Args:
        app: What answers.
        names: Under which names it may be asked.
    """

    def __init__(self, app: "ASGIApp", names: Names) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        exchange = _Exchange(scope, receive, send)
        try:
            self._check(scope)
            await self._app(self._below(scope), exchange.receive, exchange.send)
        except Refusal as refusal:
            if exchange.is_begun:
                raise ConnectionAbortedError("refused in the middle of an answer") from refusal
            await _answer(refusal, scope, exchange.send)
        except Exception as error:
            if not isinstance(error, ConnectionError):
                # Without its words: they may hold what was asked for.
                _log.error("A request failed (%s).", type(error).__name__)
                _log.debug("It failed here:", exc_info=True)
            if exchange.is_begun:
                raise
            failure = Refusal("The server failed. Its log says more.")
            await _answer(failure, scope, exchange.send, status=500, code="INTERNAL")

    def _check(self, scope: "Scope") -> None:
        if {name for name, _ in scope["headers"]} >= _BODY_HEADERS:
            raise BadRequest("The body has two lengths.")  # a proxy may believe the other one
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if len(hosts) != 1 or not self._names.has(hosts[0].decode("latin-1")):
            raise WrongHost("This server has another name.")
        if any(not self._names.has_origin(one.decode("latin-1")) for one in origins):
            raise WrongHost("A page of another server asked for this.")

    def _below(self, scope: "Scope") -> "Scope":
        """Take the path of the public address away, where a proxy leaves it on."""
        # As it was sent, not decoded: `%2f` is no separator here, and no path has a `%` at all.
        path = scope.get("raw_path", scope["path"].encode()).partition(b"?")[0].decode("latin-1")
        if self._names.path and path.startswith(f"{self._names.path}/"):
            path = path[len(self._names.path) :]
        return {**scope, "path": path, "root_path": ""}


class _Exchange:
    """One request and its answer, on their way through the guard."""

    def __init__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        self.is_begun = False
        """Whether an answer has begun."""
        self._receive = receive
        self._send = send
        self._is_read = not any(
            name in _BODY_HEADERS and (name, value) != (b"content-length", b"0")
            for name, value in scope["headers"]
        )

    async def receive(self) -> "Message":
        """Pass on a piece of the body."""
        message = await self._receive()
        self._is_read |= message["type"] == "http.request" and not message.get("more_body", False)
        return message

    async def send(self, message: "Message") -> None:
        """Pass on a piece of the answer, with our headers."""
        if message["type"] == "http.response.start":
            self.is_begun = True
            theirs = list(message.get("headers", []))
            named = {name.lower() for name, _ in theirs}
            ours = [(name, value) for name, value in _HEADERS.items() if name not in named]
            if not self._is_read:  # else the rest of the body would be read for nothing
                ours.append((b"connection", b"close"))
            message = {**message, "headers": [*theirs, *ours]}
        await self._send(message)


async def _answer(
    refusal: Refusal,
    scope: "Scope",
    send: "Send",
    *,
    status: int | None = None,
    code: str | None = None,
) -> None:
    error = {"code": code or refusal.code, "message": str(refusal)}
    body = json.dumps({"error": error, **refusal.fields}).encode("ascii")
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    await send(
        {
            "type": "http.response.start",
            "status": status or refusal.status,
            "headers": [
                (name.lower().encode("ascii"), value.encode("ascii"))
                for name, value in [*headers, *refusal.headers]
            ],
        }
    )
    is_head = scope["method"] == "HEAD"
    await send({"type": "http.response.body", "body": b"" if is_head else body})
