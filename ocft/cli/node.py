"""Commands about this node: make it, show it, change its settings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ocft.cli.asking import TAKES_SECRET, ask_for, refuse_extra
from ocft.cli.channel import download_dir
from ocft.cli.invocation import Invocation
from ocft.cli.terminal import format_size, parse_size, printable
from ocft.errors import ConfigError, WrongSecretError

if TYPE_CHECKING:
    from ocft.config import Config


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("init", epilog="Example: ocft init")(init)
    app.command("status", epilog="Example: ocft status --json")(status)
    app.command("info", hidden=True)(status)
    app.command("show-secret", epilog="Example: ocft show-secret")(show_secret)
    app.command("export", epilog="Example: ocft export | ssh host ocft import - --name laptop")(
        export
    )
    app.command(
        "verify", epilog="Example: ocft verify - < secret.txt", context_settings=TAKES_SECRET
    )(verify)
    app.command("set-download", epilog="Example: ocft set-download ~/Downloads/ocft")(set_download)
    app.command("set-max-size", epilog="Example: ocft set-max-size 1.5GB")(set_max_size)
    app.command("set-ttl", epilog="Example: ocft set-ttl 48")(set_ttl)


def init(
    context: typer.Context,
    *,
    force: Annotated[
        bool,
        typer.Option("--force", "-f", help="Make a new identity and secret; settings stay."),
    ] = False,
) -> None:
    """Make a node here: an identity and a secret for its peers."""
    invocation = Invocation.of(context)
    output = invocation.output
    if not force:
        invocation.take_over_1_0()
        if invocation.home.config_file.exists():
            raise ConfigError(
                f"There is a node in {invocation.home.config_file.parent} already. "
                "--force makes a new identity, which its peers do not know."
            )
    config = _new_config(invocation)
    invocation.save_config(config)
    output.result("init", node_id=config.node_id, config_file=str(invocation.home.config_file))
    output.data(config.node_id)
    output.say(f"Settings: {invocation.home.config_file}")
    output.say("Next: ocft export here, ocft import there. Then: ocft send FILE --to PEER")


def status(context: typer.Context) -> None:
    """Show this node: its id and settings, never its secret."""
    invocation = Invocation.of(context)
    config, home = invocation.config, invocation.home
    folder = download_dir(config, home)
    peers = len(invocation.peers.all())
    unfinished = len(invocation.journal.records(unfinished_only=True))
    invocation.output.result(
        "status",
        node_id=config.node_id,
        created_at=config.created_at.isoformat(),
        config_file=str(home.config_file),
        state_dir=str(home.state_dir),
        download_dir=str(folder),
        max_file_size=config.max_file_size,
        secret_ttl_hours=config.secret_ttl_hours,
        auto_accept=config.auto_accept,
        channel=config.channel,
        peers=peers,
        unfinished_transfers=unfinished,
    )
    ttl = config.secret_ttl_hours
    lines = {
        "Node": config.node_id,
        "Made": f"{config.created_at.astimezone():%Y-%m-%d %H:%M}",
        "Settings": str(home.config_file),
        "Journal": str(home.journal_file),
        "Downloads": str(folder),
        "Largest file": format_size(config.max_file_size),
        "Secret": "hidden (ocft show-secret); in offers it counts "
        + ("for ever" if ttl is None else f"{ttl:g} h"),
        "Trusted peers": f"{peers}"
        + (", who may send without asking" if config.auto_accept else ""),
        "Channel": config.channel,
        "Unfinished": f"{unfinished} transfers" if unfinished != 1 else "1 transfer",
    }
    for name, value in lines.items():
        invocation.output.data(f"{name + ':':<15}{printable(value)}")


def show_secret(context: typer.Context) -> None:
    """Write this node's secret. Whoever knows it may send files here without asking."""
    invocation = Invocation.of(context)
    invocation.output.result("show-secret", secret=invocation.config.secret)
    invocation.output.data(invocation.config.secret)


