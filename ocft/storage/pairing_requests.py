"""Pairings that one process asks for and the one that drives the channel carries out.

A code is a secret for as long as it lives: its row is emptied of it as soon as somebody takes it
up, and removed when the one who asked has read the outcome.
"""

import sqlite3
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from ocft.storage.database import Database, readable, storable

_KEPT: Final = 3600.0  # seconds: rows of processes that died are forgotten after that


class PairingState(Enum):
    """How far a pairing is."""

    NEW = "new"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingRequest:
    """One pairing."""

    number: int
    """Names it among all."""
    code: str = field(repr=False)
    """The spoken code; empty once somebody has taken it up."""
    is_shown: bool
    """Whether this node showed the code, or typed it in."""
    address: str | None
    """Typed in: where the other side is; None: everybody in the conversation."""
    name: str | None
    """What to call the peer; None: as it calls itself."""
    ends_at: float
    """When it is given up, in seconds since the epoch."""
    state: PairingState
    """How far it is."""
    peer_id: str | None = None
    """Done: with whom."""
    error: str | None = None
    """Failed: why."""


class PairingRequests:
    """The pairings in a node's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(
        self,
        channel: str,
        code: str,
        *,
        is_shown: bool,
        address: str | None,
        name: str | None,
        ends_at: float,
    ) -> int:
        """Ask whoever drives a channel to pair; return the number to ask about it.

        Args:
            channel: The channel's name.
            code: The code, as it is shown.
            is_shown: Whether this node shows it.
            address: Where the other side is; None: everybody in the conversation.
            name: What to call the peer.
            ends_at: Seconds since the epoch.
        """
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM pairings WHERE ends_at < ?", (ends_at - _KEPT,))
            number: int | None = connection.execute(
                "INSERT INTO pairings (channel, code, is_shown, address, name, ends_at, state)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    storable(channel),
                    code,
                    is_shown,
                    None if address is None else storable(address),
                    None if name is None else storable(name),
                    ends_at,
                    PairingState.NEW.value,
                ),
            ).lastrowid
        return number or 0

    def take(self, channel: str) -> list[PairingRequest]:
        """Return the new pairings of a channel, and take them up: nobody else will."""
        select = "SELECT * FROM pairings WHERE channel = ? AND state = ?"
        parameters = (storable(channel), PairingState.NEW.value)
        # Nearly always there is none, and asking first spares the others a wait for our lock.
        if not self._database.query(select, parameters):
            return []
        with self._database.transaction() as connection:
            rows = connection.execute(select, parameters).fetchall()
            connection.executemany(
                "UPDATE pairings SET state = ?, code = '' WHERE number = ?",
                [(PairingState.RUNNING.value, row["number"]) for row in rows],
            )
        return [_request(row) for row in rows]

    def give_up_running(self, channel: str) -> None:
        """Fail the pairings that a process which drove the channel before has left behind."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE pairings SET state = ?, error = ? WHERE channel = ? AND state = ?",
                (
                    PairingState.FAILED.value,
                    "It was interrupted. Make a new code.",
                    storable(channel),
                    PairingState.RUNNING.value,
                ),
            )

    def finish(self, number: int, *, peer_id: str | None = None, error: str | None = None) -> None:
        """Record the outcome: the peer, or why there is none."""
        state = PairingState.FAILED if peer_id is None else PairingState.DONE
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE pairings SET state = ?, peer_id = ?, error = ? WHERE number = ?",
                (state.value, None if peer_id is None else storable(peer_id), error, number),
            )

    def finish_for_good(self, number: int, peer_id: str) -> None:
        """Record the peer, on the disk: who is told of it relies on it; call it in a thread."""
        self.finish(number, peer_id=peer_id)
        self._database.checkpoint()

    def get(self, number: int) -> PairingRequest | None:
        """Return a pairing; None if it was removed."""
        rows = self._database.query("SELECT * FROM pairings WHERE number = ?", (number,))
        return _request(rows[0]) if rows else None

    def remove(self, number: int) -> None:
        """Forget a pairing; one that runs is stopped by it."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM pairings WHERE number = ?", (number,))


def _request(row: sqlite3.Row) -> PairingRequest:
    return PairingRequest(
        number=row["number"],
        code=row["code"],
        is_shown=bool(row["is_shown"]),
        address=None if row["address"] is None else readable(row["address"]),
        name=None if row["name"] is None else readable(row["name"]),
        ends_at=row["ends_at"],
        state=PairingState(row["state"]),
        peer_id=None if row["peer_id"] is None else readable(row["peer_id"]),
        error=row["error"],
    )
