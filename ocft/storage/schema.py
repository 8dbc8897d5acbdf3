"""The tables of a node's database, as the numbered steps that make them.

A step that was released is never edited: a change is a new step at the end. `database` runs
those that a file lacks, each in one transaction.
"""

from typing import Final

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """
        CREATE TABLE transfers (
            id             TEXT PRIMARY KEY,
            direction      TEXT NOT NULL,
            state          TEXT NOT NULL,
            peer_id        TEXT NOT NULL,
            filename       TEXT NOT NULL,
            size           INTEGER NOT NULL,
            mime_type      TEXT NOT NULL,
            digest         TEXT NOT NULL,
            chunk_size     INTEGER NOT NULL,
            total_chunks   INTEGER NOT NULL,
            bytes_done     INTEGER NOT NULL,
            started_at     REAL NOT NULL,
            updated_at     REAL NOT NULL,
            completed_at   REAL,
            error_code     TEXT,
            error          TEXT,
            local_path     TEXT,
            is_resumable   INTEGER NOT NULL,
            channel        TEXT NOT NULL,
            source         TEXT,
            keeps_chunks   INTEGER,
            accepted_at    INTEGER,
            sender_repeats INTEGER NOT NULL,
            publishing     TEXT,
            owes_final_ack INTEGER NOT NULL
        )
        """,
        """
        CREATE TABLE unsynced (
            transfer_id TEXT NOT NULL REFERENCES transfers (id) ON DELETE CASCADE,
            first       INTEGER NOT NULL,
            end         INTEGER NOT NULL,
            digest      TEXT NOT NULL,
            PRIMARY KEY (transfer_id, first, end)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE synced (
            transfer_id TEXT NOT NULL REFERENCES transfers (id) ON DELETE CASCADE,
            first       INTEGER NOT NULL,
            end         INTEGER NOT NULL,
            PRIMARY KEY (transfer_id, first)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE requests (
            number      INTEGER PRIMARY KEY AUTOINCREMENT,
            transfer_id TEXT NOT NULL REFERENCES transfers (id) ON DELETE CASCADE,
            kind        TEXT NOT NULL,
            argument    TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE peers (
            id         TEXT PRIMARY KEY,
            secret     TEXT NOT NULL,
            name       TEXT,
            address    TEXT,
            expires_at REAL
        )
        """,
    ),
)
