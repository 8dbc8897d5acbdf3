"""The default channel: spool folders on one machine, or on a folder that machines share.

Nodes meet in one folder that holds a :class:`~ocft.channels.spool.Spool` each. A text waits there
until its reader has handled it, whether or not the reader runs when it is sent.
"""

import asyncio
import contextlib
import errno
import json
import logging
import os
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

from ocft.channels.base import Adapter, Channel, ChannelLimits, IncomingText
from ocft.channels.spool import MAX_AUTHOR, Spool
from ocft.errors import ChannelClosedError, ChannelError, ConfigError

if TYPE_CHECKING:
    import watchfiles

LOCAL_LIMITS: Final = ChannelLimits(max_text=256 * 1024)
"""Three times the text of a 48 KiB chunk of wire 1.0, which has 87,739 characters."""
MAX_WAITING: Final = 10_000
"""Texts that may wait for one node."""

# How often a sender counts what waits for its peer: counting 10,000 takes as long as 100 sends.
_SENDS_PER_COUNT = 100
# Texts read ahead of the reader: both bounds hold.
_BATCH = 32
_BATCH_CHARACTERS = 1024 * 1024

# Milliseconds. Measured: a text is noticed after 16 ms (median), an idle reader takes 0.4 % of a
# core; 20 ms steps: 29 ms and 0.2 %; watchfiles' own 50 ms: 66 ms and 0.1 %.
_WATCH_STEP_MS = 10
_WATCH_DEBOUNCE_MS = 50
# Seconds between looks that nothing asked for.
_WATCH_PAUSE = 5.0
_POLL_PAUSE = 0.2
# The answer to a text often comes within milliseconds, so a reader that had something to do looks
# again before it waits for the watch.
_QUICK_LOOKS = 25
_QUICK_PAUSE = 0.001  # seconds

_log = logging.getLogger(__name__)

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class LocalChannel(Channel):
    """One node's end of the local channel; made by `ADAPTER.open` or :func:`open_local`.

    Args:
        root: The folder in which the nodes meet.
        node_id: This node's id, which is its address.
        poll: Look at the folder at intervals, for folders that other machines write to: their
            writes raise no event here.
    """

    name = "local"
    everyone = "*"
    limits = LOCAL_LIMITS

    def __init__(self, root: Path, node_id: str, *, poll: bool = False) -> None:
        self._root = root
        self.address = self._node_id = node_id
        self._poll = poll
        self._own = Spool(root, node_id)
        # Sends to each peer until what waits for it is counted again.
        self._uncounted: dict[str, int] = {}
        # Names sort by time; this part keeps several senders apart, on several machines too.
        self._tag = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._last_stamp = 0
        self._closed = asyncio.Event()
        self._woken = asyncio.Event()
        self._watches: set[asyncio.Task[None]] = set()
        # A watch can miss what another machine writes, so there is a look now and then anyway.
        self._longest_wait = _POLL_PAUSE if poll else _WATCH_PAUSE

    def make_spool(self) -> None:
        """Make this node's spool and remove what crashes left there; blocks."""
        self._own.make()
        self._own.sweep()

    async def send(self, to: str, text: str) -> None:
        """Put a text into the peer's spool.

        Raises:
            MessageTooLongError: The text exceeds the limits.
            ChannelClosedError: The channel was closed.
            ChannelError: More than `MAX_WAITING` texts wait for the peer, the spool cannot be
                written, or the text is not valid Unicode.
        """
        if self._closed.is_set():
            raise ChannelClosedError("the local channel was closed")
        self.limits.require_fit(text)
        if to == self.everyone:
            for other in await _on_disk(self._own.others):
                if await _on_disk(other.count, MAX_WAITING + 1) <= MAX_WAITING:
                    await _on_disk(other.put, self._next_name(), self._node_id, text)
            return
        spool = Spool(self._root, to)
        left = self._uncounted.pop(to, 0)
        if left == 0:
            if await _on_disk(spool.count, MAX_WAITING + 1) > MAX_WAITING:
                # Not a rate limit: that would make the texts of all other peers wait too.
                raise ChannelError(f"more than {MAX_WAITING} texts wait for {to!r}; does it run?")
            left = _SENDS_PER_COUNT
        self._uncounted[to] = left - 1
        await _on_disk(spool.put, self._next_name(), self._node_id, text)

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        """Yield the texts of this node's spool, oldest first; see `Channel.texts` for the rule.

        Raises:
            ChannelError: The spool cannot be read, or a handled text cannot be removed.
        """
        await _on_disk(self._own.make)
        watch = await self._start_watch()
        names: deque[str] = deque()
        quick_looks = 0
        try:
            while not self._closed.is_set():
                # Cleared before the look: what comes during the look ends the next wait.
                self._woken.clear()
                batch = await _on_disk(self._next_batch, names)
                for name, text in batch:
                    if self._closed.is_set():
                        return
                    yield text
                    await _on_disk(self._own.remove, name)
                if batch:
                    quick_looks = _QUICK_LOOKS
                elif quick_looks:
                    quick_looks -= 1
                    await asyncio.sleep(_QUICK_PAUSE)
                else:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._longest_wait):
                            await self._woken.wait()
        finally:
            await self._stop_watches(watch)

    async def close(self) -> None:
        """End `texts()`; what was not handled stays in the spool."""
        self._closed.set()
        self._woken.set()
        await self._stop_watches(self._watches)

    def _next_name(self) -> str:
        self._last_stamp = max(time.time_ns(), self._last_stamp + 1)
        return f"{self._last_stamp:020d}-{self._tag}"

    def _next_batch(self, names: deque[str]) -> list[tuple[str, IncomingText]]:
        if not names:
            names.extend(self._own.names())
        batch: list[tuple[str, IncomingText]] = []
        characters = 0
        while names and len(batch) < _BATCH and characters < _BATCH_CHARACTERS:
            name = names.popleft()
            text = self._own.read(name, self.limits.max_text)
            if text is not None:
                batch.append((name, text))
                characters += len(text.text)
        return batch

    async def _start_watch(self) -> "set[asyncio.Task[None]]":
        if self._poll:
            return set()
        watch = asyncio.create_task(self._notice_changes(), name="ocft local channel watch")
        self._watches.add(watch)
        # The watch is set up before the task first waits, hence before this continues: texts
        # that are there earlier raise no event, and are found by the look that follows.
        await asyncio.sleep(0)
        return {watch}

    async def _notice_changes(self) -> None:
        # Imported here, because it pulls in anyio; most commands never read a spool.
        import watchfiles

        def wake(_change: "watchfiles.Change", _path: str) -> bool:
            self._woken.set()
            # False: nothing to report. What is reported, watchfiles logs, text by text.
            return False

        try:
            async for _ in watchfiles.awatch(
                self._own.new,
                watch_filter=wake,
                step=_WATCH_STEP_MS,
                debounce=_WATCH_DEBOUNCE_MS,
                recursive=False,
            ):
                pass
        except (OSError, RuntimeError) as error:
            # Often the system's limit of watches; its own error class is a RuntimeError.
            _log.warning("cannot watch %s (%s): looking at intervals", self._own.new, error)
            self._longest_wait = _POLL_PAUSE
            self._woken.set()

    async def _stop_watches(self, watches: "set[asyncio.Task[None]]") -> None:
        stopping = set(watches)
        for watch in stopping:
            watch.cancel()
        if stopping:
            await asyncio.wait(stopping)
        self._watches -= stopping


