"""The pump of a wire 2 transfer that goes out: it reads the files, seals and offers them."""

import asyncio
import logging
from dataclasses import replace
from functools import partial
from typing import BinaryIO, Final, Never

from ocft.crypto import EphemeralKey, epoch_keys
from ocft.errors import OcftError, PeerTooOldError, SourceChangedError
from ocft.events import TransferSlow
from ocft.ids import NodeId
from ocft.protocol import FrameSender, Say, SayBundle, SayData, SayOffer
from ocft.routes import Lines
from ocft.runtime.estimate import WORTH_SAYING, seconds_by_text
from ocft.runtime.pump import Surroundings
from ocft.runtime.wire2.direct_sending import WORTH_A_CONNECTION, Outlet
from ocft.runtime.wire2.file_sizes import SMALLEST
from ocft.runtime.wire2.pump import Epoch, FramePump, Wire2
from ocft.runtime.wire2.sessions import LiveSession
from ocft.runtime.wire2.uploads import Uploads
from ocft.runtime.wire2.webrtc_answering import Answering
from ocft.storage import SourceSet, TransferRecord
from ocft.transfers import TransferState
from ocft.wire import (
    MAX_DATA,
    Alphabet,
    BringDirectly,
    Control,
    Data,
    DirectTicket,
    Signal,
    TransferAccept,
    TransferOffer,
    data_header,
    pack_control,
    pack_data,
    unpack_ack,
    write_bundled,
)

_log = logging.getLogger(__name__)
_OFFERS_BEFORE_HANDSHAKE: Final = 2  # R-HSK-7
_MOST_PROBES: Final = 3  # of the dense alphabet
_LONGEST_READ: Final = 256 * 1024  # bytes that are tried to be compressed into one text
_ACK_FLAG: Final = 2  # R-FRM-4
_TEXTS_OF_A_BUNDLE: Final = 1  # what does not fit one text is one file, and so one message


