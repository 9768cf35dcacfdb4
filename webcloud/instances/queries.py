"""Reads of instances, scoped to what the caller may see."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from webcloud.conductor.models import OperationRow
from webcloud.db import now
from webcloud.errors import NotFound
from webcloud.identity.callers import Caller
from webcloud.instances.models import Instance, Placement
from webcloud.words import say

SORTS = {
    "created_at": Instance.created_at,
    "updated_at": Instance.updated_at,
    "name": Instance.name,
    "display_name": Instance.name,
    "uuid": Instance.id,
    "id": Instance.id,
}


def get(session: Session, caller: Caller, instance_id: str, *, deleted: bool = False) -> Instance:
    """Raises NotFound, for another project's instance just as for none."""
    query = visible(caller, everywhere=caller.is_admin).where(Instance.id == instance_id)
    if not deleted:
        query = query.where(Instance.deleted_at.is_(None))
    instance = session.scalar(query)
    if instance is None:
        raise not_found(instance_id)
    return instance


def visible(caller: Caller, *, everywhere: bool = False) -> Select[Instance]:
    """All the caller's project's instances, deleted ones included; everyone's for operators."""
    query = select(Instance)
    if everywhere and caller.is_admin:
        return query
    return query.where(Instance.project_id == caller.project_id)


def search(
    session: Session,
    caller: Caller,
    *,
    name: str = "",
    host_id: str | None = None,
    ids: Iterable[str] | None = None,
    everywhere: bool = False,
    changed_since: datetime | None = None,
    sort: str = "created_at",
    descending: bool = True,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[list[Instance], int]:
    """One page of instances and how many there are in all.

    ``name`` is a literal part of the name.  With ``changed_since`` deleted
    ones are included, as the compute API wants.
    """
    query = visible(caller, everywhere=everywhere)
    if changed_since is None:
        query = query.where(Instance.deleted_at.is_(None))
    else:
        query = query.where(Instance.updated_at >= changed_since)
    if name:
        query = query.where(Instance.name.icontains(name, autoescape=True))
    if host_id is not None:
        query = query.where(Instance.host_id == host_id)
    if ids is not None:
        query = query.where(Instance.id.in_(list(ids)))
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    column = SORTS.get(sort, Instance.created_at)
    query = query.order_by(column.desc() if descending else column.asc(), Instance.id)
    return list(session.scalars(query.limit(limit).offset(offset))), total


def active_operations(session: Session, instance_ids: list[str]) -> dict[str, OperationRow]:
    """The unfinished operation of each instance that has one, in one query."""
    keys = [f"instance:{instance_id}" for instance_id in instance_ids]
    rows = session.scalars(select(OperationRow).where(OperationRow.active_key.in_(keys)))
    return {row.subject_id: row for row in rows}


def on_host(session: Session, host_id: str) -> list[Instance]:
    """Every instance placed on the host, whoever owns it."""
    return list(
        session.scalars(
            select(Instance).where(Instance.host_id == host_id, Instance.deleted_at.is_(None))
        )
    )


def not_found(instance_id: str) -> NotFound:
    """What is said of an instance that is not there, or not the caller's."""
    return NotFound(say("Instance {instance_id} could not be found.", instance_id=instance_id))


def name_taken(session: Session, project_id: str, name: str) -> bool:
    """Whether the project has an instance of exactly this name."""
    query = select(Instance.id).where(
        Instance.project_id == project_id, Instance.name == name, Instance.deleted_at.is_(None)
    )
    return session.scalar(query.limit(1)) is not None


def placements(session: Session, instance_id: str) -> list[Placement]:
    """Why the instance is where it is, newest first."""
    query = select(Placement).where(Placement.instance_id == instance_id)
    return list(session.scalars(query.order_by(Placement.id.desc())))


def touch(instance: Instance) -> None:
    """Note that the instance has changed."""
    instance.updated_at = now()
