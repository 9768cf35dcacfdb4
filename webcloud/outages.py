"""What a database driver's error means to a caller: come back later, or a defect of ours.

SQLAlchemy's classes do not tell a server that restarts from a disk that is
full, and a standby that refuses to write looks like a defect.  So the drivers'
own codes are looked at: SQLite's result codes, PostgreSQL's SQLSTATE and
MariaDB's error numbers; never an error's text.
"""

from __future__ import annotations

import errno
import sqlite3
from typing import Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from webcloud.errors import Unavailable
from webcloud.words import mark

FULL_SQLITE = {sqlite3.SQLITE_FULL}
FULL_POSTGRESQL = {"53100"}  # disk_full
# ER_DISK_FULL; ER_RECORD_FILE_FULL; the system's own error on writing a file.
FULL_MARIADB = {1021, 1114, errno.ENOSPC}
# 57P: the server is ending or starting; 08: the connection; 25006: it has become a standby.
AWAY_POSTGRESQL = ("57P", "08", "25006")
# The server is read-only (as a replica is); it is ending; the connection was killed.
AWAY_MARIADB = {1290, 1053, 1927}


def told(error: DBAPIError) -> Unavailable | None:
    """The error as Unavailable when it can pass by itself, else None."""
    code = _code(error)
    if code in FULL_SQLITE | FULL_POSTGRESQL | FULL_MARIADB:
        return Unavailable(
            mark("The disk that holds the database is full, so nothing can be written."),
            next_step=mark("Make room there; webcloud then goes on by itself."),
        )
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        return _away()
    if code in AWAY_MARIADB or (isinstance(code, str) and code.startswith(AWAY_POSTGRESQL)):
        return _away()
    return None


def _away() -> Unavailable:
    return Unavailable(mark("The database cannot be reached or is locked."))


def _code(error: DBAPIError) -> Any:
    """The driver's own code; None when it gave none."""
    driver: Any = error.orig
    arguments = getattr(driver, "args", ())
    if arguments and isinstance(arguments[0], int):
        return arguments[0]
    if isinstance(driver, sqlite3.Error):
        # SQLite adds details above the low byte of its code.
        return getattr(driver, "sqlite_errorcode", 0) & 0xFF
    return getattr(driver, "sqlstate", None)
