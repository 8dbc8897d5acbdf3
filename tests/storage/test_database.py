import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from ocft.errors import JournalError, NotEnoughSpaceError
from ocft.storage import Database
from ocft.storage.database import readable, storable
from ocft.storage.schema import MIGRATIONS


def _add_peer(database: Database, peer_id: str) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO peers (id, secret) VALUES (?, 's')", (peer_id,))


def _peer_ids(database: Database) -> list[str]:
    return [row["id"] for row in database.query("SELECT id FROM peers ORDER BY id")]


def _count_without_log(database: Database) -> int:
    main_file = sqlite3.connect(f"file:{database.path}?immutable=1", uri=True)
    with closing(main_file) as connection:
        count: int = connection.execute("SELECT count(*) FROM peers").fetchone()[0]
    return count


def _open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_only_the_owner_can_read_the_folder_and_the_files(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Database(tmp_path / "home" / "ocft.sqlite3") as database:
            _add_peer(database, "bob")
            files = sorted(path.name for path in database.path.parent.iterdir())
            modes = {path.stat().st_mode & 0o777 for path in database.path.parent.iterdir()}
    finally:
        os.umask(before)
    assert files == ["ocft.sqlite3", "ocft.sqlite3-shm", "ocft.sqlite3-wal"]
    assert modes == {0o600}
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


def test_a_path_with_characters_that_mean_something_in_a_uri_works(tmp_path: Path) -> None:
    path = tmp_path / "a ?mode=memory#%41.db"
    with Database(path) as database:
        _add_peer(database, "bob")
    with Database(path) as database:
        assert _peer_ids(database) == ["bob"]


def test_a_transaction_that_fails_changes_nothing(database: Database) -> None:
    def add_and_fail() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO peers (id, secret) VALUES ('bob', 's')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_fail()
    assert _peer_ids(database) == []
    _add_peer(database, "carol")
    assert _peer_ids(database) == ["carol"]


def test_errors_of_sqlite_become_journal_errors(database: Database) -> None:
    with pytest.raises(JournalError) as caught:
        database.query("SELECT * FROM nothing")
    assert isinstance(caught.value.__cause__, sqlite3.Error)


def test_a_full_disk_says_so(database: Database) -> None:
    database.query("PRAGMA max_page_count = 1")
    with pytest.raises(NotEnoughSpaceError), database.transaction() as connection:
        connection.execute("INSERT INTO peers (id, secret) VALUES ('bob', ?)", ("s" * 100_000,))
    assert _peer_ids(database) == []


def test_a_closed_database_is_a_journal_error_and_closes_again(database: Database) -> None:
    database.close()
    database.close()
    database.checkpoint()
    with pytest.raises(JournalError):
        database.data_version()


@pytest.mark.parametrize("content", [b"no database, " * 100, b"x"])
def test_a_file_that_is_no_database_is_a_journal_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ocft.sqlite3"
    path.write_bytes(content)
    with pytest.raises(JournalError):
        Database(path)
    assert path.read_bytes() == content


def test_a_folder_in_its_place_is_a_journal_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError):
        Database(tmp_path)


def test_a_file_where_its_folder_should_be_is_a_journal_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(JournalError):
        Database(tmp_path / "home" / "ocft.sqlite3")
    with pytest.raises(JournalError):
        Database(tmp_path / "home" / "deeper" / "ocft.sqlite3")


def test_a_database_of_a_newer_version_asks_for_an_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "ocft.sqlite3"
    Database(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(JournalError, match="Upgrade"):
        Database(path)


def test_a_migration_that_fails_leaves_the_version_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ocft.sqlite3"
    broken = (*MIGRATIONS, ("CREATE TABLE more (x)", "CREATE TABLE nonsense"))
    monkeypatch.setattr("ocft.storage.database.MIGRATIONS", broken)
    with pytest.raises(JournalError):
        Database(path)
    monkeypatch.undo()
    with Database(path) as database:
        assert database.query("SELECT name FROM sqlite_schema WHERE name = 'more'") == []


def test_the_data_version_changes_with_the_commits_of_others_only(database: Database) -> None:
    before = database.data_version()
    _add_peer(database, "bob")
    database.checkpoint()
    assert database.data_version() == before
    with Database(database.path) as other:
        _add_peer(other, "carol")
    assert database.data_version() != before


def test_processes_that_start_together_make_one_database(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from ocft.storage.database import Database\n"
        "sys.stdin.read(1)\n"
        "with Database(Path(sys.argv[1])) as database, database.transaction() as connection:\n"
        "    connection.execute(\"INSERT INTO peers (id, secret) VALUES (?, '')\", sys.argv[2:])\n"
    )
    path = tmp_path / "home" / "ocft.sqlite3"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path), str(number)], stdin=subprocess.PIPE
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
    with Database(path) as database:
        assert _peer_ids(database) == ["0", "1", "2", "3"]


def test_two_threads_can_commit_while_a_third_checkpoints(database: Database) -> None:
    def add_many(prefix: str) -> None:
        for number in range(50):
            _add_peer(database, f"{prefix}{number}")

    def checkpoint_often() -> None:
        for _ in range(20):
            database.checkpoint()

    threads = [
        threading.Thread(target=add_many, args=("a",)),
        threading.Thread(target=add_many, args=("b",)),
        threading.Thread(target=checkpoint_often),
    ]
    before = _open_descriptors()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_peer_ids(database)) == 100
    assert _open_descriptors() <= before + 3  # SQLite keeps some for the next connection


def test_only_a_checkpoint_moves_commits_out_of_the_log(database: Database) -> None:
    log = database.path.with_name(database.path.name + "-wal")
    database.checkpoint()
    for number in range(1100):
        _add_peer(database, f"{number:05}")
    assert log.stat().st_size > 1000 * 4096  # SQLite's own threshold
    assert _count_without_log(database) == 0
    due_before = database.is_checkpoint_due
    database.checkpoint()
    assert (due_before, database.is_checkpoint_due) == (True, False)
    before = log.stat().st_size
    _add_peer(database, "one more")  # starts the log again
    assert log.stat().st_size == before
    assert _count_without_log(database) == 1100


def test_a_transaction_has_the_write_lock_from_its_beginning(database: Database) -> None:
    with (
        database.transaction(),
        closing(sqlite3.connect(database.path, timeout=0)) as other,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


def test_a_commit_survives_the_kill_of_its_process(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from ocft.storage.database import Database\n"
        "database = Database(Path(sys.argv[1]))\n"
        "with database.transaction() as connection:\n"
        "    connection.execute(\"INSERT INTO peers (id, secret) VALUES ('bob', '')\")\n"
        "os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "ocft.sqlite3"
    assert subprocess.run([sys.executable, "-c", program, path], check=False).returncode == -9
    with Database(path) as database:
        assert _peer_ids(database) == ["bob"]


@pytest.mark.parametrize("text", ["", "plain", "caf\u00e9 \U0001f517", "a\0b", "not utf-8: \udcff"])
def test_every_text_comes_back_from_a_column(database: Database, text: str) -> None:
    (row,) = database.query("SELECT ? AS text", (storable(text),))
    assert readable(row["text"]) == text
