"""The ends of an operation and the turn towards them.

An operation ends done, failed or cancelled, always through its hook and in
one transaction that also frees the subject and starts the successor.  Before
failed or cancelled come the undos of the steps that were begun: ``unwind``
turns an operation round.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from webcloud.conductor import at_once, events, signals, starting
from webcloud.conductor.leases import Lease, keep
from webcloud.conductor.models import OperationRow
from webcloud.conductor.plan import Plan, failed
from webcloud.db import now
from webcloud.words import mark

DONE = "done"
CANCELLED = "cancelled"
SUPERSEDED = "superseded"
DEADLINE = "deadline_exceeded"
INTERNAL = "internal_error"

MESSAGES = {
    CANCELLED: mark("The operation was cancelled."),
    SUPERSEDED: mark("The operation was cancelled because the resource is being deleted."),
    DEADLINE: mark("The operation did not finish within its time limit and was rolled back."),
    INTERNAL: mark(
        "The operation met an internal error again and again and was rolled back. "
        "The operator finds the cause in the log under the operation's id."
    ),
}


def unwind(
    session: Session, row: OperationRow, lease: Lease, plan: Plan, *, code: str, message: str = ""
) -> None:
    """Turn the operation round; the step that was begun last is undone first.

    The generation rises, so that a host refuses what the forward direction
    still sends.  The lease is kept.
    """
    row.direction, row.status = "unwind", "unwinding"
    row.generation += 1
    message = message or MESSAGES[code]
    row.error_code, row.error_message = code, str(message)
    row.why, row.progress = "", None
    row.step = plan.undoable(row.step)
    row.state = failed(row, message)
    keep(row, lease)
    signals.turned(session, row)
    signals.changed(session, row)


def alarm(session: Session, row: OperationRow, lease: Lease, code: str) -> None:
    """Record that an operator should look, and remember that it was said."""
    row.deadline_alarmed = True
    events.record(session, row, "alarm", step=row.step, worker=lease.worker, code=code)


def end(session: Session, row: OperationRow, lease: Lease) -> None:
    """Write the end, free the subject, start the successor.  The hook has been called."""
    if row.direction == "forward":
        status = DONE
    else:
        status = "cancelled" if row.error_code in (CANCELLED, SUPERSEDED) else "failed"
    for name, value in _ended(status).items():
        setattr(row, name, value)
    events.record(session, row, "finished", worker=lease.worker, status=status)
    _tell(session, row)
    starting.start_successor(session, row)


def end_at_once(session: Session, row: OperationRow, lease: Lease, state: dict[str, Any]) -> bool:
    """The good end in one statement; False, and nothing is written, if it has to be ``end``."""
    last = events.entry_of(row, "finished", worker=lease.worker, status=DONE)
    if not at_once.write(session, row, lease, {"state": state, **_ended(DONE)}, last):
        return False
    _tell(session, row)
    return True


def _ended(status: str) -> dict[str, Any]:
    empty = dict.fromkeys(("active_key", "lease_until", "lease_token", "progress"))
    return {"status": status, **empty, "why": "", "finished_at": now()}


def _tell(session: Session, row: OperationRow) -> None:
    signals.turned(session, row)
    signals.changed(session, row)
