"""The pump of a wire 2 transfer that comes in: it writes, syncs, records, then acknowledges."""

import asyncio
import logging
from collections.abc import Collection, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Final

from ocft.crypto import EphemeralKey, epoch_keys
from ocft.errors import (
    DigestMismatchError,
    MalformedMessageError,
    OcftError,
    StorageError,
    TransferFailedError,
    TransferRejectedError,
    TrustError,
    UnexpectedMessageError,
    UnsafeNameError,
    WrongStateError,
)
from ocft.events import OfferReceived
from ocft.protocol import (
    FrameReceiver,
    Notify,
    PublishFiles,
    ReadManifest,
    ReceiverOutput,
    Say,
    SayAccept,
    SayAck,
    SayAgain,
    WriteBytes,
)
from ocft.ranges import Range
from ocft.runtime.pump import Surroundings
from ocft.runtime.wire2.describing import described_by, taken_of, without
from ocft.runtime.wire2.direct_receiving import Fetching
from ocft.runtime.wire2.direct_ways import Ways
from ocft.runtime.wire2.pump import Epoch, FramePump, Wire2
from ocft.runtime.wire2.sessions import LiveSession
from ocft.runtime.wire2.taking import Taking
from ocft.runtime.wire2.webrtc_calling import Calling
from ocft.storage import ArrivingSet, TransferRecord
from ocft.transfers import TransferState
from ocft.wire import (
    MAX_ACCEPT_RANGES,
    Alphabet,
    BringDirectly,
    Control,
    DirectTicket,
    Manifest,
    OfferAgain,
    Signal,
    TransferAccept,
    TransferOffer,
    ack_header,
    pack_ack,
    pack_control,
    unpack_data,
    unpack_manifest,
)

_log = logging.getLogger(__name__)
_WRITTEN_APART: Final = 128 * 1024
"""Bytes. To write a frame of a native file can take as long as a disk that is busy wants, and the
bot's own handlers are not to wait for it; what came in a text is written at once."""
_MOST_UNWRITTEN: Final = 8 * 1024 * 1024  # bytes in memory
_NAMES_SHOWN: Final = 100  # of the files that an event lists


