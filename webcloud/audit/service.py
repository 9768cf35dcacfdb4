"""Writes audit entries."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from webcloud.audit.models import AuditEntry
from webcloud.db import now


def record(
    session: Session,
    *,
    actor: str,
    action: str,
    subject_type: str,
    subject_id: str,
    subject_name: str = "",
    project_id: str | None = None,
    user_id: str | None = None,
    request_id: str = "",
    operation_id: str | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Add one entry to the caller's transaction. ``detail`` must hold no secret."""
    session.add(
        AuditEntry(
            at=now(),
            actor=actor,
            action=action,
            subject_type=subject_type,
            subject_id=subject_id,
            subject_name=subject_name,
            project_id=project_id,
            user_id=user_id,
            request_id=request_id,
            operation_id=operation_id,
            detail=detail or {},
        )
    )
