"""`ocft pair`: two nodes come to trust each other by a short code that is said aloud."""

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ocft.cli.channel import open_sharing
from ocft.cli.ending import require_seconds, seconds_option
from ocft.cli.invocation import Invocation
from ocft.cli.peer_words import called, fingerprint_words, peer_fields
from ocft.cli.stopping import Stopped, run
from ocft.cli.terminal import printable
from ocft.errors import ConfigError, PairingFailedError, PairingTimeoutError

if TYPE_CHECKING:
    from ocft.storage import PairingRequests

_CODE_SECONDS: Final = 600.0  # R-PAI-2
_TYPED_SECONDS: Final = 120.0  # the other side shows the code already, or the number is wrong

_GRACE: Final = 5.0  # seconds for whoever carries it out to say how it ended


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("pair", epilog="Example: ocft pair here, then there: ocft pair 7-cross-zebra")(pair)


def pair(
    context: typer.Context,
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE", help="What the other node shows. Left out: this node shows a code."
        ),
    ] = None,
    *,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="ADDRESS", help="Where to look: what the channel calls it."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", "-n", metavar="NAME", help="What to call the other node here."),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option("--channel", "--via", metavar="NAME", help="Not the one in the settings."),
    ] = None,
    timeout: Annotated[
        float | None,
        seconds_option("Wait so long, 600 at most; left out: 600, or 120 with a code."),
    ] = None,
) -> None:
    """Trust another node, and be trusted, by a code told aloud.

    One of you runs `ocft pair` and says the code, on the phone or face to face; the other types
    it. The code counts once, for ten minutes, and the chat that carries this learns nothing.
    """
    from ocft.crypto import make_pairing_code, parse_pairing_code
    from ocft.storage import PairingRequests

    require_seconds(timeout)
    invocation = Invocation.of(context)
    output = invocation.output
    if to is not None and (not to or code is None):
        raise ConfigError("--to is an address, and goes with the code that is shown there.")
    is_taken = name is not None and any(peer.name == name for peer in invocation.peers.all())
    if name is not None and not is_taken:
        invocation.peers.require_free(name)
    parsed = parse_pairing_code(code) if code is not None else make_pairing_code()
    sharing = open_sharing(invocation, channel)
    requests = PairingRequests(invocation.journal.database)
    usual = _CODE_SECONDS if code is None else _TYPED_SECONDS
    number = requests.ask(
        sharing.channel,
        parsed.text,
        is_shown=code is None,
        address=to,
        # The peer that has this name is probably the one that is meant, and then it keeps it.
        name=None if is_taken else name,
        ends_at=time.time() + min(timeout or usual, _CODE_SECONDS),
    )
    if code is None:
        output.note(event="pairing-code", code=parsed.text)
        output.say("On the other node, type: ocft pair, and this code. It counts once.")
        output.data(parsed.text)
    else:
        output.say("Looking for the node that shows this code.")
    waiting = _Waiting(invocation, requests, number, name)
    try:
        work = sharing.drive_until(
            waiting.is_over, lingers=lambda: waiting.is_paired and code is None
        )
        run(work, when_stopped="Stopped. The code is void.")
    except Stopped:
        if not waiting.is_paired:  # else only its last words were cut short
            raise
    finally:
        requests.remove(number)
    waiting.conclude()


class _Waiting:
    """Watches a pairing that somebody carries out, and says how it ended as soon as it has.

    Args:
        invocation: The run of the command.
        requests: Where the pairing is.
        number: Which one it is.
        name: What the peer was to be called.
    """

    def __init__(
        self,
        invocation: Invocation,
        requests: "PairingRequests",
        number: int,
        name: str | None,
    ) -> None:
        self._invocation = invocation
        self._requests = requests
        self._number = number
        self._name = name
        self._failure = ""
        self._is_late = False
        self.is_paired = False
        """Whether both sides have each other's keys; it was said then."""

    def is_over(self) -> bool:
        """Look how far it is."""
        from ocft.storage import PairingState

        if self.is_paired or self._failure:
            return True
        row = self._requests.get(self._number)
        if row is None:
            self._failure = "The pairing was forgotten. Try again."
        elif row.peer_id is not None:
            self.is_paired = True
            self._tell(row.peer_id)
        elif row.state is PairingState.FAILED:
            self._failure = row.error or "It came to no end."
        elif time.time() > row.ends_at + (_GRACE if row.state is PairingState.RUNNING else 0.0):
            self._failure = "Nobody took part in time. Make a new code."
        if row is not None and self._failure:
            self._is_late = time.time() >= row.ends_at  # it was given up, whatever was said of it
        return self.is_paired or bool(self._failure)

    def conclude(self) -> None:
        """End the command with the outcome.

        Raises:
            PairingTimeoutError: Nobody took part in time.
            PairingFailedError: There is no peer for another reason.
        """
        if not self.is_paired:
            raise (PairingTimeoutError if self._is_late else PairingFailedError)(self._failure)

    def _tell(self, peer_id: str) -> None:
        from ocft.ids import NodeId

        output = self._invocation.output
        peer = self._invocation.peers.get(NodeId(peer_id))
        output.result("pair", peer=peer_fields(peer))
        output.say(f"Paired with {called(peer)}. Fingerprint: {fingerprint_words(peer, None)}")
        if self._name is not None and peer.name != self._name:
            output.say(
                f"Another peer is called {printable(self._name)}; "
                f"a name for this one: ocft peers rename {peer.id} NAME"
            )