class FrameSendPump(FramePump[FrameSender, Never]):
    """One outgoing wire 2 transfer.

    Args:
        machine: Its protocol side.
        record: Its row in the journal.
        files: What is sent, open; None when the transfer has ended and only late messages come.
        manifest_digest: SHA-256 of the manifest.
        around: What all transfers share.
        wire: What all wire 2 transfers share.
    """

    def __init__(
        self,
        machine: FrameSender,
        record: TransferRecord,
        files: SourceSet | None,
        *,
        manifest_digest: bytes,
        around: Surroundings,
        wire: Wire2,
    ) -> None:
        super().__init__(
            machine,
            record,
            manifest_digest=manifest_digest,
            around=around,
            wire=wire,
        )
        self._files = files
        self._ephemeral = EphemeralKey.generate()  # of the current epoch, as these are
        self._offer: TransferOffer | None = None
        self._accepted: TransferAccept | None = None
        self._stretch = 1.0  # how much more than a text's room compression lets us read
        self._dense = _DenseProbe(wire, record.info.peer_id, record.channel)
        self.falls_back = False
        """Whether it ended because the peer speaks 1.0 only: it is to go on in that."""
        self._acks_heard = 0  # in the current epoch
        self._body: bytes | None = None  # of the data frame that leaves next
        self._is_warned = False
        self._uploads: Uploads | None = None
        self._outlet: Outlet | None = None  # of the current epoch, as this is
        self._answering: Answering | None = None
        self._is_outlet_awaited = False
        self._done_before = 0  # bytes that the receiver had when it accepted
        if wire.files is not None:
            self._uploads = Uploads(wire.files, self.id, around.clock, self._wake.set)

    def start(self, *, is_resumed: bool) -> None:
        """Begin or go on; see `FrameSender.start`."""
        self.machine.start(self._around.clock(), is_resumed=is_resumed)
        self.settle()

    async def run(self) -> None:
        """Carry out until the transfer has ended, or turns out to be one for wire 1.0."""
        try:
            await super().run()
        except PeerTooOldError:
            self.falls_back = True

    async def close(self) -> None:
        """Close the files."""
        if self._uploads is not None:
            await self._uploads.close()
        answering = self._answering
        self._end_outlet()
        if answering is not None:
            await answering.close()
        await super().close()
        if self._files is not None:
            self._files.close()
            if self.machine.state.is_final:
                self._files = None  # it has the manifest, and this may stay for late frames

    def _take_control(self, message: Control, session: LiveSession, now: float) -> None:
        if isinstance(message, BringDirectly):
            if self._outlet is not None and message.epoch == self.machine.epoch:
                self._outlet.bring(message.direct)
            return
        if isinstance(message, Signal):
            if self._answering is not None:
                self._answering.take(message)
            return
        if isinstance(message, TransferAccept):
            self._take_accept(message, session)
        self.machine.receive(message, now)
        if message is self._accepted:
            self._done_before = self.machine.bytes_done

    def _take_accept(self, accept: TransferAccept, session: LiveSession) -> None:
        """Make the keys of the epoch: of the first accept only, or nonces would repeat."""
        offer = self._offer
        if offer is None or accept.epoch != offer.epoch or self._accepted is not None:
            return
        exchanged = self._ephemeral.exchange(accept.ephemeral)
        keys = epoch_keys(session.root, exchanged, pack_control(offer), pack_control(accept))
        self._accepted = accept
        epoch = Epoch.of(accept.epoch, keys, is_sender=True)
        self._use(epoch)
        is_direct = accept.fetches or accept.listens or accept.calls
        if self._outlet is not None and is_direct:
            self._outlet.accepted(epoch.data_key, epoch.out_tag)
            self._answer_calls(self._outlet, accept)
        else:
            self._end_outlet()

    def _take_body(self, number: int, body: bytes, now: float, *, is_bundled: bool) -> None:  # noqa: ARG002 - acks come as texts
        ack = unpack_ack(body)
        self.machine.receive_ack(number, ack, now)
        self._acks_heard += 1
        self._dense.learn(ack.heard, ack.ranges, self._around.wall_clock())

    def _save_progress(self, now: float) -> None:
        self._around.journal.save_progress(self.id, self.machine.bytes_done, now)

    def _next_said(self, now: float) -> Say | None:
        if self.machine.state.is_final:
            return self.machine.next_to_send(0, now)  # an end needs no room for data
        is_direct = self._goes_directly(now)
        post = self._wire.post
        alphabet = self._dense.alphabet()
        room = post.data_room(alphabet)
        self._body = None
        file_size = self._file_size() if self.machine.unsent > _TEXTS_OF_A_BUNDLE * room else 0
        if post.is_narrow and self._files is not None and not file_size:
            room = self._fitting(room, post.frame_room(alphabet))
        asks = self._dense.is_probing
        said = self.machine.next_to_send(
            room,
            now,
            asks_ack=asks,
            holds_data=self._dense.is_awaited,
            only_probes=file_size > 0 or is_direct,
        )
        if isinstance(said, SayData):
            self._dense.sends(said, self._around.wall_clock())
        if isinstance(said, SayData):
            self._warn_if_slow(room)
        if is_direct or said is not None or not file_size or self._uploads is None:
            return said
        if self._uploads.has_room:
            at_once = self._uploads.at_once
            return self.machine.next_bundle(MAX_DATA, file_size, now, at_once=at_once)
        return said

    def _goes_directly(self, now: float) -> bool:
        """Say whether bytes go another way, or may be about to; then the channel waits."""
        outlet = self._outlet
        if outlet is None or self._epoch is None:
            return False
        if not self.machine.is_decided:
            self._is_outlet_awaited = False
            return False
        if not self._is_outlet_awaited:
            self._is_outlet_awaited = True
            outlet.decided()
        if outlet.is_hopeful(now):
            return True
        if outlet.gives_up():  # only what it has tells what is still to go
            self.machine.ask_what_came(now)
        elif outlet.is_idle(now):
            self._end_outlet()
        return False

    def _note_outlet(self) -> None:
        """Look, on the event loop, at what the outlet's thread has done."""
        outlet = self._outlet
        if outlet is None or self.machine.state.is_final:
            return
        if outlet.error is not None:
            self.fail(outlet.error)
            return
        if outlet.was_active():
            self.machine.heard_directly(self._around.clock())
            sent = max(0, outlet.sent - self.record.manifest_size)
            size = self.record.info.size
            self._tell_progress(self.machine.bytes_done, min(self._done_before + sent, size))
        self._wake.set()

    def _end_outlet(self) -> None:
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            outlet.close()
        answering, self._answering = self._answering, None
        if answering is not None:
            answering.stop()

    @property
    def _lines(self) -> Lines | None:
        return self._wire.direct.lines if self._wire.direct is not None else None

    def _answer_calls(self, outlet: Outlet, accept: TransferAccept) -> None:
        """Let the receiver call for WebRTC lines, if it may and will."""
        if self._lines is not None and accept.calls and outlet.opened is not None:
            self._answering = Answering(
                self._lines,
                outlet.opened,
                transfer_id=self.id,
                epoch=accept.epoch,
                say=self._send_control,
                hope=self._hope_for_line,
            )

    def _hope_for_line(self, seconds: float) -> None:
        if self._outlet is not None:
            self._outlet.hope(seconds)
            self._wake.set()

    def _warn_if_slow(self, room: int) -> None:
        """Tell, once, that this will take long: there is no faster way than texts."""
        if self._is_warned or not self.machine.is_decided:
            return
        self._is_warned = True
        limits = self._around.outbox.limits
        texts = self.machine.unsent // room
        seconds = seconds_by_text(texts, limits)
        if seconds >= WORTH_SAYING:
            peer_id = self.record.info.peer_id
            self._tell(
                TransferSlow(transfer_id=self.id, peer_id=peer_id, seconds=seconds, texts=texts)
            )

    def _file_size(self) -> int:
        """Return the bytes of the next native file that both sides and the platform take."""
        files, accepted = self._wire.files, self._accepted
        if files is None or accepted is None or accepted.largest_file is None:
            return 0
        size = min(files.sizes.size, accepted.largest_file)
        return size if self._wire.post.is_narrow and size >= SMALLEST else 0

    def _wake_up_at(self) -> float | None:
        moment = super()._wake_up_at()
        if self._outlet is not None and (hopes_until := self._outlet.hopes_until) is not None:
            moment = hopes_until if moment is None else min(moment, hopes_until)
        uploads = self._uploads
        if uploads is None or not self._around.clock() < uploads.paused_until:
            return moment
        return uploads.paused_until if moment is None else min(moment, uploads.paused_until)

    def _fitting(self, room: int, body_room: int) -> int:
        """Return how many bytes of the next place fit one text, compressed."""
        length = min(int(room * self._stretch), _LONGEST_READ)
        place = self.machine.peek(length)
        while place is not None and place[1] - place[0] > room:
            try:
                data = self._files_or_fail().read(place[0], place[1] - place[0])
            except OcftError:
                return room  # the frame itself meets it again, and deals with it
            body = pack_data(Data(place[0], data), compress=True)
            if len(body) <= body_room:
                self._stretch = min(self._stretch * 1.1, 8.0)
                self._body = body
                return len(data)
            self._stretch = max(1.0, self._stretch * body_room / len(body) * 0.95)
            length = max(room, int(len(data) * body_room / len(body) * 0.95))
            place = self.machine.peek(length)
        if place is not None and self._stretch <= 1.0 and self.machine.epoch_frames % 16 == 0:
            self._stretch = 1.5  # once in a while it is tried
        return room

    async def _carry_out(self, output: Never) -> None:
        raise TypeError(f"{output} is not this pump's to carry out")

    async def _say(self, said: Say) -> None:
        match said:
            case SayOffer(epoch=epoch):
                await self._send_offer(epoch)
            case SayData():
                await self._send_data(said)
            case SayBundle():
                await self._send_bundle(said)
            case _:
                raise TypeError(f"{said} is not this pump's to say")

    async def _send_offer(self, epoch: int) -> None:
        anew = self.machine.offers_in_vain >= _OFFERS_BEFORE_HANDSHAKE
        self._waits_for_session = True
        try:
            session = await self._wire.handshakes.session_with(self.record.info.peer_id, anew=anew)
        finally:
            self._waits_for_session = False
        if self._offer is None or self._offer.epoch != epoch:
            # R-CTL-2, also after a power cut: the receiver ignores an epoch that it has accepted,
            # and an `at` that is not that of the first one.
            await asyncio.to_thread(self._around.journal.database.checkpoint)
        if self.machine.state.is_final or epoch != self.machine.epoch:
            return
        if self._offer is None or self._offer.epoch != epoch:
            if self._epoch is not None and self._acks_heard == 0:
                self._dense.doubt(self._around.wall_clock())
            self._acks_heard = 0
            self._drop_epoch()
            self._end_outlet()
            self._accepted = None
            self._ephemeral = EphemeralKey.generate()
            record = self.record
            ticket = await self._open_outlet()
            self._offer = TransferOffer(
                transfer_id=self.id,
                epoch=epoch,
                ephemeral=self._ephemeral.public,
                size=record.info.size + record.manifest_size,
                file_count=record.info.file_count,
                manifest_size=record.manifest_size,
                manifest_digest=self._manifest_digest,
                offered_at=record.offered_at or 0,
                direct=ticket,
                pushes=True if self._outlet is not None and self._may_push else None,
                webrtc=True if self._outlet is not None and self._lines is not None else None,
            )
        await self._send_control(self._offer, session)

    async def _open_outlet(self) -> DirectTicket | None:
        """Prepare for the direct route, where it is worth it; return what is to be fetched with."""
        direct, manifest = self._wire.direct, self._around.journal.manifest(self.id)
        if direct is None or manifest is None or self.record.info.size < WORTH_A_CONNECTION:
            return None
        outlet = Outlet(
            direct,
            manifest,
            self._around.journal.sources(self.id),
            clock=self._around.clock,
            note=self._note_outlet,
        )
        try:
            ticket = await asyncio.to_thread(outlet.open)
        except OSError as error:
            _log.warning("%s: cannot be fetched directly: %s", self.id, error)
            ticket = None
        if ticket is not None or direct.connects or direct.lines is not None:
            self._outlet = outlet
        return ticket

    @property
    def _may_push(self) -> bool:
        return self._wire.direct is not None and self._wire.direct.connects

    async def _send_data(self, said: SayData) -> None:
        epoch = self._epoch
        if epoch is None:
            return
        body, self._body = self._body, None
        if body is None:
            try:
                data = await self._read(said.first, said.end - said.first)
            except OcftError as error:
                self.fail(error)
                return
            body = pack_data(Data(said.first, data), compress=self._wire.post.is_narrow)
        if said.wants_ack:
            body = bytes([body[0] | _ACK_FLAG]) + body[1:]
        await self._send_frame(
            data_header(epoch.out_tag, said.number),
            said.number,
            body,
            is_control=False,
            alphabet=self._dense.alphabet_of(said.number),
        )
        self._tell_progress(self.machine.bytes_done, self.machine.bytes_sent)
        database = self._around.journal.database
        if database.is_checkpoint_due:
            await asyncio.to_thread(database.checkpoint)

    def _note_sent(self, said: Say) -> None:
        if not isinstance(said, SayBundle):  # that has only begun to leave
            super()._note_sent(said)

    async def _send_bundle(self, said: SayBundle) -> None:
        """Put frames together in a file, and let that leave while other things do."""
        epoch, files, uploads = self._epoch, self._wire.files, self._uploads
        if epoch is None or files is None or uploads is None:
            return
        file: BinaryIO | None = None
        has_begun = False
        uploads.reserve()
        try:
            file = files.temporary()
            for frame in said.frames:
                data = await self._read(frame.first, frame.end - frame.first)
                await asyncio.to_thread(_seal_into, file, epoch, frame, data)
            if self._epoch is epoch:
                has_begun = True
                uploads.begin(
                    file,
                    to=self.address,
                    tag=epoch.out_tag,
                    ended=partial(self._note_upload, epoch, said),
                )
        except OSError as error:  # the disk is full, for one
            _log.warning("%s: a bundle cannot be made: %s", self.id, error)
            uploads.failed()
        except OcftError as error:
            self.fail(error)
        finally:
            if not has_begun:
                uploads.release()
                if file is not None:
                    file.close()
                if self._epoch is epoch:
                    self.machine.not_sent(said, self._around.clock())

    def _note_upload(self, epoch: Epoch, said: SayBundle, is_sent: bool) -> None:  # noqa: FBT001 - as `Uploads.begin` says
        if self._epoch is not epoch:
            return
        if is_sent:
            self.machine.sent(said, self._around.clock())
            self._tell_progress(self.machine.bytes_done, self.machine.bytes_sent)
        else:
            self.machine.not_sent(said, self._around.clock())
        self.settle()

    def _drop_epoch(self) -> None:
        if self._epoch is not None and self._uploads is not None:
            self._uploads.stop()
        super()._drop_epoch()

    async def _read(self, offset: int, length: int) -> bytes:
        files = self._files_or_fail()
        if not length:
            return b""
        try:
            # On the event loop: a frame is small and comes from the page cache or read-ahead.
            return files.read(offset, length)
        except SourceChangedError:
            # Perhaps they were only touched: the digests tell.
            for number in await asyncio.to_thread(files.touched):
                await asyncio.to_thread(files.confirm, number)
        self._around.journal.save_sources(self.id, files.sources)
        return files.read(offset, length)

    def _files_or_fail(self) -> SourceSet:
        if self._files is None:
            raise SourceChangedError("The files are not open.")
        return self._files

    def _with_machine_facts(self, record: TransferRecord) -> TransferRecord:
        record = super()._with_machine_facts(record)
        files, size = self.machine.taken or (None, None)
        return replace(record, info=replace(record.info, files_taken=files, bytes_taken=size))

    def settle(self) -> None:
        """Do what must be durable before anything leaves or is told; keep the rest."""
        before = self.record.info.bytes_done
        super().settle()
        done = self.machine.bytes_done
        if done != before and self.machine.state is TransferState.TRANSFERRING:
            self._tell_progress(done, self.machine.bytes_sent)


