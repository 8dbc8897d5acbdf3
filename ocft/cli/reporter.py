"""Tells what happens to transfers: as lines of JSON, or to people as sentences and bars."""

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ocft.cli.bars import Bars, can_show_bars
from ocft.cli.output import Output
from ocft.cli.reasons import in_words, why
from ocft.cli.terminal import format_size, printable
from ocft.cli.transfer_words import described
from ocft.events import (
    ApprovalAwaited,
    Event,
    OfferReceived,
    OfferRefused,
    OfferSent,
    PeerPaired,
    TransferAccepted,
    TransferCancelled,
    TransferCompleted,
    TransferFailed,
    TransferProgress,
    TransferRejected,
    TransferResumed,
    TransferSlow,
    TransferStarted,
    TrustRequested,
)
from ocft.transfers import Direction, TransferInfo

if TYPE_CHECKING:
    from ocft.cli.invocation import Invocation


_ROUTINE: Final = (OfferSent, TransferAccepted, TransferResumed, TransferCompleted)

_LONG_MINUTES: Final = 120  # then hours say it better


class Reporter:
    """Takes the events of one command.

    Args:
        output: Where it writes.
        find: Returns what is known of a transfer.
        name_of: Returns what the user calls a node.
        with_names: Puts names for ids in a text.
        tells_failures: Whether to say that one failed; else the command ends with those words.
    """

    def __init__(
        self,
        output: Output,
        *,
        find: Callable[[str], TransferInfo | None],
        name_of: Callable[[str], str],
        with_names: Callable[[str], str] = str,
        tells_failures: bool = True,
    ) -> None:
        self._output = output
        self._find = find
        self._name_of = name_of
        self._with_names = with_names
        self._awaited: set[str] = set()  # who was said to have to approve us
        self._tells_failures = tells_failures
        is_seen = not (output.is_json or output.is_quiet) and can_show_bars()
        self._bars = Bars() if is_seen else None

    @classmethod
    def of(cls, invocation: "Invocation", *, tells_failures: bool = True) -> Self:
        """Return the reporter of a run of a command."""
        from ocft.ids import NodeId, TransferId

        def find(transfer_id: str) -> TransferInfo | None:
            record = invocation.journal.get(TransferId(transfer_id))
            return record.info if record is not None else None

        def name_of(node_id: str) -> str:
            peer = invocation.peers.find(NodeId(node_id))
            return printable((peer.name if peer is not None else None) or node_id)

        return cls(
            invocation.output,
            find=find,
            name_of=name_of,
            with_names=invocation.with_names,
            tells_failures=tells_failures,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def tell(self, event: Event) -> None:
        """Take in one event."""
        self._output.event(event)
        if self._output.is_json:
            return
        if isinstance(event, TrustRequested | ApprovalAwaited | PeerPaired | OfferRefused):
            if self._is_news(event):
                self._output.say(self._words_about(event))
            return
        info = self._find(event.transfer_id)
        if info is None:
            return  # a text that is no transfer's
        self._move_bar(event, info)
        words = self._words(event, info)
        if isinstance(event, TransferCompleted) and info.direction is Direction.RECEIVE:
            self._show_path(event.path)
        is_failure = isinstance(event, TransferFailed | TransferRejected | TransferCancelled)
        if self._output.keeps_stdout and isinstance(event, _ROUTINE):
            return  # in a pipe, only what somebody has to do something about
        if words and (self._tells_failures or not is_failure):
            self._output.say(words)

    def _move_bar(self, event: Event, info: TransferInfo) -> None:
        if self._bars is None:
            return
        if isinstance(event, TransferProgress):
            # What has left is what moves; that it has arrived comes late where texts are scarce.
            moved = max(event.bytes_done, event.bytes_sent)
            self._bars.update(info.id, printable(info.filename), moved, event.size)
        elif isinstance(event, TransferStarted | TransferAccepted | TransferResumed):
            self._bars.update(info.id, printable(info.filename), info.bytes_done, info.size)
        elif info.state.is_final:
            self._bars.remove(info.id)

    def _show_path(self, path: str) -> None:
        if self._bars is None:
            self._output.path(path)
        else:
            # stdout may be the same terminal, and the cursor is in the middle of a bar.
            with self._bars.hidden():
                self._output.path(path)

    def _is_news(self, event: Event) -> bool:
        """Say whether people were not told this before: each try says that it waits."""
        if not isinstance(event, ApprovalAwaited):
            return True
        is_first = event.peer_id not in self._awaited
        self._awaited.add(event.peer_id)
        return is_first

    def _words_about(
        self, event: TrustRequested | ApprovalAwaited | PeerPaired | OfferRefused
    ) -> str:
        if isinstance(event, OfferRefused):
            what = f"{format_size(event.size)} of {self._name_of(event.peer_id)}"
            return f"Refused an offer of {what}: {printable(event.reason)}."
        fingerprint = f"Fingerprint: {printable(event.fingerprint)}"
        if isinstance(event, ApprovalAwaited):
            peer = self._name_of(event.peer_id)
            return f"{peer} has to approve this node first: ocft approve, there. {fingerprint}"
        if isinstance(event, PeerPaired):
            return f"Paired with {printable(event.peer_name)}. {fingerprint}"
        who = printable(event.peer_id)
        if event.author != event.peer_id:
            who += f" (from {printable(event.author)})"
        return f"{who} asks to be trusted. {fingerprint}. See: ocft requests"

    def _words(self, event: Event, info: TransferInfo) -> str:
        file = described(info)
        peer = self._name_of(info.peer_id)
        short_id = printable(info.id)
        is_sending = info.direction is Direction.SEND
        words = ""
        match event:
            case OfferSent():
                words = f"Offered {file} to {peer}: {short_id}{_readable(info)}"
            case OfferReceived(is_automatic=False):
                words = f"{peer} offers {file}. Take it: ocft accept {short_id}"
            case TransferAccepted():
                words = f"Receiving {file} from {peer}: {short_id}"
            case TransferSlow(seconds=seconds, texts=texts):
                words = (
                    f"{file} goes in {texts} texts; that takes {_duration(seconds)} at least. "
                    "Where the machines can reach each other: ocft set-direct on, on both."
                )
            case TransferResumed(bytes_done=count):
                words = f"Going on with {file}: {format_size(count)} are there already."
            case TransferCompleted(digest=digest):
                done = f"Sent {file} to {peer}" if is_sending else f"Received {file} from {peer}"
                words = f"{done}. SHA-256 {printable(digest)}"
            case TransferFailed(reason=reason, is_resumable=is_resumable):
                hint = f" Go on later: ocft resume {short_id}" if is_resumable else ""
                words = f"{file} failed: {printable(self._with_names(in_words(reason)))}{hint}"
            case TransferRejected(reason=reason):
                words = f"{file} was refused{_because(reason)}"
            case TransferCancelled(reason=reason):
                words = f"{file} was cancelled{_because(reason)}"
        return words


def _readable(info: TransferInfo) -> str:
    """Return the end of a sentence that warns of a transfer that others can read."""
    if info.wire != "1.0":
        return ""
    return ". It travels readable: the peer speaks only wire 1.0."


def _because(reason: str) -> str:
    """Return the end of a sentence that says why, unless there is no more to say."""
    words = printable(why(reason))
    return f": {words}" if words not in {"", "cancelled", "rejected"} else "."


def _duration(seconds: float) -> str:
    """Return a time as people say it."""
    minutes = round(seconds / 60)
    if minutes < _LONG_MINUTES:
        return f"{minutes} minutes" if minutes > 1 else "a minute"
    return f"{round(minutes / 60)} hours"
