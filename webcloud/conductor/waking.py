"""Waking and cancelling operations that were accepted before.

Both only write wishes into the row, in the caller's transaction; the worker
that has or takes the operation carries them out.  One that has ended is left
as it is.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webcloud.conductor import events, registry, signals
from webcloud.conductor.models import OperationRow
from webcloud.db import now
from webcloud.errors import Conflict

# Taking a lease sets the time at which it is due to that moment.  A wake sets an
# earlier one, by more than clocks differ, so that the worker which is running the
# step sees it when it compares, and does not nap over it.
EARLIER = timedelta(hours=1)


def cancel(session: Session, operation_id: str) -> None:
    """Ask that the operation be unwound; one that has ended stays as it is.

    Raises Conflict when operations of its kind cannot be cancelled.
    """
    row = _locked_unfinished(session, operation_id)
    if row is None:
        return
    if registry.get(row.kind).forward_only:
        raise Conflict(
            "This operation cannot be cancelled once it has been accepted.",
            next_step="Wait until it has ended.",
        )
    request_cancel(session, row)


def wake(session: Session, operation_id: str) -> None:
    """Run the operation's step again at once: what it waits for may have come.

    It also locks the row, where the database locks rows.
    """
    woken = session.execute(
        update(OperationRow)
        .where(OperationRow.id == operation_id, OperationRow.finished_at.is_(None))
        .values(run_at=now() - EARLIER)
    )
    if woken.rowcount:  # type: ignore[attr-defined]
        signals.accepted(session, operation_id)


def request_cancel(session: Session, row: OperationRow) -> None:
    """Have the row, which is locked, unwound as soon as its present step has ended."""
    if not row.cancel_requested:
        row.cancel_requested = True
        events.record(session, row, "cancel", step=row.step)
        signals.changed(session, row)
    row.run_at = now() - EARLIER
    signals.accepted(session, row.id)


def _locked_unfinished(session: Session, operation_id: str) -> OperationRow | None:
    return session.scalars(
        select(OperationRow)
        .where(OperationRow.id == operation_id, OperationRow.finished_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
