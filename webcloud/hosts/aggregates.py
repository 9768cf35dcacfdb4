"""Aggregates of hosts: made, changed and emptied by operators. Never commits.

It refuses what would put a host into two availability zones, and what would
take a host out of the zone that an instance on it was asked for; who knows
the instances registers that check with ``on_rezoning``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.db import new_id, now
from webcloud.errors import BadRequest, Conflict, NotFound
from webcloud.hosts import zones
from webcloud.hosts.models import Aggregate, AggregateHost, Host
from webcloud.identity.audit_trail import Subject, record
from webcloud.identity.callers import Caller
from webcloud.words import mark, say

MAX_PROPERTIES = 128

# Given the ids of hosts and the zone they would be in; raises Conflict.
Check = Callable[[Session, list[str], str], None]
_checks: list[Check] = []


def on_rezoning(check: Check) -> None:
    """Have ``check`` asked before hosts change their zone."""
    if check not in _checks:
        _checks.append(check)


def list_aggregates(session: Session) -> list[Aggregate]:
    return list(session.scalars(select(Aggregate).order_by(Aggregate.id)))


def get(session: Session, aggregate_id: str) -> Aggregate:
    """Raises NotFound, also for what cannot be an id."""
    text = aggregate_id if aggregate_id.isascii() and aggregate_id.isdigit() else ""
    found = session.get(Aggregate, int(text)) if 0 < len(text) < 10 else None
    if found is None:
        raise NotFound(say("There is no aggregate {id}.", id=aggregate_id[:80]))
    return found


def host_names(session: Session, ids: Iterable[int]) -> dict[int, list[str]]:
    """The names of the hosts in each of these aggregates, in order."""
    found: dict[int, list[str]] = {each: [] for each in ids}
    rows = session.execute(
        select(AggregateHost.aggregate_id, Host.name)
        .join(Host, Host.id == AggregateHost.host_id)
        .where(AggregateHost.aggregate_id.in_(found))
        .order_by(Host.name)
    )
    for aggregate_id, name in rows:
        found[aggregate_id].append(name)
    return found


def create(session: Session, caller: Caller, name: str, zone: str | None = None) -> Aggregate:
    """An aggregate without hosts. Raises Conflict for a name that is taken, BadRequest."""
    _check_name(session, name)
    properties = {} if zone is None else {zones.KEY: _zone(zone)}
    made = Aggregate(uuid=new_id(), name=name, properties=properties, created_at=now())
    session.add(made)
    session.flush()
    _record(session, caller, "aggregate.create", made)
    return made


def update(
    session: Session,
    caller: Caller,
    aggregate: Aggregate,
    *,
    name: str | None = None,
    zone: str | None = None,
) -> None:
    """Rename it, or make it another zone. Raises Conflict, BadRequest."""
    if name is not None and name != aggregate.name:
        _check_name(session, name)
        aggregate.name = name
    if zone is not None:
        _set_properties(session, aggregate, {**aggregate.properties, zones.KEY: _zone(zone)})
    aggregate.updated_at = now()
    _record(session, caller, "aggregate.update", aggregate)


def set_properties(
    session: Session, caller: Caller, aggregate: Aggregate, changes: Mapping[str, str | None]
) -> None:
    """Add or replace properties; None removes one. Raises Conflict, BadRequest."""
    merged = {**aggregate.properties, **changes}
    kept = {key: value for key, value in merged.items() if value is not None}
    if zones.KEY in kept:
        _zone(kept[zones.KEY])
    if len(kept) > MAX_PROPERTIES:
        raise BadRequest(
            say("An aggregate has at most {most} properties.", most=MAX_PROPERTIES),
            field="metadata",
        )
    _set_properties(session, aggregate, kept)
    aggregate.updated_at = now()
    _record(session, caller, "aggregate.update", aggregate)


def add_host(session: Session, caller: Caller, aggregate: Aggregate, name: str) -> None:
    """Raises NotFound for a host that is not there, Conflict for one that is in or elsewhere."""
    host = _host(session, name)
    members = _members(session, aggregate)
    if host.id in members:
        raise Conflict(
            say("Host {host} is in aggregate {name} already.", host=name, name=aggregate.name)
        )
    zone = aggregate.properties.get(zones.KEY)
    if zone is not None:
        _check_zone(session, [host.id], zone, besides=aggregate.id)
        _ask(session, [host.id], zone)
    session.add(AggregateHost(aggregate_id=aggregate.id, host_id=host.id))
    aggregate.updated_at = now()
    _record(session, caller, "aggregate.add_host", aggregate, host=name)


def remove_host(session: Session, caller: Caller, aggregate: Aggregate, name: str) -> None:
    """Raises NotFound for a host that is not in it, Conflict when its zone is relied on."""
    host = _host(session, name)
    row = session.get(AggregateHost, (aggregate.id, host.id))
    if row is None:
        raise NotFound(
            say("Host {host} is not in aggregate {name}.", host=name, name=aggregate.name)
        )
    if zones.KEY in aggregate.properties:
        _ask(session, [host.id], zones.DEFAULT)
    session.delete(row)
    aggregate.updated_at = now()
    _record(session, caller, "aggregate.remove_host", aggregate, host=name)


def delete(session: Session, caller: Caller, aggregate: Aggregate) -> None:
    """Raises Conflict while it has hosts."""
    if _members(session, aggregate):
        raise Conflict(
            say("Aggregate {name} has hosts.", name=aggregate.name),
            next_step=mark("Remove its hosts first."),
        )
    _record(session, caller, "aggregate.delete", aggregate)
    session.delete(aggregate)


def _set_properties(session: Session, aggregate: Aggregate, properties: dict[str, str]) -> None:
    before, after = (each.get(zones.KEY) for each in (aggregate.properties, properties))
    members = _members(session, aggregate)
    if before != after and members:
        if after is not None:
            _check_zone(session, members, after, besides=aggregate.id)
        _ask(session, members, after or zones.DEFAULT)
    aggregate.properties = properties


def _members(session: Session, aggregate: Aggregate) -> list[str]:
    """Ids of its hosts, their rows locked: zones of a host are changed by one at a time."""
    query = (
        select(Host.id)
        .join(AggregateHost, AggregateHost.host_id == Host.id)
        .where(AggregateHost.aggregate_id == aggregate.id)
        .order_by(Host.id)
        .with_for_update(of=Host)
    )
    return list(session.scalars(query))


def _check_zone(session: Session, host_ids: list[str], zone: str, *, besides: int) -> None:
    rows = session.execute(
        select(Host.name, Aggregate.properties)
        .join(AggregateHost, AggregateHost.host_id == Host.id)
        .join(Aggregate, Aggregate.id == AggregateHost.aggregate_id)
        .where(Host.id.in_(host_ids), Aggregate.id != besides)
    )
    for name, properties in rows:
        other = properties.get(zones.KEY, zone)
        if other != zone:
            raise Conflict(
                say("Host {host} is in availability zone {zone} already.", host=name, zone=other),
                next_step=mark("Remove it from that zone's aggregate first."),
            )


def _ask(session: Session, host_ids: list[str], zone: str) -> None:
    for check in _checks:
        check(session, host_ids, zone)


def _check_name(session: Session, name: str) -> None:
    if session.scalar(select(Aggregate.id).where(Aggregate.name == name)) is not None:
        raise Conflict(
            say("An aggregate named {name} already exists.", name=name), field="aggregate.name"
        )


def _zone(name: str) -> str:
    """A zone's name is also written before a colon and a host's name."""
    if not name.strip() or ":" in name or len(name) > 255:
        raise BadRequest(
            say("The name of a zone has 1 to 255 characters and no colon."),
            field="aggregate.availability_zone",
        )
    return name


def _host(session: Session, name: str) -> Host:
    host = session.scalar(select(Host).where(Host.name == name).with_for_update())
    if host is None:
        raise NotFound(say("There is no host {name!r}.", name=name[:255]))
    return host


def _record(
    session: Session, caller: Caller, action: str, aggregate: Aggregate, **detail: str
) -> None:
    subject = Subject("aggregate", aggregate.uuid, aggregate.name)
    properties = dict(aggregate.properties)
    record(session, caller, action, subject, project_id=None, properties=properties, **detail)
