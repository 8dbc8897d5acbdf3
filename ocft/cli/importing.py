"""Commands that make a node a trusted peer: by its address, or by its id."""

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ocft.cli.asking import TAKES_SECRET, ask_for, given_or_none, refuse_extra
from ocft.cli.invocation import Invocation
from ocft.cli.panels import older
from ocft.cli.peer_words import (
    called,
    fingerprint_of,
    fingerprint_words,
    peer_fields,
    trust_of,
)
from ocft.errors import ConfigError

if TYPE_CHECKING:
    from ocft.storage import TrustedPeer

HOUR: Final = 3600.0
"""Seconds."""
MOST_HOURS: Final = 24.0 * 365 * 1000
"""As long as trust can be given or extended at once."""

Name = Annotated[
    str | None, typer.Option("--name", "-n", metavar="NAME", help="What to call it here.")
]
"""The option `--name`."""
Ttl = Annotated[
    float | None,
    typer.Option("--ttl", "-t", metavar="HOURS", help="Trust it so long; 0: for ever."),
]
"""The option `--ttl`."""
_Address = Annotated[
    str | None,
    typer.Option(
        "--address", metavar="ADDRESS", help="What the channel calls it, where that is not its id."
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
        **older("peers add"),
    )(add_peer)


def import_(
    context: typer.Context,
    uri: Annotated[
        str | None,
        typer.Argument(
            metavar="URI",
            help="What `ocft export` wrote; - reads stdin. Left out: OCFT_PEER_URI, or a prompt.",
        ),
    ] = None,
    *,
    name: Name = None,
    ttl: Ttl = None,
    address: _Address = None,
    is_replacing: Annotated[
        bool,
        typer.Option("--replace", help="Also if it is trusted already; its name and limits stay."),
    ] = False,
) -> None:
    """Trust the peer that an ocft:// address belongs to.

    An address with a fingerprint says for certain who the peer is; everything is sealed then.
    """
    from ocft.storage import TrustedPeer
    from ocft.wire import parse_peer_uri

    refuse_extra(context)
    invocation = Invocation.of(context)
    invocation.config  # noqa: B018 - without a node, say so before asking
    expires_at = expiry(ttl)
    given = parse_peer_uri(ask_for(uri, what="peer URI", variable="OCFT_PEER_URI"))
    old = invocation.peers.find(given.node_id) if is_replacing else None
    new = TrustedPeer(
        id=given.node_id,
        secret=given.secret,
        fingerprint=given.fingerprint,
        name=name,
        address=address,
        expires_at=expires_at,
    )
    if old is None:
        _add(invocation, "import", new)
        return
    peer = replace(
        old,
        secret=new.secret,
        # An address of before wire 2 has none; that is no reason to forget the one we know.
        fingerprint=new.fingerprint or old.fingerprint,
        name=name or old.name,
        address=address or old.address,
        expires_at=expires_at,
    )
    before = fingerprint_of(old, invocation.nodes.find(given.node_id))
    if before is not None and fingerprint_of(peer, None) not in {before, None}:
        invocation.forget_keys(given.node_id)  # R-HSK-4
    invocation.peers.put(peer)
    _tell(invocation, "import", peer)


def add_peer(
    context: typer.Context,
    node_id: Annotated[
        str, typer.Argument(metavar="ID", help="What the peer calls itself: `ocft status`, there.")
    ],
    secret: Annotated[
        str | None,
        typer.Argument(
            metavar="SECRET",
            help="Its secret; - reads stdin. Left out: OCFT_PEER_SECRET, or no secret.",
        ),
    ] = None,
    *,
    name: Name = None,
    ttl: Ttl = None,
    address: _Address = None,
) -> None:
    """Trust a peer by its id, with its secret or without.

    Who has the peer's secret may send there at once. Without it, the first `ocft send` asks the
    peer's owner, who sees it in `ocft requests` and has to approve this node.
    """
    from ocft.storage import TrustedPeer

    refuse_extra(context)
    invocation = Invocation.of(context)
    invocation.config  # noqa: B018 - without a node, say so before asking
    expires_at = expiry(ttl)
    given = given_or_none(secret, what="secret", variable="OCFT_PEER_SECRET")
    peer = TrustedPeer(
        id=node_id, secret=given or "", name=name, address=address, expires_at=expires_at
    )
    _add(invocation, invocation.command_of(context), peer)
    if given is None:
        invocation.output.say(
            "You gave no secret: when you send, its owner sees that this node asks to be trusted "
            "(`ocft requests`, there), and has to approve it."
        )


def expiry(ttl: float | None) -> float | None:
    """Return when trust that is given now ends, in seconds since the epoch; None is never.

    Args:
        ttl: What `--ttl` says, in hours.

    Raises:
        ConfigError: It is no such number.
    """
    if ttl is not None and not (math.isfinite(ttl) and 0 <= ttl <= MOST_HOURS):
        raise ConfigError(f"--ttl is a number of hours of up to {MOST_HOURS:.0f}; 0 is for ever.")
    return time.time() + ttl * HOUR if ttl else None


def _add(invocation: Invocation, command: str, peer: "TrustedPeer") -> None:
    if peer.id == invocation.config.node_id:
        raise ConfigError("This is the address of this very node; a peer is another one.")
    invocation.peers.add(peer)
    _tell(invocation, command, peer)


def _tell(invocation: Invocation, command: str, peer: "TrustedPeer") -> None:
    invocation.output.result(command, peer=peer_fields(peer))
    invocation.output.say(f"{called(peer)} is trusted {trust_of(peer)}.")
    if peer.fingerprint is not None:
        invocation.output.say(f"Its fingerprint: {fingerprint_words(peer, None)}")
