"""What lies of an instance on a host that is not its own, and how it goes.

A move notes it in the transaction that makes it so: at the source once the
instance belongs to the target, at the target when that one fell silent and a
move is taken back without it.  Usually the move itself removes it a moment
later; what is left is removed when its host is heard from again.  Until then
the instance is not moved to that host.
"""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.conductor.models import OperationRow
from webcloud.db import new_id, now
from webcloud.instances.models import Instance, Leftover
from webcloud.networks import queries as networks
from webcloud.networks import service as network_service


def note(session: Session, instance: Instance, host_id: str, generation: int) -> None:
    """Remember that something of the instance lies on the host; once is enough."""
    if of(session, instance.id, host_id) is not None:
        return
    ports = networks.ports_of_instances(session, [instance.id])[instance.id]
    session.add(
        Leftover(
            id=new_id(),
            instance_id=instance.id,
            host_id=host_id,
            generation=generation,
            ports=[asdict(network_service.port_absent_command(port)) for port in ports],
            created_at=now(),
        )
    )
    session.flush()


def of(session: Session, instance_id: str, host_id: str) -> Leftover | None:
    """What lies of the instance on the host, if anything."""
    return session.scalar(
        select(Leftover).where(Leftover.instance_id == instance_id, Leftover.host_id == host_id)
    )


def hosts_of(session: Session, instance_id: str) -> set[str]:
    """Ids of the hosts on which something of the instance lies."""
    return set(session.scalars(select(Leftover.host_id).where(Leftover.instance_id == instance_id)))


def on_host(session: Session, host_id: str) -> list[Leftover]:
    """Everything of this kind on the host."""
    return list(session.scalars(select(Leftover).where(Leftover.host_id == host_id)))


def passing(session: Session, host_id: str) -> set[str]:
    """Ids of instances that work under way brings to the host, or has still to take from it."""
    under_way = {
        row.subject_id
        for row in session.execute(
            select(OperationRow.subject_id).where(
                OperationRow.finished_at.is_(None),
                OperationRow.kind.in_(("instance.move", "leftover.clear")),
            )
        )
    }
    left = session.scalars(select(Leftover).where(Leftover.host_id == host_id))
    coming = session.scalars(select(Instance.id).where(Instance.target_host_id == host_id))
    return {
        *(each.instance_id for each in left if {each.id, each.instance_id} & under_way),
        *(instance_id for instance_id in coming if instance_id in under_way),
    }
