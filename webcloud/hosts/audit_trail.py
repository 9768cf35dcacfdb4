"""Entries in the audit log about what a host itself did, in nobody's name but its own."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from webcloud.audit import service as audit
from webcloud.hosts.models import Host


def record(session: Session, host: Host, action: str, **detail: Any) -> None:
    """One deed of the host, on itself. ``detail`` must hold no secret."""
    audit.record(
        session,
        actor=f"host:{host.name}",
        action=action,
        subject_type="host",
        subject_id=host.id,
        subject_name=host.name,
        detail=detail,
    )
