"""Drives one wire 2 machine: sealed frames, as many under way as the window allows.

What leaves is asked of the machine when there is room for it, so nothing queues up and an ack or a
decision that has just come is always heeded. Keys live here, and end with the pump.

`FrameSendPump` and `FrameReceivePump` add the files that are sent, and those being received.
"""

import abc
import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from ocft.crypto import EpochKeys, FrameCipher, ReplayFilter
from ocft.errors import (
    ChannelError,
    MalformedMessageError,
    MessageTooLongError,
    OcftError,
    TrustError,
    UnexpectedMessageError,
    UnsealError,
)
from ocft.protocol import (
    FrameReceiver,
    FrameSender,
    Say,
    SayAck,
    SayData,
    SayDone,
    SayReject,
    SayStop,
)
from ocft.runtime.pump import FAREWELL_PATIENCE, Pump, Surroundings
from ocft.runtime.wire2.describing import taken_of
from ocft.runtime.wire2.direct import Direct
from ocft.runtime.wire2.handshakes import Handshakes
from ocft.runtime.wire2.native_files import NativeFiles
from ocft.runtime.wire2.post import Post
from ocft.runtime.wire2.sessions import LiveSession, Sessions
from ocft.runtime.wire2.tags import Tags
from ocft.runtime.wire2.trust import Trust
from ocft.storage import TransferRecord
from ocft.wire import (
    Alphabet,
    Control,
    SealedFrame,
    TransferDone,
    TransferReject,
    TransferStop,
)

FrameMachineT = TypeVar("FrameMachineT", bound=FrameSender | FrameReceiver)
OutputT = TypeVar("OutputT")

_log = logging.getLogger(__name__)
_LOOK_UP_EVERY: Final = 1.0  # seconds between two looks where the peer is written to


