"""Taking an operation that nobody holds: which are due, and the lease of one.

One conditional UPDATE decides who gets it, so of two that try at once one gets
nothing.  A time in a row that lies too far ahead was written before the clock
jumped back, and counts as come.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, case, or_, select, update

from webcloud.clock import TOLERANCE
from webcloud.conductor.leases import LONGEST, LONGEST_NAP, SECONDS, Lease
from webcloud.conductor.models import OperationRow
from webcloud.db import Database, UtcDateTime, new_id, now
from webcloud.errors import WebcloudError

log = logging.getLogger(__name__)

_table = OperationRow.metadata.tables["operation"]
_moment = bindparam("moment", type_=UtcDateTime)
_last_nap = bindparam("last_nap", type_=UtcDateTime)
_FREE = and_(
    _table.c.finished_at.is_(None),
    or_(
        _table.c.lease_until.is_(None),
        _table.c.lease_until < _moment,
        _table.c.lease_until > bindparam("last_lease"),
    ),
)
_DUE = (
    select(
        _table.c.id,
        # None is a time that is not to be believed, or that cannot be read: it has come.
        case((_table.c.run_at > _last_nap, None), else_=_table.c.run_at).label("due_at"),
    )
    .where(_FREE)
    .order_by(case((_table.c.run_at > _last_nap, 0), else_=1), _table.c.run_at)
    .limit(bindparam("most"))
)
_TAKE = (
    update(_table)
    .where(_table.c.id == bindparam("taken_id"), _FREE)
    .values(
        lease_token=bindparam("new_token"),
        lease_until=bindparam("new_until"),
        attempt=_table.c.attempt + 1,
        status=case((_table.c.status == "queued", "running"), else_=_table.c.status),
        # So that every wake from now on is earlier than this.
        run_at=_moment,
    )
)
_TAKE_DUE = _TAKE.where(or_(_table.c.run_at <= _moment, _table.c.run_at > _last_nap))
# The same where the database tells the row that it has changed.
_TOLD = {
    early: select(OperationRow).from_statement(take.returning(*_table.c))
    for early, take in ((True, _TAKE), (False, _TAKE_DUE))
}


def due(database: Database, most: int = 1) -> list[tuple[str, datetime]]:
    """The operations that nobody holds and when they become due, the earliest first."""
    moment = now()
    with database.reading() as session:
        rows = session.execute(_DUE, {"moment": moment, "most": most} | _limits(moment))
        return [(found, moment if at is None else at) for found, at in rows]


def claim(
    database: Database,
    worker: str,
    seconds: float = SECONDS,
    operation_id: str | None = None,
    *,
    early: bool = True,
) -> Lease | None:
    """Take the lease of the operation that has been due longest, or of the named one.

    The named one is taken before it is due unless ``early`` is False.  None when
    there is nothing to take.
    """
    if operation_id is not None:
        return _take(database, worker, seconds, operation_id, early)
    while (earliest := due(database)) and earliest[0][1] <= now():
        lease = _take(database, worker, seconds, earliest[0][0], early)
        if lease is not None:
            return lease
    return None


def _take(
    database: Database, worker: str, seconds: float, operation_id: str, early: bool
) -> Lease | None:
    if database.tells_changed_rows:
        try:
            with database.transaction() as session:
                lease = Lease(operation_id, new_id(), worker, seconds, time.monotonic(), now())
                lease.row = session.scalars(_TOLD[early], _given(lease)).one_or_none()
            return lease if lease.row is not None else None
        except WebcloudError:
            raise
        except Exception:
            # Whoever runs its step finds that again, and sets the operation aside.
            log.exception("operation %s cannot be read", operation_id)
    with database.transaction() as session:
        # Only now, for on SQLite a transaction waits for its turn.
        lease = Lease(operation_id, new_id(), worker, seconds, time.monotonic(), now())
        taken = session.connection().execute(_TAKE if early else _TAKE_DUE, _given(lease))
    return lease if taken.rowcount else None


def _given(lease: Lease) -> dict[str, Any]:
    return {
        "taken_id": lease.operation_id,
        "new_token": lease.token,
        "moment": lease.run_at,
        "new_until": lease.run_at + timedelta(seconds=lease.seconds),
    } | _limits(lease.run_at)


def hand_back(database: Database, lease: Lease) -> None:
    """Give the operation back unchanged, so that another worker goes on at once."""
    with database.transaction() as session:
        session.execute(
            update(OperationRow)
            .where(OperationRow.id == lease.operation_id, OperationRow.lease_token == lease.token)
            .values(lease_token=None, lease_until=None, attempt=0)
        )


def _limits(moment: datetime) -> dict[str, datetime]:
    """What lies later than this was written before the clock jumped back."""
    return {
        "last_lease": moment + timedelta(seconds=LONGEST + TOLERANCE),
        "last_nap": moment + timedelta(seconds=LONGEST_NAP + TOLERANCE),
    }
