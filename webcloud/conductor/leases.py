"""Leases: the right of one worker to run the steps of one operation for a while.

A lease is a random token and an end time in the operation's row (``taking``
writes them).  Every change under a lease compares the token, with the row
locked or in the same statement; who has lost it gets LeaseLost and its
transaction is rolled back.  When a worker dies, its lease ends by itself and
another worker goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from webcloud import db
from webcloud.conductor import signals
from webcloud.conductor.models import OperationRow
from webcloud.db import is_alone, now

SECONDS = 10.0
# No lease and no nap ends later than this from now, in seconds. A row that says so was
# written before the clock jumped back, and is not believed.
LONGEST = 60.0
LONGEST_NAP = 60.0
# A wake is earlier than the time at which the lease was taken, if that is not older.
RENEWED = timedelta(minutes=1)
_APART = "operation_apart"
_table = OperationRow.metadata.tables["operation"]
# The row, if it is still under this lease.
OURS = and_(_table.c.id == bindparam("held_id"), _table.c.lease_token == bindparam("held_token"))
_HELD = select(OperationRow).where(OURS)
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
    .where(OURS)
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


def held(session: Session, lease: Lease) -> OperationRow:
    """The row under this lease, not locked and mostly not in the session.  Raises LeaseLost.

    Steps run before the lock is taken, so that rows are locked in the same
    order as by the web: first the resource, then its operation.  What the step
    before has committed is not read again: only ``confirmed`` decides, and only
    what it returns may be changed.
    """
    if is_alone(session):
        known = session.info.get(_APART) or session.get(OperationRow, lease.operation_id)
        if known is None or known.lease_token != lease.token:
            raise LeaseLost(lease.operation_id)
        return known
    if lease.row is not None:
        return lease.row
    row = session.scalars(_HELD, named(lease)).one_or_none()
    if row is None:
        raise LeaseLost(lease.operation_id)
    return row


def confirmed(session: Session, lease: Lease, row: OperationRow) -> OperationRow:
    """Lock the row and take over what others have written to it.  Raises LeaseLost."""
    if is_alone(session):
        return held(session, lease)
    session.flush()
    found = session.connection().execute(_CONFIRMED, named(lease)).one_or_none()
    if found is None:
        raise LeaseLost(lease.operation_id)
    if row not in session:
        _attach(session, row)
    for name, value in found._mapping.items():
        set_committed_value(row, name, value)
    return row


def _attach(session: Session, row: OperationRow) -> None:
    """Have the session write the row, also if the step has read it a second time."""
    for read in list(session):
        if isinstance(read, OperationRow) and read.id == row.id:
            session.expunge(read)
    session.add(row)


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
    if is_stale(row, lease, moment):
        lease.run_at = row.run_at = moment
    row.lease_until = moment + timedelta(seconds=lease.seconds)
    row.attempt = 1


def is_stale(row: OperationRow, lease: Lease, moment: datetime) -> bool:
    """Whether the row has been woken since the lease was taken, or says too old a time.

    An index has this time, so that writing it costs a server as much as all the rest.
    """
    return row.run_at < lease.run_at or abs(moment - lease.run_at) > RENEWED


def release(session: Session, row: OperationRow, lease: Lease, seconds: float) -> None:
    """Give the operation back, due again in ``seconds`` or LONGEST_NAP; at once if woken."""
    woken = row.run_at < lease.run_at
    pause = 0 if woken else min(seconds, LONGEST_NAP)
    row.run_at = lease.again_at = now() + timedelta(seconds=pause)
    row.lease_until = row.lease_token = None
    if woken:
        signals.accepted(session, row.id)


def named(lease: Lease) -> dict[str, str]:
    """The values that OURS asks for."""
    return {"held_id": lease.operation_id, "held_token": lease.token}


def is_late(row: OperationRow, moment: datetime) -> bool:
    """Whether the operation's time is over; nobody's is while the clock has just jumped."""
    return moment >= row.deadline_at and not db.clock.settling
