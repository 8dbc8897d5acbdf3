"""`ocft pair`: two nodes come to trust each other by a short code that is said aloud."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ocft.cli.channel import open_sharing
from ocft.cli.ending import require_seconds, seconds_option
from ocft.cli.invocation import Invocation
from ocft.cli.stopping import run
from ocft.cli.terminal import printable
from ocft.errors import ConfigError, PairingFailedError, UnknownPeerError

if TYPE_CHECKING:
    from ocft.runtime import Sharing
    from ocft.storage import PairingRequest, PairingRequests

_CODE_SECONDS = 600.0  # R-PAI-2


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("pair", epilog="Example: ocft pair here, then there: ocft pair 7-crossover-zebra")(
        pair
    )


def pair(
    context: typer.Context,
    code: Annotated[
        str | None,
        typer.Argument(help="What the other node shows. Left out: this node shows a code."),
    ] = None,
    *,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="ADDRESS", help="The other node, or the room, there."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", "-n", help="What to call the other node here.")
    ] = None,
    channel: Annotated[
        str | None, typer.Option("--channel", "--via", metavar="NAME", help="Which way to go.")
    ] = None,
    timeout: Annotated[float | None, seconds_option("Wait so long; 600 at most.")] = None,
) -> None:
    """Trust another node, and be trusted by it, with a code that you tell each other.

    One of you runs `ocft pair` and says the code, on the phone or face to face; the other types
    it. The code counts once, for ten minutes, and the chat that carries this learns nothing.
    """
    from ocft.crypto import format_fingerprint, make_pairing_code, parse_pairing_code
    from ocft.ids import NodeId
    from ocft.storage import PairingRequests

    require_seconds(timeout)
    invocation = Invocation.of(context)
    output = invocation.output
    _require_free(invocation, name)
    parsed = parse_pairing_code(code) if code is not None else make_pairing_code()
    sharing = open_sharing(invocation, channel)
    requests = PairingRequests(invocation.journal.database)
    number = requests.ask(
        sharing.channel,
        parsed.text,
        is_shown=code is None,
        address=to,
        name=name,
        ends_at=time.time() + min(timeout or _CODE_SECONDS, _CODE_SECONDS),
    )
    if code is None:
        output.note(event="pairing-code", code=parsed.text)
        output.say("On the other node, type: ocft pair, and this code. It counts once.")
        output.data(parsed.text)
    try:
        done = run(_wait(sharing, requests, number), when_stopped="Stopped. The code is void.")
    finally:
        requests.remove(number)
    peer = invocation.peers.get(NodeId(done))
    fingerprint = format_fingerprint(peer.fingerprint) if peer.fingerprint else ""
    output.result("pair", peer={"id": peer.id, "name": peer.name, "fingerprint": fingerprint})
    called = f"{peer.name} ({peer.id})" if peer.name else peer.id
    output.say(f"Paired with {printable(called)}. Fingerprint: {fingerprint}")


async def _wait(sharing: "Sharing", requests: "PairingRequests", number: int) -> str:
    """Return the peer's id when both sides have each other's keys."""
    from ocft.storage import PairingState

    def current() -> "PairingRequest":
        row = requests.get(number)
        if row is None:
            raise PairingFailedError("The pairing was forgotten. Try again.")
        return row

    def is_over() -> bool:
        row = current()
        late = row.state is PairingState.NEW and time.time() > row.ends_at
        return late or row.state in (PairingState.DONE, PairingState.FAILED)

    await sharing.drive_until(is_over)
    row = current()
    if row.peer_id is None:
        raise PairingFailedError(row.error or "Nobody took part in time. Make a new code.")
    return row.peer_id


def _require_free(invocation: Invocation, name: str | None) -> None:
    if name is None:
        return
    try:
        taken = invocation.peers.get(name)
    except UnknownPeerError:
        return
    raise ConfigError(f"{taken.id} is called {name!r} already. Choose another name.")
