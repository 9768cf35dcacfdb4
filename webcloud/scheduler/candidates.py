"""Reads the hosts as candidates: columns, not rows, so that a thousand cost little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, String, and_, cast, false, select
from sqlalchemy.orm import Session

from webcloud.hosts import capacity, presence, versions, zones
from webcloud.hosts.models import Host
from webcloud.scheduler.request import Candidate, Request

Aggregates = tuple[Mapping[str, str], ...]


def read(session: Session, request: Request) -> list[Candidate]:
    """Every host by name; its aggregates only where the request asks about them."""
    about: Mapping[str, Aggregates] = {}
    if request.zone or request.aggregate_specs:
        about = zones.properties_by_host(session)
    cached: ColumnElement[bool] = false()
    if request.image_id:
        # An id is in the list's text exactly when it is in the list.
        cached = cast(Host.cached_images, String).contains(request.image_id, autoescape=True)
    what: list[ColumnElement[Any]] = [
        *(Host.id.expression, Host.name.expression, Host.enabled.expression),
        *(Host.disabled_reason.expression, and_(presence.alive(), versions.no_problem())),
        *(Host.architecture.expression, Host.hypervisor.expression, cached),
    ]
    # Of the connection, past the session, which costs more a row: these are no objects.
    session.flush()
    query = select(*what, *capacity.COLUMNS).order_by(Host.name)
    return [_candidate(row, about) for row in session.connection().execute(query).all()]


def _candidate(row: Sequence[Any], about: Mapping[str, Aggregates]) -> Candidate:
    host_id, name, enabled, reason, alive, architecture, hypervisor, cached = row[:8]
    total, free = capacity.room(row[8:])
    return Candidate(
        host_id,
        name,
        enabled,
        reason,
        bool(alive),
        architecture,
        hypervisor,
        *free,
        total_memory_mb=total.memory_mb,
        image_cached=bool(cached),
        aggregates=about.get(host_id, ()),
    )