def _seal_into(file: BinaryIO, epoch: Epoch, frame: SayData, data: bytes) -> None:
    body = pack_data(Data(frame.first, data, wants_ack=frame.wants_ack), compress=True)
    header = data_header(epoch.out_tag, frame.number)
    write_bundled(file, header + epoch.out.seal(frame.number, header, body))


class _DenseProbe:
    """Whether the dense alphabet is used: tried first, then remembered (R-FRM-5)."""

    def __init__(self, wire: Wire2, peer_id: NodeId, channel: str) -> None:
        self._nodes = wire.trust.nodes
        self._peer_id = peer_id
        self._channel = channel
        self._works: bool | None = False
        if wire.post.is_dense_better:
            self._works = self._nodes.dense_works(peer_id, channel, wire.trust.wall_clock())
        self._probes = 0
        self._number: int | None = None
        self._place = (0, 0)

    @property
    def is_probing(self) -> bool:
        """Whether the next data frame is a probe."""
        return self._works is None and self._number is None and self._probes < _MOST_PROBES

    @property
    def is_awaited(self) -> bool:
        """Whether a probe is under way: its answer is worth more than texts that hold little."""
        return self._works is None and self._number is not None

    def doubt(self, at: float) -> None:
        """Note that an epoch got no ack: what worked once may not any more."""
        if self._works:
            self._works = False
            self._nodes.save_dense(self._peer_id, self._channel, works=False, at=at)

    def alphabet(self) -> Alphabet:
        """Return what the next data frame is written in."""
        return Alphabet.CJK15 if self._works or self.is_probing else Alphabet.BASE64URL

    def alphabet_of(self, number: int) -> Alphabet:
        """Return what this frame is written in."""
        is_dense = self._works or number == self._number
        return Alphabet.CJK15 if is_dense else Alphabet.BASE64URL

    def sends(self, said: SayData, at: float) -> None:
        """Note a frame: the probe, or one that repeats its bytes in the other alphabet."""
        if self.is_probing and said.first < said.end:
            self._number, self._place = said.number, (said.first, said.end)
            self._probes += 1
        elif self._works is None and said.first < self._place[1] and self._place[0] < said.end:
            self._note_lost(at)  # an ack would not tell any more which of them arrived

    def learn(self, heard: int | None, ranges: tuple[tuple[int, int], ...], at: float) -> None:
        """Learn from an ack whether the probe arrived."""
        if self._number is None or self._works is not None or heard is None:
            return
        first, end = self._place
        if heard == self._number or any(a <= first and end <= b for a, b in ranges):
            self._works = True
            self._nodes.save_dense(self._peer_id, self._channel, works=True, at=at)
        elif heard > self._number:
            self._note_lost(at)

    def _note_lost(self, at: float) -> None:
        """Note that a probe was lost or garbled; after some it is taken for the latter."""
        self._number = None
        if self._probes >= _MOST_PROBES and self._works is None:
            self._works = False
            self._nodes.save_dense(self._peer_id, self._channel, works=False, at=at)
