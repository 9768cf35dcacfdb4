"""Reads the hosts as candidates: columns, not rows, so that a thousand cost little."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, bindparam, cast, exists, select
from sqlalchemy.orm import Session

from webcloud.db import UtcDateTime
from webcloud.hosts import capacity, presence, versions, zones
from webcloud.hosts.models import AggregateHost, Host
from webcloud.scheduler.request import Candidate, Request

_NOWHERE = zones.Place()


def _every_host() -> Select[Any]:
    # An id is in the list's text exactly when it is in the list.
    cached = cast(Host.cached_images, String).contains(bindparam("image_id"))
    heard = presence.alive(bindparam("since", type_=UtcDateTime))
    what: list[ColumnElement[Any]] = [
        # The same in each row; where there are no aggregates none are asked for.
        exists(select(AggregateHost.host_id)),
        *(Host.id.expression, Host.name.expression, Host.enabled.expression),
        *(Host.disabled_reason.expression, and_(heard, versions.no_problem())),
        *(Host.architecture.expression, Host.hypervisor.expression, cached),
    ]
    return select(*what, *capacity.COLUMNS).order_by(Host.name)


_EVERY_HOST = _every_host()
_NO_IMAGE = "none"  # in no list of ids


def read(session: Session, request: Request) -> list[Candidate]:
    """Every host by name, with its aggregates."""
    given = {"image_id": request.image_id or _NO_IMAGE, "since": presence.heard_since()}
    # Of the connection, past the session, which costs more a row: these are no objects.
    session.flush()
    rows = session.connection().execute(_EVERY_HOST, given).all()
    about = zones.places(session) if rows and rows[0][0] else {}
    return [_candidate(row, about) for row in rows]


def _candidate(row: Sequence[Any], about: Mapping[str, zones.Place]) -> Candidate:
    _, host_id, name, enabled, reason, alive, architecture, hypervisor, cached, *has = row
    total, free = capacity.room(has)
    zone, aggregates = about.get(host_id, _NOWHERE)
    return Candidate(
        host_id,
        name,
        enabled,
        reason,
        bool(alive),
        architecture,
        hypervisor,
        *free,
        total.memory_mb,
        bool(cached),
        aggregates,
        zone,
    )
