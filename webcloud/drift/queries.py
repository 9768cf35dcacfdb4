"""Reads of differences. Operators see all of them, others those of their project's instances."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.drift.models import Difference
from webcloud.identity.callers import Caller


def everything(session: Session) -> Sequence[Difference]:
    """All there are, newest first; for operators."""
    return session.scalars(
        select(Difference).order_by(Difference.first_seen_at.desc(), Difference.id.desc())
    ).all()


def of_host(session: Session, host_id: str | None) -> Sequence[Difference]:
    """Those of one host, or of the database itself, oldest first; for operators."""
    return session.scalars(
        select(Difference).where(Difference.host_id == host_id).order_by(Difference.id)
    ).all()


def of_instance(session: Session, caller: Caller, instance_id: str) -> Sequence[Difference]:
    """Those that touch the instance; none for who may not see it."""
    query = select(Difference).where(Difference.instance_id == instance_id)
    if not caller.is_admin:
        query = query.where(Difference.project_id == caller.project_id)
    return session.scalars(query.order_by(Difference.id)).all()


def touching(session: Session, instance_id: str, kind: str) -> Difference | None:
    """The instance's difference of this kind, whoever asks: for decisions, not for pages."""
    return session.scalar(
        select(Difference).where(Difference.instance_id == instance_id, Difference.kind == kind)
    )
