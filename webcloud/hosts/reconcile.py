"""Keeps the tables of commands and events small."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from webcloud.db import Database, now
from webcloud.hosts import events
from webcloud.hosts.models import HostCommand

KEEP_FINISHED = timedelta(hours=24)
KEEP_QUERY = timedelta(minutes=2)


def expire_commands(database: Database) -> None:
    """Drop commands that ended a day ago, queries nobody can still wait for, old events."""
    moment = now()
    with database.transaction() as session:
        session.execute(
            delete(HostCommand).where(
                HostCommand.status != "open", HostCommand.finished_at < moment - KEEP_FINISHED
            )
        )
        session.execute(
            delete(HostCommand).where(
                HostCommand.operation_id.is_(None), HostCommand.created_at < moment - KEEP_QUERY
            )
        )
        events.forget_old(session)
