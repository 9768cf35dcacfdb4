"""Accepting operations, and superseding what is under way.

All of it happens in the caller's transaction, beside the caller's own rows:
a request is accepted by one commit or not at all.  A subject has at most one
unfinished operation; who would start a second one gets Busy, except deleting,
which supersedes: it cancels what runs and starts when that has been unwound.
Change your own rows first: steps lock the resource before its operation too.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webcloud.conductor import events, queries, registry, signals
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Operation
from webcloud.conductor.plan import new_state
from webcloud.conductor.waking import cancel, request_cancel, wake
from webcloud.db import new_id, now
from webcloud.errors import Busy, Conflict
from webcloud.words import say, word

FIRST_GENERATION = 2

__all__ = ["cancel", "same_request", "start", "start_successor", "supersede", "wake"]


def start(
    session: Session,
    operation_class: type[Operation],
    *,
    subject_id: str,
    params: dict[str, Any],
    subject_name: str = "",
    project_id: str | None = None,
    user_id: str | None = None,
    request_id: str = "",
    idempotency_key: str | None = None,
    idempotency_hash: str | None = None,
    operation_id: str | None = None,
    extra_seconds: float = 0,
    first: bool = False,
) -> OperationRow:
    """Accept an operation; it begins a few milliseconds after the commit.

    ``extra_seconds`` are what this one may take beyond its kind's time.

    ``first`` says that the subject is made in this transaction, so that it has
    had no operation yet and nobody looks for one.

    With an idempotency key seen before, the operation of that time is
    returned and nothing is written (see ``queries.replayed``); who has written
    rows for a subject of its own must then drop them (``same_request``).  Raises Busy
    when the subject has an unfinished operation, Conflict when the key was
    used for something else or is being used at this moment.
    """
    earlier = queries.replayed(session, idempotency_key, idempotency_hash)
    if earlier is not None:
        return earlier
    subject_type = operation_class.subject_type
    if not first and queries.active_operation(session, subject_type, subject_id) is not None:
        raise _busy(subject_type)
    moment = now()
    allowed = operation_class.deadline_seconds + extra_seconds
    row = OperationRow(
        id=operation_id or new_id(),
        kind=registry.get(operation_class.kind).kind,
        plan_version=operation_class.version,
        subject_type=subject_type,
        subject_id=subject_id,
        subject_name=subject_name,
        project_id=project_id,
        user_id=user_id,
        request_id=request_id,
        active_key=queries.active_key(subject_type, subject_id),
        idempotency_key=idempotency_key,
        idempotency_hash=idempotency_hash,
        params=params,
        state=new_state(operation_class),
        step=operation_class.steps[0].name,
        generation=FIRST_GENERATION if first else 0,
        status="queued",
        run_at=moment,
        deadline_at=moment + timedelta(seconds=allowed),
        allowed_seconds=allowed,
        created_at=moment,
    )
    session.flush()
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise _collision(session, row) from None
    # Read only now: the unique key has ended every race for this subject.
    if not first:
        row.generation = _next_generation(session, row)
    events.record(session, row, "accepted")
    signals.changed(session, row)
    signals.accepted(session, row.id)
    return row


def supersede(
    session: Session,
    operation_class: type[Operation],
    *,
    subject_id: str,
    params: dict[str, Any],
    subject_name: str = "",
    project_id: str | None = None,
    user_id: str | None = None,
    request_id: str = "",
    idempotency_key: str | None = None,
    idempotency_hash: str | None = None,
) -> str:
    """Start the operation, or make it the successor of what is unfinished.

    Returns the id of the operation which does the work: a new one, the
    running one when it is of the same kind, or the successor-to-be (its row
    appears when the cancelled operation has been unwound).  Raises Busy when
    an operation of a third kind is already waiting to succeed.
    """
    given: dict[str, Any] = {
        "subject_name": subject_name,
        "project_id": project_id,
        "user_id": user_id,
        "request_id": request_id,
        "params": params,
    }
    subject_type = operation_class.subject_type
    running = queries.active_operation(session, subject_type, subject_id, for_update=True)
    if running is None:
        try:
            return start(
                session,
                operation_class,
                subject_id=subject_id,
                idempotency_key=idempotency_key,
                idempotency_hash=idempotency_hash,
                **given,
            ).id
        except Busy:
            # Another operation was accepted between the look and the start.
            running = queries.active_operation(session, subject_type, subject_id, for_update=True)
            if running is None:
                raise
    if running.kind == operation_class.kind:
        return running.id
    if running.successor_id is not None:
        if running.successor_kind != operation_class.kind:
            raise _busy(subject_type)
        return running.successor_id
    running.successor_kind = operation_class.kind
    running.successor_id = new_id()
    running.successor_params = given
    request_cancel(session, running)
    return running.successor_id


def start_successor(session: Session, finished: OperationRow) -> None:
    """Start what waited for this operation to end, in the same transaction."""
    if finished.successor_kind is None:
        return
    session.flush()
    start(
        session,
        registry.get(finished.successor_kind),
        subject_id=finished.subject_id,
        operation_id=finished.successor_id,
        **(finished.successor_params or {"params": {}}),
    )


def _next_generation(session: Session, row: OperationRow) -> int:
    """Even, and above every generation the subject has had; unwinding adds one."""
    highest = session.scalar(
        select(func.max(OperationRow.generation)).where(
            OperationRow.subject_type == row.subject_type,
            OperationRow.subject_id == row.subject_id,
        )
    )
    return (int(highest or 0) // 2 + 1) * 2


def _collision(session: Session, row: OperationRow) -> Conflict:
    if queries.active_operation(session, row.subject_type, row.subject_id) is not None:
        return _busy(row.subject_type)
    return same_request()


def same_request() -> Conflict:
    """Another sending of the request, with the same key, has won the race against this one."""
    return Conflict(
        "The same request is being handled at this moment.",
        next_step="Send it again with the same idempotency key to get its result.",
    )


def _busy(subject_type: str) -> Busy:
    return Busy(
        say(
            "Another operation is under way on this {subject_type}.",
            subject_type=word(subject_type),
        ),
        next_step="Wait until it has ended and try again.",
    )