def export(context: typer.Context) -> None:
    """Write the address that peers import. It holds the secret: hand it over privately."""
    from ocft.ids import NodeId
    from ocft.wire import PeerAddress, format_peer_uri

    invocation = Invocation.of(context)
    config = invocation.config
    uri = format_peer_uri(PeerAddress(NodeId(config.node_id), config.secret))
    invocation.output.result("export", node_id=config.node_id, uri=uri)
    invocation.output.data(uri)


def verify(
    context: typer.Context,
    secret: Annotated[
        str | None,
        typer.Argument(help="The secret; - reads stdin. Left out: OCFT_SECRET, or a prompt."),
    ] = None,
) -> None:
    """Check whether a secret is this node's secret."""
    from ocft.crypto import secrets_match

    refuse_extra(context)
    invocation = Invocation.of(context)
    ours = invocation.config.secret
    if not secrets_match(ours, ask_for(secret, what="secret", variable="OCFT_SECRET")):
        raise WrongSecretError("This is not the node's secret.")
    invocation.output.result("verify", is_valid=True)
    invocation.output.say("This is the node's secret.")


def set_download(
    context: typer.Context,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="It is made if it is not there.")],
) -> None:
    """Choose the folder for received files."""
    invocation = Invocation.of(context)
    config = invocation.config  # before anything is made
    if not folder:
        raise ConfigError("The download folder is empty. Name a folder.")
    try:
        path = Path(folder).expanduser().absolute().resolve()
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: a NUL in it
        raise ConfigError(f"{folder!r} cannot be found: {error}.") from error
    if path == Path(path.anchor):
        raise ConfigError(f"{path} is no place for downloads. Choose a folder below it.")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _try_to_write(path)
    except FileExistsError as error:
        raise ConfigError(f"{path} is no folder.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be used: {error.strerror}.") from error
    invocation.save_config(config.changed(download_dir=str(path)))
    invocation.output.result("set-download", download_dir=str(path))
    invocation.output.say(f"Received files go to {printable(str(path))}")


def set_max_size(
    context: typer.Context,
    size: Annotated[str, typer.Argument(help="Such as 100MB, 1.5GB, 500KB, or bytes.")],
) -> None:
    """Choose how large a file may be that is offered to this node."""
    invocation = Invocation.of(context)
    size_bytes = parse_size(size)
    invocation.change_config(max_file_size=size_bytes)
    invocation.output.result("set-max-size", max_file_size=size_bytes)
    invocation.output.say(f"Files of up to {format_size(size_bytes)} are taken.")


def set_ttl(
    context: typer.Context,
    hours: Annotated[float, typer.Argument(help="0 is for ever.")],
) -> None:
    """Choose how long the secret in an offer counts."""
    invocation = Invocation.of(context)
    invocation.change_config(secret_ttl_hours=hours or None)
    invocation.output.result("set-ttl", secret_ttl_hours=hours or None)
    invocation.output.say(
        f"The secret in an offer counts {hours:g} h." if hours else "The secret counts for ever."
    )


def _new_config(invocation: Invocation) -> "Config":
    """Return settings with a new identity; those that can be read and are there already stay."""
    import time

    from ocft.config import Config, load_config
    from ocft.crypto import make_secret
    from ocft.errors import NotInitializedError
    from ocft.ids import make_node_id

    config_file = invocation.home.config_file
    settings: dict[str, Any] = {}
    try:
        settings = load_config(config_file).model_dump(exclude={"created_at"})
    except NotInitializedError:
        pass
    except ConfigError as error:
        # Damaged, and `--force` was given: it is not ours to throw away.
        kept = config_file.with_name(f"{config_file.name}.damaged-{int(time.time())}")
        try:
            config_file.rename(kept)
        except OSError:
            raise error from None
        invocation.output.say(f"{error} It is now {kept}.")
    settings["node_id"] = make_node_id(int(time.time() * 1000))
    settings["secret"] = make_secret()
    return Config.make(settings)


def _try_to_write(folder: Path) -> None:
    import tempfile

    with tempfile.TemporaryFile(dir=folder):
        pass
