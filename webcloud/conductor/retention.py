"""Forgets operations that ended long ago, with their logs, a batch at a time.

The newest operation of a subject is kept whatever its age: its generation is
above all that hosts have seen for the subject, and the next one's must be
higher still.  The audit log is another thing and stays.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import aliased

from webcloud.conductor.models import OperationEvent, OperationRow
from webcloud.db import Database, now

log = logging.getLogger(__name__)

KEPT = timedelta(days=90)
EVERY_SECONDS = 3600.0
BATCH = 200


def sweep(database: Database) -> None:
    """Drop what ended more than KEPT ago; each batch is a transaction of its own."""
    dropped = 0
    while count := _drop_batch(database):
        dropped += count
    if dropped:
        log.info("%s operations that ended over %s ago were forgotten", dropped, KEPT)


def _drop_batch(database: Database) -> int:
    newer = aliased(OperationRow)
    outlived = exists().where(
        newer.subject_type == OperationRow.subject_type,
        newer.subject_id == OperationRow.subject_id,
        newer.generation > OperationRow.generation,
    )
    old = select(OperationRow.id).where(OperationRow.finished_at < now() - KEPT, outlived)
    with database.transaction() as session:
        ids = session.scalars(old.limit(BATCH)).all()
        session.execute(delete(OperationEvent).where(OperationEvent.operation_id.in_(ids)))
        session.execute(delete(OperationRow).where(OperationRow.id.in_(ids)))
    return len(ids)
