"""`ocft receive`: fetches what somebody shares by a link, or opens a page to put files into."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ocft.cli.asking import TAKES_SECRET, given_or_none, refuse_extra
from ocft.cli.dialect import Dialect
from ocft.cli.ending import require_seconds, seconds_option
from ocft.cli.invocation import Invocation
from ocft.cli.output import Output, ReaderGoneError
from ocft.cli.receive_words import Teller
from ocft.cli.share_options import (
    chosen_server,
    file_option,
    given_password,
    host_option,
    port_option,
    prompt_option,
    public_option,
    qr_option,
    server_option,
    stdin_option,
    typed_password,
)
from ocft.cli.stopping import run
from ocft.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ocft.share import Received, ShareLink, Sink

_STDOUT: Final = "-"


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(
        "receive",
        epilog="Example: ocft receive http://192.168.1.5:40123/s/#7KQ2M9XWTB4E -o inbox",
        context_settings=TAKES_SECRET,
    )(receive)


def receive(
    context: typer.Context,
    link: Annotated[
        str | None,
        typer.Argument(
            metavar="LINK", help="A link or code, - for stdin [OCFT_LINK]; left out: an inbox."
        ),
    ] = None,
    *,
    where: Annotated[
        str,
        typer.Option("--output", "-o", metavar="DIR", help="Where to; - is stdout, for one file."),
    ] = ".",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files of the same name.")
    ] = False,
    ask_password: Annotated[bool, prompt_option()] = False,
    password_file: Annotated[str | None, file_option()] = None,
    password_stdin: Annotated[bool, stdin_option()] = False,
    timeout: Annotated[
        float | None, seconds_option("Wait so long for files; what moves is not stopped.")
    ] = None,
    server: Annotated[str | None, server_option()] = None,
    host: Annotated[list[str] | None, host_option()] = None,
    port: Annotated[int, port_option()] = 0,
    public_url: Annotated[str | None, public_option()] = None,
    qr: Annotated[bool | None, qr_option()] = None,
) -> None:
    """Receive files by a link, or open an inbox.

    What came before a break stays in DIR/.ocft, and the same command goes on from there. Files get
    their names when all are right; a second report.pdf becomes "report (1).pdf". An inbox is a page
    on this machine, for one delivery; who opens its link can put files into DIR.
    """
    refuse_extra(context)
    require_seconds(timeout)
    invocation = Invocation.of(context)
    output = invocation.output
    to_stdout = where == _STDOUT
    if to_stdout:
        if output.is_json:
            raise ConfigError("-o - puts a file on stdout, where --json writes.")
        if overwrite:
            raise ConfigError("--overwrite is for files; stdout has none.")
        output.keeps_stdout = True
    if link == "-" and password_stdin:
        raise ConfigError("stdin is either the link or the password.")
    given = given_or_none(link, what="link or code", variable="OCFT_LINK")
    password = given_password(
        is_prompted=ask_password, file=password_file, is_stdin=password_stdin, is_new=False
    )
    dialect = Dialect(output)
    teller = Teller(dialect)
    sink = _sink(where, overwrite=overwrite)
    with dialect.telling_errors():
        if given is None:
            from ocft.cli.inbox import Inbox

            if password is not None:
                raise ConfigError("An inbox has no password: its link is the permission.")
            inbox = Inbox(dialect, output, hosts=host, port=port, public_url=public_url, qr=qr)
            # Kept on the disk that it goes to; stdout is on none.
            folder = invocation.home.state_dir if to_stdout else Path(where) / ".ocft"
            work = inbox.run(sink, teller.tell, within=timeout, folder=folder)
            received = _run(output, work, when_stopped="Stopped; the inbox is closed.")
        else:
            from ocft.share import parse_link
            from ocft.share import receive as receive_files

            place = parse_link(given, server=chosen_server(server))
            if place.sender_key is not None:
                raise ConfigError("This link is for whoever puts files in: ocft share --session.")
            if password is None and _can_ask(place):
                password = typed_password()
            kept = "" if to_stdout else " What came is kept: run the command again."
            work = receive_files(place, sink, password=password, within=timeout, tell=teller.tell)
            received = _run(output, work, when_stopped=f"Stopped.{kept}")
        _tell_end(dialect, invocation, received, time.monotonic() - teller.began)


def _run(output: Output, work: "Coroutine[Any, Any, Received]", *, when_stopped: str) -> "Received":
    try:
        return run(work, when_stopped=when_stopped)
    except BrokenPipeError:
        output.drop_stdout()
        raise ReaderGoneError from None


def _can_ask(place: "ShareLink") -> bool:
    """Say whether the session needs a password, and somebody is there to type it."""
    from ocft.share import look

    if sys.stdin is None or not sys.stdin.isatty():
        return False
    return run(look(place)).needs_password


def _sink(where: str, *, overwrite: bool) -> "Sink":
    from ocft.share import FolderSink, StreamSink

    if where == _STDOUT:
        return StreamSink(sys.stdout.buffer)
    return FolderSink(Path(where), overwrite=overwrite)


def _tell_end(
    dialect: Dialect, invocation: Invocation, received: "Received", seconds: float
) -> None:
    manifest = received.manifest
    moved = manifest.content_size - received.bytes_before
    files = [
        {"name": file.name, "size": file.size, "sha256": digest.hex()}
        for file, digest in zip(manifest.files, received.digests, strict=True)
    ]
    paths = [str(path) for path in received.paths]
    fields = {
        "files": files,
        "paths": paths,
        "bytes": manifest.content_size,
        "duration_ms": round(seconds * 1000),
        "speed": round(moved / seconds) if seconds > 0 else 0,
    }
    dialect.end("receive")
    dialect.event("transfer_complete", **fields)
    invocation.output.result("receive", files=files, paths=paths)
    for path in received.paths:
        invocation.output.path(path)
    if len(files) == 1 and not invocation.output.keeps_stdout:
        dialect.say(f"SHA-256 {files[0]['sha256']}")
