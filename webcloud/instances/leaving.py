"""Who has to let go of an instance when it is deleted, and instances of a host that is removed.

Domains above instances keep rows about them (console tokens); they register
here what removes those rows, in the transaction that closes the instance.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from webcloud.hosts import observers
from webcloud.hosts.models import Host
from webcloud.instances.models import Instance, Leftover, Placement
from webcloud.words import say

Farewell = Callable[[Session, str], None]

_farewells: list[Farewell] = []


def on_leaving(farewell: Farewell) -> None:
    """Have ``farewell(session, instance_id)`` called for every instance that is deleted."""
    if farewell not in _farewells:
        _farewells.append(farewell)


def tell(session: Session, instance_id: str) -> None:
    for farewell in _farewells:
        farewell(session, instance_id)


def watch_hosts() -> None:
    """Be asked before a host is removed; also where no application is built."""
    observers.holds(on_host)
    observers.on_removal(forget_host)


def on_host(session: Session, host: Host) -> list[str]:
    """What instances have on a host that is to be removed, in words."""
    here = or_(Instance.host_id == host.id, Instance.target_host_id == host.id)
    placed = session.scalar(select(func.count(Instance.id)).where(here)) or 0
    left = session.scalar(select(func.count(Leftover.id)).where(Leftover.host_id == host.id)) or 0
    found: list[str] = [say("{count} instances", count=placed)] if placed else []
    if left:
        found.append(say("{count} leftovers of instances that have left it", count=left))
    return found


def forget_host(session: Session, host: Host) -> None:
    """Placements keep the host by name, in their reasons."""
    session.execute(update(Placement).where(Placement.host_id == host.id).values(host_id=None))