class FrameReceivePump(FramePump[FrameReceiver, ReceiverOutput]):
    """One incoming wire 2 transfer.

    Args:
        machine: Its protocol side.
        record: Its row in the journal.
        arriving: What is being received; None after the end.
        manifest_digest: SHA-256 of the manifest.
        around: What all transfers share.
        wire: What all wire 2 transfers share.
    """

    def __init__(
        self,
        machine: FrameReceiver,
        record: TransferRecord,
        arriving: ArrivingSet | None,
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
        self._arriving = arriving
        self._taking: Taking | None = None
        if arriving is not None:
            self._taking = Taking(
                arriving, around=around, looking=wire.looking, is_over=lambda: self._is_over
            )
        self._manifest: Manifest | None = None
        self._recalling = asyncio.Lock()
        self._is_automatic = record.is_decided
        self._offer: TransferOffer | None = None  # the one that is to be accepted, or was
        self._accept: tuple[TransferAccept, LiveSession] | None = None  # of the current epoch
        self._jobs: set[asyncio.Task[None]] = set()
        self._is_syncing = False
        self._unwritten: list[tuple[int, bytes]] = []
        self._has_synced = asyncio.Event()
        self._is_silent = False  # until it is known which files need not be sent
        self._is_closing = False
        self._whole_size = record.info.size
        self._fetching: Fetching | None = None  # of the current epoch, as this is
        self._calling: Calling | None = None

    @property
    def is_undecided(self) -> bool:
        """Whether it waits for a decision."""
        return self.machine.state is TransferState.PENDING

    @property
    def expected_bytes(self) -> int:
        """Bytes that are still to come; the manifest comes before the decision."""
        if self._arriving is None:
            return 0
        size = self.record.info.size if self.machine.is_decided else 0
        return max(0, size + self.record.manifest_size - self._arriving.stored.total())

    @property
    def _is_over(self) -> bool:
        return self._is_closing or self.machine.state.is_final

    def numbers_without(self, wanted: Collection[str]) -> list[int]:
        """Return the numbers of the files that are not among those that are wanted.

        Raises:
            WrongStateError: The names are not known yet, or one of them is not offered.
        """
        if not self.machine.is_manifest_known:
            raise WrongStateError("The list of files has not come yet. Try again in a moment.")
        manifest = self._manifest or self._recalled()
        names = {one.name for one in manifest.files}
        if unknown := sorted(set(wanted) - names):
            raise WrongStateError(f"There is no file {unknown[0]!r} in this transfer.")
        return [n for n, one in enumerate(manifest.files) if one.name not in wanted]

    def accept(self, *, left_out: Collection[int] = (), is_automatic: bool = False) -> None:
        """Decide to take the files.

        Args:
            left_out: Numbers of the manifest's files that are not wanted.
            is_automatic: Whether nobody was asked.

        Raises:
            UnexpectedMessageError: It was decided before.
        """
        self.machine.accept(self._around.clock(), is_choosing=self.machine.is_manifest_known)
        self._is_automatic = is_automatic
        info = self.record.info
        if left_out:
            info = without(self._manifest or self._recalled(), left_out, info)
        self.record = replace(self.record, info=info, left_out=frozenset(left_out))
        self._is_silent = self.machine.is_manifest_known
        self._fetch_if_possible()
        self.settle()
        if self.machine.is_manifest_known:
            self._start(self._leave_out())

    def reject(self, reason: str, *, code: str = TransferRejectedError.code) -> None:
        """Decide not to take the files, or not any more.

        Args:
            reason: Why. Only as the owner's word, with the default code, the sender is told it.
            code: What the sender is told.

        Raises:
            UnexpectedMessageError: It has ended, or the files are getting their names.
        """
        self.machine.reject(reason, self._around.clock(), code=code)
        self.settle()

    def resume(self) -> None:
        """Go on after a restart."""
        arriving = self._arriving
        is_known = self.machine.is_manifest_known and arriving is not None
        # It may have been killed before it had noted what it does not want (R-MAN-3). What is on
        # its way to its name is not to be found there and taken for something that was here.
        is_choosing = is_known and self.machine.is_decided and not _is_publishing(arriving)
        self.machine.resume(self._around.clock(), is_choosing=is_choosing)
        self.settle()
        if is_choosing:
            self._start(self._leave_out())
        elif is_known:
            self._start(self._prepare())

    async def close(self) -> None:
        """Close the files: what is stored is kept, or forgotten if it has no future."""
        await super().close()
        self._is_closing = True
        if self._taking is not None:
            self._taking.leave_line()
        if self._fetching is not None:
            self._fetching.stop()
        if self._jobs:
            await asyncio.wait(self._jobs)
        arriving, self._arriving, self._taking = self._arriving, None, None
        self._manifest = None  # late frames may keep this for long, and it may be long itself
        if arriving is None:
            return
        try:
            if self.machine.state.is_final and not self.machine.is_resumable:
                await asyncio.to_thread(arriving.discard)
                # To forget the pieces is to count them from 0 again, but they came (R-LIM-1).
                self._around.journal.save(self.record)
            elif ranges := arriving.take_unsynced():
                await asyncio.to_thread(arriving.sync, ranges, self._around.wall_clock())
        except StorageError as error:
            _log.warning("%s: not synced: %s", self.id, error)
        finally:
            arriving.close()

    # Taking in

    def _take_control(
        self,
        message: Control,
        session: LiveSession,  # noqa: ARG002 - senders need it
        now: float,
    ) -> None:
        if isinstance(message, Signal):
            if self._calling is not None:
                self._calling.take(message)
            return
        if isinstance(message, TransferOffer):
            if not self._is_same_transfer(message):
                raise UnexpectedMessageError("an offer of other files under the same id")
            if message.epoch > self.machine.epoch:
                self._drop_epoch()
                self._offer, self._accept = message, None
        self.machine.receive(message, now)

    def _is_same_transfer(self, offer: TransferOffer) -> bool:
        """R-CTL-2: what was decided about cannot be exchanged for something else."""
        record = self.record
        return (
            offer.manifest_digest == self._manifest_digest
            and offer.manifest_size == record.manifest_size
            and offer.size == record.info.size + record.manifest_size
            and offer.file_count == record.info.file_count
            and offer.offered_at == record.offered_at
        )

    def _take_body(self, number: int, body: bytes, now: float, *, is_bundled: bool) -> None:
        self.machine.receive_data(number, unpack_data(body), now, is_bundled=is_bundled)

    def _make_durable(self, output: ReceiverOutput | Notify) -> bool:
        if not isinstance(output, WriteBytes):
            return False
        arriving = self._arriving
        if arriving is None:
            return True
        if len(output.data) >= _WRITTEN_APART:
            self._unwritten.append((output.offset, output.data))
        else:
            try:
                arriving.write(output.offset, output.data)
            except StorageError as error:
                if not self.machine.state.is_final:
                    self.machine.fail(error, self._around.clock(), is_resumable=True)
                return True
        if not self._is_syncing:
            self._is_syncing = True
            self._start(self._sync())
        return True

    async def has_room(self) -> None:
        """Wait while much of what came is not on the disk yet."""
        while self._is_syncing and sum(len(data) for _, data in self._unwritten) >= _MOST_UNWRITTEN:
            self._has_synced.clear()
            await self._has_synced.wait()

    async def _sync(self) -> None:
        """Bring to the disk what was written, as long as something is; then acknowledge it."""
        try:
            while self._taking is not None and (
                self._unwritten or self._taking.arriving.has_unsynced
            ):
                before = self.machine.bytes_done
                unwritten, self._unwritten = self._unwritten, []
                try:
                    ranges = await self._taking.sync(unwritten)
                except StorageError as error:
                    self.fail(error, is_resumable=True)
                    return
                self._has_synced.set()
                if self._fetching is not None:
                    self.machine.came_directly(ranges, self._around.clock())
                    self._fetching.has_synced.set()
                else:
                    self.machine.stored(ranges, self._around.clock())
                self.settle()
                # Nobody knows yet what it is before the manifest came.
                if self.machine.bytes_done != before and self.machine.is_manifest_known:
                    self._tell_progress(self.machine.bytes_done)
        finally:
            self._is_syncing = False
            self._has_synced.set()

    def settle(self) -> None:
        """Do what must be durable before anything leaves or is told; keep the rest."""
        super().settle()
        if self._fetching is not None:
            self._fetching.look_again.set()

    def _may_fetch(self, offer: TransferOffer) -> bool:
        direct = self._wire.direct
        return direct is not None and direct.connects and offer.direct is not None

    def _may_be_brought(self, offer: TransferOffer) -> bool:
        direct = self._wire.direct
        return direct is not None and direct.listens and offer.pushes is not None

    def _may_call(self, offer: TransferOffer) -> bool:
        direct = self._wire.direct
        return direct is not None and direct.lines is not None and offer.webrtc is not None

    def _fetch_if_possible(self) -> None:
        """Let the bytes come around the channel, once they are wanted (R-DIR-2)."""
        direct, offer, epoch = self._wire.direct, self._offer, self._epoch
        if self._fetching is not None or direct is None or self._is_over or self._taking is None:
            return
        if offer is None or epoch is None or not self.machine.is_decided:
            return
        fetches, is_brought = self._may_fetch(offer), self._may_be_brought(offer)
        if direct.lines is not None and self._may_call(offer):
            self._calling = Calling(
                direct.lines,
                transfer_id=self.id,
                epoch=epoch.number,
                say=self._send_control,
            )
        if fetches or is_brought or self._calling is not None:
            ways = Ways(
                direct,
                offer.direct if fetches else None,
                invite=partial(self._invite, epoch.number) if is_brought else None,
                dial=self._calling.dial if self._calling is not None else None,
            )
            self._fetching = Fetching(
                ways,
                data_key=epoch.data_key,
                tag=epoch.in_tag,
                arriving=self._taking.arriving,
                missing=self._missing_now,
                written=self._note_written,
            )
            self._start(self._fetch(self._fetching))

    async def _invite(self, epoch: int, ticket: DirectTicket) -> None:
        await self._send_control(BringDirectly(transfer_id=self.id, epoch=epoch, direct=ticket))

    async def _fetch(self, fetching: Fetching) -> None:
        try:
            await fetching.run()
        except StorageError as error:
            self.fail(error, is_resumable=True)

    def _missing_now(self) -> list[Range] | None:
        """Return what is to be fetched now; nothing: it is to be asked again; None: no more."""
        arriving = self._arriving
        if arriving is None or self._is_over or self.machine.state is TransferState.COMPLETING:
            return None
        manifest_size = self.record.manifest_size
        if missing := list(arriving.written.missing(0, manifest_size)):
            return missing
        if not self.machine.is_manifest_known or self._is_silent:
            return []
        return list(arriving.written.missing(manifest_size, manifest_size + self._whole_size))

    def _note_written(self) -> None:
        """Sync what was fetched, as what came in texts is."""
        if not self._is_syncing and not self._is_closing:
            self._is_syncing = True
            self._start(self._sync())

    def _drop_epoch(self) -> None:
        if self._fetching is not None:
            self._fetching.stop()
            self._fetching = self._calling = None
        super()._drop_epoch()

    # Carrying out

    def _wake_up_at(self) -> float | None:
        return self.machine.gives_up_at if self._is_silent else super()._wake_up_at()

    def _next_said(self, now: float) -> Say | None:
        if self._is_silent and not self.machine.state.is_final:
            return None  # "decided" leaves together with what is not wanted, so that it is not sent
        return self.machine.next_to_send(0, now)

    async def _carry_out(self, output: ReceiverOutput) -> None:
        match output:
            case ReadManifest():
                self._start(self._read_manifest())
            case PublishFiles():
                self._start(self._publish())
            case _:
                raise TypeError(f"{output} is not this pump's to carry out")

    async def _say(self, said: Say) -> None:
        match said:
            case SayAccept():
                await self._send_accept(said)
            case SayAgain(epoch=epoch):
                await self._send_control(OfferAgain(transfer_id=self.id, epoch=epoch))
            case SayAck(number=number, ack=ack):
                if self._epoch is None:
                    return
                room = self._wire.post.frame_room(Alphabet.BASE64URL)
                await self._send_frame(
                    ack_header(self._epoch.out_tag, number),
                    number,
                    pack_ack(ack, room=room),
                    is_control=True,
                    alphabet=Alphabet.BASE64URL,
                )
            case _:
                raise TypeError(f"{said} is not this pump's to say")

    async def _send_accept(self, said: SayAccept) -> None:
        """Answer the offer; a repeat has the same keys, and is sealed with the same root key."""
        offer = self._offer
        if self._accept is None:
            session = self._wire.sessions.to_answer(self.record.info.peer_id)
            if session is None or offer is None or offer.epoch != said.epoch:
                return
            ephemeral = EphemeralKey.generate()
            ranges, limit = _describable(self.machine.stored_ranges(), said.limit)
            accept = TransferAccept(
                transfer_id=self.id,
                epoch=said.epoch,
                ephemeral=ephemeral.public,
                is_decided=said.is_decided,
                limit=limit,
                ranges=ranges,
                largest_file=self._wire.files.ceiling if self._wire.files is not None else None,
                fetches=self._may_fetch(offer) or None,
                listens=self._may_be_brought(offer) or None,
                calls=self._may_call(offer) or None,
            )
            exchanged = ephemeral.exchange(offer.ephemeral)
            keys = epoch_keys(session.root, exchanged, pack_control(offer), pack_control(accept))
            self._use(Epoch.of(said.epoch, keys, is_sender=False))
            self._accept = accept, session
        elif not self._wire.sessions.is_kept(self._accept[1]):
            # The peer cannot open it any more: its keys come from a root key that is gone.
            await self._send_control(OfferAgain(transfer_id=self.id, epoch=said.epoch))
            return
        await self._send_control(*self._accept)
        self._fetch_if_possible()

    async def _read_manifest(self) -> None:
        taking = self._taking
        if taking is None:
            return
        try:
            data, manifest = await taking.read(self.record)
        except (UnsafeNameError, MalformedMessageError, DigestMismatchError) as error:
            if not self.machine.state.is_final:
                self.machine.reject(str(error), self._around.clock(), code=error.code)
                self.settle()
            return
        self._manifest = manifest
        not_wanted: list[Range] | None = None
        if self.machine.is_decided:
            not_wanted = await self._not_wanted(taking, manifest)
        taking.arriving.verify_on_the_way(next((one.size for one in manifest.files if one.size), 0))
        # Not before: who is killed until now does all of it again.
        await asyncio.to_thread(self._around.journal.save_manifest, self.id, data)
        self.record = described_by(manifest, self.record)
        self._around.journal.save(self.record)
        info = self.record.info
        offer = OfferReceived(
            transfer_id=self.id,
            peer_id=info.peer_id,
            filename=info.filename,
            size=info.size,
            mime_type=info.mime_type,
            is_automatic=self._is_automatic,
            files=tuple(one.name for one in manifest.files[:_NAMES_SHOWN]),
            file_count=len(manifest.files),
        )
        if self.machine.is_decided and not_wanted is None:  # just now
            not_wanted = await self._not_wanted(taking, manifest)
        self.machine.manifest_known(offer, self._around.clock(), not_wanted=not_wanted or ())
        self.settle()

    async def _recall(self) -> Manifest:
        """Return the manifest; that of an earlier run is read once, in a thread: it may be long."""
        async with self._recalling:
            if self._manifest is None:
                self._manifest = await asyncio.to_thread(self._recalled)
                # A kill may have come between the manifest and the row that it describes.
                self.record = described_by(self._manifest, self.record)
            return self._manifest

    async def _prepare(self) -> None:
        """Read what an answer, or the naming of the files, will need."""
        await self._recall()

    def _recalled(self) -> Manifest:
        data = self._around.journal.manifest(self.id)
        if data is None:
            raise StorageError("The manifest is not recorded any more.")
        return unpack_manifest(data)

    async def _leave_out(self) -> None:
        """After the decision: say which files need not be sent."""
        taking = self._taking
        if taking is None:
            return
        ranges = await self._not_wanted(taking, await self._recall())
        self._is_silent = False
        if not self._is_over:
            self.machine.chosen(ranges, self._around.clock())
            self.settle()

    async def _not_wanted(self, taking: Taking, manifest: Manifest) -> list[Range]:
        """Return, and record, the ranges of files that are left out or there already (R-MAN-3)."""
        here, ranges = await taking.find(manifest, self.record.left_out)
        if left_out := self.record.left_out | here:
            self.record = replace(self.record, left_out=left_out)
            self._around.journal.save(self.record)
            ranges += await taking.skip(manifest, left_out)
        return ranges

    async def _publish(self) -> None:
        taking = self._taking
        if taking is None:
            return
        manifest = await self._recall()
        try:
            place = str(await taking.publish(manifest, self.record.left_out))
        except OcftError as error:
            self.fail(error, is_resumable=isinstance(error, StorageError))
            return
        info = replace(self.record.info, local_path=place)
        self.record = replace(self.record, info=info)
        now = self._around.clock()
        self.machine.published(place, info.digest, now, taken=taken_of(info))
        self.settle()
        self._arriving = self._taking = None
        await asyncio.to_thread(taking.arriving.discard)
        self._around.journal.save(self.record)  # to forget the pieces is to count them from 0 again

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._jobs.add(task)
        task.add_done_callback(self._note_end_of_job)

    def _note_end_of_job(self, task: "asyncio.Task[None]") -> None:
        self._jobs.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, OcftError):  # a full disk, for one
                self.fail(error, is_resumable=True)
                return
            _log.error("%s: a job failed", self.id, exc_info=error)
            if isinstance(error, Exception):
                words = "Something unexpected happened; the log says what."
                self.fail(TransferFailedError(words), is_resumable=True)

    def _note_done_sent(self) -> None:
        if self.record.owes_final_ack:
            self.record = replace(self.record, owes_final_ack=False)
            self._around.journal.save(self.record)

    def _is_decided(self) -> bool:
        # R-TRU-3: an offer that ended undecided stays so, or going on with it would accept it.
        if self.machine.state.is_final:
            return self.record.is_decided
        return self.machine.is_decided

    def distrust(self, error: TrustError, *, is_resumable: bool) -> None:
        """End the transfer because the trust in its peer has ended (R-LIM-1)."""
        if self.machine.state is not TransferState.COMPLETING:  # they are getting their names
            super().distrust(error, is_resumable=is_resumable)

    def _with_machine_facts(self, record: TransferRecord) -> TransferRecord:
        record = super()._with_machine_facts(record)
        # Rows are written when the state changes: files that were just saved owe their `done`.
        return replace(record, owes_final_ack=self.machine.state is TransferState.COMPLETED)


def _is_publishing(arriving: ArrivingSet | None) -> bool:
    return arriving is not None and arriving.is_publishing


def _describable(ranges: tuple[Range, ...], limit: int) -> tuple[tuple[Range, ...], int]:
    """Return as many ranges as an accept holds, and a limit before the others (R-ARQ-3)."""
    if len(ranges) <= MAX_ACCEPT_RANGES:
        return ranges, limit
    return ranges[:MAX_ACCEPT_RANGES], min(limit, ranges[MAX_ACCEPT_RANGES][0])
