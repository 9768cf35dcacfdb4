"""One program at a time changes the schema: several controllers may start at once.

The one that waited finds the work done.  The turn ends with the connection.
Raises Unavailable (through ``translated_errors``) after a minute of waiting.
"""

from __future__ import annotations

from sqlalchemy import Connection

from webcloud.errors import Unavailable

KEY = 0x77656263  # "webc"; any number that nothing else in the database locks.
SECONDS = 60


def take(connection: Connection) -> None:
    """Wait for the turn, on a connection that has done nothing yet."""
    kind = connection.dialect.name
    if kind == "sqlite":
        # Copying a table drops the old one, which would cascade to its children.
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql(f"PRAGMA busy_timeout={SECONDS * 1000}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif kind == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({KEY})")
    else:
        taken = connection.exec_driver_sql(
            f"SELECT GET_LOCK(CONCAT('webcloud:', DATABASE()), {SECONDS})"
        ).scalar()
        if taken != 1:
            raise Unavailable("Another program is changing the database's schema.")
