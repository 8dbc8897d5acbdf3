import sqlite3
from contextlib import closing

from ocft.storage.records import COLUMNS
from ocft.storage.schema import MIGRATIONS


def test_the_steps_make_the_columns_that_records_use() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statements in MIGRATIONS:
            for statement in statements:
                connection.execute(statement)
        columns = connection.execute("SELECT name FROM pragma_table_info('transfers')").fetchall()
    assert tuple(name for (name,) in columns) == COLUMNS
