"""Commands about strangers that ask to be trusted: list them, say yes or no (R-HSK-3)."""

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from ocft.cli.completion import complete_request
from ocft.cli.importing import Name, Ttl, expiry
from ocft.cli.invocation import Invocation
from ocft.cli.peer_words import called, peer_fields, trust_of
from ocft.cli.terminal import format_duration, printable, table
from ocft.errors import TrustError

if TYPE_CHECKING:
    from ocft.storage import TrustRequest

_IdOrFingerprint = Annotated[
    str,
    typer.Argument(
        metavar="ID_OR_FINGERPRINT",
        help="As `ocft requests` shows it; of a fingerprint, four letters are enough.",
        autocompletion=complete_request,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("requests", epilog="Example: ocft requests")(requests)
    app.command("approve", epilog="Example: ocft approve ocft_mwpruv99_AbCdEfGh --name alice")(
        approve
    )
    app.command("deny", epilog="Example: ocft deny ocft_mwpruv99_AbCdEfGh")(deny)


def requests(context: typer.Context) -> None:
    """List the nodes that ask to be trusted.

    At most 32 are kept, each for a day.
    """
    from ocft.crypto import format_fingerprint

    invocation = Invocation.of(context)
    now = time.time()
    found = invocation.approvals.list(now)
    invocation.output.result("requests", requests=[_fields(request) for request in found])
    if not found:
        invocation.output.say("Nobody asks to be trusted.")
        return
    rows = [
        [
            request.id,
            format_fingerprint(request.fingerprint),
            request.author,
            f"{format_duration(max(0.0, now - request.at))} ago",
        ]
        for request in found
    ]
    for line in table(("ID", "FINGERPRINT", "FROM", "ASKED"), rows):
        invocation.output.data(line)
    invocation.output.say("Compare the fingerprint before you say yes: ocft approve ID")


def approve(
    context: typer.Context,
    request: _IdOrFingerprint,
    *,
    name: Name = None,
    ttl: Ttl = None,
    is_sure: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; the fingerprint was compared.")
    ] = False,
) -> None:
    """Trust a node that asks for it, by its fingerprint.

    Compare the fingerprint first with what the other side's `ocft status` shows, on another way
    than the chat. Without a terminal, give the whole fingerprint instead of the id, or --yes.
    """
    from ocft.crypto import format_fingerprint
    from ocft.storage import approve as trust
    from ocft.storage import is_fingerprint_of

    invocation = Invocation.of(context)
    expires_at = expiry(ttl)
    found = invocation.approvals.get(request, time.time())
    fingerprint = format_fingerprint(found.fingerprint)
    if not (is_fingerprint_of(found, request) or is_sure):
        _ask(invocation, found, fingerprint)
    peer = trust(
        found,
        peers=invocation.peers,
        nodes=invocation.nodes,
        approvals=invocation.approvals,
        name=name,
        expires_at=expires_at,
    )
    invocation.journal.database.checkpoint()  # what is said is so after a power cut, too
    invocation.output.result("approve", peer=peer_fields(peer))
    invocation.output.say(f"{called(peer)} is trusted {trust_of(peer)}.")
    invocation.output.say(f"Its fingerprint: {fingerprint}")


def deny(context: typer.Context, request: _IdOrFingerprint) -> None:
    """Forget that a node asks to be trusted.

    It is told nothing, and may ask again.
    """
    invocation = Invocation.of(context)
    found = invocation.approvals.get(request, time.time())
    invocation.approvals.remove(found.id)
    invocation.output.result("deny", request=_fields(found))
    invocation.output.say(f"{printable(found.id)} is not trusted.")


def _ask(invocation: Invocation, request: "TrustRequest", fingerprint: str) -> None:
    """Have a person compare the fingerprint.

    Raises:
        typer.BadParameter: There is nobody to ask.
        TrustError: The answer was not yes.
    """
    streams = (sys.stdin, sys.stderr)
    if invocation.output.is_json or not all(one is not None and one.isatty() for one in streams):
        raise typer.BadParameter(
            f"The fingerprint is {fingerprint}. Give all of it instead of the id, or --yes, "
            "if it is what the other side's `ocft status` shows."
        )
    who = printable(request.id)
    if request.author != request.id:
        who += f" (from {printable(request.author)})"
    question = (
        f"{who} asks to be trusted.\nThe fingerprint is {fingerprint}; "
        "is it what the other side's `ocft status` shows?"
    )
    if not typer.confirm(question, default=False, err=True):
        raise TrustError("Not approved. The request stays; `ocft deny` forgets it.")


def _fields(request: "TrustRequest") -> dict[str, object]:
    from ocft.crypto import format_fingerprint

    return {
        "id": request.id,
        "author": request.author,
        "fingerprint": format_fingerprint(request.fingerprint),
        "at": request.at,
    }
