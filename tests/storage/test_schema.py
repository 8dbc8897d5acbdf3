import sqlite3
from contextlib import closing
from pathlib import Path

from ocft.ids import NodeId, TransferId
from ocft.storage import Database, Journal, PeerStore, StoredPiece, TrustedPeer
from ocft.storage.records import COLUMNS
from ocft.storage.schema import MIGRATIONS
from ocft.transfers import TransferState


def test_the_steps_make_the_columns_that_records_use() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statements in MIGRATIONS:
            for statement in statements:
                connection.execute(statement)
        columns = connection.execute("SELECT name FROM pragma_table_info('transfers')").fetchall()
    assert tuple(name for (name,) in columns) == COLUMNS


def test_a_database_of_the_first_step_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "ocft.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        for statement in MIGRATIONS[0]:
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 1")
        connection.execute(
            "INSERT INTO transfers VALUES ('xfer_1', 'receive', 'transferring', 'alice', 'x', 30,"
            " 'text/plain', 'd', 10, 3, 20, 1.0, 2.0, NULL, NULL, NULL, NULL, 1, 'local', NULL,"
            " NULL, NULL, 1, NULL, 0)"
        )
        connection.execute("INSERT INTO unsynced VALUES ('xfer_1', 10, 20, 'd')")
        connection.execute("INSERT INTO synced VALUES ('xfer_1', 0, 10)")
        connection.execute("INSERT INTO peers VALUES ('alice', 's3cret', 'Alice', NULL, 9.0)")
        connection.commit()
    with Database(path) as database:
        journal = Journal(database)
        record = journal.get(TransferId("xfer_1"))
        assert record is not None
        assert (record.info.state, record.info.bytes_done) == (TransferState.TRANSFERRING, 20)
        assert (record.info.wire, record.info.file_count) == (None, 1)
        assert (record.epoch, record.offered_at, record.left_out) == (0, None, frozenset())
        assert (record.manifest_size, record.is_decided) == (0, False)
        assert (record.manifest_digest, record.info.files_taken) == (None, None)
        assert journal.synced(record.info.id) == [(0, 10)]
        assert journal.unsynced(record.info.id) == [StoredPiece(10, 20, "d")]
        assert PeerStore(database).find(NodeId("alice")) == TrustedPeer(
            id="alice", secret="s3cret", name="Alice", expires_at=9.0
        )


def test_a_database_of_the_second_step_knows_the_digests_of_its_manifests(tmp_path: Path) -> None:
    path = tmp_path / "ocft.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        for statement in [*MIGRATIONS[0], *MIGRATIONS[1]]:
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 2")
        rows = {"one": 1, "many": 2, "not read": 1}
        for transfer_id, count in rows.items():
            connection.execute(
                "INSERT INTO transfers (id, direction, state, peer_id, filename, size, mime_type,"
                " digest, chunk_size, total_chunks, bytes_done, started_at, updated_at,"
                " is_resumable, channel, sender_repeats, owes_final_ack, wire, file_count) VALUES"
                " (?, 'receive', 'accepted', 'alice', 'x', 30, '', 'd', 0, 0, 0, 1, 1, 0, 'c', 1,"
                " 0, '2', ?)",
                (transfer_id, count),
            )
        connection.execute("INSERT INTO manifests VALUES ('one', 'm'), ('many', 'm')")
        connection.commit()
    with Database(path) as database:
        records = {one.info.id: one.manifest_digest for one in Journal(database).records()}
        assert records == {"one": None, "many": "d", "not read": "d"}
