"""The durable record of all transfers; it is also the queue of what other processes ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from sqlite3 import Connection
from typing import Final

from ocft.errors import UnknownTransferError
from ocft.ids import NodeId, TransferId
from ocft.ranges import Range, RangeSet
from ocft.storage.database import Value, readable, storable
from ocft.storage.records import COLUMNS, TransferRecord, from_row, to_row
from ocft.storage.set_records import SetRecords, write_manifest, write_sources
from ocft.storage.source import SourceSnapshot
from ocft.transfers import Direction, TransferState

_FINAL_STATES: Final = ", ".join(f"'{state.value}'" for state in TransferState if state.is_final)
MOST_REMEMBERED: Final = 10_000
"""Transfers that are over for good and stay in the journal."""
_OVER_FOR_GOOD: Final = f"state IN ({_FINAL_STATES}) AND NOT (state = ? AND is_resumable)"
_INSERT: Final = (
    f"INSERT INTO transfers ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - our names
    " ON CONFLICT (id) DO"
)
_UPDATES: Final = ", ".join(
    # The worker thread that announces a path may be ahead of the record that is saved here.
    "publishing = coalesce(excluded.publishing, publishing)"
    if name == "publishing"
    else f"{name} = excluded.{name}"
    for name in COLUMNS
)


@dataclass(frozen=True, slots=True)
class StoredPiece:
    """Bytes that were written, but may not be on the disk yet."""

    first: int
    """Where it begins in the file."""
    end: int
    """The byte after its last one."""
    digest: str
    """SHA-256 of its bytes, to find out after a power cut whether they made it."""


class RequestKind(Enum):
    """What another process may ask of the one that drives a transfer."""

    ACCEPT = "accept"
    REJECT = "reject"
    CANCEL = "cancel"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Request:
    """Something that another process wants done with a transfer."""

    transfer_id: TransferId
    kind: RequestKind
    argument: str = ""
    """More about it: the reason."""


class Journal(SetRecords):
    """The transfers in a node's database, and which of their bytes are stored.

    A byte is stored when its range is here. Wire 1.0: first it is unsynced: the process may die
    and it is still there, the power may fail and its digest tells. Then, after the disk has it, it
    is synced. Wire 2 records only what is synced.
    """

    # Transfers

    def add(
        self,
        record: TransferRecord,
        *,
        manifest: bytes | None = None,
        sources: Sequence[tuple[Path, SourceSnapshot]] = (),
    ) -> bool:
        """Record a new transfer; return False, and change nothing, if its id is taken.

        Args:
            record: The transfer.
            manifest: Sending: its files, as wire 2 names them.
            sources: Sending: where they are, in that order.
        """
        with self.database.transaction() as connection:
            if not connection.execute(f"{_INSERT} NOTHING", to_row(record)).rowcount:
                return False
            # In one commit: another process takes the row up as soon as it is there.
            if manifest is not None:
                write_manifest(connection, record.info.id, manifest)
            write_sources(connection, record.info.id, sources)
            return True

    def latest_offer_to(self, peer_id: NodeId) -> int:
        """Return the greatest `offered_at` of what was sent to a peer; 0: nothing was."""
        rows = self.database.query(
            "SELECT coalesce(max(offered_at), 0) AS latest FROM transfers"
            " WHERE direction = ? AND peer_id = ?",
            (Direction.SEND.value, storable(peer_id)),
        )
        latest: int = rows[0]["latest"]
        return latest

    def save(self, record: TransferRecord) -> None:
        """Record everything about a transfer anew, `bytes_done` included.

        Only a recorded `publishing` stays when the record has none.
        """
        with self.database.transaction() as connection:
            # Never INSERT OR REPLACE: it deletes the row first, and the stored pieces with it.
            connection.execute(f"{_INSERT} UPDATE SET {_UPDATES}", to_row(record))

    def save_progress(self, transfer_id: TransferId, bytes_done: int, at: float) -> None:
        """Record how far a transfer is, and nothing else."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE transfers SET bytes_done = ?, updated_at = ? WHERE id = ?",
                (bytes_done, at, transfer_id),
            )

    def save_publishing(self, transfer_id: TransferId, path: str) -> None:
        """Record the final path that is about to be made, and nothing else."""
        with self.database.transaction() as connection:
            connection.execute(
                "UPDATE transfers SET publishing = ? WHERE id = ?", (storable(path), transfer_id)
            )

    def get(self, transfer_id: TransferId) -> TransferRecord | None:
        """Return what is known of a transfer."""
        rows = self.database.query("SELECT * FROM transfers WHERE id = ?", (storable(transfer_id),))
        return from_row(rows[0]) if rows else None

    def records(
        self, *, channel: str | None = None, unfinished_only: bool = False
    ) -> list[TransferRecord]:
        """Return transfers, those that started first at the beginning.

        Args:
            channel: Only those of this channel.
            unfinished_only: Only those that are in no final state, or owe their final ack.
        """
        rows = self.database.query(
            "SELECT * FROM transfers WHERE (?1 IS NULL OR channel = ?1)"  # noqa: S608 - our words
            f" AND (NOT ?2 OR owes_final_ack OR state NOT IN ({_FINAL_STATES}))"
            " ORDER BY started_at, rowid",
            (None if channel is None else storable(channel), unfinished_only),
        )
        return [from_row(row) for row in rows]

    def remove(self, transfer_id: TransferId) -> None:
        """Forget a transfer, its pieces and what was asked about it."""
        with self.database.transaction() as connection:
            _forget(connection, "SELECT id FROM transfers WHERE id = ?", (storable(transfer_id),))

    def drop(self, transfer_id: TransferId) -> None:
        """Take back a transfer that never began: its offer may come again (unlike R-CTL-4)."""
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM transfers WHERE id = ?", (storable(transfer_id),))

    def prune(self, *, keep: int = MOST_REMEMBERED) -> None:
        """Forget the oldest transfers that are over for good, all but the newest `keep`.

        Of those that came in, and of which a kill left the manifest, forget that too.
        """
        with self.database.transaction() as connection:
            connection.execute(
                "DELETE FROM manifests WHERE transfer_id IN"  # noqa: S608 - our words
                f" (SELECT id FROM transfers WHERE direction = 'receive' AND {_OVER_FOR_GOOD})",
                (TransferState.FAILED.value,),
            )
            _forget(
                connection,
                f"SELECT id FROM transfers WHERE {_OVER_FOR_GOOD}"  # noqa: S608 - our words
                " ORDER BY updated_at DESC, rowid DESC LIMIT -1 OFFSET ?",
                (TransferState.FAILED.value, keep),
            )

    def received_since(
        self, peer_id: NodeId, since: float, *, without: TransferId | None = None
    ) -> int:
        """Return the bytes that a peer's transfers brought, or may bring, since a moment.

        The whole size of each incoming transfer that began at that moment or later counts, also
        while nobody has decided about it. Of those that were rejected, or ended before any byte of
        a file was stored, only the manifest does: it comes before the decision (R-LIM-1).

        Args:
            peer_id: The sender.
            since: Seconds since the epoch.
            without: A transfer that does not count.
        """
        rows = self.database.query(
            "SELECT coalesce(sum(manifest_size + size * NOT ("
            "state = ? OR (state IN (?, ?) AND bytes_done = 0))), 0) AS bytes FROM transfers"
            " WHERE direction = ? AND peer_id = ? AND started_at >= ? AND id IS NOT ?",
            (
                TransferState.REJECTED.value,
                TransferState.FAILED.value,
                TransferState.CANCELLED.value,
                Direction.RECEIVE.value,
                storable(peer_id),
                since,
                without,
            ),
        )
        total: int = rows[0]["bytes"]
        return total

    # Stored bytes

    def add_unsynced(
        self, transfer_id: TransferId, first: int, end: int, digest: str, at: float
    ) -> None:
        """Record that a piece was written, in one commit with the progress.

        Raises:
            JournalError: The transfer is not recorded.
        """
        with self.database.transaction() as connection:
            added = connection.execute(
                "INSERT INTO unsynced (transfer_id, first, end, digest) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (transfer_id, first, end, digest),
            )
            if added.rowcount:
                connection.execute(
                    "UPDATE transfers SET bytes_done = bytes_done + ?, updated_at = ? WHERE id = ?",
                    (end - first, at, transfer_id),
                )
            else:  # the same place was written again
                connection.execute(
                    "UPDATE unsynced SET digest = ?"
                    " WHERE transfer_id = ? AND first = ? AND end = ?",
                    (digest, transfer_id, first, end),
                )

    def unsynced(self, transfer_id: TransferId) -> list[StoredPiece]:
        """Return the pieces that a power cut may have damaged, sorted."""
        rows = self.database.query(
            "SELECT first, end, digest FROM unsynced WHERE transfer_id = ? ORDER BY first, end",
            (transfer_id,),
        )
        return [StoredPiece(row["first"], row["end"], row["digest"]) for row in rows]

    def synced(self, transfer_id: TransferId) -> list[Range]:
        """Return the ranges that are on the disk, in as few as possible, sorted."""
        rows = self.database.query(
            "SELECT first, end FROM synced WHERE transfer_id = ? ORDER BY first", (transfer_id,)
        )
        return [(row["first"], row["end"]) for row in rows]

    def mark_synced(self, transfer_id: TransferId, pieces: Sequence[StoredPiece]) -> None:
        """Record that the disk has these pieces now.

        A piece that was forgotten in the meantime stays forgotten, and one that was written
        again stays unsynced.
        """
        with self.database.transaction() as connection:
            moved = [
                (piece.first, piece.end)
                for piece in pieces
                if _drop_piece(connection, transfer_id, piece)
            ]
            for first, end in RangeSet(moved).pairs():
                _add_synced(connection, transfer_id, first, end)

    def add_synced(
        self,
        transfer_id: TransferId,
        ranges: Sequence[Range],
        bytes_done: int,
        at: float | None = None,
    ) -> None:
        """Record ranges that the disk has, in one commit with the progress.

        Args:
            transfer_id: Whose bytes.
            ranges: In the byte space; they may overlap and touch what is recorded.
            bytes_done: The progress afterwards.
            at: When the progress was made, in seconds since the epoch; None: there was none.

        Raises:
            JournalError: The transfer is not recorded.
        """
        with self.database.transaction() as connection:
            for first, end in ranges:
                _add_synced(connection, transfer_id, first, end)
            connection.execute(
                "UPDATE transfers SET bytes_done = ?, updated_at = coalesce(?, updated_at)"
                " WHERE id = ?",
                (bytes_done, at, transfer_id),
            )

    def replace_synced(
        self, transfer_id: TransferId, ranges: Sequence[Range], bytes_done: int
    ) -> None:
        """Record that these ranges are on the disk, and nothing else; neither overlap nor touch."""
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM synced WHERE transfer_id = ?", (transfer_id,))
            connection.executemany(
                "INSERT INTO synced VALUES (?, ?, ?)", [(transfer_id, *one) for one in ranges]
            )
            connection.execute(
                "UPDATE transfers SET bytes_done = ? WHERE id = ?", (bytes_done, transfer_id)
            )

    def drop_unsynced(self, transfer_id: TransferId, pieces: Sequence[StoredPiece]) -> None:
        """Forget pieces that turned out to be damaged, and count the progress again."""
        with self.database.transaction() as connection:
            for piece in pieces:
                _drop_piece(connection, transfer_id, piece)
            _count_again(connection, transfer_id)

    def drop_synced(self, transfer_id: TransferId, ranges: Sequence[Range]) -> None:
        """Forget whole ranges that turned out to be missing, and count the progress again."""
        with self.database.transaction() as connection:
            connection.executemany(
                "DELETE FROM synced WHERE transfer_id = ? AND first = ? AND end = ?",
                [(transfer_id, first, end) for first, end in ranges],
            )
            _count_again(connection, transfer_id)

    def forget_pieces(self, transfer_id: TransferId) -> None:
        """Forget all that is stored of a transfer, its manifest too; its progress is 0 again."""
        with self.database.transaction() as connection:
            for table in ("unsynced", "synced", "manifests", "stagings", "publications"):
                connection.execute(
                    f"DELETE FROM {table} WHERE transfer_id = ?",  # noqa: S608 - our words
                    (transfer_id,),
                )
            _count_again(connection, transfer_id)

    def hand_over(self, earlier: TransferId, later: TransferId) -> None:
        """Make all that is stored of one transfer the other's, which has nothing stored yet."""
        with self.database.transaction() as connection:
            for table in ("unsynced", "synced"):
                connection.execute(
                    f"UPDATE {table} SET transfer_id = ? WHERE transfer_id = ?",  # noqa: S608 - our words
                    (later, earlier),
                )
            _count_again(connection, earlier)
            _count_again(connection, later)

    # Requests

    def ask(self, transfer_id: TransferId, kind: RequestKind, argument: str = "") -> None:
        """Ask whoever drives a transfer to do something with it.

        Raises:
            UnknownTransferError: No transfer has this id.
        """
        with self.database.transaction() as connection:
            asked = connection.execute(
                "INSERT INTO requests (transfer_id, kind, argument)"
                " SELECT id, ?, ? FROM transfers WHERE id = ?",
                (kind.value, storable(argument), storable(transfer_id)),
            )
            if not asked.rowcount:
                raise UnknownTransferError(f"No transfer has the id {transfer_id!r}.")

    def take_requests(self, channel: str) -> list[Request]:
        """Return what was asked about a channel's transfers, first come first, and forget it."""
        select = (
            "SELECT number, transfer_id, kind, argument FROM requests"
            " JOIN transfers ON transfers.id = transfer_id WHERE channel = ? ORDER BY number"
        )
        # Nearly always there is none, and asking first spares the others a wait for our lock.
        if not self.database.query(select, (storable(channel),)):
            return []
        with self.database.transaction() as connection:
            rows = connection.execute(select, (storable(channel),)).fetchall()
            connection.executemany(
                "DELETE FROM requests WHERE number = ?", [(row["number"],) for row in rows]
            )
        return [
            Request(
                transfer_id=TransferId(row["transfer_id"]),
                kind=RequestKind(row["kind"]),
                argument=readable(row["argument"]),
            )
            for row in rows
        ]


