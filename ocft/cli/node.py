"""Commands about this node: make it, show it, change its settings."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ocft.cli.channel import download_dir
from ocft.cli.identity import forget_identity, identity_set_aside, open_identity
from ocft.cli.invocation import Invocation
from ocft.cli.panels import older
from ocft.cli.terminal import format_moment, format_size, parse_size, printable
from ocft.errors import ConfigError

if TYPE_CHECKING:
    from ocft.config import Config


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("init", epilog="Example: ocft init")(init)
    app.command("status", epilog="Example: ocft status --json")(status)
    app.command("info", epilog="Example: ocft info", **older("status"))(status)
    app.command("set-download", epilog="Example: ocft set-download ~/Downloads/ocft")(set_download)
    app.command("set-max-size", epilog="Example: ocft set-max-size 1.5GB")(set_max_size)
    app.command("set-direct", epilog="Example: ocft set-direct on")(set_direct)
    app.command("set-ttl", epilog="Example: ocft set-ttl 48")(set_ttl)


def init(
    context: typer.Context,
    *,
    force: Annotated[
        bool,
        typer.Option("--force", "-f", help="Make a new identity and secret; settings stay."),
    ] = False,
    keyring: Annotated[
        bool | None,
        typer.Option(
            "--keyring/--no-keyring",
            help="Keep the keys in the system's keyring (extra: keyring), or in a file.",
        ),
    ] = None,
) -> None:
    """Make a node here: an identity and a secret for its peers."""
    invocation = Invocation.of(context)
    if not force:
        invocation.take_over_1_0()
        if invocation.home.config_file.exists():
            raise ConfigError(
                f"There is a node in {invocation.home.config_file.parent} already. "
                "--force makes a new identity, which its peers do not know."
            )
    if force:
        former = _former_config(invocation)
        with identity_set_aside(invocation.home) as kept:
            _make_node(invocation, former, keyring=keyring)
        if kept is not None:
            invocation.output.say(f"The keys of the node that was here are now {kept}.")
        if former is not None:
            _forget_keys_in_keyring(invocation, former)
    else:
        _make_node(invocation, None, keyring=keyring)
    config, output = invocation.config, invocation.output
    output.result(
        "init",
        node_id=config.node_id,
        fingerprint=invocation.fingerprint,
        config_file=str(invocation.home.config_file),
    )
    output.data(config.node_id)
    output.say(f"Fingerprint: {invocation.fingerprint}")
    output.say(f"Settings: {invocation.home.config_file}")
    output.say("Next: ocft pair here, ocft pair CODE there. Then: ocft send FILE --to PEER")


def status(context: typer.Context) -> None:
    """Show this node's fingerprint and settings, not its secret."""
    invocation = Invocation.of(context)
    config, home = invocation.config, invocation.home
    folder = download_dir(config, home)
    peers = len(invocation.peers.all())
    now = time.time()
    requests = len(invocation.approvals.list(now))
    unfinished = len(invocation.journal.records(unfinished_only=True))
    overlaps = len(config.secrets_at(now)) > 1
    previous_until = config.previous_secret_until if overlaps else None
    invocation.output.result(
        "status",
        node_id=config.node_id,
        fingerprint=invocation.fingerprint,
        created_at=config.created_at.isoformat(),
        config_file=str(home.config_file),
        state_dir=str(home.state_dir),
        download_dir=str(folder),
        max_file_size=config.max_file_size,
        secret_ttl_hours=config.secret_ttl_hours,
        previous_secret_until=previous_until.timestamp() if previous_until else None,
        auto_accept=config.auto_accept,
        allow_wire_1=config.allow_wire_1,
        channel=config.channel,
        direct=config.direct.enabled,
        peers=peers,
        requests=requests,
        unfinished_transfers=unfinished,
    )
    ttl = config.secret_ttl_hours
    lines = {
        "Node": config.node_id,
        "Fingerprint": invocation.fingerprint,
        "Made": format_moment(config.created_at.timestamp()),
        "Settings": str(home.config_file),
        "Journal": str(home.journal_file),
        "Keys": "in the system's keyring" if config.keyring else str(home.identity_file),
        "Downloads": str(folder),
        "Largest file": format_size(config.max_file_size),
        "Secret": "hidden (ocft show-secret); in offers of wire 1.0 it counts "
        + ("for ever" if ttl is None else f"{ttl:g} h"),
        "Former secret": f"counts until {format_moment(previous_until.timestamp())}"
        if previous_until
        else "",
        "Wire 1.0": "allowed" if config.allow_wire_1 else "not allowed",
        "Trusted peers": f"{peers}"
        + (", who may send without asking" if config.auto_accept else ""),
        "Requests": f"{requests} (ocft requests)" if requests else "",
        "Channel": config.channel,
        "Around it": "straight to peers that can be reached" if config.direct.enabled else "",
        "Unfinished": f"{unfinished} transfers" if unfinished != 1 else "1 transfer",
    }
    for name, value in lines.items():
        if value:
            invocation.output.data(f"{name + ':':<15}{printable(value)}")


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
    size: Annotated[
        str, typer.Argument(metavar="SIZE", help="Such as 100MB, 1.5GB, 500KB, or bytes.")
    ],
) -> None:
    """Choose the largest transfer that is taken here.

    What `ocft peers limit PEER --max-size` says of a peer, be it less or more, goes before it.
    It holds from the next offer on, for an `ocft listen` that runs, too.
    """
    invocation = Invocation.of(context)
    size_bytes = parse_size(size)
    invocation.change_config(max_file_size=size_bytes)
    invocation.output.result("set-max-size", max_file_size=size_bytes)
    size_words = format_size(size_bytes)
    invocation.output.say(
        f"Transfers of up to {size_words} are taken, where a peer has no other limit."
    )


