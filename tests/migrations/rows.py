"""A row in every table, made from the models: each column as its type and its keys want it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, Integer, MetaData, Table, insert
from sqlalchemy import select as select_rows
from sqlalchemy.types import TypeDecorator

from webcloud.db import Database
from webcloud.models import metadata

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
Rows = dict[str, list[dict[str, Any]]]


def fill(url: str) -> None:
    """Put one row into every table; the schema is the newest."""
    database = Database(url)
    made: dict[str, dict[str, Any]] = {}
    with database.transaction() as session:
        for table in metadata.sorted_tables:
            row = {column.name: _value(column, made) for column in table.columns}
            made[table.name] = row
            session.execute(insert(table).values(row))
    database.engine.dispose()


def rows_of(url: str) -> Rows:
    """Every row of every table, whatever version the schema is at."""
    database = Database(url)
    found = MetaData()
    found.reflect(database.engine)
    with database.engine.connect() as connection:
        rows = {table.name: _read(connection, table) for table in found.sorted_tables}
    database.engine.dispose()
    rows.pop("alembic_version")
    return rows


def _read(connection: Any, table: Table) -> list[dict[str, Any]]:
    return [
        {name: _plain(value) for name, value in row.items()}
        for row in connection.execute(select_rows(table)).mappings()
    ]


def _plain(value: Any) -> Any:
    """The same however a database gives it: JSON comes as text or decoded."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    return value


def _value(column: Column[Any], made: dict[str, dict[str, Any]]) -> Any:
    for key in column.foreign_keys:
        target = key.column
        if target.table.name in made:
            return made[target.table.name][target.name]
        return None  # Itself, or a circle: such a key may be empty.
    kind = column.type
    while isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    if isinstance(kind, JSON):
        return {"key": ["value", 1]}
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, DateTime):
        return MOMENT
    if isinstance(kind, Integer):
        return 7
    if isinstance(kind, Float):
        return 0.5
    length = getattr(kind, "length", None) or 40
    return f"{column.table.name}.{column.name} ế"[:length]
