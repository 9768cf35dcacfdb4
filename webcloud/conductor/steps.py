"""Running one step: one transaction for its effects and the move to the next.

``execute`` runs the step (or undo) that a leased operation stands at and says
whether to go on with the next one under the same lease.  Where a transaction
has the database to itself, a step that is ``with_next`` shares it.  A step ends as Done,
Wait or an exception; whatever else it returns is an error.  Before a forward
step it looks whether the operation was cancelled or is past its deadline.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from webcloud.conductor import at_once, events, failures, finishing, leases, signals
from webcloud.conductor.leases import Lease, LeaseLost
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Done, Run, StepFailed, StepFunction, Wait
from webcloud.conductor.plan import Isolated, Plan, begun, begun_at, error_of, moved, plan_of, shown
from webcloud.db import Database, is_alone, now
from webcloud.errors import WebcloudError

log = logging.getLogger(__name__)


def execute(database: Database, lease: Lease) -> bool:
    """Run one step; True when the lease was kept for the next one."""
    before = replace(lease)
    try:
        return _execute(database, lease, joining=True)
    except _NotJoined:
        vars(lease).update(vars(before))
        return _execute(database, lease, joining=False)


class _NotJoined(Exception):
    """A step that shared its predecessor's transaction failed; both are run anew, apart."""


def _execute(database: Database, lease: Lease, *, joining: bool) -> bool:
    try:
        with database.transaction() as session, events.together(session):
            kept, joins = _advance(session, lease)
            if joining and joins and is_alone(session):
                kept = _join(session, lease)
            return kept
    except LeaseLost:
        log.warning("operation %s: the lease was lost, nothing was written", lease.operation_id)
        return False
    except _NotJoined:
        raise
    except Exception as error:
        return failures.handle(database, lease, error)


def _join(session: Session, lease: Lease) -> bool:
    """Run the steps that follow in the same transaction; the row is written once, at its end."""
    with leases.apart(session, lease):
        try:
            kept, joins = _advance(session, lease)
            while joins:
                kept, joins = _advance(session, lease)
        except Exception as error:
            raise _NotJoined from error
    return kept


def _advance(session: Session, lease: Lease) -> tuple[bool, bool]:
    """Whether the lease was kept, and whether the next step may join this transaction."""
    row = leases.held(session, lease)
    plan = plan_of(row)
    step = row.step
    forward = row.direction == "forward"
    kept = _turn(session, row, lease, plan)
    lease.row = row
    return kept, kept and forward and row.step != step and plan.step(step).with_next


def _turn(session: Session, row: OperationRow, lease: Lease, plan: Plan) -> bool:
    if row.attempt == 1 and row.step == plan.steps[0].name and begun_at(row) is None:
        # Until now it was queued.
        signals.changed(session, row)
    if row.direction == "unwind":
        return _backward(session, row, lease, plan)
    code = _reason_to_turn(row, plan)
    if code is None:
        return _forward(session, row, lease, plan)
    row = leases.confirmed(session, lease, row)
    if code != finishing.CANCELLED:
        finishing.alarm(session, row, lease, code)
    elif row.successor_id is not None:
        code = finishing.SUPERSEDED
    finishing.unwind(session, row, lease, plan, code=code)
    return True


def _reason_to_turn(row: OperationRow, plan: Plan) -> str | None:
    if plan.operation.forward_only:
        return None
    if row.cancel_requested:
        return finishing.CANCELLED
    if leases.is_late(row, now()):
        return finishing.DEADLINE
    if row.attempt > failures.MOST_ATTEMPTS:
        # Only a process that died each time in this step comes here.
        return finishing.INTERNAL
    return None


