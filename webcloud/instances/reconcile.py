"""Takes in what hosts report of their guests.

Nothing is started or stopped, but for what ran when its machine went down (host_boot).

A guest that was powered off from inside is shown as stopped and left so; a
domain that vanished is shown as missing; the guests of a host that is not heard
from are shown as unknown until it speaks again.  Reports of a host on instances
that are not placed there are ignored and audited: a host speaks about its own only.  What a
move left on a host goes when that host is heard from.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from agents.wire.reports import POWER, DomainState, DomainStates
from webcloud.conductor import queries as operations
from webcloud.conductor import starting
from webcloud.db import Database, now
from webcloud.hosts import presence, reports
from webcloud.hosts.models import Host
from webcloud.instances import host_boot, queries
from webcloud.instances.models import Instance, Leftover
from webcloud.instances.operations.clear_leftover import ClearLeftover
from webcloud.instances.operations.move import MoveInstance
from webcloud.live import publish

# A list of all domains may have been read this long before it arrives.
SETTLED_AFTER = timedelta(seconds=5)
MOST_FOREIGN = 200  # ids of one message that are looked up although they are not the host's


def take_states(session: Session, host: Host, states: DomainStates) -> bool:
    """Write down each power state that differs from what is known.

    Returns whether the list of all must come again: of some, it could not be used yet.
    """
    if states.full and host.restart_due:
        # Before it is written down that everything there is off now.
        host_boot.start_again(session, host)
    mine = {instance.id: instance for instance in queries.on_host(session, host.id)}
    reported = {state.instance_id: state.power for state in states.domains if state.power in POWER}
    reported.update(dict.fromkeys(states.gone, "absent"))
    for instance_id, power in reported.items():
        if instance_id in mine:
            _observe(session, mine[instance_id], power)
    _note_lies(session, host, reported.keys() - mine.keys())
    if not states.full:
        return False
    working = queries.active_operations(session, list(mine))
    told = {state.instance_id: state for state in states.domains}
    unjudged = False
    for instance_id, instance in mine.items():
        # While an operation builds or removes the domain, its absence says nothing.
        if instance_id in working or not _settled(instance):
            unjudged = True
            continue
        if instance_id not in reported:
            _observe(session, instance, "absent")
        elif instance_id in told:
            _take_boot(instance, told[instance_id])
    return unjudged


def _note_lies(session: Session, host: Host, ids: set[str]) -> None:
    """Audit what a host says of instances that are elsewhere and have nothing to do with it.

    Ids that nobody knows are no lie: somebody may have made a domain by hand.
    """
    if not ids:
        return
    elsewhere = session.scalars(
        select(Instance)
        .where(Instance.id.in_(sorted(ids)[:MOST_FOREIGN]), Instance.deleted_at.is_(None))
        .where(Instance.host_id != host.id)
    ).all()
    moving = queries.active_operations(session, [instance.id for instance in elsewhere])
    left = set(session.scalars(select(Leftover.instance_id).where(Leftover.host_id == host.id)))
    for instance in elsewhere:
        if instance.id not in moving and instance.id not in left:
            reports.note_foreign(session, host, "domain", instance.id, about=instance.host_id)


def take_silence(session: Session, host: Host) -> None:
    """Nobody knows what the guests of a host do that is not heard from, since it was."""
    for instance in queries.on_host(session, host.id):
        if instance.observed_power in POWER:
            instance.power_before = instance.observed_power
            _observe(session, instance, "unknown")
            instance.observed_at = host.silent_since


def clear_leftovers(database: Database) -> None:
    """Begin to remove what moves left on hosts that are heard from, or were given up."""
    with database.reading() as session:
        ids = list(session.scalars(select(Leftover.id)))
    for leftover_id in ids:
        with database.transaction() as session:
            leftover = session.get(Leftover, leftover_id)
            if leftover is not None and _may_clear(session, leftover):
                starting.supersede(
                    session,
                    ClearLeftover,
                    subject_id=leftover.id,
                    subject_name=session.get_one(Instance, leftover.instance_id).name,
                    params={"fence": [leftover.instance_id, leftover.generation]},
                )


def _may_clear(session: Session, leftover: Leftover) -> bool:
    host = session.get_one(Host, leftover.host_id)
    if not host.given_up and not presence.is_alive(host):
        return False
    operation = operations.active_operation(session, "instance", leftover.instance_id)
    # A move removes it by itself, as its last step.
    return operation is None or operation.kind != MoveInstance.kind


def _settled(instance: Instance) -> bool:
    return instance.observed_at is None or now() - instance.observed_at > SETTLED_AFTER


def _take_boot(instance: Instance, state: DomainState) -> None:
    """A start that was asked for and failed left the guest in an earlier boot."""
    if state.power == "running" and 0 < state.boot < instance.boot:
        instance.boot = state.boot


def _observe(session: Session, instance: Instance, power: str) -> None:
    if instance.observed_power == power:
        return
    instance.observed_power = power
    instance.observed_at = instance.updated_at = now()
    publish.changed(session, "instance", instance.id, instance.project_id)
