"""`ocft peers`: what is known of the trusted peers, what they may do, and for how long."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ocft.cli.asking import TAKES_SECRET
from ocft.cli.completion import complete_peer
from ocft.cli.importing import HOUR, MOST_HOURS, Ttl, add_peer, expiry
from ocft.cli.invocation import Invocation
from ocft.cli.panels import older
from ocft.cli.peer_words import (
    WIRE_2,
    called,
    fingerprint_words,
    offers_words,
    peer_fields,
    seen_words,
    trust_of,
    wire_1_words,
    wire_of,
    wire_words,
)
from ocft.cli.terminal import format_moment, parse_size, printable, table
from ocft.errors import ConfigError
from ocft.ids import NodeId

if TYPE_CHECKING:
    from ocft.storage import KnownNode

_NO_LIMIT = "none"

_IdOrName = Annotated[
    str,
    typer.Argument(
        metavar="ID_OR_NAME", help="As `ocft peers` shows it.", autocompletion=complete_peer
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(
        name="peers",
        help="List the trusted peers, look at one, change what it may do.",
        epilog="Example: ocft peers",
        rich_markup_mode=None,
    )
    group.callback(invoke_without_command=True)(_list_unless)
    group.command("list", epilog="Example: ocft peers list")(list_peers)
    group.command("show", epilog="Example: ocft peers show alice")(show)
    group.command(
        "add",
        epilog="Example: ocft peers add ocft_mwpruv99_AbCdEfGh --name alice",
        context_settings=TAKES_SECRET,
    )(add_peer)
    group.command("rename", epilog="Example: ocft peers rename alice alice-laptop")(rename)
    group.command("limit", epilog="Example: ocft peers limit alice --max-size 10MB --ask")(limit)
    group.command("extend", epilog="Example: ocft peers extend alice 48")(extend_peer)
    group.command("revoke", epilog="Example: ocft peers revoke alice")(revoke)
    app.add_typer(group)
    app.command("list-peers", epilog="Example: ocft list-peers", **older("peers list"))(list_peers)
    app.command(
        "extend-peer", epilog="Example: ocft extend-peer alice 48", **older("peers extend")
    )(extend_peer)
    app.command("remove-peer", epilog="Example: ocft remove-peer alice", **older("peers revoke"))(
        revoke
    )


def _list_unless(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_peers(context)


def list_peers(context: typer.Context) -> None:
    """List the trusted peers, and who else may send.

    That is whoever has proved that it knows this node's secret, while that secret counts.
    """
    invocation = Invocation.of(context)
    peers, others = invocation.peers.all(), _who_proved_our_secret(invocation)
    find = invocation.nodes.find
    invocation.output.result(
        "list-peers",
        peers=[peer_fields(peer, find(NodeId(peer.id))) for peer in peers],
        by_secret=[_node_fields(node) for node in others],
    )
    if not (peers or others):
        invocation.output.say("No peer is trusted yet. `ocft pair` or `ocft import` adds one.")
        return
    rows = [[peer.name or "", peer.id, trust_of(peer)] for peer in peers]
    rows += [["", node.id, "while this node's secret counts, which it knows"] for node in others]
    for line in table(("NAME", "ID", "TRUSTED"), rows):
        invocation.output.data(line)


def show(context: typer.Context, peer: _IdOrName) -> None:
    """Show what is known of a peer, but not its secret.

    The fingerprint is the one that the peer's own `ocft status` shows.
    """
    invocation = Invocation.of(context)
    config, now = invocation.config, time.time()
    found = invocation.peers.get(peer)
    known = invocation.nodes.find(NodeId(found.id))
    sessions = invocation.sessions.of(NodeId(found.id), now)
    wire = wire_of(found, known, now)
    invocation.output.result(
        "peers show",
        peer=peer_fields(found, known),
        wire=wire,
        is_sealed=None if wire is None else wire == WIRE_2,
        last_seen=known.last_seen if known is not None else None,
        sessions=len(sessions),
    )
    lines = {
        "Peer": called(found),
        "Address": found.address or "its id",
        "Fingerprint": fingerprint_words(found, known) or "not known yet",
        "Wire": wire_words(found, wire, config),
        "Trusted": trust_of(found),
        "Last seen": seen_words(known),
        "Its offers": offers_words(found, config),
        "Readable": wire_1_words(found, known, config),
        "Sessions": f"{len(sessions)}, the newest of {format_moment(sessions[0].established_at)}"
        if sessions
        else "none",
    }
    for name, value in lines.items():
        invocation.output.data(f"{name + ':':<13}{printable(value)}")


def rename(
    context: typer.Context,
    peer: _IdOrName,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it from now on.")],
) -> None:
    """Call a peer by another name."""
    invocation = Invocation.of(context)
    renamed = invocation.peers.rename(peer, name)
    invocation.output.result("peers rename", peer=peer_fields(renamed))
    invocation.output.say(f"{printable(peer)} is now {called(renamed)}.")


def limit(
    context: typer.Context,
    peer: _IdOrName,
    *,
    may_send: Annotated[
        bool | None, typer.Option("--may-send/--no-send", help="Whether it may offer files here.")
    ] = None,
    auto_accept: Annotated[
        bool | None,
        typer.Option("--auto-accept/--ask", help="Whether its files are taken without asking."),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(
            "--max-size",
            metavar="SIZE",
            help="Largest it may send, also above `set-max-size`; none: what that says.",
        ),
    ] = None,
    per_day: Annotated[
        str | None,
        typer.Option("--per-day", metavar="SIZE", help="Most in 24 hours; none: no limit."),
    ] = None,
    wire_1: Annotated[
        bool | None,
        typer.Option(
            "--wire-1/--no-wire-1", help="Whether wire 1.0 may be used, which the chat can read."
        ),
    ] = None,
    ttl: Ttl = None,
) -> None:
    """Change what a peer may do, and for how long.

    What is not named stays. It holds from the next offer on, and for transfers that are resumed.
    """
    changes: dict[str, Any] = {}
    if may_send is not None:
        changes["may_send"] = may_send
    if auto_accept is not None:
        changes["auto_accept"] = auto_accept
    if max_size is not None:
        changes["max_file_size"] = _size_or_none(max_size)
    if per_day is not None:
        changes["bytes_per_day"] = _size_or_none(per_day)
    if wire_1 is not None:
        changes["allows_wire_1"] = wire_1
    if ttl is not None:
        changes["expires_at"] = expiry(ttl)
    if not changes:
        raise typer.BadParameter("Name what to change: --help lists the limits.")
    invocation = Invocation.of(context)
    changed = invocation.peers.change(peer, **changes)
    config = invocation.config
    invocation.output.result("peers limit", peer=peer_fields(changed))
    invocation.output.say(f"Offers of {called(changed)}: {offers_words(changed, config)}.")
    if wire_1 is not None:
        known = invocation.nodes.find(NodeId(changed.id))
        wire = wire_of(changed, known, time.time())
        invocation.output.say(f"Transfers with it: wire {wire_words(changed, wire, config)}.")
    if ttl is not None:
        invocation.output.say(f"It is trusted {trust_of(changed)}.")


def revoke(context: typer.Context, peer: _IdOrName) -> None:
    """Trust a peer no longer, and forget its keys.

    Transfers with it end. It can ask to be trusted again.
    """
    invocation = Invocation.of(context)
    output = invocation.output
    node = next((one for one in _who_proved_our_secret(invocation) if one.id == peer), None)
    if node is None:
        removed = invocation.peers.remove(peer)
        node = invocation.nodes.find(NodeId(removed.id))
        invocation.forget_keys(NodeId(removed.id))
        _end_transfers(invocation, removed.id)
        fields, who = peer_fields(removed), called(removed)
    else:
        invocation.forget_keys(node.id)
        _end_transfers(invocation, node.id)
        fields, who = _node_fields(node), printable(node.id)
    invocation.journal.database.checkpoint()  # what is said is so after a power cut, too
    output.result(invocation.command_of(context), peer=fields)
    output.say(f"{who} is no longer trusted.")
    if node is not None and node.secret_tag is not None:
        output.say(
            "It knows this node's secret and can come back with it: "
            "`ocft rotate-secret --overlap 0` shuts out all who know only that."
        )


def _end_transfers(invocation: Invocation, node_id: str) -> None:
    """Have what could go on with a node cancelled; who listens now has ended it by itself."""
    from ocft.storage import RequestKind

    journal = invocation.journal
    for record in journal.records():
        info = record.info
        if info.peer_id == node_id and (info.is_resumable or not info.state.is_final):
            journal.ask(info.id, RequestKind.CANCEL, "the trust in the peer was revoked")


def extend_peer(
    context: typer.Context,
    peer: _IdOrName,
    hours: Annotated[float, typer.Argument(metavar="HOURS", help="How much longer.")],
) -> None:
    """Trust a peer longer.

    The time counts from the expiry on, or from now on if that has passed.
    """
    invocation = Invocation.of(context)
    if not 0 < hours <= MOST_HOURS:
        raise ConfigError(f"HOURS is a positive number of up to {MOST_HOURS:.0f}.")
    found = invocation.peers.get(peer)
    if found.expires_at is None:  # it would get an end, which is the opposite of what was asked
        raise ConfigError(
            f"{called(found)} is trusted for ever already. "
            f"An end of that: ocft peers limit {printable(peer)} --ttl {hours:g}"
        )
    extended = invocation.peers.extend(peer, hours * HOUR, time.time())
    invocation.output.result(invocation.command_of(context), peer=peer_fields(extended))
    invocation.output.say(f"{called(extended)} is trusted {trust_of(extended)}.")


def _who_proved_our_secret(invocation: Invocation) -> list["KnownNode"]:
    """Return those who are no peers, and may send because they know a secret that counts."""
    peers = {peer.id for peer in invocation.peers.all()}
    proved = [
        node
        for node in invocation.nodes.all()
        if node.secret_tag is not None and node.id not in peers
    ]
    if not proved:  # as nearly always; what follows takes long to import
        return []
    from ocft.crypto import secret_tag

    try:
        key = invocation.identity.storage_key()
    except ConfigError as error:  # whose secret still counts cannot be told: better all than none
        invocation.output.say(str(error))
        return proved
    tags = {secret_tag(key, secret) for secret in invocation.config.secrets_at(time.time())}
    return [node for node in proved if node.secret_tag in tags]


def _node_fields(node: "KnownNode") -> dict[str, object]:
    from ocft.crypto import format_fingerprint

    return {
        "id": node.id,
        "fingerprint": None if node.fingerprint is None else format_fingerprint(node.fingerprint),
        "last_seen": node.last_seen,
    }


def _size_or_none(text: str) -> int | None:
    return None if text.strip().lower() == _NO_LIMIT else parse_size(text)