def _forward(session: Session, row: OperationRow, lease: Lease, plan: Plan) -> bool:
    step = plan.step(row.step)
    moment = now()
    persists = plan.operation.forward_only
    if persists and row.attempt > failures.MOST_ATTEMPTS:
        # Only a process that died each time comes here; the others get their turn.
        raise Isolated("the process dies in this step")
    following = plan.after(step.name)
    run = _run(session, row, step.name, moment, persists)
    result = _call(step.do, run, last=following is None)
    if isinstance(result, Wait):
        return _nap(session, row, lease, result, moment=moment, persists=persists)
    if following is None:
        run = _run(session, row, step.name, moment, persists)
        run.state.update(result.state)
        plan.operation.finished(run)
        session.flush()
    # A step that was begun and done at once leaves one line: it says how long it took.
    began = begun_at(row) or moment
    events.record(
        session, row, "done", step=step.name, worker=lease.worker, ms=_milliseconds(began)
    )
    state = moved(row, result.state)
    if following is None:
        if not finishing.end_at_once(session, row, lease, state):
            row = leases.confirmed(session, lease, row)
            row.state = state
            finishing.end(session, row, lease)
        return False
    if not at_once.advance(session, row, lease, state=state, step=following.name):
        row = leases.confirmed(session, lease, row)
        row.state, row.step, row.why, row.progress = state, following.name, "", None
        leases.keep(row, lease)
    signals.changed(session, row)
    return True


def _backward(session: Session, row: OperationRow, lease: Lease, plan: Plan) -> bool:
    moment = now()
    following, outputs, undone = "", {}, row.step
    if undone:
        step = plan.step(undone)
        # A plan whose step lost its undo in an upgrade has nothing to run here.
        if step.undo is not None:
            result = _call(step.undo, _run(session, row, f"undo:{undone}", moment, True))
            if isinstance(result, Wait):
                return _nap(session, row, lease, result, moment=moment, persists=True)
            outputs = result.state
        following = plan.undoable(undone, before=True)
    if not following:
        run = _run(session, row, "", moment, True)
        plan.operation.failed(run, row.error_code, error_of(row))
        session.flush()
    row = leases.confirmed(session, lease, row)
    if undone:
        began = begun_at(row) or moment
        events.record(
            session, row, "undone", step=undone, worker=lease.worker, ms=_milliseconds(began)
        )
    row.state = moved(row, outputs)
    row.step, row.why, row.progress = following, "", None
    if not following:
        finishing.end(session, row, lease)
        return False
    leases.keep(row, lease)
    signals.changed(session, row)
    return True


def _call(function: StepFunction, run: Run, *, last: bool = False) -> Done | Wait:
    try:
        result = function(run)
        # The end of the last step is written together with the end of its operation.
        if not (last and isinstance(result, Done)):
            run.session.flush()
    except WebcloudError as error:
        if 400 <= error.status < 500:
            raise StepFailed(error.code, error.full_message) from error
        raise
    if not isinstance(result, Done | Wait):
        raise TypeError(f"{run.step} returned {type(result).__name__}, not Done or Wait")
    return result


def _nap(
    session: Session,
    row: OperationRow,
    lease: Lease,
    wait: Wait,
    *,
    moment: datetime,
    persists: bool,
) -> bool:
    row = leases.confirmed(session, lease, row)
    row.state = begun(row, events.note_begun(session, row, lease.worker, moment))
    seconds = wait.seconds
    if not persists:
        left = (row.deadline_at - now()).total_seconds()
        seconds = max(0.0, min(seconds, left))
    elif leases.is_late(row, now()) and not row.deadline_alarmed:
        finishing.alarm(session, row, lease, finishing.DEADLINE)
    if (row.why, row.progress) != (wait.why, wait.progress):
        row.why, row.progress = wait.why[:255], wait.progress
        signals.changed(session, row)
    row.attempt = 0
    leases.release(session, row, lease, seconds)
    return False


def _run(session: Session, row: OperationRow, step: str, moment: datetime, persists: bool) -> Run:
    return Run(session, row, dict(row.params), shown(row), step, moment, persists)


def _milliseconds(began: datetime) -> float:
    return max(0.0, round((now() - began) / timedelta(milliseconds=1), 1))
