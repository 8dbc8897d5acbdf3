"""Strangers that ask to be trusted, until the owner says yes or no (R-HSK-3)."""

from dataclasses import dataclass
from sqlite3 import Connection
from typing import Final

from ocft.errors import UnknownPeerError
from ocft.ids import NodeId
from ocft.storage.database import Database, readable, storable

_MAX_REQUESTS: Final = 32
_MAX_AGE: Final = 24 * 3600.0  # seconds
_MIN_PREFIX: Final = 4  # letters of a fingerprint; fewer name someone by accident


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRequest:
    """A node that asks to be trusted.

    All of it is the stranger's own word, but for the fingerprint, which was proved.
    """

    id: NodeId
    """What it calls itself."""
    author: str
    """The account that its messages came from, as the channel names it."""
    fingerprint: bytes
    """SHA-256 of the public identity that it proved to have."""
    at: float
    """When it asked, in seconds since the epoch."""


class ApprovalStore:
    """The requests in a node's database: at most 32, of at most 24 hours."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, node_id: NodeId, author: str, fingerprint: bytes, at: float) -> None:
        """Keep a request instead of an earlier one of this node; the oldest one may have to go.

        Args:
            node_id: What the stranger calls itself.
            author: Its account on the channel.
            fingerprint: Of the identity that it proved.
            at: Seconds since the epoch.
        """
        with self._database.transaction() as connection:
            _drop_old(connection, at)
            connection.execute(
                "INSERT OR REPLACE INTO requests_for_trust (id, author, fingerprint, at)"
                " VALUES (?, ?, ?, ?)",
                (storable(node_id), storable(author), fingerprint, at),
            )
            connection.execute(
                "DELETE FROM requests_for_trust WHERE id NOT IN"
                " (SELECT id FROM requests_for_trust ORDER BY at DESC, rowid DESC LIMIT ?)",
                (_MAX_REQUESTS,),
            )

    def list(self, now: float) -> list[TrustRequest]:
        """Return the requests, the oldest first.

        Args:
            now: Seconds since the epoch.
        """
        rows = self._database.query(
            "SELECT * FROM requests_for_trust WHERE at > ? ORDER BY at, rowid", (now - _MAX_AGE,)
        )
        return [
            TrustRequest(
                id=NodeId(readable(row["id"])),
                author=readable(row["author"]),
                fingerprint=row["fingerprint"],
                at=row["at"],
            )
            for row in rows
        ]

    def get(self, id_or_fingerprint: str, now: float) -> TrustRequest:
        """Return the only request of this id, or whose fingerprint begins like this.

        A stranger chooses its id, and could choose the fingerprint that the owner has been told:
        therefore what fits two requests, in whichever way, fits none.

        Args:
            id_or_fingerprint: The whole id, or at least 4 letters of the fingerprint as people
                see it, with or without hyphens.
            now: Seconds since the epoch.

        Raises:
            UnknownPeerError: No request, or more than one, fits.
        """
        from ocft.crypto import format_fingerprint

        prefix = _letters(id_or_fingerprint)
        fitting = [
            request
            for request in self.list(now)
            if request.id == id_or_fingerprint
            or (
                len(prefix) >= _MIN_PREFIX
                and _letters(format_fingerprint(request.fingerprint)).startswith(prefix)
            )
        ]
        if len(fitting) > 1:
            raise UnknownPeerError(
                f"{len(fitting)} requests fit {id_or_fingerprint!r}. Use the whole fingerprint."
            )
        if not fitting:
            raise UnknownPeerError(f"Nobody called {id_or_fingerprint!r} asks to be trusted.")
        return fitting[0]

    def remove(self, node_id: NodeId) -> None:
        """Forget a request: it was answered."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM requests_for_trust WHERE id = ?", (storable(node_id),))


def _drop_old(connection: Connection, now: float) -> None:
    connection.execute("DELETE FROM requests_for_trust WHERE at <= ?", (now - _MAX_AGE,))


def _letters(text: str) -> str:
    return text.replace("-", "").replace(" ", "").lower()
