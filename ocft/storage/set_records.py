"""What the journal knows of a transfer of many files, beside its row: wire 2's side tables."""

from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection

from ocft.ids import TransferId
from ocft.storage.database import Database, readable, storable
from ocft.storage.source import SourceSnapshot


class SetRecords:
    """The manifests, the files to send, and how far the naming of received files is.

    All of it goes with its transfer.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def save_manifest(self, transfer_id: TransferId, manifest: bytes) -> None:
        """Record a transfer's manifest, as it is on the wire.

        Raises:
            JournalError: The transfer is not recorded.
        """
        with self.database.transaction() as connection:
            write_manifest(connection, transfer_id, manifest)

    def manifest(self, transfer_id: TransferId) -> bytes | None:
        """Return a transfer's manifest; None if none was recorded."""
        rows = self.database.query(
            "SELECT data FROM manifests WHERE transfer_id = ?", (storable(transfer_id),)
        )
        return rows[0]["data"] if rows else None

    def has_manifest(self, transfer_id: TransferId) -> bool:
        """Say whether a transfer's manifest was recorded, without reading it."""
        rows = self.database.query(
            "SELECT 1 FROM manifests WHERE transfer_id = ?", (storable(transfer_id),)
        )
        return bool(rows)

    def save_sources(
        self, transfer_id: TransferId, sources: Sequence[tuple[Path, SourceSnapshot]]
    ) -> None:
        """Record the files to send, in the order of the manifest, instead of earlier ones.

        Raises:
            JournalError: The transfer is not recorded.
        """
        with self.database.transaction() as connection:
            write_sources(connection, transfer_id, sources)

    def sources(self, transfer_id: TransferId) -> list[tuple[Path, SourceSnapshot]]:
        """Return the files to send, in the order of the manifest."""
        rows = self.database.query(
            "SELECT * FROM sources WHERE transfer_id = ? ORDER BY number", (storable(transfer_id),)
        )
        return [
            (
                Path(readable(row["path"])),
                SourceSnapshot(
                    size=row["size"],
                    mtime_ns=int(row["mtime_ns"]),
                    inode=int(row["inode"]),
                    device=int(row["device"]),
                ),
            )
            for row in rows
        ]

    def save_staging(self, transfer_id: TransferId, remaining: int) -> None:
        """Record that the naming of the files has begun, and how far it is.

        Args:
            transfer_id: Whose files.
            remaining: Bytes of the content that are in the part file only; the files behind them
                are in the staging folder.
        """
        with self.database.transaction() as connection:
            connection.execute(
                "INSERT INTO stagings (transfer_id, remaining) VALUES (?, ?)"
                " ON CONFLICT (transfer_id) DO UPDATE SET remaining = excluded.remaining",
                (transfer_id, remaining),
            )

    def staging(self, transfer_id: TransferId) -> int | None:
        """Return the bytes of the content that are still to be staged; None: not begun."""
        rows = self.database.query(
            "SELECT remaining FROM stagings WHERE transfer_id = ?", (storable(transfer_id),)
        )
        return rows[0]["remaining"] if rows else None

    def save_publications(self, transfer_id: TransferId, paths: dict[str, Path]) -> None:
        """Record the final paths that are about to be made, each instead of an earlier one.

        Args:
            transfer_id: Whose files.
            paths: For names at the top of the manifest, where they go.
        """
        with self.database.transaction() as connection:
            connection.executemany(
                "INSERT INTO publications (transfer_id, part, path) VALUES (?, ?, ?)"
                " ON CONFLICT (transfer_id, part) DO UPDATE SET path = excluded.path",
                [(transfer_id, part, storable(str(path))) for part, path in paths.items()],
            )

    def publications(self, transfer_id: TransferId) -> dict[str, Path]:
        """Return the final paths of a transfer's top names; after its end, where they are."""
        rows = self.database.query(
            "SELECT part, path FROM publications WHERE transfer_id = ?", (storable(transfer_id),)
        )
        return {row["part"]: Path(readable(row["path"])) for row in rows}


def write_manifest(connection: Connection, transfer_id: TransferId, manifest: bytes) -> None:
    """Write a transfer's manifest, within a transaction."""
    connection.execute(
        "INSERT INTO manifests (transfer_id, data) VALUES (?, ?)"
        " ON CONFLICT (transfer_id) DO UPDATE SET data = excluded.data",
        (transfer_id, manifest),
    )


def write_sources(
    connection: Connection, transfer_id: TransferId, sources: Sequence[tuple[Path, SourceSnapshot]]
) -> None:
    """Write the files to send instead of earlier ones, within a transaction."""
    connection.execute("DELETE FROM sources WHERE transfer_id = ?", (transfer_id,))
    connection.executemany(
        "INSERT INTO sources VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                transfer_id,
                number,
                storable(str(path)),
                snapshot.size,
                # As text, since these use 64 bits and SQLite's integers have a sign.
                str(snapshot.mtime_ns),
                str(snapshot.inode),
                str(snapshot.device),
            )
            for number, (path, snapshot) in enumerate(sources)
        ],
    )
