"""Which other hosts can take an instance that is to move, and why not the rest. Pure reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from agents.wire.commands import knows
from webcloud.hosts import queries as hosts
from webcloud.hosts.capacity import Room
from webcloud.instances import leftovers, placing
from webcloud.instances.models import Instance
from webcloud.scheduler import candidates
from webcloud.scheduler.placement import Decision, Verdict
from webcloud.scheduler.request import Candidate
from webcloud.words import Said, say

GIB = 1024**3


@dataclass
class Supposed:
    """Moves that are counted as made: where each instance is then, and what room it takes."""

    places: dict[str, str] = field(default_factory=dict)
    taken: dict[str, Room] = field(default_factory=dict)

    def add(self, instance: Instance, host_id: str) -> None:
        self.places[instance.id] = host_id
        before = self.taken.get(host_id, Room(0, 0, 0))
        self.taken[host_id] = Room(
            before.vcpus + instance.vcpus,
            before.memory_mb + instance.memory_mb,
            before.disk_gb + instance.disk_gb,
        )


def decide(
    session: Session,
    instance: Instance,
    *,
    host_id: str = "",
    supposed: Supposed | None = None,
) -> Decision:
    """The other hosts, best first; only ``host_id`` when an operator named it.

    The wishes the instance was created with count now as well.
    """
    supposed = supposed or Supposed()
    request = placing.request_for(session, instance, host_id=host_id, supposed=supposed.places)
    others = [
        _less(each, supposed.taken.get(each.host_id))
        for each in candidates.read(session, request)
        if each.host_id != instance.host_id
    ]
    barred = _barred(session, instance, others)
    found = placing.judge(request, [each for each in others if each.host_id not in barred])
    verdicts = (*found.verdicts, *barred.values())
    why: str = found.why_none
    if not found.verdicts:
        why = say("There is no other host that it could go to now.")
    return Decision(verdicts, why)


def why_none(decision: Decision) -> Said:
    """For operators: what each of the other hosts lacks."""
    lacks = decision.lacks
    if not lacks:
        return say("There is no other host.")
    return say("No other host can take it: {lacks}.", lacks=lacks)


def most_bytes(instance: Instance) -> int:
    """The most that the instance's disk may take on its way: its size and a little for tables."""
    size = instance.disk_gb * GIB
    return size + size // 32 + 128 * 1024**2


def _barred(session: Session, instance: Instance, others: list[Candidate]) -> dict[str, Verdict]:
    """The hosts about which no filter need be asked."""
    still_there = leftovers.hosts_of(session, instance.id)
    versions = {host.id: host.wire_version for host in hosts.list_hosts(session)}
    barred = {}
    for each in others:
        if each.host_id in still_there:
            why = say("still holds something of it from an earlier move")
        elif not knows(versions[each.host_id], "receive_disk"):
            why = say("has an agent of an older version, which cannot do this")
        else:
            continue
        barred[each.host_id] = Verdict(each.host_id, each.name, filter="move", refusal=why)
    return barred


def _less(host: Candidate, room: Room | None) -> Candidate:
    if room is None:
        return host
    return host._replace(
        free_vcpus=host.free_vcpus - room.vcpus,
        free_memory_mb=host.free_memory_mb - room.memory_mb,
        free_disk_gb=host.free_disk_gb - room.disk_gb,
    )
