"""The root keys that this node shares with its peers, sealed under a key of its identity.

Whoever has a copy of the database, but not the identity, cannot open them (R-HSK-4).
"""

import sqlite3
from dataclasses import dataclass, field
from typing import Final

from ocft.errors import UnsealError
from ocft.ids import NodeId
from ocft.storage.database import Database, Value, readable, storable

_KEPT: Final = 2  # R-HSK-4: the newest two of a peer, since handshakes may cross (R-HSK-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What one handshake left: a root key, and with whom."""

    peer_id: NodeId
    """The other node."""
    root: bytes = field(repr=False)
    """The root key."""
    is_initiator: bool
    """Whether this node began the handshake; it tells the two directions apart."""
    established_at: float
    """When the handshake was done, in seconds since the epoch."""
    expires_at: float | None = None
    """When the trust behind it ends, in seconds since the epoch; None is never."""


class SessionStore:
    """The sessions in a node's database.

    Args:
        database: Holds them.
        storage_key: Seals them, `Identity.storage_key`. What another identity sealed is dropped.
    """

    def __init__(self, database: Database, storage_key: bytes) -> None:
        self._database = database
        self._storage_key = storage_key

    def add(
        self,
        peer_id: NodeId,
        root: bytes,
        *,
        is_initiator: bool,
        established_at: float,
        expires_at: float | None,
    ) -> None:
        """Keep the root key of a new handshake, and of the peer's older ones the newest only.

        Args:
            peer_id: With whom.
            root: The root key.
            is_initiator: Whether this node began.
            established_at: Seconds since the epoch.
            expires_at: When the trust ends, in seconds since the epoch; None is never.
        """
        from ocft.crypto import seal_at_rest

        sealed = seal_at_rest(self._storage_key, root, _context(peer_id, is_initiator=is_initiator))
        peer = storable(peer_id)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO sessions"
                " (peer_id, sealed_root, is_initiator, established_at, expires_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (peer, sealed, is_initiator, established_at, expires_at),
            )
            connection.execute(
                "DELETE FROM sessions WHERE peer_id = ?1 AND number NOT IN"
                " (SELECT number FROM sessions WHERE peer_id = ?1 ORDER BY number DESC LIMIT ?2)",
                (peer, _KEPT),
            )

    def of(self, peer_id: NodeId, now: float) -> list[Session]:
        """Return the sessions with a peer, the newest first; those that ended are deleted.

        Args:
            peer_id: With whom.
            now: Seconds since the epoch.
        """
        return self._usable("peer_id = ?", (storable(peer_id),), now)

    def all(self, now: float) -> list[Session]:
        """Return the sessions with all peers, the newest first; those that ended are deleted.

        Args:
            now: Seconds since the epoch.
        """
        return self._usable("TRUE", (), now)

    def forget_older(self, peer_id: NodeId) -> None:
        """Delete all sessions with a peer but the newest: the peer uses that one (R-HSK-4)."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM sessions WHERE peer_id = ?1 AND number <"
                " (SELECT max(number) FROM sessions WHERE peer_id = ?1)",
                (storable(peer_id),),
            )

    def forget(self, peer_id: NodeId) -> None:
        """Delete the sessions with a peer: the trust in it has ended, or it lost its keys."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE peer_id = ?", (storable(peer_id),))

    def _usable(self, condition: str, parameters: tuple[Value, ...], now: float) -> list[Session]:
        rows = self._database.query(
            f"SELECT * FROM sessions WHERE {condition} ORDER BY number DESC",  # noqa: S608 - our words
            parameters,
        )
        found = [(row["number"], self._open(row, now)) for row in rows]
        useless = [(number,) for number, session in found if session is None]
        if useless:
            with self._database.transaction() as connection:
                connection.executemany("DELETE FROM sessions WHERE number = ?", useless)
        return [session for _, session in found if session is not None]

    def _open(self, row: sqlite3.Row, now: float) -> Session | None:
        from ocft.crypto import open_at_rest

        if row["expires_at"] is not None and now >= row["expires_at"]:
            return None
        peer_id, is_initiator = NodeId(readable(row["peer_id"])), bool(row["is_initiator"])
        context = _context(peer_id, is_initiator=is_initiator)
        try:
            root = open_at_rest(self._storage_key, row["sealed_root"], context)
        except UnsealError:
            return None
        return Session(
            peer_id=peer_id,
            root=root,
            is_initiator=is_initiator,
            established_at=row["established_at"],
            expires_at=row["expires_at"],
        )


def _context(peer_id: NodeId, *, is_initiator: bool) -> bytes:
    """Bind a sealed key to its row: nobody can move it to another peer, or turn it round."""
    side = b"initiator" if is_initiator else b"responder"
    return b"session:" + side + b":" + peer_id.encode(errors="surrogatepass")
