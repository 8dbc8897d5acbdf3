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
    (  # wire 2
        "ALTER TABLE transfers ADD COLUMN wire TEXT",
        "ALTER TABLE transfers ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE transfers ADD COLUMN offered_at INTEGER",
        "ALTER TABLE transfers ADD COLUMN file_count INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE transfers ADD COLUMN manifest_size INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE transfers ADD COLUMN left_out TEXT",
        "ALTER TABLE transfers ADD COLUMN is_decided INTEGER NOT NULL DEFAULT 0",
        """
        CREATE TABLE manifests (
            transfer_id TEXT PRIMARY KEY REFERENCES transfers (id) ON DELETE CASCADE,
            data        BLOB NOT NULL
        )
        """,
        """
        CREATE TABLE sources (
            transfer_id TEXT NOT NULL REFERENCES transfers (id) ON DELETE CASCADE,
            number      INTEGER NOT NULL,
            path        TEXT NOT NULL,
            size        INTEGER NOT NULL,
            mtime_ns    TEXT NOT NULL,
            inode       TEXT NOT NULL,
            device      TEXT NOT NULL,
            PRIMARY KEY (transfer_id, number)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE stagings (
            transfer_id TEXT PRIMARY KEY REFERENCES transfers (id) ON DELETE CASCADE,
            remaining   INTEGER NOT NULL
        )
        """,
        """
        CREATE TABLE publications (
            transfer_id TEXT NOT NULL REFERENCES transfers (id) ON DELETE CASCADE,
            part        TEXT NOT NULL,
            path        TEXT NOT NULL,
            PRIMARY KEY (transfer_id, part)
        ) WITHOUT ROWID
        """,
        "ALTER TABLE peers ADD COLUMN fingerprint BLOB",
        "ALTER TABLE peers ADD COLUMN may_send INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE peers ADD COLUMN auto_accept INTEGER",
        "ALTER TABLE peers ADD COLUMN max_file_size INTEGER",
        "ALTER TABLE peers ADD COLUMN bytes_per_day INTEGER",
        "ALTER TABLE peers ADD COLUMN allows_wire_1 INTEGER NOT NULL DEFAULT 1",
        """
        CREATE TABLE nodes (
            id               TEXT PRIMARY KEY,
            fingerprint      BLOB,
            public_identity  BLOB,
            address          TEXT,
            wire             TEXT,
            wire_learned_at  REAL,
            last_seen        REAL,
            secret_tag       BLOB,
            forgotten_before INTEGER NOT NULL DEFAULT 0
        )
        """,
        """
        CREATE TABLE pairings (
            number     INTEGER PRIMARY KEY AUTOINCREMENT,
            channel    TEXT NOT NULL,
            code       TEXT NOT NULL,
            is_shown   INTEGER NOT NULL,
            address    TEXT,
            name       TEXT,
            ends_at    REAL NOT NULL,
            state      TEXT NOT NULL,
            peer_id    TEXT,
            error      TEXT
        )
        """,
        """
        CREATE TABLE dense (
            peer_id TEXT NOT NULL,
            channel TEXT NOT NULL,
            works   INTEGER NOT NULL,
            at      REAL NOT NULL,
            PRIMARY KEY (peer_id, channel)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE sessions (
            number         INTEGER PRIMARY KEY AUTOINCREMENT,
            peer_id        TEXT NOT NULL,
            sealed_root    BLOB NOT NULL,
            is_initiator   INTEGER NOT NULL,
            established_at REAL NOT NULL,
            expires_at     REAL
        )
        """,
        """
        CREATE TABLE requests_for_trust (
            id          TEXT PRIMARY KEY,
            author      TEXT NOT NULL,
            fingerprint BLOB NOT NULL,
            at          REAL NOT NULL
        )
        """,
    ),
    (
        "ALTER TABLE transfers ADD COLUMN manifest_digest TEXT",
        "ALTER TABLE transfers ADD COLUMN files_taken INTEGER",
        "ALTER TABLE transfers ADD COLUMN bytes_taken INTEGER",
        # Of a single file whose manifest came, the row has the file's digest.
        """
        UPDATE transfers SET manifest_digest = digest WHERE wire = '2' AND direction = 'receive'
            AND (file_count > 1 OR id NOT IN (SELECT transfer_id FROM manifests))
        """,
    ),
    (  # native files of chat platforms
        """
        CREATE TABLE marks (
            channel TEXT NOT NULL,
            key     TEXT NOT NULL,
            value   TEXT NOT NULL,
            PRIMARY KEY (channel, key)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE sent_files (
            channel     TEXT NOT NULL,
            sent        TEXT NOT NULL,
            transfer_id TEXT NOT NULL,
            PRIMARY KEY (channel, sent)
        )
        """,
    ),
)
