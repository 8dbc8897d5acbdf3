"""Commands about transfers: list them, decide about offers, go on with them, stop them."""

from typing import TYPE_CHECKING, Annotated

import typer

from ocft.cli.channel import open_sharing
from ocft.cli.completion import complete_transfer
from ocft.cli.ending import finish, hint_for, require_seconds, seconds_option, transfer_fields
from ocft.cli.invocation import Invocation
from ocft.cli.stopping import run
from ocft.cli.terminal import format_size, printable, table
from ocft.cli.transfer_words import files_words, size_words
from ocft.errors import UnknownTransferError, WrongStateError
from ocft.ids import TransferId
from ocft.transfers import Direction, TransferInfo, TransferState

if TYPE_CHECKING:
    from ocft.storage import RequestKind, TransferRecord

_Ids = Annotated[
    list[str],
    typer.Argument(
        metavar="ID",
        help="As `ocft transfers` shows it; the beginning is enough.",
        autocompletion=complete_transfer,
    ),
]
_Id = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="As `ocft transfers` shows it; the beginning is enough.",
        autocompletion=complete_transfer,
    ),
]
_NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Only record it; whoever drives the channel does it.")
]
_Timeout = Annotated[float | None, seconds_option("Wait so long at most.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("transfers", epilog="Example: ocft transfers --all")(transfers)
    app.command("files", epilog="Example: ocft files xfer_k3J")(files)
    app.command("accept", epilog="Example: ocft accept xfer_k3J")(accept)
    app.command("reject", epilog="Example: ocft reject xfer_k3J --reason 'too large'")(reject)
    app.command("resume", epilog="Example: ocft resume xfer_k3J")(resume)
    app.command("cancel", epilog="Example: ocft cancel xfer_k3J")(cancel)


def transfers(
    context: typer.Context,
    *,
    show_all: Annotated[
        bool, typer.Option("--all", "-a", help="Also those that have ended for good.")
    ] = False,
) -> None:
    """List transfers that are not over.

    They are under way, wait for a decision, or can be resumed.
    """
    invocation = Invocation.of(context)
    infos = [
        record.info
        for record in invocation.journal.records()
        if show_all or not record.info.state.is_final or record.info.is_resumable
    ]
    invocation.output.result("transfers", transfers=[transfer_fields(info) for info in infos])
    if not infos:
        invocation.output.say("None." if show_all else "None; --all shows those that have ended.")
        return
    names = {peer.id: peer.name for peer in invocation.peers.all()}
    rows = [
        [
            info.id,
            "from" if info.direction is Direction.RECEIVE else "to",
            names.get(info.peer_id) or info.peer_id,
            _name(info),
            info.wire or "",
            size_words(info),
            f"{100 * info.bytes_done // info.size if info.size else 100} %",
            _state(info),
        ]
        for info in infos
    ]
    for line in table(("ID", "", "PEER", "FILE", "WIRE", "SIZE", "DONE", "STATE"), rows):
        invocation.output.data(line)


def files(context: typer.Context, transfer_id: _Id) -> None:
    """List the files of a transfer."""
    from ocft.wire import unpack_manifest

    invocation = Invocation.of(context)
    record = _find(invocation, transfer_id)
    manifest = invocation.journal.manifest(record.info.id)
    if manifest is not None:
        listed = [(one.name, one.size) for one in unpack_manifest(manifest).files]
    elif record.info.wire == "2" and record.info.state.is_final:
        raise WrongStateError("The list of files is kept no longer: the transfer has ended.")
    elif record.info.wire == "2":
        raise WrongStateError("The list of files has not come yet. Try again in a moment.")
    else:
        listed = [(record.info.filename, record.info.size)]
    invocation.output.result(
        "files", id=record.info.id, files=[{"name": name, "size": size} for name, size in listed]
    )
    rows = [[format_size(size), name] for name, size in listed]
    for line in table(("SIZE", "NAME"), rows):
        invocation.output.data(line)


def accept(
    context: typer.Context,
    ids: _Ids,
    *,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Of several files, this one; repeat it."),
    ] = None,
    no_wait: _NoWait = False,
    timeout: _Timeout = None,
) -> None:
    """Take files that were offered, and wait until they are here."""
    import json

    from ocft.storage import RequestKind

    invocation = Invocation.of(context)
    records = _find_all(invocation, ids)
    for record in records:
        _require_undecided(record.info)
        _require_offered(invocation, record, only or [])
    _ask(
        invocation,
        "accept",
        RequestKind.ACCEPT,
        records,
        argument=json.dumps(only) if only else "",
        no_wait=no_wait,
        timeout=timeout,
    )


def reject(
    context: typer.Context,
    ids: _Ids,
    *,
    reason: Annotated[
        str, typer.Option("--reason", metavar="WORDS", help="The sender is told it.")
    ] = "not wanted",
) -> None:
    """Refuse files that were offered."""
    from ocft.storage import RequestKind

    invocation = Invocation.of(context)
    records = _find_all(invocation, ids)
    for record in records:
        _require_undecided(record.info)
    _ask(
        invocation,
        "reject",
        RequestKind.REJECT,
        records,
        argument=reason,
        goal=TransferState.REJECTED,
    )


def resume(
    context: typer.Context, ids: _Ids, *, no_wait: _NoWait = False, timeout: _Timeout = None
) -> None:
    """Go on with transfers that failed or were interrupted.

    What is stored on the other side is not sent again.
    """
    from ocft.storage import RequestKind

    invocation = Invocation.of(context)
    records = _find_all(invocation, ids)
    for record in records:
        info = record.info
        if info.state.is_final and not info.is_resumable:
            raise WrongStateError(
                f"The transfer {info.id} is {info.state.value} and cannot be resumed."
            )
        if info.direction is Direction.RECEIVE and info.state is TransferState.PENDING:
            raise WrongStateError(f"The offer {info.id} waits for `ocft accept`.")
    _ask(invocation, "resume", RequestKind.RESUME, records, no_wait=no_wait, timeout=timeout)


def cancel(
    context: typer.Context,
    ids: _Ids,
    *,
    reason: Annotated[
        str,
        typer.Option(
            "--reason", metavar="WORDS", help="Kept here; only a peer of wire 1.0 is told it."
        ),
    ] = "cancelled",
) -> None:
    """Stop transfers; what was stored of them is thrown away."""
    from ocft.storage import RequestKind

    invocation = Invocation.of(context)
    records = _find_all(invocation, ids)
    for record in records:
        info = record.info
        if info.state.is_final and not info.is_resumable:
            raise WrongStateError(f"The transfer {info.id} is {info.state.value} already.")
    _ask(
        invocation,
        "cancel",
        RequestKind.CANCEL,
        records,
        argument=reason,
        goal=TransferState.CANCELLED,
    )


def _ask(
    invocation: Invocation,
    command: str,
    kind: "RequestKind",
    records: list["TransferRecord"],
    *,
    argument: str = "",
    goal: TransferState = TransferState.COMPLETED,
    no_wait: bool = False,
    timeout: float | None = None,
) -> None:
    """Have something done with transfers, channel by channel, and see them to their end."""
    from ocft.cli.standard_input import forget_sent
    from ocft.storage import Request, RequestKind

    require_seconds(timeout)
    # What was recorded but not done yet: only `resume` can be said again.
    later = "The next `ocft listen` sees to it."
    done: list[TransferInfo] = []
    for channel in dict.fromkeys(record.channel for record in records):
        infos = [record.info for record in records if record.channel == channel]
        sharing = open_sharing(invocation, channel)
        requests = [
            Request(info.id, kind, argument)
            for info in infos
            # One that was interrupted goes on as soon as somebody drives.
            if kind is not RequestKind.RESUME or info.state.is_final
        ]
        ids = [info.id for info in infos]
        hint = hint_for(ids) if kind is RequestKind.RESUME else later
        if no_wait:
            for request in requests:
                invocation.journal.ask(request.transfer_id, request.kind, request.argument)
            if sharing.is_listened or sharing.is_driven:
                hint = "A process that runs already sees to it."
            invocation.output.say(f"Recorded. {hint}")
            done += infos
            continue
        done += run(
            finish(
                invocation,
                sharing,
                ids,
                within=timeout,
                hint=hint,
                goal=goal,
                requests=requests,
                receives=any(info.direction is Direction.RECEIVE for info in infos),
            ),
            when_stopped=f"Stopped. {hint}",
        )
    forget_sent(invocation.home.state_dir, invocation.journal)
    invocation.output.result(command, transfers=[transfer_fields(info) for info in done])


def _find_all(invocation: Invocation, ids: list[str]) -> list["TransferRecord"]:
    found = {}
    for text in ids:
        record = _find(invocation, text)
        found[record.info.id] = record
    return list(found.values())


def _find(invocation: Invocation, text: str) -> "TransferRecord":
    """Return the transfer with this id, or the only one whose id begins like this.

    Raises:
        UnknownTransferError: There is none, or more than one.
    """
    exact = invocation.journal.get(TransferId(text))
    if exact is not None:
        return exact
    matches = [
        record
        for record in invocation.journal.records()
        if text and record.info.id.startswith(text)
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(printable(record.info.id) for record in matches[:5])
        raise UnknownTransferError(f"{len(matches)} transfers begin with {text!r}: {ids}, ...")
    raise UnknownTransferError(f"No transfer has the id {text!r}. `ocft transfers` lists them.")


def _require_undecided(info: TransferInfo) -> None:
    if info.direction is not Direction.RECEIVE or info.state is not TransferState.PENDING:
        raise WrongStateError(f"The transfer {info.id} does not wait for a decision.")


def _require_offered(invocation: Invocation, record: "TransferRecord", names: list[str]) -> None:
    """Check that the files that are wanted are there to be had."""
    from ocft.wire import unpack_manifest

    if not names:
        return
    data = invocation.journal.manifest(record.info.id)
    offered = {record.info.filename}
    if data is not None:
        offered = {one.name for one in unpack_manifest(data).files}
    if unknown := [name for name in names if name not in offered]:
        raise WrongStateError(
            f"{record.info.id} has no file {unknown[0]!r}. `ocft files` lists them."
        )


def _name(info: TransferInfo) -> str:
    name = info.filename or "(not known yet)"  # names come after the offer, with the first data
    return name if info.file_count == 1 else f"{name} ({files_words(info)})"


def _state(info: TransferInfo) -> str:
    if info.state is TransferState.PENDING:
        return "waits for you" if info.direction is Direction.RECEIVE else "offered"
    word: str = info.state.value
    return f"{word}, can be resumed" if info.is_resumable else word
