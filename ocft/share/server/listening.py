"""Where a server listens: on the addresses that were named, and on no other."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ocft.errors import ConfigError
from ocft.share.server.limits import Limits

if TYPE_CHECKING:
    from ocft.share.server.connections import Connections

_BACKLOG: Final = 1024
_TRIES: Final = 20  # ports that are free on one address may be taken on another
_WATCH: Final = 1.0  # seconds between two looks at all connections, or less for short limits


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a server listens."""

    sockets: tuple[socket.socket, ...]
    port: int
    """The same for all addresses."""


def bind(hosts: Sequence[str], port: int) -> Bound:
    """Bind one port on each address.

    Args:
        hosts: IP addresses, or `localhost`.
        port: 0 for one that is free on all of them.

    Raises:
        ConfigError: An address is not this machine's, or the port is taken.
    """
    addresses = list(dict.fromkeys(one for host in hosts for one in _addresses(host)))
    tries = _TRIES if port == 0 else 1
    while True:
        try:
            return _bind_all(addresses, port)
        except OSError as error:
            tries -= 1
            if not tries:
                names = ", ".join(host for _, host in addresses)
                raise ConfigError(
                    f"Cannot listen on {names}, port {port}: {error.strerror}."
                ) from error


@asynccontextmanager
async def listening(
    app: Any, bound: Bound, limits: Limits, *, grace: float, proxies: frozenset[str] = frozenset()
) -> AsyncIterator["Connections"]:
    """Serve an ASGI application within a block.

    At the end nothing new is taken; requests under way have some time, then they are cut.

    Args:
        app: The application.
        bound: Where to listen; closed at the end.
        limits: How much strangers may ask for.
        grace: Seconds for what is under way at the end.
        proxies: Addresses of our own proxies.
    """
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from ocft.share.server.connections import Connections

    config = Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=limits.head_bytes,
        timeout_keep_alive=int(limits.idle_seconds) or 1,
    )
    config.load()
    state = ServerState()
    connections = Connections(limits, proxies)
    loop = asyncio.get_running_loop()
    servers: list[asyncio.Server] = []
    watching = loop.create_task(
        _watch(connections, min(_WATCH, limits.head_seconds / 4, limits.idle_seconds / 4))
    )
    try:
        for one in bound.sockets:
            servers.append(  # noqa: PERF401 - those that began are closed when the next one cannot
                await loop.create_server(
                    lambda: connections.protocol(config, state), sock=one, backlog=_BACKLOG
                )
            )
        yield connections
    finally:
        for server in servers:
            server.close()
        for one in bound.sockets:
            one.close()
        connections.finish()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await connections.gone.wait()
        connections.abort()
        watching.cancel()
        await asyncio.gather(watching, *state.tasks, return_exceptions=True)


async def _watch(connections: "Connections", pause: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        connections.watch(loop.time())
        await asyncio.sleep(pause)


def _bind_all(addresses: Sequence[tuple[int, str]], port: int) -> Bound:
    """Bind each address to the port; with 0, to the one that the first of them gets."""
    sockets: list[socket.socket] = []
    with ExitStack() as undo:
        for family, host in addresses:
            # Named as TCP: else asyncio leaves out TCP_NODELAY, and answers wait 40 ms for an ACK.
            one = undo.enter_context(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                # Else `::` would be all IPv4 addresses, too.
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.setblocking(False)
            one.bind(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0][4])
            port = one.getsockname()[1]
            sockets.append(one)
        undo.pop_all()
    return Bound(tuple(sockets), port)


def _addresses(host: str) -> list[tuple[int, str]]:
    if host == "localhost":
        return [(socket.AF_INET, "127.0.0.1"), *_if_there("::1")]
    try:
        # Numbers only: a name would mean whatever somebody's name server says.
        found = socket.getaddrinfo(
            host.strip("[]"), 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except (OSError, UnicodeError):
        raise ConfigError(f"{host!r} is no IP address.") from None
    return [(found[0][0], host.strip("[]"))]


def _if_there(host: str) -> list[tuple[int, str]]:
    if not socket.has_ipv6:
        return []
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as one:
        try:
            one.bind((host, 0))
        except OSError:
            return []
    return [(socket.AF_INET6, host)]
