"""Commands about this node's secret, and the address that holds it."""

import math
import time
from typing import Annotated, Final

import typer

from ocft.cli.asking import TAKES_SECRET, ask_for, refuse_extra
from ocft.cli.invocation import Invocation
from ocft.cli.terminal import format_moment
from ocft.errors import ConfigError, WrongSecretError

_HOUR: Final = 3600.0  # seconds
_MOST_HOURS: Final = 24.0 * 365


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("show-secret", epilog="Example: ocft show-secret")(show_secret)
    app.command("export", epilog="Example: ocft export | ssh host ocft import - --name laptop")(
        export
    )
    app.command(
        "verify", epilog="Example: ocft verify - < secret.txt", context_settings=TAKES_SECRET
    )(verify)
    app.command("rotate-secret", epilog="Example: ocft rotate-secret --overlap 48")(rotate_secret)


def show_secret(context: typer.Context) -> None:
    """Write this node's secret. Whoever knows it may send files here without asking."""
    invocation = Invocation.of(context)
    invocation.output.result("show-secret", secret=invocation.config.secret)
    invocation.output.data(invocation.config.secret)


def export(context: typer.Context) -> None:
    """Write the address that peers import. It holds the secret: hand it over privately.

    It also holds this node's fingerprint: who imports it seals what it sends, for this node only.
    """
    from ocft.ids import NodeId
    from ocft.wire import PeerAddress, format_peer_uri

    invocation = Invocation.of(context)
    config, identity = invocation.config, invocation.identity
    uri = format_peer_uri(
        PeerAddress(NodeId(config.node_id), config.secret, identity.public.fingerprint)
    )
    invocation.output.result(
        "export", node_id=config.node_id, fingerprint=invocation.fingerprint, uri=uri
    )
    invocation.output.data(uri)


def verify(
    context: typer.Context,
    secret: Annotated[
        str | None,
        typer.Argument(
            metavar="SECRET", help="The secret; - reads stdin. Left out: OCFT_SECRET, or a prompt."
        ),
    ] = None,
) -> None:
    """Check whether a secret is this node's secret.

    The former one is right, too, while it counts.
    """
    from ocft.crypto import secrets_match

    refuse_extra(context)
    invocation = Invocation.of(context)
    current, *former = invocation.config.secrets_at(time.time())
    asked = ask_for(secret, what="secret", variable="OCFT_SECRET")
    # All of them are compared, whichever fits: the time that it takes tells nothing.
    is_current, *is_former = [secrets_match(one, asked) for one in (current, *former)]
    if not (is_current or any(is_former)):
        raise WrongSecretError("This is not the node's secret.")
    invocation.output.result("verify", is_valid=True, is_current=is_current)
    invocation.output.say(
        "This is the node's secret."
        if is_current
        else "This is the node's former secret, which still counts."
    )


def rotate_secret(
    context: typer.Context,
    *,
    overlap: Annotated[
        float,
        typer.Option("--overlap", metavar="HOURS", help="The old one counts so long; 0: no more."),
    ] = 24,
) -> None:
    """Make a new secret; the old one counts a while longer.

    Who has exchanged sealed messages with this node, or was approved, needs nothing new. Who knows
    only the old secret needs a new address before it ends: `ocft export` here, and
    `ocft import --replace` there.
    """
    from datetime import UTC, datetime

    from ocft.crypto import make_secret

    if not (math.isfinite(overlap) and 0 <= overlap <= _MOST_HOURS):
        raise ConfigError(f"--overlap is a number of hours from 0 to {_MOST_HOURS:.0f}.")
    invocation = Invocation.of(context)
    config = invocation.config
    until = time.time() + overlap * _HOUR if overlap else None
    third = config.secrets_at(time.time())[1:]
    invocation.change_config(
        secret=make_secret(),
        previous_secret=config.secret if until else None,
        previous_secret_until=datetime.fromtimestamp(until, UTC) if until else None,
    )
    output = invocation.output
    output.result("rotate-secret", previous_secret_until=until)
    output.say(
        f"There is a new secret. The old one counts until {format_moment(until)}."
        if until
        else "There is a new secret. The old one counts no longer."
    )
    if third:
        output.say("The one before that counts no longer.")
    output.say(
        "Peers who only know the old secret need the new address: `ocft export` here, "
        "`ocft import --replace` there."
    )
