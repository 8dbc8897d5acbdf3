"""`ocft send`: records files to send in the journal, then drives them or follows whoever does."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocft.cli.channel import open_sharing
from ocft.cli.completion import complete_peer
from ocft.cli.ending import finish, hint_for, require_seconds, seconds_option, transfer_fields
from ocft.cli.invocation import Invocation
from ocft.cli.stopping import run
from ocft.errors import TrustExpiredError, WrongStateError
from ocft.ids import NodeId, TransferId

if TYPE_CHECKING:
    from ocft.runtime import Sharing
    from ocft.storage import TrustedPeer


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("send", epilog="Example: ocft send report.pdf photos.zip --to alice")(send)


def send(
    context: typer.Context,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="What to send; -- ends the options.")
    ],
    *,
    to: Annotated[
        str,
        typer.Option("--to", metavar="PEER", help="Its name or id.", autocompletion=complete_peer),
    ],
    channel: Annotated[
        str | None, typer.Option("--channel", "--via", metavar="NAME", help="Which way to go.")
    ] = None,
    no_wait: Annotated[
        bool,
        typer.Option("--no-wait", help="Only record them; a running `ocft listen` sends them."),
    ] = False,
    timeout: Annotated[float | None, seconds_option("Wait so long at most.")] = None,
) -> None:
    """Send files to a trusted peer, and wait until it has them."""
    require_seconds(timeout)
    invocation = Invocation.of(context)
    peer = invocation.peers.get(to)
    if peer.is_expired(time.time()):
        raise TrustExpiredError(f"The trust in {to!r} has ended. `ocft extend-peer` renews it.")
    sharing = open_sharing(invocation, channel)
    # Typed out, not expanded: no pattern and no ~ means anything here, that is the shell's work.
    paths = [Path(name) for name in files]
    ids = run(_record(invocation, sharing, peer, paths))
    if no_wait:
        _leave(invocation, sharing, ids)
        return
    infos = run(
        finish(invocation, sharing, ids, within=timeout),
        when_stopped=f"Stopped. {hint_for(ids)}",
    )
    invocation.output.result("send", transfers=[transfer_fields(info) for info in infos])


async def _record(
    invocation: Invocation, sharing: "Sharing", peer: "TrustedPeer", paths: list[Path]
) -> list[TransferId]:
    """Put files to send into the journal."""
    import asyncio

    from ocft.runtime import outgoing_record

    # All of them are read before any is recorded: a mistyped name sends nothing.
    records = [
        await outgoing_record(NodeId(peer.id), path, channel=sharing.channel, wall_clock=time.time)
        for path in paths
    ]
    for record in records:
        if not invocation.journal.add(record):
            raise WrongStateError(f"The id {record.info.id} is taken. Try again.")
    # What is said to be recorded is so after a power cut, too.
    await asyncio.to_thread(invocation.journal.database.checkpoint)
    return [record.info.id for record in records]


def _leave(invocation: Invocation, sharing: "Sharing", ids: list[TransferId]) -> None:
    """Leave recorded files to another process."""
    output = invocation.output
    output.result("send", transfers=[{"id": one} for one in ids])
    for one in ids:
        output.data(one)
    if sharing.is_listened or sharing.is_driven:
        output.say("Recorded; a process that runs already sends them.")
    else:
        output.say(f"Recorded. {hint_for(ids)}")
