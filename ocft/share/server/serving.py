"""Opens a server for sessions, on the addresses that are named, and closes it in good order."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocft.errors import ExtraNotInstalledError
from ocft.share.server.listening import bind, listening
from ocft.share.server.service import Sessions

if TYPE_CHECKING:
    from ocft.share.server.app import ShareApp
    from ocft.share.server.guard import Names

_GRACE: Final = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class ShareServer:
    """A server that answers."""

    port: int
    """Where it listens, on all its addresses."""
    bases: tuple[str, ...]
    """What links begin with: the public address, if there is one, then the server's own."""


def make_app(
    sessions: Sessions,
    public_url: str,
    *,
    metrics_token: str | None = None,
    trusted_proxies: Sequence[str] = (),
) -> "ShareApp":
    """Return the ASGI application alone, for a server of one's own.

    That server has to hold the limits of connections (R-SHR-9: slow heads, many connections), and
    to run `lifespan`, which loads, sweeps and keeps the sessions. One process only.

    Args:
        sessions: What is served.
        public_url: How people reach it; under other names it does not answer.
        metrics_token: Who has it may read the metrics.
        trusted_proxies: Addresses whose `X-Forwarded-For` is believed.

    Raises:
        ExtraNotInstalledError: What is needed to serve is not installed.
        ConfigError: The public address is none.
    """
    names_type, app_type = _parts()
    return app_type(
        sessions,
        names_type((), 0, public_url),
        metrics_token=metrics_token,
        trusted_proxies=frozenset(trusted_proxies),
    )


@asynccontextmanager
async def open_server(
    sessions: Sessions,
    *,
    hosts: Sequence[str] = ("127.0.0.1",),
    port: int = 0,
    public_url: str | None = None,
    metrics_token: str | None = None,
    trusted_proxies: Sequence[str] = (),
    grace_seconds: float = _GRACE,
    keeps_sessions: bool = False,
) -> AsyncIterator[ShareServer]:
    """Serve sessions within a block.

    At the end nothing new is begun, what is under way has a while, and the sessions end.

    Args:
        sessions: What is served.
        hosts: IP addresses to listen on, and on no other.
        port: 0 for one that is free.
        public_url: How people reach it through a proxy or tunnel.
        metrics_token: Who has it may read the metrics from anywhere.
        trusted_proxies: Addresses whose `X-Forwarded-For` is believed.
        grace_seconds: For what is under way at the end.
        keeps_sessions: Whether sessions on disk stay for the next start.

    Raises:
        ExtraNotInstalledError: What is needed to serve is not installed.
        ConfigError: An address cannot be used.
    """
    names_type, app_type = _parts()
    bound = bind(hosts, port)
    own = [one.getsockname()[0] for one in bound.sockets]
    try:
        names = names_type(own, bound.port, public_url)
        sessions.load()
    except BaseException:
        for one in bound.sockets:
            one.close()
        raise
    proxies = frozenset(trusted_proxies)
    app = app_type(sessions, names, metrics_token=metrics_token, trusted_proxies=proxies)
    bases = [public_url.rstrip("/")] if public_url else []
    bases += [f"http://{_in_url(host)}:{bound.port}" for host in own]
    sweeping = asyncio.create_task(sessions.keep_swept())
    try:
        async with listening(app, bound, sessions.limits, grace=grace_seconds, proxies=proxies):
            try:
                yield ShareServer(bound.port, tuple(bases))
            finally:
                sessions.is_closing = True
    finally:
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
        await sessions.close(is_kept=keeps_sessions)


def _parts() -> tuple["type[Names]", "type[ShareApp]"]:
    try:
        from ocft.share.server.app import ShareApp
        from ocft.share.server.guard import Names
    except ImportError as error:
        raise ExtraNotInstalledError(
            "Sharing needs more packages. Install them with: pip install 'ocft[share]'"
        ) from error
    return Names, ShareApp


def _in_url(host: str) -> str:
    is_v6 = isinstance(ipaddress.ip_address(host.partition("%")[0]), ipaddress.IPv6Address)
    return f"[{host}]" if is_v6 else host