def set_direct(
    context: typer.Context,
    *,
    enabled: Annotated[bool, typer.Argument(metavar="on|off", help="Both peers need it on.")],
) -> None:
    """Choose whether files may go around the channel.

    Then it carries a handful of texts, and the bytes go straight, sealed, to and from
    the private addresses of this machine, while a transfer runs. Where neither machine can
    connect to the other, the chat carries them as before. What runs has to be started again.
    Addresses and a port: `direct` in the settings.
    """
    invocation = Invocation.of(context)
    section = invocation.config.direct.model_copy(update={"enabled": enabled})
    invocation.change_config(direct=section)
    invocation.output.result("set-direct", enabled=enabled)
    invocation.output.say(
        "Files go straight to and from peers that have this on, too, where one can reach the other."
        if enabled
        else "Files go through the channel only."
    )


def set_ttl(
    context: typer.Context,
    hours: Annotated[float, typer.Argument(metavar="HOURS", help="0 is for ever.")],
) -> None:
    """Choose how long the secret in an offer of wire 1.0 counts."""
    invocation = Invocation.of(context)
    invocation.change_config(secret_ttl_hours=hours or None)
    invocation.output.result("set-ttl", secret_ttl_hours=hours or None)
    invocation.output.say(
        f"The secret in an offer counts {hours:g} h." if hours else "The secret counts for ever."
    )


def _make_node(invocation: Invocation, former: "Config | None", *, keyring: bool | None) -> None:
    config = _new_config(former)
    if keyring is not None:
        config = config.changed(keyring=keyring)
    # Before the settings: whatever is missing for the keys, the node that was here stays whole.
    invocation.home.make()
    open_identity(config, invocation.home)
    invocation.save_config(config)


def _former_config(invocation: Invocation) -> "Config | None":
    """Return the settings that are here, if they can be read; else they are moved away."""
    from ocft.config import load_config
    from ocft.errors import NotInitializedError

    config_file = invocation.home.config_file
    try:
        return load_config(config_file)
    except NotInitializedError:
        return None
    except ConfigError as error:
        # Damaged, and `--force` was given: it is not ours to throw away.
        kept = config_file.with_name(f"{config_file.name}.damaged-{int(time.time())}")
        try:
            config_file.rename(kept)
        except OSError:
            raise error from None
        invocation.output.say(f"{error} It is now {kept}.")
        return None


def _new_config(former: "Config | None") -> "Config":
    """Return settings with a new id and secret; the others of a former node stay."""
    from ocft.config import Config
    from ocft.crypto import make_secret
    from ocft.ids import make_node_id

    settings: dict[str, Any] = {}
    if former is not None:
        settings = former.model_dump(
            exclude={"created_at", "previous_secret", "previous_secret_until"}
        )
    settings["node_id"] = make_node_id(int(time.time() * 1000))
    settings["secret"] = make_secret()
    return Config.make(settings)


def _forget_keys_in_keyring(invocation: Invocation, former: "Config") -> None:
    """Remove a former node's keys from the keyring: there is no id left to find them by."""
    if not former.keyring:
        return
    try:
        forget_identity(former)
    except ConfigError as error:  # the new node is made, and whole
        invocation.output.say(
            f"The keys of {former.node_id}, which was here, are still in the keyring: {error}"
        )
    else:
        invocation.output.say("The keys of the node that was here were removed from the keyring.")


def _try_to_write(folder: Path) -> None:
    import tempfile

    with tempfile.TemporaryFile(dir=folder):
        pass
