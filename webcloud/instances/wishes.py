"""Where an instance wants to be: zone, server group, beside or away from others.

Wishes are checked once, when the instance is accepted, and kept with it, so
that a later move obeys them too.  What the flavor asks of aggregates is
copied like the flavor's figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.errors import BadRequest, Conflict
from webcloud.hosts import zones
from webcloud.hosts.models import Host
from webcloud.identity.callers import Caller
from webcloud.instances import queries, server_groups
from webcloud.instances.forms import NewInstance
from webcloud.instances.models import Flavor, Instance, ServerGroup
from webcloud.words import say

# How a flavor asks for a property of an aggregate, as in Nova.
SPEC = "aggregate_instance_extra_specs:"


@dataclass(frozen=True)
class Wishes:
    """``same_host`` and ``different_host`` are instance ids; ``host_id`` is an operator's."""

    zone: str = ""
    group: ServerGroup | None = None
    same_host: tuple[str, ...] = ()
    different_host: tuple[str, ...] = ()
    aggregate_specs: Mapping[str, str] = field(default_factory=dict)
    host_id: str = ""

    def as_json(self) -> dict[str, Any] | None:
        """What is kept with the instance, or None for no wish; the group is a column there."""
        kept = {
            "zone": self.zone,
            "same_host": list(self.same_host),
            "different_host": list(self.different_host),
            "aggregate_specs": dict(self.aggregate_specs),
        }
        return {name: value for name, value in kept.items() if value} or None


def checked(session: Session, caller: Caller, form: NewInstance, flavor: Flavor) -> Wishes:
    """The wishes of a request. Raises BadRequest naming the field, QuotaExceeded."""
    if form.zone and not zones.exists(session, form.zone):
        raise BadRequest(
            say("There is no availability zone {zone!r}.", zone=form.zone),
            field="server.availability_zone",
        )
    for name, ids in (("same_host", form.same_host), ("different_host", form.different_host)):
        _check_instances(session, caller, name, ids)
    return Wishes(
        zone=form.zone or "",
        group=server_groups.to_join(session, caller, form.group_id, form.count)
        if form.group_id
        else None,
        same_host=form.same_host,
        different_host=form.different_host,
        aggregate_specs=aggregate_specs(flavor),
        host_id=_named_host(session, caller, form.host),
    )


def kept_with(session: Session, instance: Instance) -> Wishes:
    """The wishes of an instance that exists; a group that is gone asks for nothing."""
    kept = instance.wishes or {}
    group_id = instance.server_group_id
    return Wishes(
        zone=kept.get("zone", ""),
        group=session.get(ServerGroup, group_id) if group_id else None,
        same_host=tuple(kept.get("same_host", ())),
        different_host=tuple(kept.get("different_host", ())),
        aggregate_specs=kept.get("aggregate_specs", {}),
    )


def aggregate_specs(flavor: Flavor) -> dict[str, str]:
    """The properties that an aggregate must have for this flavor."""
    return {
        key.removeprefix(SPEC): str(value)
        for key, value in flavor.extra_specs.items()
        if key.startswith(SPEC)
    }


def keep_zones(session: Session, host_ids: list[str], zone: str) -> None:
    """Raises Conflict when an instance on these hosts was asked for in another zone."""
    query = select(Instance).where(
        Instance.host_id.in_(host_ids), Instance.wishes.is_not(None), Instance.deleted_at.is_(None)
    )
    for instance in session.scalars(query):
        wanted = (instance.wishes or {}).get("zone", zone)
        if wanted != zone:
            raise Conflict(
                say(
                    "Instance {name} was asked for in availability zone {zone} and is on one of "
                    "these hosts.",
                    name=instance.name,
                    zone=wanted,
                )
            )


def _check_instances(session: Session, caller: Caller, name: str, ids: tuple[str, ...]) -> None:
    found, _ = queries.search(session, caller, ids=ids) if ids else ([], 0)
    missing = set(ids) - {instance.id for instance in found}
    if missing:
        raise BadRequest(
            say("There is no instance {id} for the hint {name}.", id=min(missing), name=name),
            field=f"os:scheduler_hints.{name}",
        )


def _named_host(session: Session, caller: Caller, name: str | None) -> str:
    if name is None:
        return ""
    if not caller.is_admin:
        raise BadRequest("Only operators may choose the host.", field="availability_zone")
    host_id = session.scalar(select(Host.id).where(Host.name == name))
    if host_id is None:
        raise BadRequest(say("There is no host {name!r}.", name=name), field="availability_zone")
    return host_id
