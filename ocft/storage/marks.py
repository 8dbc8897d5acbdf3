"""What a channel must find again after a restart: how far it has read, how large a file passed."""

from ocft.storage.database import Database, storable


class ChannelMarks:
    """The marks of one channel, in a node's database; they fit `ocft.channels.Marks`.

    Args:
        database: The node's.
        channel: The channel's name.
    """

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel

    def get(self, key: str) -> str | None:
        """Return what was set under a key, or None."""
        rows = self._database.query(
            "SELECT value FROM marks WHERE channel = ? AND key = ?",
            (storable(self._channel), storable(key)),
        )
        return str(rows[0]["value"]) if rows else None

    def set(self, key: str, value: str) -> None:
        """Keep a short text under a key; durable against a kill when it returns."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO marks (channel, key, value) VALUES (?, ?, ?)",
                (storable(self._channel), storable(key), storable(value)),
            )
