"""Availability zones: which zone each host is in, and which zones there are.

A zone is nothing but the property ``availability_zone`` of an aggregate; a
host that no aggregate puts into one is in the zone ``nova``, as in Nova.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.hosts import presence, queries
from webcloud.hosts.models import Aggregate, AggregateHost, Host

DEFAULT = "nova"
KEY = "availability_zone"
_PROPERTIES = select(Aggregate.id, Aggregate.properties)
_MEMBERS = select(AggregateHost.host_id, AggregateHost.aggregate_id)


@dataclass(frozen=True)
class Zone:
    """A zone with its hosts by name; available when one of them takes instances."""

    name: str
    hosts: tuple[Host, ...]

    @property
    def available(self) -> bool:
        return any(host.enabled and presence.is_alive(host) for host in self.hosts)


class Place(NamedTuple):
    """The zone of a host and the properties of each aggregate that it is in."""

    zone: str = DEFAULT
    aggregates: tuple[Mapping[str, str], ...] = ()


def places(session: Session) -> dict[str, Place]:
    """Host id to place, of the hosts that are in an aggregate."""
    known = {each.id: each.properties for each in session.execute(_PROPERTIES)}
    if not known:
        return {}
    members: dict[str, tuple[int, ...]] = {}
    # Of the connection, past the session: there may be thousands, and they are no objects.
    for host_id, aggregate_id in session.connection().execute(_MEMBERS).all():
        if aggregate_id not in known:
            continue  # It was made after they were read.
        members[host_id] = (*members.get(host_id, ()), aggregate_id)
    # Hosts that are in the same aggregates share their place.
    shared = {
        ids: _place([known[aggregate_id] for aggregate_id in ids]) for ids in set(members.values())
    }
    return {host_id: shared[ids] for host_id, ids in members.items()}


def _place(properties: Sequence[Mapping[str, str]]) -> Place:
    return Place(zone_in(properties), tuple(properties))


def zone_in(properties: Sequence[Mapping[str, str]]) -> str:
    """The zone of a host whose aggregates have these properties."""
    for each in properties:
        if KEY in each:
            return each[KEY]
    return DEFAULT


def of_host(session: Session, host_id: str | None) -> str:
    """The zone of one host; the default for none."""
    query = (
        select(Aggregate.properties)
        .join(AggregateHost, AggregateHost.aggregate_id == Aggregate.id)
        .where(AggregateHost.host_id == host_id)
    )
    return zone_in(session.scalars(query).all())


def by_host(session: Session) -> dict[str, str]:
    """Host id to zone, of the hosts that are in another than the default."""
    return {host_id: place.zone for host_id, place in places(session).items()}


def list_zones(session: Session) -> list[Zone]:
    """Every zone that has a host, by name; the default one also without."""
    of = by_host(session)
    found: dict[str, list[Host]] = {}
    for host in queries.list_hosts(session):
        found.setdefault(of.get(host.id, DEFAULT), []).append(host)
    if not found:
        found[DEFAULT] = []
    return [Zone(name, tuple(found[name])) for name in sorted(found)]


def exists(session: Session, name: str) -> bool:
    """Whether an aggregate makes this zone, or it is the default one."""
    if name == DEFAULT:
        return True
    every = session.scalars(select(Aggregate.properties))
    return any(properties.get(KEY) == name for properties in every)
