"""Drives one wire 2 machine by hand: outputs are carried out at once, its clock is a number."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ocft.events import OfferReceived
from ocft.ids import NodeId, TransferId
from ocft.protocol import (
    FrameReceiver,
    FrameSender,
    Notify,
    Patience,
    PublishFiles,
    ReadManifest,
    Say,
    SayAck,
    SayData,
    WriteBytes,
)
from ocft.ranges import Range, RangeSet
from ocft.transfers import TransferState
from ocft.wire import (
    Control,
    Data,
    OfferAgain,
    RangeAck,
    TransferAccept,
    TransferDone,
    TransferReject,
    TransferStop,
)

if TYPE_CHECKING:
    from ocft.events import Event

ID = TransferId("xfer_2")
ALICE = NodeId("alice")
BOB = NodeId("bob")
MANIFEST = 40  # bytes
SIZE = 1000  # bytes of the byte space: ten frames
ROOM = 100  # bytes of a frame
DIGEST = bytes(range(32))
EPHEMERAL = bytes(32)


def accept_of(
    epoch: int = 1,
    *,
    is_decided: bool = True,
    limit: int = SIZE,
    ranges: Iterable[Range] = (),
) -> TransferAccept:
    """Return an accept."""
    return TransferAccept(
        transfer_id=ID,
        epoch=epoch,
        ephemeral=EPHEMERAL,
        is_decided=is_decided,
        limit=limit,
        ranges=tuple(ranges),
    )


def ack_of(
    *ranges: Range,
    heard: int | None = None,
    delay_ms: int = 0,
    limit: int = SIZE,
    is_decided: bool = True,
) -> RangeAck:
    """Return what an ack says."""
    return RangeAck(
        heard=heard, delay_ms=delay_ms, limit=limit, ranges=ranges, is_decided=is_decided
    )


def done_of(
    epoch: int = 1, digest: bytes = DIGEST, *, taken: tuple[int, int] | None = None
) -> TransferDone:
    """Return a done."""
    return TransferDone(transfer_id=ID, epoch=epoch, manifest_digest=digest, taken=taken)


def again_of(epoch: int = 1) -> OfferAgain:
    """Return an again."""
    return OfferAgain(transfer_id=ID, epoch=epoch)


def reject_of(
    epoch: int = 1, code: str = "TRANSFER_REJECTED", words: str | None = None
) -> TransferReject:
    """Return a reject."""
    return TransferReject(transfer_id=ID, epoch=epoch, code=code, words=words)


def stop_of(epoch: int = 1, code: str = "STORAGE", *, is_recoverable: bool = False) -> TransferStop:
    """Return a stop."""
    return TransferStop(transfer_id=ID, epoch=epoch, code=code, is_recoverable=is_recoverable)


def offer_event() -> OfferReceived:
    """Return what listeners are told of an offer."""
    return OfferReceived(
        transfer_id=ID,
        peer_id=ALICE,
        filename="report.pdf",
        size=SIZE - MANIFEST,
        mime_type="application/octet-stream",
        is_automatic=False,
    )


def places(said: Iterable[Say]) -> list[Range]:
    """Return the ranges of the data frames."""
    return [(one.first, one.end) for one in said if isinstance(one, SayData)]


def numbers(said: Iterable[Say]) -> list[int]:
    """Return the numbers of the data frames."""
    return [one.number for one in said if isinstance(one, SayData)]


class _Driver:
    """What both sides have in common.

    Args:
        machine: The side.
    """

    def __init__(self, machine: FrameSender | FrameReceiver) -> None:
        self._any_machine = machine
        self.now = 100.0
        self.events: list[Event] = []

    @property
    def state(self) -> TransferState:
        """Where the machine stands."""
        return self._any_machine.state

    @property
    def event_names(self) -> list[str]:
        """The names of all events."""
        return [event.name for event in self.events]

    def say(self, *, most: int = 1000) -> list[Say]:
        """Let everything leave that has to, and return it."""
        self._carry_out()
        said: list[Say] = []
        while len(said) < most:
            one = self._any_machine.next_to_send(ROOM, self.now)
            if one is None:
                break
            self._any_machine.sent(one, self.now)
            said.append(one)
        return said

    def advance(self, seconds: float) -> list[Say]:
        """Let time pass, do what is due on the way, and return what is said."""
        end = self.now + seconds
        said = []
        steps = 0
        while (deadline := self._any_machine.deadline) is not None and deadline <= end:
            steps += 1
            assert steps < 10_000, "a deadline does not move on"
            self.now = max(self.now, deadline)
            self._any_machine.on_deadline(self.now)
            said += self.say()
        self.now = end
        return said

    def wait(self) -> list[Say]:
        """Let time pass until something is due, and return what is said."""
        assert self._any_machine.deadline is not None
        assert self._any_machine.deadline < math.inf
        return self.advance(self._any_machine.deadline - self.now)

    def waits(self, count: int) -> list[float]:
        """Return how long it is from each thing that is said to the next one."""
        seconds = []
        for _ in range(count):
            before = self.now
            while not self.wait():
                pass
            seconds.append(round(self.now - before, 6))
        return seconds

    def cancel(self) -> list[Say]:
        """Stop by our own will, and return what is said."""
        self._any_machine.cancel("enough", self.now)
        return self.say()

    def _carry_out(self) -> None:
        while outputs := self._any_machine.outputs():
            for output in outputs:
                if isinstance(output, Notify):
                    self.events.append(output.event)
                else:
                    self._do(output)

    def _do(self, output: Any) -> None:
        raise NotImplementedError


class SenderDriver(_Driver):
    """A sender."""

    def __init__(
        self,
        *,
        size: int = SIZE,
        manifest_size: int = MANIFEST,
        file_count: int = 1,
        patience: Patience | None = None,
        epoch: int = 0,
        is_decided: bool = False,
        bytes_done: int = 0,
        state: TransferState = TransferState.PENDING,
    ) -> None:
        self.machine = FrameSender(
            transfer_id=ID,
            peer_id=BOB,
            size=size,
            manifest_size=manifest_size,
            manifest_digest=DIGEST,
            path="/srv/report.pdf",
            name="report.pdf",
            digest="00" * 32,
            file_count=file_count,
            patience=patience,
            epoch=epoch,
            is_decided=is_decided,
            bytes_done=bytes_done,
            state=state,
        )
        super().__init__(self.machine)

    def start(self, *, is_resumed: bool = False) -> list[Say]:
        """Begin or go on, and return what is said."""
        self.machine.start(self.now, is_resumed=is_resumed)
        return self.say()

    def hear(self, *messages: Control) -> list[Say]:
        """Take in control messages, and return what is said in answer."""
        for message in messages:
            self.machine.receive(message, self.now)
        return self.say()

    def ack(self, number: int, *ranges: Range, **fields: Any) -> list[Say]:
        """Take in an ack, and return what is said in answer."""
        self.machine.receive_ack(number, ack_of(*ranges, **fields), self.now)
        return self.say()

    def _do(self, output: Any) -> None:
        raise AssertionError(f"a sender asks for nothing: {output}")


class ReceiverDriver(_Driver):
    """A receiver whose disk does everything at once, unless told not to."""

    def __init__(
        self,
        *,
        size: int = SIZE,
        manifest_size: int = MANIFEST,
        patience: Patience | None = None,
        epoch: int = 0,
        is_manifest_known: bool = False,
        stored: Iterable[Range] = (),
        state: TransferState = TransferState.PENDING,
        largest_file: int = 0,
    ) -> None:
        self.machine = FrameReceiver(
            transfer_id=ID,
            peer_id=ALICE,
            size=size,
            manifest_size=manifest_size,
            patience=patience,
            epoch=epoch,
            is_manifest_known=is_manifest_known,
            stored=RangeSet(stored),
            state=state,
            largest_file=largest_file,
        )
        super().__init__(self.machine)
        self.has_slow_disk = False
        self.reads_slowly = False
        self.publishes_slowly = False
        self.not_wanted: tuple[Range, ...] = ()
        """What is said of it when the manifest is known."""
        self.writes: list[Range] = []
        self.manifests_read = 0
        self.publications = 0

    def offered(self, epoch: int = 1) -> list[Say]:
        """Take in an offer, and return what is said."""
        self.machine.offered(epoch, self.now)
        return self.say()

    def accepted(self, epoch: int = 1) -> list[Say]:
        """Take in an offer that is taken without asking, and return what is said."""
        self.machine.accept(self.now)
        return self.offered(epoch)

    def accept(self) -> list[Say]:
        """Decide to take the files, and return what is said."""
        self.machine.accept(self.now)
        return self.say()

    def reject(self, reason: str = "no", **fields: str) -> list[Say]:
        """Decide not to take the files, and return what is said."""
        self.machine.reject(reason, self.now, **fields)
        return self.say()

    def resume(self) -> list[Say]:
        """Go on after a restart, and return what is said."""
        self.machine.resume(self.now)
        return self.say()

    def hear(self, *messages: Control) -> list[Say]:
        """Take in control messages, and return what is said in answer."""
        for message in messages:
            self.machine.receive(message, self.now)
        return self.say()

    def data(
        self,
        number: int,
        first: int,
        end: int,
        *,
        wants_ack: bool = False,
        is_bundled: bool = False,
    ) -> list[Say]:
        """Take in a data frame, and return what is said in answer."""
        data = Data(first, bytes(end - first), wants_ack)
        self.machine.receive_data(number, data, self.now, is_bundled=is_bundled)
        return self.say()

    def all_data(self, *, from_: int = 0) -> list[Say]:
        """Take in all ten frames, and return what is said in answer."""
        said = []
        for number in range(from_, SIZE // ROOM):
            is_last = (number + 1) * ROOM == SIZE
            said += self.data(number, number * ROOM, (number + 1) * ROOM, wants_ack=is_last)
        return said

    def stored(self, *ranges: Range) -> list[Say]:
        """Let a slow disk answer, and return what is said."""
        self.machine.stored(ranges, self.now)
        return self.say()

    def know_manifest(self, *not_wanted: Range) -> list[Say]:
        """Let the manifest be read, and return what is said."""
        self.machine.manifest_known(offer_event(), self.now, not_wanted=not_wanted)
        return self.say()

    def publish(self) -> list[Say]:
        """Let the files get their names, and return what is said."""
        self.machine.published("/inbox/report.pdf", "00" * 32, self.now)
        return self.say()

    def _do(self, output: Any) -> None:
        match output:
            case WriteBytes(offset=offset, data=data):
                place = offset, offset + len(data)
                self.writes.append(place)
                if not self.has_slow_disk:
                    self.machine.stored([place], self.now)
            case ReadManifest():
                self.manifests_read += 1
                if not self.reads_slowly:
                    self.machine.manifest_known(offer_event(), self.now, not_wanted=self.not_wanted)
            case PublishFiles():
                self.publications += 1
                if not self.publishes_slowly:
                    self.machine.published("/inbox/report.pdf", "00" * 32, self.now)
            case _:
                raise AssertionError(output)


def acks(said: Iterable[Say]) -> list[RangeAck]:
    """Return the acks that were said."""
    return [one.ack for one in said if isinstance(one, SayAck)]
