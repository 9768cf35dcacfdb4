"""Connections to each kind of database, set up as the project relies on.

SQLite: WAL, full sync, foreign keys, and transactions that we begin ourselves.
Servers: READ COMMITTED, an end to transactions whose client has frozen, and a
question before a connection that has rested is used: the server may have been
restarted.  One that was in use a moment ago is not asked, because asking costs
as much as a statement; should it be gone, that transaction alone fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import InvalidatePoolError

RESTED_SECONDS = 1.0


def engine(
    url: str,
    *,
    lock_seconds: float,
    idle_seconds: int,
    json_deserializer: Callable[[str], Any],
) -> Engine:
    """An engine for the database at ``url``; nothing is connected yet.

    ``lock_seconds`` is how long SQLite waits for another process, and
    ``idle_seconds`` how long a server lets a transaction say nothing.
    """
    options: dict[str, Any] = {"json_deserializer": json_deserializer}
    backend = make_url(url).get_backend_name()
    if backend == "sqlite":
        options["connect_args"] = {"timeout": lock_seconds, "check_same_thread": False}
    else:
        # The same on both: MariaDB's default reads from an old snapshot and locks gaps.
        options["isolation_level"] = "READ COMMITTED"
    if backend in ("mysql", "mariadb"):
        # A comment to MySQL, which has no such setting.
        bound = f"/*M! SET SESSION idle_transaction_timeout = {idle_seconds} */"
        options["connect_args"] = {"init_command": bound}
    if make_url(url).database:  # One in memory is kept by its thread, not in such a pool.
        options.update(pool_size=20, max_overflow=30)
    made = create_engine(url, **options)
    if backend == "sqlite":
        _prepare_sqlite(made, lock_seconds)
    else:
        _ask_after_rest(made)
    if backend == "postgresql":
        _prepare_postgresql(made, idle_seconds)
    return made


def _ask_after_rest(made: Engine) -> None:
    """Replace connections whose server does not answer any more, before they are used."""

    @event.listens_for(made, "connect")
    @event.listens_for(made, "checkin")
    def on_rest(_connection: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(made, "checkout")
    def on_use(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info["rests_since"] < RESTED_SECONDS:
            return
        try:
            made.dialect.do_ping(connection)
        except made.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error


def _prepare_postgresql(made: Engine, idle_seconds: int) -> None:
    """Have the server end a transaction that a frozen client holds open."""

    @event.listens_for(made, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{idle_seconds}s'")
        cursor.close()
        connection.commit()


def _prepare_sqlite(made: Engine, lock_seconds: float) -> None:
    """WAL, full sync, foreign keys, and transactions begun by us, not by the driver."""

    @event.listens_for(made, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={lock_seconds * 1000:.0f}")
        cursor.close()

    @event.listens_for(made, "begin")
    def on_begin(connection: Any) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")
