"""How several processes share one channel through the journal: `ocft send` beside `ocft listen`.

Two lock files. `<channel>.lock` is held by the process that drives the channel, which its
TransferManager takes. `<channel>.listener.lock` is held for all its life by the one process that
wants to drive it for good. Whoever only has some transfers to bring to their end drives while
nobody listens, makes way within a second for a process that does, and otherwise watches the
journal's rows; the kernel frees the locks of a process that dies, so somebody always takes over.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

from ocft.errors import (
    ChannelClosedError,
    ChannelHeldError,
    OcftError,
    TransferTimeoutError,
)
from ocft.events import EVENTS, Event
from ocft.ids import TransferId
from ocft.runtime.following import Following
from ocft.runtime.manager import TransferManager
from ocft.storage import ChannelLock, Journal, Request

OpenManager = Callable[[bool], AbstractAsyncContextManager[TransferManager]]
"""Opens the channel and yields a manager for it that was not started; closes both at the end.

Its argument is the manager's `sends_only`.
"""

_LOOK_EVERY = 0.1  # seconds between two looks at the journal or a lock
_MAKE_WAY_EVERY = 0.25  # seconds between two looks whether somebody listens now
_LISTENER_TRIES = 10  # another process's look at the lock takes microseconds
_ASK_AGAIN_AFTER = 3.0  # seconds: who only sends drops what is asked about an offer
_REQUEST_PATIENCE = 30.0  # seconds for whoever drives to act on what was asked
_LAST_WORDS = 5.0  # seconds for what a transfer still has to say after its end


class Drive:
    """A manager that was started, and what it tells."""

    def __init__(self, manager: TransferManager) -> None:
        self.manager = manager
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        for name in EVENTS:
            manager.on(name, self._events.put_nowait)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the manager.

        Raises:
            ChannelHeldError: Another process drives the channel.
        """
        await self.manager.start()
        self._serving = asyncio.get_running_loop().create_task(self.manager.serve())
        self._serving.add_done_callback(lambda _: self._events.put_nowait(None))

    async def next_event(self, *, within: float | None = None) -> Event | None:
        """Return the next event, or None when there is none for some seconds.

        Raises:
            ChannelError: The channel failed, or was closed.
        """
        try:
            async with asyncio.timeout(within):
                event = await self._events.get()
        except TimeoutError:
            return None
        if event is None:
            if self._serving is not None:
                await self._serving
            raise ChannelClosedError("The channel was closed.")
        return event

    async def let_end(self, transfer_id: TransferId) -> None:
        """Wait a little until an ended transfer has said its last words to the peer."""
        # How it ended is in the journal; here only the moment matters.
        with suppress(TimeoutError, OcftError):
            async with asyncio.timeout(_LAST_WORDS):
                await self.manager.wait(transfer_id)

    async def stop(self) -> None:
        """Stop waiting for the channel; whoever opened the manager closes it."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving])


class Sharing:
    """One node's channel, and the processes that share it.

    Args:
        journal: The node's journal, on a connection of its own.
        state_dir: The folder of journal and locks.
        channel: The channel's name.
        open_manager: Opens the channel when it is this process's turn to drive it.
    """

    def __init__(
        self, journal: Journal, *, state_dir: Path, channel: str, open_manager: OpenManager
    ) -> None:
        self._journal = journal
        self._driver_path = state_dir / f"{channel}.lock"
        self._listener_path = state_dir / f"{channel}.listener.lock"
        self.channel = channel
        """The channel's name."""
        self._open_manager = open_manager

    @property
    def is_driven(self) -> bool:
        """Whether a process drives the channel at the moment."""
        return _is_held(self._driver_path)

    @property
    def is_listened(self) -> bool:
        """Whether a process listens, or waits until it may."""
        return _is_held(self._listener_path)

    @asynccontextmanager
    async def listening(self, on_wait: Callable[[], None]) -> AsyncGenerator[Drive, None]:
        """Drive the channel for as long as the block lasts.

        Args:
            on_wait: Called once if another process has to finish first.

        Raises:
            ChannelHeldError: Another process listens.
            ChannelError: The channel cannot be opened.
        """
        listener = await self._become_listener()
        try:
            has_waited = False
            while True:
                if not self.is_driven:
                    async with self._driving(sends_only=False) as drive:
                        if drive is not None:
                            yield drive
                            return
                if not has_waited:
                    has_waited = True
                    on_wait()
                await asyncio.sleep(_LOOK_EVERY)
        finally:
            listener.release()

    async def finish(
        self,
        transfer_ids: Sequence[TransferId],
        tell: Callable[[Event], None],
        *,
        requests: Sequence[Request] = (),
        receives: bool = False,
    ) -> None:
        """Bring transfers to their end: drive them, or follow whoever does.

        If it is cancelled, they stay in the journal: a process that listens goes on with them, or
        the next one that drives the channel.

        Args:
            transfer_ids: Transfers of this channel that are in the journal.
            tell: Takes their events: the same ones, whoever drives. What it raises ends this.
            requests: What is to be done with them first.
            receives: Whether one of them comes in. Then whoever drives must listen, too.

        Raises:
            ChannelError: The channel cannot be opened, or failed.
            TransferTimeoutError: Nobody acted on the requests.
            UnknownTransferError: A transfer is not there, or was forgotten meanwhile.
        """
        asked = {request.transfer_id for request in requests}
        following = Following(self._journal, transfer_ids, tell, asked=asked)
        asking = _Asking(self._journal, following, requests)
        listener = ChannelLock(self._listener_path)
        try:
            while not following.look():
                may_drive = listener.try_acquire() if receives else not self.is_listened
                if not (receives and may_drive):
                    asking.ask()
                if may_drive and not self.is_driven:
                    await self._drive(following, asking, receives=receives)
                else:
                    await asyncio.sleep(_LOOK_EVERY)
                asking.check()
        finally:
            listener.release()

    async def drive_until(
        self, is_over: Callable[[], bool], *, lingers: Callable[[], bool]
    ) -> None:
        """Drive the channel, or leave that to whoever does, until something is over.

        Args:
            is_over: Looked at several times a second.
            lingers: Says then whether to go on for some seconds: the last step may have been
                lost, and is asked for again.

        Raises:
            ChannelError: The channel cannot be opened, or failed.
        """
        while not is_over():
            if self.is_listened or self.is_driven:
                await asyncio.sleep(_LOOK_EVERY)
                continue
            async with self._driving(sends_only=True) as drive:
                while drive is not None and not is_over() and not self.is_listened:
                    await drive.next_event(within=_LOOK_EVERY)
                if drive is not None and is_over() and lingers():
                    await asyncio.sleep(_LAST_WORDS)

    async def _drive(self, following: Following, asking: "_Asking", *, receives: bool) -> None:
        """Drive until the transfers have ended, or somebody listens."""
        now = asyncio.get_running_loop().time
        async with self._driving(sends_only=not receives) as drive:
            if drive is None:
                return
            asking.ask()
            look_at = now()
            while not following.is_over:
                event = await drive.next_event(within=_LOOK_EVERY)
                if event is not None:
                    following.take(event)
                if now() >= look_at:
                    look_at = now() + _MAKE_WAY_EVERY
                    following.look(ends_only=True)
                    asking.check()
                    if not receives and self.is_listened:
                        return
            for transfer_id in following.transfer_ids:
                await drive.let_end(transfer_id)

    @asynccontextmanager
    async def _driving(self, *, sends_only: bool) -> AsyncGenerator[Drive | None, None]:
        """Open the channel and drive it; yield None if another process was faster."""
        async with self._open_manager(sends_only) as manager:
            drive = Drive(manager)
            try:
                await drive.start()
            except ChannelHeldError:
                yield None
                return
            try:
                yield drive
            finally:
                await drive.stop()

    async def _become_listener(self) -> ChannelLock:
        lock = ChannelLock(self._listener_path)
        for _ in range(_LISTENER_TRIES):
            if lock.try_acquire():
                return lock
            await asyncio.sleep(_LOOK_EVERY / 2)
        raise ChannelHeldError(
            f"Another process of this node listens on the channel {self.channel} already, "
            "or receives a file there that was accepted."
        )


class _Asking:
    """Puts requests into the journal, and notices when nobody acts on them."""

    def __init__(self, journal: Journal, following: Following, requests: Sequence[Request]) -> None:
        self._journal = journal
        self._following = following
        self._requests = list(requests)
        self._began_at: float | None = None
        self._asked_at = 0.0

    def ask(self) -> None:
        if self._began_at is None:
            self._ask_for(self._requests)
            self._began_at = self._asked_at

    def check(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._began_at is None or now - self._asked_at < _ASK_AGAIN_AFTER:
            return
        unchanged = self._following.unchanged
        if unchanged and now - self._began_at > _REQUEST_PATIENCE:
            raise TransferTimeoutError(
                f"Nothing happened with {', '.join(unchanged)}. "
                "Whoever drives the channel may have said why."
            )
        self._ask_for([one for one in self._requests if one.transfer_id in unchanged])

    def _ask_for(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self._journal.ask(request.transfer_id, request.kind, request.argument)
        self._asked_at = asyncio.get_running_loop().time()


def _is_held(path: Path) -> bool:
    lock = ChannelLock(path)
    is_free = lock.try_acquire()
    lock.release()
    return not is_free
