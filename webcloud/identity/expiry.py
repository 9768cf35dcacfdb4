"""Removes tokens, sessions and login links whose time is over.

Expired ones are refused at once by whoever looks them up; this only keeps
the tables small, some hundred rows at a time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from webcloud.db import Database, now
from webcloud.identity.models import BrowserSession, LoginLink, Token

BATCH = 500


def sweep(database: Database) -> None:
    """Delete what has expired by now. Registered as periodic work."""
    clear(database, now())


def clear(database: Database, due: datetime) -> int:
    """Delete what had expired by ``due``; returns how many rows."""
    return (
        _clear(database, Token, Token.token_hash, due)
        + _clear(database, BrowserSession, BrowserSession.session_hash, due)
        + _clear(database, LoginLink, LoginLink.link_hash, due)
    )


def _clear(database: Database, table: Any, key: Any, due: datetime) -> int:
    removed = 0
    while True:
        with database.reading() as session:
            keys = session.scalars(select(key).where(table.expires_at <= due).limit(BATCH)).all()
        if not keys:
            return removed
        with database.transaction() as session:
            session.execute(delete(table).where(key.in_(keys)))
        removed += len(keys)
