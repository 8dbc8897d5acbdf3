"""How much room a server has for sealed bytes, what it holds, and what it has been promised."""

from collections.abc import Callable
from typing import Final

from ocft.share.server.limits import Limits
from ocft.share.server.refusals import NoSpace, TooLarge
from ocft.share.server.sessions import Session

_SPARE: Final = 64 << 20  # bytes of a disk that are left to others
_PROMISE_SECONDS: Final = 60.0
"""How long room is held for an upload of which nothing comes: nobody can reserve a server."""


class Room:
    """The room of one server.

    An upload is promised all that it declared before it begins, so that two that fit only one
    after the other do not both fail near their ends.

    Args:
        limits: The quotas.
        free: Bytes that the disk has left; None where there is no disk.
        steady: Seconds on a clock that does not go back.
    """

    def __init__(
        self, limits: Limits, free: Callable[[], int | None], steady: Callable[[], float]
    ) -> None:
        self.used = 0
        """Sealed bytes of all that is kept."""
        self._limits = limits
        self._free = free
        self._steady = steady
        self._promised: dict[Session, tuple[int, float]] = {}  # bytes that may come, until when

    def promise(self, session: Session, size: int, *, freed: int = 0) -> None:
        """Hold room for bytes that are to come, in place of what was held for the session.

        Args:
            session: Whose they are.
            size: How many more.
            freed: Bytes of the session that they replace.

        Raises:
            TooLarge: More than a session may have.
            NoSpace: More than is free.
        """
        self._promised.pop(session, None)
        if session.taken - freed + size > self._limits.bytes_of_session:
            raise TooLarge(f"A session has at most {self._limits.bytes_of_session} bytes here.")
        coming = self._held() + size - freed
        free = self._free()
        if self.used + coming > self._limits.bytes_in_total or (
            free is not None and coming + _SPARE > free
        ):
            raise NoSpace("The server has no room for this.")
        if size:
            self._promised[session] = (size, self._steady() + _PROMISE_SECONDS)

    def take(self, session: Session, size: int) -> None:
        """Take room for bytes that came.

        Raises:
            NoSpace: There is none.
        """
        held, _ = self._promised.pop(session, (0, 0.0))
        if self.used + self._held() + size > self._limits.bytes_in_total:
            raise NoSpace("The server has no room for this.")
        self.used += size
        session.taken += size
        if held > size:
            self._promised[session] = (held - size, self._steady() + _PROMISE_SECONDS)

    def take_over(self, session: Session) -> None:
        """Count what an earlier process took for a session.

        Args:
            session: Kept on disk.
        """
        stored, place = session.stored, session.place
        size = (stored.stored if stored else 0) + (place.manifest_size if place else 0)
        self.used += size
        session.taken += size

    def give_back(self, session: Session, size: int | None = None) -> None:
        """Give room back.

        Args:
            session: Whose.
            size: How much; None: all that it has, and what was promised.
        """
        if size is None:
            self._promised.pop(session, None)
        size = session.taken if size is None else min(size, session.taken)
        self.used -= size
        session.taken -= size

    def _held(self) -> int:
        now = self._steady()
        for session, (_, until) in list(self._promised.items()):
            if until < now:
                del self._promised[session]
        return sum(size for size, _ in self._promised.values())
