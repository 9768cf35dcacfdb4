"""Takes up a migration that was broken off, where a change of the schema commits by itself.

SQLite and PostgreSQL run a whole upgrade in one transaction: killed, it never
was.  MariaDB and MySQL commit with every statement that changes the schema,
so a killed migration has made the first of its changes and the version is
still the old one.  There each change is looked up first and left out when it
is there already; running the migration again then makes the rest.  Each
single statement happens whole or not at all (MariaDB 10.6, MySQL 8).

Alembic finds these classes by ``__dialect__``: a migration uses ``op`` as ever.
What it does to rows (``op.execute``) must bear to be done twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from alembic.ddl import base, mysql
from sqlalchemy import Connection, Inspector, inspect, schema

log = logging.getLogger(__name__)


class ResumableMySQL(mysql.MySQLImpl):
    """MySQL as Alembic drives it, but for what has been done before."""

    __dialect__ = "mysql"

    def _exec(self, construct: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.as_sql and is_done(self.connection, construct):
            log.info("already there: %s", type(construct).__name__)
            return None
        return super()._exec(construct, *args, **kwargs)


class ResumableMariaDB(ResumableMySQL):
    """The same under MariaDB's name."""

    __dialect__ = "mariadb"


def is_done(connection: Connection | None, construct: Any) -> bool:
    """Whether the database already is as this change of the schema would make it.

    False for what can simply be repeated: changing a column's type, and rows.
    """
    look = _LOOKS.get(type(construct))
    if look is None or connection is None:
        return False
    return look(inspect(connection), construct)


def _columns(found: Inspector, table: str) -> set[str]:
    return {column["name"] for column in found.get_columns(table)}


def _indexes(found: Inspector, table: str) -> set[str | None]:
    return {index["name"] for index in found.get_indexes(table)}


def _constraints(found: Inspector, table: str) -> set[str | None]:
    kinds = (found.get_foreign_keys, found.get_unique_constraints, found.get_check_constraints)
    return {each["name"] for kind in kinds for each in kind(table)}


def _renamed(found: Inspector, change: mysql.MySQLChangeColumn) -> bool:
    columns = _columns(found, change.table_name)
    return change.column_name not in columns and change.newname in columns


_LOOKS: dict[type, Callable[[Inspector, Any], bool]] = {
    schema.CreateTable: lambda found, do: found.has_table(do.element.name),
    schema.DropTable: lambda found, do: not found.has_table(do.element.name),
    schema.CreateIndex: lambda found, do: do.element.name in _indexes(found, do.element.table.name),
    schema.DropIndex: lambda found, do: (
        do.element.name not in _indexes(found, do.element.table.name)
    ),
    schema.AddConstraint: lambda found, do: (
        do.element.name in _constraints(found, do.element.table.name)
    ),
    schema.DropConstraint: lambda found, do: (
        do.element.name not in _constraints(found, do.element.table.name)
    ),
    base.AddColumn: lambda found, do: do.column.name in _columns(found, do.table_name),
    base.DropColumn: lambda found, do: do.column.name not in _columns(found, do.table_name),
    base.RenameTable: lambda found, do: (
        not found.has_table(do.table_name) and found.has_table(do.new_table_name)
    ),
    mysql.MySQLChangeColumn: _renamed,
}