def _forget(connection: Connection, chosen: str, parameters: Sequence[Value]) -> None:
    """Delete transfers, and remember that offers as old as theirs are replays (R-CTL-4).

    Args:
        connection: In a transaction.
        chosen: The SELECT of their ids.
        parameters: Of that SELECT.
    """
    connection.execute(
        "INSERT INTO nodes (id, forgotten_before)"  # noqa: S608 - our words
        " SELECT peer_id, max(offered_at) FROM transfers"
        f" WHERE direction = 'receive' AND offered_at IS NOT NULL AND id IN ({chosen})"
        " GROUP BY peer_id ON CONFLICT (id) DO UPDATE"
        " SET forgotten_before = max(forgotten_before, excluded.forgotten_before)",
        parameters,
    )
    connection.execute(f"DELETE FROM transfers WHERE id IN ({chosen})", parameters)  # noqa: S608


def _drop_piece(connection: Connection, transfer_id: TransferId, piece: StoredPiece) -> bool:
    """Forget a piece, if it still is exactly this one."""
    dropped = connection.execute(
        "DELETE FROM unsynced WHERE transfer_id = ? AND first = ? AND end = ? AND digest = ?",
        (transfer_id, piece.first, piece.end, piece.digest),
    )
    return dropped.rowcount > 0


def _add_synced(connection: Connection, transfer_id: TransferId, first: int, end: int) -> None:
    """Add a range, joined with those that it touches."""
    touching = "FROM synced WHERE transfer_id = ? AND first <= ? AND end >= ?"
    here = (transfer_id, end, first)
    least, most = connection.execute(f"SELECT min(first), max(end) {touching}", here).fetchone()
    if least is not None:
        first, end = min(first, least), max(end, most)
        connection.execute(f"DELETE {touching}", here)
    connection.execute("INSERT INTO synced VALUES (?, ?, ?)", (transfer_id, first, end))


def _count_again(connection: Connection, transfer_id: TransferId) -> None:
    connection.execute(
        "UPDATE transfers SET bytes_done ="
        " (SELECT coalesce(sum(end - first), 0) FROM synced WHERE transfer_id = ?1)"
        " + (SELECT coalesce(sum(end - first), 0) FROM unsynced WHERE transfer_id = ?1)"
        # What is completed needs its pieces no more, and is complete all the same.
        " WHERE id = ?1 AND state != ?2",
        (transfer_id, TransferState.COMPLETED.value),
    )
