"""TransferManager: what a bot imports."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, overload

from ocft.channels import CallbackChannel, Channel, ChannelLimits, IncomingFile, SendText
from ocft.crypto import Identity
from ocft.errors import (
    ChannelClosedError,
    ChannelHeldError,
    ConfigError,
    TrustExpiredError,
    UnknownPeerError,
    UnknownTransferError,
    error_for,
)
from ocft.events import Event
from ocft.ids import NodeId, TransferId
from ocft.protocol import DEFAULT_CHUNK_SIZE, MAX_CHUNK_SIZE, Patience
from ocft.runtime.admission import Admission
from ocft.runtime.claims import watch_journal
from ocft.runtime.engine import Engine
from ocft.runtime.launch import make_launcher
from ocft.runtime.listeners import Listener, Listeners
from ocft.runtime.outbox import Outbox
from ocft.runtime.outgoing import outgoing_files
from ocft.runtime.pairing_work import PairingWork
from ocft.runtime.peer_methods import PeerMethods
from ocft.runtime.posting import post_file
from ocft.runtime.pump import Surroundings
from ocft.runtime.wire2 import Direct, DirectOptions, NativeFiles, Sealing, Secrets, Trust
from ocft.storage import (
    ApprovalStore,
    ChannelLock,
    ChannelMarks,
    Database,
    Journal,
    NodeStore,
    PairingRequests,
    PeerList,
    PeerStore,
    SentFiles,
    TrustedPeer,
)
from ocft.transfers import TransferInfo, TransferState
from ocft.wire import MAX_TEXT

ListenerT = TypeVar("ListenerT", bound=Listener)

WIRES = ("1.0", "2")
"""The wires that there are."""
DEFAULT_MAX_FILE_SIZE = 100 * 1024 * 1024  # bytes, wire 1.0's default
_LONGEST_ID = 256  # characters of a node id on the wire


class TransferManager(PeerMethods):
    """Sends and receives files over one channel.

    A bot that runs already needs these lines::

        manager = TransferManager(bot_id="me", secret="...", download_dir="inbox", send=send_text)
        manager.on("transfer-completed", lambda event: print("saved", event.path))

        if await manager.handle_message(author_id, text):  # in the bot's message handler
            return

        await manager.send_file("other-bot", "report.pdf")

    It starts with the first such call, or with `async with`. Transfers live in a journal: after a
    crash they go on when a manager with the same `state_dir` starts. All methods belong to one
    event loop.

    Args:
        bot_id: This node's id on the wire; None: the address of the channel's account.
        secret: Who knows it may send us files without asking; empty: nobody.
        download_dir: Where received files go; made when needed.
        send: `await send(to, text)` gives a text to the platform. Either this or `channel`.
        channel: A channel that sends and hears by itself; its owner closes it.
        limits: What `send` can carry; without it, 2 MiB of text at any pace.
        secret_ttl: How long the secret in our offers counts; None for ever.
        auto_accept: Whether trusted peers may send files without asking.
        trusted_peers: Whom we trust, or a store of them.
        max_file_size: Bytes of the largest transfer that is taken, or what returns them at each
            offer. What is said of a peer stands instead, be it less or more.
        chunk_size: Bytes of a wire 1.0 chunk, where the channel carries it; 1 to 1 MiB.
        wires: Which wires may be spoken: "2" is sealed, "1.0" is readable by all in the chat.
        identity: This node's keys; None: those in `state_dir`, made when needed.
        node_name: What this node calls itself when it is paired.
        secrets: All secrets that count at a moment (seconds since the epoch), where there are
            more than `secret`: a former one counts for a while.
        patience: How long to wait for what.
        state_dir: Where the journal is; `.ocft` in the download folder by default.
        shares_journal: Whether other processes put transfers into the journal, as `ocft send` does.
        sends_only: Whether incoming transfers are left to whoever listens next.
        addresses: What this channel calls peers that have other accounts elsewhere, by their ids.
        uploads_from: The platform's ids of people whose files, uploaded in the chat, are taken in
            as transfers; "*" among them: everybody's. By default nobody's.
        direct: How files go straight between machines that can reach each other; None: never.
        wall_clock: Seconds since the epoch.

    Raises:
        ConfigError: An argument makes no sense.
    """

    def __init__(
        self,
        *,
        bot_id: str | None = None,
        secret: str = "",
        download_dir: str | Path,
        send: SendText | None = None,
        channel: Channel | None = None,
        limits: ChannelLimits | None = None,
        secret_ttl: timedelta | None = None,
        auto_accept: bool = False,
        trusted_peers: Iterable[TrustedPeer] | PeerStore = (),
        max_file_size: int | Callable[[], int] = DEFAULT_MAX_FILE_SIZE,
        chunk_size: int = DEFAULT_CHUNK_SIZE,
        wires: Collection[str] = WIRES,
        identity: Identity | None = None,
        node_name: str = "",
        secrets: Secrets | None = None,
        patience: Patience | None = None,
        state_dir: str | Path | None = None,
        shares_journal: bool = False,
        sends_only: bool = False,
        addresses: Mapping[str, str] | None = None,
        uploads_from: Collection[str] = (),
        direct: DirectOptions | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        if bot_id is None:
            bot_id = channel.address if channel is not None else None
        if bot_id is None:
            raise ConfigError("A TransferManager needs bot_id=: nothing else names this node.")
        if not (0 < len(bot_id) <= _LONGEST_ID and bot_id.isprintable()):
            raise ConfigError(
                f"bot_id has {len(bot_id)} characters; "
                f"it can have 1 to {_LONGEST_ID}, all of them printable."
            )
        if not 1 <= chunk_size <= MAX_CHUNK_SIZE:
            raise ConfigError(f"chunk_size is {chunk_size}; it can be 1 to {MAX_CHUNK_SIZE} bytes.")
        if channel is None:
            if send is None:
                raise ConfigError("A TransferManager needs send= or channel=.")
            channel = CallbackChannel(send, limits or ChannelLimits(max_text=MAX_TEXT))
        elif send is not None or limits is not None:
            raise ConfigError("channel= brings its own send= and limits=.")
        if not wires or not set(wires) <= set(WIRES):
            raise ConfigError(f"wires is one or more of {', '.join(WIRES)}.")
        self.bot_id = NodeId(bot_id)
        self.download_dir = Path(download_dir).expanduser().absolute()
        # Part files become the final files by a rename, so they are on the same file system.
        self._own_dir = self.download_dir / ".ocft"
        self._state_dir = Path(state_dir).expanduser().absolute() if state_dir else self._own_dir
        self._channel = channel
        self._given_peers: list[TrustedPeer] = []
        self._peers: PeerStore | None = None
        if isinstance(trusted_peers, PeerStore):
            self._peers = trusted_peers
        else:
            self._given_peers = PeerList(trusted_peers).all()
        self._wires = frozenset(wires)
        self._identity = identity
        self._node_name = node_name
        self._secrets = secrets or (lambda _: (secret,) if secret else ())
        self._chunk_size = chunk_size
        self._secret_ttl = secret_ttl
        self._patience = patience or Patience()
        self._shares_journal = shares_journal
        self._sends_only = sends_only
        self._addresses = dict(addresses or {})
        self._uploads_from = frozenset(uploads_from)
        self._direct = direct
        self._wall_clock = wall_clock
        self._admission = Admission(
            secrets=self._secrets,
            auto_accept=auto_accept,
            max_file_size=max_file_size if callable(max_file_size) else lambda: max_file_size,
            download_dir=self.download_dir,
            wall_clock=wall_clock,
        )
        self._listeners = Listeners()
        self._lock = ChannelLock(self._state_dir / f"{channel.name}.lock")
        self._opened: Journal | None = None
        self._engine: Engine | None = None
        self._trust: Trust | None = None
        self._sealing: Sealing | None = None
        self._watching: asyncio.Task[None] | None = None
        self._is_closed = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Go on with interrupted transfers and listen to the channel; starting twice is fine.

        Raises:
            ChannelHeldError: Another process drives this channel with this journal.
            ChannelClosedError: The manager was closed.
            JournalError: The journal cannot be opened.
        """
        self._start()

    async def close(self) -> None:
        """Stop; transfers that are under way go on after the next start. Closing twice is fine."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._watching is not None:
                self._watching.cancel()
                await asyncio.wait([self._watching])
            if self._engine is not None:
                await self._engine.close()
            if self._sealing is not None:
                await self._sealing.close()
            await self._listeners.close()
        finally:
            if self._opened is not None:
                self._opened.database.close()
                self._opened = None
            self._lock.release()

    async def serve(self) -> None:
        """Wait until the channel is closed.

        Raises:
            ChannelError: The channel failed.
        """
        engine = self._start()
        if engine.reading is not None:
            await asyncio.shield(engine.reading)

    async def send_file(
        self,
        peer_id: str,
        *paths: str | Path,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        name: str | None = None,
    ) -> TransferId:
        """Offer files, or folders, to a peer as one transfer; send them when they are accepted.

        Args:
            peer_id: The receiving node.
            paths: Regular files, or folders; they must not change until the transfer has ended.
            include: Only files that fit these patterns, as in a .gitignore; none: all.
            exclude: Files and folders that are left out.
            name: What to call a single file; None: as it is called.

        Returns:
            The transfer's id, for `wait` and the other methods.

        Raises:
            SourceNotFoundError: There is no such file, or it cannot be read.
            UnknownPeerError: No node can have such an id.
            TrustExpiredError: The trust in this peer has ended.
            ConfigError: No path was given; or two files cannot be told apart on some system.
        """
        engine = self._start()
        if not (0 < len(peer_id) <= _LONGEST_ID and peer_id.isprintable()):
            raise UnknownPeerError(
                f"A node id has 1 to {_LONGEST_ID} characters, all of them printable."
            )
        if not paths:
            raise ConfigError("Name a file to send.")
        peer = self.peers.find(NodeId(peer_id))
        if peer is not None and peer.is_expired(self._wall_clock()):
            raise TrustExpiredError(f"The trust in {peer_id} has ended; extend it to send files.")
        outgoing = await outgoing_files(
            NodeId(peer_id),
            [Path(path) for path in paths],
            channel=self._channel.name,
            wall_clock=self._wall_clock,
            include=include,
            exclude=exclude,
            name=name,
        )
        outgoing.add_to(self._journal)
        # Who was given the id may rely on it, also after a power cut.
        await asyncio.to_thread(self._journal.database.checkpoint)
        engine.enqueue(outgoing.record)
        return outgoing.record.info.id

    async def accept_transfer(
        self, transfer_id: str, *, only: Collection[str] | None = None
    ) -> None:
        """Take files that were offered and wait for a decision.

        Args:
            transfer_id: The transfer.
            only: Of several files, the names of those that are wanted; None: all.

        Raises:
            UnknownTransferError: No transfer has this id.
            WrongStateError: It does not wait for a decision.
            StorageError: It cannot be stored.
        """
        self._start().accept(TransferId(transfer_id), only=only)

    async def reject_transfer(self, transfer_id: str, reason: str = "not wanted") -> None:
        """Refuse a file that was offered; the sender is told why.

        Raises:
            UnknownTransferError: No transfer has this id.
            WrongStateError: It does not wait for a decision.
        """
        self._start().reject(TransferId(transfer_id), reason)

    async def cancel_transfer(self, transfer_id: str, reason: str = "cancelled") -> None:
        """Stop a transfer of either direction; the peer is told.

        Raises:
            UnknownTransferError: No transfer has this id.
            WrongStateError: It has ended.
        """
        self._start().cancel(TransferId(transfer_id), reason)

    async def resume_transfer(self, transfer_id: str) -> None:
        """Go on with a failed transfer from what is stored.

        Raises:
            UnknownTransferError: No transfer has this id.
            WrongStateError: It has not failed, or cannot be resumed.
        """
        self._start().resume(TransferId(transfer_id))

    def get_transfer(self, transfer_id: str) -> TransferInfo | None:
        """Return a snapshot of a transfer, or None when there is none with this id."""
        record = self._journal.get(TransferId(transfer_id))
        return record.info if record is not None else None

    def list_transfers(self) -> list[TransferInfo]:
        """Return all transfers of this channel, the oldest first."""
        return [record.info for record in self._journal.records(channel=self._channel.name)]

    def get_resumable_transfers(self) -> list[TransferInfo]:
        """Return the transfers that failed and can go on with `resume_transfer`."""
        return [info for info in self.list_transfers() if info.is_resumable]

    async def handle_message(
        self, from_id: str, text: str, files: Sequence[IncomingFile] = ()
    ) -> bool:
        """Take in a text that the bot received; when this returns, it was acted upon.

        Args:
            from_id: The platform's id of its author, which must be the peer's id or `address`.
            text: The text as the platform delivered it; human text is fine.
            files: The native files that came with it.

        Returns:
            Whether it was one of OCFT's, for this node or another, or a person's file that is
            taken in: nothing for the bot to answer.
        """
        return await self._start().take(from_id, text, files)

    async def post_file(self, to: str, path: str | Path, *, text: str = "") -> None:
        """Put a file into the chat as the platform's own attachment, readable by everybody there.

        Args:
            to: Whom, or which room, it is for, as the channel calls them.
            path: The file.
            text: What is said with it.

        Raises:
            SourceNotFoundError: The file is not there, no regular file, or cannot be read.
            FileRefusedError: The platform does not take a file of this size, or none at all.
            ChannelError: It did not leave.
        """
        await post_file(self._start().outbox, to, path, text=text)

    async def wait(self, transfer_id: str) -> TransferInfo:
        """Wait until a transfer is completed.

        Returns:
            What is known of it; `local_path` is the file.

        Raises:
            UnknownTransferError: No transfer has this id.
            TransferRejectedError: The receiver said no.
            TransferCancelledError: One side stopped it.
            TransferTimeoutError: The peer did not answer in time.
            OcftError: Whatever else ended it; see `ocft.errors`.
            ChannelClosedError: The manager was closed; the transfer goes on at the next start.
        """
        engine = self._start()
        info = self.get_transfer(transfer_id)
        while info is not None:
            if engine.knows(info.id):
                await engine.fleet.end_of(info.id)
            elif info.state is TransferState.COMPLETED:
                return info
            elif info.state.is_final:
                raise error_for(info.error_code, info.error or info.state.value)
            else:
                raise ChannelClosedError("The transfer is not under way; start the manager again.")
            info = self.get_transfer(transfer_id)
        raise UnknownTransferError(f"No transfer has the id {transfer_id!r}.")

    @overload
    def on(self, event: str) -> Callable[[ListenerT], ListenerT]: ...

    @overload
    def on(self, event: str, listener: ListenerT) -> ListenerT: ...

    def on(
        self, event: str, listener: ListenerT | None = None
    ) -> ListenerT | Callable[[ListenerT], ListenerT]:
        """Call a function, plain or `async`, for every event of a name; works as a decorator.

        Args:
            event: For example "offer-received"; `ocft.events` lists all.
            listener: Takes the event. What it raises is logged.

        Raises:
            ConfigError: There is no such event.
        """
        if listener is None:
            return lambda listener: self._listen(event, listener)
        return self._listen(event, listener)

    def events(self) -> AsyncGenerator[Event, None]:
        """Yield everything that happens from now on, until the manager is closed.

        A reader that does not keep up misses progress, never an end.
        """
        return self._listeners.stream()

    @property
    def _journal(self) -> Journal:
        if self._opened is None:
            if self._is_closed:
                raise ChannelClosedError("The manager was closed.")
            self._opened = Journal(Database(self._state_dir / "journal.db"))
        return self._opened

    def _listen(self, event: str, listener: ListenerT) -> ListenerT:
        self._listeners.add(event, listener)
        return listener

    def _start(self) -> Engine:
        if self._is_closed:
            raise ChannelClosedError("The manager was closed.")
        if self._engine is not None:
            return self._engine
        if not self._lock.try_acquire():
            raise ChannelHeldError(
                f"Another process drives the channel {self._channel.name} with the journal in "
                f"{self._state_dir}."
            )
        try:
            engine = self._make_engine()
            engine.start()
        except BaseException:
            if self._opened is not None:
                self._opened.database.close()
                self._opened = None
            self._lock.release()
            raise
        self._engine = engine
        if self._shares_journal:
            work = None
            if self._sealing is not None:
                requests = PairingRequests(self._journal.database)
                work = PairingWork(requests, self._sealing.pairings, self._channel)
            watching = watch_journal(self._journal, engine, self._channel.name, pairing=work)
            self._watching = asyncio.get_running_loop().create_task(watching)
        return engine

    def _make_engine(self) -> Engine:
        loop = asyncio.get_running_loop()
        journal = self._journal
        journal.prune()
        outbox = Outbox(self._channel, loop.time)
        partial_dir = self._own_dir / "partial"
        marks = ChannelMarks(journal.database, self._channel.name)
        self._channel.remember_in(marks)
        identity = self._identity_or_make() if "2" in self._wires else None
        around = Surroundings(
            node_id=self.bot_id,
            journal=journal,
            outbox=outbox,
            download_dir=self.download_dir,
            clock=loop.time,
            wall_clock=self._wall_clock,
            tell=self._listeners.tell,
        )
        self._trust = Trust(
            peers=self.peers,
            nodes=NodeStore(journal.database),
            approvals=ApprovalStore(journal.database),
            secrets=self._secrets,
            storage_key=identity.storage_key() if identity is not None else b"",
            allows_wire_1="1.0" in self._wires,
            allows_wire_2=identity is not None,
            addresses=self._addresses,
            wall_clock=self._wall_clock,
        )
        if identity is not None:
            files = None
            if self._channel.files is not None:
                sent = SentFiles(journal.database, self._channel.name)
                files = NativeFiles(
                    self._channel,
                    outbox=outbox,
                    marks=marks,
                    sent=sent if self._channel.removes_files else None,
                    folder=partial_dir,
                    wall_clock=self._wall_clock,
                )
            self._sealing = Sealing(
                identity,
                trust=self._trust,
                around=around,
                limits=self._channel.limits,
                files=files,
                direct=Direct(self._direct) if self._direct is not None else None,
                name=self._node_name,
            )
        launcher = make_launcher(
            around,
            trust=self._trust,
            sealing=self._sealing,
            limits=self._channel.limits,
            chunk_size=self._chunk_size,
            secret_ttl=self._secret_ttl,
            patience=self._patience,
            partial_dir=partial_dir,
        )
        return Engine(
            launcher,
            self._trust,
            self._sealing.pairings if self._sealing is not None else None,
            self._admission,
            self._channel,
            sends_only=self._sends_only,
            uploads_from=self._uploads_from,
        )
