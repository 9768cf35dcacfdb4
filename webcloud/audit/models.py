"""Who did what to what, written in the same transaction as the deed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webcloud.db import Base, Id


class AuditEntry(Base):
    """One deed. ``detail`` never holds a secret."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column()
    project_id: Mapped[str | None] = mapped_column(Id)
    user_id: Mapped[str | None] = mapped_column(Id)
    actor: Mapped[str] = mapped_column(String(128))  # user name, "host:<name>" or "system"
    action: Mapped[str] = mapped_column(String(64))  # e.g. instance.create
    subject_type: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[str] = mapped_column(String(64))
    subject_name: Mapped[str] = mapped_column(String(255), default="")
    request_id: Mapped[str] = mapped_column(String(64), default="")
    operation_id: Mapped[str | None] = mapped_column(Id)
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)

    __table_args__ = (
        Index("ix_audit_entry_project", "project_id", "id"),
        Index("ix_audit_entry_subject", "subject_type", "subject_id", "id"),
    )
