"""The log of an operation: one append-only row for each thing that happened.

Users read it as steps and times, so a detail holds codes, numbers and the
class of an error, never the text of an exception.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from webcloud.conductor import plan
from webcloud.conductor.models import OperationEvent, OperationRow
from webcloud.db import now

_TOGETHER = "conductor_events"
# Past the ORM. What returns something goes to a server as one statement, however many rows.
_table = OperationEvent.metadata.tables["operation_event"]
_INSERT = insert(_table).inline()
_INSERT_ALL = insert(_table).returning(_table.c.id)
Entry = dict[str, Any]


def record(
    session: Session,
    row: OperationRow,
    event: str,
    *,
    step: str = "",
    worker: str = "",
    **detail: Any,
) -> None:
    """Add one event; ``detail`` is stored as a JSON object."""
    entry = entry_of(row, event, step=step, worker=worker, **detail)
    waiting: list[Entry] | None = session.info.get(_TOGETHER)
    if waiting is None:
        session.add(OperationEvent(**entry))
    else:
        waiting.append(entry)


def entry_of(
    row: OperationRow, event: str, *, step: str = "", worker: str = "", **detail: Any
) -> Entry:
    """What ``record`` writes, as {column: value}, for who writes it himself."""
    return {
        "operation_id": row.id,
        "at": now(),
        "step": step,
        "event": event,
        "worker": worker,
        "detail": json.dumps(detail) if detail else "",
    }


def gathered(session: Session) -> list[Entry]:
    """What has been recorded in a block of ``together`` and is not written yet."""
    return list(session.info.get(_TOGETHER, ()))


def leave(session: Session, entries: list[Entry]) -> None:
    """Only these are left to be written when the block of ``together`` ends."""
    session.info[_TOGETHER][:] = entries


@contextmanager
def together(session: Session) -> Iterator[None]:
    """What is recorded in the block is written by one statement when it ends well."""
    gathered: list[Entry] = []
    session.info[_TOGETHER] = gathered
    try:
        yield
    finally:
        del session.info[_TOGETHER]
    if gathered:
        session.flush()
        if len(gathered) == 1:
            session.connection().execute(_INSERT, gathered[0])
        else:
            session.connection().execute(_INSERT_ALL, gathered)


def step_of(row: OperationRow) -> str:
    """The present step as it is called in the log and by hosts."""
    return row.step if row.direction == "forward" else f"undo:{row.step}"


def note_begun(session: Session, row: OperationRow, worker: str, moment: datetime) -> datetime:
    """When the present step was first begun; recorded as this moment if it was not yet."""
    began = plan.begun_at(row)
    if began is None:
        record(session, row, "started", step=step_of(row), worker=worker)
    return began or moment
