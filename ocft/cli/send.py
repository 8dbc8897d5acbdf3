"""`ocft send`: records files to send in the journal, then drives them or follows whoever does."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ocft.cli.channel import open_sharing
from ocft.cli.completion import complete_peer
from ocft.cli.ending import finish, hint_for, require_seconds, seconds_option, transfer_fields
from ocft.cli.invocation import Invocation
from ocft.cli.peer_words import WIRE_1, wire_of
from ocft.cli.stopping import run
from ocft.errors import ConfigError, SourceNotFoundError, TrustExpiredError, WrongStateError
from ocft.ids import NodeId, TransferId

if TYPE_CHECKING:
    from ocft.runtime import Sharing
    from ocft.storage import TrustedPeer

_STDIN: Final = "-"


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("send", epilog="Example: ocft send report.pdf photos.zip --to alice")(send)


def send(
    context: typer.Context,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Files and folders, or - for stdin.")
    ],
    *,
    to: Annotated[
        str,
        typer.Option("--to", metavar="PEER", help="Its name or id.", autocompletion=complete_peer),
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="What to call a single file, or stdin."),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(
            "--include", metavar="PATTERN", help="Only files that fit, as in a .gitignore."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="PATTERN", help="Leave out files and folders that fit."),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option("--channel", "--via", metavar="NAME", help="Not the one in the settings."),
    ] = None,
    no_wait: Annotated[
        bool,
        typer.Option("--no-wait", help="Only record them; a running `ocft listen` sends them."),
    ] = False,
    timeout: Annotated[
        float | None, seconds_option("Wait so long at most; the rest goes later.")
    ] = None,
) -> None:
    """Send files and folders to a peer, and see them arrive.

    They go together, as one transfer. A peer of wire 1.0 gets one file at a time, and no folders.
    A single - is stdin: `tar c . | ocft send - --name all.tar --to alice`; ./- is a file.
    """
    from ocft.cli.standard_input import forget_sent, kept_stdin

    require_seconds(timeout)
    invocation = Invocation.of(context)
    peer = invocation.peers.get(to)
    if peer.is_expired(time.time()):
        raise TrustExpiredError(f"The trust in {to!r} has ended. `ocft peers extend` renews it.")
    way = channel or invocation.config.channel_of(peer.id, peer.name)
    sharing = open_sharing(invocation, way)
    if "" in files:
        # For a path it would be the current folder: `ocft send "$FILE"` must not send all of that.
        raise SourceNotFoundError("The name of a file is empty.")
    if len(files) > 1 and _STDIN in files:
        raise ConfigError("- is stdin, which is sent by itself. A file of this name is ./-")
    if len(files) > 1 and name is not None:
        raise ConfigError("--name is for a single file.")
    if name is not None:
        _require_safe(name)
    state_dir = invocation.home.state_dir
    forget_sent(state_dir, invocation.journal)
    selection = Selection(name, tuple(include or ()), tuple(exclude or ()))
    if files == [_STDIN]:
        with kept_stdin(state_dir, invocation.journal) as path:
            kept = replace(selection, name=name or "stdin")
            ids = run(_record(invocation, sharing, peer, [path], kept))
    else:
        # Typed out, not expanded: no pattern and no ~ means anything here, the shell does that.
        paths = [Path(one) for one in files]
        ids = run(_record(invocation, sharing, peer, paths, selection))
    if no_wait:
        _leave(invocation, sharing, ids)
        return
    infos = run(
        finish(invocation, sharing, ids, within=timeout, hint=hint_for(ids)),
        when_stopped=f"Stopped. {hint_for(ids)}",
    )
    forget_sent(state_dir, invocation.journal)
    invocation.output.result("send", transfers=[transfer_fields(info) for info in infos])


@dataclass(frozen=True, slots=True)
class Selection:
    """What of the named files is sent, and as what."""

    name: str | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]


async def _record(
    invocation: Invocation,
    sharing: "Sharing",
    peer: "TrustedPeer",
    paths: list[Path],
    selection: Selection,
) -> list[TransferId]:
    """Put files to send into the journal."""
    import asyncio

    from ocft.runtime import outgoing_files

    # All of them are read before any is recorded: a mistyped name sends nothing.
    sets = [
        await outgoing_files(
            NodeId(peer.id),
            one,
            channel=sharing.channel,
            wall_clock=time.time,
            include=selection.include,
            exclude=selection.exclude,
            name=selection.name,
        )
        for one in _as_transfers(invocation, peer, paths)
    ]
    for outgoing in sets:
        if not outgoing.add_to(invocation.journal):
            raise WrongStateError(f"The id {outgoing.record.info.id} is taken. Try again.")
        for path in outgoing.skipped:
            invocation.output.say(f"Left out, because it is no file or folder: {path}")
    # What is said to be recorded is so after a power cut, too.
    await asyncio.to_thread(invocation.journal.database.checkpoint)
    return [outgoing.record.info.id for outgoing in sets]


def _as_transfers(
    invocation: Invocation, peer: "TrustedPeer", paths: list[Path]
) -> list[list[Path]]:
    """Return what goes together: everything, but to a 1.0 peer each file by itself."""
    wire = wire_of(peer, invocation.nodes.find(NodeId(peer.id)), time.time())
    return [[path] for path in paths] if wire == WIRE_1 else [paths]


def _require_safe(name: str) -> None:
    """Refuse a name that would be another one by the time that it has arrived.

    Raises:
        ConfigError: It is a path, or cannot be saved everywhere.
    """
    from ocft.storage import safe_name

    if name and "/" in name:
        raise ConfigError(
            f"--name {name!r} is a path. A file goes without folders, under a name such as "
            f"{safe_name(name)!r}; a folder is sent with the files in it."
        )
    if safe_name(name) != name:
        raise ConfigError(
            f"--name {name!r} cannot be saved everywhere. Take another one, such as "
            f"{safe_name(name)!r}."
        )


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