async def open_local(node_id: str, options: Mapping[str, object]) -> LocalChannel:
    """Open the local channel; makes the node's spool.

    Args:
        node_id: This node's id.
        options: "spool": the absolute path of the folder in which the nodes meet; "poll": true
            for a folder that other machines write to.

    Raises:
        ConfigError: An option is unknown or wrong.
        ChannelError: The spool cannot be made.
    """
    unknown = sorted(options.keys() - {"spool", "poll"})
    if unknown:
        raise ConfigError(f"channels.local.{unknown[0]} is no setting of the local channel")
    poll = options.get("poll", False)
    if not isinstance(poll, bool):
        raise ConfigError("channels.local.poll must be true or false")
    root = _spool_root(options.get("spool"))
    if len(json.dumps(node_id)) > MAX_AUTHOR:
        raise ConfigError(f"the node id is too long for the local channel: {len(node_id)}")
    channel = LocalChannel(root, node_id, poll=poll)
    await _on_disk(channel.make_spool)
    return channel


def _spool_root(option: object) -> Path:
    if option is None:
        setting, value = "OCFT_SPOOL", os.environ.get("OCFT_SPOOL", "")
    elif isinstance(option, str) and option:
        setting, value = "channels.local.spool", option
    else:
        raise ConfigError("channels.local.spool must be a path")
    if not value:
        import platformdirs

        # Not in a node's home: two nodes of one machine have to meet here.
        return platformdirs.user_data_path("ocft", appauthor=False) / "spool"
    root = Path(value).expanduser()
    if not root.is_absolute():
        # Nodes started in different folders would not meet.
        raise ConfigError(f"{setting} must be an absolute path, not {value!r}")
    return root


async def _on_disk(function: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
    """Call a blocking function in a thread, and say its OSError as a ChannelError."""
    try:
        return await asyncio.to_thread(function, *args)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise ChannelError(f"the disk of the spool is full: {error}") from error
        raise ChannelError(f"the spool cannot be used: {error}") from error


ADAPTER: Final = Adapter(
    name="local",
    summary="Nodes on one machine, or on a folder that machines share.",
    extra=None,
    open=open_local,
)
