"""`ocft post`: a file for people, as the platform's own attachment."""

from pathlib import Path
from typing import Annotated

import typer

from ocft.cli.invocation import Invocation
from ocft.cli.stopping import run
from ocft.cli.terminal import printable
from ocft.errors import ConfigError


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("post", epilog="Example: ocft post report.pdf --via telegram")(post)


def post(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="What everybody there can read and download.")],
    *,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="ADDRESS", help="Whom, there; left out: the whole room."),
    ] = None,
    text: Annotated[str, typer.Option("--text", help="What is said with it.")] = "",
    channel: Annotated[
        str | None,
        typer.Option("--channel", "--via", metavar="NAME", help="Not the one in the settings."),
    ] = None,
) -> None:
    """Put a file into the chat for people, not sealed.

    It is the platform's own attachment, which everybody there can read. For a node: `ocft send`.
    """
    invocation = Invocation.of(context)
    name = channel or invocation.config.channel
    run(_post(invocation, name, file, to=to, text=text))
    invocation.output.result("post", channel=name, file=file, to=to)
    invocation.output.say(f"Posted {printable(Path(file).name)}.")


async def _post(invocation: Invocation, name: str, file: str, *, to: str | None, text: str) -> None:
    import asyncio

    from ocft.channels import find_adapter
    from ocft.runtime import Outbox
    from ocft.storage import open_regular

    config, path = invocation.config, Path(file)
    options = config.section_of(name).options
    # Before the connection: a wrong name is told at once, and costs no login.
    with await asyncio.to_thread(open_regular, path) as opened:
        # Beside a listener, which reads: this only writes.
        async with await find_adapter(name).open(config.node_id, options) as channel:
            address = to or channel.everyone
            if address is None:
                raise ConfigError("This channel has no room. Say whom you mean with --to.")
            outbox = Outbox(channel, asyncio.get_running_loop().time)
            await outbox.send_file(address, opened, name=path.name, text=text)
