"""Commands about strangers that ask to be trusted: list them, say yes or no (R-HSK-3)."""

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from ocft.cli.completion import complete_request
from ocft.cli.importing import Name, Ttl, expiry
from ocft.cli.invocation import Invocation
from ocft.cli.peer_words import called, fingerprint_of, peer_fields, trust_of
from ocft.cli.terminal import format_duration, printable, table
from ocft.errors import FingerprintChangedError, TrustError

if TYPE_CHECKING:
    from ocft.storage import KnownNode, TrustedPeer, TrustRequest

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

    invocation = Invocation.of(context)
    expires_at = expiry(ttl)
    found = invocation.approvals.get(request, time.time())
    fingerprint = format_fingerprint(found.fingerprint)
    # Not the argument's shape: a stranger may have chosen an id that looks like a fingerprint.
    is_named = _letters(request) == _letters(fingerprint)
    if not (is_sure or is_named):
        _ask(invocation, found, fingerprint)
    old = invocation.peers.find(found.id)
    if old is None:
        peer = _new_peer(found, name, expires_at)
    else:
        _require_same(old, invocation.nodes.find(found.id), found)
        # It knows no secret of ours, or its trust has ended; what we have said about it stays.
        peer = replace(
            old,
            name=name or old.name,
            address=old.address or _address_of(found),
            fingerprint=found.fingerprint,
            expires_at=expires_at,
        )
    invocation.peers.put(peer)
    invocation.approvals.remove(found.id)
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


def _new_peer(request: "TrustRequest", name: str | None, expires_at: float | None) -> "TrustedPeer":
    from ocft.storage import TrustedPeer

    return TrustedPeer(
        id=request.id,
        name=name,
        address=_address_of(request),
        fingerprint=request.fingerprint,
        expires_at=expires_at,
    )


def _address_of(request: "TrustRequest") -> str | None:
    return request.author if request.author != request.id else None


def _require_same(peer: "TrustedPeer", known: "KnownNode | None", request: "TrustRequest") -> None:
    """Refuse a request that would exchange the fingerprint of a peer (R-HSK-2)."""
    if fingerprint_of(peer, known) not in {None, request.fingerprint}:
        raise FingerprintChangedError(
            f"{called(peer)} is known with another fingerprint. Ask its owner; if its keys are "
            "new, `ocft peers revoke` it first."
        )


def _fields(request: "TrustRequest") -> dict[str, object]:
    from ocft.crypto import format_fingerprint

    return {
        "id": request.id,
        "author": request.author,
        "fingerprint": format_fingerprint(request.fingerprint),
        "at": request.at,
    }


def _letters(fingerprint: str) -> str:
    return fingerprint.replace("-", "").replace(" ", "").lower()
