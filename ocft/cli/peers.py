"""Commands about the peers that this node trusts."""

import math
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ocft.cli.asking import TAKES_SECRET, ask_for, refuse_extra
from ocft.cli.completion import complete_peer
from ocft.cli.invocation import Invocation
from ocft.cli.terminal import format_duration, format_moment, printable, table
from ocft.errors import ConfigError

if TYPE_CHECKING:
    from ocft.storage import TrustedPeer

_HOUR = 3600.0  # seconds
_MOST_HOURS = 24.0 * 365 * 1000

_Name = Annotated[str | None, typer.Option("--name", "-n", help="What to call it here.")]
_Ttl = Annotated[
    float | None, typer.Option("--ttl", "-t", metavar="HOURS", help="Trust it so long; 0: always.")
]
_Address = Annotated[
    str | None,
    typer.Option("--address", help="What the channel calls it, where that is not its id."),
]
_IdOrName = Annotated[
    str,
    typer.Argument(
        metavar="ID_OR_NAME", help="As `ocft list-peers` shows it.", autocompletion=complete_peer
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command(
        "import",
        epilog="Example: ocft import - --name alice < alice.txt",
        context_settings=TAKES_SECRET,
    )(import_)
    app.command(
        "add-peer",
        epilog="Example: ocft add-peer ocft_mwpruv99_AbCdEfGh - --name alice < secret.txt",
        context_settings=TAKES_SECRET,
    )(add_peer)
    app.command("remove-peer", epilog="Example: ocft remove-peer alice")(remove_peer)
    app.command("list-peers", epilog="Example: ocft list-peers")(list_peers)
    app.command("peers", hidden=True)(list_peers)
    app.command("extend-peer", epilog="Example: ocft extend-peer alice 48")(extend_peer)


def import_(
    context: typer.Context,
    uri: Annotated[
        str | None,
        typer.Argument(
            help="What `ocft export` wrote; - reads stdin. Left out: OCFT_PEER_URI, or a prompt."
        ),
    ] = None,
    *,
    name: _Name = None,
    ttl: _Ttl = None,
    address: _Address = None,
) -> None:
    """Trust the peer that an ocft:// address belongs to."""
    from ocft.wire import parse_peer_uri

    refuse_extra(context)
    invocation = Invocation.of(context)
    invocation.config  # noqa: B018 - without a node, say so before asking
    peer = parse_peer_uri(ask_for(uri, what="peer URI", variable="OCFT_PEER_URI"))
    _add(
        invocation,
        "import",
        id=peer.node_id,
        secret=peer.secret,
        name=name,
        ttl=ttl,
        address=address,
    )


def add_peer(
    context: typer.Context,
    node_id: Annotated[str, typer.Argument(help="What the peer calls itself.")],
    secret: Annotated[
        str | None,
        typer.Argument(help="Its secret; - reads stdin. Left out: OCFT_PEER_SECRET, or a prompt."),
    ] = None,
    *,
    name: _Name = None,
    ttl: _Ttl = None,
    address: _Address = None,
) -> None:
    """Trust a peer of which id and secret are known."""
    refuse_extra(context)
    invocation = Invocation.of(context)
    invocation.config  # noqa: B018 - without a node, say so before asking
    secret = ask_for(secret, what="secret", variable="OCFT_PEER_SECRET")
    _add(invocation, "add-peer", id=node_id, secret=secret, name=name, ttl=ttl, address=address)


def remove_peer(context: typer.Context, peer: _IdOrName) -> None:
    """Trust a peer no longer."""
    invocation = Invocation.of(context)
    removed = invocation.peers.remove(peer)
    invocation.output.result("remove-peer", peer=_fields(removed))
    invocation.output.say(f"{_called(removed)} is no longer trusted.")


def list_peers(context: typer.Context) -> None:
    """List the trusted peers."""
    invocation = Invocation.of(context)
    peers = invocation.peers.all()
    invocation.output.result("list-peers", peers=[_fields(peer) for peer in peers])
    if not peers:
        invocation.output.say("No peer is trusted yet. `ocft import` adds one.")
        return
    rows = [[peer.name or "", peer.id, _trust(peer)] for peer in peers]
    for line in table(("NAME", "ID", "TRUSTED"), rows):
        invocation.output.data(line)


def extend_peer(
    context: typer.Context,
    peer: _IdOrName,
    hours: Annotated[float, typer.Argument(help="How much longer.")],
) -> None:
    """Trust a peer longer.

    The time counts from the expiry on, or from now on if that has passed.
    """
    invocation = Invocation.of(context)
    if not 0 < hours <= _MOST_HOURS:
        raise ConfigError(f"HOURS is a positive number of up to {_MOST_HOURS:.0f}.")
    extended = invocation.peers.extend(peer, hours * _HOUR, time.time())
    invocation.output.result("extend-peer", peer=_fields(extended))
    invocation.output.say(f"{_called(extended)} is trusted {_trust(extended)}.")


def _add(
    invocation: Invocation,
    command: str,
    *,
    id: str,  # noqa: A002 - the field's name
    secret: str,
    name: str | None,
    ttl: float | None,
    address: str | None,
) -> None:
    from ocft.storage import TrustedPeer

    if ttl is not None and not (math.isfinite(ttl) and 0 <= ttl <= _MOST_HOURS):
        raise ConfigError(f"--ttl is a number of hours of up to {_MOST_HOURS:.0f}; 0 is for ever.")
    peer = TrustedPeer(
        id=id,
        secret=secret,
        name=name,
        address=address,
        expires_at=time.time() + ttl * _HOUR if ttl else None,
    )
    if id == invocation.config.node_id:
        raise ConfigError("This is the address of this very node; a peer is another one.")
    invocation.peers.add(peer)
    invocation.output.result(command, peer=_fields(peer))
    invocation.output.say(f"{_called(peer)} is trusted {_trust(peer)}.")


def _fields(peer: "TrustedPeer") -> dict[str, Any]:
    """Return what may be shown of a peer: all but its secret."""
    return {
        "id": peer.id,
        "name": peer.name,
        "address": peer.address,
        "expires_at": peer.expires_at,
        "is_expired": peer.is_expired(time.time()),
    }


def _called(peer: "TrustedPeer") -> str:
    return printable(f"{peer.name} ({peer.id})" if peer.name else peer.id)


def _trust(peer: "TrustedPeer") -> str:
    if peer.expires_at is None:
        return "for ever"
    left = peer.expires_at - time.time()
    if left <= 0:
        return f"no longer, since {format_moment(peer.expires_at)}"
    return f"until {format_moment(peer.expires_at)}, for {format_duration(left)}"
