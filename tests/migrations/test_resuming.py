"""Each kind of change to the schema, done twice, is done once where DDL commits by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, make_url

from tests.support.databases import Servers
from webcloud.migrations import resuming

Change = Callable[[Operations], object]

# In this order each finds what it needs.
CHANGES: list[Change] = [
    lambda op: op.create_table(
        "house", sa.Column("id", sa.Integer, primary_key=True), sa.Column("city", sa.String(20))
    ),
    lambda op: op.create_table("door", sa.Column("id", sa.Integer, primary_key=True)),
    lambda op: op.add_column("door", sa.Column("house_id", sa.Integer)),
    lambda op: op.create_index("ix_door_house_id", "door", ["house_id"]),
    lambda op: op.create_foreign_key("fk_door_house", "door", "house", ["house_id"], ["id"]),
    lambda op: op.create_unique_constraint("uq_house_city", "house", ["city"]),
    lambda op: op.create_check_constraint("ck_door_house", "door", "house_id > 0"),
    lambda op: op.alter_column(
        "house", "city", new_column_name="town", existing_type=sa.String(20)
    ),
    lambda op: op.alter_column("house", "town", type_=sa.String(40), existing_type=sa.String(20)),
    lambda op: op.drop_constraint("ck_door_house", "door", type_="check"),
    lambda op: op.drop_constraint("uq_house_city", "house", type_="unique"),
    lambda op: op.drop_constraint("fk_door_house", "door", type_="foreignkey"),
    lambda op: op.drop_index("ix_door_house_id", "door"),
    lambda op: op.drop_column("door", "house_id"),
    lambda op: op.rename_table("door", "gate"),
    lambda op: op.drop_table("gate"),
]


@pytest.fixture
def connection(servers: Servers) -> Iterator[Connection]:
    """An empty database of this test's own on MariaDB."""
    server = make_url(servers.url("mariadb"))
    outer = create_engine(server, isolation_level="AUTOCOMMIT")
    with outer.connect() as made:
        made.exec_driver_sql("CREATE DATABASE resumed")
    engine = create_engine(server.set(database="resumed"))
    try:
        with engine.connect() as opened:
            yield opened
    finally:
        engine.dispose()
        with outer.connect() as made:
            made.exec_driver_sql("DROP DATABASE resumed")
        outer.dispose()


def schema(connection: Connection) -> list[tuple[str, str]]:
    """Each table as MariaDB writes it."""
    return [
        (name, connection.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1])
        for name in sorted(sa.inspect(connection).get_table_names())
    ]


def test_a_change_that_is_there_already_is_left_out(connection: Connection) -> None:
    op = Operations(MigrationContext.configure(connection))
    assert isinstance(op.get_context().impl, resuming.ResumableMySQL)
    before: list[tuple[str, str]] = []
    for number, change in enumerate(CHANGES):
        change(op)
        once = schema(connection)
        assert once != before, f"change {number} did nothing"
        change(op)
        assert schema(connection) == once, f"change {number} was made twice"
        before = once
    assert [name for name, _ in before] == ["house"]


def test_nothing_is_looked_up_for_a_script_that_is_only_printed() -> None:
    assert not resuming.is_done(None, sa.schema.CreateTable(sa.Table("x", sa.MetaData())))