@dataclass(frozen=True, slots=True)
class Wire2:
    """What all wire 2 transfers of a manager share."""

    trust: Trust
    sessions: Sessions
    handshakes: Handshakes
    post: Post
    tags: Tags["AnyFramePump"]
    direct: Direct | None = None
    """How bytes go around the channel; None: they do not."""
    files: NativeFiles | None = None
    """How frames go in native files; None: the channel carries none."""
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Who reads whole files of the download folder; one after another, or the disk crawls."""


@dataclass(slots=True, eq=False)
class Epoch:
    """The keys of one run of a transfer."""

    number: int
    out_tag: bytes
    out: FrameCipher
    in_tag: bytes
    into: FrameCipher
    seen: ReplayFilter
    data_key: bytes = field(repr=False)
    """What the keys of the direct route come from."""

    @classmethod
    def of(cls, number: int, keys: EpochKeys, *, is_sender: bool) -> "Epoch":
        """Take the keys that one side needs."""
        data, ack = (keys.data_tag, keys.data_key), (keys.ack_tag, keys.ack_key)
        (out_tag, out_key), (in_tag, in_key) = (data, ack) if is_sender else (ack, data)
        return cls(
            number,
            out_tag,
            FrameCipher(out_key),
            in_tag,
            FrameCipher(in_key),
            ReplayFilter(),
            keys.data_key,
        )


class FramePump(Pump[FrameMachineT, OutputT]):
    """One live wire 2 transfer.

    Args:
        machine: Its protocol side.
        record: Its row in the journal, which is there already.
        manifest_digest: SHA-256 of the manifest.
        around: What all transfers share.
        wire: What all wire 2 transfers share.
    """

    def __init__(
        self,
        machine: FrameMachineT,
        record: TransferRecord,
        *,
        manifest_digest: bytes,
        around: Surroundings,
        wire: Wire2,
    ) -> None:
        super().__init__(machine, record, around=around)
        self._wire = wire
        self._address = ""
        self._looked_up_at = -_LOOK_UP_EVERY
        self._manifest_digest = manifest_digest
        self._epoch: Epoch | None = None
        self._session: LiveSession | None = None  # that the peer used last
        self._said: Say | None = None  # what leaves next
        self._waits_for_session = False

    def receive(self, message: Control, session: LiveSession) -> None:
        """Take in a control message from the transfer's peer, and what it was sealed with."""
        now = self.last_heard = self._around.clock()
        self._session = session
        self._looked_up_at = -_LOOK_UP_EVERY  # it may have come from another account than before
        try:
            self._take_control(message, session, now)
        except (UnexpectedMessageError, UnsealError) as error:
            self._ignore("unexpected", str(error))
        self.settle()

    def hears(self, tag: bytes) -> bool:
        """Say whether frames of this tag are still taken in."""
        return self._epoch is not None and self._epoch.in_tag == tag

    def take_frame(self, frame: SealedFrame, *, is_bundled: bool = False) -> None:
        """Take in a frame whose tag is this epoch's; forged and repeated ones change nothing.

        Args:
            frame: The frame.
            is_bundled: Whether it came in a native file, with many others.
        """
        epoch = self._epoch
        if epoch is None or not epoch.seen.is_new(frame.number):
            return
        try:
            body = epoch.into.open(frame.number, frame.header, frame.sealed)
        except UnsealError:
            return  # R-SEA-1: dropped
        epoch.seen.record(frame.number)
        now = self.last_heard = self._around.clock()
        try:
            self._take_body(frame.number, body, now, is_bundled=is_bundled)
        except (UnexpectedMessageError, MalformedMessageError) as error:
            self._ignore("unexpected", str(error))
        self.settle()

    async def has_room(self) -> None:
        """Wait until more frames are welcome."""

    def settle(self) -> None:
        """Do what must be durable before anything leaves or is told; keep the rest."""
        super().settle()
        if self.machine.state.is_final and self._waits_for_session and self._sending is not None:
            self._sending.reschedule(self._around.clock())

    def distrust(self, error: TrustError, *, is_resumable: bool) -> None:
        """End the transfer because the trust in its peer has ended (R-LIM-1).

        Args:
            error: Why.
            is_resumable: Whether it may go on when the trust was renewed.
        """
        self.fail(error, is_resumable=is_resumable)

    @property
    def address(self) -> str:
        """The peer's address on the channel at this moment: it may move to another account."""
        now = self._around.clock()
        if now >= self._looked_up_at + _LOOK_UP_EVERY:  # not for every frame
            self._looked_up_at = now
            self._address = self._wire.trust.address_of(self.record.info.peer_id)
        return self._address

    @property
    def has_ended(self) -> bool:
        """Whether only late frames come for it."""
        return self.machine.state.is_final

    @abc.abstractmethod
    def _take_control(self, message: Control, session: LiveSession, now: float) -> None:
        """Hand a control message to the machine."""

    @abc.abstractmethod
    def _take_body(self, number: int, body: bytes, now: float, *, is_bundled: bool) -> None:
        """Hand what a frame held to the machine."""

    @abc.abstractmethod
    def _next_said(self, now: float) -> Say | None:
        """Ask the machine what leaves next."""

    @abc.abstractmethod
    async def _say(self, said: Say) -> None:
        """Send something that only this side says."""

    def _use(self, epoch: Epoch) -> None:
        """Begin an epoch; frames of the one before are no longer heard."""
        self._drop_epoch()
        self._epoch = epoch
        self._wire.tags.add(epoch.in_tag, self)

    def _drop_epoch(self) -> None:
        if self._epoch is not None:
            self._wire.tags.remove(self._epoch.in_tag)
            self._epoch = None

    def has_work(self) -> bool:
        """Say whether something is left to be done, even after the end."""
        if super().has_work():
            return True
        if self._said is None:
            try:
                self._said = self._next_said(self._around.clock())
            except OcftError as error:
                self.fail(error)
                self._said = self._next_said(self._around.clock())  # that it has failed
                return self._said is not None or super().has_work()
        return self._said is not None

    async def _next(self) -> None:
        if self._todo or self._is_unsaved or self._said is None:
            await super()._next()
            return
        said, self._said = self._said, None
        gives_up_at = self.machine.gives_up_at
        if self.machine.state.is_final:
            gives_up_at = self._around.clock() + FAREWELL_PATIENCE
        try:
            # A channel that pauses for long, or hangs, must not outlast the transfer's patience.
            async with asyncio.timeout_at(gives_up_at) as self._sending:
                await self._send(said)
        except TimeoutError:
            _log.debug("%s: a text did not leave in time", self.id)
        except MessageTooLongError as error:
            _log.warning("%s: %s", self.id, error)
            if not isinstance(said, SayData | SayAck):  # those will be shorter, this cannot be
                self._sending = None
                self.fail(error)
        except TrustError as error:
            self._sending = None  # it is over, and must not be rescheduled for the farewell
            self.fail(error, is_resumable=True)
        except ChannelError as error:
            # As good as a text that the platform lost: the machine's timers are made for that.
            _log.warning("%s: a text did not leave: %s", self.id, error)
        finally:
            self._sending = None
        self._note_sent(said)

    def _note_sent(self, said: Say) -> None:
        """Tell the machine that something has left, or could not."""
        self.machine.sent(said, self._around.clock())

    async def _send(self, said: Say) -> None:
        transfer_id = self.id
        match said:
            case SayStop(epoch=epoch, code=code, is_recoverable=is_recoverable):
                await self._send_control(
                    TransferStop(
                        transfer_id=transfer_id,
                        epoch=max(epoch, 1),
                        code=code,
                        is_recoverable=is_recoverable,
                    )
                )
            case SayReject(epoch=epoch, code=code, words=words):
                await self._send_control(
                    TransferReject(
                        transfer_id=transfer_id, epoch=epoch, code=code, words=words or None
                    )
                )
            case SayDone(epoch=epoch):
                await self._send_control(
                    TransferDone(
                        transfer_id=transfer_id,
                        epoch=epoch,
                        manifest_digest=self._manifest_digest,
                        taken=taken_of(self.record.info),
                    )
                )
                self._note_done_sent()
            case _:
                await self._say(said)

    def _note_done_sent(self) -> None:
        """Record that the peer was told that it has everything."""

    async def _send_control(self, message: Control, session: LiveSession | None = None) -> None:
        """Seal and send; without a root key nobody could hear it, and it is left unsaid."""
        kept = self._wire.sessions.to_answer(self.record.info.peer_id)
        # Who has just lost its trust is told so under the key that was good until then.
        session = session or kept or self._session
        if session is None:
            _log.debug("%s: nothing to seal %s with", self.id, type(message).__name__)
            return
        await self._wire.post.send(self.address, session.seal(message), is_control=True)

    async def _send_frame(
        self, header: bytes, number: int, body: bytes, *, is_control: bool, alphabet: Alphabet
    ) -> None:
        epoch = self._epoch
        if epoch is None:
            return
        frame = header + epoch.out.seal(number, header, body)
        await self._wire.post.send(self.address, frame, is_control=is_control, alphabet=alphabet)

    def _has_news(self) -> bool:
        machine, record = self.machine, self.record
        return (
            super()._has_news()
            # After the end a late offer gets an answer, and changes nothing.
            or (
                not machine.state.is_final
                and (machine.epoch != record.epoch or machine.is_decided != record.is_decided)
            )
        )

    def _is_decided(self) -> bool:
        """Say whether the files are wanted, as it is recorded."""
        return self.machine.is_decided

    def _with_machine_facts(self, record: TransferRecord) -> TransferRecord:
        return replace(record, epoch=self.machine.epoch, is_decided=self._is_decided())

    async def close(self) -> None:
        """Let go of the keys."""
        if not self.machine.state.is_final:
            self._drop_epoch()


AnyFramePump = FramePump[Any, Any]
