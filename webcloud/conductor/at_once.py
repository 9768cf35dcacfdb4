"""What a step leaves behind, in one statement: for when nobody else has written to the row.

On a server a step mostly ends alone with its row.  Then one UPDATE moves the
operation on, or ends it, under the condition that nothing has changed which
others may change; where the database can (PostgreSQL), the same statement also
writes the log.  False means that nothing was written and the row has to be
locked and looked at (``leases.confirmed``).  Where a transaction has the
database to itself this is never so.
"""

from __future__ import annotations

import time
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import bindparam, insert, select, union_all, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql import Executable

from webcloud.conductor import events
from webcloud.conductor.leases import OURS, Lease, is_stale, named
from webcloud.conductor.models import OperationEvent, OperationRow
from webcloud.db import is_alone, now, tells_changed_rows

_table = OperationRow.metadata.tables["operation"]
_log = OperationEvent.metadata.tables["operation_event"]
_UNTOUCHED = (
    OURS,
    _table.c.cancel_requested.is_(False),
    _table.c.run_at == bindparam("known_run_at"),
    _table.c.deadline_at == bindparam("known_deadline_at"),
)


def advance(
    session: Session, row: OperationRow, lease: Lease, *, state: dict[str, Any], step: str
) -> bool:
    """Write that the next step begins, and renew the lease."""
    moment = now()
    values = {
        "state": state,
        "step": step,
        "why": "",
        "progress": None,
        "attempt": 1,
        "lease_until": moment + timedelta(seconds=lease.seconds),
    }
    if is_stale(row, lease, moment) or not write(session, row, lease, values):
        return False
    lease.taken = time.monotonic()
    return True


def write(
    session: Session, row: OperationRow, lease: Lease, values: dict[str, Any], *more: events.Entry
) -> bool:
    """Write these columns, and into the log what was recorded and ``more``."""
    # Whoever makes another operation wait for this one has it cancelled too.
    if is_alone(session) or row.cancel_requested:
        return False
    session.flush()
    connection = session.connection()
    entries = [*events.gathered(session), *more]
    told, left = [], entries
    if tells_changed_rows(session):
        told = [entry for entry in entries if entry["operation_id"] == row.id]
        left = [entry for entry in entries if entry["operation_id"] != row.id]
    given = named(lease) | {"known_run_at": row.run_at, "known_deadline_at": row.deadline_at}
    given |= {f"new_{name}": value for name, value in values.items()}
    for number, entry in enumerate(told):
        given |= {f"{name}_{number}": value for name, value in entry.items()}
    written = connection.execute(_statement(tuple(values), len(told)), given)
    if not written.rowcount:
        return False
    for name, value in values.items():
        set_committed_value(row, name, value)
    events.leave(session, left)
    return True


@cache
def _statement(names: tuple[str, ...], entries: int) -> Executable:
    """The update of these columns; with entries, it is part of inserting them."""
    changed = (
        update(_table).where(*_UNTOUCHED).values({name: bindparam(f"new_{name}") for name in names})
    )
    if not entries:
        return changed
    row = changed.returning(_table.c.id).cte("changed")
    columns = [column for column in _log.c if column.name not in ("id", "operation_id")]
    lines = [
        select(
            row.c.id,
            *(bindparam(f"{column.name}_{number}", type_=column.type) for column in columns),
        )
        for number in range(entries)
    ]
    into = ["operation_id", *(column.name for column in columns)]
    told = insert(_log).inline().from_select(into, union_all(*lines))
    # Of an insert the count is kept only on request.
    return told.execution_options(preserve_rowcount=True)
