"""The client's book against the cloud's: nothing lost, nothing left over, nothing twice.

``judge`` is pure: it holds what was sent, the rows and the event log of guests
against each other.  ``left_over`` looks at an emptied cloud: the rows through
SQL and the hosts with its own eyes, not through what the agents say.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tests.chaos.cloud import ChaosCloud
from tests.chaos.wishes import Sent
from webcloud.conductor.models import OperationRow
from webcloud.hosts.models import Host, HostCommand
from webcloud.identity.models import QuotaUsage
from webcloud.instances.models import Instance
from webcloud.networks.models import Port

# An operation turns round at its deadline; undoing it takes a moment more.
UNWINDING = timedelta(seconds=60)


@dataclass(frozen=True)
class Event:
    """One line of the hosts' log: a guest runs or ends, a host's libvirt goes dark or is lit."""

    at: float
    host: str
    what: str
    instance_id: str = ""


@dataclass
class Verdict:
    """Each entry of a list is one violation in words."""

    accepted: int = 0
    refused: int = 0
    unanswered: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.left_over or self.duplicates or self.unclear)


def judge(
    sent: list[Sent],
    operations: list[OperationRow],
    instances: list[Instance],
    events: Iterable[Event],
) -> Verdict:
    """Everything that was accepted has ended in time, once, on one host."""
    verdict = Verdict()
    by_request: dict[str, list[OperationRow]] = defaultdict(list)
    by_key: dict[str, list[OperationRow]] = defaultdict(list)
    for row in operations:
        by_request[row.request_id].append(row)
        by_key[(row.idempotency_key or "").rpartition(":")[2]].append(row)
        verdict.ended[f"{row.kind} {row.status} {row.error_code}".strip()] += 1
    gone = {each.id for each in instances if each.deleted_at is not None}
    for request in sent:
        verdict.unclear += [f"{request.verb}: HTTP {s}" for s in request.unclear if s != 503]
        if not request.status:
            verdict.unanswered += 1
        elif not request.accepted:
            verdict.refused += 1
        else:
            verdict.accepted += 1
            rows = by_key[request.key] if request.verb == "create" else []
            rows = rows or by_request[request.request_id]
            # A second delete joins the one that is under way.
            joined = request.verb == "delete" and request.instance_id in gone
            if not rows and not joined:
                verdict.lost.append(f"{request.verb} {request.instance_id} {request.request_id}")
    for row in operations:
        late = row.finished_at is not None and row.finished_at > row.deadline_at + UNWINDING
        if row.finished_at is None or late:
            words = "ended late" if late else f"never ended: {row.step}, {row.why}"
            verdict.lost.append(f"{row.kind} {row.id} of {row.subject_id} {words}")
    verdict.duplicates += _twice(sent, instances) + _on_two_hosts(events)
    return verdict


def _twice(sent: list[Sent], instances: list[Instance]) -> list[str]:
    """Keys that made more than one instance, and instances that nobody asked for."""
    made = Counter(each.name for each in instances)
    asked = {each.key for each in sent if each.verb == "create"}
    twice = [f"{name} was made {count} times" for name, count in made.items() if count > 1]
    return twice + [f"{name} was never asked for" for name in sorted(set(made) - asked)]


def _on_two_hosts(events: Iterable[Event]) -> list[str]:
    """Instances that ran on more than one host, ever: nothing here moves them."""
    ran: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.what == "runs":
            ran[event.instance_id].add(event.host)
    return [f"{id_} ran on {sorted(hosts)}" for id_, hosts in ran.items() if len(hosts) > 1]


def read(session: Session) -> tuple[list[OperationRow], list[Instance]]:
    """The operations on instances, and every instance there ever was."""
    wanted = select(OperationRow).where(OperationRow.subject_type == "instance")
    return list(session.scalars(wanted)), list(session.scalars(select(Instance)))


def unfinished(session: Session) -> int:
    wanted = select(func.count()).where(OperationRow.finished_at.is_(None))
    return session.scalar(wanted) or 0


def left_over(cloud: ChaosCloud) -> list[str]:
    """What an emptied cloud still holds, in rows and on hosts."""
    with cloud.database.reading() as session:
        found = _rows_left(session)
    for host in cloud.hosts:
        found += [f"domain {each} on {host.name}" for each in cloud.witness.domains(host)]
        found += [f"files {each} on {host.name}" for each in sorted(host.files())]
    return found


def _rows_left(session: Session) -> list[str]:
    found = [f"port {port.id}" for port in session.scalars(select(Port))]
    waiting = select(HostCommand).where(HostCommand.status == "open")
    found += [f"command {each.id} {each.verb}" for each in session.scalars(waiting)]
    living = select(Instance).where(Instance.deleted_at.is_(None))
    found += [f"instance {each.id} {each.name}" for each in session.scalars(living)]
    for use in session.scalars(select(QuotaUsage)):
        if use.used and use.resource in ("instances", "vcpus", "memory_mb", "disk_gb", "ports"):
            found.append(f"quota {use.resource}: {use.used}")
    for host in session.scalars(select(Host)):
        promised = (host.allocated_vcpus, host.allocated_memory_mb, host.allocated_disk_gb)
        if any(promised):
            found.append(f"allocation {promised} on {host.name}")
    return found
