"""`ocft share`: a link to files, served from here, or put at a service."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ocft.cli.dialect import Dialect
from ocft.cli.ending import require_seconds, seconds_option
from ocft.cli.invocation import Invocation
from ocft.cli.share_options import (
    chosen_server,
    draw_qr,
    file_option,
    given_password,
    host_option,
    parse_duration,
    port_option,
    prompt_option,
    public_option,
    qr_option,
    read_secret_file,
    server_option,
    stdin_option,
)
from ocft.cli.stopping import Stopped, run
from ocft.errors import ConfigError, SourceNotFoundError

if TYPE_CHECKING:
    from ocft.cli.live_share import LiveOptions
    from ocft.share import SharedFiles, ShareLink

_SENDER_KEY: Final = "OCFT_SENDER_KEY"
_DAY: Final = 24 * 3600  # seconds that a service keeps a session, if nothing is said


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("share", epilog="Example: ocft share report.pdf --once")(share)


def share(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Files and folders.")],
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Can be fetched once; then it ends.")
    ] = False,
    max_downloads: Annotated[
        int | None,
        typer.Option("--max-downloads", metavar="NUMBER", min=1, help="Can be fetched so often."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="DURATION", help="Such as 30m, 24h or 7d."),
    ] = None,
    timeout: Annotated[
        float | None, seconds_option("End when nobody fetches it for so long; status 5 if ever.")
    ] = None,
    ask_password: Annotated[bool, prompt_option()] = False,
    password_file: Annotated[str | None, file_option()] = None,
    password_stdin: Annotated[bool, stdin_option()] = False,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Who sends; left out: your login name."),
    ] = None,
    note: Annotated[
        str, typer.Option("--note", metavar="TEXT", help="What to say to the receiver.")
    ] = "",
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
    host: Annotated[list[str] | None, host_option()] = None,
    port: Annotated[int, port_option()] = 0,
    public_url: Annotated[str | None, public_option()] = None,
    qr: Annotated[bool | None, qr_option()] = None,
    server: Annotated[str | None, server_option()] = None,
    session: Annotated[
        str | None,
        typer.Option(
            "--session", metavar="CODE", help="Put it into a session that somebody else made."
        ),
    ] = None,
    sender_key_file: Annotated[
        str | None,
        typer.Option("--sender-key-file", metavar="FILE", help="Its sender key [OCFT_SENDER_KEY]."),
    ] = None,
) -> None:
    """Share files and folders by a link.

    Who opens it gets them, in a browser or by `ocft receive`. The link goes to stdout. What is
    shared is sealed, and the link has the key: pass it on privately. This process serves the
    files, at private addresses of this machine and loopback, unless --server names a service that
    keeps them sealed.
    """
    require_seconds(timeout)
    if once and max_downloads not in {None, 1}:
        raise ConfigError("--once is --max-downloads 1; take one of them.")
    invocation = Invocation.of(context)
    if "" in files:
        raise SourceNotFoundError("The name of a file is empty.")
    if "-" in files:
        raise ConfigError("stdin cannot be shared: it can be read only once. ./- is a file.")
    lifetime = parse_duration(expires) if expires is not None else None
    downloads = 1 if once else max_downloads
    password = given_password(
        is_prompted=ask_password, file=password_file, is_stdin=password_stdin, is_new=True
    )
    service = chosen_server(server) if session is None or "://" not in session else None
    is_local = service is None and session is None
    if not is_local and (host or port or public_url is not None or timeout is not None):
        raise ConfigError(
            "--host, --port, --public-url and --timeout are for files that this machine serves"
            " itself. Leave them out, or --session, --server and OCFT_SERVER."
        )
    from ocft.cli.stored_share import GO_ON, SessionWishes, StoredShare  # with asyncio and more

    dialect = Dialect(invocation.output)
    with dialect.telling_errors():
        described = _describe(dialect, files, include, exclude, name=name, note=note)
        if session is not None:
            if password is not None or downloads is not None or lifetime is not None:
                raise ConfigError(
                    "Password, expiry and number of downloads are chosen by who made the session."
                )
            place = _joined(session, service, sender_key_file)
            stored = StoredShare(dialect, described, invocation.home.state_dir / "uploads")
            run(stored.join(place), when_stopped=f"Stopped. {GO_ON}")
            invocation.output.result("share", stored=True)
        elif service is not None:
            wishes = SessionWishes(
                expires_in=lifetime or _DAY, max_downloads=downloads, password=password
            )
            stored = StoredShare(dialect, described, invocation.home.state_dir / "uploads")
            link = run(stored.create(service, wishes), when_stopped=f"Stopped. {GO_ON}")
            invocation.output.result("share", stored=True)
            invocation.output.data(str(link))
            draw_qr(str(link), wanted=qr)
        else:
            from ocft.cli.live_share import LiveOptions

            options = LiveOptions(
                hosts=host,
                port=port,
                public_url=public_url,
                qr=qr,
                expires_in=lifetime,
                max_downloads=downloads,
                timeout=timeout,
            )
            try:
                completed = run(_serve(dialect, invocation, described, options, password))
            except Stopped as stop:
                stop.args = ("Stopped sharing; the link is void now.",)
                raise
            invocation.output.result("share", downloads=completed)


def _describe(
    dialect: Dialect,
    files: list[str],
    include: list[str] | None,
    exclude: list[str] | None,
    *,
    name: str | None,
    note: str,
) -> "SharedFiles":
    """Read all files, and say what they are."""
    from ocft.share import SharedFiles, ShareManifest
    from ocft.storage import SourceSet, collect

    paths = [Path(one) for one in files]
    collection = collect(paths, include=include or (), exclude=exclude or ())
    for skipped in collection.skipped:
        dialect.say(f"Left out, because it is no file or folder: {skipped}")
    manifest, snapshots = SourceSet.describe(collection.files)
    sender = _login_name() if name is None else name
    description = ShareManifest.of(manifest.files, sender=sender, note=note)
    for file in description.files:
        dialect.event("file_ready", name=file.name, size=file.size)
    sources = [(one.path, seen) for one, seen in zip(collection.files, snapshots, strict=True)]
    return SharedFiles(manifest, sources, description)


def _login_name() -> str:
    from getpass import getuser

    try:
        return getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return ""


async def _serve(
    dialect: Dialect,
    invocation: Invocation,
    described: "SharedFiles",
    options: "LiveOptions",
    password: str | None,
) -> int:
    import asyncio

    from ocft.cli.live_share import LiveShare
    from ocft.crypto import make_share_code, password_verifier, share_keys

    code = make_share_code()
    keys = await asyncio.to_thread(share_keys, code)
    verifier = None
    if password is not None:
        verifier = await asyncio.to_thread(password_verifier, password, keys.id)
    live = LiveShare(dialect, invocation.output, code, described, options)
    return await live.run(keys, verifier)


def _joined(session: str, service: str | None, key_file: str | None) -> "ShareLink":
    """Return the session that is meant, with its sender key."""
    from dataclasses import replace

    from ocft.share import parse_link

    place = parse_link(session, server=service)
    key = read_secret_file(key_file) if key_file is not None else os.environ.get(_SENDER_KEY)
    key = (key or "").strip() or place.sender_key
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            f"Give the sender key by --sender-key-file, in {_SENDER_KEY}, or with the link."
        )
    return replace(place, sender_key=key)
