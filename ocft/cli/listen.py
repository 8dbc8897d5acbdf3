"""`ocft listen`: receives files, and sends what other commands record, until it is stopped."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ocft.cli.channel import download_dir, open_sharing
from ocft.cli.ending import require_seconds, seconds_option, transfer_fields
from ocft.cli.invocation import Invocation
from ocft.cli.reporter import Reporter
from ocft.cli.stopping import Stopped, run
from ocft.errors import ConfigError, StorageError, TransferTimeoutError
from ocft.events import (
    Event,
    TransferAccepted,
    TransferCancelled,
    TransferCompleted,
    TransferFailed,
    TransferResumed,
)
from ocft.ids import TransferId
from ocft.transfers import Direction, TransferInfo

if TYPE_CHECKING:
    from ocft.runtime import Sharing


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("listen", epilog="Example: ocft listen --auto-accept")(listen)


def listen(
    context: typer.Context,
    *,
    channel: Annotated[
        str | None,
        typer.Option("--channel", "--via", metavar="NAME", help="Not the one in the settings."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End after one transfer, with its exit status.")
    ] = False,
    auto_accept: Annotated[
        bool, typer.Option("--auto-accept", help="Trusted peers need not be accepted.")
    ] = False,
    to_stdout: Annotated[
        str | None,
        typer.Option(
            "--output",
            metavar="-",
            help="With --once: the file goes to stdout, and talk only if need be.",
        ),
    ] = None,
    timeout: Annotated[
        float | None, seconds_option("Listen so long; with --once, no file is status 5 then.")
    ] = None,
) -> None:
    """Receive files until Ctrl-C; their paths go to stdout.

    Who knows this node's secret, or has --auto-accept from `ocft peers limit`, is not asked about.
    Other offers wait for `ocft accept` or `ocft reject`.
    """
    from ocft.cli.standard_input import forget_sent

    require_seconds(timeout)
    invocation = Invocation.of(context)
    if to_stdout is not None:
        _require_stdout(invocation, to_stdout, once=once)
        invocation.output.keeps_stdout = True
    sharing = open_sharing(invocation, channel, auto_accept=auto_accept)
    try:
        info = run(_listen_for(invocation, sharing, once=once, within=timeout))
    except Stopped as stop:
        # How this command is meant to end; a transfer that is under way goes on the next time.
        stop.args = ("Stopped listening.",)
        raise
    finally:
        forget_sent(invocation.home.state_dir, invocation.journal)
    if to_stdout is not None and info is not None:
        _pour(invocation, info)
    invocation.output.result("listen", transfer=transfer_fields(info) if info else None)


def _require_stdout(invocation: Invocation, where: str, *, once: bool) -> None:
    if where != "-":
        raise ConfigError("--output takes only -, which is stdout. `ocft set-download` is lasting.")
    if not once or invocation.output.is_json:
        raise ConfigError("--output - goes with --once, and not with --json.")


def _pour(invocation: Invocation, info: TransferInfo) -> None:
    """Write a received file to stdout, and remove it: that is where it was wanted."""
    import shutil
    import sys
    from pathlib import Path

    path = Path(info.local_path or "")
    if info.file_count != 1 or not path.is_file():
        folder = download_dir(invocation.config, invocation.home)
        raise StorageError(f"It is not one file, so it stays in {folder}.")
    try:
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, 1024 * 1024)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise StorageError(f"stdout cannot be written; the file is {path}.") from error
    record = invocation.journal.get(info.id)
    if record is None or not record.left_out:  # else it was here before, and did not come (R-MAN-3)
        path.unlink()


async def _listen_for(
    invocation: Invocation, sharing: "Sharing", *, once: bool, within: float | None
) -> TransferInfo | None:
    import asyncio

    try:
        async with asyncio.timeout(within):
            return await _listen(invocation, sharing, once=once)
    except TimeoutError:
        if within is None:  # not ours
            raise
        if once:
            raise TransferTimeoutError(f"No file came within {within:g} seconds.") from None
        return None


async def _listen(invocation: Invocation, sharing: "Sharing", *, once: bool) -> TransferInfo | None:
    def say_wait() -> None:
        invocation.output.say("Another process is still sending; listening as soon as it is done.")

    accepted: set[TransferId] = set()
    with Reporter.of(invocation) as reporter:
        async with sharing.listening(say_wait) as drive:
            if not invocation.output.keeps_stdout:
                node_id = invocation.config.node_id
                invocation.output.say(
                    f"Listening on {sharing.channel} as {node_id}. Ctrl-C ends it."
                )
            invocation.output.note(event="listening", channel=sharing.channel)
            while True:
                event = await drive.next_event()
                if event is None:
                    continue
                reporter.tell(event)
                if once and _is_end_of_file(event, accepted, drive.manager.get_transfer):
                    return await drive.manager.wait(event.transfer_id)


def _is_end_of_file(
    event: Event,
    accepted: set[TransferId],
    find: Callable[[str], TransferInfo | None],
) -> bool:
    """Say whether an incoming file has ended that was accepted; a stranger's offer counts not."""
    info = find(event.transfer_id)
    if info is None or info.direction is not Direction.RECEIVE:
        return False
    if isinstance(event, TransferAccepted | TransferResumed):
        accepted.add(event.transfer_id)
    if isinstance(event, TransferFailed | TransferCancelled):
        return event.transfer_id in accepted
    return isinstance(event, TransferCompleted)
