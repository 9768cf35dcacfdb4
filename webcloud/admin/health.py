"""What an operator should look at now, in one reading of the database.

Differences between rows and hosts, operations that raised an alarm, hosts that
are not heard from or whose disk is nearly full, and periodic work that fails.
Nothing here asks a host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.conductor import story
from webcloud.conductor.models import OperationEvent, OperationRow, PeriodicRow
from webcloud.conductor.story import Story
from webcloud.drift import advice, queries
from webcloud.drift.advice import Advice
from webcloud.drift.models import Difference
from webcloud.hosts import capacity, presence
from webcloud.hosts import queries as host_queries
from webcloud.hosts.models import Host
from webcloud.instances.models import Instance
from webcloud.words import Said, from_json


@dataclass(frozen=True)
class Line:
    """One difference as pages show it; ``name`` is the instance's or what else is meant."""

    row: Difference
    name: str
    words: Said
    advice: Advice


@dataclass(frozen=True)
class Health:
    """``alarms`` are unfinished operations that an operator should look at."""

    lines: list[Line]
    alarms: list[Story]
    silent: list[Host]
    low_disk: list[Host]
    failing: Sequence[PeriodicRow]
    host_names: dict[str, str]

    @property
    def well(self) -> bool:
        return not (self.lines or self.alarms or self.silent or self.low_disk or self.failing)


def read(session: Session) -> Health:
    hosts = [host for host in host_queries.list_hosts(session) if not host.given_up]
    return Health(
        lines=lines(session, queries.everything(session)),
        alarms=story.tell(session, _alarmed(session)),
        silent=[host for host in hosts if not presence.is_alive(host)],
        low_disk=[host for host in hosts if capacity.nearly_full(host)],
        failing=session.scalars(
            select(PeriodicRow).where(PeriodicRow.failures > 0).order_by(PeriodicRow.name)
        ).all(),
        host_names=host_queries.names(session),
    )


def lines(session: Session, rows: Sequence[Difference]) -> list[Line]:
    """The differences with their words, and the names of the instances they touch."""
    ids = {row.instance_id for row in rows if row.instance_id is not None}
    found = session.execute(select(Instance.id, Instance.name).where(Instance.id.in_(ids)))
    names = {row.id: row.name for row in found}
    return [
        Line(
            row,
            names.get(row.instance_id or "", row.subject),
            from_json(row.said),
            advice.of(row.kind),
        )
        for row in rows
    ]


def _alarmed(session: Session) -> Sequence[OperationRow]:
    """Unfinished operations past their deadline, or set aside."""
    alarmed = select(OperationEvent.operation_id).where(OperationEvent.event == "alarm")
    return session.scalars(
        select(OperationRow)
        .where(OperationRow.finished_at.is_(None), OperationRow.id.in_(alarmed))
        .order_by(OperationRow.created_at)
    ).all()
