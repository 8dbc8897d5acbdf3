"""Drives a machine by hand: its outputs are carried out at once, its clock is a number."""

from itertools import count
from typing import TYPE_CHECKING

from ocft.ids import NodeId, TransferId
from ocft.protocol import (
    Notify,
    Output,
    Patience,
    PublishFile,
    ReadChunk,
    Receiver,
    Send,
    Sender,
    WriteChunk,
)
from ocft.ranges import RangeSet
from ocft.transfers import TransferState
from ocft.wire import Chunk, Message, Offer, Payload, digest_of, make_message

if TYPE_CHECKING:
    from ocft.events import Event

ID = TransferId("xfer_1")
ALICE = NodeId("alice")
BOB = NodeId("bob")
CONTENT = bytes(range(45))
SIZE = 10  # bytes of a chunk: five chunks, the last of five bytes


def offer_of(content: bytes = CONTENT, chunk_size: int = SIZE) -> Offer:
    """Return the offer of some content."""
    return Offer(
        filename="report.pdf",
        size=len(content),
        mime_type="application/pdf",
        hash=digest_of(content),
        chunk_size=chunk_size,
        total_chunks=-(-len(content) // chunk_size),
    )


def chunk_of(index: int, content: bytes = CONTENT, chunk_size: int = SIZE) -> Chunk:
    """Return a chunk of some content."""
    data = content[index * chunk_size : (index + 1) * chunk_size]
    return Chunk(index=index, data=data, hash=digest_of(data))


def message_of(payload: Payload, *, sender: NodeId, timestamp: int) -> Message:
    """Put a payload into its envelope."""
    recipient = BOB if sender == ALICE else ALICE
    return make_message(
        payload, transfer_id=ID, sender=sender, recipient=recipient, timestamp=timestamp
    )


class _Driver:
    """What both sides have in common.

    Args:
        machine: The side.
        peer: Who says what it hears.
        now: Where its clock stands.
    """

    def __init__(self, machine: Sender | Receiver, peer: NodeId, now: float) -> None:
        self._machine = machine
        self._peer = peer
        self._timestamps = count(1000)
        self._seen = 0
        self.now = now
        self.said: list[Payload] = []
        """All that was sent."""
        self.events: list[Event] = []

    @property
    def state(self) -> TransferState:
        """Where the machine stands."""
        return self._machine.state

    @property
    def event_names(self) -> list[str]:
        """The names of all events."""
        return [event.name for event in self.events]

    def hear(self, *payloads: Payload, timestamp: int | None = None) -> list[Payload]:
        """Take in messages of the peer and return what is said in answer."""
        for payload in payloads:
            at = next(self._timestamps) if timestamp is None else timestamp
            message = message_of(payload, sender=self._peer, timestamp=at)
            try:
                self._machine.receive(message, self.now)
            finally:
                self._carry_out()
        return self.new()

    def advance(self, seconds: float) -> list[Payload]:
        """Let time pass, do what is due on the way, and return what is said."""
        end = self.now + seconds
        steps = 0
        while (deadline := self._machine.deadline) is not None and deadline <= end:
            steps += 1
            assert steps < 10_000, "a deadline does not move on"
            self.now = max(self.now, deadline)
            self._machine.on_deadline(self.now)
            self._carry_out()
        self.now = end
        return self.new()

    def wait(self) -> list[Payload]:
        """Let time pass until something is due, and return what is said."""
        assert self._machine.deadline is not None
        return self.advance(self._machine.deadline - self.now)

    def cancel(self, reason: str = "enough") -> list[Payload]:
        """Stop by our own will, and return what is said."""
        self._machine.cancel(reason, self.now)
        self._carry_out()
        return self.new()

    def new(self) -> list[Payload]:
        """Return what was said since the last time."""
        new = self.said[self._seen :]
        self._seen = len(self.said)
        return new

    def _carry_out(self) -> None:
        while outputs := self._machine.outputs():
            for output in outputs:
                if isinstance(output, Send):
                    self.said.append(output.payload)
                    self._machine.sent(self.now)
                elif isinstance(output, Notify):
                    self.events.append(output.event)
                else:
                    self._do(output)

    def _do(self, output: Output) -> None:
        raise NotImplementedError


class SenderDriver(_Driver):
    """A sender whose disk answers at once, unless told not to."""

    def __init__(
        self,
        content: bytes = CONTENT,
        *,
        patience: Patience | None = None,
        acknowledged: int = 0,
        keeps_chunks: bool | None = None,
        accepted_at: int | None = None,
        state: TransferState = TransferState.PENDING,
        offer: Offer | None = None,
    ) -> None:
        self.machine = Sender(
            transfer_id=ID,
            peer_id=BOB,
            offer=offer or offer_of(content),
            path="/srv/report.pdf",
            patience=patience,
            acknowledged=acknowledged,
            keeps_chunks=keeps_chunks,
            accepted_at=accepted_at,
            state=state,
        )
        super().__init__(self.machine, BOB, 100.0)
        self._content = content
        self.has_slow_disk = False
        self.asked: list[ReadChunk] = []
        """What was to be read."""

    def start(self, *, is_resumed: bool = False, is_accepted: bool = False) -> list[Payload]:
        """Begin or go on, and return what is said."""
        self.machine.start(self.now, is_resumed=is_resumed, is_accepted=is_accepted)
        self._carry_out()
        return self.new()

    def read(self, output: ReadChunk) -> list[Payload]:
        """Let a slow disk answer."""
        data = self._content[output.offset : output.offset + output.length]
        self.machine.provide(output.index, data, self.now)
        self._carry_out()
        return self.new()

    def _do(self, output: Output) -> None:
        assert isinstance(output, ReadChunk)
        self.asked.append(output)
        if not self.has_slow_disk:
            data = self._content[output.offset : output.offset + output.length]
            self.machine.provide(output.index, data, self.now)


class ReceiverDriver(_Driver):
    """A receiver whose disk writes and publishes at once, unless told not to."""

    def __init__(
        self,
        content: bytes = CONTENT,
        *,
        patience: Patience | None = None,
        sender_repeats: bool = True,
        state: TransferState = TransferState.PENDING,
        stored: RangeSet | None = None,
        offer: Offer | None = None,
    ) -> None:
        self.offer = offer or offer_of(content)
        self.machine = Receiver(
            transfer_id=ID,
            peer_id=ALICE,
            offer=self.offer,
            sender_repeats=sender_repeats,
            patience=patience,
            state=state,
            stored=stored,
        )
        super().__init__(self.machine, ALICE, 100.0)
        self.has_slow_disk = False
        self.writes: list[WriteChunk] = []
        """What was to be written."""
        self.publications = 0

    def offered(self, *, is_automatic: bool = True, timestamp: int = 999) -> list[Payload]:
        """Take in the offer, and return what is said."""
        self.machine.offered(self.now, timestamp=timestamp, is_automatic=is_automatic)
        self._carry_out()
        return self.new()

    def resume(self) -> list[Payload]:
        """Go on after a restart, and return what is said."""
        self.machine.resume(self.now)
        self._carry_out()
        return self.new()

    def decide(self, reason: str | None = None) -> list[Payload]:
        """Accept, or reject for a reason, and return what is said."""
        if reason is None:
            self.machine.accept(self.now)
        else:
            self.machine.reject(reason, self.now)
        self._carry_out()
        return self.new()

    def written(self, index: int) -> list[Payload]:
        """Let a slow disk answer."""
        self.machine.written(index, self.now)
        self._carry_out()
        return self.new()

    def published(self) -> list[Payload]:
        """Let a slow disk answer."""
        self.machine.published("/inbox/report.pdf", self.now)
        self._carry_out()
        return self.new()

    def _do(self, output: Output) -> None:
        if isinstance(output, WriteChunk):
            self.writes.append(output)
            if not self.has_slow_disk:
                self.machine.written(output.index, self.now)
        else:
            assert isinstance(output, PublishFile)
            self.publications += 1
            if not self.has_slow_disk:
                self.machine.published("/inbox/report.pdf", self.now)
