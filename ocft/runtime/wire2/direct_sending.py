"""The sender's end of the direct route of one epoch: what the receiver wants is read and sealed.

Reading and sealing happen in threads; what they have done is looked at on the event loop.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ocft.errors import OcftError, SourceChangedError
from ocft.ranges import Range
from ocft.routes import Body, OpenToFetch
from ocft.runtime.wire2.direct import Direct
from ocft.runtime.wire2.direct_pushing import Pushing
from ocft.runtime.wire2.direct_records import make_body
from ocft.storage import SourceSet, SourceSnapshot
from ocft.wire import DirectTicket

WORTH_A_CONNECTION: Final = 64 * 1024
"""Bytes; less goes as fast over the channel."""
_FIRST_HOPE: Final = 5.0  # seconds after the accept in which the receiver may come
_HOPE: Final = 10.0  # seconds after a connection ended, or nothing was taken
_STALLED: Final = 30.0  # seconds in which the receiver takes nothing
_IDLE: Final = 600.0  # seconds without a byte; then the port is closed
_KEYS_SECONDS: Final = 60.0  # in which the accept may arrive, slower than the connection
_NOTE_SECONDS: Final = 0.2  # between two looks of the event loop


class Outlet:
    """What the receiver of one transfer may fetch, or be brought.

    Args:
        direct: The node's direct route.
        manifest: The manifest.
        sources: The files, and what they were like.
        clock: Seconds on the event loop's clock; any thread may ask.
        note: Called on the event loop when something happened.
    """

    def __init__(
        self,
        direct: Direct,
        manifest: bytes,
        sources: Sequence[tuple[Path, SourceSnapshot]],
        *,
        clock: Callable[[], float],
        note: Callable[[], None],
    ) -> None:
        self._direct = direct
        self._manifest = manifest
        self._sources = sources
        self._clock = clock
        self._note = note
        self._loop = asyncio.get_running_loop()
        self.opened: OpenToFetch | None = None
        """What the receiver may fetch, once it is open."""
        self._pushing: Pushing | None = None
        self._last_active = clock()
        self._keys: tuple[bytes, bytes] | None = None
        self._has_keys = threading.Event()
        self._is_closed = False
        self._unnoted = 0
        self._noted_at = clock()
        self._is_active = False
        self.sent = 0
        """Bytes that left."""
        self.hopes_until: float | None = None
        """Until when the receiver may come, or come back; None: it need not be waited for."""
        self.error: OcftError | None = None
        """Why the files cannot be read."""

    def open(self) -> DirectTicket | None:
        """Let the receiver come, if it may; call it in a worker thread.

        Returns:
            What it needs for that; None: it is to come another way.

        Raises:
            OSError: Nothing can be listened to.
        """
        ticket, self.opened = self._direct.open_to_fetch(self._body, self._progress)
        return ticket

    def accepted(self, data_key: bytes, tag: bytes) -> None:
        """Take the keys of the epoch."""
        self._keys = data_key, tag
        self._has_keys.set()
        self._last_active = self._clock()
        self.hope()

    def bring(self, ticket: DirectTicket) -> None:
        """Go to the receiver, which could not come; being told so twice is fine."""
        is_under_way = self._pushing is not None and not self._pushing.is_over
        if is_under_way or self._keys is None or self._is_closed or not self._direct.connects:
            return
        self._pushing = Pushing(
            self._direct,
            ticket,
            body=self._body,
            progress=self._progress,
        )
        self._direct.start(self._pushing.run())
        self.hope()

    def is_idle(self, now: float) -> bool:
        """Say whether nobody has come for so long that the port need not stay open."""
        return now >= self._last_active + _IDLE

    def decided(self) -> None:
        """Let the receiver come from now on: it has decided, perhaps after hours."""
        self._last_active = self._clock()
        self.hope()

    def hope(self, seconds: float | None = None) -> None:
        """Let the channel wait for the receiver; any thread may say so."""
        self.hopes_until = self._clock() + (_FIRST_HOPE if seconds is None else seconds)

    def is_hopeful(self, now: float) -> bool:
        """Say whether the receiver fetches, or may still come."""
        return self.hopes_until is not None and now < self.hopes_until and not self._is_closed

    def gives_up(self) -> bool:
        """Note that hope is gone; return whether that is news."""
        was_hopeful = self.hopes_until is not None
        self.hopes_until = None
        return was_hopeful

    def was_active(self) -> bool:
        """Return, once, whether something has left since it was asked last."""
        was_active, self._is_active = self._is_active, False
        return was_active

    def close(self) -> None:
        """Let nobody fetch any more."""
        self._is_closed = True
        self._has_keys.set()
        if self._pushing is not None:
            self._pushing.stop()
        if self.opened is not None:
            self._direct.end(self.opened)

    # In other threads:

    def _body(self, ranges: Sequence[Range]) -> Body | None:
        self._has_keys.wait(_KEYS_SECONDS)
        keys = self._keys
        if keys is None or self._is_closed:
            return None
        files = SourceSet.open(self._manifest, self._sources)
        if ranges[-1][1] > files.size:
            return None
        data_key, tag = keys
        self.hope(_STALLED)
        body = make_body(ranges, data_key=data_key, tag=tag, read=files.read)
        return Body(body.salt, body.size, self._watched(files, body))

    def _watched(self, files: SourceSet, body: Body) -> Iterator[memoryview | bytes]:
        with files:
            try:
                yield from body.pieces
            except SourceChangedError as error:
                self._fail(files, error)
                raise
            except OcftError as error:
                self.error = error
                self._tell()
                raise

    def _fail(self, files: SourceSet, error: SourceChangedError) -> None:
        """Perhaps the files were only touched: the digests tell."""
        try:
            for number in files.touched():
                files.confirm(number)
        except OcftError:
            self.error = error
            self._tell()
        else:
            self._sources = files.sources  # the receiver comes again

    def _progress(self, count: int) -> None:
        self.sent += count
        self._unnoted += count
        now = self._clock()
        self.hopes_until = now + (_STALLED if count else _HOPE)
        if self._unnoted:
            self._last_active = now
        if not count or now >= self._noted_at + _NOTE_SECONDS:
            self._is_active |= self._unnoted > 0
            self._unnoted, self._noted_at = 0, now
            self._tell()

    def _tell(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._note)
        except RuntimeError:  # the event loop is closed: nobody is left to be told
            return
