"""The rows of the conductor: operations, their log, and periodic work.

An operation row is the queue entry, the lease and the progress report in
one.  ``active_key`` is "type:id" of the subject while the operation is
unfinished and NULL afterwards; its unique index is what allows at most one
unfinished operation per resource on every database.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webcloud.db import Base, Id


class OperationRow(Base):
    """One accepted piece of work, from acceptance to its defined end."""

    __tablename__ = "operation"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))  # e.g. instance.create
    plan_version: Mapped[int] = mapped_column(Integer, default=1)
    subject_type: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[str] = mapped_column(Id)
    subject_name: Mapped[str] = mapped_column(String(255), default="")
    project_id: Mapped[str | None] = mapped_column(Id)
    user_id: Mapped[str | None] = mapped_column(Id)
    request_id: Mapped[str] = mapped_column(String(64), default="")
    active_key: Mapped[str | None] = mapped_column(String(80), unique=True)
    idempotency_key: Mapped[str | None] = mapped_column(String(140), unique=True)
    idempotency_hash: Mapped[str | None] = mapped_column(String(64))

    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    state: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # outputs of earlier steps
    step: Mapped[str] = mapped_column(String(64))  # the step to do (or undo) next
    direction: Mapped[str] = mapped_column(String(8), default="forward")  # forward | unwind
    generation: Mapped[int] = mapped_column(Integer, default=1)  # fencing, rises per subject
    status: Mapped[str] = mapped_column(String(12), default="queued")
    # queued, running, unwinding, done, failed, cancelled
    why: Mapped[str] = mapped_column(String(255), default="")  # what it waits for
    progress: Mapped[float | None] = mapped_column()  # 0..1 within the step, when known
    error_code: Mapped[str] = mapped_column(String(64), default="")
    error_message: Mapped[str] = mapped_column(Text, default="")

    cancel_requested: Mapped[bool] = mapped_column(default=False)
    successor_kind: Mapped[str | None] = mapped_column(String(64))
    successor_id: Mapped[str | None] = mapped_column(Id)
    successor_params: Mapped[dict[str, Any] | None] = mapped_column(JSON)

    run_at: Mapped[datetime] = mapped_column()
    lease_until: Mapped[datetime | None] = mapped_column()
    lease_token: Mapped[str | None] = mapped_column(Id)
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    deadline_at: Mapped[datetime] = mapped_column()
    # How long it may take in all; what an older version accepted has its kind's.
    allowed_seconds: Mapped[float | None] = mapped_column()
    deadline_alarmed: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column()
    finished_at: Mapped[datetime | None] = mapped_column()

    __table_args__ = (
        Index("ix_operation_due", "finished_at", "run_at"),
        Index("ix_operation_subject", "subject_type", "subject_id", "created_at"),
        Index("ix_operation_project", "project_id", "created_at"),
    )


class OperationEvent(Base):
    """The operation's log, append only: what users read as its steps and times."""

    __tablename__ = "operation_event"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    operation_id: Mapped[str] = mapped_column(ForeignKey("operation.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column()
    step: Mapped[str] = mapped_column(String(64))
    event: Mapped[str] = mapped_column(String(16))
    # accepted, started, done, retry, failed, undone, cancel, alarm, finished
    worker: Mapped[str] = mapped_column(String(64), default="")
    detail: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (Index("ix_operation_event_operation_id", "operation_id", "id"),)


class PeriodicRow(Base):
    """When a reconciler runs next, and who has it now."""

    __tablename__ = "periodic"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    run_at: Mapped[datetime] = mapped_column()
    lease_until: Mapped[datetime | None] = mapped_column()
    lease_token: Mapped[str | None] = mapped_column(Id)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")
    finished_at: Mapped[datetime | None] = mapped_column()
