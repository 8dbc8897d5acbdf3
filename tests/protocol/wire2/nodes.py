"""Two nodes that do with their machines what the runtime does, without keys, texts and clock.

Keys are names here: a sealed frame carries the name of the key that it was sealed with, and who
does not have that key does not hear it. What outlives a kill is what the journal holds.
"""

import math
from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from ocft.errors import UnexpectedMessageError
from ocft.protocol import (
    FrameReceiver,
    FrameSender,
    Notify,
    Patience,
    PublishFiles,
    ReadManifest,
    Say,
    SayAccept,
    SayAck,
    SayAgain,
    SayData,
    SayDone,
    SayOffer,
    SayReject,
    SayStop,
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
    TransferOffer,
    TransferReject,
    TransferStop,
)
from tests.protocol.wire2.driving import ALICE, BOB, DIGEST, ID, offer_event

if TYPE_CHECKING:
    from ocft.events import Event

Key = tuple[bytes, bytes]
"""The two ephemeral keys that it was made of."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A data or ack frame."""

    key: Key
    number: int
    body: Data | RangeAck


@dataclass(frozen=True, slots=True)
class Text:
    """What is on its way."""

    salt: int
    is_for_bob: bool
    body: Control | Sealed


class _Ids:
    """Names for keys and texts that are never used twice."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def key(self) -> bytes:
        """Return an ephemeral key."""
        return next(self._numbers).to_bytes(32, "big")

    def salt(self) -> int:
        """Return a salt."""
        return next(self._numbers)


IDS = _Ids()


class Alice:
    """Who sends.

    Args:
        content: The byte space.
        manifest_size: Bytes of the manifest at its beginning.
        room: Bytes of a frame.
        patience: How long she waits.
    """

    def __init__(
        self, content: bytes, manifest_size: int, *, room: int, patience: Patience | None = None
    ) -> None:
        self.content = content
        self.room = room
        self._manifest_size = manifest_size
        self._patience = patience
        self._said: Say | None = None
        self.events: list[Event] = []
        self.unexpected = 0
        # What the journal holds
        self._epoch = 0
        self._is_decided = False
        self._bytes_done = 0
        self.machine = self._new_machine(TransferState.PENDING)
        self._reset()

    def _reset(self) -> None:
        self._said = None
        self._offer: TransferOffer | None = None
        self._accept: TransferAccept | None = None
        self._seen: set[int] = set()

    def _new_machine(self, state: TransferState) -> FrameSender:
        return FrameSender(
            transfer_id=ID,
            peer_id=BOB,
            size=len(self.content),
            manifest_size=self._manifest_size,
            manifest_digest=DIGEST,
            path="/srv/x",
            name="x",
            digest="00" * 32,
            patience=self._patience,
            epoch=self._epoch,
            is_decided=self._is_decided,
            bytes_done=self._bytes_done,
            state=state,
        )

    def start(self, now: float, *, is_resumed: bool = False) -> None:
        """Begin or go on."""
        self.machine.start(now, is_resumed=is_resumed)
        self.settle()

    def kill(self, now: float) -> None:
        """Die and come back, with what the journal holds."""
        before = self.machine
        self.machine = self._new_machine(
            before.state if before.state.is_final else TransferState.PENDING
        )
        self._reset()
        if before.state.is_final:
            self.machine.error = before.error
            self.machine.is_resumable = before.is_resumable
        else:
            self.start(now, is_resumed=True)

    def settle(self) -> None:
        """Record what must be durable before anything leaves."""
        for output in self.machine.outputs():
            assert isinstance(output, Notify)
            self.events.append(output.event)
        assert self.machine.epoch >= self._epoch
        self._epoch = self.machine.epoch
        self._is_decided = self.machine.is_decided
        self._bytes_done = self.machine.bytes_done

    @property
    def deadline(self) -> float:
        """When `wake` is due: not while something waits for its turn."""
        deadline = self.machine.deadline
        return math.inf if deadline is None or self._said is not None else deadline

    def wake(self, now: float) -> None:
        """Do what is due."""
        if self.deadline <= now:
            self.machine.on_deadline(now)
            self.settle()

    def take(self, body: Control | Sealed, now: float) -> None:
        """Take in what came."""
        try:
            if isinstance(body, Sealed):
                self._take_ack(body, now)
            else:
                if isinstance(body, TransferAccept):
                    offer = self._offer
                    if offer and body.epoch == offer.epoch and self._accept is None:
                        self._accept, self._seen = body, set()
                self.machine.receive(body, now)
        except UnexpectedMessageError:
            self.unexpected += 1
        self.settle()

    def _take_ack(self, frame: Sealed, now: float) -> None:
        if frame.key == self._key and frame.number not in self._seen:
            self._seen.add(frame.number)
            assert isinstance(frame.body, RangeAck)
            self.machine.receive_ack(frame.number, frame.body, now)

    @property
    def _key(self) -> Key | None:
        if self._offer is None or self._accept is None:
            return None
        return self._offer.ephemeral, self._accept.ephemeral

    def draw(self, now: float) -> bool:
        """Ask what leaves next; it waits for its turn then. Return whether there is something."""
        if self._said is None:
            self._said = self.machine.next_to_send(self.room, now)
            self.settle()
        return self._said is not None

    def leave(self, now: float) -> Text | None:
        """Let what was drawn leave."""
        said, self._said = self._said, None
        assert said is not None
        body = self._body(said)
        self.machine.sent(said, now)
        self.settle()
        return None if body is None else Text(IDS.salt(), is_for_bob=True, body=body)

    def _body(self, said: Say) -> Control | Sealed | None:
        match said:
            case SayOffer(epoch=epoch):
                if epoch != self.machine.epoch or self.machine.state.is_final:
                    return None
                if self._offer is None or self._offer.epoch != epoch:
                    self._accept = None
                    self._offer = TransferOffer(
                        transfer_id=ID,
                        epoch=epoch,
                        ephemeral=IDS.key(),
                        size=len(self.content),
                        file_count=1,
                        manifest_size=self._manifest_size,
                        manifest_digest=DIGEST,
                        offered_at=1,
                    )
                return self._offer
            case SayData(number=number, first=first, end=end, wants_ack=wants_ack):
                if self._key is None:
                    return None
                return Sealed(self._key, number, Data(first, self.content[first:end], wants_ack))
            case SayStop(epoch=epoch, code=code, is_recoverable=is_recoverable):
                return TransferStop(
                    transfer_id=ID,
                    epoch=max(epoch, 1),
                    code=code,
                    is_recoverable=is_recoverable,
                )
            case _:
                raise AssertionError(said)


class Bob:
    """Who receives.

    Args:
        alice: Who sends, to compare with.
        manifest_size: Bytes of the manifest.
        decides: Whether he takes everything without asking.
        not_wanted: What he leaves out, or has.
        patience: How long he waits.
    """

    def __init__(
        self,
        alice: Alice,
        manifest_size: int,
        *,
        decides: bool = True,
        not_wanted: tuple[Range, ...] = (),
        patience: Patience | None = None,
    ) -> None:
        self._alice = alice
        self._manifest_size = manifest_size
        self._decides = decides
        self._not_wanted = not_wanted
        self._patience = patience
        self.machine: FrameReceiver | None = None
        self.events: list[Event] = []
        self.unexpected = 0
        # What the journal and the disk hold
        self.state: TransferState | None = None
        self._epoch = 0
        self.is_manifest_known = False
        self.durable = RangeSet()
        self._disk = bytearray(len(alice.content))
        self._owes_done = False
        self.is_published = False
        self._reset()

    def _reset(self) -> None:
        self._said: Say | None = None
        self._offer: TransferOffer | None = None
        self._accept: TransferAccept | None = None
        self._seen: set[int] = set()
        self.unsynced: list[tuple[int, bytes]] = []
        self.jobs: deque[ReadManifest | PublishFiles] = deque()

    def _new_machine(self, state: TransferState) -> FrameReceiver:
        whole = RangeSet([(0, len(self._alice.content))])
        return FrameReceiver(
            transfer_id=ID,
            peer_id=ALICE,
            size=len(self._alice.content),
            manifest_size=self._manifest_size,
            patience=self._patience,
            epoch=self._epoch,
            is_manifest_known=self.is_manifest_known,
            stored=(whole if state.is_final else self.durable).copy(),
            state=state,
        )

    def kill(self, now: float) -> None:
        """Die and come back, with what the journal and the disk hold."""
        before, state = self.machine, self.state
        self._reset()
        if before is None or state is None:
            return
        if state is TransferState.COMPLETING:
            state = TransferState.TRANSFERRING
        self.machine = self._new_machine(state)
        if state.is_final and not self._owes_done:
            self.machine.error = before.error
            self.machine.is_resumable = before.is_resumable
        else:
            self.machine.resume(now)
        self.settle(now)

    def settle(self, now: float) -> None:
        """Record what must be durable before anything leaves; keep what the disk has to do."""
        machine = self.machine
        if machine is None:
            return
        for output in machine.outputs():
            match output:
                case Notify(event=event):
                    self.events.append(event)
                case WriteBytes(offset=offset, data=data):
                    self.unsynced.append((offset, data))
                case ReadManifest() | PublishFiles():
                    self.jobs.append(output)
        if machine.state is TransferState.COMPLETED and self.state is not machine.state:
            self._owes_done = True
        self.state = machine.state
        assert machine.epoch >= self._epoch
        self._epoch = machine.epoch

    @property
    def deadline(self) -> float:
        """When `wake` is due: not while something waits for its turn."""
        deadline = self.machine.deadline if self.machine is not None else None
        return math.inf if deadline is None or self._said is not None else deadline

    def wake(self, now: float) -> None:
        """Do what is due."""
        if self.machine is not None and self.deadline <= now:
            self.machine.on_deadline(now)
            self.settle(now)

    def take(self, body: Control | Sealed, now: float) -> None:
        """Take in what came."""
        try:
            if isinstance(body, Sealed):
                self._take_data(body, now)
            elif self.machine is None:
                if isinstance(body, TransferOffer):
                    self._begin(body, now)
            else:
                if isinstance(body, TransferOffer) and body.epoch > self.machine.epoch:
                    self._offer, self._accept = body, None
                self.machine.receive(body, now)
        except UnexpectedMessageError:
            self.unexpected += 1
        self.settle(now)

    def _begin(self, offer: TransferOffer, now: float) -> None:
        self.machine = self._new_machine(TransferState.PENDING)
        if self._decides:
            self.machine.accept(now)
        self._offer = offer
        self.machine.receive(offer, now)

    def _take_data(self, frame: Sealed, now: float) -> None:
        if self.machine is not None and frame.key == self._key and frame.number not in self._seen:
            self._seen.add(frame.number)
            assert isinstance(frame.body, Data)
            self.machine.receive_data(frame.number, frame.body, now)

    @property
    def _key(self) -> Key | None:
        if self._offer is None or self._accept is None:
            return None
        return self._offer.ephemeral, self._accept.ephemeral

    @property
    def is_undecided(self) -> bool:
        """Whether somebody has to decide."""
        return self.machine is not None and self.machine.state is TransferState.PENDING

    def decide(self, now: float, *, is_yes: bool = True) -> None:
        """Let the owner decide."""
        assert self.machine is not None
        if not is_yes:
            self.machine.reject("no", now)
            self.settle(now)
            return
        self.machine.accept(now)
        self.settle(now)
        if self.is_manifest_known and not self.machine.state.is_final:
            self._mark_have()
            self.machine.stored(self._not_wanted, now)
            self.settle(now)

    def sync(self, now: float, *, tells: bool = True) -> None:
        """Bring to the disk what was written; without telling the machine if it dies before."""
        unsynced, self.unsynced = self.unsynced, []
        ranges = RangeSet()
        for offset, data in unsynced:
            for first, end in list(self.durable.missing(offset, offset + len(data))):
                self._disk[first:end] = data[first - offset : end - offset]
            ranges.add(offset, offset + len(data))
        for first, end in ranges.pairs():
            self.durable.add(first, end)
        if tells and self.machine is not None and ranges.pairs():
            self.machine.stored(ranges.pairs(), now)
            self.settle(now)

    def work(self, now: float) -> None:
        """Do the oldest job."""
        machine = self.machine
        assert machine is not None
        match self.jobs.popleft():
            case ReadManifest():
                assert self.durable.covers(0, self._manifest_size)
                self.is_manifest_known = True
                if machine.is_decided and not machine.state.is_final:
                    self._mark_have()
                    machine.manifest_known(offer_event(), now, not_wanted=self._not_wanted)
                else:
                    machine.manifest_known(offer_event(), now)
            case PublishFiles():
                self.publish()
                machine.published("/inbox/x", "00" * 32, now)
        self.settle(now)

    def publish(self) -> None:
        """Give the files their names."""
        size = len(self._alice.content)
        assert self.durable.covers(0, size)
        for first, end in RangeSet(self._not_wanted).missing(0, size):
            assert self._disk[first:end] == self._alice.content[first:end]
        self.is_published = True

    def _mark_have(self) -> None:
        for first, end in self._not_wanted:
            self.durable.add(first, end)

    def draw(self, now: float) -> bool:
        """Ask what leaves next; it waits for its turn then. Return whether there is something."""
        if self._said is None and self.machine is not None:
            self._said = self.machine.next_to_send(0, now)
            self.settle(now)
        return self._said is not None

    def leave(self, now: float) -> Text | None:
        """Let what was drawn leave. Nothing is promised that is not true."""
        said, self._said = self._said, None
        assert said is not None
        body = self._body(said)
        self._check(body)
        if isinstance(body, TransferDone):
            self._owes_done = False
        assert self.machine is not None
        self.machine.sent(said, now)
        self.settle(now)
        return None if body is None else Text(IDS.salt(), is_for_bob=False, body=body)

    def _check(self, body: Control | Sealed | None) -> None:
        if isinstance(body, TransferDone):
            assert self.is_published
        ranges: tuple[Range, ...] = ()
        if isinstance(body, Sealed) and isinstance(body.body, RangeAck):
            ranges = body.body.ranges
        if isinstance(body, TransferAccept):
            ranges = body.ranges
        for first, end in ranges:
            assert self.durable.covers(first, end), "acknowledged before it was stored"

    def _body(self, said: Say) -> Control | Sealed | None:
        match said:
            case SayAccept():
                return self._accept_for(said)
            case SayAck(number=number, ack=ack):
                return Sealed(self._key, number, ack) if self._key is not None else None
            case SayAgain(epoch=epoch):
                return OfferAgain(transfer_id=ID, epoch=epoch)
            case SayDone(epoch=epoch):
                return TransferDone(transfer_id=ID, epoch=epoch, manifest_digest=DIGEST)
            case SayReject(epoch=epoch, code=code, words=words):
                return TransferReject(transfer_id=ID, epoch=epoch, code=code, words=words or None)
            case SayStop(epoch=epoch, code=code, is_recoverable=is_recoverable):
                return TransferStop(
                    transfer_id=ID,
                    epoch=max(epoch, 1),
                    code=code,
                    is_recoverable=is_recoverable,
                )
            case _:
                raise AssertionError(said)

    def _accept_for(self, said: SayAccept) -> TransferAccept | None:
        if self._accept is None:
            if self._offer is None or self._offer.epoch != said.epoch:
                return None
            assert self.machine is not None
            self._seen = set()
            self._accept = TransferAccept(
                transfer_id=ID,
                epoch=said.epoch,
                ephemeral=IDS.key(),
                is_decided=said.is_decided,
                limit=said.limit,
                ranges=self.machine.stored_ranges(),
            )
        return self._accept
