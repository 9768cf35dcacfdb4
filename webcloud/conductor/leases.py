"""Leases: the right of one worker to run the steps of one operation for a while.

A lease is a random token and an end time in the operation's row, taken by one
conditional UPDATE.  Every change under a lease first locks the row and
compares the token; who has lost it gets LeaseLost and its transaction is
rolled back.  When a worker dies, its lease ends by itself and another worker
goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, bindparam, case, or_, select, true, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from webcloud import db
from webcloud.clock import TOLERANCE
from webcloud.conductor import signals
from webcloud.conductor.models import OperationRow
from webcloud.db import Database, is_alone, new_id, now

SECONDS = 10.0
# No lease and no nap ends later than this from now, in seconds. A row that says so was
# written before the clock jumped back, and is not believed.
LONGEST = 60.0
LONGEST_NAP = 60.0
# A wake is earlier than the time at which the lease was taken, if that is not older.
RENEWED = timedelta(minutes=1)
_APART = "operation_apart"
_HELD = select(OperationRow).where(
    OperationRow.id == bindparam("held_id"), OperationRow.lease_token == bindparam("held_token")
)
_table = OperationRow.metadata.tables["operation"]
# All that anybody writes to a row whose lease he has not got.
_CONFIRMED = (
    select(
        _table.c.cancel_requested,
        _table.c.successor_kind,
        _table.c.successor_id,
        _table.c.successor_params,
        _table.c.run_at,
        _table.c.deadline_at,
    )
    .where(_table.c.id == bindparam("held_id"), _table.c.lease_token == bindparam("held_token"))
    .with_for_update()
)


class LeaseLost(Exception):
    """Another worker has taken over; nothing of the present transaction may stay."""


@dataclass
class Lease:
    """``taken`` is on the monotonic clock; ``run_at`` is what the row says since it was taken.

    ``again_at`` is when the operation is due again, once it has been given back;
    ``row`` is what its step before has committed, for the next one.
    """

    operation_id: str
    token: str
    worker: str
    seconds: float
    taken: float
    run_at: datetime
    again_at: datetime | None = None
    row: OperationRow | None = None


def due(database: Database, most: int = 1) -> list[tuple[str, datetime]]:
    """The operations that nobody holds and when they become due, the earliest first."""
    moment = now()
    farthest = _farthest(moment)
    with database.reading() as session:
        rows = session.execute(
            select(OperationRow.id, OperationRow.run_at)
            .where(_free(moment))
            .order_by(case((OperationRow.run_at > farthest, 0), else_=1), OperationRow.run_at)
            .limit(most)
        )
        # A time that is not to be believed has come.
        return [(found, moment if at > farthest else at) for found, at in rows]


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
    token = new_id()
    with database.transaction() as session:
        moment, taken = now(), time.monotonic()
        result = session.execute(
            update(OperationRow)
            .where(
                OperationRow.id == operation_id,
                _free(moment),
                true()
                if early
                else or_(OperationRow.run_at <= moment, OperationRow.run_at > _farthest(moment)),
            )
            .values(
                lease_token=token,
                lease_until=moment + timedelta(seconds=seconds),
                attempt=OperationRow.attempt + 1,
                status=case(
                    (OperationRow.status == "queued", "running"), else_=OperationRow.status
                ),
                # So that every wake from now on is earlier than this.
                run_at=moment,
            )
        )
    if not result.rowcount:  # type: ignore[attr-defined]
        return None
    return Lease(operation_id, token, worker, seconds, taken, moment)


def held(session: Session, lease: Lease) -> OperationRow:
    """The row under this lease, not locked.  Raises LeaseLost.

    Steps run before the lock is taken, so that rows are locked in the same
    order as by the web: first the resource, then its operation.  What the step
    before has committed is not read again: only ``confirmed`` decides.
    """
    if is_alone(session):
        known = session.info.get(_APART) or session.get(OperationRow, lease.operation_id)
        if known is None or known.lease_token != lease.token:
            raise LeaseLost(lease.operation_id)
        return known
    if lease.row is not None:
        session.add(lease.row)
        return lease.row
    row = session.scalars(_HELD, _named(lease)).one_or_none()
    if row is None:
        raise LeaseLost(lease.operation_id)
    return row


def confirmed(session: Session, lease: Lease, row: OperationRow) -> OperationRow:
    """Lock the row and take over what others have written to it.  Raises LeaseLost."""
    if is_alone(session):
        return held(session, lease)
    session.flush()
    found = session.connection().execute(_CONFIRMED, _named(lease)).one_or_none()
    if found is None:
        raise LeaseLost(lease.operation_id)
    for name, value in found._mapping.items():
        set_committed_value(row, name, value)
    return row


@contextmanager
def apart(session: Session, lease: Lease) -> Iterator[None]:
    """In the block the row is not written at each query; it is when the block ends well.

    For a transaction that has the database to itself.
    """
    row = session.get_one(OperationRow, lease.operation_id)
    session.expunge(row)
    session.info[_APART] = row
    try:
        yield
    finally:
        del session.info[_APART]
    session.add(row)


def keep(row: OperationRow, lease: Lease) -> None:
    """Renew the lease for the next step; the first attempt at it begins."""
    lease.taken = time.monotonic()
    moment = now()
    # An index has this time, so that writing it costs a server as much as all the rest.
    if row.run_at < lease.run_at or abs(moment - lease.run_at) > RENEWED:
        lease.run_at = row.run_at = moment
    row.lease_until = moment + timedelta(seconds=lease.seconds)
    row.attempt = 1


def release(session: Session, row: OperationRow, lease: Lease, seconds: float) -> None:
    """Give the operation back, due again in ``seconds`` or LONGEST_NAP; at once if woken."""
    woken = row.run_at < lease.run_at
    pause = 0 if woken else min(seconds, LONGEST_NAP)
    row.run_at = lease.again_at = now() + timedelta(seconds=pause)
    row.lease_until = row.lease_token = None
    if woken:
        signals.accepted(session, row.id)


def _named(lease: Lease) -> dict[str, str]:
    return {"held_id": lease.operation_id, "held_token": lease.token}


def is_late(row: OperationRow, moment: datetime) -> bool:
    """Whether the operation's time is over; nobody's is while the clock has just jumped."""
    return moment >= row.deadline_at and not db.clock.settling


def hand_back(database: Database, lease: Lease) -> None:
    """Give the operation back unchanged, so that another worker goes on at once."""
    with database.transaction() as session:
        session.execute(
            update(OperationRow)
            .where(OperationRow.id == lease.operation_id, OperationRow.lease_token == lease.token)
            .values(lease_token=None, lease_until=None, attempt=0)
        )


def _free(moment: datetime) -> ColumnElement[bool]:
    return and_(
        OperationRow.finished_at.is_(None),
        or_(
            OperationRow.lease_until.is_(None),
            OperationRow.lease_until < moment,
            OperationRow.lease_until > moment + timedelta(seconds=LONGEST + TOLERANCE),
        ),
    )


def _farthest(moment: datetime) -> datetime:
    return moment + timedelta(seconds=LONGEST_NAP + TOLERANCE)
