"""Reading operations.  Nothing here changes a row.

The conductor knows no permissions: a caller that shows operations to a user
asks only for subjects and projects which that user may see.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.conductor.models import OperationEvent, OperationRow
from webcloud.errors import Conflict


def active_key(subject_type: str, subject_id: str) -> str:
    """The value whose unique index allows one unfinished operation per subject."""
    return f"{subject_type}:{subject_id}"


def active_operation(
    session: Session, subject_type: str, subject_id: str, *, for_update: bool = False
) -> OperationRow | None:
    """The subject's unfinished operation, if any; locked until commit on request."""
    question = select(OperationRow).where(
        OperationRow.active_key == active_key(subject_type, subject_id)
    )
    if for_update:
        question = question.with_for_update().execution_options(populate_existing=True)
    return session.scalars(question).one_or_none()


def operations_of(
    session: Session, subject_type: str, subject_id: str, limit: int = 50
) -> Sequence[OperationRow]:
    """The subject's operations, newest first."""
    return session.scalars(
        select(OperationRow)
        .where(OperationRow.subject_type == subject_type, OperationRow.subject_id == subject_id)
        .order_by(OperationRow.created_at.desc(), OperationRow.generation.desc())
        .limit(limit)
    ).all()


def operations_of_project(
    session: Session, project_id: str | None, limit: int = 50
) -> Sequence[OperationRow]:
    """A project's operations, newest first; None means those of every project."""
    question = select(OperationRow).order_by(OperationRow.created_at.desc()).limit(limit)
    if project_id is not None:
        question = question.where(OperationRow.project_id == project_id)
    return session.scalars(question).all()


def events_of(session: Session, operation_id: str) -> Sequence[OperationEvent]:
    """The operation's log, oldest first."""
    return session.scalars(
        select(OperationEvent)
        .where(OperationEvent.operation_id == operation_id)
        .order_by(OperationEvent.id)
    ).all()


def replayed(
    session: Session, idempotency_key: str | None, idempotency_hash: str | None
) -> OperationRow | None:
    """The operation that an earlier request with this key started, if any.

    A service asks before it writes rows of its own.  Raises Conflict when the
    key was used with other contents.
    """
    if idempotency_key is None:
        return None
    row = session.scalars(
        select(OperationRow).where(OperationRow.idempotency_key == idempotency_key)
    ).one_or_none()
    if row is not None and row.idempotency_hash != idempotency_hash:
        raise Conflict(
            "This idempotency key was already used for a different request.",
            next_step="Send the new request with a new key.",
        )
    return row
