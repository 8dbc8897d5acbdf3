"""`ocft serve`: many sessions for a team, behind one port; what it keeps it cannot read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ocft.cli.ending import require_seconds
from ocft.cli.invocation import Invocation
from ocft.cli.share_options import parse_duration, public_option, read_secret_file
from ocft.cli.stopping import Stopped, run
from ocft.cli.terminal import parse_size
from ocft.errors import ConfigError

if TYPE_CHECKING:
    from ocft.share import Sessions

_PORT: Final = 8780
_LEAST_TOKEN: Final = 16  # characters


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    example = "Example: ocft serve --public-url https://files.example.org --trust-proxy 127.0.0.1"
    app.command("serve", epilog=example)(serve)


def serve(
    context: typer.Context,
    *,
    host: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="ADDRESS", help="Listen there only; left out: 127.0.0.1."),
    ] = None,
    port: Annotated[
        int,
        typer.Option("--port", metavar="NUMBER", min=0, max=65535, help="0: any that is free."),
    ] = _PORT,
    public_url: Annotated[str | None, public_option()] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DIR", help="Keep sessions there; they outlive a restart."),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Keep sessions in memory: gone with the process.")
    ] = False,
    max_session: Annotated[
        str, typer.Option("--max-session", metavar="SIZE", help="The most of one session.")
    ] = "10GB",
    max_total: Annotated[
        str | None,
        typer.Option(
            "--max-total", metavar="SIZE", help="The most of all: 50GB, or 1GB in memory."
        ),
    ] = None,
    max_sessions: Annotated[
        int, typer.Option("--max-sessions", metavar="NUMBER", min=1, help="Sessions at once.")
    ] = 10_000,
    max_age: Annotated[
        str, typer.Option("--max-age", metavar="DURATION", help="The longest that one lives.")
    ] = "7d",
    made: Annotated[
        int,
        typer.Option("--made", metavar="NUMBER", min=0, help="Made by one address a minute."),
    ] = 10,
    joined: Annotated[
        int,
        typer.Option("--joined", metavar="NUMBER", min=0, help="Downloads asked for a minute."),
    ] = 30,
    looked: Annotated[
        int,
        typer.Option("--looked", metavar="NUMBER", min=0, help="Looks at sessions a minute."),
    ] = 20,
    connections: Annotated[
        int,
        typer.Option("--connections", metavar="NUMBER", min=1, help="At once, in total."),
    ] = 2000,
    connections_each: Annotated[
        int,
        typer.Option("--connections-each", metavar="NUMBER", min=1, help="Of one address."),
    ] = 64,
    trust_proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--trust-proxy", metavar="ADDRESS", help="Believe its X-Forwarded-For: your proxy."
        ),
    ] = None,
    metrics_token: Annotated[
        str | None,
        typer.Option(
            "--metrics-token-file", metavar="FILE", help="Who has it may read /metrics anywhere."
        ),
    ] = None,
    grace: Annotated[
        float,
        typer.Option("--grace", metavar="SECONDS", help="For what is under way at the end."),
    ] = 10.0,
) -> None:
    """Keep sealed files for others, until Ctrl-C.

    Its address goes to stdout. `ocft share --server URL` puts files here, the page at URL/s/ too.
    Nobody needs an account, and nothing that is kept here can be read here.
    """
    from ocft.share import DiskStore, Limits, MemoryStore, Sessions
    from ocft.storage import ChannelLock

    require_seconds(grace)
    if memory and data is not None:
        raise ConfigError("--memory and --data: take one of them.")
    invocation = Invocation.of(context)
    limits = Limits(
        made_a_minute=made,
        joined_a_minute=joined,
        looked_a_minute=looked,
        connections=connections,
        connections_of_address=connections_each,
        sessions=max_sessions,
        bytes_of_session=parse_size(max_session),
        bytes_in_total=parse_size(max_total or ("1GB" if memory else "50GB")),
        expires_in=parse_duration(max_age),
    )
    token = _metrics_token(metrics_token)
    hosts = host or ["127.0.0.1"]
    serving = _Serving(invocation, hosts, port, public_url, token, trust_proxy or [], grace)
    try:
        if memory:
            run(serving.run(Sessions(store=MemoryStore(), limits=limits, accepts_new=True)))
            return
        folder = Path(data).absolute() if data else invocation.home.state_dir / "served"
        store = DiskStore(folder)
        with ChannelLock(folder / "lock"):  # two servers would count, and remove, each for itself
            run(serving.run(Sessions(store=store, limits=limits, accepts_new=True)))
    except Stopped as stop:
        stop.args = ("Stopped serving.",)  # how this command is meant to end
        raise


class _Serving:
    """One run of the server."""

    def __init__(  # noqa: PLR0917 - as the command has them
        self,
        invocation: Invocation,
        hosts: list[str],
        port: int,
        public_url: str | None,
        metrics_token: str | None,
        proxies: list[str],
        grace: float,
    ) -> None:
        self._invocation = invocation
        self._hosts = hosts
        self._port = port
        self._public_url = public_url
        self._metrics_token = metrics_token
        self._proxies = proxies
        self._grace = grace

    async def run(self, sessions: "Sessions") -> None:
        """Serve until somebody stops it."""
        import asyncio

        from ocft.share import open_server

        output = self._invocation.output
        async with open_server(
            sessions,
            hosts=self._hosts,
            port=self._port,
            public_url=self._public_url,
            metrics_token=self._metrics_token,
            trusted_proxies=self._proxies,
            grace_seconds=self._grace,
            keeps_sessions=True,
        ) as server:
            output.note(event="serving", port=server.port, urls=list(server.bases))
            for base in server.bases:
                output.data(f"{base}/s/")
            if sessions.count:
                output.say(f"Sessions kept from before: {sessions.count}.")
            output.say("Serving. Ctrl-C ends it.")
            await asyncio.Event().wait()


def _metrics_token(path: str | None) -> str | None:
    if path is None:
        return None
    token = read_secret_file(path)
    if len(token) < _LEAST_TOKEN or not token.isascii() or " " in token:
        raise ConfigError(f"The token for metrics needs {_LEAST_TOKEN} letters and digits or more.")
    return token
