"""The native files that transfers have left in the chat, for those who want them removed."""

from ocft.ids import TransferId
from ocft.storage.database import Database, readable, storable


class SentFiles:
    """What is still in the chat, in a node's database.

    Args:
        database: The node's.
        channel: The channel's name.
    """

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel

    def add(self, transfer_id: TransferId, sent: str) -> None:
        """Note a file that was sent for a transfer."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO sent_files (channel, sent, transfer_id) VALUES (?, ?, ?)",
                (storable(self._channel), storable(sent), storable(transfer_id)),
            )

    def remove(self, sent: str) -> None:
        """Note that a file is gone."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM sent_files WHERE channel = ? AND sent = ?",
                (storable(self._channel), storable(sent)),
            )

    def of_ended(self) -> list[str]:
        """Return the files of transfers that are over for good, the oldest first."""
        rows = self._database.query(
            "SELECT sent FROM sent_files LEFT JOIN transfers ON transfers.id = transfer_id"
            " WHERE sent_files.channel = ? AND (transfers.id IS NULL OR"
            " (NOT is_resumable AND state IN ('completed', 'failed', 'cancelled', 'rejected')))"
            " ORDER BY sent_files.rowid",
            (storable(self._channel),),
        )
        return [readable(row["sent"]) for row in rows]
