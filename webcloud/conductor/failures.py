"""What follows when a step raised: turn round, try again later, or set aside.

StepFailed turns the operation round.  Any other exception is retried with
growing, random pauses; after too many attempts or past the deadline the
operation is turned round with an alarm.  An undo is retried for ever, and so is
a step of an operation that only goes forward, whatever it raised.  A row
that cannot be carried out at all is set aside and looked at again later, so
that one bad row never stops the others.  Users see codes and the project's
own sentences, never the text of an exception; that goes to the log.
"""

from __future__ import annotations

import json
import logging
import random
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webcloud.conductor import events, finishing, leases
from webcloud.conductor.leases import Lease, LeaseLost
from webcloud.conductor.models import OperationEvent, OperationRow
from webcloud.conductor.operation import StepFailed
from webcloud.conductor.plan import Isolated, Plan, begun, plan_of
from webcloud.db import Database, now
from webcloud.errors import WebcloudError

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 20
LONGEST_PAUSE = 60.0


def handle(database: Database, lease: Lease, error: Exception) -> bool:
    """Record the failure of the present step; True when the lease was kept."""
    lease.row = None  # What the step left of it was not committed.
    try:
        if isinstance(error, Isolated):
            _set_aside(database, lease, error.reason)
            return False
        with database.transaction() as session:
            row = leases.confirmed(session, lease, leases.held(session, lease))
            return _decide(session, row, lease, plan_of(row), error)
    except LeaseLost:
        log.warning("operation %s: the lease was lost after a failure", lease.operation_id)
    except WebcloudError:
        # The database is away; the lease ends by itself and the step is tried again.
        log.exception("operation %s: its failure was not recorded", lease.operation_id)
    except Exception as unreadable:
        log.exception("operation %s: its row cannot be carried out", lease.operation_id)
        if not isinstance(error, Isolated):
            return handle(database, lease, Isolated(f"{type(unreadable).__name__} on its row"))
    return False


def pause(attempt: int) -> float:
    """Seconds before the next attempt: doubling up to a minute, never in step."""
    return min(2.0 ** min(attempt, 10), LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311


def _decide(
    session: Session, row: OperationRow, lease: Lease, plan: Plan, error: Exception
) -> bool:
    moment = now()
    late = leases.is_late(row, moment)
    row.state = begun(row, events.note_begun(session, row, lease.worker, moment))
    may_turn = row.direction == "forward" and not plan.operation.forward_only
    if may_turn:
        if isinstance(error, StepFailed):
            events.record(
                session,
                row,
                "failed",
                step=row.step,
                worker=lease.worker,
                code=error.code,
                message=error.message,
            )
            if error.keep is not None:
                error.keep(session)
            finishing.unwind(session, row, lease, plan, code=error.code, message=error.message)
            return True
        if late or row.attempt >= MOST_ATTEMPTS:
            _log(row, error)
            code = finishing.DEADLINE if late else finishing.INTERNAL
            finishing.alarm(session, row, lease, code)
            finishing.unwind(session, row, lease, plan, code=code)
            return True
    elif late and not row.deadline_alarmed:
        finishing.alarm(session, row, lease, finishing.DEADLINE)
    _log(row, error)
    left = (row.deadline_at - moment).total_seconds()
    seconds = pause(row.attempt)
    if may_turn:
        seconds = 0 if _turns(row, plan) else min(seconds, max(left, 0))
    events.record(
        session,
        row,
        "retry",
        step=events.step_of(row),
        worker=lease.worker,
        error=error.code if isinstance(error, StepFailed) else type(error).__name__,
        attempt=row.attempt,
        again_in=round(seconds, 1),
    )
    leases.release(session, row, lease, seconds)
    return False


def _turns(row: OperationRow, plan: Plan) -> bool:
    return row.cancel_requested and not plan.operation.forward_only


def _log(row: OperationRow, error: Exception) -> None:
    log.error(
        "operation %s (%s): step %s failed, attempt %s",
        row.id,
        row.kind,
        row.step,
        row.attempt,
        exc_info=error,
    )


def _set_aside(database: Database, lease: Lease, reason: str) -> None:
    """Push the row out with an alarm the first time, reading no column that may be broken."""
    with database.transaction() as session:
        same = (OperationRow.id == lease.operation_id, OperationRow.lease_token == lease.token)
        found = session.execute(
            select(OperationRow.step, OperationRow.why, OperationRow.attempt)
            .where(*same)
            .with_for_update()
        ).first()
        if found is None:
            raise LeaseLost(lease.operation_id)
        why = f"isolated: {reason}"[:255]
        if found.why != why:
            log.error("operation %s is set aside: %s", lease.operation_id, reason)
            session.add(
                OperationEvent(
                    operation_id=lease.operation_id,
                    at=now(),
                    step=found.step,
                    event="alarm",
                    worker=lease.worker,
                    detail=json.dumps({"code": "isolated"}),
                )
            )
        session.execute(
            update(OperationRow)
            .where(*same)
            .values(
                why=why,
                # The pause grows up to a minute, but never counts as a failed attempt.
                attempt=min(found.attempt, 6),
                run_at=now() + timedelta(seconds=pause(found.attempt)),
                lease_until=None,
                lease_token=None,
            )
        )
