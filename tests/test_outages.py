"""What errors of the three drivers mean: real ones, raised by the databases themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.support.databases import Servers
from webcloud import outages
from webcloud.db import Database
from webcloud.errors import Unavailable

FULL = "The disk that holds the database is full, so nothing can be written."
AWAY = "The database cannot be reached or is locked."


def raised(url: str, *statements: str) -> Unavailable | None:
    """What the error of the last statement is told as."""
    database = Database(url)
    with pytest.raises(DBAPIError) as failed, database.engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    database.engine.dispose()
    return outages.told(failed.value)


def test_a_full_sqlite_file_is_told_from_a_locked_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db"
    found = raised(
        url,
        "CREATE TABLE t (x TEXT)",
        "PRAGMA max_page_count = 10",
        "INSERT INTO t VALUES (hex(zeroblob(100000)))",
    )
    assert found is not None
    assert found.message == FULL
    assert found.next_step
    nowhere = raised("sqlite:////nowhere/at/all", "SELECT 1")
    assert nowhere is not None
    assert nowhere.message == AWAY


@pytest.mark.parametrize(
    ("state", "told"), [("53100", FULL), ("57P01", AWAY), ("25006", AWAY), ("22012", None)]
)
def test_postgresql_is_understood_by_its_states(
    state: str, told: str | None, servers: Servers
) -> None:
    block = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"
    found = raised(servers.url("postgresql"), block)
    assert (found and found.message) == told


@pytest.mark.parametrize(
    ("number", "told"), [(1021, FULL), (1114, FULL), (1290, AWAY), (1406, None)]
)
def test_mariadb_is_understood_by_its_numbers(
    number: int, told: str | None, servers: Servers
) -> None:
    signal = f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}"
    found = raised(servers.url("mariadb"), signal)
    assert (found and found.message) == told
